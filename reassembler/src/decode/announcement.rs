//! IEEE 802.11 beacons and probe responses: who announces which network.
//!
//! Beside the walk, not in it: an announcement is no data, and only the scanner of wireless networks asks for it.

use super::header::Header;
use super::layer::Layer;
use super::{LinkType, monitor};

/// An announcement of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement<'a> {
    /// The transmitter's address.
    pub mac: [u8; 6],
    /// The network's name, 32 bytes at most; none if it is hidden.
    pub ssid: &'a [u8],
}

/// The first byte of the frame control field: version 0, management, and the subtype.
const BEACON: u8 = 0x80;
const PROBE_RESPONSE: u8 = 0x50;
/// Bits of the second byte: a fragment, encrypted, four bytes more of header.
const MORE_FRAGMENTS: u8 = 0x04;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
/// Where the transmitter's address is.
const TRANSMITTER: usize = 10;
/// The header, and after it timestamp, interval and capabilities.
const HEADER: usize = 24;
const THROUGHPUT_CONTROL: usize = 4;
const FIXED_FIELDS: usize = 12;
/// The element that is a name, and how long it may be.
const SSID: u8 = 0;
const MAX_SSID: usize = proto::traffic::MAX_SSID;
const CHECK_SEQUENCE: usize = 4;

impl LinkType {
    /// The announcement in a frame of this type that was `original` bytes long. `check`: none if its check sequence
    /// is there and wrong, or was so to its receiver.
    #[must_use]
    pub fn announcement<'a>(
        self,
        captured: &'a [u8],
        original: u32,
        check: bool,
    ) -> Option<Announcement<'a>> {
        let cut = usize::try_from(original).unwrap_or(usize::MAX).saturating_sub(captured.len());
        let frame = Layer { bytes: captured, cut };
        if self.0 == Header::Radiotap {
            let (frame, receiver) = monitor::of_radiotap(frame).ok()?;
            if check && (receiver.refused || (receiver.check_sequence && !is_sound(frame))) {
                return None;
            }
            return open(if receiver.check_sequence { frame.without_trailer(CHECK_SEQUENCE) } else { frame });
        }
        if self.0 == Header::Prism {
            return open(monitor::prism(frame).ok()?.1);
        }
        if self.0 == Header::Avs {
            return open(monitor::avs(frame).ok()?.1);
        }
        if self.0 == Header::Wlan { open(frame) } else { None }
    }
}

/// Whether the check sequence at the end is right. Of a frame that was cut off it cannot be told.
fn is_sound(frame: Layer<'_>) -> bool {
    let Some((body, sequence)) = frame.bytes.split_last_chunk::<CHECK_SEQUENCE>() else {
        return frame.cut > 0;
    };
    frame.cut > 0 || crc32fast::hash(body) == u32::from_le_bytes(*sequence)
}

