//! Ethernet, and what an Ethertype may name between it and an IP packet.
//!
//! Numbers as in the registry of the IEEE and in <https://www.iana.org/assignments/ieee-802-numbers>.

use super::envelope::{Envelope, Kind};
use super::header::{Header, Step};
use super::layer::Layer;
use super::{Aside, Link};

/// Up to here the field is the length of an IEEE 802.3 frame.
const MAX_LENGTH: u16 = 1500;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// 802.1Q.
pub(super) const CUSTOMER_VLAN: u16 = 0x8100;
/// 802.1Q, 802.1ad, and what was used for the outer tag before it.
const VLAN: [u16; 3] = [CUSTOMER_VLAN, 0x88a8, 0x9100];
/// Transparent Ethernet bridging (RFC 1701).
const BRIDGED: u16 = 0x6558;
const MPLS: [u16; 2] = [0x8847, 0x8848];
const PPPOE_SESSION: u16 = 0x8864;
/// Provider backbone bridging (IEEE 802.1ah).
const BACKBONE: u16 = 0x88e7;
/// Bridge port extension, IEEE 802.1BR.
const E_TAG: u16 = 0x893f;
/// Cisco's tag for virtual interfaces.
const VN_TAG: u16 = 0x8926;
const NSH: u16 = 0x894f;
const MACSEC: u16 = 0x88e5;

/// An Ethernet frame. Its addresses, and none of what was around it, are the link's.
#[inline]
pub(super) fn open<'a>(frame: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    // One check for the whole header; most frames are nothing but IP on Ethernet.
    let Some(header) = frame.bytes.first_chunk::<14>() else { return Err(Aside::TruncatedLinkHeader) };
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, high, low] = *header;
    let macs = Some(([s0, s1, s2, s3, s4, s5], [d0, d1, d2, d3, d4, d5]));
    envelope.link = Link { macs, ..Link::default() };
    follow(u16::from_be_bytes([high, low]), frame.skip(14)?)
}

/// What follows an Ethertype or length field with this value.
#[inline]
pub(super) fn follow(field: u16, rest: Layer<'_>) -> Step<'_> {
    match field {
        IPV4 | IPV6 => Ok((Header::Ip, rest)),
        0 => Err(Aside::NotIp),
        1..=MAX_LENGTH => Ok((Header::Llc, rest.limited(usize::from(field)))),
        ethertype => Ok((Header::Ethertype(ethertype), rest)),
    }
}

/// What an Ethertype names.
pub(super) fn ethertype<'a>(ethertype: u16, rest: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    if VLAN.contains(&ethertype) {
        envelope.link.tag(ethertype, rest.number(0)?);
        return follow(rest.number(2)?, rest.skip(4)?);
    }
    if MPLS.contains(&ethertype) {
        return Ok((Header::Mpls, rest));
    }
    match ethertype {
        IPV4 | IPV6 => Ok((Header::Ip, rest)),
        BRIDGED => Ok((Header::Ethernet, rest)),
        PPPOE_SESSION => Ok((Header::PppEther, rest)),
        BACKBONE => {
            envelope.enter(Kind::Backbone, Some(rest.number_of_24_bits(1)?))?;
            Ok((Header::Ethernet, rest.skip(4)?))
        }
        E_TAG => follow(rest.number(6)?, rest.skip(8)?),
        VN_TAG => follow(rest.number(4)?, rest.skip(6)?),
        NSH => Ok((Header::Nsh, rest)),
        MACSEC => Err(Aside::Macsec),
        _ => Err(Aside::NotIp),
    }
}
