//! Headers of wide-area links: Cisco HDLC, Frame Relay (RFC 2427), ATM as SunATM captures it.

use super::header::{Header, Step};
use super::layer::Layer;
use super::{Aside, ethernet, llc};

/// Unnumbered information.
const CONTROL: u8 = 0x03;
/// Network layer protocols, ISO/IEC TR 9577.
const NLPID_SNAP: u8 = 0x80;
const NLPID_IPV6: u8 = 0x8e;
const NLPID_IPV4: u8 = 0xcc;

/// Address, control, Ethertype.
pub(super) fn cisco_hdlc(frame: Layer<'_>) -> Step<'_> {
    ethernet::follow(frame.number(2)?, frame.skip(4)?)
}

/// An address of two to four bytes, of which the last has its low bit set, and either a control byte with the
/// network layer protocol (RFC 2427) or an Ethertype (Cisco's encapsulation).
pub(super) fn frame_relay(frame: Layer<'_>) -> Step<'_> {
    let address = frame.bytes.iter().take(4).position(|byte| byte & 1 == 1);
    let address =
        address.ok_or(if frame.bytes.len() < 4 { Aside::TruncatedLinkHeader } else { Aside::NotIp })?;
    let frame = frame.skip(address.saturating_add(1))?;
    if frame.byte(0)? != CONTROL {
        return ethernet::follow(frame.number(0)?, frame.skip(2)?);
    }
    // Where SNAP follows, a byte of padding may come before it.
    let padding = usize::from(frame.byte(1)? == 0);
    let frame = frame.skip(padding.saturating_add(1))?;
    let rest = frame.skip(1)?;
    match frame.byte(0)? {
        NLPID_IPV4 | NLPID_IPV6 => Ok((Header::Ip, rest)),
        NLPID_SNAP => llc::snap(rest),
        _ => Err(Aside::NotIp),
    }
}

/// Flags and kind, virtual path, virtual channel; kind 2 is LLC multiplexing (RFC 2684), kind 1 LAN emulation.
pub(super) fn sun_atm(frame: Layer<'_>) -> Step<'_> {
    let kind = frame.byte(0)? & 0x0f;
    let rest = frame.skip(4)?;
    match kind {
        1 => Ok((Header::Ethernet, rest.skip(2)?)),
        2 => Ok((Header::Llc, rest)),
        _ => Err(Aside::NotIp),
    }
}
