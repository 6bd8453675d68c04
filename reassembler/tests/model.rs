//! Random segments against a byte map: first copy wins (or the last, where that was asked for), wherever
//! in the sequence space the stream begins, in whatever order segments come, with or without the SYN.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails loudly is a test that works"
)]

mod support;

use std::collections::HashMap;

use proptest::prelude::*;
use proto::plan::{Overlap, ReassemblerPlan};
use support::{Tcp, client, plan, run};

/// Where the streams of the test may lie, in bytes from the SYN.
const REACH: u32 = 3000;

/// A segment to be: its offset, and its bytes, which may differ from copy to copy.
#[derive(Debug, Clone)]
struct Piece {
    offset: u32,
    bytes: Vec<u8>,
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = (0..REACH, 0_usize..400, 0_u8..3).prop_map(|(offset, length, copy)| Piece {
        offset,
        // Most copies agree, some do not.
        bytes: (offset..).take(length).map(|at| (at % 251) as u8 ^ (copy / 2)).collect(),
    });
    prop::collection::vec(piece, 1..40)
}

/// The stream as a map from offset to byte: each byte by itself, without any thought of ranges.
fn model(pieces: &[Piece], overlap: Overlap, syn: bool) -> (HashMap<u32, u8>, u64) {
    let mut stream = HashMap::new();
    let mut expected: Option<u32> = syn.then_some(0);
    let mut conflicts = 0;
    for piece in pieces.iter().filter(|piece| !piece.bytes.is_empty()) {
        if piece.bytes.len() == 1 && expected == Some(piece.offset + 1) {
            continue; // a keep-alive
        }
        for (at, byte) in (piece.offset..).zip(&piece.bytes) {
            match overlap {
                Overlap::First => conflicts += u64::from(stream.entry(at).or_insert(*byte) != byte),
                Overlap::Last => drop(stream.insert(at, *byte)),
            }
        }
        expected = Some(piece.offset + piece.bytes.len() as u32);
    }
    (stream, conflicts)
}

fn check(isn: u32, pieces: &[Piece], overlap: Overlap, syn: bool) {
    let plan = ReassemblerPlan { overlap, ..plan() };
    let mut segments: Vec<Tcp> = Vec::new();
    if syn {
        segments.push(client(isn, "S", b""));
    }
    for piece in pieces {
        segments.push(client(isn.wrapping_add(1).wrapping_add(piece.offset), "P", &piece.bytes));
    }
    let output = run(&plan, &segments);
    let (stream, conflicts) = model(pieces, overlap, syn);
    if stream.is_empty() {
        assert!(output.flows.iter().all(|flow| flow.bytes.is_empty()));
        return;
    }
    let start = if syn { 0 } else { *stream.keys().min().unwrap() };
    let end = stream.keys().max().unwrap() + 1;
    let file: Vec<u8> = (start..end).map(|at| stream.get(&at).copied().unwrap_or(0)).collect();
    assert_eq!(output.files(), [file]);
    let flow = &output.flows[0];
    assert_eq!(flow.conflicts, conflicts);
    let close = flow.close.as_ref().unwrap();
    assert_eq!(close.missing, u64::from(end - start) - stream.len() as u64);
    assert!(syn || flow.bytes.contains_key(&0), "a flow without SYN begins with a byte that came");
}

proptest! {
    #[test]
    fn first_copy_wins(isn: u32, pieces in pieces(), syn: bool) {
        check(isn, &pieces, Overlap::First, syn);
    }

    #[test]
    fn last_copy_wins_where_asked_for(isn: u32, pieces in pieces(), syn: bool) {
        check(isn, &pieces, Overlap::Last, syn);
    }

    #[test]
    fn the_end_of_the_sequence_space_is_no_border(below in 0..REACH, pieces in pieces(), syn: bool) {
        check(0_u32.wrapping_sub(below), &pieces, Overlap::First, syn);
    }

    /// Bytes that come are stored or set aside, whatever is sent.
    #[test]
    fn nothing_is_lost_and_nothing_made_up(
        segments in prop::collection::vec(
            (any::<u32>(), 0_usize..100, 0_usize..6, any::<bool>(), 0_u16..3), 0..60),
        near: bool,
    ) {
        let flags = ["", "P", "S", "F", "R", "SF"];
        let segments: Vec<Tcp> = segments.into_iter().map(|(seq, length, flag, from_client, port)| {
            let seq = if near { seq % 500 } else { seq };
            Tcp { client: from_client, ..client(seq, flags[flag], &vec![7; length]).ack(seq).port(port) }
        }).collect();
        let output = run(&plan(), &segments);
        let sent: usize = segments.iter().map(|segment| segment.payload.len()).sum();
        prop_assert_eq!(output.totals.payload, sent as u64);
        let stored: usize = output.flows.iter().map(|flow| flow.bytes.len()).sum();
        prop_assert_eq!(output.totals.stored, stored as u64);
        prop_assert_eq!(output.totals.segments, segments.len() as u64);
    }
}
