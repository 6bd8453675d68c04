//! A buffer over a savefile: the bytes that were read and are not yet used.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::source::{Failure, Source};

/// What is read at once: large enough that system calls cost nothing, small enough to stay in cache.
const READ: usize = 256 * 1024;

/// The window.
#[derive(Debug)]
pub struct Window {
    source: Source,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Window {
    /// A window at the start of `file`.
    pub fn new(file: OwnedFd) -> Self {
        Self { source: Source::new(file), buffer: vec![0; READ], start: 0, end: 0 }
    }

    /// The bytes that were read and are not yet used.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Uses up bytes.
    #[inline]
    pub fn advance(&mut self, used: usize) {
        self.start = self.start.saturating_add(used).min(self.end);
    }

    /// Bytes read of the file, as it lies on the disk.
    pub fn taken(&self) -> u64 {
        self.source.taken()
    }

    /// Allows one read of the file if it is said to be ready, else none.
    pub fn grant(&self, ready: bool) {
        self.source.grant(ready);
    }

    /// Makes room for `total` bytes in all and reads what there is; false at the end of the file.
    ///
    /// The buffer grows no faster than the file delivers, whatever length the file claims.
    pub fn fill(&mut self, total: usize) -> Result<bool, Failure> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end = self.end.saturating_sub(self.start);
        self.start = 0;
        if total > self.buffer.len() && self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len().saturating_mul(2).min(total), 0);
        }
        let count = self.source.read(self.buffer.get_mut(self.end..).unwrap_or_default())?;
        self.end = self.end.saturating_add(count);
        Ok(count > 0)
    }
}

impl AsFd for Window {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    #[test]
    fn a_claim_costs_no_more_memory_than_the_file_has_bytes() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; 3 * READ]).unwrap();
        file.rewind().unwrap();
        let mut window = Window::new(file.into());
        window.grant(true);
        while window.fill(usize::MAX).unwrap() {
            window.grant(true);
        }
        assert_eq!(window.bytes().len(), 3 * READ);
        assert!(window.buffer.len() <= 8 * READ);
        window.advance(3 * READ - 2);
        assert_eq!(window.bytes(), [7, 7]);
        window.advance(9);
        assert!(window.bytes().is_empty());
    }
}
