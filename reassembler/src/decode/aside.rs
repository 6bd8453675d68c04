//! Why a frame gives no segment.

/// Why a frame gives no segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside {
    /// Its link type is not known.
    UnknownLinkType,
    /// It ends within a link-layer or tunnel header.
    TruncatedLinkHeader,
    /// It is encrypted by MACsec (IEEE 802.1AE), or at least sealed.
    Macsec,
    /// It is encrypted by IEEE 802.11.
    EncryptedWlan,
    /// It is a fragment of an IEEE 802.11 frame.
    WlanFragment,
    /// Its receiver could not use it: the check sequence was wrong.
    BadFrameCheck,
    /// It has more headers than any network makes.
    TooManyHeaders,
    /// It has more tunnels inside each other than any network makes.
    NestedTooDeep,
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
            Self::Macsec => "macsec",
            Self::EncryptedWlan => "encrypted_wlan",
            Self::WlanFragment => "wlan_fragment",
            Self::BadFrameCheck => "bad_frame_check",
            Self::TooManyHeaders => "too_many_headers",
            Self::NestedTooDeep => "nested_too_deep",
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
