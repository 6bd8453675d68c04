//! gzip members, RFC 1952, and the deflate streams of zip archives, RFC 1951, with zlib-rs.

use flate2::{Decompress, FlushDecompress, Status};

use super::decoder::Fault;
use super::streams::Stream;

/// The largest window that deflate has, as a power of two.
const WINDOW: u8 = 15;

/// One member.
#[derive(Debug)]
pub struct Gzip(Decompress);

impl Stream for Gzip {
    const MAGIC: &'static [u8] = &[0x1f, 0x8b];

    fn begin() -> Self {
        Self(Decompress::new_gzip(WINDOW))
    }

    fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Result<bool, Fault> {
        inflate(&mut self.0, input, output)
    }

    fn total(&self) -> (u64, u64) {
        (self.0.total_in(), self.0.total_out())
    }
}

/// Goes on with a stream; whether it has ended.
pub fn inflate(stream: &mut Decompress, input: &[u8], output: &mut [u8]) -> Result<bool, Fault> {
    match stream.decompress(input, output, FlushDecompress::None) {
        Ok(Status::StreamEnd) => Ok(true),
        Ok(Status::Ok | Status::BufError) => Ok(false),
        Err(error) => Err(Fault::corrupt(error.message().unwrap_or("deflate stream"))),
    }
}
