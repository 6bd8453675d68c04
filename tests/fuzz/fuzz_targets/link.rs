//! Frames of any link type: two bytes of link type, two of length on the wire, and the frame. All layers above it
//! are reached from here: link headers, tunnels, IP, TCP.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::plan::Separation;
use reassembler::decode::{Decoder, LinkType};

fuzz_target!(|input: &[u8]| {
    let Some((&[a, b, c, d], frame)) = input.split_first_chunk::<4>() else { return };
    let link_type = LinkType::from_number(u32::from(u16::from_le_bytes([a, b])));
    let beyond = u32::from(u16::from_le_bytes([c, d]));
    let captured = u32::try_from(frame.len()).unwrap();
    let decoder = Decoder { tunnels: true, separation: Separation::Tunnel };
    let mut opened = decoder.open(link_type, frame, captured.saturating_add(beyond));
    loop {
        if let Ok(segment) = opened.segment() {
            // Payload is a part of the frame.
            let within = frame.as_ptr_range().contains(&segment.payload.as_ptr());
            assert!(within || segment.payload.is_empty());
            assert!(segment.payload.len() <= frame.len());
        }
        if !opened.advance() {
            return;
        }
    }
});
