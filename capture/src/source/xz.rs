//! .xz files and the older .lzma, with lzma-rust2, which is built without any `unsafe`.

use std::io::{self, ErrorKind};

use lzma_rust2::{Action, LzmaStream, Status, StreamResult, XzStream};

use super::decoder::{Decoder, Fault, MAX_WINDOW, State, Step};
use super::streams::difference;

/// The limit on a dictionary and what belongs to it, in KiB.
fn limit() -> u32 {
    const OTHERS: u64 = 1024;
    u32::try_from((MAX_WINDOW >> 10).saturating_add(OTHERS)).unwrap_or(u32::MAX)
}

/// The streams of an .xz.
pub struct Xz(XzStream);

impl Default for Xz {
    fn default() -> Self {
        let several = true;
        Self(XzStream::new_mem_limit(several, limit()))
    }
}

impl Decoder for Xz {
    fn step(&mut self, input: &[u8], ended: bool, output: &mut [u8]) -> Step {
        let before = (self.0.total_in(), self.0.total_out());
        let outcome = self.0.process(input, output, action(ended));
        step(outcome, before, (self.0.total_in(), self.0.total_out()))
    }
}

/// The one stream of an .lzma.
pub struct Lzma {
    stream: LzmaStream,
    ended: bool,
}

impl Default for Lzma {
    fn default() -> Self {
        Self { stream: LzmaStream::new_mem_limit(limit(), None), ended: false }
    }
}

impl Decoder for Lzma {
    fn step(&mut self, input: &[u8], ended: bool, output: &mut [u8]) -> Step {
        if self.ended {
            return match (input.is_empty(), ended) {
                (true, true) => Step::end(),
                (true, false) => Step::more(),
                (false, _) => Step::broken(Fault::corrupt("something else follows the compressed data")),
            };
        }
        let before = (self.stream.total_in(), self.stream.total_out());
        let outcome = self.stream.process(input, output, action(ended));
        let mut step = step(outcome, before, (self.stream.total_in(), self.stream.total_out()));
        if matches!(step.state, State::End) {
            self.ended = true;
            step.state = State::More;
        }
        step
    }
}

fn action(ended: bool) -> Action {
    if ended { Action::Finish } else { Action::Run }
}

fn step(outcome: io::Result<StreamResult>, before: (u64, u64), after: (u64, u64)) -> Step {
    let state = match outcome {
        Ok(StreamResult { status: Status::Ok, .. }) => State::More,
        Ok(StreamResult { status: Status::StreamEnd, .. }) => State::End,
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => State::Broken(Fault::Truncated),
        Err(error) if error.kind() == ErrorKind::OutOfMemory => State::Broken(Fault::Memory),
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            State::Broken(Fault::Unsupported(error.to_string()))
        }
        Err(error) => State::Broken(Fault::corrupt(error)),
    };
    Step { used: difference(after.0, before.0), made: difference(after.1, before.1), state }
}

impl std::fmt::Debug for Xz {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Xz").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Lzma {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lzma").field("ended", &self.ended).finish_non_exhaustive()
    }
}
