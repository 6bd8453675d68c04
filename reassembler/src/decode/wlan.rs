//! IEEE 802.11 data frames: the header's length, and what is inside.

use super::envelope::Envelope;
use super::header::{Header, Step};
use super::layer::Layer;
use super::{Aside, Link};

/// Bits of the second byte of the frame control field.
const TO_DISTRIBUTION: u8 = 0x01;
const FROM_DISTRIBUTION: u8 = 0x02;
const MORE_FRAGMENTS: u8 = 0x04;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
/// Bits of a data frame's subtype, in the first byte.
const NO_DATA: u8 = 0x40;
const QUALITY: u8 = 0x80;
/// The frame holds several (first byte of the QoS control field).
const AGGREGATED: u8 = 0x80;

/// A frame without its check sequence.
pub(super) fn open<'a>(frame: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    data(frame, envelope, false)
}

/// The same, its header padded to a multiple of four bytes.
pub(super) fn padded<'a>(frame: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    data(frame, envelope, true)
}

fn data<'a>(frame: Layer<'a>, envelope: &mut Envelope<'_>, padded: bool) -> Step<'a> {
    let [kind, flags] = frame.array(0)?;
    // Version 0, type 2: data.
    if kind & 0x0f != 0x08 || kind & NO_DATA != 0 {
        return Err(Aside::NotIp);
    }
    if flags & PROTECTED != 0 {
        return Err(Aside::EncryptedWlan);
    }
    if flags & MORE_FRAGMENTS != 0 || frame.byte(22)? & 0x0f != 0 {
        return Err(Aside::WlanFragment);
    }
    envelope.link = Link { macs: Some(addresses(frame, flags)?), ..Link::default() };
    let four_addresses = flags & TO_DISTRIBUTION != 0 && flags & FROM_DISTRIBUTION != 0;
    let quality = if four_addresses { 30_usize } else { 24 };
    let (control, fields) = match (kind & QUALITY, flags & ORDER) {
        (0, _) => (0, 0_usize),
        (_, 0) => (frame.byte(quality)?, 2),
        // With four bytes of throughput control.
        _ => (frame.byte(quality)?, 6),
    };
    let header = quality.saturating_add(fields);
    let rest = frame.skip(if padded { header.next_multiple_of(4) } else { header })?;
    Ok((if control & AGGREGATED == 0 { Header::Llc } else { Header::Aggregate }, rest))
}

/// Source and destination, by the direction of the frame (IEEE 802.11, table 9-30).
fn addresses(frame: Layer<'_>, flags: u8) -> Result<([u8; 6], [u8; 6]), Aside> {
    let (source, destination) = match (flags & TO_DISTRIBUTION != 0, flags & FROM_DISTRIBUTION != 0) {
        (false, false) => (10, 4),
        (true, false) => (10, 16),
        (false, true) => (16, 4),
        (true, true) => (24, 16),
    };
    Ok((frame.array(source)?, frame.array(destination)?))
}

/// One of the frames in an aggregate: destination, source, length, padded to a multiple of four bytes but for
/// the last.
pub(super) fn aggregate<'a>(frames: Layer<'a>, envelope: &mut Envelope<'a>) -> Step<'a> {
    let length = usize::from(frames.number(12)?);
    envelope.link = Link { macs: Some((frames.array(6)?, frames.array(0)?)), ..Link::default() };
    let frame = frames.skip(14)?.limited(length);
    let next = length.saturating_add(14).next_multiple_of(4);
    envelope.more = frames.after(next).filter(|rest| !rest.bytes.is_empty());
    Ok((Header::Llc, frame))
}
