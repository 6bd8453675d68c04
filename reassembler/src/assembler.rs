//! Which bytes of a stream have come: a bounded set of byte ranges.
//!
//! A stream that arrives in order is one range, the prefix, and costs no memory of its own. What lies
//! beyond a hole is an island. Islands are bounded in number; when there is one too many, the first hole is
//! given up: it stays a hole, and what still comes for it is told apart from both new and known bytes, as
//! nobody remembers which parts of it were there.

use std::ops::Range;

use proto::limits::MAX_RUNS;

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
    head: u64,
    /// What most streams never have.
    holed: Option<Box<Holed>>,
}

/// What there is of a stream that had a hole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Holed {
    floor: u64,
    islands: Vec<Range<u64>>,
    /// How many holes were given up, all of them before the floor.
    given_up: u64,
    /// The first of these, for the report.
    first: Vec<Range<u64>>,
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
        if range.start < self.floor() {
            return (Bytes::GivenUp, range.end.min(self.floor()));
        }
        if range.start < self.head {
            return (Bytes::Known, range.end.min(self.head));
        }
        let next = self.islands().partition_point(|island| island.end <= range.start);
        match self.islands().get(next) {
            None => (Bytes::New, range.end),
            Some(island) if island.start <= range.start => (Bytes::Known, range.end.min(island.end)),
            Some(island) => (Bytes::New, range.end.min(island.start)),
        }
    }

    fn floor(&self) -> u64 {
        self.holed.as_ref().map_or(0, |holed| holed.floor)
    }

    fn islands(&self) -> &[Range<u64>] {
        self.holed.as_ref().map_or(&[], |holed| &holed.islands)
    }

    /// Notes that `range` was received.
    pub fn insert(&mut self, range: Range<u64>) {
        let range = range.start.max(self.floor())..range.end;
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
        let Some(holed) = &mut self.holed else { return };
        let reached = holed.islands.partition_point(|island| island.start <= self.head);
        for island in holed.islands.drain(..reached) {
            self.head = self.head.max(island.end);
        }
    }

    fn add_island(&mut self, mut range: Range<u64>) {
        let holed = self.holed.get_or_insert_default();
        let first = holed.islands.partition_point(|island| island.end < range.start);
        let beyond = holed.islands.partition_point(|island| island.start <= range.end);
        for island in holed.islands.drain(first..beyond) {
            range = range.start.min(island.start)..range.end.max(island.end);
        }
        holed.islands.insert(first, range);
        if holed.islands.len() > MAX_ISLANDS {
            let island = holed.islands.remove(0);
            holed.given_up = holed.given_up.saturating_add(1);
            if holed.first.len() < MAX_RUNS {
                holed.first.push(self.head..island.start);
            }
            holed.floor = island.start;
            self.head = island.end;
        }
    }

    /// Whether there can be room for data that precedes offset 0: not once a hole was given up, as what lies
    /// before it is not known any more.
    #[must_use]
    pub fn may_shift(&self) -> bool {
        self.floor() == 0
    }

    /// Moves everything `by` bytes towards the end, where [`Self::may_shift`].
    pub fn shift(&mut self, by: u64) {
        for island in self.holed.iter_mut().flat_map(|holed| &mut holed.islands) {
            *island = island.start.saturating_add(by)..island.end.saturating_add(by);
        }
        if self.head > 0 {
            let prefix = by..self.head.saturating_add(by);
            self.holed.get_or_insert_default().islands.insert(0, prefix);
            self.head = 0;
        }
    }

    /// Whether nothing that is still waited for is missing before `end`.
    #[must_use]
    pub fn reaches(&self, end: u64) -> bool {
        self.head >= end
    }

    /// The holes in a stream that reaches up to `end`, the first of them in order: [`MAX_RUNS`] at most of
    /// those that were given up, then all others.
    pub fn holes(&self, end: u64) -> impl Iterator<Item = Range<u64>> {
        let given_up = self.holed.iter().flat_map(|holed| &holed.first).cloned();
        let starts = std::iter::once(self.head).chain(self.islands().iter().map(|island| island.end));
        let ends = self.islands().iter().map(|island| island.start).chain(std::iter::once(end));
        given_up.chain(starts.zip(ends).map(|(start, end)| start..end).filter(|hole| !hole.is_empty()))
    }

    /// How many holes there are before `end`.
    #[must_use]
    pub fn count_holes(&self, end: u64) -> u64 {
        let islands = u64::try_from(self.islands().len()).unwrap_or(u64::MAX);
        let last = self.islands().last().map_or(self.head, |island| island.end);
        let given_up = self.holed.as_ref().map_or(0, |holed| holed.given_up);
        given_up.saturating_add(islands).saturating_add(u64::from(last < end))
    }

    /// Bytes of heap taken.
    #[must_use]
    pub fn heap(&self) -> usize {
        self.holed.as_ref().map_or(0, |holed| {
            let ranges = holed.islands.capacity().saturating_add(holed.first.capacity());
            ranges.saturating_mul(size_of::<Range<u64>>()).saturating_add(size_of::<Holed>())
        })
    }
}
