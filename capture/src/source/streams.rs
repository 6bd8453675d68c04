//! Files that are one compressed stream after another, as gzip members and bzip2 streams are.

use super::decoder::{Decoder, Fault, State, Step};

/// A decompressor of a single stream.
pub trait Stream: std::fmt::Debug {
    /// What each stream begins with.
    const MAGIC: &'static [u8];

    /// One at the beginning of a stream.
    fn begin() -> Self;

    /// Uses and makes bytes; whether the stream has ended, or what is wrong with it. What it used and made
    /// is in [`Self::total`] whatever it says.
    fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Result<bool, Fault>;

    /// Bytes used and made since the beginning.
    fn total(&self) -> (u64, u64);
}

/// The streams of a file.
#[derive(Debug)]
pub struct Streams<S> {
    /// None between streams.
    stream: Option<S>,
}

impl<S: Stream> Default for Streams<S> {
    fn default() -> Self {
        Self { stream: Some(S::begin()) }
    }
}

impl<S: Stream> Decoder for Streams<S> {
    fn step(&mut self, input: &[u8], ended: bool, output: &mut [u8]) -> Step {
        if self.stream.is_none() {
            if !input.starts_with(S::MAGIC) {
                return after_stream(input, ended, S::MAGIC);
            }
            self.stream = Some(S::begin());
        }
        let Some(stream) = &mut self.stream else { return Step::more() };
        let before = stream.total();
        let outcome = stream.decompress(input, output);
        let after = stream.total();
        let (used, made) = (difference(after.0, before.0), difference(after.1, before.1));
        if outcome == Ok(true) {
            self.stream = None;
        }
        Step { used, made, state: outcome.map_or_else(State::Broken, |_| State::More) }
    }
}

/// What follows a stream and is not the next: zeros, as a tape pads with, or nothing.
fn after_stream(input: &[u8], ended: bool, magic: &[u8]) -> Step {
    let padding = input.iter().take_while(|byte| **byte == 0).count();
    match (padding, ended) {
        (1.., _) => Step::used(padding),
        (0, true) if input.is_empty() => Step::end(),
        (0, false) if magic.starts_with(input) => Step::more(),
        (0, _) => Step::broken(Fault::corrupt("something else follows the compressed data")),
    }
}

/// How far a counter went.
pub fn difference(after: u64, before: u64) -> usize {
    usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX)
}
