//! A role seen from the command: a child process and its control channel.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::socket::{Shutdown, shutdown};
use policy::Role;
use policy::channel;
use proto::Breach;
use proto::control::{self, FromRole, ToRole};
use proto::limits::MAX_CONTROL;

use super::error::Error;

/// How often to look whether a child has ended; only while one is about to.
const LOOK: Duration = Duration::from_millis(2);

/// A role that was started.
#[derive(Debug)]
pub struct Process {
    /// Which.
    pub role: Role,
    /// Which of several, from 1.
    worker: Option<u32>,
    child: Child,
    control: OwnedFd,
}

/// What came from a role.
#[derive(Debug)]
pub enum Heard {
    /// A message.
    Message(FromRole),
    /// Its end of the channel is closed: it has ended or is about to.
    Closed,
}

impl Process {
    /// Takes a child that was just started, and the command's end of its control channel.
    pub fn new(role: Role, worker: Option<u32>, child: Child, control: OwnedFd) -> Self {
        Self { role, worker, child, control }
    }

    /// What it is called: its executable, and which of several it is.
    pub fn name(&self) -> String {
        self.role.name(self.worker)
    }

    /// Which of several it is, from 0.
    pub fn place(&self) -> usize {
        let before = self.worker.and_then(|worker| worker.checked_sub(1)).unwrap_or_default();
        usize::try_from(before).unwrap_or(usize::MAX)
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a message; a role that is gone is noticed when it is next heard.
    pub fn tell(&self, message: &ToRole) -> Result<(), Error> {
        let coded = control::encode(message).map_err(|breach| self.breach(breach))?;
        match channel::send(&self.control, &coded) {
            Ok(()) | Err(channel::Error::Gone) => Ok(()),
            Err(e) => Err(Error::Start { role: self.name(), reason: e.to_string() }),
        }
    }

    /// Closes the control channel, in both directions.
    pub fn hang_up(&self) {
        // It may be closed already from the other end.
        let _ = shutdown(self.control.as_raw_fd(), Shutdown::Both);
    }

    /// Receives what poll(2) has announced.
    pub fn hear(&self) -> Result<Heard, Error> {
        let datagram = match channel::receive_whole(&self.control, MAX_CONTROL) {
            Ok(datagram) if datagram.is_empty() => return Ok(Heard::Closed),
            Ok(datagram) => datagram,
            Err(channel::Error::Breach(breach)) => return Err(self.breach(breach)),
            Err(_) => return Ok(Heard::Closed),
        };
        control::decode(&datagram).map(Heard::Message).map_err(|breach| self.breach(breach))
    }

    /// Waits for its end until `deadline`; none if it is still there.
    pub fn wait_until(&mut self, deadline: Instant) -> Option<ExitStatus> {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        // It may have ended by itself, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it says of itself that it may not.
    pub fn breach(&self, breach: Breach) -> Error {
        Error::Breach { role: self.name(), breach }
    }
}

impl Drop for Process {
    /// No role outlives the command's interest in it, on whatever path that ends.
    fn drop(&mut self) {
        self.kill();
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}

/// Why a process ended, where it did not end as it should.
pub fn reason(status: ExitStatus) -> Option<String> {
    match (status.signal(), status.code()) {
        (Some(libc::SIGSYS), _) => Some("made a system call that its policy does not allow".into()),
        (Some(number), _) => {
            let name = Signal::try_from(number).map_or_else(|_| String::new(), |s| format!(" ({s})"));
            Some(format!("was killed by signal {number}{name}"))
        }
        (None, Some(0)) => None,
        (None, code) => Some(format!("ended with status {}", code.unwrap_or_default())),
    }
}
