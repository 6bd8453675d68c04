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
use proto::flow::Totals;
use proto::plan::Plugin;

use crate::held::Ended;
use crate::name;
use crate::runner::Answered;
use crate::sums::Sums;
pub use fileobject::fileobject;
pub use head::head;
pub use networks::Networks;
use sink::Sink;
pub use summary::{Run, Span};
pub use xml::{Dialect, Xml};

/// Text that a full batch may leave in memory, in bytes.
const FLUSH_AT: usize = 64 * 1024;

/// The report, if one is made.
pub struct Report {
    sink: Sink,
    /// The piece that is being made.
    xml: Xml,
    /// What goes before the names of flow files.
    prefix: String,
    /// Whose answers are put with the flows.
    plugin: Option<Plugin>,
}

impl Report {
    /// Begins the report in `file`. `appending`: the descriptor writes at its end only.
    pub fn begin(
        file: OwnedFd,
        appending: bool,
        (dialect, head): (Dialect, Vec<u8>),
        output: &[u8],
    ) -> Result<Self, Errno> {
        let sink = Sink::begin(file, appending, head, &summary::tail(dialect))?;
        Ok(Self { sink, xml: Xml::entries(dialect), prefix: prefix(output), plugin: None })
    }

    /// Puts what this plugin answers with the flows.
    pub fn with_results_of(self, plugin: Option<Plugin>) -> Self {
        Self { plugin, ..self }
    }

    /// Adds a flow that ended, with what the plugin answered.
    pub fn flow(&mut self, ended: &Ended, answered: Option<&Answered>) {
        let result = self.plugin.as_ref().zip(answered);
        fileobject(&mut self.xml, &self.prefix, ended, result);
        self.xml.drain(|piece| self.sink.push(piece));
        self.make_room();
    }

    /// Adds the entries of flows that ended.
    pub fn entries(&mut self, text: &mut Vec<u8>) {
        self.sink.push(text);
        self.make_room();
    }

    fn make_room(&mut self) {
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
        let dialect = self.xml.dialect();
        self.sink.finish(|lacking| summary::summary(dialect, totals, sums, run, interrupted, lacking))
    }
}

/// What goes before the names of files.
pub fn prefix(output: &[u8]) -> String {
    String::from_utf8_lossy(&name::prefix(output)).into_owned()
}
