//! What the user is told of the run, and how it ends: charts, the report, the last word.

use nix::errno::Errno;
use policy::role::Done;
use proto::control::Level;
use proto::flow::Totals;
use proto::frame::Ending;

use super::Session;
use crate::chart::Charts;
use crate::error::Error;
use crate::unprocessed::OTHER_LINK;

/// Files in one directory that tcpflow thinks are too many.
const MANY_FILES: u64 = 10_000;

impl Session<'_> {
    /// Tells the user what failed first.
    pub(super) fn tell(&mut self) {
        for notice in self.store.sums.notices() {
            self.control.notice(Level::Error, &notice);
        }
    }

    /// Tells once of a directory with very many files.
    pub(super) fn warn_of_many_files(&mut self) {
        let files = self.store.sums.side_by_side;
        if self.warn_of_many_files && files > MANY_FILES {
            self.warn_of_many_files = false;
            let text = format!(
                "WARNING: {files} files were made in one directory; with more than 10,000 \
                 many programs are slow. -Fk, -Fm or -Fg puts them into subdirectories."
            );
            self.control.notice(Level::Warning, &text);
        }
    }

    /// Tells what the user may do otherwise next time.
    fn warn(&self) {
        let sums = &self.store.sums;
        let warn = |text: &str| self.control.notice(Level::Warning, text);
        for (books, place) in
            [(&sums.kept, "their flows' savefiles"), (&sums.unprocessed, "the savefile of -w")]
        {
            if let Some(count) = books.aside.get(OTHER_LINK) {
                warn(&format!("{count} packets are not in {place}, which is of another link type"));
            }
        }
    }

    /// Draws charts into a directory.
    pub(super) fn draw(&mut self, charts: &Charts, prefix: &str) {
        if let Err((name, errno)) = charts.write(self.store.directory(), prefix, self.dump) {
            self.control.notice(Level::Error, &format!("cannot write {name}: {}", errno.desc()));
            self.in_part = true;
        }
    }

    /// Tells of a report that is not whole.
    pub(super) fn note_report(&mut self, finished: Result<(), Errno>) {
        if let Err(errno) = finished {
            self.control.notice(Level::Error, &format!("the report is not whole: {}", errno.desc()));
            self.in_part = true;
        }
    }

    /// Closes what is open and the report, however the run ended.
    pub fn finish(mut self, ended: Result<(), Error>) -> Result<Done, Error> {
        self.run.open_files_at_end = self.open_files_at_end.unwrap_or_else(|| self.store.open_files());
        self.break_off();
        let ended = ended.and(self.conclude_with_runner());
        self.control.counts(self.store.counts());
        self.tell();
        self.warn_of_many_files();
        self.warn();
        let reason = ended.as_ref().err().map(ToString::to_string);
        let known = self.totals.take();
        let totals = known.clone().unwrap_or_else(|| Totals::unknown(Ending::Complete));
        let reason = match (reason, &totals.capture.ending) {
            (Some(reason), _) => Some(reason),
            (None, Ending::Interrupted(reason)) => Some(reason.as_str().to_owned()),
            (None, Ending::Complete | Ending::Stopped) => None,
        };
        if let Some(console) = &self.console {
            console.tell_of_gaps(self.control);
        }
        self.in_part |= self.finish_events(known.as_ref(), reason.as_deref());
        for line in self.store.sums.failures() {
            self.control.notice(Level::Error, &line);
            self.in_part = true;
        }
        let (totals, sums) = self.last_period(totals);
        if let Some(charts) = self.charts.take() {
            self.draw(&charts, &self.place());
        }
        self.run.networks = self.networks.take();
        if let Some(report) = self.report.take() {
            self.note_report(report.finish(&totals, &sums, &self.run, reason.as_deref()));
        }
        self.finish_periods();
        ended.map(|()| if self.in_part { Done::InPart } else { Done::Fully })
    }
}
