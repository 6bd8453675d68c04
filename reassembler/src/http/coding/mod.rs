//! Content codings undone (RFC 9110, 8.4), in constant memory: each is a stage that takes bytes as they come
//! and hands on what it makes of them.

mod brotli;
mod inflate;
mod zstd;

use self::brotli::Brotli;
use self::inflate::Inflate;
use self::zstd::Zstd;
use super::head::Coding;
use crate::Error;

/// Bytes that a stage hands on at once. Inflating ends each piece by saving its window of 32 KiB, so that small
/// ones cost time.
const PIECE: usize = 128 * 1024;

/// Bytes that any stage may make, whatever it makes them of.
const FREE: u64 = 32 << 20;

/// How many bytes a stage may make of one, beyond that.
const RATIO: u64 = 200;

/// Why a stage cannot go on.
#[derive(Debug)]
pub enum Stop {
    /// Its input is broken.
    Broken,
    /// It would make too much.
    Capped,
    /// What takes the bytes failed.
    Taker(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Taker(error)
    }
}

/// Takes what a stage makes.
type Taker<'t> = dyn FnMut(&[u8]) -> Result<(), Stop> + 't;

/// One coding being undone.
#[derive(Debug)]
struct Stage {
    codec: Codec,
    /// Bytes that came, and bytes that were made of them.
    came: u64,
    made: u64,
    limit: u64,
}

#[derive(Debug)]
enum Codec {
    Inflate(Inflate),
    Brotli(Box<Brotli>),
    Zstd(Zstd),
}

/// Where stages put what they make before they hand it on: each has one, which is the same for all bodies.
#[derive(Debug, Default)]
pub struct Pieces(Vec<Box<[u8]>>);

impl Pieces {
    fn of(&mut self, stages: usize) -> &mut [Box<[u8]>] {
        if self.0.len() < stages {
            self.0.resize_with(stages, || vec![0; PIECE].into());
        }
        &mut self.0
    }
}

/// Codings being undone, the one that was applied last first.
#[derive(Debug)]
pub struct Chain(Vec<Stage>);

impl Chain {
    /// For what was coded with `codings`, in that order; no stage may make more than `limit` bytes.
    pub fn new(codings: &[Coding], limit: u64) -> Self {
        let stage = |coding: &Coding| Stage {
            codec: match coding {
                Coding::Gzip => Codec::Inflate(Inflate::new(false)),
                Coding::Deflate => Codec::Inflate(Inflate::new(true)),
                Coding::Brotli => Codec::Brotli(Box::default()),
                Coding::Zstd => Codec::Zstd(Zstd::default()),
            },
            came: 0,
            made: 0,
            limit,
        };
        Self(codings.iter().rev().map(stage).collect())
    }

    /// Bytes of heap taken.
    pub fn heap(&self) -> usize {
        self.0.iter().fold(0, |sum, stage| sum.saturating_add(stage.heap()))
    }

    /// Undoes what can be undone of `input`.
    pub fn undo(&mut self, input: &[u8], pieces: &mut Pieces, take: &mut Taker<'_>) -> Result<(), Stop> {
        let pieces = pieces.of(self.0.len());
        undo(&mut self.0, pieces, input, take)
    }

    /// Hands on what was undone and is held back, when nothing more comes.
    pub fn rest(&mut self, take: &mut Taker<'_>) -> Result<(), Stop> {
        if !self.0.iter().any(|stage| matches!(stage.codec, Codec::Zstd(_))) {
            return Ok(());
        }
        let (mut pieces, stages) = (Pieces::default(), self.0.len());
        rest(&mut self.0, pieces.of(stages), take)
    }

    /// Whether every coding has come to its end.
    pub fn is_whole(&self) -> bool {
        self.0.iter().all(|stage| match &stage.codec {
            Codec::Inflate(codec) => codec.is_whole(),
            Codec::Brotli(codec) => codec.is_whole(),
            Codec::Zstd(codec) => codec.is_whole(),
        })
    }
}

/// As deep as there are codings, which are few.
fn undo(
    stages: &mut [Stage],
    pieces: &mut [Box<[u8]>],
    input: &[u8],
    take: &mut Taker<'_>,
) -> Result<(), Stop> {
    match (stages.split_first_mut(), pieces.split_first_mut()) {
        (Some((first, others)), Some((piece, pieces))) => {
            first.undo(input, piece, &mut |made| undo(others, pieces, made, take))
        }
        (Some(_) | None, Some(_) | None) => take(input),
    }
}

fn rest(stages: &mut [Stage], pieces: &mut [Box<[u8]>], take: &mut Taker<'_>) -> Result<(), Stop> {
    let (Some((first, others)), Some((piece, pieces))) = (stages.split_first_mut(), pieces.split_first_mut())
    else {
        return Ok(());
    };
    first.rest(piece, &mut |made| undo(others, pieces, made, take))?;
    rest(others, pieces, take)
}

impl Stage {
    fn heap(&self) -> usize {
        let codec = match &self.codec {
            Codec::Inflate(codec) => codec.heap(),
            Codec::Brotli(codec) => codec.heap(),
            Codec::Zstd(codec) => codec.heap(),
        };
        size_of::<Self>().saturating_add(codec)
    }

    fn undo(&mut self, input: &[u8], piece: &mut [u8], take: &mut Taker<'_>) -> Result<(), Stop> {
        self.came = self.came.saturating_add(length(input));
        self.within_limits(take, |codec, limited| match codec {
            Codec::Inflate(codec) => codec.undo(input, piece, limited),
            Codec::Brotli(codec) => codec.undo(input, piece, limited),
            Codec::Zstd(codec) => codec.undo(input, piece, limited),
        })
    }

    /// The others hold nothing back.
    fn rest(&mut self, piece: &mut [u8], take: &mut Taker<'_>) -> Result<(), Stop> {
        self.within_limits(take, |codec, limited| match codec {
            Codec::Inflate(_) | Codec::Brotli(_) => Ok(()),
            Codec::Zstd(codec) => codec.rest(piece, limited),
        })
    }

    /// Lets the codec work, and hands on as much as it may make.
    fn within_limits(
        &mut self,
        take: &mut Taker<'_>,
        work: impl FnOnce(&mut Codec, &mut Taker<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let most = self.came.saturating_mul(RATIO).saturating_add(FREE).min(self.limit);
        let made = &mut self.made;
        work(&mut self.codec, &mut |piece: &[u8]| {
            let room = most.saturating_sub(*made);
            *made = made.saturating_add(length(piece));
            let fits = usize::try_from(room).unwrap_or(usize::MAX).min(piece.len());
            take(piece.get(..fits).unwrap_or_default())?;
            if fits < piece.len() { Err(Stop::Capped) } else { Ok(()) }
        })
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub mod tests;
