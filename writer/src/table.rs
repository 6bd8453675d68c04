//! The flows that are open, and the order of messages that the reassembler must keep to.

use std::collections::HashMap;

use proto::Breach;
use proto::flow::{FlowId, FlowOpen};

use crate::flow::Flow;

/// Flows open at once; a reassembler within its memory budget cannot have as many.
const MAX_FLOWS: usize = 4_194_304;

/// Open flows by number.
#[derive(Debug, Default)]
pub struct Table {
    flows: HashMap<u64, Flow>,
    next: u64,
}

impl Table {
    /// A flow begins. Numbers are given in order, so none can be used again.
    pub fn open(&mut self, open: FlowOpen) -> Result<(), Breach> {
        if open.flow.0 != self.next {
            return Err(Breach::Forbidden("flow numbered out of order"));
        }
        if self.flows.len() >= MAX_FLOWS {
            return Err(Breach::Forbidden("too many flows open at once"));
        }
        self.next = self.next.checked_add(1).ok_or(Breach::Forbidden("flow numbers have run out"))?;
        self.flows.insert(open.flow.0, Flow::new(open));
        Ok(())
    }

    /// An open flow.
    pub fn get(&mut self, id: FlowId) -> Result<&mut Flow, Breach> {
        self.flows.get_mut(&id.0).ok_or(Breach::Forbidden("flow that is not open"))
    }

    /// A flow ends.
    pub fn close(&mut self, id: FlowId) -> Result<Flow, Breach> {
        self.flows.remove(&id.0).ok_or(Breach::Forbidden("flow that is not open"))
    }

    /// Whether no flow is open.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// How many flows there were so far.
    pub fn total(&self) -> u64 {
        self.next
    }

    /// All flows that are still open, oldest first.
    pub fn drain(&mut self) -> Vec<Flow> {
        let mut flows: Vec<Flow> = std::mem::take(&mut self.flows).into_values().collect();
        flows.sort_unstable_by_key(|flow| flow.open.flow);
        flows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::tests::open;

    #[test]
    fn numbers_go_up_by_one() {
        let mut table = Table::default();
        table.open(open(0)).unwrap();
        assert!(table.open(open(0)).is_err(), "used again");
        assert!(table.open(open(2)).is_err(), "skipped");
        table.close(FlowId(0)).unwrap();
        assert!(table.open(open(0)).is_err(), "used again after its end");
        table.open(open(1)).unwrap();
        assert_eq!(table.total(), 2);
    }

    #[test]
    fn only_open_flows_are_known() {
        let mut table = Table::default();
        assert!(table.get(FlowId(0)).is_err());
        assert!(table.close(FlowId(0)).is_err());
    }
}
