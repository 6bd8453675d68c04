//! What `--events` tells of flows: when they begin, in their turn, and when their files are closed.

use proto::Breach;
use proto::control::Level;
use proto::flow::{FlowOpen, Totals};
use proto::frame::Dropped;

use super::{NOT_WANTED, Session};
use crate::events::{Events, Summary};
use crate::flow::Flow;

impl Session<'_> {
    /// Tells of flows here.
    pub fn with_events(mut self, events: Option<Events>) -> Self {
        if let Some(events) = &events {
            self.store.closer.make_events(events.prefix());
        }
        Self { events, ..self }
    }

    pub(super) fn open(&mut self, open: FlowOpen) -> Result<(), Breach> {
        self.table.open(open)?;
        if let Some(events) = &mut self.events {
            events.opened(&open);
        }
        Ok(())
    }

    /// The name of the file of the other direction of a flow that ends, where that is to be told; `continued`: it goes
    /// on in another directory.
    pub(super) fn peer(&mut self, flow: &Flow, continued: bool) -> Option<Box<str>> {
        self.events.as_mut()?.ends((&flow.open, flow.name.as_deref()), continued, &mut self.table)
    }

    /// The kernel has dropped frames.
    pub(super) fn dropped(&mut self, dropped: Dropped) -> Result<(), Breach> {
        let events = self.events.as_mut().ok_or(NOT_WANTED)?;
        events.dropped(Dropped { frames: self.workers.dropped(dropped.frames), ..dropped })
    }

    pub(super) fn flush_events(&mut self) {
        if let Some(errno) = self.events.as_mut().and_then(Events::flush) {
            self.control.notice(Level::Error, &format!("cannot write events: {}", errno.desc()));
        }
    }

    /// Tells how the run ended. Whether events are lost, which the user is told.
    pub(super) fn finish_events(&mut self, totals: Option<&Totals>, reason: Option<&str>) -> bool {
        let Some(events) = self.events.take() else { return false };
        let summary = Summary::new(totals, &self.store.sums, self.table.total(), reason);
        let (lost, errno) = events.finish(summary);
        if let Some(errno) = errno {
            self.control.notice(Level::Error, &format!("cannot write events: {}", errno.desc()));
        }
        if lost > 0 {
            self.control.notice(Level::Error, &format!("{lost} events could not be written"));
        }
        lost > 0
    }
}
