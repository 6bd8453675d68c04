//! Text of bounded length, for people to read.

use serde::{Deserialize, Serialize};

use crate::Breach;
use crate::limits::MAX_TEXT;

/// UTF-8 of at most [`MAX_TEXT`] bytes. It may hold control characters: whoever shows it escapes them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text(String);

impl Text {
    /// Takes `text`, cut at the last whole character within [`MAX_TEXT`] bytes.
    #[must_use]
    pub fn cut(text: &str) -> Self {
        Self(within(text, MAX_TEXT).to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text with every control character but newline shown as an escape, so that a terminal only prints it.
    #[must_use]
    pub fn escaped(&self) -> String {
        let mut shown = String::with_capacity(self.0.len());
        for c in self.0.chars() {
            if c.is_control() && c != '\n' { shown.extend(c.escape_default()) } else { shown.push(c) }
        }
        shown
    }
}

/// As many whole characters of `text` as fit into `limit` bytes.
#[must_use]
pub fn within(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

impl TryFrom<String> for Text {
    type Error = Breach;

    fn try_from(text: String) -> Result<Self, Breach> {
        if text.len() > MAX_TEXT {
            return Err(Breach::TooLong { what: "text", length: text.len(), limit: MAX_TEXT });
        }
        Ok(Self(text))
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_keeps_whole_characters() {
        let long = "é".repeat(MAX_TEXT);
        let text = Text::cut(&long);
        assert_eq!(text.as_str().len(), MAX_TEXT);
        assert_eq!(Text::cut(&format!("x{long}")).as_str().len(), MAX_TEXT - 1);
    }

    #[test]
    fn escapes_reach_no_terminal() {
        assert_eq!(Text::cut("a\x1b[2Jb\r\u{9b}\n").escaped(), "a\\u{1b}[2Jb\\r\\u{9b}\n");
    }

    #[test]
    fn over_long_text_is_refused_when_decoded() {
        let coded = postcard::to_allocvec(&"x".repeat(MAX_TEXT + 1)).unwrap();
        assert!(postcard::from_bytes::<Text>(&coded).is_err());
    }
}
