//! One row for each header of a link, written out by hand after its description.

use super::{Aside, LinkType, MACS, expect, raw_v4, raw_v6, whole};

const SNAP: [u8; 8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];

/// Bytes one after the other.
fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// An Ethernet header with what follows the addresses.
fn ethernet(rest: &[u8]) -> Vec<u8> {
    bytes(&[&MACS.1, &MACS.0, rest])
}

/// An IEEE 802.11 data header: frame control, and all that follows the three addresses.
fn wlan(kind: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
    bytes(&[&[kind, flags, 0, 0], &[1; 6], &[2; 6], &[3; 6], &[0x10, 0], rest])
}

/// A radiotap header of 10 bytes with a flags field, and one more byte.
fn radiotap(flags: u8) -> [u8; 10] {
    [0, 0, 10, 0, 6, 0, 0, 0, flags, 2]
}

fn nflog(order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    // A prefix of five bytes and its padding, then the packet.
    let [prefix, kind, length, packet] = [order(9), order(10), order(51), order(9)];
    bytes(&[&[2, 0, 0, 0], &prefix, &kind, b"abcd\0\0\0\0", &length, &packet])
}

/// What comes before an IPv4 packet, by link type.
fn headers() -> Vec<(u32, &'static str, Vec<u8>)> {
    let ac = wlan(0x08, 0x02, &[]);
    vec![
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
        (109, "enc", bytes(&[&[0, 0, 0, 2], &[0; 8]])),
        (117, "pflog", bytes(&[&[61, 2], &[0; 62]])),
        (178, "juniper", bytes(&[b"MGC\x80\0\x03\x01\x01\x01", &ethernet(&[8, 0])])),
        (239, "nflog", nflog(u16::to_le_bytes)),
        (239, "nflog, other order", nflog(u16::to_be_bytes)),
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

#[test]
fn every_header_leads_to_its_segment() {
    for (link_type, name, header) in headers() {
        let frame = bytes(&[&header, &raw_v4()]);
        let result = whole(link_type, &frame);
        assert!(result.is_ok(), "{name}: {result:?}");
        expect(link_type, &frame);
    }
}

#[test]
fn every_header_cut_short_has_a_reason() {
    for (link_type, name, header) in headers() {
        let frame = bytes(&[&header, &raw_v4()]);
        for kept in 0..header.len() + 40 {
            let cut = whole(link_type, &frame[..kept]);
            assert!(cut.is_err(), "{name} at {kept}: {cut:?}");
            let again = super::segment(link_type, &frame[..kept], u32::try_from(frame.len()).unwrap());
            assert!(again.is_err(), "{name} at {kept} by the snap length: {again:?}");
        }
    }
}

#[test]
fn addresses_are_those_of_the_frame_around_the_packet() {
    let frame = bytes(&[&wlan(0x08, 0x02, &SNAP), &raw_v4()]);
    assert_eq!(expect(105, &frame).link.macs, Some(([3; 6], [1; 6])));
    let tagged = ethernet(&[0x81, 0, 0, 5, 0x88, 0xe7, 0, 1, 2, 3]);
    let frame = bytes(&[&tagged, &[9; 12], &[8, 0], &raw_v4()]);
    let link = expect(1, &frame).link;
    assert_eq!(
        (link.macs, link.vlan),
        (Some(([9; 6], [9; 6])), None),
        "the backbone's own VLAN is not the packet's"
    );
}

#[test]
fn a_check_sequence_is_no_payload() {
    // The packet says length 0, so that only the link can tell where it ends.
    let mut packet = raw_v4();
    packet[2..4].fill(0);
    let frame = bytes(&[&radiotap(0x10), &wlan(0x08, 1, &SNAP), &packet, &[1, 2, 3, 4]]);
    expect(127, &frame);
    let bad = bytes(&[&radiotap(0x50), &wlan(0x08, 1, &SNAP), &packet, &[1, 2, 3, 4]]);
    assert_eq!(whole(127, &bad), Err(Aside::BadFrameCheck));
}

#[test]
fn frames_in_an_aggregate_are_all_found() {
    let part = |packet: &[u8]| {
        let length = u16::try_from(packet.len() + 8).unwrap().to_be_bytes();
        bytes(&[&[6; 6], &[5; 6], &length, &SNAP, packet])
    };
    let first = part(&raw_v4());
    let padding = vec![0; first.len().next_multiple_of(4) - first.len()];
    let mut arp = part(&raw_v4());
    arp[20..22].copy_from_slice(&[8, 6]);
    let frame = bytes(&[&wlan(0x88, 1, &[0x80, 0]), &first, &padding, &arp, &padding, &part(&raw_v4())]);
    let length = u32::try_from(frame.len()).unwrap();
    let mut opened = super::DECODER.open(LinkType::from_number(105), &frame, length);
    assert_eq!(opened.segment().map(|segment| segment.payload), Ok(&b"payload"[..]));
    assert!(opened.advance());
    assert_eq!(opened.segment(), Err(Aside::NotIp));
    assert!(opened.advance());
    assert_eq!(opened.segment().map(|segment| segment.link.macs), Ok(Some(([5; 6], [6; 6]))));
    assert!(!opened.advance());
}

#[test]
fn what_cannot_be_read_has_its_reason() {
    let reason = |link_type, header: &[u8]| whole(link_type, &bytes(&[header, &raw_v4()])).unwrap_err();
    assert_eq!(reason(1, &ethernet(&[0x88, 0xe5])), Aside::Macsec);
    assert_eq!(reason(105, &wlan(0x08, 0x41, &SNAP)), Aside::EncryptedWlan);
    assert_eq!(reason(105, &wlan(0x08, 0x05, &SNAP)), Aside::WlanFragment);
    assert_eq!(reason(105, &wlan(0x48, 0x01, &SNAP)), Aside::NotIp);
    assert_eq!(reason(105, &wlan(0x80, 0, &SNAP)), Aside::NotIp);
    assert_eq!(reason(1, &ethernet(&[8, 6])), Aside::NotIp);
    assert_eq!(reason(239, &[2, 0, 0, 0, 3, 0, 10, 0]), Aside::NotIp);
}

#[test]
fn chains_of_headers_end() {
    let tags = |number| bytes(&[&ethernet(&[]), &[0x81, 0, 0, 1].repeat(number), &[8, 0], &raw_v4()]);
    expect(1, &tags(30));
    assert_eq!(whole(1, &tags(31)), Err(Aside::TooManyHeaders));
    let labels = bytes(&[&ethernet(&[0x88, 0x47]), &[0; 60_000]]);
    assert_eq!(whole(1, &labels), Err(Aside::TooManyHeaders));
}

#[test]
fn a_jumbogram_ends_where_its_option_says() {
    let tcp = &raw_v6()[40..];
    let mut packet = raw_v6()[..40].to_vec();
    packet[4..7].fill(0);
    let length = u8::try_from(tcp.len() + 8).unwrap();
    packet.extend([6, 0, 0xc2, 4, 0, 0, 0, length]);
    packet.extend(tcp);
    packet.extend(b"padding");
    expect(229, &packet);
}

#[test]
fn options_that_are_none_void_the_packet() {
    let with = |options: &[u8]| {
        let mut packet = raw_v4();
        packet[0] = 0x45 + u8::try_from(options.len() / 4).unwrap();
        packet[3] += u8::try_from(options.len()).unwrap();
        packet.splice(20..20, options.iter().copied());
        packet
    };
    expect(101, &with(&[1, 7, 3, 4]));
    expect(101, &with(&[0, 99, 0, 0]));
    assert_eq!(whole(101, &with(&[7, 0, 0, 0])), Err(Aside::BadIpHeader));
    assert_eq!(whole(101, &with(&[7, 5, 0, 0])), Err(Aside::BadIpHeader));
    assert_eq!(whole(101, &with(&[1, 1, 1, 7])), Err(Aside::BadIpHeader));
}
