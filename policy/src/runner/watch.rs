//! Waits for everything at once, in one thread: what the writer tells, what programs print, their ends, the
//! readers of alerts and answers, `tcpflow`'s word to stop. Nothing here waits for one thing only.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use policy::channel::{self, Receiver, Sender};
use policy::role::{Control, Request};
use proto::Breach;
use proto::control::Level;
use proto::runner::{Answer, Event, Inside, Kind, ToRunner};

use super::command::{Commands, Running};
use super::error::Error;
use super::outlet::Outlet;
use super::python::Python;

/// How long what runs may go on once the run is to end.
const GRACE: Duration = Duration::from_secs(3);

/// Where the runner writes for the user.
pub struct Outlets {
    /// `tcp_alert_fd`.
    pub flows: Option<Outlet>,
    /// `http_alert_fd`.
    pub bodies: Option<Outlet>,
    /// Standard output.
    pub output: Option<Outlet>,
    /// Standard error.
    pub errors: Option<Outlet>,
}

impl Outlets {
    fn all(&self) -> impl Iterator<Item = &Outlet> {
        [&self.flows, &self.bodies, &self.output, &self.errors].into_iter().flatten()
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Outlet> {
        [&mut self.flows, &mut self.bodies, &mut self.output, &mut self.errors].into_iter().flatten()
    }
}

/// Everything that is waited for.
pub struct Watch<'a> {
    control: &'a Control,
    messages: Receiver<ToRunner>,
    wake: UnixStream,
    commands: Commands,
    outlets: Outlets,
    python: Option<Python>,
    answers: Option<Sender<Answer>>,
    /// Whether the writer may tell more.
    open: bool,
    /// When all that runs has to have ended, once the run is to end.
    stop: Option<Instant>,
}

impl<'a> Watch<'a> {
    /// Begins with nothing that runs.
    pub fn new(
        control: &'a Control,
        messages: Receiver<ToRunner>,
        wake: UnixStream,
        commands: Commands,
        outlets: Outlets,
        python: Option<Python>,
        answers: Option<Sender<Answer>>,
    ) -> Self {
        Self { control, messages, wake, commands, outlets, python, answers, open: true, stop: None }
    }

