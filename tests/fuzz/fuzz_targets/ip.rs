//! IP headers: hostile bytes as a packet, or a sound chain of IPv6 extension headers that must lead to its segment.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reassembler::decode::LinkType;
use tcpflow_fuzz::{DECODER, RAW, Snap, check, packet};

const TCP: u8 = 6;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// Ports 1 to 2, sequence number 3, ACK.
const SEGMENT: [u8; 27] = *b"\0\x01\0\x02\0\0\0\x03\0\0\0\0\x50\x10\0\x09\0\0\0\0payload";

/// The chain that the bytes describe, two a header: its kind, and its length in units of eight bytes beyond the first.
fn chain(description: &[u8]) -> Vec<u8> {
    let headers: Vec<(u8, usize)> = description
        .as_chunks()
        .0
        .iter()
        .enumerate()
        .map(|(at, &[kind, length])| {
            let kind = match kind % 5 {
                // Only the first may be.
                0 if at == 0 => HOP_BY_HOP,
                1 => ROUTING,
                2 => FRAGMENT,
                3 => AUTHENTICATION,
                _ => DESTINATION,
            };
            let length = usize::from(length % 16);
            let length = match kind {
                FRAGMENT => 0,
                // It has twelve bytes at least.
                AUTHENTICATION => length.max(1),
                _ => length,
            };
            (kind, length)
        })
        .collect();
    let mut bytes = Vec::new();
    for (at, (kind, length)) in headers.iter().enumerate() {
        let next = headers.get(at + 1).map_or(TCP, |(kind, _)| *kind);
        // That of an authentication header is in units of four bytes, beyond the first two.
        let stated = if *kind == AUTHENTICATION { length * 2 } else { *length };
        let end = bytes.len() + 8 * (length + 1);
        bytes.extend([next, u8::try_from(stated).unwrap()]);
        bytes.resize(end, 0);
    }
    bytes.extend(SEGMENT);
    packet(true, headers.first().map_or(TCP, |(kind, _)| *kind), &bytes)
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    let Some((snap, bytes)) = Snap::split(rest) else { return };
    if choice & 1 == 0 {
        return check(RAW, bytes, snap);
    }
    let described = bytes.get(..100).unwrap_or(bytes);
    let mut frame = chain(described);
    // A trailer of the link.
    frame.extend(&bytes[described.len()..]);
    check(RAW, &frame, snap);
    let length = u32::try_from(frame.len()).unwrap();
    let segment = DECODER.open(LinkType::from_number(RAW), &frame, length).segment().expect("a sound chain");
    assert_eq!((segment.sequence, segment.payload, segment.cut), (3, &b"payload"[..], 0));
});
