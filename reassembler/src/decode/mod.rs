//! From a frame to its TCP segment, by checked views over the captured bytes.
//!
//! Nothing here copies or keeps anything; fragments are handed out for that. A frame that is no TCP segment is set aside with a reason, and no
//! length that a packet claims ever reaches beyond what was captured.

mod announcement;
mod aside;
mod envelope;
mod ethernet;
mod fragment;
mod gre;
mod header;
mod ip;
mod layer;
mod link;
mod llc;
mod mobile;
mod monitor;
mod mpls;
mod options;
mod overlay;
mod ppp;
mod ring;
mod tcp;
mod transition;
mod tunnel;
mod wan;
mod wlan;

use std::net::IpAddr;

use etherparse::IpNumber;
use proto::flow::FlowKey;
use proto::limits::MAX_FRAME;
use proto::plan::Separation;

pub use announcement::Announcement;
pub use aside::Aside;
use envelope::Envelope;
pub use envelope::Overlay;
pub use fragment::{Carrier, DatagramKey, Fragment};
use header::{Header, Step};
use ip::Packet;
use layer::Layer;
pub use link::LinkType;

/// What the link layer says of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Link {
    /// The VLAN tag as tcpflow has it in names: the outermost, if its type is 8100; identifier, priority and
    /// drop eligibility.
    pub vlan: Option<u16>,
    /// The innermost VLAN tag of any type.
    pub innermost_vlan: Option<u16>,
    /// Source and destination MAC address.
    pub macs: Option<([u8; 6], [u8; 6])>,
}

impl Link {
    /// Notes a VLAN tag of this type.
    fn tag(&mut self, ethertype: u16, tag: u16) {
        if self.innermost_vlan.is_none() && ethertype == ethernet::CUSTOMER_VLAN {
            self.vlan = Some(tag);
        }
        self.innermost_vlan = Some(tag);
    }
}

/// A TCP segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// What the link layer says.
    pub link: Link,
    /// Addresses and ports.
    pub key: FlowKey,
    /// The overlay network that these belong to.
    pub overlay: Overlay,
    /// Sequence number: of the SYN if there is one, else of the first payload byte.
    pub sequence: u32,
    /// Acknowledgment number, if the ACK flag is set.
    pub acknowledgment: Option<u32>,
    /// Window, not scaled.
    pub window: u16,
    /// Shift count of the window scale option, RFC 7323 (on a SYN only).
    pub window_scale: u8,
    /// The SYN flag.
    pub syn: bool,
    /// Whether a SYN may have payload: it shows a cookie of TCP Fast Open, RFC 7413.
    pub fast_open: bool,
    /// The FIN flag, where the end of the payload is known.
    pub fin: bool,
    /// The RST flag.
    pub rst: bool,
    /// Captured payload.
    pub payload: &'a [u8],
    /// Payload bytes after these that were on the wire and that the snap length cut off.
    pub cut: u32,
}

impl Segment<'_> {
    /// Whether there was payload, captured or not.
    #[must_use]
    pub fn has_payload(&self) -> bool {
        !self.payload.is_empty() || self.cut > 0
    }
}

/// How frames are taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoder {
    /// Whether packets in tunnels are decoded.
    pub tunnels: bool,
    /// What tells flows apart beside addresses and ports.
    pub separation: Separation,
}

impl Decoder {
    /// A frame of which `captured` bytes are there and that was `original` bytes long.
    #[inline]
    #[must_use]
    pub fn open<'a>(&self, link_type: LinkType, captured: &'a [u8], original: u32) -> Opened<'a> {
        let original = usize::try_from(original).unwrap_or(usize::MAX).min(MAX_FRAME);
        let layer = Layer { bytes: captured, cut: original.saturating_sub(captured.len()) };
        let envelope = Envelope::new();
        Opened {
            decoder: *self,
            header: link_type.0,
            layer,
            envelope,
            datagram: None,
            fragment: None,
            ends: None,
        }
    }

    /// A datagram that was put together, or the beginning of one that stays `unfinished`.
    #[must_use]
    pub fn reopen<'a>(
        &self,
        carrier: &Carrier,
        (payload, cut): (&'a [u8], usize),
        unfinished: bool,
    ) -> Opened<'a> {
        let layer = Layer { bytes: payload, cut };
        let (envelope, datagram) = (carrier.envelope, Some((*carrier, unfinished)));
        Opened { decoder: *self, header: Header::Ip, layer, envelope, datagram, fragment: None, ends: None }
    }
}

