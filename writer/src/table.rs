//! The flows that are open, and the order of messages that the reassembler must keep to.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use proto::Breach;
use proto::flow::{FlowId, FlowOpen};

use crate::flow::Flow;

/// Flows open at once; a reassembler within its memory budget cannot have as many.
const MAX_FLOWS: usize = 4_194_304;
const TOO_MANY: Breach = Breach::Forbidden("too many flows open at once");
const NOT_OPEN: Breach = Breach::Forbidden("flow that is not open");

/// Open flows by number.
///
/// The index is small and is what is searched. A flow that begins takes the place of the one that ended last, and so
/// in a flood of flows the place is still at hand, and those that end next lie side by side.
///
/// Invariant: `places` has the place in `flows` of each flow that is open, by the hash of its number; all other places are
/// empty and in `free`.
#[derive(Debug, Default)]
pub struct Table {
    hasher: RandomState,
    places: HashTable<u32>,
    flows: Vec<Option<Flow>>,
    free: Vec<u32>,
    next: u64,
}

impl Table {
    /// A flow begins.
    pub fn open(&mut self, open: FlowOpen) -> Result<(), Breach> {
        if self.places.len() >= MAX_FLOWS {
            return Err(TOO_MANY);
        }
        let number = self.number(&open)?;
        let flow = Some(Flow::new(open));
        let free = self.free.pop();
        let place = match free.and_then(|place| Some((place, self.flows.get_mut(index(place))?))) {
            Some((place, empty)) => {
                *empty = flow;
                place
            }
            None => {
                let place = u32::try_from(self.flows.len()).map_err(|_| TOO_MANY)?;
                self.flows.push(flow);
                place
            }
        };
        let (hasher, flows) = (&self.hasher, &self.flows);
        self.places.insert_unique(hasher.hash_one(number), place, |place| {
            let flow = flows.get(index(*place)).and_then(Option::as_ref);
            flow.map_or(0, |flow| hasher.hash_one(flow.open.flow.0))
        });
        Ok(())
    }

    /// A flow that is over already. Numbers are given in order, so none can be used again.
    pub fn pass(&mut self, open: &FlowOpen) -> Result<(), Breach> {
        self.number(open).map(drop)
    }

    fn number(&mut self, open: &FlowOpen) -> Result<u64, Breach> {
        let number = self.next;
        if open.flow.0 != number {
            return Err(Breach::Forbidden("flow numbered out of order"));
        }
        self.next = number.checked_add(1).ok_or(Breach::Forbidden("flow numbers have run out"))?;
        Ok(number)
    }

    /// An open flow.
    pub fn get(&mut self, id: FlowId) -> Result<&mut Flow, Breach> {
        let (hash, flows) = (self.hasher.hash_one(id.0), &self.flows);
        let place = *self.places.find(hash, |place| is(flows, *place, id)).ok_or(NOT_OPEN)?;
        self.flows.get_mut(index(place)).and_then(Option::as_mut).ok_or(NOT_OPEN)
    }

    /// A flow ends.
    pub fn close(&mut self, id: FlowId) -> Result<Flow, Breach> {
        let (hash, flows) = (self.hasher.hash_one(id.0), &self.flows);
        let entry = self.places.find_entry(hash, |place| is(flows, *place, id)).map_err(|_| NOT_OPEN)?;
        let (place, _) = entry.remove();
        self.free.push(place);
        self.flows.get_mut(index(place)).and_then(Option::take).ok_or(NOT_OPEN)
    }

    /// Whether no flow is open.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether any open flow has a file.
    pub fn has_files(&self) -> bool {
        self.flows.iter().flatten().any(|flow| flow.name.is_some())
    }

    /// How many flows there were so far.
    pub fn total(&self) -> u64 {
        self.next
    }

    /// All flows that are still open, oldest first.
    pub fn drain(&mut self) -> Vec<Flow> {
        self.places.clear();
        let mut flows: Vec<Flow> = std::mem::take(&mut self.flows).into_iter().flatten().collect();
        flows.sort_unstable_by_key(|flow| flow.open.flow);
        flows
    }
}

/// Whether a place is that of a flow.
fn is(flows: &[Option<Flow>], place: u32, id: FlowId) -> bool {
    flows.get(index(place)).and_then(Option::as_ref).is_some_and(|flow| flow.open.flow == id)
}

fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
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
        assert!(table.pass(&open(0)).is_err(), "used again after its end");
        table.pass(&open(1)).unwrap();
        table.open(open(2)).unwrap();
        assert_eq!(table.total(), 3);
    }

    #[test]
    fn a_place_is_taken_again_by_another_flow() {
        let mut table = Table::default();
        (0..3).for_each(|number| table.open(open(number)).unwrap());
        assert_eq!(table.close(FlowId(1)).unwrap().open.flow, FlowId(1));
        table.open(open(3)).unwrap();
        assert_eq!(table.flows.len(), 3);
        assert!(table.get(FlowId(1)).is_err(), "its place is not it");
        let left: Vec<u64> = table.drain().iter().map(|flow| flow.open.flow.0).collect();
        assert_eq!((left, table.is_empty()), (vec![0, 2, 3], true));
    }

    #[test]
    fn only_open_flows_are_known() {
        let mut table = Table::default();
        assert!(table.get(FlowId(0)).is_err());
        assert!(table.close(FlowId(0)).is_err());
    }
}
