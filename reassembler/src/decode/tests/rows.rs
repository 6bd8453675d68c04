//! One row for each link type and each tunnel, its headers written out by hand after their descriptions.
//!
//! Nothing here uses the code under test: the same rows are what fuzz targets begin with.

use etherparse::{IpNumber, PacketBuilder};

pub const V4: ([u8; 4], [u8; 4]) = ([192, 168, 1, 2], [10, 0, 0, 1]);
pub const V6: ([u8; 16], [u8; 16]) = ([0x20; 16], [0x30; 16]);
pub const MACS: ([u8; 6], [u8; 6]) = ([1; 6], [2; 6]);

/// Ends what was begun of a packet with the segment that every row leads to.
macro_rules! built {
    ($step:expr) => {{
        let mut bytes = Vec::new();
        $step.tcp(1234, 80, 77, 1000).psh().ack(5).write(&mut bytes, b"payload").unwrap();
        bytes
    }};
}
pub(crate) use built;

pub fn raw_v4() -> Vec<u8> {
    built!(PacketBuilder::ipv4(V4.0, V4.1, 64))
}

pub fn raw_v6() -> Vec<u8> {
    built!(PacketBuilder::ipv6(V6.0, V6.1, 64))
}

pub const SNAP: [u8; 8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];

/// Bytes one after the other.
pub fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// An Ethernet header with what follows the addresses.
pub fn ethernet(rest: &[u8]) -> Vec<u8> {
    bytes(&[&MACS.1, &MACS.0, rest])
}

/// An IEEE 802.11 data header: frame control, and all that follows the three addresses.
pub fn wlan(kind: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
    bytes(&[&[kind, flags, 0, 0], &[1; 6], &[2; 6], &[3; 6], &[0x10, 0], rest])
}

/// A radiotap header of 10 bytes with a flags field, and one more byte.
pub fn radiotap(flags: u8) -> [u8; 10] {
    [0, 0, 10, 0, 6, 0, 0, 0, flags, 2]
}

fn nflog(order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    // A prefix of five bytes and its padding, then the packet.
    let [prefix, kind, length, packet] = [order(9), order(10), order(51), order(9)];
    bytes(&[&[2, 0, 0, 0], &prefix, &kind, b"abcd\0\0\0\0", &length, &packet])
}

