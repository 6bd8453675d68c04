//! `tcp_cmd` and `http_cmd`: a command of the user's for each finished file, at most ten at once.
//!
//! The shell reads what the user wrote, and the path is an argument beside it: whatever is in a file's name
//! is never read as shell. What a command prints is collected and passed on whole when it has ended; what it
//! left running then ends with it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use policy::role::Control;
use proto::plan::RunnerPlan;
use proto::runner::{Inside, Kind};

use super::capture::Capture;
use super::sys;
use super::tally::{Tally, shown};

/// Commands at once, as in tcpflow.
const AT_ONCE: usize = 10;
/// Commands that may wait before no more is read of what the writer tells.
const MAX_WAITING: usize = 256;
/// What is kept of each of a command's two streams, in bytes.
const MAX_OUTPUT: usize = 1024 * 1024;

/// All commands of a run.
pub struct Commands {
    flow: Option<String>,
    body: Option<String>,
    prefix: Vec<u8>,
    environment: Vec<(OsString, OsString)>,
    limit: Option<Duration>,
    waiting: VecDeque<(Kind, Vec<u8>)>,
    /// Those that run.
    pub running: Vec<Running>,
    stopped: bool,
    failed: Tally,
    ended: Tally,
    not_started: u64,
}

/// A command that runs.
pub struct Running {
    child: Child,
    name: &'static str,
    path: Vec<u8>,
    deadline: Option<Instant>,
    overdue: bool,
    /// What it prints.
    pub output: Capture,
    /// What it complains of.
    pub errors: Capture,
}

impl Commands {
    /// The commands that a plan asks for.
    pub fn new(plan: &RunnerPlan) -> Self {
        let os = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        Self {
            flow: plan.flow_command.clone(),
            body: plan.body_command.clone(),
            prefix: plan.prefix.clone(),
            environment: plan.environment.iter().map(|(name, value)| (os(name), os(value))).collect(),
            limit: (plan.command_timeout > 0).then(|| Duration::from_secs(plan.command_timeout)),
            waiting: VecDeque::new(),
            running: Vec::new(),
            stopped: false,
            failed: Tally::new("commands that failed"),
            ended: Tally::new("commands that did not end in time"),
            not_started: 0,
        }
    }

    /// A file's name as its user knows it.
    pub fn path(&self, inside: &Inside) -> Vec<u8> {
        [self.prefix.as_slice(), inside.as_str().as_bytes()].concat()
    }

    /// A file is finished: its command is to be run, if there is one.
    pub fn finished(&mut self, kind: Kind, inside: &Inside) {
        let wanted = match kind {
            Kind::Flow => self.flow.is_some(),
            Kind::Body => self.body.is_some(),
        };
        if wanted && self.stopped {
            self.not_started = self.not_started.saturating_add(1);
        } else if wanted {
            self.waiting.push_back((kind, self.path(inside)));
        }
    }

