//! The flows that are open, and the order of messages that the reassembler must keep to.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
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
/// empty and in `free`. `numbers` has an entry for each reassembler, and the remainder of a flow's number by how many there
/// are says whose it is.
#[derive(Debug)]
pub struct Table {
    hasher: DefaultHashBuilder,
    places: HashTable<u32>,
    flows: Vec<Option<Flow>>,
    free: Vec<u32>,
    numbers: Vec<Numbers>,
}

/// The flows of one reassembler.
#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    /// How many it told of.
    told: u64,
    /// How many of these are open.
    open: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self::of(1)
    }
}

impl Table {
    /// No flow yet, of so many reassemblers.
    pub fn of(workers: u32) -> Self {
        let workers = usize::try_from(workers.max(1)).unwrap_or(1);
        Self {
            hasher: DefaultHashBuilder::default(),
            places: HashTable::new(),
            flows: Vec::new(),
            free: Vec::new(),
            numbers: vec![Numbers::default(); workers],
        }
    }

    /// Whose flow it is.
    fn worker(&self, id: FlowId) -> usize {
        let workers = u64::try_from(self.numbers.len()).unwrap_or(u64::MAX);
        id.0.checked_rem(workers).and_then(|worker| usize::try_from(worker).ok()).unwrap_or(usize::MAX)
    }

    /// A flow begins.
    pub fn open(&mut self, open: FlowOpen) -> Result<(), Breach> {
        let most = MAX_FLOWS.checked_div(self.numbers.len()).unwrap_or_default();
        let worker = self.worker(open.flow);
        let number = self.number(&open)?;
        let numbers = self.numbers.get_mut(worker).filter(|numbers| numbers.open < most).ok_or(TOO_MANY)?;
        numbers.open = numbers.open.saturating_add(1);
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
        const RUN_OUT: Breach = Breach::Forbidden("flow numbers have run out");
        let worker = self.worker(open.flow);
        let workers = u64::try_from(self.numbers.len()).unwrap_or(u64::MAX);
        let numbers = self.numbers.get_mut(worker).ok_or(RUN_OUT)?;
        let due = numbers.told.checked_mul(workers);
        let due = due.and_then(|due| due.checked_add(u64::try_from(worker).ok()?)).ok_or(RUN_OUT)?;
        if open.flow.0 != due {
            return Err(Breach::Forbidden("flow numbered out of order"));
        }
        numbers.told = numbers.told.checked_add(1).ok_or(RUN_OUT)?;
        Ok(due)
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
        let worker = self.worker(id);
        if let Some(numbers) = self.numbers.get_mut(worker) {
            numbers.open = numbers.open.saturating_sub(1);
        }
        self.flows.get_mut(index(place)).and_then(Option::take).ok_or(NOT_OPEN)
    }

    /// Whether no flow is open.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether a reassembler has any flow open.
    pub fn has_open(&self, worker: usize) -> bool {
        self.numbers.get(worker).is_some_and(|numbers| numbers.open > 0)
    }

    /// Whether any open flow of a reassembler has a file.
    pub fn has_files(&self, worker: usize) -> bool {
        let own = self.flows.iter().flatten().filter(|flow| self.worker(flow.open.flow) == worker);
        own.into_iter().any(|flow| flow.name.is_some())
    }

    /// How many flows there were so far.
    pub fn total(&self) -> u64 {
        self.numbers.iter().fold(0, |sum, numbers| sum.saturating_add(numbers.told))
    }

    /// How many of a reassembler.
    pub fn total_of(&self, worker: usize) -> u64 {
        self.numbers.get(worker).map_or(0, |numbers| numbers.told)
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
    fn numbers_of_several_go_up_by_as_many_for_each() {
        let mut table = Table::of(2);
        for number in [0, 2, 1, 4] {
            table.open(open(number)).unwrap();
        }
        for number in [2, 5, 8] {
            assert!(table.open(open(number)).is_err(), "{number}");
        }
        table.pass(&open(3)).unwrap();
        assert_eq!((table.total_of(0), table.total_of(1), table.total()), (3, 2, 5));
        table.get(FlowId(4)).unwrap().name = Some("f".into());
        assert!(table.has_files(0) && !table.has_files(1));
        table.close(FlowId(1)).unwrap();
        assert!(table.has_open(0) && !table.has_open(1));
        assert_eq!(table.drain().len(), 3);
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
