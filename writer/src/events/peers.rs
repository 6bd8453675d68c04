//! Which flow is the other direction of which, so that the end of one can name the file of the other.

use std::collections::HashMap;

use proto::flow::{FlowId, FlowKey, FlowOpen};

use crate::table::Table;

/// Flows that are open, by connection and ends; and for those whose other direction has ended before, the name of its
/// file. A direction that ends before the other begins is not remembered: only open flows take memory.
#[derive(Debug, Default)]
pub struct Peers {
    flows: HashMap<(u64, FlowKey), FlowId>,
    names: HashMap<FlowId, Box<str>>,
}

impl Peers {
    /// A flow has begun.
    pub fn opened(&mut self, open: &FlowOpen) {
        self.flows.insert((open.session, open.key), open.flow);
    }

    /// A flow has ended, whose file has this name; gives that of the other direction's, as far as it is known. It is
    /// still there if it is `continued`.
    pub fn closed(
        &mut self,
        (open, name): (&FlowOpen, Option<&str>),
        continued: bool,
        table: &mut Table,
    ) -> Option<Box<str>> {
        let place = (open.session, open.key);
        // Its ports may be those of a later flow by now.
        if !continued && self.flows.get(&place) == Some(&open.flow) {
            self.flows.remove(&place);
        }
        // What goes on may end after the other direction has, whose file is the latest then too.
        let before =
            if continued { self.names.get(&open.flow).cloned() } else { self.names.remove(&open.flow) };
        let peer = self.flows.get(&(open.session, reversed(&open.key))).copied();
        // One that talks to itself is not its own other direction.
        let Some(peer) = peer.filter(|peer| *peer != open.flow) else { return before };
        if let Some(name) = name {
            self.names.insert(peer, name.into());
        }
        table.get(peer).ok().and_then(|flow| flow.name.clone()).or(before)
    }
}

fn reversed(key: &FlowKey) -> FlowKey {
    FlowKey {
        source: key.destination,
        destination: key.source,
        source_port: key.destination_port,
        destination_port: key.source_port,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::tests::open;

    #[test]
    fn each_end_names_the_other_in_whatever_order_they_end() {
        for first in [0, 1] {
            let (mut table, mut peers) = (Table::default(), Peers::default());
            let flows = [open(0), FlowOpen { key: reversed(&open(0).key), ..open(1) }];
            for flow in flows {
                table.open(flow).unwrap();
                peers.opened(&flow);
                table.get(flow.flow).unwrap().name = Some(format!("file {}", flow.flow.0).into());
            }
            let order = if first == 0 { [0, 1] } else { [1, 0] };
            for number in order {
                let flow = table.close(flows[number].flow).unwrap();
                let peer = peers.closed((&flow.open, flow.name.as_deref()), false, &mut table);
                assert_eq!(peer.as_deref(), Some(format!("file {}", 1 - number).as_str()));
            }
            assert!(peers.flows.is_empty() && peers.names.is_empty());
        }
    }

    #[test]
    fn each_part_of_what_goes_on_names_the_other_that_has_ended() {
        let (mut table, mut peers) = (Table::default(), Peers::default());
        let flows = [open(0), FlowOpen { key: reversed(&open(0).key), ..open(1) }];
        for flow in flows {
            table.open(flow).unwrap();
            peers.opened(&flow);
        }
        let other = table.close(flows[1].flow).unwrap();
        assert_eq!(peers.closed((&other.open, Some("other")), false, &mut table), None);
        for continued in [true, true, false] {
            let peer = peers.closed((&flows[0], Some("part")), continued, &mut table);
            assert_eq!(peer.as_deref(), Some("other"), "{continued}");
        }
        assert!(peers.flows.is_empty() && peers.names.is_empty());
    }

    #[test]
    fn what_is_not_known_is_not_named() {
        let (mut table, mut peers) = (Table::default(), Peers::default());
        let flow = open(0);
        peers.opened(&flow);
        assert_eq!(peers.closed((&flow, Some("file")), false, &mut table), None);
        // One that talks to itself.
        let same =
            FlowKey { destination: flow.key.source, destination_port: flow.key.source_port, ..flow.key };
        let flow = FlowOpen { key: same, ..flow };
        peers.opened(&flow);
        assert_eq!(peers.closed((&flow, Some("file")), false, &mut table), None);
        assert!(peers.flows.is_empty() && peers.names.is_empty());
    }
}
