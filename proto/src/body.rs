//! Bodies of HTTP messages, as the reassembler tells the writer of them.

use serde::{Deserialize, Serialize};

use crate::Breach;
use crate::flow::FlowId;

/// A body begins. A flow has at most one open body of each kind at a time, and their numbers ascend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyOpen {
    /// The flow that the message is in.
    pub flow: FlowId,
    /// Which message of the flow it belongs to, from 1; those without a body count too.
    pub number: u64,
    /// Where in the stream its first byte is, as it was sent.
    pub offset: u64,
    /// What its file name ends in.
    pub extension: Extension,
    /// Whether it is that of a request.
    pub request: bool,
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BodyEnding {
    /// All of it is there.
    Complete,
    /// The flow ended before it did.
    Cut,
    /// Bytes of it were lost: they are zeros, or, where they were compressed, it ends before them.
    Hole,
    /// It would have grown beyond what one body may: it ends there.
    Capped,
    /// Its compression is broken, or is of a kind that is not understood: it ends there.
    BrokenCoding,
    /// What divides the message is broken: where the body should have ended is not known.
    BrokenFraming,
    /// There was no memory left to undo its compression.
    NoMemory,
}

/// The end of a file name: nothing, or a dot before a few small letters and digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Extension {
    bytes: [u8; Self::MAX],
    length: u8,
}

impl Extension {
    /// The longest.
    pub const MAX: usize = 16;

    /// The letters and digits, without the dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl TryFrom<&str> for Extension {
    type Error = Breach;

    fn try_from(text: &str) -> Result<Self, Breach> {
        let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let mut bytes = [0; Self::MAX];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) if text.bytes().all(fits) => {
                place.copy_from_slice(text.as_bytes());
                Ok(Self { bytes, length })
            }
            _ => Err(Breach::Forbidden("an extension that is none")),
        }
    }
}

impl TryFrom<String> for Extension {
    type Error = Breach;

    fn try_from(text: String) -> Result<Self, Breach> {
        Self::try_from(text.as_str())
    }
}

impl From<Extension> for String {
    fn from(extension: Extension) -> Self {
        extension.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_letters_and_digits_make_an_extension() {
        for good in ["", "html", "7z", "0123456789abcdef"] {
            assert_eq!(Extension::try_from(good).unwrap().as_str(), good);
        }
        for bad in ["HTML", "a/b", "..", "a b", "\u{e4}", "0123456789abcdefg", "a\0"] {
            assert!(Extension::try_from(bad).is_err(), "{bad}");
        }
    }
}
