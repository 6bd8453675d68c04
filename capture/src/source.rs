//! Where a savefile's bytes come from: its descriptor, through gzip where the file is compressed.
//!
//! Compression is recognised by the first two bytes, not by the name, and undone here in constant memory, so
//! that a file that expands without end is only a long capture. No call waits: a descriptor is read once each
//! time it was [`Source::grant`]ed, after poll(2) said that it can be, so that a user's signal is heard in
//! between, whatever the file makes of its compression.

use std::io::{self, BufRead, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use nix::errno::Errno;
use nix::unistd::read;

/// What a gzip member begins with (RFC 1952, 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Compressed bytes read at once.
const READ: usize = 64 * 1024;

/// A savefile's bytes, uncompressed.
#[derive(Debug)]
pub struct Source {
    file: Rc<OwnedFd>,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    /// Too little was read to tell whether it is compressed.
    Unknown(Granted),
    Plain(Granted),
    /// One or more gzip members.
    Gzip(Box<MultiGzDecoder<Granted>>),
    /// There are none.
    Ended,
}

impl Source {
    /// The bytes of `file`.
    pub fn new(file: OwnedFd) -> Self {
        let file = Rc::new(file);
        let raw =
            Granted { file: Rc::clone(&file), buffer: Vec::new(), start: 0, granted: false, ended: false };
        Self { file, bytes: Bytes::Unknown(raw) }
    }

    /// Allows one read of the descriptor, which is said to be ready.
    pub fn grant(&mut self) {
        match &mut self.bytes {
            Bytes::Unknown(raw) | Bytes::Plain(raw) => raw.granted = true,
            Bytes::Gzip(decoder) => decoder.get_mut().granted = true,
            Bytes::Ended => {}
        }
    }

    /// Reads into `room`. `WouldBlock`: it takes another grant.
    pub fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if let Bytes::Unknown(raw) = &mut self.bytes {
            let gzip = raw.begins_with_gzip()?;
            self.bytes = match std::mem::replace(&mut self.bytes, Bytes::Ended) {
                Bytes::Unknown(raw) if gzip => Bytes::Gzip(Box::new(MultiGzDecoder::new(raw))),
                Bytes::Unknown(raw) => Bytes::Plain(raw),
                known @ (Bytes::Plain(_) | Bytes::Gzip(_) | Bytes::Ended) => known,
            };
        }
        match &mut self.bytes {
            Bytes::Unknown(raw) | Bytes::Plain(raw) => raw.read(room),
            Bytes::Gzip(decoder) => decoder.read(room),
            Bytes::Ended => Ok(0),
        }
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A descriptor that is read when that was granted, and bytes of it that were read and not used.
#[derive(Debug)]
pub struct Granted {
    file: Rc<OwnedFd>,
    buffer: Vec<u8>,
    start: usize,
    granted: bool,
    ended: bool,
}

impl Granted {
    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    fn begins_with_gzip(&mut self) -> io::Result<bool> {
        while self.rest().len() < GZIP.len() && !self.ended {
            let mut more = vec![0; READ];
            let count = self.read_file(&mut more)?;
            self.ended = count == 0;
            self.buffer.extend(more.iter().take(count));
        }
        Ok(self.rest().starts_with(&GZIP))
    }

    fn read_file(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if !self.granted {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.granted = false;
        loop {
            match read(&*self.file, room) {
                Ok(count) => return Ok(count),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Read for Granted {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.rest();
        if rest.is_empty() {
            // Straight to where it is wanted: bytes that need no decoding are not copied twice.
            return if self.ended { Ok(0) } else { self.read_file(room) };
        }
        let count = rest.read(room)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Granted {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.rest().is_empty() && !self.ended {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.resize(READ, 0);
            let count = self.read_file(&mut buffer);
            buffer.truncate(*count.as_ref().unwrap_or(&0));
            (self.buffer, self.start) = (buffer, 0);
            self.ended = count? == 0;
        }
        Ok(self.rest())
    }

    fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.buffer.len());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn file(bytes: &[u8]) -> Source {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        Source::new(file.into())
    }

    /// All that comes out of a source, one grant at a time.
    fn drained(mut source: Source) -> io::Result<Vec<u8>> {
        let (mut all, mut room) = (Vec::new(), vec![0; 1000]);
        loop {
            source.grant();
            match source.read(&mut room) {
                Ok(0) => return Ok(all),
                Ok(count) => all.extend(&room[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    #[test]
    fn plain_bytes_come_as_they_are() {
        for bytes in [&b""[..], b"\x1f", b"\xd4\xc3", &[7; 3 * READ]] {
            assert_eq!(drained(file(bytes)).unwrap(), bytes);
        }
    }

    #[test]
    fn members_of_gzip_come_uncompressed_and_joined() {
        let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let members = [compressed(&bytes), compressed(b"more")].concat();
        assert_eq!(drained(file(&members)).unwrap(), [bytes, b"more".to_vec()].concat());
    }

    #[test]
    fn gzip_that_is_cut_or_broken_is_an_error() {
        let whole = compressed(&[5; 100_000]);
        for end in 2..whole.len() {
            assert!(drained(file(&whole[..end])).is_err(), "cut at {end}");
        }
        let mut broken = whole.clone();
        let last = broken.len() - 8;
        broken[last] ^= 1;
        assert!(drained(file(&broken)).is_err(), "checksum");
    }

    #[test]
    fn without_a_grant_nothing_is_read() {
        let mut source = file(b"bytes");
        assert_eq!(source.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
        source.grant();
        assert_eq!(source.read(&mut [0; 9]).unwrap(), 5);
    }
}
