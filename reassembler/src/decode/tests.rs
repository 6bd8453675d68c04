use std::net::IpAddr;

use etherparse::{LinuxSllHeader, LinuxSllPacketType, LinuxSllProtocolType, PacketBuilder, VlanId};

use proptest::prelude::*;

use proto::plan::Separation;

use super::{Aside, Decoder, LinkType, Segment};

mod ip;
mod links;
mod rows;
mod tunnels;

use rows::{MACS, V4, V6, built, raw_v4, raw_v6};

const DECODER: Decoder = Decoder { tunnels: true, separation: Separation::Tunnel };

/// The first segment of a frame.
fn segment(link_type: u32, captured: &[u8], original: u32) -> Result<Segment<'_>, Aside> {
    DECODER.open(LinkType::from_number(link_type), captured, original).segment()
}

fn whole(link_type: u32, frame: &[u8]) -> Result<Segment<'_>, Aside> {
    segment(link_type, frame, frame.len().try_into().unwrap())
}

/// Decodes what should be the segment that `built!` makes.
fn expect(link_type: u32, frame: &[u8]) -> Segment<'_> {
    let segment = whole(link_type, frame).unwrap();
    assert_eq!((segment.key.source_port, segment.key.destination_port), (1234, 80));
    assert_eq!((segment.sequence, segment.acknowledgment, segment.window), (77, Some(5), 1000));
    assert_eq!((segment.payload, segment.cut), (&b"payload"[..], 0));
    assert!(!segment.syn && !segment.fin && !segment.rst);
    let [v4, v6] = [IpAddr::from(V4.0), IpAddr::from(V6.0)];
    assert!([v4, v6].contains(&segment.key.source));
    segment
}

fn with_header(header: &[u8], packet: &[u8]) -> Vec<u8> {
    [header, packet].concat()
}

#[test]
fn ethernet() {
    let frame = built!(PacketBuilder::ethernet2(MACS.0, MACS.1).ipv4(V4.0, V4.1, 64));
    let segment = expect(1, &frame);
    assert_eq!((segment.link.macs, segment.link.vlan), (Some(MACS), None));
    expect(1, &built!(PacketBuilder::ethernet2(MACS.0, MACS.1).ipv6(V6.0, V6.1, 64)));
}

#[test]
fn vlan_tags_of_any_kind_and_number() {
    let id = |id| VlanId::try_new(id).unwrap();
    let single = built!(PacketBuilder::ethernet2(MACS.0, MACS.1).single_vlan(id(7)).ipv4(V4.0, V4.1, 64));
    assert_eq!(expect(1, &single).link.vlan, Some(7));
    let double =
        built!(PacketBuilder::ethernet2(MACS.0, MACS.1).double_vlan(id(5), id(6)).ipv6(V6.0, V6.1, 64));
    let link = expect(1, &double).link;
    assert_eq!((link.vlan, link.innermost_vlan), (None, Some(6)), "named is 802.1Q, and that only outermost");
    let tags = [0x91, 0, 0, 1, 0x88, 0xa8, 0, 2, 0x81, 0, 0, 3, 0x81, 0, 0xa0, 4, 8, 0];
    let four = [&[0; 12], &tags[..], &raw_v4()].concat();
    let link = expect(1, &four).link;
    assert_eq!((link.vlan, link.innermost_vlan), (None, Some(0xa004)));
    let tags = [0x81, 0, 0xe0, 0x2a, 0x88, 0xa8, 0, 6, 8, 0];
    let two = [&[0; 12], &tags[..], &raw_v4()].concat();
    let link = expect(1, &two).link;
    assert_eq!(
        (link.vlan, link.innermost_vlan),
        (Some(0xe02a), Some(6)),
        "priority is part of tcpflow's name"
    );
}

#[test]
fn raw_ip() {
    for link_type in [12, 14, 101, 228] {
        expect(link_type, &raw_v4());
    }
    for link_type in [12, 14, 101, 229] {
        expect(link_type, &raw_v6());
    }
}

#[test]
fn loopback_of_any_system() {
    for family in [[2, 0, 0, 0], [0, 0, 0, 2], [30, 0, 0, 0]] {
        expect(0, &with_header(&family, &raw_v4()));
        expect(108, &with_header(&family, &raw_v6()));
    }
}

