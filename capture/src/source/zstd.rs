//! zstd frames, RFC 8878, with ruzstd: a block at a time, so that no file can have it make more than one.

use std::io::Read;

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::decoder::{Decoder, Fault, MAX_WINDOW, State, Step};

/// The longest header of a frame.
const HEADER: usize = 18;
/// The largest block with its header and a checksum after it.
const BLOCK: usize = 3 + (128 << 10) + 4;
/// A last block without content, and a checksum in case one is due.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// The frames of a file.
pub struct Zstd {
    decoder: FrameDecoder,
    place: Place,
}

/// Where in the file a decoder is.
#[derive(Debug)]
enum Place {
    /// Before a frame, or at the end.
    Between,
    /// In a frame to be skipped, with so many bytes left.
    Skipping(usize),
    /// In a frame, which has a checksum or none.
    Frame { checksum: bool },
    /// In a frame that is broken, of which the bytes before are still to be handed on.
    Broken(Fault),
}

impl Default for Zstd {
    fn default() -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        Self { decoder, place: Place::Between }
    }
}

impl Decoder for Zstd {
    fn step(&mut self, input: &[u8], ended: bool, output: &mut [u8]) -> Step {
        match &self.place {
            Place::Between => self.begin(input, ended),
            Place::Skipping(left) => {
                let used = input.len().min(*left);
                self.place = match left.saturating_sub(used) {
                    0 => Place::Between,
                    left => Place::Skipping(left),
                };
                Step::used(used)
            }
            Place::Frame { checksum } => {
                let checksum = *checksum;
                self.frame(input, ended, checksum, output)
            }
            Place::Broken(_) => self.last_words(output),
        }
    }
}

impl Zstd {
    fn begin(&mut self, input: &[u8], ended: bool) -> Step {
        if input.is_empty() && ended {
            return Step::end();
        }
        if input.len() < HEADER && !ended {
            return Step::more();
        }
        let mut rest = input;
        match self.decoder.reset(&mut rest) {
            Ok(()) => {
                // The descriptor, RFC 8878, 3.1.1.1.1.
                let checksum = input.get(4).is_some_and(|descriptor| descriptor & 4 != 0);
                self.place = Place::Frame { checksum };
                Step::used(input.len().saturating_sub(rest.len()))
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length, ..
            })) => {
                self.place = match usize::try_from(length) {
                    Ok(0) => Place::Between,
                    Ok(length) => Place::Skipping(length),
                    Err(_) => return Step::broken(Fault::corrupt("length of a frame to skip")),
                };
                Step::used(input.len().saturating_sub(rest.len()))
            }
            Err(FrameDecoderError::WindowSizeTooBig { .. }) => Step::broken(Fault::Memory),
            Err(FrameDecoderError::DictNotProvided { .. }) => {
                Step::broken(Fault::Unsupported("needs a dictionary".into()))
            }
            Err(_) if input.len() < HEADER => Step::broken(Fault::Truncated),
            Err(error) => Step::broken(Fault::corrupt(error)),
        }
    }

    fn frame(&mut self, input: &[u8], ended: bool, checksum: bool, output: &mut [u8]) -> Step {
        let made = self.drain(output);
        if made > 0 {
            return Step { made, ..Step::default() };
        }
        if self.decoder.is_finished() {
            let stated = self.decoder.get_checksum_from_data();
            if stated.is_some() && stated != self.decoder.get_calculated_checksum() {
                return Step::broken(Fault::corrupt("checksum"));
            }
            self.place = Place::Between;
            return self.begin(input, ended);
        }
        let length = block_length(input, checksum);
        if length.is_some_and(|length| length > BLOCK) {
            return self.give_up(Fault::corrupt("length of a block"), output);
        }
        let Some(mut block) = length.and_then(|length| input.get(..length)) else {
            return if ended { self.cut(input, output) } else { Step::more() };
        };
        let used = block.len();
        match self.decoder.decode_blocks(&mut block, BlockDecodingStrategy::UptoBlocks(1)) {
            Ok(_) => Step::used(used),
            Err(error) => self.give_up(Fault::corrupt(error), output),
        }
    }

    /// Ends a frame that is cut: its last block may be there, but not all of the checksum behind it.
    fn cut(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        if let Some(block) = block_length(input, false).and_then(|length| input.get(..length)) {
            let source = block.chain(&LAST_BLOCK[3..]);
            if let Err(error) = self.decoder.decode_blocks(source, BlockDecodingStrategy::UptoBlocks(1)) {
                return self.give_up(Fault::corrupt(error), output);
            }
        }
        self.give_up(Fault::Truncated, output)
    }

    /// Ends a broken frame: the decoder holds a window back of what it has made until a frame ends, and so
    /// gets a last block from here.
    fn give_up(&mut self, fault: Fault, output: &mut [u8]) -> Step {
        if !self.decoder.is_finished() {
            let _ = self.decoder.decode_blocks(&LAST_BLOCK[..], BlockDecodingStrategy::UptoBlocks(1));
        }
        self.place = Place::Broken(fault);
        self.last_words(output)
    }

    /// What a broken frame still has to give, and then what is wrong with it.
    fn last_words(&mut self, output: &mut [u8]) -> Step {
        let made = self.drain(output);
        let state = match &self.place {
            Place::Broken(fault) if made == 0 => State::Broken(fault.clone()),
            Place::Broken(_) | Place::Between | Place::Skipping(_) | Place::Frame { .. } => State::More,
        };
        Step { made, state, ..Step::default() }
    }

    /// Hands on what the decoder does not hold back.
    fn drain(&mut self, output: &mut [u8]) -> usize {
        if self.decoder.can_collect() == 0 { 0 } else { self.decoder.read(output).unwrap_or_default() }
    }
}

/// The length of the block that begins here, with its header and what follows the last one, RFC 8878, 3.1.1.2.
fn block_length(input: &[u8], checksum: bool) -> Option<usize> {
    const RLE: u32 = 1;
    let [low, middle, high] = *input.first_chunk::<3>()?;
    let header = u32::from_le_bytes([low, middle, high, 0]);
    let content = if (header >> 1) & 3 == RLE { 1 } else { usize::try_from(header >> 3).ok()? };
    let last = header & 1 == 1;
    let after = if last && checksum { 4 } else { 0 };
    content.checked_add(3)?.checked_add(after)
}

impl std::fmt::Debug for Zstd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Zstd").field("place", &self.place).finish_non_exhaustive()
    }
}
