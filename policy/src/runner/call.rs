//! One call of a plugin: the flow that is sent to it, and the limits that it has to keep.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::sendfile::sendfile;
use nix::sys::stat::Mode;
use policy::beneath;
use proto::plan::PythonPlan;
use proto::runner::Inside;

use super::driver::Process;

/// What a plugin may print in one call, in bytes.
const MAX_PRINTED: u64 = 1024 * 1024;
/// What is sent at once, in bytes.
const CHUNK: usize = 1024 * 1024;

/// A call that goes on.
pub struct Call {
    /// The flow's file.
    pub path: Inside,
    /// Where only the beginning is given: how many bytes.
    pub given: Option<u64>,
    /// When it has to have returned.
    pub deadline: Instant,
    /// What of the length was not sent yet.
    length: Vec<u8>,
    file: File,
    offset: i64,
    left: u64,
    computed: Duration,
}

impl Call {
    /// Opens a flow's file, beneath the output directory and through no link.
    pub fn begin(
        directory: &OwnedFd,
        path: &Inside,
        plan: &PythonPlan,
        process: &mut Process,
    ) -> Result<Self, String> {
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = beneath::open(directory, path.as_str(), flags, Mode::empty());
        let file = File::from(file.map_err(|e| e.desc().to_owned())?);
        let status = file.metadata().map_err(|e| e.to_string())?;
        if !status.is_file() {
            return Err("is no file".into());
        }
        let left = status.len().min(plan.max_bytes);
        process.printed.total = 0;
        Ok(Self {
            path: path.clone(),
            given: (left < status.len()).then_some(left),
            deadline: deadline(plan),
            length: left.to_le_bytes().to_vec(),
            file,
            offset: 0,
            left,
            computed: process.computed(),
        })
    }

    /// Whether all of the flow was sent.
    pub fn is_sent(&self) -> bool {
        self.left == 0 && self.length.is_empty()
    }

    /// Sees that the process keeps its limits.
    pub fn check(&self, process: &Process, plan: &PythonPlan, now: Instant) -> Result<(), String> {
        if now >= self.deadline {
            return Err(format!("did not return within {} s", plan.timeout));
        }
        if process.computed().saturating_sub(self.computed) >= Duration::from_secs(plan.cpu) {
            return Err(format!("computed for more than {} s", plan.cpu));
        }
        if process.printed.total > MAX_PRINTED {
            return Err(format!("printed more than {} MiB", MAX_PRINTED >> 20));
        }
        Ok(())
    }

    /// Sends a piece, if there is room for one.
    pub fn send(&mut self, process: &Process) -> Result<(), String> {
        let busy = |errno| if matches!(errno, Errno::EAGAIN | Errno::EINTR) { Ok(0) } else { Err(errno) };
        if !self.length.is_empty() {
            // Eight bytes go into a pipe whole or not at all.
            let sent = nix::unistd::write(process.calls(), &self.length).or_else(busy);
            if sent.map_err(|e| e.desc().to_owned())? > 0 {
                self.length.clear();
            }
        }
        if self.length.is_empty() && self.left > 0 {
            let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(CHUNK);
            match sendfile(process.calls(), self.file.as_fd(), Some(&mut self.offset), most) {
                Ok(0) => return Err("the file became shorter".into()),
                Ok(sent) => self.left = self.left.saturating_sub(u64::try_from(sent).unwrap_or(u64::MAX)),
                Err(errno) => drop(busy(errno).map_err(|e| e.desc().to_owned())?),
            }
        }
        Ok(())
    }
}

/// When what begins now has to have ended.
pub fn deadline(plan: &PythonPlan) -> Instant {
    let now = Instant::now();
    now.checked_add(Duration::from_secs(plan.timeout)).unwrap_or(now)
}
