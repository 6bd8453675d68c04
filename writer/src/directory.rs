//! The output directory: everything is opened beneath it, by openat2(2), and no symbolic link is followed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{AccessFlags, faccessat};
use policy::beneath;

/// The output directory.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
}

impl Directory {
    /// Takes the directory that the manifest hands over.
    pub fn new(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Whether there is nothing in it. It cannot be asked for once the process is confined.
    pub fn is_empty(&self) -> Result<bool, Errno> {
        let mut entries = Dir::openat(&self.fd, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty())?;
        Ok(entries.iter().flatten().all(|entry| [c".", c".."].contains(&entry.file_name())))
    }

    /// Whether the user that this process is now may make files in it.
    pub fn check_writable(&self) -> Result<(), Errno> {
        let wanted = AccessFlags::W_OK | AccessFlags::X_OK;
        faccessat(&self.fd, ".", wanted, AtFlags::AT_EACCESS)
    }

    /// Creates a file that did not exist, to write and read back, and the directories that lead to it.
    pub fn create_new(&self, name: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL;
        match self.open(name, flags) {
            Err(Errno::ENOENT) if name.contains('/') => {
                self.make_parents(name)?;
                self.open(name, flags)
            }
            result => result,
        }
    }

    /// Makes a directory that did not exist.
    pub fn make_new(&self, name: &str) -> Result<(), Errno> {
        mkdirat(&self.fd, name, Mode::from_bits_truncate(0o777))
    }

    /// Whether there is something of this name that can be reached.
    pub fn has(&self, name: &str) -> bool {
        self.open(name, OFlag::O_PATH).is_ok()
    }

    /// Creates a file that did not exist, as tcpflow makes those of bodies: for its owner to write.
    pub fn create_body(&self, name: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL;
        beneath::open(&self.fd, name, flags, Mode::from_bits_truncate(0o644))
    }

    /// Opens a file that this run created.
    pub fn reopen(&self, name: &str) -> Result<OwnedFd, Errno> {
        self.open(name, OFlag::O_RDWR)
    }

    /// Creates a file, or empties the one that is there.
    pub fn create(&self, name: &str) -> Result<OwnedFd, Errno> {
        self.open(name, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NONBLOCK)
    }

    /// Opens a directory to be looked through, if it is on the same file system.
    pub fn list(&self, path: &Path) -> Result<OwnedFd, Errno> {
        beneath::open_directory(&self.fd, path, OFlag::O_RDONLY)
    }

    fn open(&self, name: &str, flags: OFlag) -> Result<OwnedFd, Errno> {
        let creates = flags.contains(OFlag::O_CREAT);
        let mode = if creates { Mode::from_bits_truncate(0o666) } else { Mode::empty() };
        beneath::open(&self.fd, name, flags, mode)
    }

    /// Makes the directories of `name`. mkdirat(2) would follow symbolic links in the middle of a path, so
    /// each directory is looked at first; who swaps one meanwhile gains an empty directory beneath what
    /// Landlock grants.
    fn make_parents(&self, name: &str) -> Result<(), Errno> {
        for (end, _) in name.match_indices('/') {
            let path = name.get(..end).unwrap_or_default();
            match beneath::open(&self.fd, path, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()) {
                Ok(_) => {}
                Err(Errno::ENOENT) => match mkdirat(&self.fd, path, Mode::from_bits_truncate(0o777)) {
                    Ok(()) | Err(Errno::EEXIST) => {}
                    Err(errno) => return Err(errno),
                },
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn directory() -> (tempfile::TempDir, Directory) {
        let place = tempfile::tempdir().unwrap();
        let fd = fs::File::open(place.path()).unwrap().into();
        (place, Directory::new(fd))
    }

    #[test]
    fn what_exists_is_not_touched() {
        let (place, directory) = directory();
        fs::write(place.path().join("a"), "old").unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", place.path().join("b")).unwrap();
        assert_eq!(directory.create_new("a").unwrap_err(), Errno::EEXIST);
        assert_eq!(directory.create_new("b").unwrap_err(), Errno::EEXIST);
        assert_eq!(directory.create("b").unwrap_err(), Errno::ELOOP);
    }

    #[test]
    fn directories_are_made_and_links_to_directories_not_followed() {
        let (place, directory) = directory();
        let elsewhere = tempfile::tempdir().unwrap();
        directory.create_new("a/b/c").unwrap();
        assert!(place.path().join("a/b/c").is_file());
        std::os::unix::fs::symlink(elsewhere.path(), place.path().join("l")).unwrap();
        assert!(directory.create_new("l/m/c").is_err());
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_with_anything_in_it_is_not_empty() {
        let (place, directory) = directory();
        assert!(directory.is_empty().unwrap());
        fs::write(place.path().join(".hidden"), "").unwrap();
        assert!(!directory.is_empty().unwrap());
    }

    #[test]
    fn nothing_above_is_reached() {
        let (_place, directory) = directory();
        assert_eq!(directory.create_new("../x").unwrap_err(), Errno::EXDEV);
        assert_eq!(directory.create_new("/tmp/x").unwrap_err(), Errno::EXDEV);
    }
}
