//! Checked views of integers in either byte order, for formats whose writer chose the order.

/// The byte order that a savefile or a section of it was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Order {
    /// The 16-bit integer at `offset`, if all of it is there.
    #[inline]
    pub fn u16(self, bytes: &[u8], offset: usize) -> Option<u16> {
        let raw = *bytes.get(offset..)?.first_chunk()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(raw),
            Self::Big => u16::from_be_bytes(raw),
        })
    }

    /// The 32-bit integer at `offset`, if all of it is there.
    #[inline]
    pub fn u32(self, bytes: &[u8], offset: usize) -> Option<u32> {
        let raw = *bytes.get(offset..)?.first_chunk()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(raw),
            Self::Big => u32::from_be_bytes(raw),
        })
    }

    /// The 64-bit integer at `offset`, if all of it is there.
    pub fn u64(self, bytes: &[u8], offset: usize) -> Option<u64> {
        let raw = *bytes.get(offset..)?.first_chunk()?;
        Some(match self {
            Self::Little => u64::from_le_bytes(raw),
            Self::Big => u64::from_be_bytes(raw),
        })
    }

    /// The signed 64-bit integer at `offset`, if all of it is there.
    pub fn i64(self, bytes: &[u8], offset: usize) -> Option<i64> {
        self.u64(bytes, offset).map(u64::cast_signed)
    }
}

/// A length from a savefile as an index. Savefiles hold 32-bit lengths, which every supported target can index.
#[inline]
pub fn length(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_in_either_order_and_never_past_the_end() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(Order::Little.u16(&bytes, 6), Some(0x0807));
        assert_eq!(Order::Big.u16(&bytes, 7), None);
        assert_eq!(Order::Big.u32(&bytes, 4), Some(0x0506_0708));
        assert_eq!(Order::Little.u32(&bytes, 5), None);
        assert_eq!(Order::Big.i64(&bytes, 0), Some(0x0102_0304_0506_0708));
        assert_eq!(Order::Big.i64(&bytes, usize::MAX), None);
    }
}
