//! Room that begins where a page of memory does, so that what the kernel copies to or from it lies there as it does in the
//! kernel's own pages. What that is worth is said with [`ALIGNMENT`](crate::limits::ALIGNMENT).

use std::ops::{Deref, DerefMut};

/// Bytes of a page.
const PAGE: usize = 4096;

/// The room.
#[derive(Debug)]
pub struct Pages {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
}

impl Pages {
    /// Room for `length` bytes, all zero.
    #[must_use]
    pub fn new(length: usize) -> Self {
        let bytes = vec![0; length.saturating_add(PAGE)];
        let start = bytes.as_ptr().align_offset(PAGE).min(PAGE);
        Self { bytes, start, length }
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let end = self.start.saturating_add(self.length);
        self.bytes.get(self.start..end).unwrap_or_default()
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        let end = self.start.saturating_add(self.length);
        self.bytes.get_mut(self.start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_at_a_page_and_has_its_length() {
        for length in [0, 1, PAGE, 3 * PAGE + 1, 1 << 20] {
            let mut room = Pages::new(length);
            assert_eq!(room.len(), length);
            assert_eq!(room.as_ptr().addr() % PAGE, 0);
            assert!(room.iter().all(|byte| *byte == 0));
            room.fill(7);
            assert!(room.iter().all(|byte| *byte == 7));
        }
    }
}
