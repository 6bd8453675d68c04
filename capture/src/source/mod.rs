//! Where a savefile's bytes come from: its descriptor, through decompressors where the file is compressed.
//!
//! Compression is recognised by what a file begins with, not by its name, and undone here in bounded memory, so
//! that a file that expands without end is only a long capture. No call waits: a descriptor is read once each
//! time it was [`Source::grant`]ed, after poll(2) said that it can be, so that a user's signal is heard in
//! between, whatever the file makes of its compression.

mod bzip2;
mod decoder;
mod descriptor;
mod format;
mod gzip;
mod layer;
mod pending;
mod streams;
mod xz;
mod zip;
mod zstd;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;

use decoder::Fault;
use descriptor::Descriptor;
pub use format::Format;
use layer::{Below, Layer};

/// A savefile's bytes, uncompressed.
#[derive(Debug)]
pub struct Source {
    file: Rc<Descriptor>,
    /// None only while one layer is put upon another.
    top: Option<Layer>,
    /// Whether the top layer is what was in an archive.
    in_archive: bool,
}

/// Why no bytes come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It takes a further grant.
    #[error("nothing is there yet")]
    Wait,
    /// The descriptor cannot be read.
    #[error("{}", .0.desc())]
    System(Errno),
    /// What is compressed cannot be decompressed.
    #[error("{}: {fault}", .format.name())]
    Compressed {
        /// In which way it is compressed.
        format: Format,
        /// What is wrong.
        fault: Fault,
    },
}

impl Source {
    /// The bytes of `file`.
    pub fn new(file: OwnedFd) -> Self {
        let file = Rc::new(Descriptor::new(file));
        let top = Some(Layer::above(Below::File(Rc::clone(&file))));
        Self { file, top, in_archive: false }
    }

    /// Allows one read of the descriptor if it is said to be ready, else none.
    pub fn grant(&self, ready: bool) {
        self.file.grant(ready);
    }

    /// Bytes read of the file, as it lies on the disk.
    pub fn taken(&self) -> u64 {
        self.file.taken()
    }

    /// Reads into `room`; 0 at the end.
    pub fn read(&mut self, room: &mut [u8]) -> Result<usize, Failure> {
        let Some(top) = &mut self.top else { return Ok(0) };
        match (top.format()?, self.in_archive) {
            (Format::Zip, false) => {
                // What is in an archive may be compressed once more, and no further.
                self.top = self.top.take().map(|zip| Layer::above(Below::Layer(Box::new(zip))));
                self.in_archive = true;
                self.read(room)
            }
            (format @ Format::Zip, true) => {
                let fault = Fault::Unsupported("there is an archive in the archive".into());
                Err(Failure::Compressed { format, fault })
            }
            (Format::Plain | Format::Gzip | Format::Bzip2 | Format::Xz | Format::Lzma | Format::Zstd, _) => {
                top.read(room)
            }
        }
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests;
