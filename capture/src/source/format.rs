//! Which compression a file has, by what it begins with, never by its name.

use super::bzip2::Bzip2;
use super::decoder::Decoder;
use super::gzip::Gzip;
use super::streams::Streams;
use super::xz::{Lzma, Xz};
use super::zstd::Zstd;

/// Bytes that are enough to tell any format: the header of an `.lzma`. Every savefile has more.
pub const ENOUGH: usize = 13;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Not compressed, or in no way that is known.
    Plain,
    /// RFC 1952.
    Gzip,
    /// bzip2.
    Bzip2,
    /// The .xz file format 1.2.
    Xz,
    /// What came before .xz, which has no magic number.
    Lzma,
    /// RFC 8878.
    Zstd,
    /// PKWARE's APPNOTE.
    Zip,
}

impl Format {
    /// The format of a file that begins with these bytes, [`ENOUGH`] of them or all that there are.
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // A frame, or one to skip.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            // A member, or the end of an archive without any.
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            _ if is_lzma(bytes) => Self::Lzma,
            _ => Self::Plain,
        }
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Lzma => "lzma",
            Self::Zstd => "zstd",
            Self::Zip => "zip",
        }
    }

    /// A decompressor for what is one stream after another; none for an archive and for plain bytes.
    pub fn decoder(self) -> Option<Box<dyn Decoder>> {
        Some(match self {
            Self::Plain | Self::Zip => return None,
            Self::Gzip => Box::new(Streams::<Gzip>::default()),
            Self::Bzip2 => Box::new(Streams::<Bzip2>::default()),
            Self::Xz => Box::new(Xz::default()),
            Self::Lzma => Box::new(Lzma::default()),
            Self::Zstd => Box::new(Zstd::default()),
        })
    }
}

/// Whether this is the header of an `.lzma` that any known program would write: the usual properties, a
/// dictionary of 2^n or 2^n + 2^(n-1) bytes, and a length that is open or below 256 GiB. No savefile begins
/// so.
fn is_lzma(bytes: &[u8]) -> bool {
    const USUAL: u8 = 0x5d;
    const OPEN: u64 = u64::MAX;
    const LONGEST: u64 = 1 << 38;
    let Some((&USUAL, rest)) = bytes.split_first() else { return false };
    let Some((dictionary, rest)) = rest.split_first_chunk() else { return false };
    let Some(length) = rest.first_chunk() else { return false };
    let (dictionary, length) = (u32::from_le_bytes(*dictionary), u64::from_le_bytes(*length));
    let half = dictionary.checked_ilog2().map_or(0, |power| 1_u32.wrapping_shl(power).wrapping_shr(1));
    let usual =
        dictionary.is_power_of_two() || dictionary.checked_sub(half).is_some_and(u32::is_power_of_two);
    usual && (length == OPEN || length < LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_what_they_begin_with() {
        for (bytes, format) in [
            (&b""[..], Format::Plain),
            (b"\x1f", Format::Plain),
            (b"\x1f\x8b", Format::Gzip),
            (b"BZh9", Format::Bzip2),
            (b"BZh0", Format::Plain),
            (b"\xfd7zXZ\0", Format::Xz),
            (b"\x28\xb5\x2f\xfd", Format::Zstd),
            (b"\x5a\x2a\x4d\x18", Format::Zstd),
            (b"PK\x03\x04", Format::Zip),
            (b"PK\x05\x06", Format::Zip),
            (b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff", Format::Lzma),
            (b"\x5d\0\0\xc0\0\x10\0\0\0\0\0\0\0", Format::Lzma),
            (b"\x5d\0\0\xa0\0\x10\0\0\0\0\0\0\0", Format::Plain),
            (b"\x5d\0\0\0\0\x10\0\0\0\0\0\0\0", Format::Plain),
            (b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\x7f", Format::Plain),
            (b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff", Format::Plain),
        ] {
            assert_eq!(Format::of(bytes), format, "{bytes:02x?}");
        }
    }
}
