//! `report.xml`: the DFXML account of a run, in the structure that tcpflow gives it.

mod bodies;
mod fileobject;
mod head;
mod networks;
mod sink;
mod summary;
mod xml;

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use proto::flow::{FlowClose, Totals};

use crate::digest::Named;
use crate::flow::Flow;
use crate::name::prefix;
use crate::sums::Sums;
pub use head::head;
pub use networks::Networks;
use sink::Sink;
pub use summary::Run;

/// Text that a full batch may leave in memory, in bytes.
const FLUSH_AT: usize = 64 * 1024;

/// The report, if one is made.
pub struct Report {
    sink: Sink,
    /// What goes before the names of flow files.
    prefix: String,
}

impl Report {
    /// Begins the report in `file`. `appending`: the descriptor writes at its end only.
    pub fn begin(file: OwnedFd, appending: bool, head: Vec<u8>, output: &[u8]) -> Result<Self, Errno> {
        let sink = Sink::begin(file, appending, head, &summary::tail())?;
        let prefix = String::from_utf8_lossy(&prefix(output)).into_owned();
        Ok(Self { sink, prefix })
    }

    /// Adds a flow that ended; `close` is unknown if the reassembler died before it said more.
    pub fn flow(&mut self, flow: &Flow, close: Option<&FlowClose>, digests: &[Named]) {
        self.sink.push(&fileobject::fileobject(&self.prefix, flow, close, digests));
        if self.sink.pending() >= FLUSH_AT.saturating_mul(4) {
            self.sink.flush();
        }
    }

    /// Puts on the disk what is pending if it is much, or if `quiet` times let it cost nothing.
    pub fn settle(&mut self, quiet: bool) {
        let pending = self.sink.pending();
        if pending >= FLUSH_AT || (quiet && pending > 0) {
            self.sink.flush();
        }
    }

    /// Ends the report. `interrupted`: why the run did not end in order.
    pub fn finish(
        self,
        totals: &Totals,
        sums: &Sums,
        run: &Run,
        interrupted: Option<&str>,
    ) -> Result<(), Errno> {
        self.sink.finish(|lacking| summary::summary(totals, sums, run, interrupted, lacking))
    }
}
