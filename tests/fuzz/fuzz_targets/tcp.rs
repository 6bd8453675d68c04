//! Hostile bytes as a TCP segment, of which a second reader takes the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reassembler::decode::{Aside, LinkType};
use tcpflow_fuzz::{DECODER, RAW, Snap, check, packet};

const TCP: u8 = 6;

/// Where the payload begins, if the header is one.
fn header_length(segment: &[u8]) -> Result<usize, Aside> {
    let offset = segment.get(12).filter(|_| segment.len() >= 20).ok_or(Aside::TruncatedTcpHeader)?;
    match usize::from(offset >> 4) * 4 {
        0..20 => Err(Aside::BadTcpHeader),
        length if length > segment.len() => Err(Aside::TruncatedTcpHeader),
        length => Ok(length),
    }
}

/// The shift count of the first window scale option (RFC 7323, 2.2) that is one.
fn window_scale(options: &[u8]) -> u8 {
    match options {
        [3, 3, shift, ..] => (*shift).min(14),
        [1, rest @ ..] => window_scale(rest),
        [0, ..] => 0,
        [_, length, ..] if *length >= 2 => options.get(usize::from(*length)..).map_or(0, window_scale),
        _ => 0,
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    let Some((snap, bytes)) = Snap::split(rest) else { return };
    let frame = packet(choice & 1 != 0, TCP, bytes);
    check(RAW, &frame, snap);
    let length = u32::try_from(frame.len()).unwrap();
    let found = DECODER.open(LinkType::from_number(RAW), &frame, length).segment();
    match (header_length(bytes), found) {
        (Err(reason), found) => assert_eq!(found, Err(reason)),
        (Ok(header), found) => {
            let segment = found.expect("a segment");
            assert_eq!(segment.payload, &bytes[header..]);
            assert_eq!(segment.sequence.to_be_bytes(), bytes[4..8]);
            let syn = bytes[13] & 2 != 0;
            assert_eq!((segment.syn, segment.rst), (syn, bytes[13] & 4 != 0));
            let scale = if syn { window_scale(&bytes[20..header]) } else { 0 };
            assert_eq!(segment.window_scale, scale);
        }
    }
});
