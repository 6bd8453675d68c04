//! What there is to say of a flow, or of a part of one, once it is over.

use proto::flow::{EmptyFlow, FlowClose, FlowEnding, FlowOpen, Missing, MissingRun};
use proto::limits::MAX_RUNS;

use super::Flow;
use super::irregular::Irregular;

impl Flow {
    /// What there is to say of a flow that never had payload, once it is closed.
    #[must_use]
    pub fn closing_empty(&self, open: FlowOpen, ending: FlowEnding) -> EmptyFlow {
        EmptyFlow {
            open,
            end: self.last,
            packets: self.packets,
            length: self.length,
            captured: self.captured_if_less(),
            violations: self.irregular().violations,
            ending,
        }
    }

    fn captured_if_less(&self) -> Option<u64> {
        let uncaptured = self.irregular().uncaptured;
        (uncaptured != 0).then(|| self.length.saturating_add_signed(uncaptured.saturating_neg()))
    }

    /// What there is to say of it where it goes on in another directory, from where on everything is counted anew;
    /// nothing if nothing came of it in this one.
    pub fn divide(&mut self) -> Option<FlowClose> {
        if self.packets == 0 {
            return None;
        }
        let part = self.closing(FlowEnding::Continued);
        (self.packets, self.length) = (0, 0);
        if part.size > 0 || self.irregular.is_some() {
            self.irregular_mut().go_on_from(part.size);
        }
        Some(part)
    }

    /// What there is to say of this flow once it is closed.
    #[must_use]
    pub fn closing(&self, ending: FlowEnding) -> FlowClose {
        // Where it goes on, the next part begins after the last byte captured.
        let end = if ending == FlowEnding::Continued { self.extent.size() } else { self.extent.reach() };
        let (missing, cut, missing_runs) = self.missing(end);
        FlowClose {
            flow: self.id(),
            end: self.last,
            packets: self.packets,
            length: self.length,
            captured: self.captured_if_less(),
            size: self.extent.size(),
            missing,
            cut,
            missing_runs,
            out_of_order: self.irregular().out_of_order,
            violations: self.irregular().violations,
            ending,
        }
    }

    /// What is missing before `end` and was not cut off, what was, and where both are. Of a part of a stream only
    /// what is listed, or could be, is known.
    fn missing(&self, end: u64) -> (u64, u64, Missing) {
        let Irregular { begins, ref cut_off, .. } = *self.irregular();
        let holes = self
            .bytes
            .holes(end)
            .map(|hole| hole.start.max(begins)..hole.end)
            .filter(|hole| !hole.is_empty());
        let runs = holes.map(|hole| MissingRun {
            offset: hole.start,
            length: hole.end.saturating_sub(hole.start),
            cut: cut_off.within(&hole),
        });
        if begins == 0 && end == self.extent.reach() {
            let first = runs.take(MAX_RUNS).collect();
            let missing = Missing { count: self.bytes.count_holes(end), first };
            let cut = cut_off.bytes();
            return (self.extent.missing(cut), self.extent.cut(cut), missing);
        }
        let (mut all, mut cut, mut missing) = (0_u64, 0_u64, Missing::default());
        for run in runs {
            all = all.saturating_add(run.length);
            cut = cut.saturating_add(run.cut);
            missing.count = missing.count.saturating_add(1);
            if missing.first.len() < MAX_RUNS {
                missing.first.push(run);
            }
        }
        (all.saturating_sub(cut), cut, missing)
    }
}
