//! Overlay networks of data centres: VXLAN (RFC 7348), its protocol extension, Geneve (RFC 8926), and the
//! network service header (RFC 8300).

use super::envelope::{Envelope, Kind};
use super::header::{Header, Step};
use super::layer::Layer;
use super::{Aside, ethernet};

/// The network identifier is valid.
const VXLAN_NETWORK: u8 = 0x08;
/// The next protocol is given.
const VXLAN_PROTOCOL: u8 = 0x04;
/// Geneve: the packet is for the endpoint itself.
const GENEVE_CONTROL: u8 = 0x80;

/// Flags, three bytes, network, one byte.
pub(super) fn vxlan<'a>(packet: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    if packet.byte(0)? & VXLAN_NETWORK == 0 {
        return Err(Aside::NotTcp);
    }
    enter(Kind::Vxlan, packet, envelope)?;
    Ok((Header::Ethernet, packet.skip(8)?))
}

/// The same, with a protocol number in the byte before the network.
pub(super) fn vxlan_gpe<'a>(packet: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    if packet.byte(0)? & VXLAN_PROTOCOL == 0 {
        return vxlan(packet, envelope);
    }
    enter(Kind::Vxlan, packet, envelope)?;
    next(packet.byte(3)?, packet.skip(8)?)
}

/// Two base words, of which the first has the length of all in its second byte, and the next protocol in its
/// last.
pub(super) fn nsh(packet: Layer<'_>) -> Step<'_> {
    let length = usize::from(packet.byte(1)? & 0x3f).saturating_mul(4);
    if length < 8 {
        return Err(Aside::NotTcp);
    }
    next(packet.byte(3)?, packet.skip(length)?)
}

/// The protocol numbers that VXLAN-GPE and NSH share, but for 4 and 5, which do not clash.
fn next(protocol: u8, rest: Layer<'_>) -> Step<'_> {
    match protocol {
        1 | 2 => Ok((Header::Ip, rest)),
        3 => Ok((Header::Ethernet, rest)),
        4 => Ok((Header::Nsh, rest)),
        5 => Ok((Header::Mpls, rest)),
        _ => Err(Aside::NotTcp),
    }
}

/// Version and length of options, flags, Ethertype, network, one byte, options.
pub(super) fn geneve<'a>(packet: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    let [first, flags] = packet.array(0)?;
    if first >> 6 != 0 || flags & GENEVE_CONTROL != 0 {
        return Err(Aside::NotTcp);
    }
    let options = usize::from(first & 0x3f).saturating_mul(4);
    let protocol = packet.number(2)?;
    enter(Kind::Geneve, packet, envelope)?;
    ethernet::ethertype(protocol, packet.skip(options.saturating_add(8))?, envelope)
}

fn enter(kind: Kind, packet: Layer<'_>, envelope: &mut Envelope<'_>) -> Result<(), Aside> {
    envelope.enter(kind, Some(packet.number_of_24_bits(4)?))
}
