//! What came of flows that have no file yet, kept for the batches that follow: a short flow may end in one of them, and its
//! file is then made, written and closed at once, by whoever closes it.
//!
//! Nothing is kept for longer than there is something to be heard, nor than [`LONGEST`] once or twice, and no more than
//! [`MOST`].

use std::io::IoSlice;

use hashbrown::HashMap;
use proto::flow::FlowId;

use crate::batch::Gathered;
use crate::flow::Flow;
use crate::open_files::{FileId, Kind};
use crate::store::Store;

/// Bytes of one flow that are kept: a flow of more is none of the short ones.
const MOST_OF_ONE: usize = 32 * 1024;

/// Bytes that are kept of all, and of how many flows.
const MOST: usize = 2 << 20;
const MOST_FLOWS: usize = 1024;

/// So many batches what is kept stays so, where there always is something to be heard. No more flows are named meanwhile than
/// names are remembered (`counter`): each batch has room for some 600.
const LONGEST: u32 = 32;

/// The first bytes of a flow's file, or the first that came.
#[derive(Debug)]
pub struct Beginning {
    flow: FlowId,
    offset: u64,
    end: u64,
    bytes: Vec<u8>,
    /// Whether it was there already when that was last asked.
    old: bool,
}

impl Beginning {
    /// All of it, to be written.
    pub fn gathered(&self) -> Gathered<'_> {
        let file = FileId { flow: self.flow, kind: Kind::Flow };
        Gathered { file, offset: self.offset, end: self.end, parts: vec![IoSlice::new(&self.bytes)] }
    }
}

/// What is kept: for each flow one range.
#[derive(Debug, Default)]
pub struct Beginnings {
    flows: HashMap<FlowId, Beginning>,
    /// Bytes in all.
    kept: usize,
    /// Batches since it was last looked at what is old.
    batches: u32,
    /// Memory of those that are over, used again.
    spare: Vec<Vec<u8>>,
}

impl Beginnings {
    /// Whether a range is one to be kept.
    pub fn wants(range: &Gathered<'_>) -> bool {
        let length = range.end.saturating_sub(range.offset);
        range.file.kind == Kind::Flow && usize::try_from(length).is_ok_and(|length| length <= MOST_OF_ONE)
    }

    /// Whether there is room for a range more; otherwise all are to be written first.
    pub fn has_room(&self) -> bool {
        self.kept.saturating_add(MOST_OF_ONE) <= MOST && self.flows.len() < MOST_FLOWS
    }

    /// Keeps a range that was [wanted](Self::wants), of a flow of which nothing is kept.
    pub fn keep(&mut self, range: &Gathered<'_>) {
        let mut bytes = self.spare.pop().unwrap_or_default();
        range.parts.iter().for_each(|part| bytes.extend_from_slice(part));
        self.kept = self.kept.saturating_add(bytes.len());
        let Gathered { file: FileId { flow, .. }, offset, end, .. } = *range;
        self.flows.insert(flow, Beginning { flow, offset, end, bytes, old: false });
    }

    /// Adds bytes for a place of a flow's file, if they follow what is kept of it and there is room for both.
    pub fn add(&mut self, flow: FlowId, offset: u64, more: &[u8]) -> bool {
        let fits = |beginning: &&mut Beginning| {
            beginning.end == offset && beginning.bytes.len().saturating_add(more.len()) <= MOST_OF_ONE
        };
        let Some(beginning) = self.flows.get_mut(&flow).filter(fits) else { return false };
        beginning.bytes.extend_from_slice(more);
        beginning.end = offset.saturating_add(u64::try_from(more.len()).unwrap_or(u64::MAX));
        self.kept = self.kept.saturating_add(more.len());
        true
    }

    /// What is kept of a flow, no longer to be kept.
    pub fn take(&mut self, flow: FlowId) -> Option<Beginning> {
        // Most flows have none, and mostly there is none at all.
        let beginning = if self.flows.is_empty() { None } else { self.flows.remove(&flow) };
        self.kept = self.kept.saturating_sub(beginning.as_ref().map_or(0, |beginning| beginning.bytes.len()));
        beginning
    }

