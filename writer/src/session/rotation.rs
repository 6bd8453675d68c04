//! Where output goes on in another directory (`--rotate`): what is in the old one is whole, and its report is closed.

use nix::errno::Errno;
use proto::Breach;
use proto::control::Level;
use proto::flow::{FlowId, Rotation, Totals};
use proto::frame::Ending;
use proto::plan::{Plugin, ReportPlace, WriterPlan};
use proto::runner;
use proto::time::Timestamp;

use super::{NOT_WANTED, Session};
use crate::batch::Pending;
use crate::directory::Directory;
use crate::error::Error;
use crate::flow::Flow;
use crate::open_files::{FileId, Kind};
use crate::period::Period;
use crate::report::{Dialect, Report, Span};
use crate::retention::Keeper;
use crate::sums::Sums;

/// The directories that output goes into, one after the other.
pub struct Periods {
    current: Option<Period>,
    /// One that was made, and could not be used so far.
    spare: Option<Period>,
    /// Who removes the oldest, if anyone does.
    keeper: Option<Keeper>,
    /// Bytes written before the present directory.
    volume: u64,
    /// What each report begins with, if each directory has one: its name, its first text.
    head: Option<(String, (Dialect, Vec<u8>))>,
    output: Vec<u8>,
    plugin: Option<Plugin>,
    /// What was counted before the present directory.
    before: (Totals, Sums),
}

impl Periods {
    /// Before the first directory. `head` is what a report begins with.
    pub fn new(
        plan: &WriterPlan,
        head: Option<(Dialect, Vec<u8>)>,
        keeper: Option<Keeper>,
    ) -> Option<Box<Self>> {
        let name = plan.report.as_ref().and_then(|report| match &report.place {
            ReportPlace::Inside(name) => Some(name.clone()),
            ReportPlace::Descriptor => None,
        });
        let periods = || Self {
            current: None,
            spare: None,
            keeper,
            volume: 0,
            head: name.zip(head),
            output: plan.output.clone(),
            plugin: plan.notify.as_ref().and_then(|notify| notify.plugin.clone()),
            before: (Totals::unknown(Ending::Complete), Sums::default()),
        };
        plan.rotates.then(|| Box::new(periods()))
    }

    /// Makes the directory whose time begins at `start`, or takes the one that is left of an attempt.
    fn begin(&mut self, directory: &Directory, start: Timestamp) -> Result<(Period, Option<Report>), Errno> {
        let keeper = self.keeper.as_ref();
        let period = match self.spare.take() {
            Some(spare) => spare,
            None => Period::make(directory, start, |name| {
                if let Some(keeper) = keeper {
                    keeper.spare(name);
                }
            })?,
        };
        let Some((name, head)) = &self.head else { return Ok((period, None)) };
        let begun = directory
            .create(&format!("{}{name}", period.prefix()))
            .and_then(|file| Report::begin(file, false, head.clone(), &self.output));
        match begun {
            Ok(report) => Ok((period, Some(report.with_results_of(self.plugin.clone())))),
            Err(errno) => {
                self.spare = Some(period);
                Err(errno)
            }
        }
    }

    /// Has everything be kept that is in use: `next`, or the present one if there is no next.
    fn watch(&self, next: Option<&Period>) {
        let Some(keeper) = &self.keeper else { return };
        let used = [next.or(self.current.as_ref()), self.spare.as_ref()];
        keeper.use_only(used.into_iter().flatten().map(Period::name));
    }
}

