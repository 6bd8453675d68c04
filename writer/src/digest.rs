//! Digests of a file as it lies on the disk, made while it is written.
//!
//! What is written where the digests have come to goes into them at once. A file that was written in order
//! is so never read; of one that was not, the rest is read when it is done, and all of it if bytes that were
//! in already changed. What a hole has is zeros, and a hole costs its sender nothing: a file that is mostly
//! hole is left without digest, rather than let anyone keep this process busy with reading zeros.

use std::fmt::Write as _;
use std::io::IoSlice;
use std::os::fd::OwnedFd;

use md5::Md5;
use nix::errno::Errno;
use proto::plan::Digest as Kind;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::contents;

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// Zeros that are read for any file, and for each byte that was written to it.
const ZEROS: (u64, u64) = (1 << 30, 64);

/// A digest by the name that the report has for it.
pub type Named = (&'static str, String);

/// The digests of one file.
#[derive(Debug, Clone)]
pub struct Digests {
    states: Box<[State]>,
    /// How far they have come.
    reached: u64,
    /// Whether what they have come through has changed.
    stale: bool,
    /// Bytes that were written.
    written: u64,
}

#[derive(Debug, Clone)]
enum State {
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl State {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Md5 => Self::Md5(Md5::new()),
            Kind::Sha1 => Self::Sha1(Sha1::new()),
            Kind::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    fn reset(&mut self) {
        match self {
            Self::Md5(state) => state.reset(),
            Self::Sha1(state) => state.reset(),
            Self::Sha256(state) => state.reset(),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(state) => state.update(bytes),
            Self::Sha1(state) => state.update(bytes),
            Self::Sha256(state) => state.update(bytes),
        }
    }

    fn finish(self) -> Named {
        match self {
            Self::Md5(state) => ("MD5", hexadecimal(&state.finalize())),
            Self::Sha1(state) => ("SHA1", hexadecimal(&state.finalize())),
            Self::Sha256(state) => ("SHA256", hexadecimal(&state.finalize())),
        }
    }
}

impl Digests {
    /// Those of an empty file; none if none is wanted.
    pub fn new(kinds: &[Kind]) -> Option<Box<Self>> {
        let states: Box<[State]> = kinds.iter().copied().map(State::new).collect();
        (!states.is_empty()).then(|| Box::new(Self { states, reached: 0, stale: false, written: 0 }))
    }

    /// Notes bytes that are about to be written at `offset`.
    pub fn write(&mut self, offset: u64, parts: &[IoSlice<'_>]) {
        let length = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(contents::length(part.len())));
        self.written = self.written.saturating_add(length);
        if offset < self.reached {
            self.stale = true;
        } else if offset == self.reached && !self.stale {
            for part in parts {
                self.update(part);
            }
        }
    }

    /// Notes that bytes of the file changed in another way than by writing them once.
    pub fn disturb(&mut self) {
        self.stale = true;
    }

    /// The digests of `file`, which is done and `length` bytes long; if it is not `whole`, it may have more
    /// bytes or fewer.
    pub fn finish(mut self, file: &OwnedFd, length: u64, whole: bool) -> Result<Vec<Named>, Errno> {
        if self.stale {
            self.states.iter_mut().for_each(State::reset);
            self.reached = 0;
        }
        let (any, each) = ZEROS;
        let most = self.written.saturating_mul(each).saturating_add(any);
        if length.saturating_sub(self.reached) > most {
            return Err(Errno::EFBIG);
        }
        let mut buffer = if self.reached < length || !whole { vec![0; CHUNK] } else { Vec::new() };
        while self.reached < length || !whole {
            let left = usize::try_from(length.saturating_sub(self.reached)).unwrap_or(usize::MAX);
            let wanted = if whole { left.min(buffer.len()) } else { buffer.len() };
            let Some(chunk) = buffer.get_mut(..wanted) else { return Err(Errno::EIO) };
            let got = contents::read(file, chunk, self.reached)?;
            self.update(chunk.get(..got).unwrap_or_default());
            match (got < wanted, whole) {
                (false, _) => {}
                (true, false) => break,
                // Someone has cut the file.
                (true, true) => return Err(Errno::EIO),
            }
        }
        Ok(self.states.into_iter().map(State::finish).collect())
    }

    fn update(&mut self, bytes: &[u8]) {
        self.states.iter_mut().for_each(|state| state.update(bytes));
        self.reached = self.reached.saturating_add(contents::length(bytes.len()));
    }
}

/// In lower case, as md5sum prints it. Writing to a string cannot fail.
fn hexadecimal(digest: &[u8]) -> String {
    let mut text = String::new();
    for byte in digest {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Kind; 3] = [Kind::Md5, Kind::Sha1, Kind::Sha256];

    /// Writes pieces to a file as the store does; gives the digests made on the way.
    fn digests(pieces: &[(u64, &[u8])]) -> (OwnedFd, Digests, u64) {
        let file: OwnedFd = tempfile::tempfile().unwrap().into();
        let mut digests = Digests::new(&ALL).unwrap();
        let mut end = 0;
        for (offset, bytes) in pieces {
            let mut parts = [IoSlice::new(bytes)];
            digests.write(*offset, &parts);
            contents::write(&file, &mut parts, *offset).unwrap();
            end = end.max(offset.saturating_add(contents::length(bytes.len())));
        }
        (file, *digests, end)
    }

    #[test]
    fn known_answers() {
        let (file, made, end) = digests(&[(0, b"ab"), (2, b"c")]);
        assert_eq!((made.reached, made.stale), (3, false), "nothing is read");
        let expected = [
            ("MD5", "900150983cd24fb0d6963f7d28e17f72"),
            ("SHA1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("SHA256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ];
        assert_eq!(made.finish(&file, end, true).unwrap(), expected.map(|(n, hex)| (n, hex.to_owned())));
    }

    #[test]
    fn the_order_of_writing_does_not_matter() {
        let (file, in_order, end) = digests(&[(0, b"abcdef\0\0ij")]);
        let expected = in_order.finish(&file, end, true).unwrap();
        for pieces in [
            &[(3, &b"def"[..]), (0, b"abc"), (8, b"ij")][..],
            &[(0, b"abc"), (8, b"ij"), (3, b"def")],
            &[(0, b"abXdef"), (2, b"c"), (6, b"\0\0ij")],
            &[(8, b"ij"), (0, b"Xbcdef"), (0, b"a")],
        ] {
            let (file, made, end) = digests(pieces);
            assert_eq!(made.finish(&file, end, true).unwrap(), expected, "{pieces:?}");
        }
    }

    #[test]
    fn what_was_disturbed_is_read_again() {
        let (file, mut made, end) = digests(&[(0, b"Xbc")]);
        contents::write(&file, &mut [IoSlice::new(b"a")], 0).unwrap();
        made.disturb();
        assert_eq!(made.finish(&file, end, true).unwrap()[0].1, "900150983cd24fb0d6963f7d28e17f72");
    }

    #[test]
    fn a_file_that_was_cut_or_is_mostly_hole_has_none() {
        let (file, made, end) = digests(&[(3, b"abc")]);
        assert_eq!(made.clone().finish(&file, end + 1, true), Err(Errno::EIO));
        assert_eq!(made.clone().finish(&file, (1 << 30) + 3 * 64 + 1, true), Err(Errno::EFBIG));
        assert_eq!(made.clone().finish(&file, 2, false), made.finish(&file, end, true));
    }
}