/// Link type, name, and what comes before an IPv4 packet.
pub type LinkRow = (u32, &'static str, Vec<u8>);

/// Every link type that is understood, in all of its shapes.
pub fn headers() -> Vec<LinkRow> {
    [of_systems(), local(), wide(), radio()].concat()
}

/// What systems capture on interfaces of their own.
fn of_systems() -> Vec<LinkRow> {
    let cooked = |protocol: [u8; 2]| bytes(&[&[0, 4, 0, 1, 0, 6], &[9; 8], &protocol]);
    let cooked_2 = |protocol: [u8; 2]| bytes(&[&protocol, &[0, 0, 0, 0, 0, 7, 0, 1, 0, 6], &[9; 8]]);
    vec![
        (0, "null", vec![2, 0, 0, 0]),
        (0, "null, other order", vec![0, 0, 0, 2]),
        (108, "loop", vec![0, 0, 0, 2]),
        (12, "raw", Vec::new()),
        (14, "raw", Vec::new()),
        (101, "raw", Vec::new()),
        (228, "ipv4", Vec::new()),
        (113, "cooked", cooked([8, 0])),
        (113, "cooked, vlan", bytes(&[&cooked([0x81, 0]), &[0, 5, 8, 0]])),
        (113, "cooked, llc", bytes(&[&cooked([0, 4]), &SNAP])),
        (276, "cooked 2", cooked_2([8, 0])),
        (276, "cooked 2, provider's vlan", bytes(&[&cooked_2([0x88, 0xa8]), &[0, 5, 8, 0]])),
        (276, "cooked 2, llc", bytes(&[&cooked_2([0, 4]), &SNAP])),
        (276, "cooked 2, mpls", bytes(&[&cooked_2([0x88, 0x47]), &[0, 0, 0x11, 64]])),
        (109, "enc", bytes(&[&[0, 0, 0, 2], &[0; 8]])),
        (117, "pflog", bytes(&[&[61, 2], &[0; 62]])),
        (178, "juniper", bytes(&[b"MGC\x80\0\x03\x01\x01\x01", &ethernet(&[8, 0])])),
        (239, "nflog", nflog(u16::to_le_bytes)),
        (239, "nflog, other order", nflog(u16::to_be_bytes)),
    ]
}

/// Local area networks.
fn local() -> Vec<LinkRow> {
    vec![
        (1, "ethernet", ethernet(&[8, 0])),
        (1, "vlan", ethernet(&[0x81, 0, 0, 5, 8, 0])),
        (1, "provider's vlan", ethernet(&[0x88, 0xa8, 0, 5, 8, 0])),
        (1, "stacked vlans", ethernet(&[0x91, 0, 0, 5, 0x81, 0, 0, 6, 8, 0])),
        (1, "mpls", ethernet(&[0x88, 0x47, 0, 0, 0x10, 0, 0, 0, 0x21, 64])),
        (1, "mpls, bottom", ethernet(&[0x88, 0x48, 0, 0, 0x11, 64])),
        (
            1,
            "mpls pseudowire",
            bytes(&[&ethernet(&[0x88, 0x47, 0, 0, 0x11, 64, 0, 0, 0, 0]), &ethernet(&[8, 0])]),
        ),
        (1, "pppoe", ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 49, 0, 0x21])),
        (
            1,
            "pppoe in qinq",
            ethernet(&[0x88, 0xa8, 0, 9, 0x81, 0, 0, 8, 0x88, 0x64, 0x11, 0, 0, 1, 0, 49, 0, 0x21]),
        ),
        (1, "backbone", bytes(&[&ethernet(&[0x88, 0xe7, 0, 1, 2, 3]), &ethernet(&[8, 0])])),
        (1, "snap", bytes(&[&ethernet(&[0, 55]), &SNAP])),
        (1, "e-tag", ethernet(&[0x89, 0x3f, 0, 0, 0, 1, 0, 0, 8, 0])),
        (1, "vn-tag", ethernet(&[0x89, 0x26, 0, 0, 0, 1, 8, 0])),
        (6, "token ring", bytes(&[&[0x10, 0x40], &[1; 6], &[2; 6], &SNAP])),
        (6, "token ring, source routed", bytes(&[&[0x10, 0x40], &[1; 6], &[0x82; 6], &[4, 0, 0, 0], &SNAP])),
        (6, "ethernet as tcpflow writes it", ethernet(&[8, 0])),
        (10, "fddi", bytes(&[&[0x50], &[1; 6], &[2; 6], &SNAP])),
    ]
}

/// Wide area networks.
fn wide() -> Vec<LinkRow> {
    vec![
        (9, "ppp", vec![0, 0x21]),
        (9, "ppp, compressed", vec![0x21]),
        (9, "ppp, bridged", bytes(&[&[0, 0x31, 0, 1], &ethernet(&[8, 0])])),
        (51, "ppp over ethernet", vec![0x11, 0, 0, 1, 0, 49, 0, 0x21]),
        (104, "cisco hdlc, mpls", vec![0x0f, 0, 0x88, 0x47, 0, 0, 0x11, 64]),
        (11, "atm", SNAP.to_vec()),
        (100, "atm", SNAP.to_vec()),
        (100, "bridged over atm", bytes(&[&[0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0, 7, 0, 0], &ethernet(&[8, 0])])),
        (123, "sunatm", bytes(&[&[2, 0, 0, 5], &SNAP])),
        (123, "lan emulation", bytes(&[&[1, 0, 0, 5, 0, 0], &ethernet(&[8, 0])])),
        (50, "ppp hdlc", vec![0xff, 3, 0, 0x21]),
        (50, "cisco hdlc as ppp", vec![0x0f, 0, 8, 0]),
        (9, "mpls in ppp", vec![0xff, 3, 2, 0x81, 0, 0, 0x11, 64]),
        (104, "cisco hdlc", vec![0x8f, 0, 8, 0]),
        (107, "frame relay", vec![0x18, 0x41, 3, 0xcc]),
        (107, "frame relay, snap", vec![0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0]),
        (107, "frame relay, four bytes, cisco", vec![0x18, 0x40, 0, 1, 8, 0]),
    ]
}