    /// Goes on until the writer has told everything, everything has ended, and all was passed on.
    pub fn until_the_end(&mut self) -> Result<(), Error> {
        while self.open || !self.is_idle() {
            self.wait()?;
            let now = Instant::now();
            if !self.heed(now)? {
                // tcpflow is gone: so is whoever this was for.
                return Ok(());
            }
            self.reap();
            self.pass_on(now);
            if self.takes_more() && self.messages.is_ready()? {
                self.hear()?;
            }
            self.commands.check(now);
            self.commands.start(self.control);
            if let Some(python) = &mut self.python {
                python.advance(self.control, now);
            }
            self.answer()?;
        }
        self.commands.close(self.control);
        if let Some(python) = &mut self.python {
            python.close(self.control);
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.commands.is_idle()
            && self.python.as_ref().is_none_or(Python::is_idle)
            && self.answers.as_ref().is_none_or(Sender::is_empty)
            && self.outlets.all().all(|outlet| outlet.pending().is_none())
    }

    /// Whether there is room for more of what the writer tells.
    fn takes_more(&self) -> bool {
        self.open
            && !self.commands.is_full()
            && !self.python.as_ref().is_some_and(Python::is_full)
            && !self.outlets.all().any(Outlet::is_full)
    }

    /// Waits until something can go on.
    fn wait(&self) -> Result<(), Error> {
        let mut reads: Vec<BorrowedFd<'_>> = vec![self.control.as_fd(), self.wake.as_fd()];
        let mut writes: Vec<BorrowedFd<'_>> = self.outlets.all().filter_map(Outlet::pending).collect();
        if self.takes_more() {
            reads.push(self.messages.as_fd());
        }
        for running in &self.commands.running {
            reads.extend(running.output.pipe());
            reads.extend(running.errors.pipe());
        }
        if let Some(python) = &self.python
            && let Some(process) = python.process()
        {
            reads.extend(process.answers.pipe());
            reads.extend(process.printed.pipe());
            if python.is_sending() {
                writes.push(process.calls());
            }
        }
        if let Some(answers) = self.answers.as_ref().filter(|answers| !answers.is_empty()) {
            writes.push(answers.as_fd());
        }
        let mut fds: Vec<PollFd<'_>> =
            reads.into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        fds.extend(writes.into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLOUT)));
        match poll(&mut fds, self.timeout()) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(Error::System("poll", errno.into())),
        }
    }

    /// Until the next deadline of anything.
    fn timeout(&self) -> PollTimeout {
        let now = Instant::now();
        let python = self.python.as_ref().and_then(|python| python.deadline(now));
        let outlets = self.outlets.all().filter_map(Outlet::deadline);
        let deadlines = outlets.chain(python).chain(self.commands.deadline());
        let stop = self.stop.filter(|deadline| *deadline > now);
        deadlines.chain(stop).min().map_or(PollTimeout::NONE, |deadline| {
            let left = deadline.saturating_duration_since(now).saturating_add(Duration::from_millis(1));
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        })
    }

    /// Does as `tcpflow` says; false if it is gone. Its first word to stop leaves what runs a while, its
    /// second none.
    fn heed(&mut self, now: Instant) -> Result<bool, Error> {
        match self.control.request() {
            Ok(None | Some(Request::Count | Request::Rotate)) => {}
            Ok(Some(Request::Stop(_))) => {
                let deadline = if self.stop.is_some() { Some(now) } else { now.checked_add(GRACE) };
                self.stop = deadline;
                self.outlets.all_mut().for_each(Outlet::hasten);
                self.commands.stop(deadline.unwrap_or(now));
            }
            Err(channel::Error::Gone) => return Ok(false),
            Err(e) => return Err(e.into()),
        }
        if self.stop.is_some_and(|deadline| now >= deadline)
            && let Some(python) = &mut self.python
        {
            python.stop(self.control);
        }
        Ok(true)
    }

    /// Collects what has ended: commands, and what they left behind.
    fn reap(&mut self) {
        let mut bytes = [0; 64];
        // One read empties what many signals wrote, or leaves some for the next.
        let _ = self.wake.read(&mut bytes);
        while let Some(running) = self.commands.take_ended() {
            self.collect(running);
        }
        // What commands left behind became children of this process. The plugin's is collected with its reason.
        let plugin = self.python.as_ref().and_then(|python| python.process()?.pid());
        let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        while let Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) = waitid(Id::All, ended) {
            if Some(pid) == plugin || self.commands.has(pid) {
                break;
            }
            let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
        }
    }

    fn collect(&mut self, mut running: Running) {
        let status = running.conclude();
        if let Some(output) = &mut self.outlets.output {
            output.push(&running.output.bytes);
        }
        if let Some(errors) = &mut self.outlets.errors {
            errors.push(&running.errors.bytes);
        }
        self.commands.tell(self.control, &running, status);
    }

    /// Moves what programs print, and what is written for the user.
    fn pass_on(&mut self, now: Instant) {
        for running in &mut self.commands.running {
            running.output.take();
            running.errors.take();
        }
        for outlet in self.outlets.all_mut() {
            let writable = outlet.pending().is_some_and(is_writable);
            let given_up = if writable { outlet.write() } else { outlet.check(now) };
            if let Some(text) = given_up {
                self.control.notice(Level::Error, &text);
            }
        }
    }

    /// Takes one batch of what the writer tells.
    fn hear(&mut self) -> Result<(), Error> {
        let Some(mut batch) = self.messages.receive()? else {
            self.open = false;
            return Ok(());
        };
        while let Some((message, path)) = batch.next()? {
            let path = std::str::from_utf8(path).map_err(|_| Breach::Forbidden("a path that is not text"))?;
            let path = Inside::new(path)?;
            let alerts = match message.kind {
                Kind::Flow => &mut self.outlets.flows,
                Kind::Body => &mut self.outlets.bodies,
            };
            let word: &[u8] = match message.event {
                Event::Opened => b"open\t",
                Event::Finished { .. } => b"close\t",
            };
            if let Some(alerts) = alerts {
                alerts.push(&[word, &self.commands.path(&path), b"\n"].concat());
            }
            if let Event::Finished { call } = message.event {
                self.commands.finished(message.kind, &path);
                match (&mut self.python, call) {
                    (Some(python), true) => python.finished(path),
                    (None, true) => return Err(Breach::Forbidden("a call, and no plugin").into()),
                    (_, false) => {}
                }
            }
        }
        Ok(())
    }

    /// Sends answers, as far as the writer takes them.
    fn answer(&mut self) -> Result<(), Error> {
        let Some(python) = &mut self.python else { return Ok(()) };
        let Some(answers) = &mut self.answers else {
            python.answers.clear();
            return Ok(());
        };
        loop {
            if answers.is_empty() {
                let Some((answer, text)) = python.answers.pop_front() else { return Ok(()) };
                answers.send(&answer, text.as_bytes())?;
            }
            match answers.flush() {
                Ok(()) => {}
                Err(channel::Error::Socket(Errno::EAGAIN)) => return Ok(()),
                // The writer is gone: tcpflow will say so.
                Err(channel::Error::Gone) => {
                    self.answers = None;
                    return Ok(());
                }
                Err(e) => return Err(e.into()),
            }
        }
    }
}

fn is_writable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLOUT)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