impl Session<'_> {
    /// Has output go into directories of its own.
    pub fn with_periods(self, periods: Option<Box<Periods>>) -> Self {
        Self { periods, ..self }
    }

    /// Output of who is heard goes on in another directory.
    pub(super) fn rotate(&mut self, rotation: Rotation) -> Result<(), Error> {
        if self.periods.is_none() {
            return Err(NOT_WANTED.into());
        }
        if self.table.has_files(self.workers.speaker()) {
            return Err(Breach::Forbidden("a rotation with files open").into());
        }
        self.check(&rotation.totals)?;
        self.workers.rotate(rotation);
        self.rotate_if_all_wait()
    }

    /// Output goes on in another directory, if that of all is to.
    pub(super) fn rotate_if_all_wait(&mut self) -> Result<(), Error> {
        let Some(rotation) = self.workers.rotation() else { return Ok(()) };
        let Some(mut periods) = self.periods.take() else { return Err(NOT_WANTED.into()) };
        let result = self.rotate_to_next(&mut periods, rotation);
        self.periods = Some(periods);
        result
    }

    fn rotate_to_next(&mut self, periods: &mut Periods, rotation: Rotation) -> Result<(), Error> {
        let Rotation { start, totals } = rotation;
        self.settle_with_closer(true);
        self.release_held();
        let begun = periods.begin(self.store.directory(), start);
        if begun.is_err() {
            periods.watch(None);
        }
        let (next, report) = match (begun, &periods.current) {
            (Ok(begun), _) => begun,
            (Err(errno), None) => {
                let name = String::from_utf8_lossy(&periods.output).into_owned();
                return Err(Error::Directory { name, errno });
            }
            (Err(errno), Some(current)) => {
                // Better in the wrong directory than in none.
                let reason = errno.desc();
                let text =
                    format!("cannot make another directory, so that {} is used on: {reason}", current.name());
                self.control.notice(Level::Error, &text);
                self.in_part = true;
                return Ok(());
            }
        };
        if let Some(old) = periods.current.take() {
            self.conclude(periods, &old, Some(next.name()), &totals);
            old.finish();
        }
        periods.watch(Some(&next));
        periods.volume = self.store.volume();
        self.store.enter(next.prefix());
        if let Some(events) = &mut self.events {
            events.rotated(start, next.name());
        }
        if let Some(report) = report {
            self.report = Some(report);
            periods.before = (totals, self.store.sums.clone());
        }
        periods.current = Some(next);
        Ok(())
    }

    /// Draws the charts of a directory, and closes its report, if it has one.
    fn conclude(&mut self, periods: &Periods, old: &Period, next: Option<&str>, totals: &Totals) {
        if let Some(charts) = &mut self.charts {
            let charts = std::mem::take(charts);
            self.draw(&charts, &old.prefix());
        }
        self.warn_of_many_files();
        let Some(report) = self.report.take_if(|_| periods.head.is_some()) else { return };
        self.run.open_files_at_end = self.store.open_files();
        self.run.networks = self.networks.as_mut().map(std::mem::take);
        self.run.period = Some(Span { start: old.start(), next: next.map(str::to_owned) });
        let (before, sums) = &periods.before;
        let finished =
            report.finish(&totals.clone().since(before), &self.store.sums.since(sums), &self.run, None);
        self.note_report(finished);
    }

    /// What the report at the end of the run is about: all since the present directory began, if it is that directory's.
    pub(super) fn last_period(&mut self, totals: Totals) -> (Totals, Sums) {
        let Some(Periods { current, before: (earlier, sums), head, .. }) = self.periods.as_deref() else {
            return (totals, self.store.sums.clone());
        };
        if let (Some(period), true) = (current, head.is_some()) {
            self.run.period = Some(Span { start: period.start(), next: None });
        }
        (totals.since(earlier), self.store.sums.since(sums))
    }

    /// What goes before the names of files that lie in the present directory.
    pub(super) fn place(&self) -> String {
        let current = self.periods.as_ref().and_then(|periods| periods.current.as_ref());
        current.map(Period::prefix).unwrap_or_default()
    }

    /// The last directory is finished, and what is due is removed.
    pub(super) fn finish_periods(&mut self) {
        if let Some(period) = self.periods.as_mut().and_then(|periods| periods.current.take()) {
            period.finish();
        }
        self.tell_of_retention();
        if let Some(Periods { keeper: Some(keeper), .. }) = self.periods.as_deref() {
            keeper.settle();
        }
        self.tell_of_retention();
    }

    /// What is written is told to who removes directories, and what he has done to the user.
    pub(super) fn tell_of_retention(&mut self) {
        let Some(Periods { keeper: Some(keeper), volume, .. }) = self.periods.as_deref() else { return };
        keeper.holds(self.store.volume().saturating_sub(*volume));
        for (level, text) in keeper.notices() {
            self.in_part |= level == Level::Error;
            self.control.notice(level, &text);
        }
    }

    /// Whether output goes into several directories.
    pub(super) fn has_periods(&self) -> bool {
        self.periods.is_some()
    }

    /// Whether anything may come yet: everything lies in a directory.
    pub(super) fn has_place(&self) -> bool {
        self.periods.as_ref().is_none_or(|periods| periods.current.is_some())
    }

    /// A flow goes on in another directory, from `size` on: gives the part of it that is over.
    pub(super) fn divide(
        &mut self,
        id: FlowId,
        size: u64,
        pending: &mut Pending<'_>,
    ) -> Result<Flow, Breach> {
        let flow = self.table.get(id)?;
        if let Some(range) = pending.take(FileId { flow: id, kind: Kind::Body }) {
            self.store.write_body(flow, range);
        }
        let (name, open) = self.store.divide_body(flow);
        if let (Some(name), Some(runner)) = (name, &mut self.runner) {
            runner.opened(runner::Kind::Body, &name);
            runner.finished(runner::Kind::Body, &name);
        }
        let next = flow.next_part(size, open);
        Ok(std::mem::replace(flow, next))
    }
}
