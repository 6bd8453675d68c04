//! The descriptor of a savefile: read once each time that was granted, and counted.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::read;

use super::Failure;

/// The descriptor.
#[derive(Debug)]
pub struct Descriptor {
    file: OwnedFd,
    granted: Cell<bool>,
    taken: Cell<u64>,
}

impl Descriptor {
    /// That of `file`.
    pub fn new(file: OwnedFd) -> Self {
        Self { file, granted: Cell::new(false), taken: Cell::new(0) }
    }

    /// Allows one read, or none: as poll(2) has said whether it would wait.
    pub fn grant(&self, ready: bool) {
        self.granted.set(ready);
    }

    /// Bytes read so far.
    pub fn taken(&self) -> u64 {
        self.taken.get()
    }

    /// Reads, if that was granted.
    pub fn read(&self, room: &mut [u8]) -> Result<usize, Failure> {
        if !self.granted.replace(false) {
            return Err(Failure::Wait);
        }
        loop {
            match read(&self.file, room) {
                Ok(count) => {
                    let more = u64::try_from(count).unwrap_or_default();
                    self.taken.set(self.taken.get().saturating_add(more));
                    return Ok(count);
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Failure::System(errno)),
            }
        }
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
