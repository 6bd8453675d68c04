//! A savefile that a run wrote, as lines.

use super::outcome::digest;
use crate::capture::{PCAP_HEADER, PCAP_RECORD};

/// Its header and its records; none if it is no little-endian savefile.
pub fn lines(bytes: &[u8]) -> Option<String> {
    let field = |at: usize| -> Option<u32> {
        bytes.get(at..at + 4).map(|field| u32::from_le_bytes(field.try_into().unwrap()))
    };
    let digits = match field(0)? {
        0xa1b2_c3d4 => 6,
        0xa1b2_3c4d => 9,
        _ => return None,
    };
    let mut text = format!("  link type {}, snap length {}\n", field(20)?, field(16)?);
    let mut at = PCAP_HEADER;
    while at < bytes.len() {
        let Some(length) = field(at + 8).map(|length| usize::try_from(length).unwrap()) else {
            text.push_str("  cut\n");
            break;
        };
        let frame = bytes.get(at + PCAP_RECORD..at + PCAP_RECORD + length).unwrap_or_default();
        let (seconds, fraction, original) = (field(at)?, field(at + 4)?, field(at + 12)?);
        text.push_str(&format!("  {seconds}.{fraction:0digits$} of {original} bytes {}\n", digest(frame)));
        at += PCAP_RECORD + length;
    }
    Some(text)
}
