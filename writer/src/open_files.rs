//! The descriptors of flow files and their indexes, at most `-f` of them: the one that was used least recently makes room.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use hashbrown::HashMap;
use proto::flow::FlowId;

/// Names a file of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The flow.
    pub flow: FlowId,
    /// Which of its files.
    pub kind: Kind,
}

/// Which file of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Its payload or its packets.
    Flow,
    /// The index.
    Index,
    /// The body that is open.
    Body,
}

/// Open files of flows.
#[derive(Debug)]
pub struct OpenFiles {
    files: HashMap<FileId, Entry>,
    by_use: BTreeMap<u64, FileId>,
    clock: u64,
    limit: usize,
    /// How many of them are flow files.
    flow_files: usize,
    /// How many more flow files would be open, had they not been put off.
    put_off: usize,
}

#[derive(Debug)]
struct Entry {
    file: OwnedFd,
    used: u64,
}

impl OpenFiles {
    /// At most `limit` files, and one at least.
    pub fn new(limit: usize) -> Self {
        Self {
            files: HashMap::new(),
            by_use: BTreeMap::new(),
            clock: 0,
            limit: limit.max(1),
            flow_files: 0,
            put_off: 0,
        }
    }

    /// A file of a flow, if it is open; it becomes the one that was used last.
    pub fn get(&mut self, id: FileId) -> Option<&OwnedFd> {
        let entry = self.files.get_mut(&id)?;
        if entry.used != self.clock {
            self.by_use.remove(&entry.used);
            self.clock = self.clock.saturating_add(1);
            entry.used = self.clock;
            self.by_use.insert(self.clock, id);
        }
        Some(&entry.file)
    }

    /// Closes what was used least recently if there is no room for one more.
    pub fn make_room(&mut self) {
        if self.files.len() >= self.limit {
            self.evict();
        }
    }

    /// Closes what was used least recently; false if nothing is open.
    pub fn evict(&mut self) -> bool {
        let oldest = self.by_use.first_key_value().map(|(_, id)| *id);
        oldest.and_then(|id| self.remove(id)).is_some()
    }

    /// Adds a file of a flow.
    pub fn insert(&mut self, id: FileId, file: OwnedFd) {
        self.clock = self.clock.saturating_add(1);
        self.by_use.insert(self.clock, id);
        self.flow_files = self.flow_files.saturating_add(usize::from(id.kind == Kind::Flow));
        self.files.insert(id, Entry { file, used: self.clock });
    }

    /// Takes a file of a flow out.
    pub fn remove(&mut self, id: FileId) -> Option<OwnedFd> {
        let entry = self.files.remove(&id)?;
        self.by_use.remove(&entry.used);
        self.flow_files = self.flow_files.saturating_sub(usize::from(id.kind == Kind::Flow));
        Some(entry.file)
    }

    /// A flow file is not made before it has to be, but counts as open.
    pub fn put_off(&mut self) {
        self.put_off = self.put_off.saturating_add(1);
    }

    /// It has to be.
    pub fn put_off_no_more(&mut self) {
        self.put_off = self.put_off.saturating_sub(1);
    }

    /// How many flow files are open, or would be, which is what the report counts.
    pub fn flow_files(&self) -> usize {
        self.flow_files.saturating_add(self.put_off).min(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    fn id(flow: u64) -> FileId {
        FileId { flow: FlowId(flow), kind: Kind::Flow }
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut files = OpenFiles::new(2);
        files.insert(id(0), file());
        files.insert(id(1), file());
        assert!(files.get(id(0)).is_some());
        files.make_room();
        assert!(files.get(id(1)).is_none());
        assert!(files.get(id(0)).is_some());
        assert_eq!(files.flow_files(), 1);
        assert!(files.remove(id(0)).is_some());
        assert!(!files.evict());
    }
}
