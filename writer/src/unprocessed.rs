//! The savefile of `-w`: frames that no segment came of.
//!
//! It is written in the order in which frames come, a batch at a time, to a descriptor that may be a pipe. One
//! that cannot take a batch gets no more, and is cut back to its last whole record if it can be.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::unistd::ftruncate;
use proto::flow::{Medium, RawPacket};

use crate::contents;
use crate::flow::Fault;
use crate::savefile::{Format, SNAP_LENGTH};
use crate::sums::Books;

/// Bytes that are gathered before they are written at the latest.
const FLUSH_AT: usize = 256 * 1024;

/// The savefile.
#[derive(Debug)]
pub struct Unprocessed {
    file: OwnedFd,
    /// What the header says; none before it is written.
    format: Option<Format>,
    pending: Vec<u8>,
    /// Frames that are pending.
    frames: u64,
    /// Bytes that were written.
    length: u64,
    fault: Option<Fault>,
}

impl Unprocessed {
    /// Nothing yet, in this file.
    pub fn new(file: OwnedFd) -> Self {
        Self { file, format: None, pending: Vec::new(), frames: 0, length: 0, fault: None }
    }

    /// What cannot be stored any more, if the file cannot.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// A link that frames may come from: the file is that of the first.
    pub fn medium(&mut self, medium: Medium) {
        if self.format.is_none() {
            let format = Format::of(medium);
            self.pending.extend_from_slice(&format.header());
            self.format = Some(format);
        }
    }

    /// Takes a frame; it is told apart if its link is not the file's.
    pub fn frame(&mut self, medium: Medium, packet: &RawPacket, bytes: &[u8], books: &mut Books) {
        books.receive(1);
        self.medium(medium);
        let Some(format) = &mut self.format else { return };
        if let Some(fault) = self.fault {
            books.set_aside(fault.reason(), 1);
            return;
        }
        if !format.holds(medium) {
            books.set_aside(OTHER_LINK, 1);
            return;
        }
        if let Some(snap_length) = format.raise(packet) {
            let place = usize::try_from(SNAP_LENGTH).unwrap_or_default();
            match self.pending.get_mut(place..place.saturating_add(snap_length.len())) {
                Some(unwritten) if self.length == 0 => unwritten.copy_from_slice(&snap_length),
                // In a pipe nothing can be changed any more.
                Some(_) | None => drop(contents::write_at(&self.file, &snap_length, SNAP_LENGTH)),
            }
        }
        format.record(packet, bytes, &mut self.pending);
        self.frames = self.frames.saturating_add(1);
        if self.pending.len() >= FLUSH_AT {
            self.flush(books);
        }
    }

    /// Writes what is pending.
    pub fn flush(&mut self, books: &mut Books) {
        let frames = std::mem::take(&mut self.frames);
        if self.fault.is_none() && !self.pending.is_empty() {
            match contents::write_on(&self.file, &self.pending) {
                Ok(()) => self.length = self.length.saturating_add(contents::length(self.pending.len())),
                Err(errno) => self.fail(errno),
            }
        }
        match self.fault {
            None => books.write(frames),
            Some(fault) => books.set_aside(fault.reason(), frames),
        }
        self.pending.clear();
    }

    fn fail(&mut self, errno: Errno) {
        self.fault = Some(Fault(errno));
        if let Ok(end) = contents::position(self.length) {
            let _ = ftruncate(&self.file, end);
        }
    }
}

/// Why a packet is not in a savefile that has another link type.
pub const OTHER_LINK: &str = "other_link_type";

#[cfg(test)]
mod tests {
    use super::*;
    use proto::time::Timestamp;

    const MEDIUM: Medium = Medium { link_type: 1, snap_length: 4, nanoseconds: false };

    fn put(file: &mut Unprocessed, bytes: &[u8], books: &mut Books) {
        let captured = u32::try_from(bytes.len()).unwrap();
        let packet = RawPacket { time: Timestamp::new(1, 0), captured, original: captured };
        file.frame(MEDIUM, &packet, bytes, books);
    }

    #[test]
    fn the_snap_length_grows_before_and_after_it_is_written() {
        for flush_first in [false, true] {
            let place = tempfile::NamedTempFile::new().unwrap();
            let mut file = Unprocessed::new(place.reopen().unwrap().into());
            let mut books = Books::default();
            put(&mut file, b"abcd", &mut books);
            if flush_first {
                file.flush(&mut books);
            }
            put(&mut file, b"abcdef", &mut books);
            file.flush(&mut books);
            let written = std::fs::read(place.path()).unwrap();
            assert_eq!((written.len(), &written[16..20]), (24 + 2 * 16 + 10, &[6, 0, 0, 0][..]));
            assert_eq!((books.received, books.written), (2, 2));
        }
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut file = Unprocessed::new(full.into());
        let mut books = Books::default();
        put(&mut file, b"abcd", &mut books);
        file.flush(&mut books);
        put(&mut file, b"abcd", &mut books);
        file.flush(&mut books);
        assert_eq!((books.received, books.written, books.aside.get("disk_full")), (2, 0, Some(&2)));
        assert_eq!(file.fault(), Some(Fault(Errno::ENOSPC)));
    }
}
