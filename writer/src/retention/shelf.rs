//! The directories that are finished: since when each is, and how large.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, SFlag, fstatat};
use proto::time::Timestamp;

use super::listing;
use crate::directory::Directory;
use crate::period::{MARK, is_name};

/// Directories that are known at once. Others are found when some of these are gone.
const MOST: usize = 65_536;
/// How deep directories are looked through for their size: none that a template makes sense of is deeper.
const DEPTH: usize = 32;
/// The unit in which the size of a file on the disk is told, inode(7).
const BLOCK: u64 = 512;

/// A directory that is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Finished {
    since: Timestamp,
    /// Bytes on the disk.
    size: u64,
}

/// All that are finished, by name.
#[derive(Debug, Default)]
pub struct Shelf {
    finished: BTreeMap<String, Finished>,
    /// Those that could not be removed.
    given_up: BTreeSet<String>,
}

impl Shelf {
    /// Looks which there are now. `sizes`: whether it matters how large each is.
    pub fn look(&mut self, directory: &Directory, in_use: &[String], sizes: bool) -> Result<(), Errno> {
        let mut names = BTreeSet::new();
        listing::each(&directory.list(Path::new("."))?, |name| {
            let name = name.to_str().ok().filter(|name| is_name(name));
            let is_counted =
                |name: &&str| !in_use.iter().any(|used| used == name) && !self.given_up.contains(*name);
            names.extend(name.filter(is_counted).map(str::to_owned));
            Ok((names.len() >= MOST).then_some(()))
        })?;
        self.finished.retain(|name, _| names.contains(name));
        for name in names {
            if self.finished.contains_key(&name) {
                continue;
            }
            if let Some(since) = marked_since(directory, &name) {
                let size = if sizes { whole_size(directory, &name) } else { 0 };
                self.finished.insert(name, Finished { since, size });
            }
        }
        Ok(())
    }

    /// The one that was finished first, and when.
    pub fn oldest(&self) -> Option<(&str, Timestamp)> {
        let oldest = self.finished.iter().min_by_key(|(name, finished)| (finished.since, *name));
        oldest.map(|(name, finished)| (name.as_str(), finished.since))
    }

    /// Bytes of all.
    pub fn size(&self) -> u64 {
        self.finished.values().fold(0, |sum, finished| sum.saturating_add(finished.size))
    }

    /// One is not there any more.
    pub fn forget(&mut self, name: &str) {
        self.finished.remove(name);
    }

    /// One cannot be removed.
    pub fn give_up(&mut self, name: &str) {
        if self.given_up.len() < MOST {
            self.given_up.insert(name.to_owned());
        }
        self.forget(name);
    }
}

/// The time of the mark, if there is a directory of this name, and a mark in it that is a file.
fn marked_since(directory: &Directory, name: &str) -> Option<Timestamp> {
    let opened = directory.list(Path::new(name)).ok()?;
    let mark = fstatat(&opened, MARK, AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
    let nanoseconds = u32::try_from(mark.st_mtime_nsec).unwrap_or_default();
    (kind(&mark) == SFlag::S_IFREG).then(|| Timestamp::new(mark.st_mtime, nanoseconds))
}

/// Bytes on the disk of a directory and of all that is in it.
fn whole_size(directory: &Directory, name: &str) -> u64 {
    let own = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_or(0, |status| on_disk(&status));
    own.saturating_add(size(directory, Path::new(name), 0))
}

/// The same of all that is in it. What cannot be looked at counts nothing.
fn size(directory: &Directory, path: &Path, depth: usize) -> u64 {
    let Ok(opened) = directory.list(path) else { return 0 };
    let mut sum = 0_u64;
    let mut add = |name: &CStr| {
        if let Ok(status) = fstatat(&opened, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            sum = sum.saturating_add(on_disk(&status));
            if kind(&status) == SFlag::S_IFDIR && depth < DEPTH {
                let below = path.join(OsStr::from_bytes(name.to_bytes()));
                sum = sum.saturating_add(size(directory, &below, depth.saturating_add(1)));
            }
        }
        Ok(None::<()>)
    };
    // What was counted before it failed was there.
    let _ = listing::each(&opened, &mut add);
    sum
}

fn on_disk(status: &FileStat) -> u64 {
    u64::try_from(status.st_blocks).unwrap_or(0).saturating_mul(BLOCK)
}

fn kind(status: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits())
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::{Duration, UNIX_EPOCH};

    fn make(place: &Path, name: &str, finished: u64) {
        fs::create_dir(place.join(name)).unwrap();
        let mark = fs::File::create(place.join(name).join(MARK)).unwrap();
        mark.set_modified(UNIX_EPOCH + Duration::from_secs(finished)).unwrap();
    }

    #[test]
    fn only_what_is_ours_and_finished_is_on_the_shelf() {
        let place = tempfile::tempdir().unwrap();
        let (there, at) = (place.path(), |day: u32| format!("2026-01-{day:02}T00-00-00Z"));
        make(there, &at(1), 500);
        make(there, &at(2), 400);
        make(there, &at(3), 100);
        make(there, "2026-01-04T00-00-00Z-001", 300);
        fs::write(there.join(at(1)).join("file"), vec![1; 100_000]).unwrap();
        // A directory of someone else's, a file, a link to one of ours, one whose mark is a link or a directory, and one
        // of another name.
        fs::create_dir(there.join(at(5))).unwrap();
        fs::write(there.join(at(6)), "").unwrap();
        symlink(there.join(at(1)), there.join(at(7))).unwrap();
        fs::create_dir(there.join(at(8))).unwrap();
        symlink(there.join(at(1)).join(MARK), there.join(at(8)).join(MARK)).unwrap();
        fs::create_dir_all(there.join(at(9)).join(MARK)).unwrap();
        make(there, "2026-01-10", 1);
        let directory = Directory::new(fs::File::open(there).unwrap().into());
        let mut shelf = Shelf::default();
        shelf.look(&directory, &[at(3)], true).unwrap();
        let names: Vec<&str> = shelf.finished.keys().map(String::as_str).collect();
        assert_eq!(names, [&at(1), &at(2), "2026-01-04T00-00-00Z-001"]);
        assert_eq!(shelf.oldest().unwrap().0, "2026-01-04T00-00-00Z-001", "by when it was finished");
        assert!((100_000..200_000).contains(&shelf.size()), "{}", shelf.size());
        shelf.give_up("2026-01-04T00-00-00Z-001");
        fs::remove_dir_all(there.join(at(2))).unwrap();
        shelf.look(&directory, &[], true).unwrap();
        assert_eq!(shelf.oldest(), Some((at(3).as_str(), Timestamp::new(100, 0))));
        assert_eq!(shelf.finished.len(), 2);
    }
}
