//! What readers of savefiles say: a record, or what is needed to go on.
//!
//! The words and the limits are libpcap 1.10's, see [`Defect`].

use proto::frame::Frame;

use crate::defect::Defect;

/// libpcap's largest snap length, for files that state none or nonsense: [`proto::limits::MAX_FRAME`].
pub const MAX_SNAP_LENGTH: u32 = 262_144;

/// One step through a savefile.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// The bytes that are there end within something.
    Need(Need),
    /// A whole record.
    Record {
        /// Bytes of the file that it took.
        used: usize,
        /// What it says.
        record: Record<'a>,
    },
}

/// What is in a savefile.
#[derive(Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A description of the next interface.
    Interface {
        /// Its `LINKTYPE_` number.
        link_type: u32,
        /// The most bytes of a frame that were kept.
        snap_length: u32,
        /// Whether its times are finer than microseconds.
        nanoseconds: bool,
    },
    /// A frame and its captured bytes.
    Frame(Frame, &'a [u8]),
    /// Something that tells nothing about frames.
    Other,
}

/// Bytes that are needed to go on, and which part of the file they belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The part that is not all there.
    pub part: Part,
    /// Bytes before the part.
    pub before: usize,
    /// Bytes of the part.
    pub length: usize,
}

/// A part of a savefile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The header of the file, or its first four bytes.
    FileHeader,
    /// The second and third word of what may be a pcapng.
    SectionMagic,
    /// The header of a classic record.
    RecordHeader,
    /// The captured bytes of a classic record.
    Captured,
    /// The header of a block, with which a file may end.
    BlockHeader,
    /// A block after its header.
    Block,
}

impl Need {
    /// Bytes that must be there, from the start of the record.
    pub fn total(self) -> usize {
        self.before.saturating_add(self.length)
    }

    /// What it means that the file ends here, with `available` bytes left.
    pub fn at_end(self, available: usize) -> Result<(), Defect> {
        let (wanted, got) = (self.length, available.saturating_sub(self.before));
        let truncated = |part| Defect::Truncated { wanted, part, got };
        match self.part {
            Part::RecordHeader | Part::BlockHeader if available == 0 => Ok(()),
            // Libpcap names the whole header, but does not count the four bytes that it looked at before.
            Part::FileHeader => Err(Defect::Truncated { wanted: self.total(), part: "file header", got }),
            // Libpcap takes it for a short text file.
            Part::SectionMagic => Err(Defect::Format),
            Part::RecordHeader => Err(truncated("header")),
            Part::Captured => Err(truncated("captured")),
            Part::BlockHeader | Part::Block => Err(Defect::TruncatedBlock { wanted, got }),
        }
    }
}

/// The snap length that libpcap takes a file's for.
pub fn snap_length(stated: u32) -> u32 {
    if stated == 0 || i32::try_from(stated).is_err() { MAX_SNAP_LENGTH } else { stated }
}

/// Captured and original length of a frame without the check sequence of so many bytes at its end, which is no
/// part of what the frame carries.
#[inline]
pub fn without_fcs(fcs: u32, captured: u32, original: u32) -> (u32, u32) {
    // Where there is none, the lengths are left as they are, even if they contradict each other.
    if fcs == 0 {
        return (captured, original);
    }
    let original = original.saturating_sub(fcs);
    (captured.min(original), original)
}