/// IEEE 802.11 and what drivers put before it.
fn radio() -> Vec<LinkRow> {
    let ac = wlan(0x08, 0x02, &[]);
    vec![
        (105, "802.11", bytes(&[&ac, &SNAP])),
        (105, "802.11 qos", bytes(&[&wlan(0x88, 1, &[0, 0]), &SNAP])),
        (105, "802.11 qos, ht", bytes(&[&wlan(0x88, 0x81, &[0, 0, 0, 0, 0, 0]), &SNAP])),
        (105, "802.11 four addresses", bytes(&[&wlan(0x88, 3, &[4, 4, 4, 4, 4, 4, 0, 0]), &SNAP])),
        (119, "prism", bytes(&[&[0x44; 144], &ac, &SNAP])),
        (119, "avs as prism", bytes(&[&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64], &[0; 56], &ac, &SNAP])),
        (163, "avs", bytes(&[&[0x80, 0x21, 0x10, 2, 0, 0, 0, 64], &[0; 56], &ac, &SNAP])),
        (127, "radiotap", bytes(&[&[0, 0, 8, 0, 0, 0, 0, 0], &ac, &SNAP])),
        (127, "radiotap, padded", bytes(&[&radiotap(0x20), &wlan(0x88, 1, &[0, 0, 0, 0]), &SNAP])),
        (
            127,
            "radiotap, timestamp",
            bytes(&[&[0, 0, 25, 0, 3, 0, 0, 0], &[9; 8], &[0x20], &[0; 8], &ac, &SNAP]),
        ),
    ]
}

const OUTER: ([u8; 4], [u8; 4]) = ([198, 51, 100, 1], [198, 51, 100, 2]);

/// An IPv4 packet of this protocol.
pub fn ip(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4(OUTER.0, OUTER.1, 64).write(&mut packet, IpNumber(protocol), payload).unwrap();
    packet
}

pub fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4(OUTER.0, OUTER.1, 64).udp(source, destination).write(&mut packet, payload).unwrap();
    packet
}

pub fn frame() -> Vec<u8> {
    [&MACS.1[..], &MACS.0, &[8, 0], &raw_v4()].concat()
}

