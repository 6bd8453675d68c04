//! zstd (RFC 8878). Windows are 8 MiB at most, as RFC 9659 wants it for HTTP. What comes is gathered until a
//! block is whole, 128 KiB at most, and blocks are undone one by one: a block of four bytes may stand for
//! 128 KiB, and so no more than one is ever in memory beside the window.

use std::io;

use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{Stop, Taker};

/// The largest window.
const MAX_WINDOW: u64 = 8 << 20;

/// The largest block (RFC 8878, 3.1.1.2.4).
const MAX_BLOCK: usize = 128 * 1024;

/// Bytes that the tables of a decoder take, its buffers for a block, and those by which its window grows too far.
const STATE: usize = 5 * MAX_BLOCK;

/// A last block of no bytes, and room for a check sum, which is not looked at.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// Undoes zstd.
#[derive(Default)]
pub struct Zstd {
    decoder: Option<Box<FrameDecoder>>,
    /// What came of the next part.
    gathered: Vec<u8>,
    state: State,
    /// Bytes made of this frame, handed on or still in the window: at least as many as that.
    made: u64,
    window: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Before the first frame.
    #[default]
    First,
    /// After a frame.
    Next,
    /// Between the blocks of a frame; bytes of the check sum after the last one.
    Blocks(usize),
    /// In a frame that is to be skipped: bytes left.
    Skippable(u64),
}

impl std::fmt::Debug for Zstd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Zstd").field("state", &self.state).field("made", &self.made).finish_non_exhaustive()
    }
}

impl Zstd {
    /// Bytes of heap taken: the decoder takes its window as it fills.
    pub fn heap(&self) -> usize {
        let window = usize::try_from(self.made.min(self.window)).unwrap_or(usize::MAX);
        let window = window.saturating_add(MAX_BLOCK).checked_next_power_of_two().unwrap_or(usize::MAX);
        let decoder = if self.decoder.is_some() { window.saturating_add(STATE) } else { 0 };
        decoder.saturating_add(self.gathered.capacity())
    }

    /// Whether it has come to its end.
    pub fn is_whole(&self) -> bool {
        self.state == State::Next && self.gathered.is_empty()
    }

    /// Undoes what can be undone of `input`.
    pub fn undo(&mut self, mut input: &[u8], piece: &mut [u8], take: &mut Taker<'_>) -> Result<(), Stop> {
        while !input.is_empty() {
            if let State::Skippable(left) = self.state {
                let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                input = input.get(skipped..).unwrap_or_default();
                let left = left.saturating_sub(u64::try_from(skipped).unwrap_or(u64::MAX));
                self.state = if left == 0 { State::Next } else { State::Skippable(left) };
                continue;
            }
            let needed = self.needed()?;
            if needed > self.gathered.len() {
                let wanted = needed.saturating_sub(self.gathered.len()).min(input.len());
                let (more, rest) = input.split_at_checked(wanted).unwrap_or((input, &[]));
                self.gathered.extend_from_slice(more);
                input = rest;
            }
            // What was gathered may say that more is needed.
            if self.gathered.len() >= self.needed()? {
                self.part(piece, take)?;
                self.gathered.clear();
            }
        }
        Ok(())
    }

    /// Bytes that the next part takes, as far as can be said by what came of it.
    fn needed(&self) -> Result<usize, Stop> {
        match self.state {
            State::First | State::Next => header_length(&self.gathered).ok_or(Stop::Broken),
            State::Blocks(check) => block_length(&self.gathered, check).ok_or(Stop::Broken),
            State::Skippable(_) => Ok(0),
        }
    }

    /// A part came whole: the header of a frame or a block.
    fn part(&mut self, piece: &mut [u8], take: &mut Taker<'_>) -> Result<(), Stop> {
        if let State::Blocks(_) = self.state {
            return self.block(piece, take);
        }
        if let Some(size) = skippable(&self.gathered) {
            self.state = if size == 0 { State::Next } else { State::Skippable(size) };
            return Ok(());
        }
        // A new one for each frame: one that is used again takes its whole window at once.
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        decoder.init(&self.gathered[..]).map_err(|_| Stop::Broken)?;
        self.decoder = Some(Box::new(decoder));
        let descriptor = self.gathered.get(4).copied().unwrap_or_default();
        self.state = State::Blocks(if descriptor & 4 == 0 { 0 } else { 4 });
        self.window = window(descriptor, self.gathered.get(5).copied().unwrap_or_default());
        self.made = 0;
        Ok(())
    }

