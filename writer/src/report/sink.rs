//! Where the report goes: a file that is well-formed whenever this process may die, or a pipe.
//!
//! A file always ends in a tail that closes every element and says that the run was interrupted; each
//! flush writes over the tail what came since, and the tail again after it. After the tail follow spaces,
//! which XML allows there: room that is already on the disk, so that a full disk does not keep the report
//! from being closed.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::ftruncate;
use policy::manifest::REPORT;

use crate::contents::{self, write_at, write_on};

/// Spaces after the tail: enough for all that follows the last flow.
const RESERVE: usize = 24 * 1024;

/// Text held back while the disk is full, at most; what goes beyond is lacking, and the end says so.
const MAX_PENDING: usize = 1024 * 1024;

/// The report's file.
#[derive(Debug)]
pub struct Sink {
    file: OwnedFd,
    seekable: bool,
    /// Text since the last flush.
    pending: Vec<u8>,
    /// Where the tail begins.
    position: u64,
    tail: Vec<u8>,
    /// Why the last flush failed.
    fault: Option<Errno>,
}

impl Sink {
    /// Begins with `head`; `tail` is what closes it. `appending`: the descriptor writes at its end only.
    pub fn begin(file: OwnedFd, appending: bool, head: Vec<u8>, tail: &[u8]) -> Result<Self, Errno> {
        let mut reserved = tail.to_vec();
        reserved.resize(tail.len().saturating_add(RESERVE), b' ');
        let mut sink =
            Self { file, seekable: !appending, pending: head, position: 0, tail: reserved, fault: None };
        sink.flush();
        let Some(fault) = sink.fault else { return Ok(sink) };
        // No report rather than the end of one.
        sink.cut(0);
        Err(fault)
    }

    /// Adds a piece that is well-formed by itself. Where nothing is pending it is not copied, and leaves other room behind.
    pub fn push(&mut self, piece: &mut Vec<u8>) {
        let room = MAX_PENDING.saturating_sub(self.pending.len());
        if self.fault.is_some() && piece.len() > room {
            return;
        }
        if self.pending.is_empty() {
            std::mem::swap(&mut self.pending, piece);
        } else {
            self.pending.extend_from_slice(piece);
        }
    }

    /// Bytes that are in memory only.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Puts what is pending on the disk. If that fails it stays pending, and the file as it was.
    pub fn flush(&mut self) {
        if self.seekable {
            let length = self.pending.len();
            self.pending.extend_from_slice(&self.tail);
            let result = write_at(&self.file, &self.pending, self.position);
            self.pending.truncate(length);
            match result {
                Ok(()) => {
                    self.position = self.position.saturating_add(u64::try_from(length).unwrap_or(0));
                    self.pending.clear();
                    self.fault = None;
                }
                // Only what `-X` names may be a pipe: on no other file is write(2) allowed.
                Err(Errno::ESPIPE) if self.position == 0 && self.file.as_raw_fd() == REPORT => {
                    self.seekable = false;
                }
                Err(errno) => {
                    self.fault = Some(errno);
                    // These places are on the disk already, so this can only shorten the file.
                    let _ = write_at(&self.file, &self.tail, self.position);
                    self.cut(self.tail.len());
                }
            }
        }
        if !self.seekable {
            self.fault = write_on(&self.file, &self.pending).err();
            self.pending.clear();
        }
    }

    /// Ends the report with the text that `closing` makes, given why flows are lacking from it, if any are.
    pub fn finish(mut self, closing: impl Fn(Option<Errno>) -> Vec<u8>) -> Result<(), Errno> {
        if !self.pending.is_empty() {
            self.flush();
        }
        let lacking = self.fault;
        let text = closing(lacking);
        if self.seekable {
            if let Err(errno) = write_at(&self.file, &text, self.position) {
                let _ = write_at(&self.file, &self.tail, self.position);
                self.cut(self.tail.len());
                return Err(errno);
            }
            self.cut(text.len());
        } else {
            write_on(&self.file, &text)?;
        }
        lacking.map_or(Ok(()), Err)
    }

    /// Ends the file `length` bytes after the last flush. A device has no length to set.
    fn cut(&self, length: usize) {
        let end = self.position.saturating_add(u64::try_from(length).unwrap_or(0));
        if let Ok(end) = contents::position(end) {
            let _ = ftruncate(&self.file, end);
        }
    }
}
