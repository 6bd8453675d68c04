//! How much of the flow files may be holes.
//!
//! A hole costs a sender nothing: one segment of one byte, far enough ahead, makes a file of megabytes, sparse
//! on most disks and real wherever it is copied to. So what a flow and a run may have of holes is bounded by
//! what they have of bytes. A segment that would make a hole too large begins another flow, as one further
//! ahead than `-m` does, and so nothing that was captured is lost.

use crate::flow::Flow;

/// Bytes of holes for every byte that came: a capture that lost nearly everything is still put together.
const FOR_EACH_BYTE: u64 = 256;

/// Flows that may use up `max_hole` before the run as a whole has.
const FOR_THE_RUN: u64 = 8;

/// The holes of all files, and what is left for more.
#[derive(Debug)]
pub struct Holes {
    max_hole: u64,
    /// What the run, or the part of it that comes here, may have beside what it has for its bytes.
    for_all: u64,
    bytes: u64,
    refused: u64,
}

impl Holes {
    /// No holes yet. `max_hole`: how many bytes of them a flow may have beside those for its bytes. `workers`: how many
    /// reassemblers the run has.
    #[must_use]
    pub fn new(max_hole: u64, workers: u32) -> Self {
        let for_all = max_hole.saturating_mul(FOR_THE_RUN).checked_div(workers.into()).unwrap_or_default();
        Self { max_hole, for_all, bytes: 0, refused: 0 }
    }

    /// Whether `flow` may get `more` bytes of holes, in a run that captured `payload` bytes.
    #[must_use]
    pub fn admit(&self, flow: &Flow, more: u64, payload: u64) -> bool {
        let of_flow = allowed(self.max_hole, flow.stored());
        let of_run = allowed(self.for_all, payload);
        more == 0
            || (flow.holes().saturating_add(more) <= of_flow && self.bytes.saturating_add(more) <= of_run)
    }

    /// Notes that a flow had `before` bytes of holes and has `after`.
    pub fn changed(&mut self, before: u64, after: u64) {
        self.bytes = self.bytes.saturating_add(after).saturating_sub(before);
    }

    /// Notes that a flow was ended for a hole that it may not have; true the first time.
    pub fn refuse(&mut self) -> bool {
        self.refused = self.refused.saturating_add(1);
        self.refused == 1
    }

    /// Bytes of holes in all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Flows that were ended for a hole.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

fn allowed(beside: u64, bytes: u64) -> u64 {
    bytes.saturating_mul(FOR_EACH_BYTE).saturating_add(beside)
}
