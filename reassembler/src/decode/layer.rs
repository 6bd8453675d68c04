//! The bytes of one layer, and reads that never leave them.

use super::Aside;

/// Bytes of one layer: those captured, and how many more of them were on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layer<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) cut: usize,
}

impl<'a> Layer<'a> {
    /// What follows the first `header` bytes; none if fewer were captured.
    pub(super) fn after(self, header: usize) -> Option<Self> {
        Some(Self { bytes: self.bytes.get(header..)?, cut: self.cut })
    }

    /// What follows the first `header` bytes of a frame or tunnel.
    pub(super) fn skip(self, header: usize) -> Result<Self, Aside> {
        self.after(header).ok_or(Aside::TruncatedLinkHeader)
    }

    /// The first `length` bytes, of which some may have been cut off. The rest is not this layer's.
    pub(super) fn limited(self, length: usize) -> Self {
        match self.bytes.get(..length) {
            Some(bytes) => Self { bytes, cut: 0 },
            None => Self { bytes: self.bytes, cut: self.cut.min(length.saturating_sub(self.bytes.len())) },
        }
    }

    /// All but a trailer of so many bytes.
    pub(super) fn without_trailer(self, trailer: usize) -> Self {
        self.limited(self.bytes.len().saturating_add(self.cut).saturating_sub(trailer))
    }

    /// The `N` bytes from `at` on.
    pub(super) fn array<const N: usize>(self, at: usize) -> Result<[u8; N], Aside> {
        let bytes = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
        bytes.copied().ok_or(Aside::TruncatedLinkHeader)
    }

    /// The byte at `at`.
    pub(super) fn byte(self, at: usize) -> Result<u8, Aside> {
        self.bytes.get(at).copied().ok_or(Aside::TruncatedLinkHeader)
    }

    /// The 16-bit number at `at`, in network order.
    pub(super) fn number(self, at: usize) -> Result<u16, Aside> {
        self.array(at).map(u16::from_be_bytes)
    }

    /// The 24-bit number at `at`, in network order.
    pub(super) fn number_of_24_bits(self, at: usize) -> Result<u32, Aside> {
        self.array(at).map(|[high, middle, low]| u32::from_be_bytes([0, high, middle, low]))
    }

    /// The 32-bit number at `at`, in network order.
    pub(super) fn long(self, at: usize) -> Result<u32, Aside> {
        self.array(at).map(u32::from_be_bytes)
    }

    /// The 16-bit number at `at`, its low byte first.
    pub(super) fn little(self, at: usize) -> Result<u16, Aside> {
        self.array(at).map(u16::from_le_bytes)
    }
}
