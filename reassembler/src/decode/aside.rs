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
    /// It is a fragment of an IPv4 packet.
    Ipv4Fragment,
    /// It is a fragment of an IPv6 packet.
    Ipv6Fragment,
    /// It was a fragment of a datagram that another fragment completed.
    FragmentReassembled,
    /// It was a fragment that overlaps others. Those of IPv6 are dropped with their datagram, RFC 5722.
    FragmentOverlap,
    /// It was the same fragment again.
    FragmentDuplicate,
    /// It was a fragment of a datagram whose fragments do not agree on where it ends.
    FragmentContradiction,
    /// It was a fragment of a datagram that would be longer than any can be.
    FragmentTooLong,
    /// It was a fragment of a datagram in more fragments than are kept of one.
    FragmentTooMany,
    /// It was a fragment of a length that none may have.
    FragmentMalformed,
    /// It was a fragment of a datagram of which the rest did not come in time.
    FragmentTimeout,
    /// It was a fragment that made room for later ones.
    FragmentEvicted,
    /// It was a fragment of a datagram of which the rest did not come.
    FragmentIncomplete,
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
            Self::FragmentReassembled => "fragment_reassembled",
            Self::FragmentOverlap => "fragment_overlap",
            Self::FragmentDuplicate => "fragment_duplicate",
            Self::FragmentContradiction => "fragment_contradiction",
            Self::FragmentTooLong => "fragment_too_long",
            Self::FragmentTooMany => "fragment_too_many",
            Self::FragmentMalformed => "fragment_malformed",
            Self::FragmentTimeout => "fragment_timeout",
            Self::FragmentEvicted => "fragment_evicted",
            Self::FragmentIncomplete => "fragment_incomplete",
            Self::NotTcp => "not_tcp",
            Self::TruncatedTcpHeader => "truncated_tcp_header",
            Self::BadTcpHeader => "bad_tcp_header",
        }
    }
}