    /// Whether so many wait that no more should come.
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING
    }

    /// Whether there is nothing to run and nothing runs.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// Starts what there is room for.
    pub fn start(&mut self, control: &Control) {
        while self.running.len() < AT_ONCE {
            let Some((kind, path)) = self.waiting.pop_front() else { return };
            let (name, line) = match kind {
                Kind::Flow => ("tcp_cmd", &self.flow),
                Kind::Body => ("http_cmd", &self.body),
            };
            let Some(line) = line else { continue };
            match spawn(line, &path, &self.environment) {
                Ok((child, output, errors)) => {
                    let deadline = self.limit.and_then(|limit| Instant::now().checked_add(limit));
                    self.running.push(Running {
                        child,
                        name,
                        path,
                        deadline,
                        overdue: false,
                        output,
                        errors,
                    });
                }
                Err(e) => self.failed.tell(control, &format!("{name}: {}: cannot be run: {e}", shown(&path))),
            }
        }
    }

    /// No more commands: those that run have until `deadline`.
    pub fn stop(&mut self, deadline: Instant) {
        self.stopped = true;
        let waiting = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        self.not_started = self.not_started.saturating_add(waiting);
        self.waiting.clear();
        for running in &mut self.running {
            running.deadline = Some(running.deadline.map_or(deadline, |own| own.min(deadline)));
        }
    }

    /// When the next one has to have ended.
    pub fn deadline(&self) -> Option<Instant> {
        self.running.iter().filter(|running| !running.overdue).filter_map(|running| running.deadline).min()
    }

    /// Ends what has taken too long; it is told when it has ended.
    pub fn check(&mut self, now: Instant) {
        for running in &mut self.running {
            if !running.overdue && running.deadline.is_some_and(|deadline| now >= deadline) {
                running.overdue = true;
                running.end_group();
            }
        }
    }

    /// Whether this is a command, which is collected as one.
    pub fn has(&self, pid: Pid) -> bool {
        self.running.iter().any(|running| running.pid() == Some(pid))
    }

    /// Takes out a command that has ended, if any has.
    pub fn take_ended(&mut self) -> Option<Running> {
        let position = self.running.iter().position(Running::has_ended)?;
        Some(self.running.swap_remove(position))
    }

    /// Tells how one has ended, if not well.
    pub fn tell(&mut self, control: &Control, running: &Running, status: Option<ExitStatus>) {
        let (name, path) = (running.name, shown(&running.path));
        let beyond = running.output.beyond().saturating_add(running.errors.beyond());
        if running.overdue {
            self.ended.tell(control, &format!("{name}: {path}: did not end in time and was ended"));
        } else if let Some(how) = status.and_then(how) {
            self.failed.tell(control, &format!("{name}: {path}: {how}"));
        } else if beyond > 0 {
            let limit = MAX_OUTPUT >> 20;
            let text = format!("{name}: {path}: printed {beyond} bytes more than {limit} MiB: cut");
            self.failed.tell(control, &text);
        }
    }

    /// Tells the sums.
    pub fn close(&self, control: &Control) {
        self.failed.close(control);
        self.ended.close(control);
        if self.not_started > 0 {
            let text = format!("commands not run, for the run was ended: {}", self.not_started);
            control.notice(proto::control::Level::Error, &text);
        }
    }
}

impl Running {
    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().map(Pid::from_raw)
    }

    /// Whether it has ended; it stays to be collected.
    fn has_ended(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let status = self.pid().map(|pid| waitid(Id::Pid(pid), flags));
        matches!(status, Some(Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..))))
    }

    /// Ends the command and everything in its process group. The group's number is its own until the command
    /// is waited for.
    fn end_group(&self) {
        if let Some(pid) = self.pid() {
            // It may have ended by itself.
            let _ = killpg(pid, Signal::SIGKILL);
        }
    }

    /// Collects the command, which has ended: what it left in its group ends, what it printed is complete.
    pub fn conclude(&mut self) -> Option<ExitStatus> {
        self.end_group();
        self.output.drain();
        self.errors.drain();
        self.child.wait().ok()
    }
}

type Spawned = (Child, Capture, Capture);

fn spawn(line: &str, path: &[u8], environment: &[(OsString, OsString)]) -> std::io::Result<Spawned> {
    let mut command = Command::new("/bin/sh");
    command
        .arg("-c")
        .arg(format!("{line} \"$@\""))
        .arg("tcpflow")
        .arg(argument(path))
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        // The runner's own, from which nothing comes.
        .stdin(Stdio::inherit())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    sys::begin_clean(&mut command);
    let mut child = command.spawn()?;
    let missing = || std::io::Error::other("no pipe");
    let output = OwnedFd::from(child.stdout.take().ok_or_else(missing)?);
    let errors = OwnedFd::from(child.stderr.take().ok_or_else(missing)?);
    Ok((child, Capture::new(output, MAX_OUTPUT)?, Capture::new(errors, MAX_OUTPUT)?))
}

/// The path as an argument: one that begins with a hyphen is not to be taken for an option.
fn argument(path: &[u8]) -> OsString {
    let mut argument = OsString::from(if path.starts_with(b"-") { "./" } else { "" });
    argument.push(OsStr::from_bytes(path));
    argument
}

/// How a command has failed, if it has.
fn how(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("ended with status {code}")),
        (None, signal) => Some(format!("was killed by signal {}", signal.unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_no_option() {
        assert_eq!(argument(b"-rf x"), "./-rf x");
        assert_eq!(argument(b"out/-rf"), "out/-rf");
    }
}