/// Packets with a tunnel: its name, the packet, and the length of what is in it.
pub type Row = (&'static str, Vec<u8>, usize);

pub fn tunnels() -> Vec<Row> {
    [over_ip(), over_udp()].concat()
}

fn in_ip(name: &'static str, protocol: u8, header: &[u8], inner: &[u8]) -> Row {
    (name, ip(protocol, &[header, inner].concat()), inner.len())
}

fn in_ip6(name: &'static str, protocol: u8, inner: &[u8]) -> Row {
    let mut packet = Vec::new();
    let ends = [OUTER.0, OUTER.1].map(|v4| std::net::Ipv4Addr::from(v4).to_ipv6_mapped().octets());
    PacketBuilder::ipv6(ends[0], ends[1], 64).write(&mut packet, IpNumber(protocol), inner).unwrap();
    (name, packet, inner.len())
}

fn in_udp(name: &'static str, port: u16, header: &[u8], inner: &[u8]) -> Row {
    (name, udp(49152, port, &[header, inner].concat()), inner.len())
}

fn over_ip() -> Vec<Row> {
    let (v4, v6, frame) = (raw_v4(), raw_v6(), frame());
    let wlan = [&[0x08, 1, 0, 0], &[1; 18][..], &[0, 0, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &v4].concat();
    let ppp = [&[0xff, 3, 0, 0x21], &v4[..]].concat();
    vec![
        in_ip("4in4", 4, &[], &v4),
        in_ip("6in4", 41, &[], &v6),
        in_ip6("4in6", 4, &v4),
        in_ip6("6in6", 41, &v6),
        in_ip("etherip", 97, &[0x30, 0], &frame),
        in_ip("mpls in ip", 137, &[0, 0, 0x11, 64], &v4),
        in_ip("gre", 47, &[0, 0, 8, 0], &v4),
        in_ip("gre with all fields", 47, &[0xb0, 0, 0x86, 0xdd, 1, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1], &v6),
        in_ip("gretap", 47, &[0x20, 0, 0x65, 0x58, 0, 0, 0, 7], &frame),
        in_ip("gre, mpls", 47, &[0, 0, 0x88, 0x47, 0, 0, 0x11, 64], &v4),
        in_ip("pptp", 47, &[0x30, 0x81, 0x88, 0x0b, 0, 51, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2], &ppp),
        in_ip("erspan i", 47, &[0, 0, 0x88, 0xbe], &frame),
        in_ip("erspan ii", 47, &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 5, 0, 0, 0, 0], &frame),
        in_ip(
            "erspan iii",
            47,
            &[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0],
            &frame,
        ),
        in_ip(
            "erspan iii with a platform's header",
            47,
            &[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 5, 0, 0, 0, 0, 0, 0, 8, 1][..], &[0; 8]]
                .concat(),
            &v4,
        ),
        in_ip("wccp", 47, &[0, 0, 0x88, 0x3e], &v4),
        in_ip("wccp 2", 47, &[0, 0, 0x88, 0x3e, 0, 0, 0, 0], &v4),
        in_ip("access point", 47, &[0, 0, 0x82, 0x10], &wlan),
    ]
}

fn over_udp() -> Vec<Row> {
    let (v4, v6, frame) = (raw_v4(), raw_v6(), frame());
    vec![
        in_udp("vxlan", 4789, &[8, 0, 0, 0, 0, 0, 42, 0], &frame),
        in_udp("vxlan on linux's port", 8472, &[8, 0, 0, 0, 0, 0, 42, 0], &frame),
        in_udp("vxlan-gpe", 4790, &[0x0c, 0, 0, 1, 0, 0, 42, 0], &v4),
        in_udp("vxlan-gpe, nsh", 4790, &[0x0c, 0, 0, 4, 0, 0, 42, 0, 0, 2, 2, 3, 0, 0, 0, 0], &frame),
        in_udp("geneve", 6081, &[1, 0, 0x65, 0x58, 0, 0, 42, 0, 1, 2, 3, 0], &frame),
        in_udp("geneve, ip", 6081, &[0, 0, 8, 0, 0, 0, 42, 0], &v4),
        in_udp("gtp", 2152, &[0x30, 0xff, 0, 47, 0, 0, 0, 5], &v4),
        in_udp("gtp, sequence", 2152, &[0x32, 0xff, 0, 51, 0, 0, 0, 5, 0, 1, 0, 0], &v4),
        in_udp("gtp, extension", 2152, &[0x34, 0xff, 0, 55, 0, 0, 0, 5, 0, 0, 0, 0x85, 1, 0, 9, 0], &v4),
        in_udp("gre in udp", 4754, &[0, 0, 8, 0], &v4),
        in_udp("mpls in udp", 6635, &[0, 0, 0x11, 64], &v4),
        in_udp("teredo", 3544, &[], &v6),
        in_udp(
            "teredo with authentication and origin",
            3544,
            &[&[0, 1, 0, 0][..], &[0; 9], &[0, 0, 1, 2, 3, 4, 5, 6]].concat(),
            &v6,
        ),
        in_udp("ayiya", 5072, &[&[0x41, 0x52, 0x11, 41, 0, 0, 0, 0][..], &[0; 16], &[0; 20]].concat(), &v6),
    ]
}
