//! Random streams against a model that knows each byte by itself, and the limits.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "a test that overflows fails"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

const FLOW: FlowId = FlowId(7);

/// What was read, gaps that follow each other as one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Read {
    Bytes(Vec<u8>),
    Gap(u64),
    End,
}

/// Reads one flow, and sees that offsets go on where they were.
#[derive(Debug, Default)]
struct Reader {
    next: u64,
    read: Vec<Read>,
}

impl Reader {
    fn note_gap(&mut self, length: u64) {
        match self.read.last_mut() {
            Some(Read::Gap(before)) => *before += length,
            _ => self.read.push(Read::Gap(length)),
        }
    }
}

impl Consumer for Reader {
    fn bytes(&mut self, flow: FlowId, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        assert_eq!((flow, offset), (FLOW, self.next));
        assert!(!bytes.is_empty());
        self.next += length(bytes);
        match self.read.last_mut() {
            Some(Read::Bytes(before)) => before.extend(bytes),
            _ => self.read.push(Read::Bytes(bytes.to_vec())),
        }
        Ok(())
    }

    fn gap(&mut self, flow: FlowId, offset: u64, length: u64) -> Result<(), Error> {
        assert_eq!((flow, offset), (FLOW, self.next));
        assert!(length > 0);
        self.next += length;
        self.note_gap(length);
        Ok(())
    }

    fn end(&mut self, flow: FlowId) -> Result<(), Error> {
        assert_eq!(flow, FLOW);
        self.read.push(Read::End);
        Ok(())
    }
}

/// Counts what is read of many flows.
#[derive(Debug, Default)]
struct Tally {
    bytes: u64,
    gaps: Vec<FlowId>,
}

impl Consumer for Tally {
    fn bytes(&mut self, _flow: FlowId, _offset: u64, bytes: &[u8]) -> Result<(), Error> {
        self.bytes += length(bytes);
        Ok(())
    }

    fn gap(&mut self, flow: FlowId, _offset: u64, _length: u64) -> Result<(), Error> {
        self.gaps.push(flow);
        Ok(())
    }

    fn end(&mut self, _flow: FlowId) -> Result<(), Error> {
        Ok(())
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::new(seconds, 0)
}

fn ordered(patience: Option<i64>) -> Ordered {
    Ordered::new(Limits { flow: 1 << 20, all: 1 << 24, patience })
}

/// What a test does to a stream; offsets are from where it began.
#[derive(Debug, Clone)]
enum Step {
    Bytes(u64, u64),
    Cut(u64, u64),
    Acknowledge(u64),
    Shift(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..300_u64, 1..40_u64).prop_map(|(at, length)| Step::Bytes(at, length)),
        1 => (0..300_u64, 1..40_u64).prop_map(|(at, length)| Step::Cut(at, length)),
        1 => (0..400_u64).prop_map(Step::Acknowledge),
        1 => (1..5_u64).prop_map(Step::Shift),
    ];
    prop::collection::vec(step, 0..60)
}

/// Each byte by itself: where it is read, whether it is there, and whether it was cut off.
#[derive(Debug, Default)]
struct Model {
    next: u64,
    there: BTreeMap<u64, u8>,
    cut: Vec<u64>,
    reader: Reader,
    late: u64,
}

impl Model {
    fn read(&mut self) {
        loop {
            if let Some(byte) = self.there.get(&self.next) {
                let byte = *byte;
                match self.reader.read.last_mut() {
                    Some(Read::Bytes(before)) => before.push(byte),
                    _ => self.reader.read.push(Read::Bytes(vec![byte])),
                }
            } else if self.cut.contains(&self.next) {
                self.reader.note_gap(1);
            } else {
                return;
            }
            self.next += 1;
        }
    }

    fn skip(&mut self, end: u64) {
        while self.next < end {
            if !self.there.contains_key(&self.next) {
                self.reader.note_gap(1);
                self.next += 1;
            }
            self.read();
        }
    }
}

proptest! {
    /// What is read is what the model reads, each byte once, whatever comes in whatever order.
    #[test]
    fn what_is_read_is_the_model(steps in steps()) {
        let (mut ordered, mut reader) = (ordered(None), Reader::default());
        let (mut model, mut moved, mut late) = (Model::default(), 0, 0);
        let mut reach = 0;
        for step in steps {
            match step {
                Step::Bytes(start, count) => {
                    // As the assembler does: only runs of bytes that were not there before.
                    let mut run: Vec<u8> = Vec::new();
                    for offset in start..=start + count {
                        if offset < start + count && !model.there.contains_key(&offset) {
                            run.push(u8::try_from(offset % 251).unwrap());
                            continue;
                        }
                        let begin = offset - length(&run);
                        for (place, byte) in (begin..).zip(&run) {
                            model.late += u64::from(place < model.next);
                            model.there.insert(place, *byte);
                        }
                        if !run.is_empty() {
                            late += ordered.bytes(FLOW, begin + moved, &run, at(0), &mut reader).unwrap();
                            model.read();
                            run.clear();
                        }
                    }
                    reach = reach.max(start + count);
                }
                Step::Cut(start, count) => {
                    model.cut.extend(start..start + count);
                    ordered.cut(FLOW, start + moved, count, at(0), &mut reader).unwrap();
                    reach = reach.max(start + count);
                }
                Step::Acknowledge(offset) => {
                    let known = |model: &Model| {
                        let cut = model.cut.iter().copied().filter(|at| *at >= model.next).min();
                        let there = model.there.range(model.next..).next().map(|(at, _)| *at);
                        cut.into_iter().chain(there).min()
                    };
                    while let Some(first) = known(&model).filter(|first| *first <= offset) {
                        model.skip(first);
                        model.read();
                    }
                    ordered.acknowledged(FLOW, offset + moved, &mut reader).unwrap();
                }
                // A flow moves only once something came of it.
                Step::Shift(by) if reach > 0 => {
                    ordered.shift(FLOW, by);
                    reader.next += by;
                    moved += by;
                }
                Step::Shift(_) => {}
            }
            model.read();
            prop_assert_eq!(&reader.read, &model.reader.read);
        }
        ordered.close(FLOW, reach + moved, &mut reader).unwrap();
        model.skip(reach);
        model.reader.read.push(Read::End);
        prop_assert_eq!(reader.read, model.reader.read);
        prop_assert_eq!(late, model.late);
        prop_assert_eq!((ordered.held, ordered.flows(), ordered.waits()), (0, 0, false));
    }
}