    fn block(&mut self, piece: &mut [u8], take: &mut Taker<'_>) -> Result<(), Stop> {
        let decoder = self.decoder.as_mut().ok_or(Stop::Broken)?;
        let (last, made) = decode(decoder, &self.gathered)?;
        self.made = self.made.saturating_add(u64::try_from(made).unwrap_or(u64::MAX));
        hand_on(decoder, piece, take)?;
        if last {
            self.state = State::Next;
        }
        Ok(())
    }

    /// Hands on what the decoder has made and holds back, when nothing more comes: it keeps a whole window until
    /// a frame ends, and so gets a last block from here.
    pub fn rest(&mut self, piece: &mut [u8], take: &mut Taker<'_>) -> Result<(), Stop> {
        let (State::Blocks(_), Some(decoder)) = (self.state, &mut self.decoder) else { return Ok(()) };
        let one = BlockDecodingStrategy::UptoBlocks(1);
        decoder.decode_blocks(&LAST_BLOCK[..], one).map_err(|_| Stop::Broken)?;
        hand_on(decoder, piece, take)
    }
}

/// Undoes one block; gives whether it is the last one, and how many bytes it made at most.
///
/// The decoder does not say how many bytes it made, but can be asked for a number of bytes: if a block made fewer, it
/// wants the next one, which is not there. Blocks of real text pass for less than sixteen times their length, so that
/// many small ones do not count as if each were as large as one may be.
fn decode(decoder: &mut FrameDecoder, block: &[u8]) -> Result<(bool, usize), Stop> {
    let few = block.len().saturating_mul(16).min(MAX_BLOCK);
    match decoder.decode_blocks(block, BlockDecodingStrategy::UptoBytes(few)) {
        Ok(last) => Ok((last, MAX_BLOCK)),
        Err(FrameDecoderError::FailedToReadBlockHeader(_)) => Ok((false, few)),
        Err(_) => Err(Stop::Broken),
    }
}

/// Hands on what the decoder does not hold back.
fn hand_on(decoder: &mut FrameDecoder, piece: &mut [u8], take: &mut Taker<'_>) -> Result<(), Stop> {
    loop {
        let made = io::Read::read(decoder, piece).map_err(|_| Stop::Broken)?;
        if made == 0 {
            return Ok(());
        }
        take(piece.get(..made).unwrap_or_default())?;
    }
}

/// Bytes of the header of a frame, as far as can be said by its beginning.
fn header_length(beginning: &[u8]) -> Option<usize> {
    if skippable_magic(beginning) {
        return Some(8);
    }
    match beginning {
        [0x28, 0xb5, 0x2f, 0xfd, descriptor, ..] => {
            let single = descriptor & 0x20 != 0;
            let dictionary = [0, 1, 2, 4].get(usize::from(descriptor & 3))?;
            let content = [usize::from(single), 2, 4, 8].get(usize::from(descriptor >> 6)).copied()?;
            Some(
                5_usize
                    .saturating_add(usize::from(!single))
                    .saturating_add(*dictionary)
                    .saturating_add(content),
            )
        }
        [_, _, _, _, ..] if !beginning.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) => None,
        _ => Some(5),
    }
}

/// The window of a frame (RFC 8878, 3.1.1.1.2), or the largest where all of its content is one.
fn window(descriptor: u8, window: u8) -> u64 {
    if descriptor & 0x20 != 0 {
        return MAX_WINDOW;
    }
    let base = 1_u64.checked_shl(10_u32.saturating_add(u32::from(window >> 3))).unwrap_or(MAX_WINDOW);
    base.saturating_add((base / 8).saturating_mul(u64::from(window & 7)))
}

/// Bytes of a block, as far as can be said by its beginning. `check`: bytes after the last one.
fn block_length(beginning: &[u8], check: usize) -> Option<usize> {
    let [first, second, third, ..] = *beginning else { return Some(3) };
    let header = u32::from_le_bytes([first, second, third, 0]);
    let size = usize::try_from(header >> 3).ok()?;
    let content = match (header >> 1) & 3 {
        1 => 1,
        0 | 2 => size,
        _ => return None,
    };
    let check = if header & 1 == 0 { 0 } else { check };
    (size <= MAX_BLOCK).then(|| 3_usize.saturating_add(content).saturating_add(check))
}

fn skippable_magic(beginning: &[u8]) -> bool {
    matches!(beginning, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Bytes after the header of a frame that is to be skipped.
fn skippable(header: &[u8]) -> Option<u64> {
    match header {
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d] => Some(u64::from(u32::from_le_bytes([*a, *b, *c, *d]))),
        _ => None,
    }
}
