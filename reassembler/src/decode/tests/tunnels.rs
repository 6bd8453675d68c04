//! What every tunnel leads to, whole, cut short and shut.

use proto::plan::Separation;

use super::super::Overlay;
use super::rows::{MACS, frame, ip, raw_v4, tunnels, udp};
use super::{Aside, DECODER, Decoder, LinkType, expect, whole};

#[test]
fn every_tunnel_leads_to_its_segment() {
    for (name, packet, _) in tunnels() {
        let result = whole(101, &packet);
        assert!(result.is_ok(), "{name}: {result:?}");
        assert_ne!(expect(101, &packet).overlay, Overlay::default(), "{name}");
    }
}

/// Recorded from two Linux hosts that a VXLAN device connects.
const RECORDED: [u8; 123] = [
    0xb2, 0xed, 0x14, 0x2f, 0x16, 0xae, 0x0a, 0x10, 0x72, 0x66, 0x86, 0x76, 8, 0, 0x45, 0, 0, 0x6d, 0xc2,
    0x2b, 0, 0, 0x40, 0x11, 0x34, 0x51, 0xc0, 0, 2, 1, 0xc0, 0, 2, 2, 0xeb, 0x85, 0x12, 0xb5, 0, 0x59, 0xcf,
    0xfa, 8, 0, 0, 0, 0, 0, 0x2a, 0, 0xb6, 0x3b, 0x3e, 0x11, 0x2c, 0xe4, 0x7e, 0xe1, 0x87, 0xe4, 0x5f, 0x49,
    8, 0, 0x45, 0, 0, 0x3b, 0xdc, 0xa8, 0x40, 0, 0x40, 6, 0x4a, 4, 0x0a, 7, 0, 1, 0x0a, 7, 0, 2, 4, 0xd2, 0,
    0x50, 0xaa, 0x8b, 0x1b, 0xbd, 0x96, 0x32, 0x83, 0x8d, 0x80, 0x18, 0, 0x40, 0x14, 0x3e, 0, 0, 1, 1, 8,
    0x0a, 0x2e, 0xcb, 0xe8, 0x58, 0x92, 0xe1, 0xa3, 0x56, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64,
];

#[test]
fn a_recorded_vxlan_frame() {
    let segment = whole(1, &RECORDED).unwrap();
    assert_eq!((segment.payload, segment.key.destination_port), (&b"payload"[..], 80));
    assert_eq!(segment.key.source, std::net::IpAddr::from([10, 7, 0, 1]));
    assert_eq!(segment.link.macs.map(|(source, _)| source[0]), Some(0x7e), "the inner frame's");
}

#[test]
fn every_tunnel_cut_short_has_a_reason() {
    for (name, packet, _) in tunnels() {
        for kept in 0..packet.len() - 7 {
            let cut = whole(101, &packet[..kept]);
            assert!(cut.is_err(), "{name} at {kept}: {cut:?}");
        }
        for kept in packet.len() - 7..packet.len() {
            let length = u32::try_from(packet.len()).unwrap();
            let segment = super::segment(101, &packet[..kept], length).unwrap();
            assert_eq!(usize::try_from(segment.cut).unwrap(), packet.len() - kept, "{name}");
        }
    }
}

#[test]
fn trailers_of_the_outer_link_are_never_payload() {
    for (_, packet, _) in tunnels() {
        expect(1, &[&MACS.1[..], &MACS.0, &[8, 0], &packet, &[0xee; 30]].concat());
    }
}

#[test]
fn padding_of_the_inner_frame_is_never_payload() {
    let padded = [&frame()[..], &[0; 30]].concat();
    expect(101, &udp(1, 4789, &[&[8, 0, 0, 0, 0, 0, 42, 0][..], &padded].concat()));
    expect(101, &ip(47, &[&[0, 0, 0x65, 0x58][..], &padded].concat()));
}

#[test]
fn without_decap_none_is_opened() {
    let decoder = Decoder { tunnels: false, ..DECODER };
    for (name, packet, _) in tunnels() {
        let length = u32::try_from(packet.len()).unwrap();
        let result = decoder.open(LinkType::from_number(101), &packet, length).segment();
        assert_eq!(result, Err(Aside::NotTcp), "{name}");
    }
}

#[test]
fn no_bytes_of_the_inside_are_taken_on_trust() {
    for (name, packet, inner) in tunnels() {
        let mut spoilt = packet.clone();
        let start = packet.len() - inner;
        spoilt[start..].fill(0xee);
        assert!(whole(101, &spoilt).is_err(), "{name}");
    }
    // A port says nothing if what comes is no tunnel.
    for port in [4789, 8472, 4790, 6081, 2152, 4754, 5072, 3544] {
        assert!(whole(101, &udp(1, port, &[0xff; 90])).is_err(), "{port}");
        assert!(whole(101, &udp(1, port, &[0; 3])).is_err(), "{port}");
    }
}

#[test]
fn networks_with_the_same_addresses_are_told_apart() {
    let vxlan = |network| udp(1, 4789, &[&[8, 0, 0, 0, 0, 0, network, 0][..], &frame()].concat());
    let overlay = |packet: &[u8], separation| {
        let decoder = Decoder { separation, ..DECODER };
        let length = u32::try_from(packet.len()).unwrap();
        decoder.open(LinkType::from_number(101), packet, length).segment().unwrap().overlay
    };
    let geneve = udp(1, 6081, &[&[0, 0, 8, 0, 0, 0, 1, 0][..], &raw_v4()].concat());
    let keyless = udp(1, 6081, &[&[0, 0, 8, 0, 0, 0, 1, 0][..], &ip(4, &raw_v4())].concat());
    let by_tunnel = |packet: &[u8]| overlay(packet, Separation::Tunnel);
    assert_eq!(by_tunnel(&vxlan(1)), by_tunnel(&vxlan(1)));
    assert_ne!(by_tunnel(&vxlan(1)), by_tunnel(&vxlan(2)));
    assert_ne!(by_tunnel(&vxlan(1)), by_tunnel(&geneve));
    assert_eq!(by_tunnel(&keyless), by_tunnel(&geneve), "a tunnel without identifier hides none");
    assert_eq!(overlay(&vxlan(1), Separation::Addresses), by_tunnel(&raw_v4()));
}

#[test]
fn vlans_are_told_apart_when_asked_for() {
    let overlay = |tag: u8, priority: u8, separation| {
        let frame = [&MACS.1[..], &MACS.0, &[0x81, 0, priority, tag, 8, 0], &raw_v4()].concat();
        let length = u32::try_from(frame.len()).unwrap();
        Decoder { separation, ..DECODER }
            .open(LinkType::from_number(1), &frame, length)
            .segment()
            .unwrap()
            .overlay
    };
    assert_eq!(overlay(1, 0, Separation::Tunnel), overlay(2, 0, Separation::Tunnel));
    assert_ne!(overlay(1, 0, Separation::Vlan), overlay(2, 0, Separation::Vlan));
    assert_eq!(
        overlay(1, 0, Separation::Vlan),
        overlay(1, 0xe0, Separation::Vlan),
        "priority is not the VLAN"
    );
}

#[test]
fn nesting_ends() {
    let nested = |depth| (0..depth).fold(raw_v4(), |inner, _| ip(4, &inner));
    expect(101, &nested(8));
    assert_eq!(whole(101, &nested(9)), Err(Aside::NestedTooDeep));
}
