//! What every decompressor is here: bytes in, bytes out, and what can be wrong with them.
//!
//! No decoder reads or waits: what it needs and is not there yet it asks for by using nothing. So a signal is
//! heard in the middle of a stream, and hostile streams can be tried in tests without any descriptor.

/// The most that a decoder may keep of what it has made, to copy from, in bytes. It is what `zstd` accepts
/// unless told otherwise and twice what `xz -9` asks for.
pub const MAX_WINDOW: u64 = 128 << 20;

/// A decompressor in the middle of its stream.
pub trait Decoder: std::fmt::Debug {
    /// Uses bytes of `input`, which is all that is left of the file if it has `ended`, and makes bytes in
    /// `output`.
    fn step(&mut self, input: &[u8], ended: bool, output: &mut [u8]) -> Step;
}

/// What a step did.
#[derive(Debug, Default)]
pub struct Step {
    /// Bytes of the input that were used.
    pub used: usize,
    /// Bytes of the output that were made; they are good whatever the state is.
    pub made: usize,
    /// How it goes on.
    pub state: State,
}

/// How decoding goes on.
#[derive(Debug, Default)]
pub enum State {
    /// With more input if nothing was used or made, or with more room.
    #[default]
    More,
    /// Not at all: this was all.
    End,
    /// Not at all: this is wrong with it.
    Broken(Fault),
}

/// What is wrong with a compressed file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It ends within a stream.
    #[error("unexpected end of file")]
    Truncated,
    /// It contradicts itself or its format.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// It is sound as far as can be told, but not understood.
    #[error("{0}")]
    Unsupported(String),
    /// It asks for more memory than it may have.
    #[error("needs more than {} MiB to decompress", MAX_WINDOW >> 20)]
    Memory,
}

impl Step {
    /// More input is needed.
    pub fn more() -> Self {
        Self::default()
    }

    /// Bytes were used that make no others.
    pub fn used(used: usize) -> Self {
        Self { used, ..Self::default() }
    }

    /// Nothing is left.
    pub fn end() -> Self {
        Self { state: State::End, ..Self::default() }
    }

    /// It cannot go on.
    pub fn broken(fault: Fault) -> Self {
        Self { state: State::Broken(fault), ..Self::default() }
    }
}

impl Fault {
    /// What a format says that something is wrong with it.
    pub fn corrupt(words: impl ToString) -> Self {
        Self::Corrupt(words.to_string())
    }
}
