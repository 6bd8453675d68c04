//! From a frame to its TCP segment, by checked views over the captured bytes.
//!
//! Nothing here copies or keeps anything. A frame that is no TCP segment is set aside with a reason, and no
//! length that a packet claims ever reaches beyond what was captured.

mod ip;
mod link;
mod tcp;

use proto::flow::FlowKey;
use proto::limits::MAX_FRAME;

pub use link::LinkType;

/// Why a frame gives no segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside {
    /// Its link type is not known.
    UnknownLinkType,
    /// It ends within a link-layer header.
    TruncatedLinkHeader,
    /// It carries neither IPv4 nor IPv6.
    NotIp,
    /// It ends within an IP header.
    TruncatedIpHeader,
    /// An IP header contradicts itself.
    BadIpHeader,
    /// It is a fragment of an IPv4 packet, and not the first.
    Ipv4Fragment,
    /// It is a fragment of an IPv6 packet, and not the first.
    Ipv6Fragment,
    /// It carries something else than TCP.
    NotTcp,
    /// It ends within a TCP header.
    TruncatedTcpHeader,
    /// The TCP header contradicts itself.
    BadTcpHeader,
}

impl Aside {
    /// The reason as an identifier.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::UnknownLinkType => "unknown_link_type",
            Self::TruncatedLinkHeader => "truncated_link_header",
            Self::NotIp => "not_ip",
            Self::TruncatedIpHeader => "truncated_ip_header",
            Self::BadIpHeader => "bad_ip_header",
            Self::Ipv4Fragment => "ipv4_fragment",
            Self::Ipv6Fragment => "ipv6_fragment",
            Self::NotTcp => "not_tcp",
            Self::TruncatedTcpHeader => "truncated_tcp_header",
            Self::BadTcpHeader => "bad_tcp_header",
        }
    }
}

/// What the link layer says of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Link {
    /// The innermost VLAN tag: identifier, priority and drop eligibility, as tcpflow has it in names.
    pub vlan: Option<u16>,
    /// Source and destination MAC address.
    pub macs: Option<([u8; 6], [u8; 6])>,
}

/// A TCP segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// What the link layer says.
    pub link: Link,
    /// Addresses and ports.
    pub key: FlowKey,
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
    /// The FIN flag, where the end of the payload is known.
    pub fin: bool,
    /// The RST flag.
    pub rst: bool,
    /// Captured payload.
    pub payload: &'a [u8],
    /// Payload bytes after these that were on the wire and that the snap length cut off.
    pub cut: u32,
}

/// Bytes of one layer: those captured, and how many more of them were on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layer<'a> {
    bytes: &'a [u8],
    cut: usize,
}

impl<'a> Layer<'a> {
    /// What follows the first `header` bytes; none if fewer were captured.
    fn after(self, header: usize) -> Option<Self> {
        Some(Self { bytes: self.bytes.get(header..)?, cut: self.cut })
    }

    /// The first `length` bytes, of which some may have been cut off. The rest is not this layer's.
    fn limited(self, length: usize) -> Self {
        match self.bytes.get(..length) {
            Some(bytes) => Self { bytes, cut: 0 },
            None => Self { bytes: self.bytes, cut: self.cut.min(length.saturating_sub(self.bytes.len())) },
        }
    }
}

/// Finds the TCP segment in a frame of which `captured` bytes are there and that was `original` bytes long.
pub fn segment(link_type: LinkType, captured: &[u8], original: u32) -> Result<Segment<'_>, Aside> {
    let original = usize::try_from(original).unwrap_or(usize::MAX).min(MAX_FRAME);
    let frame = Layer { bytes: captured, cut: original.saturating_sub(captured.len()) };
    let (link, packet) = link_type.open(frame)?;
    let packet = ip::open(packet)?;
    tcp::open(link, &packet)
}

#[cfg(test)]
mod tests;
