//! What a run counts, and the proof that nothing got lost on the way.
//!
//! Every frame is a segment or set aside; every payload byte is stored or set aside. Both sums are checked
//! when the run ends.

use proto::control::Counts;
use proto::flow::{Count, HoleTotals, Totals};
use proto::frame::CaptureEnd;
use proto::text::Text;

use crate::Error;

/// Counts by reason. Reasons are few and known when building, so a list is searched faster than a map.
#[derive(Debug, Default)]
struct Tally(Vec<(&'static str, u64)>);

impl Tally {
    fn add(&mut self, reason: &'static str, count: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, sum)) => *sum = sum.saturating_add(count),
            None => self.0.push((reason, count)),
        }
    }

    fn sum(&self) -> u64 {
        self.0.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    fn counts(&self) -> Vec<Count> {
        self.0.iter().map(|(reason, count)| Count { reason: Text::cut(reason), count: *count }).collect()
    }
}

/// The counts of a run.
#[derive(Debug, Default)]
pub struct Ledger {
    frames: u64,
    segments: u64,
    frames_aside: Tally,
    payload: u64,
    stored: u64,
    payload_aside: Tally,
    unprocessed: u64,
    bodies: u64,
    flows: u64,
    open_flows: u64,
    max_open_flows: u64,
}

impl Ledger {
    /// A frame came.
    pub fn frame(&mut self) {
        self.frames = self.frames.saturating_add(1);
    }

    /// The frame was a segment with this many captured payload bytes.
    pub fn segment(&mut self, payload: usize) {
        self.segments = self.segments.saturating_add(1);
        self.payload = self.payload.saturating_add(length(payload));
    }

    /// Captured payload bytes of all segments so far.
    #[must_use]
    pub fn payload(&self) -> u64 {
        self.payload
    }

    /// The frame was set aside.
    pub fn frame_aside(&mut self, reason: &'static str) {
        self.frames_aside.add(reason, 1);
    }

    /// Payload was sent to the writer as data.
    pub fn stored(&mut self, payload: usize) {
        self.stored = self.stored.saturating_add(length(payload));
    }

    /// Payload was set aside.
    pub fn payload_aside(&mut self, reason: &'static str, payload: usize) {
        if payload > 0 {
            self.payload_aside.add(reason, length(payload));
        }
    }

    /// A frame that no segment came of was sent to the writer.
    pub fn unprocessed(&mut self) {
        self.unprocessed = self.unprocessed.saturating_add(1);
    }

    /// Bytes of a body were sent to the writer.
    pub fn body(&mut self, bytes: usize) {
        self.bodies = self.bodies.saturating_add(length(bytes));
    }

    /// Frames that are accounted for.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Bytes of bodies sent to the writer.
    #[must_use]
    pub fn bodies(&self) -> u64 {
        self.bodies
    }

    /// A flow was opened; its number, from 0.
    pub fn flow_opened(&mut self) -> u64 {
        let number = self.flows;
        self.flows = number.saturating_add(1);
        self.open_flows = self.open_flows.saturating_add(1);
        self.max_open_flows = self.max_open_flows.max(self.open_flows);
        number
    }

    /// A flow was closed.
    pub fn flow_closed(&mut self) {
        self.open_flows = self.open_flows.saturating_sub(1);
    }

    /// Flows open now.
    #[must_use]
    pub fn open_flows(&self) -> u64 {
        self.open_flows
    }

    /// How far the work is.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::Reassembler {
            segments: self.segments,
            flows: self.flows,
            open: self.open_flows,
            frames_aside: self.frames_aside.counts(),
            payload: self.payload,
            payload_aside: self.payload_aside.counts(),
        }
    }

    /// Everything, for the report.
    #[must_use]
    pub fn totals(&self, capture: CaptureEnd, open_flows_at_end: u64, holes: HoleTotals) -> Totals {
        Totals {
            capture,
            frames: self.frames,
            segments: self.segments,
            frames_aside: self.frames_aside.counts(),
            payload: self.payload,
            stored: self.stored,
            payload_aside: self.payload_aside.counts(),
            unprocessed: self.unprocessed,
            bodies: self.bodies,
            flows: self.flows,
            max_open_flows: self.max_open_flows,
            open_flows_at_end,
            holes,
        }
    }

    /// Checks both sums.
    pub fn check(&self) -> Result<(), Error> {
        let frames = self.segments.saturating_add(self.frames_aside.sum());
        conserved("frames", self.frames, frames)?;
        let payload = self.stored.saturating_add(self.payload_aside.sum());
        conserved("payload bytes", self.payload, payload)
    }
}

fn conserved(what: &'static str, came: u64, left: u64) -> Result<(), Error> {
    if came == left { Ok(()) } else { Err(Error::Conservation { what, came, left }) }
}

/// A length in memory as a count.
fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
