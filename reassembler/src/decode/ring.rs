//! Rings: FDDI (ANSI X3.139) and token ring (IEEE 802.5). Both carry LLC.

use super::envelope::Envelope;
use super::header::{Header, Step};
use super::layer::Layer;
use super::{Aside, Link, ethernet};

/// Ethertypes that an Ethernet frame under token ring's number has at its place.
const ETHERNET: [[u8; 2]; 5] = [[0x08, 0], [0x86, 0xdd], [0x81, 0], [0x88, 0xa8], [0x91, 0]];

/// Frame control, destination, source.
pub(super) fn fddi<'a>(frame: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    // Asynchronous or synchronous LLC; the rest manages the ring.
    let is_llc = frame.byte(0)? & 0x70 == 0x50;
    if !is_llc {
        return Err(Aside::NotIp);
    }
    envelope.link = Link { macs: Some((frame.array(7)?, frame.array(1)?)), ..Link::default() };
    Ok((Header::Llc, frame.skip(13)?))
}

/// Access control, frame control, destination, source, and source routing where the source says so. tcpflow
/// gives this number to savefiles of Ethernet frames.
pub(super) fn token_ring<'a>(frame: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    if ETHERNET.contains(&frame.array(12)?) {
        return ethernet::open(frame, envelope);
    }
    let is_llc = frame.byte(1)? & 0xc0 == 0x40;
    if !is_llc {
        return Err(Aside::NotIp);
    }
    let [first, others @ ..]: [u8; 6] = frame.array(8)?;
    let [second, third, fourth, fifth, sixth] = others;
    let source = [first & 0x7f, second, third, fourth, fifth, sixth];
    envelope.link = Link { macs: Some((source, frame.array(2)?)), ..Link::default() };
    // The length of the routing information counts itself.
    let routing = if first & 0x80 == 0 { 0 } else { usize::from(frame.byte(14)? & 0x1f) };
    Ok((Header::Llc, frame.skip(routing.saturating_add(14))?))
}
