//! Bytes of one flow that come one after the other, read at once: whatever undoes a coding is faster with much than with a
//! segment at a time.

use proto::flow::FlowId;

/// So many are gathered: more gain nothing. What comes at once may be more.
const MOST: usize = 16 * 1024;

/// The bytes.
#[derive(Debug, Default)]
pub struct Gathered {
    flow: FlowId,
    offset: u64,
    bytes: Vec<u8>,
}

impl Gathered {
    /// Adds bytes, if they follow those that are there and there is room for both.
    pub fn add(&mut self, flow: FlowId, offset: u64, bytes: &[u8]) -> bool {
        let end = self.offset.saturating_add(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX));
        if self.bytes.is_empty() {
            (self.flow, self.offset) = (flow, offset);
        } else if (flow, offset) != (self.flow, end) || self.bytes.len().saturating_add(bytes.len()) > MOST {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        true
    }

    /// Whose bytes they are, where they begin, and they.
    pub fn take(&mut self) -> Option<(FlowId, u64, Vec<u8>)> {
        (!self.bytes.is_empty()).then(|| (self.flow, self.offset, std::mem::take(&mut self.bytes)))
    }

    /// Takes the memory of bytes that were read.
    pub fn use_again(&mut self, mut bytes: Vec<u8>) {
        bytes.clear();
        self.bytes = bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_gathered_up_to_a_limit() {
        let mut gathered = Gathered::default();
        assert!(gathered.take().is_none());
        assert!(gathered.add(FlowId(1), 7, b"ab"));
        assert!(gathered.add(FlowId(1), 9, b"c"));
        assert!(!gathered.add(FlowId(1), 11, b"e"), "a gap");
        assert!(!gathered.add(FlowId(2), 10, b"d"), "another flow");
        assert!(!gathered.add(FlowId(1), 10, &[0; MOST]), "too much");
        assert_eq!(gathered.take(), Some((FlowId(1), 7, b"abc".to_vec())));
        assert!(gathered.take().is_none());
        assert!(gathered.add(FlowId(2), 0, &[1; 2 * MOST]), "as much as comes at once");
        assert!(!gathered.add(FlowId(2), 32_768, b"x"));
    }
}
