//! What a program prints, taken from a pipe without waiting, and kept up to a limit.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::read;

/// What is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// The reading end of a pipe.
#[derive(Debug)]
pub struct Capture {
    pipe: Option<OwnedFd>,
    limit: usize,
    /// What was kept.
    pub bytes: Vec<u8>,
    /// Bytes that came, kept or not.
    pub total: u64,
}

impl Capture {
    /// Keeps at most `limit` bytes of what comes through `pipe`.
    pub fn new(pipe: OwnedFd, limit: usize) -> Result<Self, Errno> {
        set_nonblocking(&pipe)?;
        Ok(Self { pipe: Some(pipe), limit, bytes: Vec::new(), total: 0 })
    }

    /// The pipe, until its end.
    pub fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Takes what is there, a chunk at most; false if there was nothing.
    pub fn take(&mut self) -> bool {
        let Some(pipe) = &self.pipe else { return false };
        let mut chunk = vec![0; CHUNK];
        match read(pipe, &mut chunk) {
            Ok(0) => {
                self.pipe = None;
                false
            }
            Ok(length) => {
                self.total = self.total.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
                let room = self.limit.saturating_sub(self.bytes.len());
                self.bytes.extend(chunk.get(..length.min(room)).unwrap_or_default());
                true
            }
            Err(Errno::EINTR) => true,
            Err(Errno::EAGAIN) => false,
            Err(_) => {
                self.pipe = None;
                false
            }
        }
    }

    /// Takes all that is there, now that its writer has ended. One that escaped and writes on gets no more
    /// than what a limit can hold.
    pub fn drain(&mut self) {
        for _ in 0..=self.limit.div_ceil(CHUNK) {
            if !self.take() {
                break;
            }
        }
        self.pipe = None;
    }

    /// Bytes that came and were not kept.
    pub fn beyond(&self) -> u64 {
        self.total.saturating_sub(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }
}

/// Lets no read or write of this end wait.
pub fn set_nonblocking(fd: impl AsFd) -> Result<(), Errno> {
    let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
    fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}
