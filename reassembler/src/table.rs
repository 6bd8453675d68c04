//! The flow table: flows by their ends, and by how long they were silent.
//!
//! Everything takes constant time: a keyed hash (an attacker who picks addresses and ports cannot make
//! entries collide) leads to a slot; slots of one class are linked in the order of their last packet.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::IpAddr;

use hashbrown::HashTable;
use proto::flow::FlowKey;

use crate::decode::{Overlay, Segment};
use crate::flow::Flow;

/// What names a flow: its addresses and ports, and the overlay network that these belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Addresses and ports.
    pub key: FlowKey,
    /// Where they are these.
    pub overlay: Overlay,
}

/// In one piece where that may be, because nearly every segment is looked up.
impl Hash for Ends {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let FlowKey { source, destination, source_port, destination_port } = self.key;
        let ports = u32::from(source_port) << 16 | u32::from(destination_port);
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let ends = u64::from(source.to_bits()) << 32 | u64::from(destination.to_bits());
                state.write_u128(u128::from(ends) << 32 | u128::from(ports));
            }
            (source, destination) => {
                (source, destination).hash(state);
                state.write_u32(ports);
            }
        }
        // Most are in none.
        if self.overlay != Overlay::default() {
            self.overlay.hash(state);
        }
    }
}

impl Ends {
    /// Those of the flow that a segment belongs to.
    #[must_use]
    pub fn of(segment: &Segment<'_>) -> Self {
        Self { key: segment.key, overlay: segment.overlay }
    }

    /// Those of the flow back.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let key = FlowKey {
            source: self.key.destination,
            destination: self.key.source,
            source_port: self.key.destination_port,
            destination_port: self.key.source_port,
        };
        Self { key, overlay: self.overlay }
    }
}

/// What names a flow, hashed: that takes time, and is needed again when a flow is added and taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashed {
    hash: u64,
    /// What is hashed.
    pub ends: Ends,
}

/// What may happen to a flow when room or time runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Open, but no payload came: a handshake at most.
    HalfOpen,
    /// Open, with payload.
    Active,
    /// Closed; remembered so that what still comes of it is not taken for a new flow.
    Closed,
}

/// Names a slot for as long as its flow is in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handle(u32);

/// A million flows have room in the default of `max_memory`.
const _: () = assert!(Table::FLOW_SIZE <= (256 << 20) / 1_000_000, "a flow takes more");

/// No slot: the end of a list.
const NONE: u32 = u32::MAX;

/// Slots are added by so many at least, to keep the table from doubling.
const GROWTH: usize = 1024;

#[derive(Debug)]
struct Slot {
    ends: Hashed,
    class: Class,
    /// The neighbour that had its last packet later.
    newer: u32,
    /// The neighbour that had its last packet earlier; the next free slot when this one is free.
    older: u32,
    flow: Flow,
}

#[derive(Debug, Clone, Copy)]
struct List {
    newest: u32,
    oldest: u32,
    length: usize,
}

/// The flows that are open, and some that are closed.
///
/// Invariant: a slot is either in the index and in the list of its class, or in the free list and not in `recent`.
#[derive(Debug)]
pub struct Table {
    hasher: RandomState,
    index: HashTable<u32>,
    /// The flows that were looked up last.
    recent: [u32; 2],
    slots: Vec<Slot>,
    free: u32,
    half_open: List,
    active: List,
    closed: List,
}

impl Default for Table {
    fn default() -> Self {
        let list = List { newest: NONE, oldest: NONE, length: 0 };
        Self {
            hasher: RandomState::new(),
            index: HashTable::new(),
            recent: [NONE; 2],
            slots: Vec::new(),
            free: NONE,
            half_open: list,
            active: list,
            closed: list,
        }
    }
}

impl Table {
    /// Bytes of memory that one flow takes, its ranges aside.
    pub const FLOW_SIZE: usize = size_of::<Slot>() + 16;

    /// Flows in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether the table is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Flows of one class.
    #[must_use]
    pub fn count(&self, class: Class) -> usize {
        self.list(class).length
    }

    /// The flow of a class that has been silent the longest.
    #[must_use]
    pub fn oldest(&self, class: Class) -> Option<Handle> {
        let oldest = self.list(class).oldest;
        (oldest != NONE).then_some(Handle(oldest))
    }

    /// What names a flow in this table.
    #[must_use]
    pub fn hash(&self, ends: Ends) -> Hashed {
        Hashed { hash: self.hasher.hash_one(ends), ends }
    }

    /// The flow of its class that had its last packet next after this one.
    #[must_use]
    pub fn newer(&self, handle: Handle) -> Option<Handle> {
        self.slot(handle.0).map(|slot| slot.newer).filter(|newer| *newer != NONE).map(Handle)
    }

    /// What names a flow in this table, and the flow, if it is there: the segments of a large transfer and what acknowledges
    /// them need not be hashed for that.
    pub fn look_up(&mut self, ends: Ends) -> (Hashed, Option<Handle>) {
        for number in self.recent {
            if let Some(slot) = self.slot(number).filter(|slot| slot.ends.ends == ends) {
                return (slot.ends, Some(Handle(number)));
            }
        }
        let ends = self.hash(ends);
        let found = self.find(&ends);
        if let Some(Handle(number)) = found {
            let [last, _] = self.recent;
            self.recent = [number, last];
        }
        (ends, found)
    }

