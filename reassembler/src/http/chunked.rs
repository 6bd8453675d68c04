//! The chunked coding (RFC 9112, 7.1): sizes, what divides them, and trailers, fed in any pieces.

use super::framing::Piece;

/// Bytes that the line of a size, or all trailers, may take.
const MAX_MARKUP: usize = 80 * 1024;

/// Where in the coding its reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the digits of a size; whether there was one.
    Size(u64, bool),
    /// After the digits, in the line of a size.
    Extension(u64),
    /// So many bytes of a chunk are to come.
    Data(u64),
    /// After a chunk, before the end of its line.
    DataEnd,
    /// In the trailers; whether the line has anything in it.
    Trailer(bool),
}

/// Reads the chunked coding.
#[derive(Debug)]
pub struct Chunked {
    state: State,
    /// Bytes of markup since there was data.
    markup: usize,
}

impl Default for Chunked {
    fn default() -> Self {
        Self { state: State::Size(0, false), markup: 0 }
    }
}

impl Chunked {
    /// Takes a piece off `input`.
    pub fn take<'a>(&mut self, input: &mut &'a [u8]) -> Piece<'a> {
        if let State::Data(left) = self.state {
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
            let (data, rest) = input.split_at_checked(length).unwrap_or((input, &[]));
            *input = rest;
            self.pass(length);
            return Piece::Data(data);
        }
        while let Some((byte, rest)) = input.split_first() {
            *input = rest;
            self.markup = self.markup.saturating_add(1);
            if self.markup > MAX_MARKUP {
                return Piece::Broken;
            }
            match self.step(*byte) {
                Ok(None) => {}
                Ok(Some(State::Data(0))) => return Piece::End,
                Ok(Some(state)) => {
                    self.state = state;
                    if matches!(state, State::Data(_)) {
                        self.markup = 0;
                        return Piece::Data(&[]);
                    }
                }
                Err(Bad) => return Piece::Broken,
            }
        }
        Piece::Data(&[])
    }

    /// Takes lost bytes: gives how many of them are data for certain.
    pub fn skip(&mut self, length: u64) -> u64 {
        let State::Data(left) = self.state else { return 0 };
        let data = left.min(length);
        self.pass(usize::try_from(data).unwrap_or(usize::MAX));
        data
    }

    fn pass(&mut self, length: usize) {
        if let State::Data(left) = self.state {
            let left = left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
            self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
        }
    }

    /// The state after a byte of markup; none: the same. No data to come is the end of it all.
    fn step(&self, byte: u8) -> Result<Option<State>, Bad> {
        match (self.state, byte) {
            (State::Size(size, any), _) => size_goes_on(size, any, byte),
            (State::Extension(size), b'\n') => Ok(Some(after_size(size))),
            (State::Extension(_), _) => Ok(None),
            (State::DataEnd, b'\r') => Ok(None),
            (State::DataEnd, b'\n') => Ok(Some(State::Size(0, false))),
            (State::DataEnd | State::Data(_), _) => Err(Bad),
            (State::Trailer(false), b'\n') => Ok(Some(State::Data(0))),
            (State::Trailer(true), b'\n') => Ok(Some(State::Trailer(false))),
            (State::Trailer(_), b'\r') => Ok(None),
            (State::Trailer(_), _) => Ok(Some(State::Trailer(true))),
        }
    }
}

/// Not the chunked coding.
struct Bad;

fn size_goes_on(size: u64, any: bool, byte: u8) -> Result<Option<State>, Bad> {
    match char::from(byte).to_digit(16) {
        Some(digit) => {
            let size = size.checked_mul(16).and_then(|size| size.checked_add(u64::from(digit))).ok_or(Bad)?;
            Ok(Some(State::Size(size, true)))
        }
        None if !any => Err(Bad),
        None => match byte {
            b'\n' => Ok(Some(after_size(size))),
            b'\r' | b';' | b' ' | b'\t' => Ok(Some(State::Extension(size))),
            _ => Err(Bad),
        },
    }
}

fn after_size(size: u64) -> State {
    if size == 0 { State::Trailer(false) } else { State::Data(size) }
}
