//! A savefile of either format, read step by step from whatever bytes of it are there.
//!
//! Bytes in, records out: nothing here reads, so that hostile files can be tried in tests without any
//! descriptor. The words and the limits are libpcap 1.10's, see [`Defect`].

use proto::frame::Frame;

use crate::classic::Classic;
use crate::defect::Defect;
use crate::pcapng::Pcapng;

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

/// The state of reading one savefile.
#[derive(Debug, Default)]
pub enum Savefile {
    /// Nothing was read yet.
    #[default]
    Unknown,
    /// It is a classic pcap.
    Classic(Classic),
    /// It is a pcapng.
    Pcapng(Pcapng),
}

impl Savefile {
    /// Reads the next record from the bytes that follow the last one.
    #[inline]
    pub fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<Step<'a>, Defect> {
        match self {
            Self::Classic(classic) => classic.step(bytes),
            Self::Pcapng(pcapng) => pcapng.step(bytes),
            Self::Unknown => self.begin(bytes),
        }
    }

    /// What it means that the file ends, with `available` bytes left where `need` was due.
    pub fn end(&self, need: Need, available: usize) -> Result<(), Defect> {
        need.at_end(available)?;
        match self {
            Self::Pcapng(pcapng) => pcapng.end(),
            Self::Classic(_) | Self::Unknown => Ok(()),
        }
    }

    fn begin<'a>(&mut self, bytes: &'a [u8]) -> Result<Step<'a>, Defect> {
        let Some(magic) = bytes.first_chunk() else {
            return Ok(Step::Need(Need { part: Part::FileHeader, before: 0, length: 4 }));
        };
        if Pcapng::is_magic(*magic) {
            let mut pcapng = Pcapng::default();
            let step = pcapng.begin(bytes)?;
            if matches!(step, Step::Record { .. }) {
                *self = Self::Pcapng(pcapng);
            }
            return Ok(step);
        }
        let (step, classic) = Classic::begin(*magic, bytes)?;
        if let Some(classic) = classic {
            *self = Self::Classic(classic);
        }
        Ok(step)
    }
}

/// The snap length that libpcap takes a file's for.
pub fn snap_length(stated: u32) -> u32 {
    if stated == 0 || i32::try_from(stated).is_err() { MAX_SNAP_LENGTH } else { stated }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails, as it should")]
mod tests {
    use proptest::prelude::*;
    use proto::limits::MAX_FRAME;

    use super::*;

    /// What a file says that is all there: its records, and how it ends.
    fn at_once(bytes: &[u8]) -> (Vec<String>, Result<(), Defect>) {
        let (mut savefile, mut records, mut start) = (Savefile::default(), Vec::new(), 0);
        loop {
            match savefile.step(&bytes[start..]) {
                Err(defect) => return (records, Err(defect)),
                Ok(Step::Need(need)) => return (records, savefile.end(need, bytes.len() - start)),
                Ok(Step::Record { used, record }) => {
                    assert!(used > 0, "no step stands still");
                    records.push(format!("{record:?}"));
                    start += used;
                }
            }
        }
    }

    /// The same of a file that comes in pieces of `size` bytes.
    fn in_pieces(bytes: &[u8], size: usize) -> (Vec<String>, Result<(), Defect>) {
        let (mut savefile, mut records, mut start, mut end) = (Savefile::default(), Vec::new(), 0, 0);
        loop {
            match savefile.step(&bytes[start..end]) {
                Err(defect) => return (records, Err(defect)),
                Ok(Step::Need(need)) if end == bytes.len() => {
                    return (records, savefile.end(need, end - start));
                }
                Ok(Step::Need(need)) => {
                    assert!(need.total() > end - start, "what is there is not needed");
                    end = bytes.len().min(end + size);
                }
                Ok(Step::Record { used, record }) => {
                    records.push(format!("{record:?}"));
                    start += used;
                }
            }
        }
    }

    /// Beginnings that lead into each part of the readers, each followed by anything.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let classic =
            |magic: u32| [&magic.to_le_bytes()[..], &[2, 0, 4, 0], &[0; 12], &[1, 0, 0, 0]].concat();
        let section = [0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0].to_vec();
        let section = [section, vec![0xff; 8], vec![28, 0, 0, 0]].concat();
        let interface = [1, 0, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0].to_vec();
        let beginning = prop_oneof![
            Just(Vec::new()),
            Just(classic(0xa1b2_c3d4)),
            Just(classic(0xa1b2_cd34)),
            Just(section.clone()),
            Just([section, interface].concat()),
        ];
        // Mostly small numbers, for these are what lengths and types are made of.
        let byte = prop_oneof![3 => Just(0), 2 => 0..32_u8, 1 => any::<u8>()];
        (beginning, prop::collection::vec(byte, 0..200)).prop_map(|(start, rest)| [start, rest].concat())
    }

    proptest! {
        #[test]
        fn a_file_says_the_same_in_pieces_as_at_once(bytes in hostile(), size in 1..50_usize) {
            prop_assert_eq!(in_pieces(&bytes, size), at_once(&bytes));
        }

        #[test]
        fn no_frame_is_longer_than_may_be_relayed(bytes in hostile()) {
            let (mut savefile, mut start) = (Savefile::default(), 0);
            while let Ok(Step::Record { used, record }) = savefile.step(&bytes[start..]) {
                if let Record::Frame(frame, data) = record {
                    prop_assert_eq!(usize::try_from(frame.captured).unwrap(), data.len());
                    prop_assert!(data.len() <= MAX_FRAME && data.len() <= used);
                }
                start += used;
            }
        }
    }

    #[test]
    fn a_frame_of_the_largest_snap_length_can_be_relayed() {
        assert_eq!(usize::try_from(MAX_SNAP_LENGTH).unwrap(), MAX_FRAME);
    }
}