#[test]
fn ppp() {
    expect(9, &with_header(&[0xff, 3, 0, 0x21], &raw_v4()));
    expect(50, &with_header(&[0xff, 3, 0, 0x57], &raw_v6()));
    expect(9, &with_header(&[0x21], &raw_v4()));
    expect(51, &with_header(&[0x11, 0, 0, 1, 0, 60, 0, 0x21], &raw_v4()));
    assert_eq!(whole(9, &[0xff, 3, 0xc0, 0x21, 1]), Err(Aside::NotIp));
}

#[test]
fn linux_cooked() {
    let header = LinuxSllHeader {
        packet_type: LinuxSllPacketType::OUTGOING,
        arp_hrd_type: etherparse::ArpHardwareId::ETHERNET,
        sender_address_valid_length: 6,
        sender_address: [0; 8],
        protocol_type: LinuxSllProtocolType::EtherType(etherparse::EtherType::IPV4),
    };
    expect(113, &with_header(&header.to_bytes(), &raw_v4()));
    let mut second = vec![0x86, 0xdd];
    second.resize(20, 0);
    expect(276, &with_header(&second, &raw_v6()));
}

#[test]
fn padding_is_never_payload() {
    let mut frame = built!(PacketBuilder::ethernet2(MACS.0, MACS.1).ipv4(V4.0, V4.1, 64));
    frame.extend([0; 9]);
    expect(1, &frame);
    let mut frame = built!(PacketBuilder::ethernet2(MACS.0, MACS.1).ipv6(V6.0, V6.1, 64));
    frame.extend([0; 9]);
    expect(1, &frame);
}

#[test]
fn a_length_of_zero_means_as_captured() {
    let mut packet = raw_v4();
    packet[2..4].fill(0);
    expect(101, &packet);
    let mut packet = raw_v6();
    packet[4..6].fill(0);
    expect(101, &packet);
}

#[test]
fn no_claimed_length_reaches_beyond_what_was_captured() {
    let mut packet = raw_v4();
    packet[2..4].fill(0xff);
    expect(101, &packet);
    let mut packet = raw_v6();
    packet[4..6].fill(0xff);
    expect(101, &packet);
}

#[test]
fn what_the_snap_length_cut_off_is_told() {
    let packet = raw_v4();
    for kept in 40..=packet.len() {
        let segment = segment(101, &packet[..kept], 47).unwrap();
        assert_eq!(segment.payload, &b"payload"[..kept - 40]);
        assert_eq!(usize::try_from(segment.cut).unwrap(), 47 - kept);
    }
    // The frame claims more than the packet: the rest would have been padding.
    assert_eq!(segment(101, &packet[..42], u32::MAX).unwrap().cut, 5);
    // The packet claims more than the frame: those bytes never were.
    let mut liar = packet;
    liar[2..4].fill(0xff);
    assert_eq!(segment(101, &liar[..42], 47).unwrap().cut, 5);
}

#[test]
fn every_cut_of_a_frame_is_a_segment_or_has_a_reason() {
    let id = VlanId::try_new(1).unwrap();
    let frame = built!(PacketBuilder::ethernet2(MACS.0, MACS.1).single_vlan(id).ipv6(V6.0, V6.1, 64));
    for kept in 0..frame.len() {
        let expected = match kept {
            0..18 => Err(Aside::TruncatedLinkHeader),
            18..58 => Err(Aside::TruncatedIpHeader),
            58..78 => Err(Aside::TruncatedTcpHeader),
            _ => Ok(kept - 78),
        };
        assert_eq!(whole(1, &frame[..kept]).map(|segment| segment.payload.len()), expected, "{kept}");
    }
}

/// An IPv6 packet with a fragment header that holds this offset and flag.
fn fragmented_v6(offset_and_more: u8) -> Vec<u8> {
    let mut packet = raw_v6()[..40].to_vec();
    packet[5] = 35;
    packet[6] = 44;
    packet.extend([6, 0, 0, offset_and_more, 0, 0, 0, 9]);
    packet.extend(&raw_v6()[40..]);
    packet
}

