//! A part of an IP datagram, and what is remembered of the frame that brought it until the others are there.

use std::net::IpAddr;

use etherparse::IpNumber;

use super::envelope::{Envelope, Overlay};
use super::ip::{Packet, Part};

/// What fragments of the same datagram have in common (RFC 791, 3.2; RFC 8200, 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DatagramKey {
    /// Fragments in different overlay networks have nothing to do with each other.
    overlay: Overlay,
    source: IpAddr,
    destination: IpAddr,
    /// Of IPv4 only: the first fragment alone says it for IPv6.
    protocol: Option<u8>,
    identification: u32,
}

impl DatagramKey {
    /// Whether the datagram is one of IPv6.
    #[must_use]
    pub fn is_ipv6(&self) -> bool {
        self.source.is_ipv6()
    }

    /// The most payload that such a datagram has, in bytes: a header of IPv4 counts towards the 65,535.
    #[must_use]
    pub fn longest(&self) -> usize {
        if self.is_ipv6() { 65_535 } else { 65_515 }
    }
}

/// What carried a datagram.
#[derive(Debug, Clone, Copy)]
pub struct Carrier {
    pub(super) envelope: Envelope<'static>,
    pub(super) ends: (IpAddr, IpAddr),
    pub(super) protocol: IpNumber,
}

/// A part of an IP datagram.
#[derive(Debug, Clone, Copy)]
pub struct Fragment<'a> {
    /// Which datagram it is of.
    pub key: DatagramKey,
    /// What carried it.
    pub carrier: Carrier,
    /// Where in the datagram's payload it begins, in bytes.
    pub offset: usize,
    /// Whether others come after it.
    pub more: bool,
    /// Its payload as captured.
    pub bytes: &'a [u8],
    /// How many more bytes the snap length cut off.
    pub cut: usize,
}

impl<'a> Fragment<'a> {
    pub(super) fn new(packet: &Packet<'a>, part: Part, envelope: &Envelope<'_>, overlay: Overlay) -> Self {
        let Packet { source, destination, protocol, payload, .. } = *packet;
        let key = DatagramKey {
            overlay,
            source,
            destination,
            protocol: source.is_ipv4().then_some(protocol.0),
            identification: part.identification,
        };
        let carrier = Carrier { envelope: envelope.kept(), ends: (source, destination), protocol };
        let Part { offset, more, .. } = part;
        Self { key, carrier, offset, more, bytes: payload.bytes, cut: payload.cut }
    }

    /// Its length on the wire.
    #[must_use]
    pub fn length(&self) -> usize {
        self.bytes.len().saturating_add(self.cut)
    }
}
