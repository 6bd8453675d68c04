//! The lines of a head, gathered until the empty one that ends it.

use memchr::{memchr, memchr2, memmem, memrchr};

/// The longest head, as with tcpflow.
const MAX_HEAD: usize = 80 * 1024;

/// The longest method of a request; the longest that is registered has 17 letters.
const MAX_METHOD: usize = 32;

/// The lines of a head so far.
#[derive(Debug, Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// Lines that begin with what came already, which has no end of line in it.
    pub fn new(beginning: Vec<u8>) -> Self {
        Self(beginning)
    }

    /// Bytes of heap taken.
    pub fn heap(&self) -> usize {
        self.0.capacity()
    }

    /// Takes one more line, or what is there of it, off `input`. False if there are too many. Empty lines
    /// before a head are none of it (RFC 9112, 2.2). A CR ends the first line, or an empty one, whatever comes
    /// after it, as with tcpflow.
    pub fn gather(&mut self, input: &mut &[u8]) -> bool {
        if let (Some(b'\r'), Some((next, rest))) = (self.0.last(), input.split_first()) {
            let (line, empty) = (memrchr(b'\n', &self.0), self.0.ends_with(b"\n\r"));
            self.0.push(if line.is_none() || empty { b'\n' } else { *next });
            *input = rest;
        } else {
            let room = MAX_HEAD.saturating_add(1).saturating_sub(self.0.len()).min(input.len());
            let within = input.get(..room).unwrap_or_default();
            let end = memchr2(b'\r', b'\n', within).map_or(room, |at| at.saturating_add(1));
            let (line, rest) = input.split_at_checked(end).unwrap_or((input, &[]));
            *input = rest;
            self.0.extend_from_slice(line);
        }
        if matches!(&self.0[..], b"\n" | b"\r\n") {
            self.0.clear();
        }
        self.0.len() <= MAX_HEAD
    }

    /// Whether the head is whole.
    pub fn are_whole(&self) -> bool {
        self.0.ends_with(b"\n\n") || self.0.ends_with(b"\n\r\n")
    }

    /// Whether these lines and `input` after them may begin with `beginning`, empty lines before it aside.
    pub fn may_begin_with(&self, input: &[u8], beginning: &[u8]) -> bool {
        let empty = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let bytes = self.0.iter().chain(input).skip_while(empty).take(beginning.len());
        bytes.zip(beginning).all(|(there, expected)| there == expected)
    }

    /// Whether they may be those of a request: a method, and what is said to be HTTP at the end of the line.
    pub fn may_be_request(&self) -> bool {
        let letter = |byte: &&u8| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_');
        let method = self.0.iter().take(MAX_METHOD).take_while(letter).count();
        let begins = match self.0.get(method) {
            Some(b' ') => method > 0,
            Some(b'\r') => method == 0,
            Some(_) => false,
            None => true,
        };
        let line = memchr(b'\n', &self.0).and_then(|end| self.0.get(..end));
        begins && line.is_none_or(|line| memmem::find(line, b" HTTP/1.").is_some())
    }

    /// Takes the lines out.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}
