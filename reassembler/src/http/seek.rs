//! The way back after something broken: where the next response may begin.

use memchr::memmem;

/// What every response begins with.
pub const BEGINNING: &[u8] = b"HTTP/1.";

/// Bytes by which a response is known: `HTTP/1.1 200`.
const LENGTH: usize = 12;

/// Looks through bytes that come in pieces.
#[derive(Debug, Default)]
pub struct Seek {
    /// The last bytes, which may be the beginning of a response.
    tail: Vec<u8>,
}

impl Seek {
    /// Looks through `input`, and takes off it what was looked through. Gives the beginning of a response that
    /// was found, as far as it is not in `input` any more.
    pub fn look(&mut self, input: &mut &[u8]) -> Option<Vec<u8>> {
        let before = self.tail.len();
        let border = input.get(..input.len().min(LENGTH)).unwrap_or_default();
        self.tail.extend_from_slice(border);
        if let Some(at) = find(&self.tail).filter(|at| *at < before) {
            let found = self.tail.get(at..at.saturating_add(LENGTH)).unwrap_or_default().to_vec();
            let taken = at.saturating_add(LENGTH).saturating_sub(before);
            *input = input.get(taken..).unwrap_or_default();
            self.tail.clear();
            return Some(found);
        }
        if let Some(at) = find(input) {
            *input = input.get(at..).unwrap_or_default();
            self.tail.clear();
            return Some(Vec::new());
        }
        if input.len() > border.len() {
            self.tail.clear();
            self.tail.extend_from_slice(input.get(input.len().saturating_sub(LENGTH)..).unwrap_or_default());
        }
        let old = self.tail.len().saturating_sub(LENGTH.saturating_sub(1));
        self.tail.drain(..old);
        *input = &[];
        None
    }

    /// Bytes are missing: what came before them is of no use.
    pub fn skip(&mut self) {
        self.tail.clear();
    }
}

fn find(bytes: &[u8]) -> Option<usize> {
    memmem::find_iter(bytes, BEGINNING).find(|at| bytes.get(*at..).is_some_and(begins_response))
}

fn begins_response(bytes: &[u8]) -> bool {
    let digit = u8::is_ascii_digit;
    matches!(bytes.get(BEGINNING.len()..LENGTH), Some([minor, b' ', b'1'..=b'5', tens, ones])
        if digit(minor) && digit(tens) && digit(ones))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_found_wherever_the_pieces_end() {
        let input = b"HTTP/1. HTTP/1.1 900 HTTP/1.1 20x\r\nHTTP/1.HTTP/1.0 404 Not Found\r\n\r\n";
        let expected = b"HTTP/1.0 404 Not Found\r\n\r\n";
        for step in 1..input.len() {
            let mut seek = Seek::default();
            let mut found = None;
            for (index, piece) in input.chunks(step).enumerate() {
                let mut rest = piece;
                if let Some(beginning) = seek.look(&mut rest) {
                    let at = index * step + piece.len() - rest.len();
                    found = Some([beginning, input[at..].to_vec()].concat());
                    break;
                }
                assert!(rest.is_empty());
            }
            assert_eq!(found.as_deref(), Some(&expected[..]), "{step}");
        }
    }

    #[test]
    fn nothing_is_kept_but_a_few_bytes() {
        let mut seek = Seek::default();
        for size in [1, 5, 11, 12, 13, 100_000] {
            assert!(seek.look(&mut &b"HTTP/1.1 ".repeat(size)[..]).is_none());
            assert!(seek.tail.len() < LENGTH);
        }
    }
}
