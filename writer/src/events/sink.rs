//! Where events go: a file, a pipe, standard output. Whole lines only, whatever happens.
//!
//! What cannot be written waits for the next time, up to a limit, and is lost and counted beyond. A file of our own is
//! cut back to its last whole line; anywhere else the rest of a line that is cut waits before all others.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::unistd::ftruncate;

use crate::contents::{self, put};

/// Bytes that are gathered before they are written at the latest.
const FLUSH_AT: usize = 256 * 1024;

/// Bytes that may wait while nothing can be written.
const MAX_PENDING: usize = 1 << 20;

/// The way out.
#[derive(Debug)]
pub struct Sink {
    file: OwnedFd,
    /// Whether nobody else writes to it, so that its length is known.
    own: bool,
    length: u64,
    /// Lines; before them perhaps the rest of one.
    pending: Vec<u8>,
    lost: u64,
    fault: Option<Errno>,
}

impl Sink {
    /// Nothing yet. A file of our `own` is empty, and its descriptor writes at its end.
    pub fn new(file: OwnedFd, own: bool) -> Self {
        Self { file, own, length: 0, pending: Vec::new(), lost: 0, fault: None }
    }

    /// Adds lines. While nothing can be written they may be lost.
    pub fn push(&mut self, text: &[u8]) {
        let sum = self.pending.len().saturating_add(text.len());
        if self.fault.is_some() && sum > MAX_PENDING {
            self.lost = self.lost.saturating_add(lines(text));
            return;
        }
        self.pending.extend_from_slice(text);
        if self.fault.is_none() && self.pending.len() >= FLUSH_AT {
            // It is told when all is flushed: the fault stays until something can be written again.
            let _ = self.flush();
        }
    }

    /// Writes what is pending, and waits while the reader is slow.
    pub fn flush(&mut self) -> Result<(), Errno> {
        if self.pending.is_empty() {
            return self.fault.map_or(Ok(()), Err);
        }
        let mut left = &self.pending[..];
        let result = put(&self.file, &mut left);
        let written = self.pending.len().saturating_sub(left.len());
        let taken = if result.is_ok() { written } else { self.cut_back(written) };
        self.length = self.length.saturating_add(contents::length(taken));
        self.pending.drain(..taken);
        self.fault = result.err();
        result
    }

    /// Takes half a line back, if that can be, of what was written; gives how much of it stays.
    fn cut_back(&self, written: usize) -> usize {
        let text = self.pending.get(..written).unwrap_or_default();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last.saturating_add(1));
        let end = contents::position(self.length.saturating_add(contents::length(whole)));
        match end {
            Ok(end) if self.own && ftruncate(&self.file, end).is_ok() => whole,
            Ok(_) | Err(_) => written,
        }
    }

    /// How many lines are lost.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The same once nothing more is tried.
    pub fn conclude(self) -> u64 {
        self.lost.saturating_add(lines(&self.pending))
    }
}

fn lines(text: &[u8]) -> u64 {
    contents::length(text.iter().filter(|byte| **byte == b'\n').count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_waits_and_then_is_lost() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut sink = Sink::new(full.into(), true);
        sink.push(b"first\nsecond\n");
        assert_eq!(sink.flush(), Err(Errno::ENOSPC));
        assert_eq!(sink.lost(), 0);
        sink.push(&b"x\n".repeat(MAX_PENDING / 2));
        sink.push(b"third\n");
        assert_eq!((sink.lost(), sink.flush()), (524_288, Err(Errno::ENOSPC)));
        assert_eq!(sink.conclude(), 524_288 + 3);
    }

    #[test]
    fn the_rest_of_a_line_goes_first() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let mut sink = Sink::new(writer, false);
        sink.pending.extend_from_slice(b"a\nbcd\n");
        // Only a file of one's own can be cut back.
        assert_eq!(sink.cut_back(3), 3);
        sink.own = true;
        assert_eq!(sink.cut_back(3), 3, "a pipe cannot either");
        let file: OwnedFd = tempfile::tempfile().unwrap().into();
        contents::write_at(&file, b"a\nb", 0).unwrap();
        sink.file = file.try_clone().unwrap();
        assert_eq!(sink.cut_back(3), 2);
        assert_eq!(std::fs::File::from(file).metadata().unwrap().len(), 2);
        drop(reader);
    }

    #[test]
    fn what_nobody_reads_is_counted() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        drop(reader);
        let mut sink = Sink::new(writer, false);
        sink.push(b"a\nb\n");
        assert_eq!(sink.flush(), Err(Errno::EPIPE));
        assert_eq!((sink.lost(), sink.conclude()), (0, 2));
    }
}
