//! Generic routing encapsulation (RFC 2784, RFC 2890), and what is only found in it: PPTP (RFC 2637), ERSPAN,
//! WCCP, and access points that send IEEE 802.11 frames to their controller.

use super::envelope::{Envelope, Kind};
use super::header::{Header, Step};
use super::layer::Layer;
use super::{Aside, ethernet};

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
/// In version 1 only.
const ACKNOWLEDGMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;

const PPP: u16 = 0x880b;
const WCCP: u16 = 0x883e;
const ERSPAN: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;
/// Aruba's access points: a number for each of their tunnels.
const ARUBA: std::ops::RangeInclusive<u16> = 0x8200..=0x83ff;
const ARUBA_OTHER: u16 = 0x9000;

/// A GRE header of either version.
pub(super) fn open<'a>(packet: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    let flags = packet.number(0)?;
    let protocol = packet.number(2)?;
    let field = |flag: u16| if flags & flag == 0 { 0_usize } else { 4 };
    let checksum = field(CHECKSUM);
    let key = field(KEY);
    let header = 4_usize.saturating_add(checksum).saturating_add(key).saturating_add(field(SEQUENCE));
    match flags & VERSION {
        0 if flags & ROUTING == 0 => {
            let rest = packet.skip(header)?;
            let key_at = checksum.saturating_add(4);
            let key = if key == 0 { None } else { Some(packet.long(key_at)?) };
            version_0(protocol, flags, key, rest, envelope)
        }
        // Without a sequence number there is no payload, only an acknowledgment.
        1 if protocol == PPP && flags & SEQUENCE != 0 && flags & KEY != 0 => {
            let length = usize::from(packet.number(4)?);
            envelope.enter(Kind::Gre, Some(u32::from(packet.number(6)?)))?;
            let rest = packet.skip(header.saturating_add(field(ACKNOWLEDGMENT)))?;
            Ok((Header::Ppp, rest.limited(length)))
        }
        _ => Err(Aside::NotTcp),
    }
}

fn version_0<'a>(
    protocol: u16,
    flags: u16,
    key: Option<u32>,
    rest: Layer<'a>,
    envelope: &mut Envelope<'_>,
) -> Step<'a> {
    match protocol {
        ERSPAN if flags & SEQUENCE != 0 => erspan_ii(rest, envelope),
        ERSPAN_III => erspan_iii(rest, envelope),
        other => {
            envelope.enter(Kind::Gre, key)?;
            payload(other, rest, envelope)
        }
    }
}

fn payload<'a>(protocol: u16, rest: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    match protocol {
        // Type I: a bare frame.
        ERSPAN => Ok((Header::Ethernet, rest)),
        PPP => Ok((Header::Ppp, rest)),
        // Version 2 of WCCP puts four bytes before the packet that version 1 has not.
        WCCP if matches!(rest.byte(0)? >> 4, 4 | 6) => Ok((Header::Ip, rest)),
        WCCP => Ok((Header::Ip, rest.skip(4)?)),
        ARUBA_OTHER => Ok((Header::Wlan, rest)),
        protocol if ARUBA.contains(&protocol) => Ok((Header::Wlan, rest)),
        ethertype => ethernet::ethertype(ethertype, rest, envelope),
    }
}

/// Eight bytes: version, VLAN, class, session, index.
fn erspan_ii<'a>(packet: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    if packet.byte(0)? >> 4 != 1 {
        return Err(Aside::NotIp);
    }
    envelope.enter(Kind::Erspan, Some(session(packet)?))?;
    Ok((Header::Ethernet, packet.skip(8)?))
}

/// Twelve bytes, then eight more if the last bit says so; the kind of frame is in the second last.
fn erspan_iii<'a>(packet: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    if packet.byte(0)? >> 4 != 2 {
        return Err(Aside::NotIp);
    }
    envelope.enter(Kind::Erspan, Some(session(packet)?))?;
    let [kind, options] = packet.array(10)?;
    let rest = packet.skip(if options & 1 == 0 { 12 } else { 20 })?;
    match (kind >> 2) & 0x1f {
        0 => Ok((Header::Ethernet, rest)),
        2 => Ok((Header::Ip, rest)),
        _ => Err(Aside::NotIp),
    }
}

/// Ten bits.
fn session(packet: Layer<'_>) -> Result<u32, Aside> {
    packet.number(2).map(|number| u32::from(number & 0x03ff))
}
