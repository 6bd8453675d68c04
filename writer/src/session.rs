//! One run's flows: each message of the reassembler, in its order, put into effect.

mod bodies;
mod conclusion;
mod endings;
mod events;
mod packets;
mod programs;
mod rotation;

use std::time::Instant;

use policy::role::Control;
use proto::Breach;
use proto::batch::Incoming;
use proto::control::{Level, RoleState};
use proto::flow::{FlowId, FromReassembler, Span, Totals};
use proto::plan::WriterPlan;
use proto::runner;

use crate::batch::{Gathered, Pending};
use crate::beginnings::Beginnings;
use crate::channels::Channels;
use crate::chart::Charts;
use crate::console::Console;
use crate::error::Error;
use crate::events::Events;
use crate::held::Held;
use crate::open_files::{FileId, Kind};
use crate::report::{Networks, Report, Run};
use crate::runner::Runner;
use crate::store::Store;
use crate::table::Table;
use crate::unprocessed::Unprocessed;
use crate::workers::Workers;
pub use rotation::Periods;

/// What the plan did not ask for.
const NOT_WANTED: Breach = Breach::Forbidden("a message that the plan does not ask for");

/// What is open, and how the run ended.
pub struct Session<'a> {
    table: Table,
    store: Store,
    /// What is kept of flows that have no file yet.
    beginnings: Beginnings,
    report: Option<Report>,
    held: Held,
    runner: Option<Runner>,
    console: Option<Console>,
    /// Where frames go that were not processed.
    unprocessed: Option<Unprocessed>,
    /// Where flows are told of as they come and go.
    events: Option<Events>,
    /// Who is heard, and what was heard of each.
    workers: Workers,
    /// Whether to warn of very many files.
    warn_of_many_files: bool,
    control: &'a Control,
    totals: Option<Totals>,
    open_files_at_end: Option<usize>,
    /// What charts are made of, if they are wanted.
    charts: Option<Charts>,
    /// Whether every address is wanted too.
    dump: bool,
    networks: Option<Networks>,
    /// The directories that output goes into, if it goes into several.
    periods: Option<Box<Periods>>,
    /// What the report says beside what was counted.
    run: Run,
    /// Whether something could not be stored that nothing else tells of.
    in_part: bool,
}

impl<'a> Session<'a> {
    /// Begins with no flow open.
    pub fn new(plan: &WriterPlan, table: Table, store: Store, control: &'a Control, begun: Instant) -> Self {
        Self {
            table,
            store,
            beginnings: Beginnings::default(),
            report: None,
            held: Held::default(),
            runner: None,
            console: None,
            unprocessed: None,
            events: None,
            workers: Workers::of(plan.workers),
            warn_of_many_files: false,
            control,
            totals: None,
            open_files_at_end: None,
            charts: plan.charts.then(Charts::default),
            dump: plan.dump,
            networks: plan.networks.then(Networks::default),
            periods: None,
            run: Run { roles: Vec::new(), begun, open_files_at_end: 0, networks: None, period: None },
            in_part: false,
        }
    }

    /// Makes this report.
    pub fn with_report(self, report: Option<Report>) -> Self {
        Self { report, ..self }
    }

    /// Prints on this console.
    pub fn with_console(self, console: Option<Console>) -> Self {
        Self { console, ..self }
    }

    /// Keeps frames that were not processed.
    pub fn with_unprocessed(self, unprocessed: Option<Unprocessed>) -> Self {
        Self { unprocessed, ..self }
    }

    /// Warns of a directory with very many files.
    pub fn with_warning(self, warn_of_many_files: bool) -> Self {
        Self { warn_of_many_files, ..self }
    }

    /// Puts into effect all that comes until the other end closes. `roles`: what is in force in each.
    pub fn receive_all(&mut self, channels: &mut Channels, roles: Vec<RoleState>) -> Result<(), Error> {
        self.run.roles = roles;
        while let Some(speaker) = channels.next(|who| self.workers.listens_to(who))? {
            self.workers.hear(speaker, &self.store.sums);
            let heard = channels.receive(speaker).map_err(Error::from).and_then(|batch| self.heard(batch));
            let is_full = heard.map_err(|error| self.workers.blame(error))?;
            // With time on its hands it waits for files to be closed, and their flows to be in the report.
            let mut quiet = channels.is_quiet(speaker, is_full)?;
            while is_full && quiet && self.settle_one() {
                // As long as there is nothing to be heard.
                quiet = channels.is_quiet(speaker, is_full)?;
            }
            if quiet {
                self.write_beginnings(Beginnings::all)?;
            }
            self.settle_with_closer(quiet);
            self.settle_with_runner()?;
            self.flush_events();
            if let Some(report) = &mut self.report {
                report.settle(quiet);
            }
        }
        if self.totals.is_none() { Err(self.workers.unfinished()) } else { Ok(()) }
    }

