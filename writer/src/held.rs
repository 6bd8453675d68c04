//! Flows that have ended and whose place in the report is kept until a plugin's answer is there.
//!
//! They leave in the order in which they came, so that the same input makes the same report.

use std::collections::VecDeque;

use proto::flow::{EmptyFlow, FlowClose, FlowEnding};

use crate::digest::Named;
use crate::flow::Flow;
use crate::report::Report;
use crate::runner::Runner;

/// Answers that may be due at once. One plugin works on one flow: more would only wait.
const MAX_DUE: usize = 8;
/// Flows that may be held, with those for which nothing is due.
const MAX_HELD: usize = 256;

/// A flow that has ended, with all that the report says of it.
#[derive(Debug)]
pub struct Ended {
    /// The flow.
    pub flow: Flow,
    /// Its end, if the run did not break off before.
    pub close: Option<FlowClose>,
    /// The digests of its file.
    pub digests: Vec<Named>,
    /// The name of the file of the other direction, where events tell it and as far as it is known.
    pub peer: Option<Box<str>>,
}

impl Ended {
    /// A flow that had no payload.
    pub fn empty(flow: &EmptyFlow) -> Self {
        Self { flow: Flow::new(flow.open), close: Some(flow.close()), digests: Vec::new(), peer: None }
    }

    /// Makes of one flow that had no payload another one.
    pub fn now_empty(&mut self, flow: &EmptyFlow) {
        self.flow.open = flow.open;
        self.close = Some(flow.close());
    }

    /// How it ended, in a word.
    pub fn ending(&self) -> &'static str {
        match self.close.as_ref().map(|close| close.ending) {
            Some(FlowEnding::Fin) => "fin",
            Some(FlowEnding::Reset) => "reset",
            Some(FlowEnding::Reused) => "reused",
            Some(FlowEnding::Skipped) => "skipped",
            Some(FlowEnding::MaxHole) => "max_hole",
            Some(FlowEnding::Idle) => "idle",
            Some(FlowEnding::Evicted) => "evicted",
            Some(FlowEnding::Open) => "open",
            Some(FlowEnding::Continued) => "continued",
            None => "interrupted",
        }
    }

    /// Bodies that the report lists with it.
    pub fn listed(&self) -> usize {
        self.flow.bodies.as_ref().map_or(0, |bodies| bodies.over.len())
    }
}

/// Flows that wait.
#[derive(Debug, Default)]
pub struct Held {
    flows: VecDeque<Waiting>,
    due: usize,
    /// Bodies of flows that are in the report since that was last asked.
    told: usize,
}

#[derive(Debug)]
struct Waiting {
    ended: Ended,
    due: bool,
}

impl Held {
    /// How many bodies were told of since this was last asked.
    pub fn take_told(&mut self) -> usize {
        std::mem::take(&mut self.told)
    }

    /// Whether no flow waits.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Adds a flow that has ended; `due` if an answer is. Waits for one if too many are held.
    pub fn push(&mut self, ended: Ended, due: bool, report: &mut Report, runner: &mut Runner) {
        self.due = self.due.saturating_add(usize::from(due));
        self.flows.push_back(Waiting { ended, due });
        while self.release(report, runner, false) {}
        while (self.due > MAX_DUE || self.flows.len() > MAX_HELD) && self.release(report, runner, true) {}
    }

    /// Puts into the report what waits no more.
    pub fn settle(&mut self, report: &mut Report, runner: &mut Runner) {
        while self.release(report, runner, false) {}
    }

    /// Puts all into the report, with every answer that is due.
    pub fn release_all(&mut self, report: &mut Report, runner: &mut Runner) {
        while self.release(report, runner, true) {}
    }

    /// Releases the first flow, if nothing is due for it or its answer is there.
    fn release(&mut self, report: &mut Report, runner: &mut Runner, wait: bool) -> bool {
        let Some(first) = self.flows.front() else { return false };
        let answered = if first.due { runner.answer(wait) } else { None };
        if first.due && answered.is_none() {
            return false;
        }
        self.due = self.due.saturating_sub(usize::from(first.due));
        let Some(Waiting { ended, .. }) = self.flows.pop_front() else { return false };
        report.flow(&ended, answered.as_ref());
        self.told = self.told.saturating_add(ended.listed());
        true
    }
}
