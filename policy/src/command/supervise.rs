//! Watches over the roles until all have ended: passes signals on, shows what they say and how far they are,
//! and when one dies sees that the others end within a second.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proto::control::{Counts, FromRole, Level};

use super::arrival;
use super::counters::Counters;
use super::error::Error;
use super::launch::Roles;
use super::metrics::Metrics;
use super::process::{Heard, Process, reason};
use super::progress::Progress;
use super::rotation::Schedule;
use super::service::Service;
use super::settings::Settings;
use super::signals::Caught;
use super::tell;

/// How long the others have to end in order once a role has died.
const GRACE: Duration = Duration::from_millis(800);

/// How long whoever reads output as it comes may take for what is on its way when the user ends the run: a
/// pager that nobody looks at must not keep it for ever. A second signal ends it at once.
const READER: Duration = Duration::from_secs(5);

/// Two signals that come within this time are one wish: timeout(1) signals its command and then the group that it is in.
const ONE_WISH: Duration = Duration::from_millis(100);

/// How a role's part in the run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// It runs.
    Running,
    /// It said that its work is done; whether it could do all of it.
    Done { failed: bool },
    /// It ended otherwise; why, if it has said so.
    Failed(Option<String>),
}

/// What the watch knows.
struct Watch<'a> {
    roles: Roles,
    settings: &'a Settings,
    fates: Vec<Fate>,
    closed: Vec<bool>,
    stopped: bool,
    /// When the user last wanted an end.
    wished: Option<Instant>,
    deadline: Option<Instant>,
    /// Whether someone may read output as it comes.
    read: bool,
    counters: Counters,
    /// Whether the user waits for the answers that are asked for.
    asked: bool,
    metrics: Option<Metrics>,
    progress: Progress,
    service: Service,
    /// When output goes on in another directory by the clock.
    schedule: Option<Schedule>,
}

/// What poll(2) has announced.
#[derive(Debug, Default)]
struct Announced {
    /// Roles that can be heard, by number.
    roles: Vec<usize>,
    /// A signal to end.
    end: bool,
    /// A signal to say how far all are.
    ask: bool,
    /// A signal to have output go on in another directory.
    rotate: bool,
}

/// Waits for the end of all roles, and keeps what is counted up to date. `read`: someone may read output as it comes.
pub fn until_the_end(
    roles: Roles,
    signals: &Caught,
    settings: &Settings,
    (service, read, metrics): (Service, bool, Option<Metrics>),
) -> Result<(), Error> {
    let fates = roles.processes.iter().map(|_| Fate::Running).collect();
    let closed = roles.processes.iter().map(|_| false).collect();
    let mut watch = Watch {
        roles,
        settings,
        fates,
        closed,
        stopped: false,
        wished: None,
        deadline: None,
        read,
        counters: Counters::of(settings.workers),
        asked: false,
        metrics,
        progress: Progress::new(settings),
        service,
        schedule: Schedule::of(settings),
    };
    while watch.closed.iter().any(|closed| !closed) {
        let announced = watch.wait(signals)?;
        if announced.end && signals.end.came() {
            watch.stop_in_order()?;
        }
        let user = announced.ask && signals.ask.came();
        watch.asked |= user;
        if (watch.service.asks() || user) && watch.counters.want() {
            watch.ask()?;
        }
        watch.rotate_if_due(announced.rotate && signals.rotate.came())?;
        watch.measure()?;
        for index in announced.roles {
            watch.hear(index)?;
        }
        if watch.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            break;
        }
    }
    watch.conclude()
}