    /// A batch of who is heard, or the end of it; whether the batch was full.
    fn heard(&mut self, batch: Option<Incoming<'_, FromReassembler>>) -> Result<bool, Error> {
        let is_full = batch.as_ref().is_some_and(Incoming::is_full);
        match batch {
            Some(batch) => self.batch(batch)?,
            None => self.workers.heard().is_gone = true,
        }
        // One that has ended is waited for no more.
        self.rotate_if_all_wait()?;
        Ok(is_full)
    }

    fn batch(&mut self, mut batch: Incoming<'_, FromReassembler>) -> Result<(), Error> {
        let mut pending = Pending::default();
        let mut result = Ok(());
        while let Some((mut message, bytes)) = batch.next()? {
            result = if let Err(breach) = self.workers.admit(&mut message) {
                Err(breach.into())
            } else if let FromReassembler::Rotate(rotation) = message {
                self.rotate(*rotation)
            } else {
                self.message(message, bytes, &mut pending).map_err(Error::from)
            };
            if result.is_err() {
                break;
            }
        }
        // What came before a breach came in order, and is kept.
        for range in pending.drain() {
            self.write_or_keep(range)?;
        }
        self.write_beginnings(Beginnings::old)?;
        for (file, growth) in pending.drain_growth() {
            let flow = self.table.get(file.flow)?;
            self.store.grow(flow, file.kind, &growth);
        }
        self.flush_unprocessed();
        self.tell();
        self.tell_of_retention();
        if let Some(console) = &mut self.console {
            console.flush()?;
        }
        result
    }

    /// Writes what a batch has for a file, or keeps it, where the file is not made yet.
    fn write_or_keep(&mut self, range: Gathered<'_>) -> Result<(), Breach> {
        let flow = self.table.get(range.file.flow)?;
        if !flow.is_made && flow.fault.is_none() && Beginnings::wants(&range) {
            if !self.beginnings.has_room() {
                self.write_beginnings(Beginnings::all)?;
            }
            self.beginnings.keep(&range);
            return Ok(());
        }
        match range.file.kind {
            Kind::Flow | Kind::Index => self.store.write(flow, range),
            Kind::Body => self.store.write_body(flow, range),
        }
        Ok(())
    }

    /// Writes what is kept of these flows.
    fn write_beginnings(&mut self, of: impl FnOnce(&mut Beginnings) -> Vec<FlowId>) -> Result<(), Breach> {
        for flow in of(&mut self.beginnings) {
            self.beginnings.write(self.table.get(flow)?, &mut self.store);
        }
        Ok(())
    }

