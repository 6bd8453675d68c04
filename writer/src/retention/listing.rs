//! What is in a directory, by getdents64(2) and nothing else.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use rustix::fs::RawDir;

/// Bytes of entries that are read at once.
const BUFFER: usize = 8 * 1024;

/// Gives each entry but the directory itself and the one above it, until `take` says that it is enough.
pub fn each<T>(
    directory: &OwnedFd,
    mut take: impl FnMut(&CStr) -> Result<Option<T>, Errno>,
) -> Result<Option<T>, Errno> {
    let mut buffer = Vec::with_capacity(BUFFER);
    let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(|error| Errno::from_raw(error.raw_os_error()))?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if let Some(found) = take(name)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
