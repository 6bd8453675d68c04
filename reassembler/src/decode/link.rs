//! The table of link types, and the headers that only captures have.
//!
//! Numbers and layouts as in the registry of link-layer header types, <https://www.tcpdump.org/linktypes.html>.

use super::header::{Header, Step};
use super::layer::Layer;
use super::{Aside, ethernet};

/// How the frames of an interface begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkType(pub(super) Header);

impl LinkType {
    /// The link type with this number in savefiles, or the `DLT_` that a system uses in its place.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        Self(match number {
            0 | 108 => Header::Family,
            1 => Header::Ethernet,
            6 => Header::TokenRing,
            9 | 50 => Header::Ppp,
            10 => Header::Fddi,
            11 | 100 => Header::Llc,
            12 | 14 | 101 | 228 | 229 => Header::Ip,
            51 => Header::PppEther,
            104 => Header::CiscoHdlc,
            105 => Header::Wlan,
            107 => Header::FrameRelay,
            109 => Header::Enc,
            113 => Header::LinuxSll,
            117 => Header::Pflog,
            119 => Header::Prism,
            123 => Header::SunAtm,
            127 => Header::Radiotap,
            163 => Header::Avs,
            178 => Header::Juniper,
            239 => Header::Nflog,
            276 => Header::LinuxSll2,
            _ => Header::Unknown,
        })
    }

    /// The number that savefiles have for what a system numbers so.
    #[must_use]
    pub fn in_savefiles(number: u32) -> u32 {
        match number {
            // DLT_RAW, of Linux and of OpenBSD.
            12 | 14 => 101,
            other => other,
        }
    }

    /// Whether its frames can be decoded.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.0 != Header::Unknown
    }
}

/// In the place of an Ethertype: an LLC header follows.
const LINUX_LLC: u16 = 4;

/// Direction, hardware, address, and an Ethertype at the end.
pub(super) fn linux_sll(frame: Layer<'_>) -> Step<'_> {
    cooked(frame.number(14)?, frame.skip(16)?)
}

/// An Ethertype at the start, interface, hardware, direction, address.
pub(super) fn linux_sll2(frame: Layer<'_>) -> Step<'_> {
    cooked(frame.number(0)?, frame.skip(20)?)
}

fn cooked(protocol: u16, rest: Layer<'_>) -> Step<'_> {
    match protocol {
        LINUX_LLC => Ok((Header::Llc, rest)),
        // Other small numbers name what is no protocol at all.
        0..0x0600 => Err(Aside::NotIp),
        ethertype => ethernet::follow(ethertype, rest),
    }
}

/// Kind of the value that holds the packet.
const NFLOG_PAYLOAD: u16 = 9;

/// Family, version, resource, and then values of a length and a kind each, aligned to four bytes, in the byte
/// order of the machine that captured. No kind needs its high byte, which tells that order.
pub(super) fn nflog(frame: Layer<'_>) -> Step<'_> {
    let mut rest = frame.skip(4)?;
    let in_network_order = rest.little(2)? > 0xff;
    loop {
        let [length, kind] = match in_network_order {
            true => [rest.number(0)?, rest.number(2)?],
            false => [rest.little(0)?, rest.little(2)?],
        };
        let length = usize::from(length);
        let value = length.checked_sub(4).ok_or(Aside::NotIp)?;
        if kind == NFLOG_PAYLOAD {
            return Ok((Header::Ip, rest.skip(4)?.limited(value)));
        }
        rest = rest.skip(length.next_multiple_of(4))?;
    }
}

/// The length of the header, which is padded to a multiple of four bytes.
pub(super) fn pflog(frame: Layer<'_>) -> Step<'_> {
    let length = usize::from(frame.byte(0)?);
    Ok((Header::Ip, frame.skip(length.next_multiple_of(4))?))
}

/// What Juniper's routers put before an Ethernet frame begins with this.
const JUNIPER_MAGIC: [u8; 3] = *b"MGC";
/// Extensions, and the length of all of them, follow.
const JUNIPER_EXTENDED: u8 = 0x80;
/// The Ethernet header was taken off.
const JUNIPER_STRIPPED: u8 = 0x02;

/// Magic number, flags, extensions.
pub(super) fn juniper(frame: Layer<'_>) -> Step<'_> {
    let flags = frame.byte(3)?;
    if frame.array(0)? != JUNIPER_MAGIC || flags & JUNIPER_STRIPPED != 0 {
        return Err(Aside::NotIp);
    }
    let extensions =
        if flags & JUNIPER_EXTENDED == 0 { 0 } else { usize::from(frame.number(4)?).saturating_add(2) };
    Ok((Header::Ethernet, frame.skip(extensions.saturating_add(4))?))
}
