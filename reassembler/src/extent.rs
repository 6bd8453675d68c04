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

    /// Bytes before the last one captured that are not here: the holes of the file.
    #[must_use]
    pub fn holes_within(&self) -> u64 {
        self.size.saturating_sub(self.stored)
    }

    /// Bytes before the last one on the wire that are not here.
    #[must_use]
    pub fn holes(&self) -> u64 {
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
    fn what_is_not_here_is_told_from_what_is() {
        let mut extent = Extent::default();
        extent.store(4);
        extent.end_at(&(0..4), 10);
        assert_eq!((extent.size(), extent.reach(), extent.holes(), extent.holes_within()), (4, 10, 6, 0));
        extent.store(5);
        extent.end_at(&(20..25), 25);
        assert_eq!((extent.size(), extent.holes(), extent.holes_within()), (25, 16, 16));
        extent.shift(2);
        assert_eq!((extent.size(), extent.holes(), extent.holes_within()), (27, 18, 18));
    }

    #[test]
    fn a_segment_without_captured_bytes_makes_no_file_longer() {
        let mut extent = Extent::default();
        extent.end_at(&(10..10), 15);
        assert_eq!((extent.size(), extent.reach(), extent.holes()), (0, 15, 15));
    }
}