/// A frame that is being taken apart. It gives one segment, or a reason why not; a frame that aggregates others
/// (IEEE 802.11) gives one for each.
#[derive(Debug)]
pub struct Opened<'a> {
    decoder: Decoder,
    header: Header,
    layer: Layer<'a>,
    envelope: Envelope<'a>,
    /// What carried it and whether it is unfinished, if it is a datagram without its IP header.
    datagram: Option<(Carrier, bool)>,
    fragment: Option<Fragment<'a>>,
    /// The addresses of the innermost IP packet, where it has no segment.
    ends: Option<(IpAddr, IpAddr)>,
}

impl<'a> Opened<'a> {
    /// Passes headers until there is a segment, or none can be.
    #[inline]
    pub fn segment(&mut self) -> Result<Segment<'a>, Aside> {
        match self.datagram.take() {
            None => self.walk(self.header, self.layer),
            Some((carrier, unfinished)) => self.resume(&carrier, unfinished),
        }
    }

    /// The fragment that was met if there was no segment for [`Aside::Ipv4Fragment`] or
    /// [`Aside::Ipv6Fragment`].
    pub fn fragment(&mut self) -> Option<Fragment<'a>> {
        self.fragment.take()
    }

    /// Source and destination of the innermost IP packet that was met if there was no segment.
    pub fn ends(&mut self) -> Option<(IpAddr, IpAddr)> {
        self.ends.take()
    }

    #[cold]
    fn resume(&mut self, carrier: &Carrier, unfinished: bool) -> Result<Segment<'a>, Aside> {
        let packet = ip::reassembled(carrier.ends, carrier.protocol, self.layer, unfinished)?;
        if let Some(part) = packet.part {
            return Err(self.part(&packet, part));
        }
        if packet.protocol == IpNumber::TCP {
            return tcp::open(self.envelope.link, self.overlay(), &packet);
        }
        let (header, layer) = self.tunnel(&packet)?;
        self.walk(header, layer)
    }

    #[cold]
    fn part(&mut self, packet: &Packet<'a>, part: ip::Part) -> Aside {
        self.ends = Some((packet.source, packet.destination));
        let v4 = packet.source.is_ipv4();
        if v4 && !self.decoder.tunnels && packet.protocol != IpNumber::TCP {
            return Aside::NotTcp;
        }
        self.fragment = Some(Fragment::new(packet, part, &self.envelope, self.overlay()));
        if v4 { Aside::Ipv4Fragment } else { Aside::Ipv6Fragment }
    }

    #[inline]
    fn walk(&mut self, mut header: Header, mut layer: Layer<'a>) -> Result<Segment<'a>, Aside> {
        loop {
            self.envelope.pass()?;
            if header == Header::Ip {
                let packet = ip::open(layer)?;
                if let Some(part) = packet.part {
                    return Err(self.part(&packet, part));
                }
                if packet.protocol == IpNumber::TCP {
                    let segment = tcp::open(self.envelope.link, self.overlay(), &packet);
                    if segment.is_err() {
                        self.ends = Some((packet.source, packet.destination));
                    }
                    return segment;
                }
                (header, layer) = self.tunnel(&packet)?;
                // Not left to the table, as most frames begin so.
            } else if header == Header::Ethernet {
                (header, layer) = ethernet::open(layer, &mut self.envelope)?;
            } else {
                (header, layer) = header.open(layer, &mut self.envelope)?;
            }
        }
    }

    /// Goes on to the next frame in an aggregate; false if there is none.
    #[inline]
    pub fn advance(&mut self) -> bool {
        let Some(more) = self.envelope.more.take() else { return false };
        self.envelope = Envelope::new();
        self.ends = None;
        (self.header, self.layer) = (Header::Aggregate, more);
        true
    }

    fn tunnel(&mut self, packet: &Packet<'a>) -> Step<'a> {
        self.ends = Some((packet.source, packet.destination));
        match (self.decoder.tunnels, packet.unfinished) {
            (false, _) => Err(Aside::NotTcp),
            // The packets in it do not end where it does.
            (true, true) if packet.source.is_ipv4() => Err(Aside::Ipv4Fragment),
            (true, true) => Err(Aside::Ipv6Fragment),
            (true, false) => tunnel::open(packet, &mut self.envelope),
        }
    }

    fn overlay(&self) -> Overlay {
        let Envelope { link, overlay, .. } = self.envelope;
        match self.decoder.separation {
            Separation::Addresses => Overlay::default(),
            Separation::Tunnel => overlay,
            Separation::Vlan => overlay.in_vlan(link.innermost_vlan),
        }
    }
}

#[cfg(test)]
mod tests;
