//! How far a stream reaches, and how much of it is not there.

use std::ops::Range;

/// The extent of a stream, in bytes.
///
/// Invariant: `size <= reach`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Offset after the last byte captured.
    size: u64,
    /// Offset after the last byte that was on the wire: more than `size` where the snap length cut it off.
    reach: u64,
    /// Bytes sent to the writer, each once.
    stored: u64,
}

impl Extent {
    /// Offset after the last byte captured.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Offset after the last byte that was on the wire.
    #[must_use]
    pub fn reach(&self) -> u64 {
        self.reach
    }

    /// Bytes sent to the writer.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.stored
    }

    /// Of so many bytes that the snap length cut off, those that did not come in another segment.
    #[must_use]
    pub fn cut(&self, cut: u64) -> u64 {
        cut.min(self.holes())
    }

    /// Bytes before the last one on the wire that are neither here nor were cut off, as so many were.
    #[must_use]
    pub fn missing(&self, cut: u64) -> u64 {
        self.holes().saturating_sub(cut)
    }

    /// Bytes before the last one captured that are not here: the holes of the file.
    #[must_use]
    pub fn holes_within(&self) -> u64 {
        self.size.saturating_sub(self.stored)
    }

    fn holes(&self) -> u64 {
        self.reach.saturating_sub(self.stored)
    }

    /// Notes bytes that were not there before.
    pub fn store(&mut self, bytes: u64) {
        self.stored = self.stored.saturating_add(bytes);
    }

    /// Notes where a segment was: its captured payload, and the end of all of it.
    pub fn end_at(&mut self, captured: &Range<u64>, end: u64) {
        if !captured.is_empty() {
            self.size = self.size.max(captured.end);
        }
        self.reach = self.reach.max(captured.end).max(end);
    }

    /// Makes room for `by` bytes before the beginning.
    pub fn shift(&mut self, by: u64) {
        if self.reach > 0 {
            self.size = if self.size > 0 { self.size.saturating_add(by) } else { 0 };
            self.reach = self.reach.saturating_add(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_is_told_from_what_was_lost() {
        let mut extent = Extent::default();
        extent.store(4);
        extent.end_at(&(0..4), 10);
        assert_eq!((extent.size(), extent.reach(), extent.cut(6), extent.missing(6)), (4, 10, 6, 0));
        extent.store(5);
        extent.end_at(&(20..25), 25);
        assert_eq!((extent.size(), extent.cut(6), extent.missing(6)), (25, 6, 10));
        extent.shift(2);
        assert_eq!((extent.size(), extent.cut(6), extent.missing(6)), (27, 6, 12));
        assert_eq!(extent.holes_within(), 18);
    }

    #[test]
    fn a_segment_without_captured_bytes_makes_no_file_longer() {
        let mut extent = Extent::default();
        extent.end_at(&(10..10), 15);
        assert_eq!((extent.size(), extent.reach(), extent.cut(5), extent.missing(5)), (0, 15, 5, 10));
    }

    #[test]
    fn what_was_cut_and_came_again_is_no_hole() {
        let mut extent = Extent::default();
        extent.end_at(&(0..0), 10);
        extent.store(10);
        extent.end_at(&(0..10), 10);
        assert_eq!((extent.cut(10), extent.missing(10)), (0, 0));
    }
}
