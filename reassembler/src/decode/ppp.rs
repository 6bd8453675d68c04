//! PPP (RFC 1661), with HDLC-like framing (RFC 1662) or without, and over Ethernet (RFC 2516).

use super::Aside;
use super::header::{Header, Step};
use super::layer::Layer;

const IPV4: u16 = 0x0021;
const IPV6: u16 = 0x0057;
const MPLS: [u16; 2] = [0x0281, 0x0283];
const BRIDGED: u16 = 0x0031;

/// A PPP frame, or one of Cisco HDLC, which looks like none.
pub(super) fn open(frame: Layer<'_>) -> Step<'_> {
    if matches!(frame.bytes, [0x0f | 0x8f, 0, ..]) {
        return Ok((Header::CiscoHdlc, frame));
    }
    // Address and control field, where they were not negotiated away.
    let frame = if frame.bytes.starts_with(&[0xff, 0x03]) { frame.skip(2)? } else { frame };
    // An odd first byte is a protocol number of one byte: protocol field compression.
    let first = frame.byte(0)?;
    let (protocol, header) = if first & 1 == 1 { (u16::from(first), 1) } else { (frame.number(0)?, 2) };
    let rest = frame.skip(header)?;
    match protocol {
        IPV4 | IPV6 => Ok((Header::Ip, rest)),
        protocol if MPLS.contains(&protocol) => Ok((Header::Mpls, rest)),
        // Flags, and the kind of the bridged frame, of which 1 is Ethernet (RFC 3518, 4.2).
        BRIDGED if rest.byte(1)? == 1 => Ok((Header::Ethernet, rest.skip(2)?)),
        _ => Err(Aside::NotIp),
    }
}

/// A PPPoE header, of which code 0 is the session stage.
pub(super) fn session(frame: Layer<'_>) -> Step<'_> {
    let [_, code] = frame.array(0)?;
    if code != 0 {
        return Err(Aside::NotIp);
    }
    let length = usize::from(frame.number(4)?);
    Ok((Header::Ppp, frame.skip(6)?.limited(length)))
}
