//! Payload of one batch, gathered by file so that its bytes reach it in few writes.
//!
//! Only what lies end to end is gathered, and nothing outlives the batch: the bytes stay where they were
//! received. Files that only grow by what is made here (indexes, savefiles) gather their text likewise.

use std::io::IoSlice;

use hashbrown::HashMap;

use crate::open_files::FileId;

/// The most parts that pwritev(2) takes (`IOV_MAX`).
const MAX_PARTS: usize = 1024;

/// Bytes for one place of one file, in parts.
#[derive(Debug)]
pub struct Gathered<'a> {
    /// The file.
    pub file: FileId,
    /// Where the first byte belongs.
    pub offset: u64,
    /// The offset after the last byte.
    pub end: u64,
    /// The bytes.
    pub parts: Vec<IoSlice<'a>>,
}

/// What of a batch is not written yet: for each file one range at most.
#[derive(Debug, Default)]
pub struct Pending<'a> {
    ranges: HashMap<FileId, Gathered<'a>>,
    growth: HashMap<FileId, Growth>,
}

/// What a file is to grow by.
#[derive(Debug, Default)]
pub struct Growth {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How many lines or packets they are.
    pub records: u64,
}

impl<'a> Pending<'a> {
    /// Adds bytes to a file; gives back what has to be written before because they do not follow it.
    pub fn add(&mut self, file: FileId, offset: u64, bytes: &'a [u8]) -> Option<Gathered<'a>> {
        let end = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if let Some(range) = self.ranges.get_mut(&file)
            && range.end == offset
            && range.parts.len() < MAX_PARTS
        {
            range.end = end;
            range.parts.push(IoSlice::new(bytes));
            return None;
        }
        self.ranges.insert(file, Gathered { file, offset, end, parts: vec![IoSlice::new(bytes)] })
    }

    /// What is pending for one file.
    pub fn take(&mut self, file: FileId) -> Option<Gathered<'a>> {
        if self.ranges.is_empty() { None } else { self.ranges.remove(&file) }
    }

    /// What a file is to grow by so far.
    pub fn growth(&mut self, file: FileId) -> &mut Growth {
        self.growth.entry(file).or_default()
    }

    /// What one file is to grow by.
    pub fn take_growth(&mut self, file: FileId) -> Option<Growth> {
        if self.growth.is_empty() { None } else { self.growth.remove(&file) }
    }

    /// Everything that files are to grow by.
    pub fn drain_growth(&mut self) -> impl Iterator<Item = (FileId, Growth)> {
        self.growth.drain()
    }

    /// Every range that is pending.
    pub fn drain(&mut self) -> impl Iterator<Item = Gathered<'a>> {
        self.ranges.drain().map(|(_, range)| range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_files::Kind;
    use proto::flow::FlowId;

    fn id(flow: u64) -> FileId {
        FileId { flow: FlowId(flow), kind: Kind::Flow }
    }

    #[test]
    fn what_follows_is_gathered_and_a_gap_is_not() {
        let mut pending = Pending::default();
        assert!(pending.add(id(1), 0, b"ab").is_none());
        assert!(pending.add(id(2), 7, b"x").is_none());
        assert!(pending.add(id(1), 2, b"c").is_none());
        let before = pending.add(id(1), 9, b"z").unwrap();
        assert_eq!((before.offset, before.end, before.parts.len()), (0, 3, 2));
        assert_eq!(pending.take(id(1)).unwrap().offset, 9);
        assert_eq!(pending.drain().count(), 1);
    }
}
