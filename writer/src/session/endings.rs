//! How flows end: what is pending of them is written, their files are closed, and the report has them.

use proto::Breach;
use proto::body::BodyEnding;
use proto::flow::{EmptyFlow, FlowClose, FlowEnding, FlowId};

use super::{NOT_WANTED, Session};
use crate::batch::Pending;
use crate::beginnings::Beginning;
use crate::held::Ended;
use crate::open_files::{FileId, Kind};

impl Session<'_> {
    pub(super) fn close(&mut self, close: FlowClose, pending: &mut Pending<'_>) -> Result<(), Breach> {
        if i64::try_from(close.size).is_err() {
            return Err(Breach::Forbidden("flow longer than any file"));
        }
        let continued = close.ending == FlowEnding::Continued;
        if continued && !self.has_periods() {
            return Err(NOT_WANTED);
        }
        let bodies = self.table.get(close.flow)?.bodies.as_ref();
        if !continued && bodies.is_some_and(|bodies| bodies.open.is_some()) {
            return Err(Breach::Forbidden("the end of a flow, with a body open"));
        }
        let range = pending.take(FileId { flow: close.flow, kind: Kind::Flow });
        self.grow(close.flow, pending)?;
        self.store.sums.packets = self.store.sums.packets.saturating_add(close.packets);
        if close.ending == FlowEnding::Open {
            self.open_files_at_end.get_or_insert(self.store.open_files());
        }
        let mut flow = if continued {
            self.divide(close.flow, close.size, pending)?
        } else {
            self.table.close(close.flow)?
        };
        let beginning = self.beginnings.take(close.flow);
        let range = range.or_else(|| beginning.as_ref().map(Beginning::gathered));
        let last = self.store.last(&mut flow, close.size, range);
        if let Some(beginning) = beginning {
            self.beginnings.use_again(beginning);
        }
        let peer = self.peer(&flow, continued);
        self.store.closer.add(Ended { flow, close: Some(close), digests: Vec::new(), peer }, last);
        if self.runner.is_some() {
            // What it is told of comes in order, and of finished files only.
            self.settle_with_closer(true);
        }
        Ok(())
    }

    /// A flow that was not told of before, and is over.
    pub(super) fn empty(&mut self, flow: &EmptyFlow) -> Result<(), Breach> {
        self.table.pass(&flow.open)?;
        if let Some(events) = &mut self.events {
            events.passed(&flow.open);
        }
        self.store.sums.packets = self.store.sums.packets.saturating_add(flow.packets);
        self.store.closer.add_empty(flow);
        if self.runner.is_some() {
            self.settle_with_closer(true);
        }
        Ok(())
    }

    /// Has files closed whose flows have ended, one job of them; false if there is none.
    pub(super) fn settle_one(&mut self) -> bool {
        let closed = self.store.closer.make_room();
        self.settle_with_closer(false);
        closed
    }

    /// Has files closed whose flows have ended. What is closed is over; all of it, if `all` is asked for.
    pub(super) fn settle_with_closer(&mut self, all: bool) {
        if all || self.store.closer.is_worth_it() {
            self.store.closer.submit();
        }
        while let Some(mut job) = self.store.closer.closed(all) {
            if let Some(report) = &mut self.report {
                job.entries(|text| report.entries(text));
            }
            if let Some(events) = &mut self.events {
                events.ended(job.events());
            }
            while let Some((closing, waited)) = job.next_closed(|| self.store.make_room()) {
                self.store.closed(&closing);
                if let (true, Some(report)) = (waited && self.store.closer.makes_entries(), &mut self.report)
                {
                    report.flow(&closing.ended, None);
                }
                if let (true, Some(events)) = (waited, &mut self.events) {
                    events.ended_late(&closing.ended);
                }
                self.ended(closing.ended);
            }
            self.store.closer.use_again(job);
        }
    }

    /// Ends all flows that are open, because the run is over.
    pub(super) fn break_off(&mut self) {
        for mut flow in self.table.drain() {
            let size = flow.stream_length;
            // Nobody is told of a body that broke off with the run.
            let _ = self.store.close_body(&mut flow, BodyEnding::Cut);
            let beginning = self.beginnings.take(flow.open.flow);
            let last = self.store.last(&mut flow, size, beginning.as_ref().map(Beginning::gathered));
            let peer = self.peer(&flow, false);
            self.store.closer.add(Ended { flow, close: None, digests: Vec::new(), peer }, last);
        }
        self.settle_with_closer(true);
    }

    pub(super) fn write_pending(&mut self, id: FlowId, pending: &mut Pending<'_>) -> Result<(), Breach> {
        let flow = self.table.get(id)?;
        self.beginnings.write(flow, &mut self.store);
        if let Some(range) = pending.take(FileId { flow: id, kind: Kind::Flow }) {
            self.store.write(flow, range);
        }
        self.grow(id, pending)
    }

    /// Writes what the flow's files are to grow by.
    fn grow(&mut self, id: FlowId, pending: &mut Pending<'_>) -> Result<(), Breach> {
        let flow = self.table.get(id)?;
        for kind in [Kind::Flow, Kind::Index] {
            if let Some(growth) = pending.take_growth(FileId { flow: id, kind }) {
                self.store.grow(flow, kind, &growth);
            }
        }
        Ok(())
    }
}