    /// Writes it, if there is any.
    pub fn write(&mut self, flow: &mut Flow, store: &mut Store) {
        if let Some(beginning) = self.take(flow.open.flow) {
            store.write(flow, beginning.gathered());
            self.use_again(beginning);
        }
    }

    /// All flows of which something is kept.
    pub fn all(&mut self) -> Vec<FlowId> {
        self.flows.keys().copied().collect()
    }

    /// Those of them of which it was kept long enough, once a batch is over.
    pub fn old(&mut self) -> Vec<FlowId> {
        self.batches = self.batches.saturating_add(1);
        if self.batches < LONGEST {
            return Vec::new();
        }
        self.batches = 0;
        let is_old = |beginning: &mut Beginning| std::mem::replace(&mut beginning.old, true);
        let old = self.flows.iter_mut().filter_map(|(flow, beginning)| is_old(beginning).then_some(*flow));
        old.collect()
    }

    /// Uses the memory of what was written again.
    pub fn use_again(&mut self, Beginning { mut bytes, .. }: Beginning) {
        if self.spare.len() < MOST_FLOWS / 16 {
            bytes.clear();
            self.spare.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(flow: u64, offset: u64, bytes: &[u8]) -> Gathered<'_> {
        let file = FileId { flow: FlowId(flow), kind: Kind::Flow };
        let end = offset.saturating_add(u64::try_from(bytes.len()).unwrap());
        Gathered { file, offset, end, parts: vec![IoSlice::new(bytes)] }
    }

    /// Takes all; how many there were.
    fn take_all(beginnings: &mut Beginnings) -> usize {
        beginnings.all().into_iter().filter_map(|flow| beginnings.take(flow)).count()
    }

    #[test]
    fn what_follows_is_added_and_taken_once() {
        let mut beginnings = Beginnings::default();
        beginnings.keep(&range(1, 3, b"abc"));
        assert!(beginnings.add(FlowId(1), 6, b"de"));
        assert!(!beginnings.add(FlowId(1), 9, b"g"), "a gap");
        assert!(!beginnings.add(FlowId(2), 0, b"x"), "nothing is kept of it");
        assert!(!beginnings.add(FlowId(1), 8, &[0; MOST_OF_ONE]), "too much");
        let beginning = beginnings.take(FlowId(1)).unwrap();
        let gathered = beginning.gathered();
        assert_eq!((gathered.offset, gathered.end, &*gathered.parts[0]), (3, 8, &b"abcde"[..]));
        assert!(beginnings.take(FlowId(1)).is_none());
        assert_eq!(beginnings.kept, 0);
    }

    #[test]
    fn nothing_is_kept_for_long() {
        let mut beginnings = Beginnings::default();
        beginnings.keep(&range(0, 0, b"old"));
        let after = |beginnings: &mut Beginnings, flow| {
            let old: Vec<_> = (0..LONGEST).flat_map(|_| beginnings.old()).collect();
            let taken: Vec<_> =
                old.into_iter().filter_map(|flow| beginnings.take(flow)).map(|taken| taken.flow).collect();
            beginnings.keep(&range(flow, 0, b"young"));
            taken
        };
        assert_eq!(after(&mut beginnings, 1), []);
        assert_eq!(after(&mut beginnings, 2), [FlowId(0)]);
        assert_eq!(after(&mut beginnings, 3), [FlowId(1)]);
        assert_eq!(beginnings.kept, 2 * b"young".len());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut beginnings = Beginnings::default();
        let much = vec![7; MOST_OF_ONE];
        assert!(!Beginnings::wants(&range(0, 0, &vec![7; MOST_OF_ONE + 1])));
        for flow in 0.. {
            if !beginnings.has_room() {
                break;
            }
            assert!(Beginnings::wants(&range(flow, 0, &much)));
            beginnings.keep(&range(flow, 0, &much));
        }
        assert!(beginnings.kept <= MOST);
        assert_eq!(take_all(&mut beginnings), MOST / MOST_OF_ONE);
        for flow in 0.. {
            if !beginnings.has_room() {
                break;
            }
            beginnings.keep(&range(flow, 0, b"x"));
        }
        assert_eq!(take_all(&mut beginnings), MOST_FLOWS);
        assert!(beginnings.has_room());
    }
}
