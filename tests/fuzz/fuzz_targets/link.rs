//! Frames of any link type: its number in two bytes, two that choose how much was captured, and the frame. Every
//! parser of packets is reached from here.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcpflow_fuzz::{Snap, check};

fuzz_target!(|input: &[u8]| {
    let Some((&link_type, rest)) = input.split_first_chunk() else { return };
    let Some((snap, frame)) = Snap::split(rest) else { return };
    check(u16::from_le_bytes(link_type).into(), frame, snap);
});
