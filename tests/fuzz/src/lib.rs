//! What the targets that take packets apart share: packets around hostile bytes, and what must hold of any frame.

use proto::plan::Separation;
use reassembler::decode::{Aside, Decoder, LinkType, Segment};

/// The link type whose frames begin with an IP packet.
pub const RAW: u32 = 101;

/// As the default of the command line has it.
pub const DECODER: Decoder = Decoder { tunnels: true, separation: Separation::Tunnel };

/// Which part of a frame was captured, as two bytes of input choose it.
#[derive(Debug, Clone, Copy)]
pub struct Snap {
    kept: u8,
    beyond: u8,
}

impl Snap {
    /// Takes the choice off the input.
    pub fn split(input: &[u8]) -> Option<(Self, &[u8])> {
        let (&[kept, beyond], rest) = input.split_first_chunk()?;
        Some((Self { kept, beyond }, rest))
    }
}

/// Sees that what a frame is decoded to lies within it, and that cutting it shorter loses nothing but payload.
pub fn check(link_type: u32, frame: &[u8], snap: Snap) {
    let original = u32::try_from(frame.len()).unwrap().saturating_add(snap.beyond.into());
    let link_type = LinkType::from_number(link_type);
    let announced = link_type.announcement(frame, original, false);
    assert!(announced.is_none_or(|network| network.ssid.len() <= 32));
    assert!(announced.is_some() || link_type.announcement(frame, original, true).is_none());
    let mut opened = DECODER.open(link_type, frame, original);
    let whole = opened.segment();
    check_within(whole, frame, original);
    while opened.advance() {
        check_within(opened.segment(), frame, original);
    }
    let cut = frame.get(..snap.kept.into()).unwrap_or(frame);
    if let Ok(cut) = DECODER.open(link_type, cut, original).segment() {
        check_same(cut, whole.expect("more bytes make no worse frame"));
    }
    let shut = Decoder { tunnels: false, ..DECODER };
    if let Ok(plain) = shut.open(link_type, frame, original).segment() {
        assert_eq!(Ok(plain), whole, "what is found without opening tunnels is what is found");
    }
}

fn check_within(found: Result<Segment<'_>, Aside>, frame: &[u8], original: u32) {
    let Ok(Segment { payload, cut, .. }) = found else { return };
    assert!(frame.as_ptr_range().contains(&payload.as_ptr()) || payload.is_empty());
    assert!(payload.len() <= frame.len());
    assert!(length(payload, cut) <= u64::from(original), "no more than was on the wire");
}

/// The same segment, of which fewer bytes were captured.
fn check_same(cut: Segment<'_>, whole: Segment<'_>) {
    assert!(whole.payload.starts_with(cut.payload));
    assert_eq!(length(cut.payload, cut.cut), length(whole.payload, whole.cut), "what is missing is counted");
    assert_eq!(Segment { payload: whole.payload, cut: whole.cut, ..cut }, whole);
}

fn length(payload: &[u8], cut: u32) -> u64 {
    u64::try_from(payload.len()).unwrap() + u64::from(cut)
}

/// An IP packet of this protocol.
pub fn packet(v6: bool, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; if v6 { 40 } else { 20 }];
    let length = |header: usize| u16::try_from(header + payload.len()).unwrap_or(0).to_be_bytes();
    if v6 {
        packet[0] = 0x60;
        packet[4..6].copy_from_slice(&length(0));
        packet[6] = protocol;
    } else {
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&length(20));
        packet[9] = protocol;
    }
    packet.extend_from_slice(payload);
    packet
}

/// A UDP datagram to this port.
pub fn datagram(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).unwrap_or(0);
    let header: Vec<u8> = [50_000, port, length, 0].into_iter().flat_map(u16::to_be_bytes).collect();
    [&header, payload].concat()
}
