//! How far a body reaches: a length, chunks, or the end of the flow (RFC 9112, 6.3).

use super::chunked::Chunked;

/// What a body is divided by.
#[derive(Debug)]
pub enum Framing {
    /// So many bytes are to come.
    Length(u64),
    /// Chunks.
    Chunked(Chunked),
    /// All that comes.
    UntilClose,
}

/// What was taken off the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes of the body; none of them: only markup was there.
    Data(&'a [u8]),
    /// The body is over, and the message with it.
    End,
    /// This is no such message.
    Broken,
}

/// What became of lost bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// All were of the body.
    Inside,
    /// So many were of the body; what the others were is not known.
    Beyond(u64),
}

impl Framing {
    /// Takes a piece off `input`. At its end there is nothing more to take, unless the body is over.
    pub fn take<'a>(&mut self, input: &mut &'a [u8]) -> Piece<'a> {
        match self {
            Self::Length(0) => Piece::End,
            Self::Length(left) => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                let (data, rest) = input.split_at_checked(length).unwrap_or((input, &[]));
                *input = rest;
                *left = left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
                Piece::Data(data)
            }
            Self::Chunked(chunked) => chunked.take(input),
            Self::UntilClose => Piece::Data(std::mem::take(input)),
        }
    }

    /// Takes lost bytes.
    pub fn skip(&mut self, length: u64) -> Skipped {
        let inside = match self {
            Self::Length(left) => {
                let inside = length.min(*left);
                *left = left.saturating_sub(inside);
                inside
            }
            Self::Chunked(chunked) => chunked.skip(length),
            Self::UntilClose => length,
        };
        if inside == length { Skipped::Inside } else { Skipped::Beyond(inside) }
    }

    /// Whether the body is over.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Length(0))
    }

    /// Whether the end of the flow is its end.
    pub fn ends_with_flow(&self) -> bool {
        matches!(self, Self::UntilClose)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use super::*;

    fn read(framing: &mut Framing, input: &[u8], step: usize) -> (Vec<u8>, Piece<'static>, usize) {
        let mut body = Vec::new();
        for (index, piece) in input.chunks(step).enumerate() {
            let mut rest = piece;
            loop {
                match framing.take(&mut rest) {
                    Piece::Data(data) => body.extend_from_slice(data),
                    Piece::End => return (body, Piece::End, index * step + piece.len() - rest.len()),
                    Piece::Broken => return (body, Piece::Broken, index * step + piece.len() - rest.len()),
                }
                if rest.is_empty() {
                    break;
                }
            }
        }
        (body, Piece::Data(&[]), input.len())
    }

    #[test]
    fn chunks_in_pieces_of_any_length() {
        let input = b"5\r\nhello\r\n003;a=\"b\"\r\nabc\r\nA \r\n0123456789\r\n0\r\nT: x\r\nU: y\r\n\r\nnext";
        for step in 1..input.len() {
            let (body, end, at) = read(&mut Framing::Chunked(Chunked::default()), input, step);
            assert_eq!(
                (&body[..], end, &input[at..]),
                (&b"helloabc0123456789"[..], Piece::End, &b"next"[..]),
                "{step}"
            );
        }
    }

    #[test]
    fn hostile_chunks_are_broken() {
        for bad in [
            &b"\r\n"[..],
            b"-5\r\n",
            b"zz\r\n",
            b"fffffffffffffffff\r\n",
            b"10000000000000000\r\n",
            b"3\r\nabcd\r\n",
            b"5x\r\nhello",
        ] {
            let (_, end, _) = read(&mut Framing::Chunked(Chunked::default()), bad, 3);
            assert_eq!(end, Piece::Broken, "{bad:?}");
        }
        let endless = [&b"1;"[..], &vec![b'x'; 100_000]].concat();
        assert_eq!(read(&mut Framing::Chunked(Chunked::default()), &endless, 1000).1, Piece::Broken);
        let trailers = [&b"0\r\n"[..], &b"a: b\r\n".repeat(20_000)].concat();
        assert_eq!(read(&mut Framing::Chunked(Chunked::default()), &trailers, 1000).1, Piece::Broken);
    }

    #[test]
    fn the_largest_chunk_is_no_overflow() {
        let (body, end, _) = read(&mut Framing::Chunked(Chunked::default()), b"ffffffffffffffff\r\nabc", 4);
        assert_eq!((&body[..], end), (&b"abc"[..], Piece::Data(&[])));
    }

    #[test]
    fn holes_are_known_to_be_inside_only_within_a_chunk() {
        let mut framing = Framing::Chunked(Chunked::default());
        assert_eq!(framing.skip(1), Skipped::Beyond(0));
        let mut input = &b"a\r\nabc"[..];
        assert_eq!(framing.take(&mut input), Piece::Data(b""));
        assert_eq!(framing.take(&mut input), Piece::Data(b"abc"));
        assert_eq!(framing.skip(6), Skipped::Inside);
        assert_eq!(framing.skip(2), Skipped::Beyond(1));
        assert_eq!(Framing::Length(5).skip(5), Skipped::Inside);
        assert_eq!(Framing::Length(5).skip(6), Skipped::Beyond(5));
    }
}