    fn message<'b>(
        &mut self,
        message: FromReassembler,
        bytes: &'b [u8],
        pending: &mut Pending<'b>,
    ) -> Result<(), Breach> {
        if self.workers.heard().totals.is_some() {
            return Err(Breach::Forbidden("a message after the end"));
        }
        let needs_no_place = matches!(
            message,
            FromReassembler::Medium(_) | FromReassembler::Count | FromReassembler::Dropped(_)
        );
        if !self.has_place() && !needs_no_place {
            return Err(Breach::Forbidden("output that no directory was told for"));
        }
        match message {
            FromReassembler::Open(open) => self.open(open),
            FromReassembler::Data(span) => self.data(&span, bytes, pending),
            FromReassembler::Replace(span) => {
                self.compare(&span, bytes, pending)?;
                self.data(&span, bytes, pending)
            }
            FromReassembler::Compare(span) => self.compare(&span, bytes, pending),
            FromReassembler::Shift { flow, by } => self.shift(flow, by, pending),
            FromReassembler::Count => {
                self.count();
                Ok(())
            }
            FromReassembler::Print(span) => {
                let console = self.console.as_mut().ok_or(NOT_WANTED)?;
                console.print(self.table.get(span.flow)?, bytes, self.control);
                Ok(())
            }
            FromReassembler::Gap { flow, length, .. } => {
                let console = self.console.as_mut().ok_or(NOT_WANTED)?;
                console.gap(self.table.get(flow)?, length, self.control);
                Ok(())
            }
            FromReassembler::Dropped(dropped) => self.dropped(dropped),
            FromReassembler::Arrival(arrival) => self.arrival(&arrival, pending),
            FromReassembler::Medium(medium) => self.medium(medium),
            FromReassembler::Packet { flow, packet } => self.packet(flow, &packet, bytes, pending),
            FromReassembler::Unprocessed(packet) => self.unprocessed(&packet, bytes),
            FromReassembler::BodyOpen(open) => self.body_open(open),
            FromReassembler::BodyBytes { flow, .. } => self.body_bytes(flow, bytes, pending),
            FromReassembler::BodyHole { flow, length } => self.body_hole(flow, length),
            FromReassembler::BodyClose { flow, ending } => self.body_close(flow, ending, pending),
            FromReassembler::Close(close) => self.close(*close, pending),
            FromReassembler::Empty(flow) => self.empty(&flow),
            FromReassembler::Traffic(traffic) => self.charts()?.traffic(traffic),
            FromReassembler::Share(share) => {
                if !self.dump {
                    return Err(NOT_WANTED);
                }
                self.charts()?.share(*share)
            }
            FromReassembler::Network(network) => self.networks()?.add(*network),
            FromReassembler::OtherNetworks(count) => {
                self.networks()?.others = count;
                Ok(())
            }
            FromReassembler::End(totals) => self.end(*totals),
            // Taken where the batch is, for it is no breach if there can be no directory.
            FromReassembler::Rotate(_) => Err(NOT_WANTED),
        }
    }

    /// Says how far it is, once all that were asked have passed the question on.
    fn count(&mut self) {
        if self.workers.count() {
            self.control.counts(self.store.counts());
        }
    }

    fn charts(&mut self) -> Result<&mut Charts, Breach> {
        self.check_no_flow_open()?;
        self.charts.as_mut().ok_or(NOT_WANTED)
    }

    fn networks(&mut self) -> Result<&mut Networks, Breach> {
        self.check_no_flow_open()?;
        self.networks.as_mut().ok_or(NOT_WANTED)
    }

    /// What was counted of all traffic comes once, after the last flow, or once for each directory.
    fn check_no_flow_open(&self) -> Result<(), Breach> {
        if self.table.is_empty() || self.periods.is_some() {
            Ok(())
        } else {
            Err(Breach::Forbidden("counts of a run with flows open"))
        }
    }

    fn data<'b>(&mut self, span: &Span, bytes: &'b [u8], pending: &mut Pending<'b>) -> Result<(), Breach> {
        let flow = self.table.get(span.flow)?;
        let was_named = flow.name.is_some();
        let admitted = self.store.admit(flow, span);
        if let (false, Some(name), Some(runner)) = (was_named, &flow.name, &mut self.runner) {
            runner.opened(runner::Kind::Flow, name);
        }
        let late = u64::try_from(admitted.start).unwrap_or(u64::MAX);
        let Some(bytes) = bytes.get(admitted).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        let file = FileId { flow: span.flow, kind: Kind::Flow };
        let place = span.offset.saturating_add(late).saturating_sub(flow.begins());
        if !flow.is_made {
            if self.beginnings.add(span.flow, place, bytes) {
                return Ok(());
            }
            self.beginnings.write(flow, &mut self.store);
        }
        if let Some(before) = pending.add(file, place, bytes) {
            self.store.write(flow, before);
        }
        Ok(())
    }

    fn compare(&mut self, span: &Span, bytes: &[u8], pending: &mut Pending<'_>) -> Result<(), Breach> {
        self.write_pending(span.flow, pending)?;
        self.store.compare(self.table.get(span.flow)?, span.offset, bytes);
        Ok(())
    }

    fn shift(&mut self, id: FlowId, by: u64, pending: &mut Pending<'_>) -> Result<(), Breach> {
        self.write_pending(id, pending)?;
        let flow = self.table.get(id)?;
        if flow.stream_length.checked_add(by).is_none_or(|end| i64::try_from(end).is_err()) {
            return Err(Breach::Forbidden("shift past the end of any file"));
        }
        self.store.shift(flow, by);
        Ok(())
    }

    /// Whether what who is heard has counted is what came of it.
    fn check(&mut self, totals: &Totals) -> Result<(), Breach> {
        let flows = self.table.total_of(self.workers.speaker());
        self.workers.check(totals, flows, &self.store.sums)
    }

    fn end(&mut self, totals: Totals) -> Result<(), Breach> {
        if self.table.has_open(self.workers.speaker()) {
            return Err(Breach::Forbidden("the end, with flows open"));
        }
        self.check(&totals)?;
        self.workers.heard().totals = Some(totals);
        if let Some(totals) = self.workers.totals() {
            self.end_of_all(totals);
        }
        Ok(())
    }

    fn end_of_all(&mut self, totals: Totals) {
        self.control.notice(Level::Detail, &format!("Total flows processed: {}", totals.flows));
        self.control.notice(Level::Detail, &format!("Total packets processed: {}", self.store.sums.packets));
        let files =
            format!("Files written: {}, {} bytes", self.store.sums.files, self.store.sums.payload.written);
        self.control.notice(Level::Detail, &files);
        self.totals = Some(totals);
    }
}
