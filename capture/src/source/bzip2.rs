//! bzip2 streams, with the Rust implementation of libbz2.

use bzip2::{Decompress, Error, Status};

use super::decoder::Fault;
use super::streams::Stream;

/// One stream.
pub struct Bzip2(Decompress);

impl Stream for Bzip2 {
    const MAGIC: &'static [u8] = b"BZh";

    fn begin() -> Self {
        let small = false;
        Self(Decompress::new(small))
    }

    fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Result<bool, Fault> {
        match self.0.decompress(input, output) {
            Ok(Status::StreamEnd) => Ok(true),
            Ok(Status::Ok | Status::FlushOk | Status::RunOk | Status::FinishOk) => Ok(false),
            Ok(Status::MemNeeded) => Err(Fault::Memory),
            Err(Error::DataMagic) => Err(Fault::corrupt("no bzip2 header")),
            Err(Error::Data | Error::Sequence | Error::Param) => Err(Fault::corrupt("checksum or coding")),
        }
    }

    fn total(&self) -> (u64, u64) {
        (self.0.total_in(), self.0.total_out())
    }
}

impl std::fmt::Debug for Bzip2 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bzip2").finish_non_exhaustive()
    }
}
