//! What the writer tells the runner of files, and what the runner answers of plugins.

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_PATH, MAX_RESULT};
use crate::{Breach, Message};

/// A message from the writer to the runner. The payload is the file's path, an [`Inside`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToRunner {
    /// What is in the file.
    pub kind: Kind,
    /// What became of it.
    pub event: Event,
    /// Bytes of its path.
    pub length: u32,
}

/// What is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// One direction of a connection.
    Flow,
    /// The body of an HTTP message.
    Body,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// It was made.
    Opened,
    /// It is finished: nothing is written to it any more.
    Finished {
        /// Whether the plugin is to be called with its bytes, and its [`Answer`] is due.
        call: bool,
    },
}

/// A path that leads from the output directory to a file in it, and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Inside(String);

impl Inside {
    /// Takes a path, if it is one.
    pub fn new(path: &str) -> Result<Self, Breach> {
        if path.len() > MAX_PATH {
            return Err(Breach::TooLong { what: "path", length: path.len(), limit: MAX_PATH });
        }
        if path.is_empty() || path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
            return Err(Breach::Forbidden("a path that is not one inside a directory"));
        }
        if path.split('/').any(|component| component == "..") {
            return Err(Breach::Forbidden("a path that leads out of its directory"));
        }
        Ok(Self(path.to_owned()))
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Message for ToRunner {
    fn payload_len(&self) -> u32 {
        self.length
    }

    fn check(&self) -> Result<(), Breach> {
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        if length > MAX_PATH {
            return Err(Breach::TooLong { what: "path", length, limit: MAX_PATH });
        }
        Ok(())
    }
}

/// From the runner to the writer, for each call that was asked for, in that order. The payload is UTF-8: what
/// the plugin returned, or why there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Which call: they count from 0.
    pub number: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// Where the plugin was given the beginning of the file only: how many bytes.
    pub given: Option<u64>,
    /// Bytes of text.
    pub length: u32,
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The plugin returned this text, all of it or the beginning.
    Text {
        /// Whether it was longer.
        cut: bool,
    },
    /// It returned nothing.
    Nothing,
    /// It failed, or was not called; the text says why.
    Failed,
}

impl Message for Answer {
    fn payload_len(&self) -> u32 {
        self.length
    }

    fn check(&self) -> Result<(), Breach> {
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        if length > MAX_RESULT {
            return Err(Breach::TooLong { what: "result", length, limit: MAX_RESULT });
        }
        if self.outcome == Outcome::Nothing && length != 0 {
            return Err(Breach::Forbidden("nothing, with text"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        for good in ["a", "a/b", "-rf", "$(x) '\"\n", "..a/b..", "a//b", "."] {
            assert!(Inside::new(good).is_ok(), "{good:?}");
        }
        for bad in ["", "/", "/etc/passwd", "..", "../x", "a/../b", "a/..", "a\0b", "a/"] {
            assert!(Inside::new(bad).is_err(), "{bad:?}");
        }
        assert!(Inside::new(&"x".repeat(MAX_PATH + 1)).is_err());
    }

    #[test]
    fn answers_are_bounded() {
        let answer = |outcome, length| Answer { number: 0, outcome, given: None, length };
        let limit = u32::try_from(MAX_RESULT).unwrap();
        assert!(answer(Outcome::Text { cut: true }, limit).check().is_ok());
        assert!(answer(Outcome::Failed, limit + 1).check().is_err());
        assert!(answer(Outcome::Nothing, 1).check().is_err());
    }
}
