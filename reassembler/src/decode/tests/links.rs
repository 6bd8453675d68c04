//! What every header of a link leads to, whole and cut short.

use super::rows::{SNAP, bytes, ethernet, headers, radiotap, raw_v4, wlan};
use super::{Aside, LinkType, expect, whole};

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
fn trailers_of_a_link_are_never_payload() {
    for (link_type, _, header) in headers() {
        // What a switch, a tap or a card leaves at the end of a frame.
        expect(link_type, &bytes(&[&header, &raw_v4(), &[0xee; 30]]));
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
    let bridged = bytes(&[&[0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0, 1, 0, 0], &ethernet(&[8, 0]), &packet]);
    expect(100, &bytes(&[&bridged, &[1, 2, 3, 4]]));
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
