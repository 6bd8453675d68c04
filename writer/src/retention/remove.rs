//! Removing a directory with all that is in it: one descriptor at a time, a name without a slash for each call, and no
//! symbolic link followed. The mark goes last, so that what is left when the process ends is removed another time.

use std::ffi::{CStr, CString, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::listing;
use crate::directory::Directory;
use crate::period::MARK;

/// What became of the entries of a directory.
enum Cleared {
    /// There are none left.
    All,
    /// Some are gone, and there may be more.
    Some,
    /// One is a directory itself.
    Descend(CString),
}

/// Removes a directory in the output directory.
pub fn tree(directory: &Directory, name: &str) -> Result<(), Errno> {
    let top = PathBuf::from(name);
    let mut path = top.clone();
    loop {
        let opened = directory.list(&path)?;
        let is_top = path == top;
        match clear(&opened, is_top)? {
            Cleared::Some => {}
            Cleared::Descend(child) => path.push(OsString::from_vec(child.into_bytes())),
            Cleared::All if is_top => {
                match unlinkat(&opened, MARK, UnlinkatFlags::NoRemoveDir) {
                    Ok(()) | Err(Errno::ENOENT) => {}
                    Err(errno) => return Err(errno),
                }
                return unlinkat(directory, name, UnlinkatFlags::RemoveDir);
            }
            Cleared::All => {
                let name = path.file_name().ok_or(Errno::EINVAL)?.to_owned();
                path.pop();
                unlinkat(directory.list(&path)?, name.as_os_str(), UnlinkatFlags::RemoveDir)?;
            }
        }
    }
}

/// Removes the files of a directory, up to the first that is a directory; not the mark, if it bears one.
fn clear(directory: &OwnedFd, is_marked: bool) -> Result<Cleared, Errno> {
    let mut removed = false;
    let found = listing::each(directory, |name| {
        if is_marked && name.to_bytes() == MARK.as_bytes() {
            return Ok(None);
        }
        match unlinkat(directory, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {
                removed = true;
                Ok(None)
            }
            Err(Errno::EISDIR) => Ok(Some(CStr::to_owned(name))),
            Err(errno) => Err(errno),
        }
    })?;
    Ok(match found {
        Some(child) => Cleared::Descend(child),
        None if removed => Cleared::Some,
        None => Cleared::All,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_tree_goes_and_what_its_links_lead_to_stays() {
        let (place, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let directory = Directory::new(fs::File::open(place.path()).unwrap().into());
        fs::write(elsewhere.path().join("kept"), "x").unwrap();
        let old = place.path().join("old");
        // Deep, and more than one reading of a directory gives.
        let deep = (0..50).fold(old.clone(), |path, _| path.join("d"));
        fs::create_dir_all(&deep).unwrap();
        for number in 0..2000 {
            fs::write(old.join(format!("a name of some length {number}")), "").unwrap();
        }
        fs::write(old.join(MARK), "").unwrap();
        fs::write(deep.join("file"), "x").unwrap();
        symlink(elsewhere.path(), deep.join("to a directory")).unwrap();
        symlink(elsewhere.path().join("kept"), old.join("to a file")).unwrap();
        fs::create_dir(old.join(std::ffi::OsStr::from_bytes(b"\xff"))).unwrap();
        fs::write(place.path().join("beside"), "x").unwrap();
        tree(&directory, "old").unwrap();
        let left: Vec<_> =
            fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["beside"]);
        assert!(elsewhere.path().join("kept").exists());
    }

    #[test]
    fn what_is_no_directory_is_not_removed() {
        let (place, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let directory = Directory::new(fs::File::open(place.path()).unwrap().into());
        fs::write(elsewhere.path().join("kept"), "x").unwrap();
        symlink(elsewhere.path(), place.path().join("link")).unwrap();
        fs::write(place.path().join("file"), "x").unwrap();
        assert_eq!(tree(&directory, "link"), Err(Errno::ENOTDIR));
        assert_eq!(tree(&directory, "link/"), Err(Errno::ELOOP));
        assert_eq!(tree(&directory, "file"), Err(Errno::ENOTDIR));
        assert_eq!(tree(&directory, ".."), Err(Errno::EXDEV));
        assert!(elsewhere.path().join("kept").exists() && place.path().join("file").exists());
    }
}
