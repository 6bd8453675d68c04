//! The same connection in every wrapping: link types, savefile formats, and what is broken or compressed.

use std::io::Write;

use super::inputs::Input;
use super::traffic::exchange;
use crate::capture::{
    ETHERNET, LINUX_SLL, NULL, Order, PCAP_HEADER, PCAP_RECORD, Packet, Precision, RAW, pcap, pcap_as,
    pcapng, pcapng_of,
};
use crate::conversation::{Conversation, Link};

/// The bytes of an Ethernet header.
const ETHERNET_HEADER: usize = 14;

/// All of them.
pub fn all() -> Vec<Input> {
    let mut all = link_types();
    all.extend(formats());
    all.extend(broken());
    all.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

type Named = (&'static str, Vec<u8>);

/// The connection without Ethernet, with these bytes in its place.
fn behind(header: &[u8]) -> Vec<Packet> {
    let rewrap =
        |packet: Packet| Packet::whole(packet.time, [header, &packet.bytes[ETHERNET_HEADER..]].concat());
    exchange(1000, 0).into_iter().map(rewrap).collect()
}

fn cooked(link: Link) -> Vec<u8> {
    let number = link.link_type();
    pcap(number, &Conversation { link, ..Conversation::v6() }.exchange(b"hello\n", b"reply\n").packets)
}

fn link_types() -> Vec<Named> {
    let llc = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    let data = [&[0x08, 0x01, 0, 0], &[2; 6][..], &[4; 6], &[6; 6], &[0, 0], &llc].concat();
    let radiotap = [&[0, 0, 8, 0, 0, 0, 0, 0][..], &data].concat();
    let prism = [&0x44_u32.to_be_bytes()[..], &144_u32.to_be_bytes(), &[0; 136], &data].concat();
    let checked = [&[0, 0, 9, 0, 2, 0, 0, 0, 0x10][..], &data].concat();
    let sll2 = [&[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6][..], &[2; 8]].concat();
    let ip = |number| pcap(number, &behind(&[]));
    vec![
        ("link-null.pcap", pcap(NULL, &behind(&2_u32.to_le_bytes()))),
        ("link-null-swapped.pcap", pcap(NULL, &behind(&2_u32.to_be_bytes()))),
        ("link-null-v6.pcap", cooked(Link::Null)),
        ("link-loop.pcap", pcap(108, &behind(&2_u32.to_be_bytes()))),
        ("link-token-ring.pcap", pcap(6, &exchange(1000, 0))),
        ("link-ppp.pcap", pcap(9, &behind(&[0xff, 3, 0, 0x21]))),
        ("link-ppp-ether.pcap", pcap(51, &behind(&[0x11, 0, 0, 1, 0, 54, 0, 0x21]))),
        ("link-raw-12.pcap", ip(12)),
        ("link-raw-14.pcap", ip(14)),
        ("link-raw.pcap", ip(RAW)),
        ("link-raw-v6.pcap", cooked(Link::Raw)),
        ("link-ipv4.pcap", ip(228)),
        ("link-sll.pcap", pcap(LINUX_SLL, &behind(&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0]))),
        ("link-sll-v6.pcap", cooked(Link::LinuxSll)),
        ("link-sll2.pcap", pcap(276, &behind(&sll2))),
        ("link-wifi.pcap", pcap(105, &behind(&data))),
        ("link-radiotap.pcap", pcap(127, &behind(&radiotap))),
        ("link-radiotap-checked.pcap", pcap(127, &with_check_sequence(behind(&checked), 9))),
        ("link-prism.pcap", pcap(119, &behind(&prism))),
        ("link-prism-checked.pcap", pcap(119, &with_check_sequence(behind(&prism), 144))),
        ("link-pflog.pcap", pcap(117, &behind(&[&[61, 2, 0, 0][..], &[0; 60]].concat()))),
        ("link-unknown.pcap", pcap(147, &exchange(1000, 0))),
        ("mpls.pcap", pcap(ETHERNET, &behind(&[&[2; 12][..], &[0x88, 0x47, 0, 1, 1, 64]].concat()))),
        ("gre.pcap", pcap(ETHERNET, &behind(&gre()))),
    ]
}

/// With the check sequence of an 802.11 frame that begins so many bytes on.
fn with_check_sequence(mut packets: Vec<Packet>, begins: usize) -> Vec<Packet> {
    for packet in &mut packets {
        let mut sum = flate2::Crc::new();
        sum.update(&packet.bytes[begins..]);
        packet.bytes.extend(sum.sum().to_le_bytes());
        packet.original += 4;
    }
    packets
}

/// Ethernet, IPv4 and GRE, of a length that holds what follows.
fn gre() -> Vec<u8> {
    let outer = [0x45, 0, 1, 0, 0, 0, 0, 0, 64, 47, 0, 0, 198, 51, 100, 1, 198, 51, 100, 2];
    [&[2; 12][..], &[8, 0], &outer, &[0, 0, 8, 0]].concat()
}

fn formats() -> Vec<Named> {
    let packets = exchange(1000, 0);
    let nano = packets.iter().cloned().map(|packet| Packet { time: packet.time + 789, ..packet }).collect();
    let nano: Vec<Packet> = nano;
    let mixed = [(ETHERNET, packets.clone()), (RAW, behind(&[]))];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&pcap(ETHERNET, &packets)).unwrap();
    let gzip = gzip.finish().unwrap();
    vec![
        ("big-endian.pcap", pcap_as(Order::Big, Precision::Micro, ETHERNET, &packets)),
        ("nano.pcap", pcap_as(Order::Little, Precision::Nano, ETHERNET, &nano)),
        ("nano-big.pcap", pcap_as(Order::Big, Precision::Nano, ETHERNET, &nano)),
        ("ng.pcapng", pcapng(Order::Little, ETHERNET, &packets)),
        ("ng-big.pcapng", pcapng(Order::Big, ETHERNET, &packets)),
        ("ng-mixed.pcapng", pcapng_of(Order::Little, &mixed)),
        ("gzipped.gz", gzip.clone()),
        ("gzipped-unnamed", gzip),
    ]
}

fn broken() -> Vec<Named> {
    let good = pcap(ETHERNET, &exchange(1000, 0));
    let mut huge = good.clone();
    let second = PCAP_HEADER + PCAP_RECORD + 54;
    huge[second + 8..second + 12].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    let far: Vec<Packet> = exchange(1000, 0)
        .into_iter()
        .map(|packet| Packet { time: 3_000_000_000_000_000_000, ..packet })
        .collect();
    vec![
        ("nothing", Vec::new()),
        ("header-cut", good[..10].to_vec()),
        ("header-only", good[..PCAP_HEADER].to_vec()),
        ("record-cut", good[..good.len() - 20].to_vec()),
        ("record-header-cut", good[..second + 7].to_vec()),
        ("record-huge", huge),
        ("garbage", (0..64_u8).map(|i| i.wrapping_mul(37).wrapping_add(11)).collect()),
        ("year-2065.pcap", pcap(ETHERNET, &far)),
    ]
}