#[test]
fn only_an_atomic_fragment_is_all_of_its_packet() {
    let mut fragment = raw_v4();
    fragment[6] = 0x20;
    assert_eq!(whole(101, &fragment), Err(Aside::Ipv4Fragment));
    assert_eq!(whole(229, &fragmented_v6(1)), Err(Aside::Ipv6Fragment));
    expect(229, &fragmented_v6(0));
}

#[test]
fn reasons() {
    let mut fragment = raw_v4();
    fragment[7] = 1;
    assert_eq!(whole(101, &fragment), Err(Aside::Ipv4Fragment));
    assert_eq!(whole(101, &fragmented_v6(8)), Err(Aside::Ipv6Fragment));
    let mut udp = Vec::new();
    PacketBuilder::ipv4(V4.0, V4.1, 64).udp(1, 2).write(&mut udp, b"x").unwrap();
    assert_eq!(whole(101, &udp), Err(Aside::NotTcp));
    let mut contradiction = raw_v4();
    contradiction[0] = 0x44;
    assert_eq!(whole(101, &contradiction), Err(Aside::BadIpHeader));
    let mut short = raw_v4();
    short[3] = 19;
    assert_eq!(whole(101, &short), Err(Aside::BadIpHeader));
    let mut offset = raw_v4();
    offset[32] = 0x40;
    assert_eq!(whole(101, &offset), Err(Aside::BadTcpHeader));
    assert_eq!(whole(101, &[0x50]), Err(Aside::BadIpHeader));
    assert_eq!(whole(1, &[0; 60]), Err(Aside::NotIp));
    assert_eq!(whole(147, &raw_v4()), Err(Aside::UnknownLinkType));
}

#[test]
fn the_window_scale_is_read_from_a_syn_and_is_at_most_14() {
    let scaled = |options: &[u8]| {
        let mut packet = Vec::new();
        let syn = PacketBuilder::ipv4(V4.0, V4.1, 64).tcp(1, 2, 3, 4).syn();
        syn.options_raw(options).unwrap().write(&mut packet, b"").unwrap();
        whole(101, &packet).unwrap().window_scale
    };
    assert_eq!((scaled(&[3, 3, 7]), scaled(&[3, 3, 200])), (7, 14));
    let signed = [&[19, 18][..], &[0; 16], &[2, 4, 5, 0xb4, 1, 3, 3, 7]].concat();
    assert_eq!(scaled(&signed), 7, "after an option of another kind");
    for none in [&[][..], &[3, 4, 7, 7], &[0, 0, 0, 0, 3, 3, 7], &[9, 0, 3, 3, 7], &[9, 200, 3, 3, 7]] {
        assert_eq!(scaled(none), 0, "{none:?}");
    }
}

proptest! {
    /// Whatever comes, for whatever link type, is a segment within the frame or has a reason.
    #[test]
    fn no_frame_is_too_strange(
        link_type in 0_u32..280,
        start in prop::sample::select(vec![0_usize, 1, 2, 3]),
        noise: Vec<u8>,
        places in prop::collection::vec((0_usize..80, any::<u8>()), 0..6),
        kept in 0_usize..200,
        original: u32,
    ) {
        let mut frame = match start {
            0 => raw_v4(),
            1 => raw_v6(),
            2 => built!(PacketBuilder::ethernet2(MACS.0, MACS.1).ipv4(V4.0, V4.1, 64)),
            _ => Vec::new(),
        };
        frame.extend(noise);
        for (place, byte) in places {
            if let Some(at) = frame.get_mut(place) {
                *at = byte;
            }
        }
        frame.truncate(kept);
        if let Ok(segment) = segment(link_type, &frame, original) {
            prop_assert!(frame.as_ptr_range().contains(&segment.payload.as_ptr()) || segment.payload.is_empty());
            prop_assert!(segment.payload.len() <= frame.len());
            let sent = segment.payload.len().checked_add(usize::try_from(segment.cut).unwrap());
            prop_assert!(sent.unwrap() <= frame.len().max(usize::try_from(original).unwrap()));
        }
    }
}
