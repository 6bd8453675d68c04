//! The frames that a segment came in, where someone wants them: for `-K` and `-w`.
//!
//! Mostly that is the one frame at hand, which is not copied. Fragments are what a segment may come in many
//! of; the frames of those are kept with them until it is known what they were.

use proto::flow::{Medium, RawPacket};

/// A frame as it was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Captured<'a> {
    /// The link it was captured on.
    pub medium: Medium,
    /// When, and how long it was.
    pub packet: RawPacket,
    /// Its captured bytes.
    pub bytes: &'a [u8],
}

/// A frame that is kept.
#[derive(Debug)]
pub struct Kept {
    medium: Medium,
    packet: RawPacket,
    bytes: Box<[u8]>,
}

impl Kept {
    /// Bytes of memory that it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len().saturating_add(size_of::<Self>())
    }

    /// The frame.
    #[must_use]
    pub fn frame(&self) -> Captured<'_> {
        Captured { medium: self.medium, packet: self.packet, bytes: &self.bytes }
    }
}

/// The frames that something came in; none where nobody wants them.
#[derive(Debug, Default)]
pub struct Origin<'a> {
    current: Option<Captured<'a>>,
    /// Whether the frame at hand is kept elsewhere, to be accounted for there.
    is_kept: bool,
    kept: Vec<Kept>,
}

impl<'a> Origin<'a> {
    /// The frame at hand.
    #[must_use]
    pub fn current(frame: Captured<'a>) -> Self {
        Self { current: Some(frame), ..Self::default() }
    }

    /// The frames of fragments.
    #[must_use]
    pub fn of_fragments(kept: Vec<Kept>) -> Self {
        Self { kept, ..Self::default() }
    }

    /// Takes the frames to be kept with a fragment that came in them.
    pub fn keep(&mut self) -> Vec<Kept> {
        let mut kept = std::mem::take(&mut self.kept);
        if let Some(Captured { medium, packet, bytes }) = self.current.filter(|_| !self.is_kept) {
            kept.push(Kept { medium, packet, bytes: bytes.into() });
        }
        self.is_kept = true;
        kept
    }

    /// The frames that a segment came in.
    pub fn frames(&self) -> impl Iterator<Item = Captured<'_>> {
        self.kept.iter().map(Kept::frame).chain(self.current)
    }

    /// The frames that nothing came of and that nobody else accounts for.
    pub fn left(&self) -> impl Iterator<Item = Captured<'_>> {
        self.kept.iter().map(Kept::frame).chain(self.current.filter(|_| !self.is_kept))
    }
}
