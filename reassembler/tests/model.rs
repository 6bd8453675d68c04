//! Random segments against a byte map: first copy wins (or the last, where that was asked for), wherever
//! in the sequence space the stream begins, in whatever order segments come, with or without the SYN, and with
//! however little room for holes.
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

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use proptest::prelude::*;
use proto::flow::FlowEnding;
use proto::plan::{Overlap, ReassemblerPlan};
use support::{Capture, ETHERNET, Tcp, client, plan, run};

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

/// How far apart bytes may lie that have little room for holes between them. Below it, no flow is moved more often
/// than it may be.
const SPARSE: u32 = 20_000;

/// A file in the making: its bytes, and whether it begins with a SYN, which is at offset 0.
#[derive(Debug, Default)]
struct File {
    bytes: BTreeMap<u32, u8>,
    syn: bool,
    expected: Option<u32>,
}

impl File {
    fn range(&self) -> Range<u32> {
        let first = self.bytes.keys().next().copied().unwrap_or(0);
        let end = self.bytes.keys().next_back().map_or(0, |last| last + 1);
        if self.syn { 0..end } else { first..end }
    }

    fn holes(&self) -> u64 {
        (self.range().len() - self.bytes.len()) as u64
    }

    /// Bytes between the file and a piece outside of it.
    fn hole_to(&self, piece: &Piece) -> u64 {
        let range = self.range();
        if range.is_empty() && !self.syn {
            return 0;
        }
        let end = piece.offset + piece.bytes.len() as u32;
        u64::from(range.start.saturating_sub(end) + piece.offset.saturating_sub(range.end))
    }

    fn contents(&self) -> Vec<u8> {
        self.range().map(|at| self.bytes.get(&at).copied().unwrap_or(0)).collect()
    }
}

/// The files that pieces make when each may have `max_hole` bytes of holes, all of them eight times as many, and
/// each and all 256 more for every byte.
fn files(pieces: &[Piece], syn: bool, max_hole: u64) -> Vec<File> {
    let mut files = vec![File { syn, expected: syn.then_some(0), ..File::default() }];
    let mut payload = 0;
    for piece in pieces {
        payload += piece.bytes.len() as u64;
        let holes: u64 = files.iter().map(File::holes).sum();
        let file = files.last().unwrap();
        if piece.bytes.len() == 1 && file.expected == Some(piece.offset + 1) {
            continue; // a keep-alive
        }
        let more = file.hole_to(piece);
        let of_flow = max_hole + 256 * file.bytes.len() as u64;
        let of_run = 8 * max_hole + 256 * payload;
        if more > 0 && (file.holes() + more > of_flow || holes + more > of_run) {
            files.push(File::default());
        }
        let file = files.last_mut().unwrap();
        for (at, byte) in (piece.offset..).zip(&piece.bytes) {
            file.bytes.entry(at).or_insert(*byte);
        }
        file.expected = Some(piece.offset + piece.bytes.len() as u32);
    }
    files
}

fn sparse_pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = (0..SPARSE, prop::collection::vec(any::<u8>(), 1..12));
    prop::collection::vec(piece.prop_map(|(offset, bytes)| Piece { offset, bytes }), 1..40)
}

proptest! {
    #[test]
    fn holes_are_bounded_and_nothing_is_lost(
        isn: u32, pieces in sparse_pieces(), syn: bool, max_hole in 0_u64..8000,
    ) {
        let plan = ReassemblerPlan { max_hole, ..plan() };
        let mut segments: Vec<Tcp> = Vec::new();
        if syn {
            segments.push(client(isn, "S", b""));
        }
        for piece in &pieces {
            segments.push(client(isn.wrapping_add(1).wrapping_add(piece.offset), "P", &piece.bytes));
        }
        let output = run(&plan, &segments);
        let files = files(&pieces, syn, max_hole);
        let contents: Vec<Vec<u8>> = files.iter().map(File::contents).collect();
        prop_assert_eq!(output.files(), contents);
        let ended = output.flows.iter().filter(|flow| flow.ending() == FlowEnding::MaxHole).count();
        prop_assert_eq!(ended, files.len() - 1);
        prop_assert_eq!(output.totals.holes.flows_ended, ended as u64);
        prop_assert_eq!(output.totals.holes.bytes, files.iter().map(File::holes).sum::<u64>());
    }

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

    /// What the snap length cut off and nothing else brought is told from what was lost, byte by byte.
    #[test]
    fn what_was_cut_off_is_told_from_what_was_lost(
        isn: u32,
        pieces in prop::collection::vec((0_u32..200, 2_usize..60, 0_usize..60), 1..8),
    ) {
        let mut capture = Capture::new(&plan(), ETHERNET);
        capture.tcp(&client(isn, "S", b""));
        let (mut there, mut cut) = (BTreeSet::new(), BTreeSet::new());
        for (offset, length, kept) in pieces {
            let frame = client(isn.wrapping_add(1).wrapping_add(offset), "", &vec![7; length]).frame();
            let kept = kept.min(length);
            capture.raw(&frame, frame.len() - (length - kept));
            there.extend(offset..offset + kept as u32);
            cut.extend(offset + kept as u32..offset + length as u32);
        }
        let output = capture.end();
        let close = output.flows[0].close.as_ref().unwrap();
        let reach = there.union(&cut).max().unwrap() + 1;
        let cut: BTreeSet<u32> = cut.difference(&there).copied().collect();
        prop_assert_eq!(close.cut, cut.len() as u64);
        prop_assert_eq!(close.missing, u64::from(reach) - (there.len() + cut.len()) as u64);
        for run in &close.missing_runs.first {
            let range = u32::try_from(run.offset).unwrap()..u32::try_from(run.offset + run.length).unwrap();
            prop_assert_eq!(run.cut, cut.range(range).count() as u64);
        }
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
