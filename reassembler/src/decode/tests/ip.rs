//! Headers of IP: lengths that say 0 or too much, options, chains of extension headers.

use super::rows::{raw_v4, raw_v6};
use super::{Aside, expect, segment, whole};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// The packet with these extension headers of sixteen bytes (a fragment header: eight), in their order.
fn chain(kinds: &[u8]) -> Vec<u8> {
    let mut packet = raw_v6();
    let tcp = packet.split_off(40);
    packet[6] = kinds.first().copied().unwrap_or(6);
    let following = kinds.iter().skip(1).chain([&6]);
    for (kind, &next) in kinds.iter().zip(following) {
        match *kind {
            FRAGMENT => packet.extend([next, 0, 0, 0, 0, 0, 0, 9]),
            // In units of four bytes beyond the first two.
            AUTHENTICATION => packet.extend([&[next, 2][..], &[7; 14]].concat()),
            // One unit of eight bytes beyond the first; options that are padding.
            _ => packet.extend([&[next, 1, 1, 12][..], &[0; 12]].concat()),
        }
    }
    packet.extend(tcp);
    let length = u16::try_from(packet[40..].len()).unwrap().to_be_bytes();
    packet[4..6].copy_from_slice(&length);
    packet
}

#[test]
fn every_extension_header_is_passed() {
    let all = [HOP_BY_HOP, DESTINATION, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION];
    for kind in all {
        expect(229, &chain(&[kind]));
    }
    expect(229, &chain(&all));
    // A receiver takes them in any order and number (RFC 8200, 4.1), but for the first.
    expect(229, &chain(&[DESTINATION; 500]));
    assert_eq!(whole(229, &chain(&[ROUTING, HOP_BY_HOP])), Err(Aside::BadIpHeader));
    let packet = chain(&all);
    let length = u32::try_from(packet.len()).unwrap();
    for kept in 40..packet.len() - 27 {
        assert_eq!(segment(229, &packet[..kept], length), Err(Aside::TruncatedIpHeader), "{kept}");
    }
    // What is no extension header ends the chain: here ESP.
    let mut sealed = chain(&[DESTINATION]);
    sealed[40] = 50;
    assert_eq!(whole(229, &sealed), Err(Aside::NotTcp));
}

#[test]
fn a_header_that_claims_more_than_there_is_has_a_reason() {
    for kind in [HOP_BY_HOP, ROUTING, AUTHENTICATION, DESTINATION] {
        let mut packet = chain(&[kind]);
        packet[41] = 255;
        assert_eq!(whole(229, &packet), Err(Aside::TruncatedIpHeader), "{kind}");
    }
    let mut none = chain(&[AUTHENTICATION]);
    none[41] = 0;
    assert_eq!(whole(229, &none), Err(Aside::BadIpHeader));
}

/// Segments of more than 65,535 bytes, which cards take from Linux (BIG TCP).
#[test]
fn segments_longer_than_a_packet_can_say() {
    let content = [b'x'; 100_000];
    for (link_type, mut packet, length) in [(228, raw_v4(), 2), (229, raw_v6(), 4)] {
        packet.truncate(packet.len() - 7);
        packet[length..length + 2].fill(0);
        let header = packet.len();
        packet.extend(content);
        assert_eq!(whole(link_type, &packet).unwrap().payload, content);
        let original = u32::try_from(packet.len()).unwrap();
        let cut = segment(link_type, &packet[..header + 9], original).unwrap();
        assert_eq!((cut.payload.len(), cut.cut), (9, 99_991));
    }
    let mut packet = raw_v6();
    let tcp = packet.split_off(40);
    packet[4..7].fill(0);
    let length = u32::try_from(8 + 20 + content.len()).unwrap().to_be_bytes();
    packet.extend([&[6, 0, 0xc2, 4][..], &length, &tcp[..20], &content, b"trailer"].concat());
    assert_eq!(whole(229, &packet).unwrap().payload, content);
    let original = u32::try_from(packet.len()).unwrap();
    let cut = segment(229, &packet[..77], original).unwrap();
    assert_eq!((cut.payload.len(), cut.cut), (9, 99_991), "the trailer was not cut off of it");
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
