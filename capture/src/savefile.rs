//! A savefile of either format, read step by step from whatever bytes of it are there.
//!
//! Bytes in, records out: nothing here reads, so that hostile files can be tried in tests without any
//! descriptor.

use proto::frame::SavefileDrops;

use crate::classic::Classic;
use crate::defect::Defect;
use crate::pcapng::Pcapng;
use crate::record::{Need, Part, Step};

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

    /// What the file says so far of frames that were lost when it was recorded, if it does.
    pub fn drops(&self) -> Option<SavefileDrops> {
        match self {
            Self::Pcapng(pcapng) => pcapng.drops(),
            Self::Classic(_) | Self::Unknown => None,
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

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails, as it should")]
mod tests {
    use proptest::prelude::*;
    use proto::limits::MAX_FRAME;

    use super::*;
    use crate::record::{MAX_SNAP_LENGTH, Record};

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
