//! The link types that the reassembler can decode, by their numbers in savefiles (`LINKTYPE_`).

use pcap::Linktype;

/// BSD loopback with the host's byte order.
const NULL: u32 = 0;
/// Ethernet.
pub const ETHERNET: u32 = 1;
/// Token ring; also what tcpflow itself puts into the savefiles it writes.
const IEEE802: u32 = 6;
/// PPP, with its address and control bytes or without.
const PPP: u32 = 9;
/// FDDI.
const FDDI: u32 = 10;
/// ATM, as `DLT_ATM_RFC1483`.
const ATM_DLT: u32 = 11;
/// Raw IP, as `DLT_RAW` on Linux and most BSDs.
const RAW_DLT: u32 = 12;
/// Raw IP, as `DLT_RAW` on OpenBSD.
const RAW_OPENBSD: u32 = 14;
/// PPP with HDLC-like framing, or Cisco HDLC.
const PPP_HDLC: u32 = 50;
/// PPP over Ethernet, from the PPPoE header on.
const PPP_ETHER: u32 = 51;
/// ATM with logical link control, RFC 2684.
const ATM: u32 = 100;
/// Raw IP.
const RAW: u32 = 101;
/// Cisco HDLC.
const C_HDLC: u32 = 104;
/// IEEE 802.11.
const IEEE802_11: u32 = 105;
/// Frame Relay.
const FRELAY: u32 = 107;
/// OpenBSD loopback.
const LOOP: u32 = 108;
/// OpenBSD encapsulation interface.
const ENC: u32 = 109;
/// Linux cooked capture.
const LINUX_SLL: u32 = 113;
/// OpenBSD packet filter log.
const PFLOG: u32 = 117;
/// Prism monitor mode header and IEEE 802.11.
const PRISM: u32 = 119;
/// ATM as SunATM captures it.
const SUNATM: u32 = 123;
/// Radiotap header and IEEE 802.11.
const RADIOTAP: u32 = 127;
/// AVS monitor mode header and IEEE 802.11.
const AVS: u32 = 163;
/// Juniper's header and Ethernet.
const JUNIPER_ETHER: u32 = 178;
/// Raw IPv4.
const IPV4: u32 = 228;
/// Raw IPv6.
const IPV6: u32 = 229;
/// Linux netfilter log.
const NFLOG: u32 = 239;
/// Linux cooked capture, second version.
const LINUX_SLL2: u32 = 276;

/// All of them, the likeliest first.
pub const SUPPORTED: [u32; 28] = [
    ETHERNET,
    LINUX_SLL,
    RAW,
    LINUX_SLL2,
    NULL,
    LOOP,
    RAW_DLT,
    RAW_OPENBSD,
    IPV4,
    IPV6,
    RADIOTAP,
    IEEE802_11,
    PRISM,
    AVS,
    PPP,
    PPP_HDLC,
    PPP_ETHER,
    IEEE802,
    NFLOG,
    PFLOG,
    ENC,
    C_HDLC,
    FRELAY,
    FDDI,
    ATM_DLT,
    ATM,
    SUNATM,
    JUNIPER_ETHER,
];

/// Whether the reassembler can decode frames of this link type.
pub fn is_supported(link_type: u32) -> bool {
    SUPPORTED.contains(&link_type)
}

/// tcpflow's words for an input of which nothing can be decoded.
pub fn refusal(link_type: u32, name: &str) -> String {
    format!("sorry - unknown datalink type {link_type} on interface {name}")
}

/// The number by which libpcap's filter compiler knows a link type (`DLT_`).
pub fn for_compiler(link_type: u32) -> Linktype {
    let number = match link_type {
        RAW | RAW_OPENBSD => RAW_DLT,
        ATM => ATM_DLT,
        other => other,
    };
    Linktype(i32::try_from(number).unwrap_or(i32::MAX))
}
