//! Logical link control (IEEE 802.2) and the subnetwork access protocol (RFC 1042).

use super::header::{Header, Step};
use super::layer::Layer;
use super::{Aside, ethernet};

/// Service access points of SNAP, and the control byte of an unnumbered information frame.
const SNAP: [u8; 3] = [0xaa, 0xaa, 0x03];
/// Service access points of IP, which hardly anything uses.
const IP: [u8; 3] = [0x06, 0x06, 0x03];
/// Organizations whose protocol numbers are Ethertypes: RFC 1042 and IEEE 802.1H.
const ETHERTYPES: [[u8; 3]; 2] = [[0, 0, 0], [0, 0, 0xf8]];
/// The organization of frames bridged over ATM and Frame Relay (RFC 2684, RFC 2427).
const BRIDGED: [u8; 3] = [0, 0x80, 0xc2];
/// Length of the check sequence at the end of an Ethernet frame.
const CHECK_SEQUENCE: usize = 4;

/// A logical link control header.
pub(super) fn open(frame: Layer<'_>) -> Step<'_> {
    match frame.array(0)? {
        SNAP => snap(frame.skip(3)?),
        IP => Ok((Header::Ip, frame.skip(3)?)),
        _ => Err(Aside::NotIp),
    }
}

/// A SNAP header: an organization and a number of its own.
pub(super) fn snap(frame: Layer<'_>) -> Step<'_> {
    let organization: [u8; 3] = frame.array(0)?;
    let protocol = frame.number(3)?;
    let rest = frame.skip(5)?;
    if ETHERTYPES.contains(&organization) {
        return ethernet::follow(protocol, rest);
    }
    match (organization, protocol) {
        // Padding, then an Ethernet frame: with its check sequence, and without.
        (BRIDGED, 1) => Ok((Header::Ethernet, rest.skip(2)?.without_trailer(CHECK_SEQUENCE))),
        (BRIDGED, 7) => Ok((Header::Ethernet, rest.skip(2)?)),
        _ => Err(Aside::NotIp),
    }
}
