//! How far a stream reaches, and how much of it is not there.

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
    /// Bytes that the snap length cut off.
    cut: u64,
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

    /// Bytes that the snap length cut off and that did not come in another segment.
    #[must_use]
    pub fn cut(&self) -> u64 {
        self.cut.min(self.holes())
    }

    /// Bytes before the last one on the wire that are neither here nor were cut off.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.holes().saturating_sub(self.cut)
    }

    fn holes(&self) -> u64 {
        self.reach.saturating_sub(self.stored)
    }

    /// Notes bytes that were not there before.
    pub fn store(&mut self, bytes: u64) {
        self.stored = self.stored.saturating_add(bytes);
    }

    /// Notes where a segment ended: its captured payload at `captured`, all of it at `end`.
    pub fn end_at(&mut self, captured: u64, end: u64) {
        self.cut = self.cut.saturating_add(end.saturating_sub(captured.max(self.reach)));
        self.size = self.size.max(captured);
        self.reach = self.reach.max(captured).max(end);
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
        extent.end_at(4, 10);
        assert_eq!((extent.size(), extent.reach(), extent.cut(), extent.missing()), (4, 10, 6, 0));
        extent.store(5);
        extent.end_at(25, 25);
        assert_eq!((extent.size(), extent.cut(), extent.missing()), (25, 6, 10));
        extent.shift(2);
        assert_eq!((extent.size(), extent.cut(), extent.missing()), (27, 6, 12));
    }

    #[test]
    fn what_was_cut_and_came_again_is_no_hole() {
        let mut extent = Extent::default();
        extent.end_at(0, 10);
        extent.store(10);
        extent.end_at(10, 10);
        assert_eq!((extent.cut(), extent.missing()), (0, 0));
    }
}
