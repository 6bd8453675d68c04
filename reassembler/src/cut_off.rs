//! Which bytes of a stream the snap length cut off: the first few ranges, for the report.
//!
//! A capture with a short snap length cuts every segment, so that all ranges are too many to remember. Those
//! with the lowest offsets are kept, as they are the ones that a report lists; of the others only the sum is
//! known.

use std::ops::Range;

use proto::limits::MAX_RUNS;

/// What was cut off and not received since.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CutOff {
    /// Bytes of all ranges.
    bytes: u64,
    /// The first ranges, in order, neither empty nor touching each other.
    first: Vec<Range<u64>>,
}

impl CutOff {
    /// Of a stream of which nothing was cut off.
    pub const NOTHING: Self = Self { bytes: 0, first: Vec::new() };

    /// Bytes that were cut off and not received since.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Notes a range of a stream that reaches up to `reach`.
    pub fn add(&mut self, range: Range<u64>, reach: u64) {
        self.bytes = self.bytes.saturating_add(self.note(range, reach));
    }

    /// Notes a range; gives how many bytes of it were not noted before.
    fn note(&mut self, range: Range<u64>, reach: u64) -> u64 {
        let first = self.first.partition_point(|other| other.end < range.start);
        if first >= MAX_RUNS {
            // Beyond all that is remembered: only what nothing was known of is certainly new.
            return range.end.saturating_sub(range.start.max(reach));
        }
        let known = self.within(&range);
        let added = length(&range).saturating_sub(known);
        let beyond = self.first.partition_point(|other| other.start <= range.end);
        let mut whole = range;
        for other in self.first.drain(first..beyond) {
            whole = whole.start.min(other.start)..whole.end.max(other.end);
        }
        self.first.insert(first, whole);
        self.first.truncate(MAX_RUNS);
        added
    }

    /// Notes that a range was received after all.
    pub fn fill(&mut self, range: &Range<u64>) {
        if self.first.last().is_none_or(|last| last.end <= range.start) {
            return;
        }
        let filled = self.within(range);
        if filled > 0 {
            let parts = self
                .first
                .iter()
                .flat_map(|cut| [cut.start..cut.end.min(range.start), cut.start.max(range.end)..cut.end]);
            let left = parts.filter(|part| !part.is_empty()).take(MAX_RUNS).collect();
            self.first = left;
        }
        self.bytes = self.bytes.saturating_sub(filled);
    }

    /// How many bytes of a range are known to be cut off.
    #[must_use]
    pub fn within(&self, range: &Range<u64>) -> u64 {
        self.first.iter().fold(0, |sum: u64, cut| {
            sum.saturating_add(length(&(cut.start.max(range.start)..cut.end.min(range.end))))
        })
    }

    /// Moves everything `by` bytes towards the end.
    pub fn shift(&mut self, by: u64) {
        for cut in &mut self.first {
            *cut = cut.start.saturating_add(by)..cut.end.saturating_add(by);
        }
    }

    /// Bytes of heap taken.
    #[must_use]
    pub fn heap(&self) -> usize {
        self.first.capacity().saturating_mul(size_of::<Range<u64>>())
    }
}

fn length(range: &Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_all_is_no_longer_cut_off() {
        let mut cut = CutOff::default();
        cut.add(10..20, 10);
        cut.add(15..30, 20);
        assert_eq!((cut.bytes(), cut.within(&(0..100)), cut.within(&(12..14))), (20, 20, 2));
        cut.fill(&(0..10));
        assert_eq!(cut.bytes(), 20);
        cut.fill(&(12..14));
        cut.fill(&(12..14));
        assert_eq!((cut.bytes(), cut.within(&(0..12)), cut.within(&(12..30))), (18, 2, 16));
        cut.shift(5);
        assert_eq!(cut.within(&(15..17)), 2);
        cut.fill(&(0..50));
        assert_eq!(cut, CutOff::NOTHING);
    }

    #[test]
    fn the_lowest_ranges_are_remembered() {
        let mut cut = CutOff::default();
        for at in (1..=100).rev() {
            cut.add(at * 10..at * 10 + 5, at * 10);
        }
        assert_eq!((cut.bytes(), cut.first.len()), (500, MAX_RUNS));
        assert_eq!(cut.within(&(0..2000)), 5 * 16);
        cut.add(500..505, 2000);
        assert_eq!(cut.bytes(), 500, "perhaps it was noted before");
        cut.add(1990..2010, 2000);
        assert_eq!(cut.bytes(), 510);
        cut.fill(&(11..14));
        assert_eq!((cut.bytes(), cut.first.len(), cut.within(&(0..2000))), (507, MAX_RUNS, 5 * 15 - 3));
    }
}
