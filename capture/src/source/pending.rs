//! Compressed bytes that have come and were not used yet.

/// The most that there may be: any decoder can go on with less.
const CAPACITY: usize = 256 * 1024;

/// The bytes.
#[derive(Debug, Default)]
pub struct Pending {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether no more will come.
    pub ended: bool,
}

impl Pending {
    /// Those that were not used.
    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Uses up bytes.
    pub fn used(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
    }

    /// Whether there is no room for more.
    pub fn is_full(&self) -> bool {
        self.bytes().len() >= CAPACITY
    }

    /// Room for more, all that can be had; [`Self::came`] says how much of it was filled.
    pub fn room(&mut self) -> &mut [u8] {
        if self.buffer.is_empty() {
            // Made by the kernel, as far as it is used: the first look at a savefile takes little of it.
            self.buffer = vec![0; CAPACITY];
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end.saturating_sub(self.start));
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// Takes bytes that were put into the room.
    pub fn came(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.buffer.len());
    }
}
