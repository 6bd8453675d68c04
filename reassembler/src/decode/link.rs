//! The table of link types: how far each one's header reaches and what follows it.
//!
//! Numbers and layouts as in the registry of link-layer header types, <https://www.tcpdump.org/linktypes.html>.

use super::{Aside, Layer, Link};

/// How the frames of an interface begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkType {
    /// An IP packet, without any header before it.
    Raw,
    /// Four bytes of address family (`NULL`, `LOOP`). Families differ among systems; the packet itself says
    /// which IP it is.
    Family,
    /// Ethernet II.
    Ethernet,
    /// PPP, with or without HDLC-like framing (RFC 1662).
    Ppp,
    /// PPP over Ethernet, from the PPPoE header on (RFC 2516).
    PppEther,
    /// Linux "cooked" capture.
    LinuxSll,
    /// Linux "cooked" capture, version 2.
    LinuxSll2,
    /// Nothing that is known here.
    Unknown,
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// 802.1Q, 802.1ad, and what was used for the outer tag before it.
const ETHERTYPE_TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// Protocol numbers of IPv4 and IPv6 in PPP, compressed (RFC 1661, 6.5) and not.
const PPP_IP: [u16; 2] = [0x0021, 0x0057];

impl LinkType {
    /// The link type with this number in savefiles, or the `DLT_` that a system uses in its place.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        match number {
            0 | 108 => Self::Family,
            1 => Self::Ethernet,
            9 | 50 => Self::Ppp,
            12 | 14 | 101 | 228 | 229 => Self::Raw,
            51 => Self::PppEther,
            113 => Self::LinuxSll,
            276 => Self::LinuxSll2,
            _ => Self::Unknown,
        }
    }

    /// The IP packet in a frame, and what the link layer says.
    pub(super) fn open(self, frame: Layer<'_>) -> Result<(Link, Layer<'_>), Aside> {
        match self {
            Self::Raw => Ok((Link::default(), frame)),
            Self::Family => skip(frame, 4),
            Self::Ethernet => ethernet(frame),
            Self::Ppp => ppp(frame),
            Self::PppEther => ppp(frame.after(6).ok_or(Aside::TruncatedLinkHeader)?),
            Self::LinuxSll => tagged(Link::default(), frame, 14),
            Self::LinuxSll2 => linux_sll2(frame),
            Self::Unknown => Err(Aside::UnknownLinkType),
        }
    }
}

fn skip(frame: Layer<'_>, header: usize) -> Result<(Link, Layer<'_>), Aside> {
    Ok((Link::default(), frame.after(header).ok_or(Aside::TruncatedLinkHeader)?))
}

fn ethernet(frame: Layer<'_>) -> Result<(Link, Layer<'_>), Aside> {
    let destination = frame.bytes.first_chunk::<6>();
    let source = frame.bytes.get(6..).and_then(|rest| rest.first_chunk::<6>());
    let macs = source.copied().zip(destination.copied());
    tagged(Link { macs, ..Link::default() }, frame, 12)
}

/// An Ethertype at `offset`, any number of VLAN tags, and a packet.
fn tagged(mut link: Link, frame: Layer<'_>, offset: usize) -> Result<(Link, Layer<'_>), Aside> {
    let mut rest = frame.after(offset).ok_or(Aside::TruncatedLinkHeader)?;
    loop {
        let ethertype = number(rest)?;
        rest = rest.after(2).ok_or(Aside::TruncatedLinkHeader)?;
        if !ETHERTYPE_TAGS.contains(&ethertype) {
            return if is_ip(ethertype) { Ok((link, rest)) } else { Err(Aside::NotIp) };
        }
        link.vlan = Some(number(rest)?);
        rest = rest.after(2).ok_or(Aside::TruncatedLinkHeader)?;
    }
}

fn ppp(frame: Layer<'_>) -> Result<(Link, Layer<'_>), Aside> {
    // Address and control field, where they were not negotiated away.
    let frame = if frame.bytes.starts_with(&[0xff, 0x03]) { frame.after(2) } else { Some(frame) };
    let frame = frame.ok_or(Aside::TruncatedLinkHeader)?;
    // An odd first byte is a protocol number of one byte: protocol field compression.
    let (protocol, header) = match frame.bytes.first() {
        Some(byte) if byte & 1 == 1 => (u16::from(*byte), 1),
        _ => (number(frame)?, 2),
    };
    if PPP_IP.contains(&protocol) { skip(frame, header) } else { Err(Aside::NotIp) }
}

fn linux_sll2(frame: Layer<'_>) -> Result<(Link, Layer<'_>), Aside> {
    if is_ip(number(frame)?) { skip(frame, 20) } else { Err(Aside::NotIp) }
}

fn is_ip(ethertype: u16) -> bool {
    matches!(ethertype, ETHERTYPE_IPV4 | ETHERTYPE_IPV6)
}

/// The two bytes at the start, in network order.
fn number(layer: Layer<'_>) -> Result<u16, Aside> {
    layer.bytes.first_chunk().map(|bytes| u16::from_be_bytes(*bytes)).ok_or(Aside::TruncatedLinkHeader)
}
