//! Which bytes of a stream have come: a bounded set of byte ranges.
//!
//! A stream that arrives in order is one range, the prefix, and costs no memory of its own. What lies
//! beyond a hole is an island. Islands are bounded in number; when there is one too many, the first hole is
//! given up: it stays a hole, and what still comes for it is told apart from both new and known bytes, as
//! nobody remembers which parts of it were there.

use std::ops::Range;

/// The most islands that are kept for one stream, 16 bytes each: with the one too many, 8 KiB.
pub const MAX_ISLANDS: usize = 511;

/// The ranges received, as offsets in bytes from the start of the stream.
///
/// Invariant: `floor <= head`; islands are in order, not empty, touch neither each other nor the prefix
/// (each begins beyond the end of the one before, the first beyond `head`), and are at most
/// [`MAX_ISLANDS`]. Received are exactly the bytes of `floor..head` and of the islands; below `floor` it is
/// not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assembler {
    floor: u64,
    head: u64,
    islands: Vec<Range<u64>>,
}

/// What is known of a byte range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bytes {
    /// Not received before.
    New,
    /// Received before.
    Known,
    /// In or before a hole that was given up.
    GivenUp,
}

impl Assembler {
    /// What is known of the beginning of `range`, and where that ends within the range.
    #[must_use]
    pub fn look(&self, range: &Range<u64>) -> (Bytes, u64) {
        if range.start < self.floor {
            return (Bytes::GivenUp, range.end.min(self.floor));
        }
        if range.start < self.head {
            return (Bytes::Known, range.end.min(self.head));
        }
        let next = self.islands.partition_point(|island| island.end <= range.start);
        match self.islands.get(next) {
            None => (Bytes::New, range.end),
            Some(island) if island.start <= range.start => (Bytes::Known, range.end.min(island.end)),
            Some(island) => (Bytes::New, range.end.min(island.start)),
        }
    }

    /// Notes that `range` was received.
    pub fn insert(&mut self, range: Range<u64>) {
        let range = range.start.max(self.floor)..range.end;
        if range.is_empty() {
            return;
        }
        if range.start <= self.head {
            self.grow_prefix(range.end);
        } else {
            self.add_island(range);
        }
    }

    fn grow_prefix(&mut self, end: u64) {
        self.head = self.head.max(end);
        let reached = self.islands.partition_point(|island| island.start <= self.head);
        for island in self.islands.drain(..reached) {
            self.head = self.head.max(island.end);
        }
    }

    fn add_island(&mut self, mut range: Range<u64>) {
        let first = self.islands.partition_point(|island| island.end < range.start);
        let beyond = self.islands.partition_point(|island| island.start <= range.end);
        for island in self.islands.drain(first..beyond) {
            range = range.start.min(island.start)..range.end.max(island.end);
        }
        self.islands.insert(first, range);
        if self.islands.len() > MAX_ISLANDS {
            let island = self.islands.remove(0);
            self.floor = island.start;
            self.head = island.end;
        }
    }

    /// Moves everything `by` bytes towards the end, to make room for data that precedes offset 0.
    /// Refused, as false, once a hole was given up: what lies before it is not known any more.
    #[must_use]
    pub fn shift(&mut self, by: u64) -> bool {
        if self.floor > 0 {
            return false;
        }
        for island in &mut self.islands {
            *island = island.start.saturating_add(by)..island.end.saturating_add(by);
        }
        if self.head > 0 {
            self.islands.insert(0, by..self.head.saturating_add(by));
            self.head = 0;
        }
        true
    }

    /// Whether nothing that is still waited for is missing before `end`.
    #[must_use]
    pub fn reaches(&self, end: u64) -> bool {
        self.head >= end
    }

    /// Bytes of heap that the islands take.
    #[must_use]
    pub fn heap(&self) -> usize {
        self.islands.capacity().saturating_mul(size_of::<Range<u64>>())
    }
}
