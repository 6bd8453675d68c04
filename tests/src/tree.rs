//! What a run leaves behind: every file beneath a directory, with what is known of it.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its time of modification, in nanoseconds since 1970.
    pub mtime: i64,
}

/// Regular files by their path beneath a directory.
pub type Tree = BTreeMap<String, File>;

/// Every regular file beneath `directory`; none if it does not exist.
#[must_use]
pub fn read(directory: &Path) -> Tree {
    let mut files = Tree::new();
    if directory.exists() {
        collect(directory, "", &mut files);
    }
    files
}

fn collect(directory: &Path, prefix: &str, files: &mut Tree) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        let metadata = std::fs::symlink_metadata(entry.path()).unwrap();
        if metadata.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else {
            assert!(metadata.is_file(), "{name} is neither a file nor a directory");
            let file = File {
                bytes: std::fs::read(entry.path()).unwrap(),
                mode: metadata.mode() & 0o7777,
                uid: metadata.uid(),
                mtime: metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()),
            };
            files.insert(name, file);
        }
    }
}
