//! The descriptors of flow files, at most `-f` of them: the one that was used least recently makes room.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;

use proto::flow::FlowId;

/// Open flow files.
#[derive(Debug)]
pub struct OpenFiles {
    files: HashMap<FlowId, Entry>,
    by_use: BTreeMap<u64, FlowId>,
    clock: u64,
    limit: usize,
}

#[derive(Debug)]
struct Entry {
    file: OwnedFd,
    used: u64,
}

impl OpenFiles {
    /// At most `limit` files, and one at least.
    pub fn new(limit: usize) -> Self {
        Self { files: HashMap::new(), by_use: BTreeMap::new(), clock: 0, limit: limit.max(1) }
    }

    /// The file of a flow, if it is open; it becomes the one that was used last.
    pub fn get(&mut self, flow: FlowId) -> Option<&OwnedFd> {
        let entry = self.files.get_mut(&flow)?;
        if entry.used != self.clock {
            self.by_use.remove(&entry.used);
            self.clock = self.clock.saturating_add(1);
            entry.used = self.clock;
            self.by_use.insert(self.clock, flow);
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
        self.by_use.pop_first().and_then(|(_, flow)| self.files.remove(&flow)).is_some()
    }

    /// Adds the file of a flow.
    pub fn insert(&mut self, flow: FlowId, file: OwnedFd) {
        self.clock = self.clock.saturating_add(1);
        self.by_use.insert(self.clock, flow);
        self.files.insert(flow, Entry { file, used: self.clock });
    }

    /// Takes the file of a flow out.
    pub fn remove(&mut self, flow: FlowId) -> Option<OwnedFd> {
        let entry = self.files.remove(&flow)?;
        self.by_use.remove(&entry.used);
        Some(entry.file)
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.files.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut files = OpenFiles::new(2);
        files.insert(FlowId(0), file());
        files.insert(FlowId(1), file());
        assert!(files.get(FlowId(0)).is_some());
        files.make_room();
        assert!(files.get(FlowId(1)).is_none());
        assert!(files.get(FlowId(0)).is_some());
        assert_eq!(files.len(), 1);
        assert!(files.remove(FlowId(0)).is_some());
        assert!(!files.evict());
    }
}
