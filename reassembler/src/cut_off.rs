//! Which bytes of a stream the snap length cut off: the first few ranges, for the report.
//!
//! A capture with a short snap length cuts every segment, so that all ranges are too many to remember. Those
//! with the lowest offsets are kept, as they are the ones that a report lists; of the others only the sum is
//! known, and that is the extent's.

use std::ops::Range;

use proto::limits::MAX_RUNS;

/// The ranges cut off and not received since, in order, neither empty nor touching each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CutOff(Vec<Range<u64>>);

impl CutOff {
    /// Notes a range of a stream that reaches up to `reach`; gives how many bytes of it were not noted before.
    pub fn add(&mut self, range: Range<u64>, reach: u64) -> u64 {
        let first = self.0.partition_point(|other| other.end < range.start);
        if first >= MAX_RUNS {
            // Beyond all that is remembered: only what nothing was known of is certainly new.
            return range.end.saturating_sub(range.start.max(reach));
        }
        let known = self.within(&range);
        let added = length(&range).saturating_sub(known);
        let beyond = self.0.partition_point(|other| other.start <= range.end);
        let mut whole = range;
        for other in self.0.drain(first..beyond) {
            whole = whole.start.min(other.start)..whole.end.max(other.end);
        }
        self.0.insert(first, whole);
        self.0.truncate(MAX_RUNS);
        added
    }

    /// Notes that a range was received after all; gives how many bytes of it had been noted.
    pub fn fill(&mut self, range: &Range<u64>) -> u64 {
        if self.0.last().is_none_or(|last| last.end <= range.start) {
            return 0;
        }
        let filled = self.within(range);
        if filled > 0 {
            let parts = self
                .0
                .iter()
                .flat_map(|cut| [cut.start..cut.end.min(range.start), cut.start.max(range.end)..cut.end]);
            let left = parts.filter(|part| !part.is_empty()).take(MAX_RUNS).collect();
            self.0 = left;
        }
        filled
    }

    /// How many bytes of a range are known to be cut off.
    #[must_use]
    pub fn within(&self, range: &Range<u64>) -> u64 {
        self.0.iter().fold(0, |sum: u64, cut| {
            sum.saturating_add(length(&(cut.start.max(range.start)..cut.end.min(range.end))))
        })
    }

    /// Moves everything `by` bytes towards the end.
    pub fn shift(&mut self, by: u64) {
        for cut in &mut self.0 {
            *cut = cut.start.saturating_add(by)..cut.end.saturating_add(by);
        }
    }

    /// Bytes of heap taken.
    #[must_use]
    pub fn heap(&self) -> usize {
        self.0.capacity().saturating_mul(size_of::<Range<u64>>())
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
        assert_eq!(cut.add(10..20, 10), 10);
        assert_eq!(cut.add(15..30, 20), 10);
        assert_eq!((cut.within(&(0..100)), cut.within(&(12..14))), (20, 2));
        assert_eq!(cut.fill(&(0..10)), 0);
        assert_eq!(cut.fill(&(12..14)), 2);
        assert_eq!(cut.fill(&(12..14)), 0);
        assert_eq!((cut.within(&(0..12)), cut.within(&(12..30))), (2, 16));
        cut.shift(5);
        assert_eq!(cut.within(&(15..17)), 2);
    }

    #[test]
    fn the_lowest_ranges_are_remembered() {
        let mut cut = CutOff::default();
        for at in (1..=100).rev() {
            assert_eq!(cut.add(at * 10..at * 10 + 5, at * 10), 5);
        }
        assert_eq!(cut.0.len(), MAX_RUNS);
        assert_eq!(cut.within(&(0..2000)), 5 * 16);
        assert_eq!(cut.add(500..505, 2000), 0, "perhaps it was noted before");
        assert_eq!(cut.add(1990..2010, 2000), 10);
        assert_eq!(cut.fill(&(11..14)), 3);
        assert_eq!((cut.0.len(), cut.within(&(0..2000))), (MAX_RUNS, 5 * 15 - 3));
    }
}
