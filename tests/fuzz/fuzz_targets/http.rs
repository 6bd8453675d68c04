//! Hostile bytes as two flows of HTTP, whole and in pieces: the same bodies must come out, within the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::body::{BodyEnding, BodyOpen};
use proto::flow::FlowId;
use proto::plan::HttpPlan;
use reassembler::http::{Bodies, Http};

const LIMIT: usize = 64 << 20;
const MAX_BODY: u64 = 1 << 20;

/// Bodies as they came out, each with its ending once it has one; and what came as it was sent.
#[derive(Default, PartialEq, Eq, Debug)]
struct Shelf {
    bodies: Vec<(BodyOpen, Vec<u8>, Option<BodyEnding>)>,
    plain: usize,
}

impl Shelf {
    fn open_body(&mut self, flow: FlowId) -> &mut (BodyOpen, Vec<u8>, Option<BodyEnding>) {
        let body = self.bodies.iter_mut().rev().find(|(open, ..)| open.flow == flow).expect("a body");
        assert_eq!(body.2, None, "an open body");
        assert!(body.1.len() as u64 <= MAX_BODY);
        body
    }
}

impl Bodies for Shelf {
    fn plain(&mut self, _: FlowId, bytes: &[u8]) -> Result<(), reassembler::Error> {
        self.plain += bytes.len();
        Ok(())
    }

    fn open(&mut self, open: &BodyOpen) -> Result<(), reassembler::Error> {
        let last = self.bodies.iter().rev().find(|(other, ..)| other.flow == open.flow);
        assert!(last.is_none_or(|(other, _, ending)| ending.is_some() && other.number < open.number));
        self.bodies.push((*open, Vec::new(), None));
        Ok(())
    }

    fn bytes(&mut self, flow: FlowId, bytes: &[u8]) -> Result<(), reassembler::Error> {
        self.open_body(flow).1.extend_from_slice(bytes);
        self.open_body(flow);
        Ok(())
    }

    fn hole(&mut self, flow: FlowId, length: u64) -> Result<(), reassembler::Error> {
        let body = self.open_body(flow);
        body.1.resize(body.1.len() + usize::try_from(length).unwrap(), 0);
        self.open_body(flow);
        Ok(())
    }

    fn close(&mut self, flow: FlowId, ending: BodyEnding) -> Result<(), reassembler::Error> {
        self.open_body(flow).2 = Some(ending);
        Ok(())
    }
}

/// Reads both flows, `step` bytes at a time, with a hole after every `hole`-th piece of the second.
fn read(plan: HttpPlan, flows: [&[u8]; 2], step: usize, hole: Option<usize>) -> Shelf {
    let mut http = Http::new(plan, LIMIT).gathering(step % 2 == 0);
    let mut shelf = Shelf::default();
    for (number, bytes) in flows.into_iter().enumerate() {
        let flow = FlowId(number as u64);
        http.open(flow, 0, true);
        let mut offset = 0;
        for (index, piece) in bytes.chunks(step).enumerate() {
            http.bytes(flow, offset, piece, &mut shelf).unwrap();
            assert!(http.held() <= LIMIT + piece.len());
            offset += piece.len() as u64;
            if number == 1 && hole.is_some_and(|hole| index % hole == hole - 1) {
                let length = u64::from(piece[0]);
                http.gap(flow, offset, length, &mut shelf).unwrap();
                offset += length;
            }
        }
    }
    for number in [0, 1] {
        http.end(FlowId(number), &mut shelf).unwrap();
    }
    assert_eq!((http.held(), http.flows()), (0, 0));
    assert!(shelf.bodies.iter().all(|(.., ending)| ending.is_some()));
    // One of which nothing came is told of when it is over.
    shelf.bodies.sort_by_key(|(open, ..)| (open.flow, open.number));
    shelf
}

fuzz_target!(|input: &[u8]| {
    let [choice, step, split, rest @ ..] = input else { return };
    let plan = HttpPlan {
        decompress: choice & 1 == 0,
        requests: choice & 2 == 0,
        max_body: Some(MAX_BODY),
        max_bytes: None,
    };
    let (requests, responses) = rest.split_at(usize::from(*split).min(rest.len()));
    let step = usize::from(*step) + 1;
    let whole = read(plan, [requests, responses], usize::MAX, None);
    let pieces = read(plan, [requests, responses], step, None);
    assert_eq!((whole.plain, whole.bodies.len()), (pieces.plain, pieces.bodies.len()));
    for ((open, bytes, ending), (other, others, others_ending)) in whole.bodies.iter().zip(&pieces.bodies) {
        assert_eq!((open, ending), (other, others_ending));
        // How far brotli came before it saw a defect depends on how much it had.
        let alike = *ending == Some(BodyEnding::BrokenCoding);
        let common = if alike { bytes.len().min(others.len()) } else { usize::MAX };
        assert_eq!(bytes.get(..common).unwrap_or(bytes), others.get(..common).unwrap_or(others));
    }
    read(plan, [requests, responses], step, Some(usize::from(choice >> 2) + 1));
});
