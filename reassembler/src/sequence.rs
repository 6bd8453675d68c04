//! Sequence numbers of 32 bits as offsets of 64 bits, in streams that may exceed 4 GiB (RFC 9293, 3.4).

/// Where a stream begins in the sequence space, and how far it has come.
///
/// A number is read as the place nearest to the expected byte: at most half of the space away from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// The number of offset 0.
    origin: u32,
    /// The offset after the segment before.
    expected: u64,
}

impl Sequence {
    /// A stream whose first byte has the number `origin`.
    #[must_use]
    pub fn new(origin: u32) -> Self {
        Self { origin, expected: 0 }
    }

    /// The offset after the segment before.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// Notes where a segment ended.
    pub fn advance(&mut self, end: u64) {
        self.expected = end;
    }

    /// How far a number lies ahead of the expected byte; below 0 is behind it.
    #[must_use]
    pub fn distance(&self, number: u32) -> i64 {
        let expected = self.origin.wrapping_add(modulo(self.expected));
        i64::from(number.wrapping_sub(expected).cast_signed())
    }

    /// Where a number lies in the stream; below 0 is before its beginning.
    #[must_use]
    pub fn offset(&self, number: u32) -> i64 {
        i64::try_from(self.expected).unwrap_or(i64::MAX).saturating_add(self.distance(number))
    }

    /// Moves the beginning `by` bytes to the front.
    pub fn shift(&mut self, by: u64) {
        self.origin = self.origin.wrapping_sub(modulo(by));
        self.expected = self.expected.saturating_add(by);
    }
}

/// An offset modulo 2³².
fn modulo(offset: u64) -> u32 {
    let [a, b, c, d, ..] = offset.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_go_on_where_numbers_begin_anew() {
        let mut sequence = Sequence::new(u32::MAX - 1);
        assert_eq!(sequence.offset(u32::MAX), 1);
        assert_eq!(sequence.offset(0), 2);
        assert_eq!(sequence.offset(u32::MAX - 3), -2);
        sequence.advance(5 << 32);
        assert_eq!(sequence.offset(u32::MAX - 1), 5 << 32);
        assert_eq!(sequence.offset(8), (5 << 32) + 10);
        assert_eq!(sequence.offset(u32::MAX - 2), (5 << 32) - 1);
    }

    #[test]
    fn a_number_is_read_as_the_nearest_place() {
        let mut sequence = Sequence::new(0);
        sequence.advance(1 << 33);
        assert_eq!(sequence.distance(0x7fff_ffff), 0x7fff_ffff);
        assert_eq!(sequence.distance(0x8000_0000), -0x8000_0000);
    }

    #[test]
    fn a_shift_keeps_every_number_at_its_byte() {
        let mut sequence = Sequence::new(10);
        sequence.advance(100);
        sequence.shift(30);
        assert_eq!(sequence.expected(), 130);
        assert_eq!((sequence.offset(10), sequence.offset(110), sequence.offset(u32::MAX - 19)), (30, 130, 0));
    }
}