#[test]
fn in_order_nothing_is_held() {
    let (mut ordered, mut reader) = (ordered(None), Reader::default());
    for offset in [0, 3, 6] {
        assert_eq!(ordered.bytes(FLOW, offset, b"abc", at(0), &mut reader).unwrap(), 0);
        assert!(!ordered.waits());
    }
    assert_eq!(reader.read, [Read::Bytes(b"abcabcabc".into())]);
}

#[test]
fn what_the_receiver_has_is_not_waited_for() {
    let (mut ordered, mut reader) = (ordered(None), Reader::default());
    ordered.bytes(FLOW, 10, b"k", at(0), &mut reader).unwrap();
    ordered.bytes(FLOW, 20, b"u", at(0), &mut reader).unwrap();
    ordered.acknowledged(FLOW, 9, &mut reader).unwrap();
    assert!(reader.read.is_empty(), "the byte before the piece is not acknowledged");
    ordered.acknowledged(FLOW, 11, &mut reader).unwrap();
    assert_eq!(reader.read, [Read::Gap(10), Read::Bytes(b"k".into())]);
    assert_eq!(ordered.bytes(FLOW, 5, b"abcdef", at(0), &mut reader).unwrap(), 6, "too late");
    assert!(ordered.waits());
}

#[test]
fn live_a_hole_is_waited_for_a_second() {
    let (mut ordered, mut reader) = (ordered(Some(1)), Reader::default());
    ordered.bytes(FLOW, 10, b"k", at(5), &mut reader).unwrap();
    ordered.bytes(FLOW, 20, b"u", Timestamp::new(5, 500), &mut reader).unwrap();
    ordered.pass(Timestamp::new(5, 999_999_999), &mut reader).unwrap();
    assert!(reader.read.is_empty());
    ordered.pass(at(6), &mut reader).unwrap();
    assert_eq!(reader.read, [Read::Gap(10), Read::Bytes(b"k".into())]);
    ordered.pass(Timestamp::new(6, 500), &mut reader).unwrap();
    assert_eq!(reader.read[2..], [Read::Gap(9), Read::Bytes(b"u".into())]);
    assert!(!ordered.waits());
}

#[test]
fn a_flow_that_holds_too_much_gives_its_hole_up() {
    let limits = Limits { flow: 9_500, all: 1 << 24, patience: None };
    let (mut ordered, mut tally) = (Ordered::new(limits), Tally::default());
    for piece in 1..8 {
        ordered.bytes(FLOW, piece * 2_000, &[0; 1_000], at(0), &mut tally).unwrap();
        assert!(tally.gaps.is_empty());
    }
    ordered.bytes(FLOW, 20_000, &[0; 1_000], at(0), &mut tally).unwrap();
    assert_eq!((tally.gaps.len(), tally.bytes), (1, 1_000), "the first hole, and what it kept waiting");
}

#[test]
fn when_room_is_short_whoever_waits_longest_gives_up() {
    let limits = Limits { flow: 1 << 20, all: 20_000, patience: None };
    let (mut ordered, mut tally) = (Ordered::new(limits), Tally::default());
    for (number, time) in (0..9).zip([5, 3, 4, 6, 7, 8, 9, 10, 11]) {
        ordered.bytes(FlowId(number), 10, &[0; 1_500], at(time), &mut tally).unwrap();
    }
    assert_eq!(tally.gaps, [FlowId(1)]);
    assert!(ordered.held <= 20_000);
}

/// A stream sent backwards, byte by byte, and very many flows that each hold a segment: no work that grows
/// with what is held.
#[test]
fn no_order_of_segments_is_costly() {
    let begun = Instant::now();
    let (mut ordered, mut tally) =
        (Ordered::new(Limits { flow: 64 << 20, all: 512 << 20, patience: Some(1) }), Tally::default());
    for offset in (1..200_000).rev() {
        ordered.bytes(FLOW, offset, b"x", at(0), &mut tally).unwrap();
    }
    ordered.bytes(FLOW, 0, b"x", at(0), &mut tally).unwrap();
    assert_eq!((tally.bytes, tally.gaps.len()), (200_000, 0));
    for number in 0..100_000 {
        ordered.bytes(FlowId(number), 1 << 21, &[0; 100], at(1), &mut tally).unwrap();
    }
    ordered.pass(at(2), &mut tally).unwrap();
    assert_eq!(tally.gaps.len(), 100_000);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