fn open(frame: Layer<'_>) -> Option<Announcement<'_>> {
    let [kind, flags] = frame.array(0).ok()?;
    let announces = kind == BEACON || kind == PROBE_RESPONSE;
    // The number of a fragment is in the low bits of the sequence control field.
    let fragment = flags & MORE_FRAGMENTS != 0 || frame.byte(22).ok()? & 0x0f != 0;
    if !announces || fragment || flags & PROTECTED != 0 {
        return None;
    }
    let more = if flags & ORDER == 0 { 0 } else { THROUGHPUT_CONTROL };
    let fields = HEADER.saturating_add(more).saturating_add(FIXED_FIELDS);
    Some(Announcement { mac: frame.array(TRANSMITTER).ok()?, ssid: name(frame.after(fields)?.bytes)? })
}

/// The name among the elements: of each its number, its length and its bytes. One that is too long is none.
fn name(mut elements: &[u8]) -> Option<&[u8]> {
    loop {
        let (&[number, length], rest) = elements.split_first_chunk()?;
        let (element, rest) = rest.split_at_checked(usize::from(length))?;
        if number == SSID {
            return (element.len() <= MAX_SSID).then_some(element);
        }
        elements = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WLAN: u32 = 105;
    const RADIOTAP: u32 = 127;
    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];

    fn beacon(kind: u8, flags: u8, elements: &[u8]) -> Vec<u8> {
        let mut frame = vec![kind, flags, 0, 0];
        frame.extend([0xff; 6]);
        frame.extend([MAC, MAC].concat());
        frame.extend([0x10, 0]);
        if flags & ORDER != 0 {
            frame.extend([0; 4]);
        }
        frame.extend([0; 12]);
        frame.extend(elements);
        frame
    }

    fn radiotap(flags: u8, frame: &[u8], sequence: &[u8]) -> Vec<u8> {
        [&[0, 0, 9, 0, 2, 0, 0, 0, flags], frame, sequence].concat()
    }

    fn found(link_type: u32, frame: &[u8], check: bool) -> Option<Announcement<'_>> {
        let original = u32::try_from(frame.len()).unwrap();
        LinkType::from_number(link_type).announcement(frame, original, check)
    }

    #[test]
    fn beacons_and_probe_responses_tell_names() {
        for (kind, flags) in [(BEACON, 0), (PROBE_RESPONSE, 0), (BEACON, ORDER)] {
            let frame = beacon(kind, flags, b"\x01\x01\x82\x00\x04\xff\x00<&\x03\x01\x06");
            assert_eq!(found(WLAN, &frame, true), Some(Announcement { mac: MAC, ssid: b"\xff\0<&" }));
        }
        assert_eq!(found(WLAN, &beacon(BEACON, 0, &[0, 0]), true).unwrap().ssid, b"");
    }

    #[test]
    fn other_frames_tell_none() {
        let ssid = b"\0\x01x";
        for (kind, flags) in [(0x08, 0), (0x40, 0), (0x81, 0), (BEACON, MORE_FRAGMENTS), (BEACON, PROTECTED)]
        {
            assert_eq!(found(WLAN, &beacon(kind, flags, ssid), true), None, "{kind:x} {flags:x}");
        }
        let long = [&[0, 33][..], &[b'x'; 33]].concat();
        assert_eq!(found(WLAN, &beacon(BEACON, 0, &long), true), None);
        assert_eq!(found(1, &beacon(BEACON, 0, ssid), true), None);
    }

    #[test]
    fn every_cut_of_a_frame_is_none_or_the_same() {
        let frame = beacon(BEACON, 0, b"\x01\x01\x82\x00\x04name\x03\x01\x06");
        let end = frame.len() - 3;
        for length in 0..=frame.len() {
            let ssid = found(WLAN, &frame[..length], true).map(|found| found.ssid);
            assert_eq!(ssid, (length >= end).then_some(&b"name"[..]), "{length}");
        }
    }

    #[test]
    fn the_check_sequence_is_heeded_where_there_is_one_and_that_is_asked_for() {
        let frame = beacon(BEACON, 0, b"\0\x01x");
        let right = crc32fast::hash(&frame).to_le_bytes();
        let wrong = [!right[0], right[1], right[2], right[3]];
        for (flags, sequence, checked, unchecked) in [
            (0, &[][..], true, true),
            (0x10, &right, true, true),
            (0x10, &wrong, false, true),
            (0x50, &right, false, true),
            (0x40, &[], false, true),
        ] {
            let captured = radiotap(flags, &frame, sequence);
            assert_eq!(found(RADIOTAP, &captured, true).is_some(), checked, "{flags:x} {sequence:?}");
            assert_eq!(found(RADIOTAP, &captured, false).is_some(), unchecked, "{flags:x} {sequence:?}");
        }
        let captured = radiotap(0x10, &frame, &wrong);
        let original = u32::try_from(captured.len() + 1).unwrap();
        let cut = LinkType::from_number(RADIOTAP).announcement(&captured, original, true);
        assert!(cut.is_some(), "the check sequence was cut off");
    }
}
