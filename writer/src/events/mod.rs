//! `--events`: flows as they come and go, a line of JSON for each, for programs to read.
//!
//! What a line has is said in `packaging/events.schema.json`; a test holds the lines of real runs to it. Lines are
//! ASCII: whatever a name has beyond that is escaped. They go out at the end of each batch. The lines of flows that
//! have ended are made where their files are closed, and are taken up after those of their beginnings.

mod community;
mod line;
mod peers;
mod sink;

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use proto::Breach;
use proto::flow::FlowOpen;
use proto::frame::Dropped;
use proto::plan::EventsPlan;
use proto::time::Timestamp;

use crate::held::Ended;
use crate::report;
use crate::table::Table;
use line::{Drop, Event, Known, Rotated};
pub use line::{Summary, closed};
use peers::Peers;
use sink::Sink;

/// What is told of flows, and where it goes.
pub struct Events {
    sink: Sink,
    peers: Peers,
    /// What goes before the names of flow files.
    prefix: String,
    /// Frames that the kernel has dropped, as far as that was told.
    dropped: u64,
    /// The line that is being made.
    line: Vec<u8>,
    /// Whether the user knows that something could not be written.
    is_told: bool,
}

impl Events {
    /// Nothing yet, in this file.
    pub fn new(plan: EventsPlan, file: OwnedFd, output: &[u8]) -> Self {
        Self {
            sink: Sink::new(file, plan.own_file),
            peers: Peers::default(),
            prefix: report::prefix(output),
            dropped: 0,
            line: Vec::new(),
            is_told: false,
        }
    }

    /// What goes before the names of flow files.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A flow has begun.
    pub fn opened(&mut self, open: &FlowOpen) {
        self.peers.opened(open);
        self.passed(open);
    }

    /// A flow has begun that is over already, and is nobody's other direction.
    pub fn passed(&mut self, open: &FlowOpen) {
        self.add(&Event::Opened(Known::of(open)));
    }

    /// A flow ends, whose file has this name, or goes on in another directory; gives the name of the other
    /// direction's, as far as it is known.
    pub fn ends(
        &mut self,
        flow: (&FlowOpen, Option<&str>),
        continued: bool,
        table: &mut Table,
    ) -> Option<Box<str>> {
        self.peers.closed(flow, continued, table)
    }

    /// The kernel has dropped frames.
    pub fn dropped(&mut self, dropped: Dropped) -> Result<(), Breach> {
        let more = dropped.frames.checked_sub(self.dropped).filter(|more| *more > 0);
        let more = more.ok_or(Breach::Forbidden("drops that do not grow"))?;
        self.dropped = dropped.frames;
        self.add(&Event::Drop(Drop::new(&dropped, more)));
        Ok(())
    }

    /// Adds lines of flows that have ended.
    pub fn ended(&mut self, lines: &[u8]) {
        self.sink.push(lines);
    }

    /// Adds the lines of a flow whose file was made late.
    pub fn ended_late(&mut self, ended: &Ended) {
        self.line.clear();
        closed(&mut self.line, &self.prefix, ended);
        self.sink.push(&self.line);
    }

    /// Output goes on in the directory of this name.
    pub fn rotated(&mut self, start: Timestamp, directory: &str) {
        let directory = format!("{}{directory}", self.prefix);
        self.add(&Event::Rotated(Rotated::new(start, directory)));
    }

    fn add(&mut self, event: &Event<'_>) {
        self.line.clear();
        event.put(&mut self.line);
        self.sink.push(&self.line);
    }

    /// Puts out what there is, and waits while the reader is slow; gives why that could not be, the first time.
    pub fn flush(&mut self) -> Option<Errno> {
        let errno = self.sink.flush().err()?;
        (!std::mem::replace(&mut self.is_told, true)).then_some(errno)
    }

    /// Adds the last line and puts out all there is; gives how many lines are lost, and why the first of them is, if
    /// that was not said before.
    pub fn finish(mut self, mut summary: Summary<'_>) -> (u64, Option<Errno>) {
        let before = self.flush();
        summary.events_lost = self.sink.lost();
        self.add(&Event::Summary(Box::new(summary)));
        let errno = before.or(self.flush());
        (self.sink.conclude(), errno)
    }
}