impl Watch<'_> {
    /// Waits until something can be heard.
    fn wait(&self, Caught { end, ask, rotate }: &Caught) -> Result<Announced, Error> {
        let open: Vec<(usize, &Process)> = self
            .roles
            .processes
            .iter()
            .enumerate()
            .filter(|&(i, _)| self.closed.get(i) == Some(&false))
            .collect();
        let signals = [end, ask, rotate].map(|signals| PollFd::new(signals.as_fd(), PollFlags::POLLIN));
        let mut fds = Vec::from(signals);
        fds.extend(open.iter().map(|(_, process)| PollFd::new(process.as_fd(), PollFlags::POLLIN)));
        let due = self.metrics.as_ref().map(Metrics::due);
        let due = self.deadline.into_iter().chain(self.service.due()).chain(due).min();
        let due = due.map(|due| due.saturating_duration_since(Instant::now()));
        let left = due.into_iter().chain(self.schedule.as_ref().map(Schedule::wait)).min();
        let timeout = left.map_or(PollTimeout::NONE, |left| {
            PollTimeout::try_from(left.saturating_add(Duration::from_millis(1))).unwrap_or(PollTimeout::ZERO)
        });
        match poll(&mut fds, timeout) {
            Ok(_) => {}
            Err(Errno::EINTR) => {
                return Ok(Announced { end: true, ask: true, rotate: true, ..Announced::default() });
            }
            Err(e) => return Err(Error::Told(format!("poll: {e}"))),
        }
        let mut announced = fds.iter().map(|fd| fd.any().unwrap_or(true));
        let mut next = || announced.next().unwrap_or(false);
        let (end, ask, rotate) = (next(), next(), next());
        let roles = announced.zip(&open).filter(|(ready, _)| *ready).map(|(_, (index, _))| *index).collect();
        Ok(Announced { roles, end, ask, rotate })
    }

    /// Has output go on in another directory, because the user said so or because it is time. Whoever supervises hears
    /// that it does when a question has passed through all roles behind it.
    fn rotate_if_due(&mut self, wanted: bool) -> Result<(), Error> {
        let due = self.schedule.as_mut().is_some_and(Schedule::is_due);
        if wanted && self.settings.rotation.is_none() {
            self.progress.aside(|| {
                tell::always("SIGUSR2: there is nothing to rotate without --rotate", self.settings)
            });
            self.service.has_nothing_to_reload();
        } else if (wanted || due) && !self.stopped {
            self.roles.rotate()?;
            if wanted {
                let round = self.ask()?;
                self.service.reloads(round);
            }
        }
        Ok(())
    }

    /// Asks all roles how far they are; the round that is their answer.
    fn ask(&mut self) -> Result<u64, Error> {
        self.roles.count()?;
        Ok(self.counters.ask())
    }

    /// Ends the run because the user said so.
    fn stop_in_order(&mut self) -> Result<(), Error> {
        if self.wished.is_some_and(|at| at.elapsed() < ONE_WISH) {
            return Ok(());
        }
        self.wished = Some(Instant::now());
        if !self.stopped {
            self.progress.aside(|| tell::always("terminating orderly", self.settings));
        }
        if self.read {
            let left = if self.stopped { Duration::ZERO } else { READER };
            let deadline = Instant::now().checked_add(left);
            self.deadline = self.deadline.into_iter().chain(deadline).min();
        }
        self.stop()
    }

    /// Asks capture, once, to end in order; the others end when it has.
    fn stop(&mut self) -> Result<(), Error> {
        if self.stopped {
            return Ok(());
        }
        self.stopped = true;
        self.service.stops();
        self.roles.stop()
    }

    fn hear(&mut self, index: usize) -> Result<(), Error> {
        let Some(process) = self.roles.processes.get(index) else { return Ok(()) };
        match process.hear() {
            Ok(Heard::Message(FromRole::Notice(notice))) => {
                self.progress.aside(|| tell::notice(&notice, self.settings));
            }
            Ok(Heard::Message(FromRole::Counts(counts))) => {
                let place = process.place();
                self.count(place, &counts);
            }
            Ok(Heard::Message(FromRole::Done { failed })) => {
                let captures = process.role.captures();
                if let Some(fate @ Fate::Running) = self.fates.get_mut(index) {
                    *fate = Fate::Done { failed };
                }
                // Of several one does not go on without the others, whose part of the traffic would become its own.
                if captures && self.settings.workers > 1 {
                    self.roles.stop_captures()?;
                }
            }
            Ok(Heard::Message(FromRole::Failed(text))) => self.failed(index, text.as_str())?,
            Ok(Heard::Message(FromRole::Ready(_) | FromRole::Group(_))) => {
                self.failed(index, "protocol breach: ready after the start")?;
            }
            Ok(Heard::Closed) => self.closed(index)?,
            Err(e) => self.failed(index, &e.to_string())?,
        }
        Ok(())
    }

    /// A role has failed or broken the protocol. Whatever it says afterwards, this is why.
    fn failed(&mut self, index: usize, why: &str) -> Result<(), Error> {
        if let Some(fate @ (Fate::Running | Fate::Done { .. } | Fate::Failed(None))) =
            self.fates.get_mut(index)
        {
            *fate = Fate::Failed(Some(why.to_owned()));
        }
        self.wind_down()
    }

    /// Asks for what is counted when it is time.
    fn measure(&mut self) -> Result<(), Error> {
        let Some(metrics) = &mut self.metrics else { return Ok(()) };
        if metrics.is_due(&self.counters, &self.roles.named()) {
            self.ask()?;
        }
        self.complain();
        Ok(())
    }

    /// Tells, once, that metrics cannot be written.
    fn complain(&mut self) {
        if let Some(line) = self.metrics.as_mut().and_then(Metrics::complaint) {
            self.progress.aside(|| tell::always(&line, self.settings));
        }
    }

    /// A role has said how far it is.
    fn count(&mut self, place: usize, counts: &Counts) {
        self.counters.take(place, counts);
        if let Some(metrics) = &mut self.metrics {
            metrics.heard(&self.counters, &self.roles.named());
        }
        if self.counters.are_answered() {
            if std::mem::take(&mut self.asked) {
                self.progress.aside(|| tell::always(&self.counters.line(), self.settings));
            }
            self.service.passed(&self.counters, self.settings);
        }
        self.service.answered(self.counters.answered());
        // Capture begins each round; what the others said in the last one is shown with it.
        if matches!(counts, Counts::Capture { .. }) {
            self.progress.show(&self.counters);
        }
    }

    /// A role has closed its channel, as it does when it ends.
    fn closed(&mut self, index: usize) -> Result<(), Error> {
        if let Some(closed) = self.closed.get_mut(index) {
            *closed = true;
        }
        if let Some(fate @ Fate::Running) = self.fates.get_mut(index) {
            *fate = Fate::Failed(None);
            self.wind_down()?;
        }
        Ok(())
    }

    /// A role has failed: the others end by the ends of their channels, or are ended.
    fn wind_down(&mut self) -> Result<(), Error> {
        if self.deadline.is_none() {
            self.deadline = Instant::now().checked_add(GRACE);
        }
        self.stop()?;
        self.roles.hurry()
    }

    /// Sees every process gone, tells what went wrong, and says whether all went well.
    fn conclude(mut self) -> Result<(), Error> {
        self.progress.end();
        self.service.stops();
        // Whose channel is closed has only to exit, which on a busy machine takes a while.
        let left = if self.deadline.is_some() { Duration::from_millis(100) } else { GRACE };
        let soon = Instant::now().checked_add(left).unwrap_or_else(Instant::now);
        let deadline = self.deadline.unwrap_or(soon).max(soon);
        let (mut killed, mut said, mut in_part) = (Vec::new(), Vec::new(), false);
        for (process, fate) in self.roles.processes.iter_mut().zip(&self.fates) {
            let status = process.wait_until(deadline);
            let name = process.name();
            match (fate, status) {
                (_, None) => {
                    process.kill();
                    killed.push(format!("{name} did not end and was killed"));
                }
                (Fate::Failed(Some(text)), Some(_)) => said.push(format!("{name}: {text}")),
                (Fate::Failed(None) | Fate::Running, Some(status)) => {
                    let how = reason(status).unwrap_or_else(|| "ended without saying why".into());
                    killed.push(format!("{name} {how}"));
                }
                (Fate::Done { failed }, Some(_)) => in_part |= failed,
            }
        }
        let failed = !killed.is_empty() || !said.is_empty();
        if let Some(metrics) = &mut self.metrics {
            in_part |= !metrics.finish(&self.counters);
            self.complain();
        }
        // That a neighbour is gone follows from what the neighbour says itself.
        let follows = |line: &String| line.ends_with(&policy::channel::Error::Gone.to_string());
        if !said.iter().all(follows) {
            said.retain(|line| !follows(line));
        }
        // Who was killed is the cause; what the others say of it comes after.
        for line in killed.iter().chain(&said) {
            tell::at(Level::Error, line, self.settings);
        }
        let departed = || arrival::departed(self.settings).filter(|_| !failed && !self.stopped);
        if failed || in_part { Err(departed().unwrap_or(Error::AlreadyTold)) } else { Ok(()) }
    }
}