    /// The flow with these ends.
    #[must_use]
    pub fn find(&self, ends: &Hashed) -> Option<Handle> {
        let is_it = |slot: &u32| self.slot(*slot).is_some_and(|slot| slot.ends == *ends);
        self.index.find(ends.hash, is_it).map(|slot| Handle(*slot))
    }

    /// The flow back, if there is one.
    #[must_use]
    pub fn back(&self, ends: &Ends) -> Option<&Flow> {
        let back = self.find(&self.hash(ends.reversed()))?;
        self.get(back).map(|(flow, _)| flow)
    }

    /// A flow and its class.
    #[must_use]
    pub fn get(&self, handle: Handle) -> Option<(&Flow, Class)> {
        self.slot(handle.0).map(|slot| (&slot.flow, slot.class))
    }

    /// What names a flow.
    #[must_use]
    pub fn ends(&self, handle: Handle) -> Option<&Ends> {
        self.slot(handle.0).map(|slot| &slot.ends.ends)
    }

    /// A flow and its class, to be changed.
    pub fn get_mut(&mut self, handle: Handle) -> Option<(&mut Flow, Class)> {
        self.slot_mut(handle.0).map(|slot| (&mut slot.flow, slot.class))
    }

    /// Adds a flow; one with the same ends must not be there. None when 2³² flows are.
    pub fn insert(&mut self, ends: Hashed, flow: Flow) -> Option<Handle> {
        let slot = Slot { ends, class: Class::HalfOpen, newer: NONE, older: NONE, flow };
        let number = self.take_slot(slot)?;
        let slots = &self.slots;
        self.index.insert_unique(ends.hash, number, |other| {
            let other = usize::try_from(*other).ok().and_then(|other| slots.get(other));
            other.map_or(0, |slot| slot.ends.hash)
        });
        self.link(number, Class::HalfOpen);
        Some(Handle(number))
    }

    /// Notes a packet of a flow, which is of `class` from now on.
    pub fn touch(&mut self, handle: Handle, class: Class) {
        let is_of_class = self.slot(handle.0).is_some_and(|slot| slot.class == class);
        if is_of_class && self.list(class).newest == handle.0 {
            return;
        }
        self.unlink(handle.0);
        self.link(handle.0, class);
    }

    /// Takes a flow out.
    pub fn remove(&mut self, handle: Handle) {
        self.unlink(handle.0);
        let Some(hash) = self.slot(handle.0).map(|slot| slot.ends.hash) else { return };
        if let Ok(entry) = self.index.find_entry(hash, |slot| *slot == handle.0) {
            entry.remove();
        }
        for recent in self.recent.iter_mut().filter(|recent| **recent == handle.0) {
            *recent = NONE;
        }
        let free = self.free;
        if let Some(slot) = self.slot_mut(handle.0) {
            slot.flow.forget_ranges();
            slot.older = free;
            self.free = handle.0;
        }
    }

    fn take_slot(&mut self, slot: Slot) -> Option<u32> {
        let number = self.free;
        if let Some(place) = self.slot_mut(number) {
            let next = place.older;
            *place = slot;
            self.free = next;
            return Some(number);
        }
        let number = u32::try_from(self.slots.len()).ok().filter(|number| *number != NONE)?;
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact(GROWTH.max(self.slots.len() / 8));
        }
        self.slots.push(slot);
        Some(number)
    }

    fn link(&mut self, number: u32, class: Class) {
        let newest = self.list(class).newest;
        let Some(slot) = self.slot_mut(number) else { return };
        slot.class = class;
        slot.newer = NONE;
        slot.older = newest;
        match self.slot_mut(newest) {
            Some(neighbour) => neighbour.newer = number,
            None => self.list_mut(class).oldest = number,
        }
        let list = self.list_mut(class);
        list.newest = number;
        list.length = list.length.saturating_add(1);
    }

    fn unlink(&mut self, number: u32) {
        let Some(slot) = self.slot(number) else { return };
        let (class, newer, older) = (slot.class, slot.newer, slot.older);
        match self.slot_mut(newer) {
            Some(neighbour) => neighbour.older = older,
            None => self.list_mut(class).newest = older,
        }
        match self.slot_mut(older) {
            Some(neighbour) => neighbour.newer = newer,
            None => self.list_mut(class).oldest = newer,
        }
        let list = self.list_mut(class);
        list.length = list.length.saturating_sub(1);
    }

    fn slot(&self, number: u32) -> Option<&Slot> {
        self.slots.get(usize::try_from(number).ok()?)
    }

    fn slot_mut(&mut self, number: u32) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(number).ok()?)
    }

    fn list(&self, class: Class) -> &List {
        match class {
            Class::HalfOpen => &self.half_open,
            Class::Active => &self.active,
            Class::Closed => &self.closed,
        }
    }

    fn list_mut(&mut self, class: Class) -> &mut List {
        match class {
            Class::HalfOpen => &mut self.half_open,
            Class::Active => &mut self.active,
            Class::Closed => &mut self.closed,
        }
    }
}
