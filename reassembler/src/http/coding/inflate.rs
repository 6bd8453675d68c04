//! gzip (RFC 1952) and deflate (RFC 1950, RFC 1951). Servers mix the two up, and some that say deflate leave
//! out its header; so what is there decides, as in browsers and in tcpflow.

use flate2::{Decompress, FlushDecompress, Status};

use super::{Stop, Taker, length};

/// Bytes that zlib takes for its window and its tables.
const STATE: usize = 48 * 1024;

/// The largest window, as a power of two.
const WINDOW_BITS: u8 = 15;

/// Undoes gzip or deflate.
#[derive(Debug)]
pub struct Inflate {
    state: State,
    /// Whether deflate without a header will do.
    raw: bool,
}

#[derive(Debug)]
enum State {
    /// The first byte, if it came, of two that tell what this is; whether a gzip member came before.
    Start(Option<u8>, bool),
    /// Inside; whether it is a gzip member.
    Inside(Decompress, bool),
    /// What comes now is of no use.
    Over,
}

impl Inflate {
    /// For gzip, or else for deflate, where the header may be missing.
    pub fn new(raw: bool) -> Self {
        Self { state: State::Start(None, false), raw }
    }

    /// Bytes of heap taken.
    pub fn heap(&self) -> usize {
        if matches!(self.state, State::Inside(..)) { STATE } else { 0 }
    }

    /// Whether it has come to its end.
    pub fn is_whole(&self) -> bool {
        matches!(self.state, State::Over | State::Start(_, true))
    }

    /// Undoes what can be undone of `input`.
    pub fn undo(&mut self, mut input: &[u8], piece: &mut [u8], take: &mut Taker<'_>) -> Result<(), Stop> {
        while !input.is_empty() {
            match &mut self.state {
                State::Over => return Ok(()),
                State::Start(first, another) => {
                    let (first, another) = (*first, *another);
                    self.state = match (first, input) {
                        (Some(first), [second, ..]) => self.begin([first, *second], another, piece, take)?,
                        (None, [only]) => {
                            self.state = State::Start(Some(*only), another);
                            return Ok(());
                        }
                        (None, [first, second, ..]) => {
                            input = input.get(1..).unwrap_or_default();
                            self.begin([*first, *second], another, piece, take)?
                        }
                        (Some(_) | None, []) => return Ok(()),
                    };
                    input = input.get(1..).unwrap_or_default();
                }
                State::Inside(codec, gzip) => {
                    if let Some(rest) = inside(codec, input, piece, take)? {
                        self.state = if *gzip { State::Start(None, true) } else { State::Over };
                        input = rest;
                    } else {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// The state after the two bytes that tell what this is.
    fn begin(
        &self,
        two: [u8; 2],
        another: bool,
        piece: &mut [u8],
        take: &mut Taker<'_>,
    ) -> Result<State, Stop> {
        let zlib = two.first().is_some_and(|first| first & 0xf == 8)
            && u16::from_be_bytes(two).checked_rem(31) == Some(0);
        let (mut codec, gzip) = if two == [0x1f, 0x8b] {
            (Decompress::new_gzip(WINDOW_BITS), true)
        } else if another {
            // Not another member, and so padding.
            return Ok(State::Over);
        } else if zlib || self.raw {
            (Decompress::new(zlib), false)
        } else {
            return Err(Stop::Broken);
        };
        let over = inside(&mut codec, &two, piece, take)?.is_some();
        Ok(if over { State::Over } else { State::Inside(codec, gzip) })
    }
}

/// Undoes `input`; gives what is left of it after the end.
fn inside<'a>(
    codec: &mut Decompress,
    mut input: &'a [u8],
    piece: &mut [u8],
    take: &mut Taker<'_>,
) -> Result<Option<&'a [u8]>, Stop> {
    loop {
        let (read, made) = (codec.total_in(), codec.total_out());
        let result = codec.decompress(input, piece, FlushDecompress::None);
        let read = usize::try_from(codec.total_in().saturating_sub(read)).unwrap_or(usize::MAX);
        let made = usize::try_from(codec.total_out().saturating_sub(made)).unwrap_or(usize::MAX);
        input = input.get(read..).unwrap_or_default();
        take(piece.get(..made).unwrap_or_default())?;
        match result {
            Ok(Status::StreamEnd) => return Ok(Some(input)),
            Ok(Status::Ok | Status::BufError) if made == piece.len() => {}
            Ok(Status::Ok | Status::BufError) if input.is_empty() => return Ok(None),
            Ok(Status::Ok | Status::BufError) if length(input) > 0 && (read > 0 || made > 0) => {}
            Ok(Status::Ok | Status::BufError) | Err(_) => return Err(Stop::Broken),
        }
    }
}
