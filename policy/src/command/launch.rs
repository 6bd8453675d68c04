//! Starts the roles: exec, an empty environment, the descriptors of the manifest and no others, a plan.

use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use nix::sys::socket::sockopt::{ReceiveTimeout, SndBuf, SndBufForce};
use nix::sys::socket::{
    AddressFamily, Shutdown, SockFlag, SockType, getsockopt, setsockopt, shutdown, socketpair,
};
use nix::sys::time::TimeVal;
use policy::ring::Memory;
use policy::{Role, descendants, manifest};
use proto::control::{RoleState, Savefile, ToRole};
use proto::limits::MAX_DATAGRAM;
use proto::plan::Plan;

use super::error::Error;
use super::identity::Identities;
use super::output::Places;
use super::process::Process;
use super::programs::Descriptors;
use super::settings::{Input, Settings};
use super::{nothing, plans, programs, sys};

/// What a data channel may hold, in bytes: a few batches, so that neither end waits for each one.
const SEND_BUFFER: usize = 4 << 20;

/// How long roles that are let go have to end by themselves.
const GRACE: Duration = Duration::from_millis(800);

/// Where roles are looked for beside the command, for a build tree, and where a package puts them.
const PLACES: [&str; 3] = [".", "../libexec/tcpflow", "../lib/tcpflow"];

/// The roles of one run, in the order in which data passes through them.
#[derive(Debug)]
pub struct Roles {
    /// The processes.
    pub processes: Vec<Process>,
    /// What capture and the reassembler share, until it is sealed.
    memory: Option<Memory>,
    /// After the processes: what a runner that died has left.
    #[expect(dead_code, reason = "it is there to be dropped")]
    leftovers: Option<Leftovers>,
}

/// Programs of the user's that outlive the runner become children of this process, and are ended last.
#[derive(Debug)]
struct Leftovers;

impl Drop for Leftovers {
    fn drop(&mut self) {
        descendants::end_all();
    }
}

/// Starts all roles of a run and sends them their plans.
pub fn start(
    settings: &Settings,
    identities: &Identities,
    places: Places,
    inherited: Descriptors,
) -> Result<Roles, Error> {
    let (capture_out, reassembler_in) = data_channel()?;
    let (reassembler_out, writer_in) = data_channel()?;
    let (role, inputs) = match &settings.input {
        Input::Live { .. } => (Role::CaptureLive, &[][..]),
        Input::Savefiles(files) => (Role::CaptureFiles, files.as_slice()),
    };
    let retains = settings.rotation.as_ref().is_some_and(|rotation| rotation.retention.is_some());
    let writes = if retains { Role::WriterRetaining } else { Role::Writer };
    let plan = |role| plans::of(role, settings, identities, &places);
    let (capture_plan, reassembler_plan, writer_plan) =
        (plan(role)?, plan(Role::Reassembler)?, plan(writes)?);
    let mut first = vec![(capture_out, manifest::DATA_OUT)];
    let mut between = vec![(reassembler_in, manifest::DATA_IN), (reassembler_out, manifest::DATA_OUT)];
    let memory = Memory::new().map(|(memory, sender, receiver)| {
        first.extend(sender);
        between.extend(receiver);
        memory
    });
    // Capture first: it takes longest to get ready, with libpcap to load and filters to compile.
    let capture = begin(role, first, inputs, capture_plan)?;
    let reassembler = begin(Role::Reassembler, between, &[], reassembler_plan)?;
    let mut last = vec![(writer_in, manifest::DATA_IN)];
    let mut beyond = None;
    if settings.programs.any() {
        let (writers, runners) = to_the_runner(settings, &places, inherited)?;
        last.extend(writers);
        beyond = Some((runners, plan(Role::Runner)?));
    }
    last.push((places.directory, manifest::OUTPUT));
    last.extend(places.report.map(|file| (OwnedFd::from(file), manifest::REPORT)));
    last.extend(places.unprocessed.map(|file| (OwnedFd::from(file), manifest::UNPROCESSED)));
    last.extend(places.events.map(|events| (OwnedFd::from(events.file), manifest::EVENTS)));
    last.extend(places.console.map(|stdout| (stdout, manifest::CONSOLE)));
    let writer = begin(writes, last, &[], writer_plan)?;
    let mut processes = vec![capture, reassembler, writer];
    let mut leftovers = None;
    if let Some((runners, plan)) = beyond {
        descendants::adopt_orphans().map_err(|e| Error::Told(format!("prctl: {e}")))?;
        leftovers = Some(Leftovers);
        processes.push(begin(Role::Runner, runners, &[], plan)?);
    }
    Ok(Roles { processes, memory, leftovers })
}

/// Descriptors with their numbers in the process that they are for.
type Mapped = Vec<(OwnedFd, RawFd)>;

/// What lies between writer and runner: the writer's descriptors, and the runner's.
fn to_the_runner(
    settings: &Settings,
    places: &Places,
    inherited: Descriptors,
) -> Result<(Mapped, Mapped), Error> {
    let failed = |e: std::io::Error| Error::Told(format!("descriptors of the runner: {e}"));
    let (sender, receiver) = data_channel()?;
    let output = programs::passes_output(settings, places);
    let mut runners = inherited.for_the_runner(output).map_err(failed)?;
    runners.push((receiver, manifest::DATA_IN));
    let mut writers = vec![(sender, manifest::RUNNER)];
    if settings.programs.python.is_some() {
        let (answers, receiver) = data_channel()?;
        if let Some(patience) = programs::patience(&settings.programs) {
            let seconds = i64::try_from(patience.as_secs()).unwrap_or(i64::MAX);
            setsockopt(&receiver, ReceiveTimeout, &TimeVal::new(seconds, 0)).map_err(|e| failed(e.into()))?;
        }
        writers.push((receiver, manifest::ANSWERS));
        runners.push((answers, manifest::DATA_OUT));
        runners.push((places.directory.try_clone().map_err(failed)?, manifest::OUTPUT));
    }
    Ok((writers, runners))
}

impl Roles {
    /// The processes, by the names of their executables.
    pub fn named(&self) -> Vec<(&'static str, u32)> {
        self.processes.iter().map(|process| (process.role.executable(), process.pid())).collect()
    }

    /// Gives the word to start, from the last role to the first, once nobody can get to write to what two share.
    pub fn begin(&mut self, states: &[RoleState]) -> Result<(), Error> {
        if let Some(memory) = self.memory.take() {
            memory.seal().map_err(|e| Error::Told(format!("shared memory: cannot be sealed: {e}")))?;
        }
        for process in self.processes.iter().rev() {
            process.tell(&ToRole::Start(states.to_vec()))?;
        }
        Ok(())
    }

    /// Lets all go before the start: each finds its control channel closed and ends, the writer after it
    /// has closed its report.
    pub fn dismiss(mut self) {
        for process in &self.processes {
            process.hang_up();
        }
        let deadline = Instant::now().checked_add(GRACE).unwrap_or_else(Instant::now);
        for process in &mut self.processes {
            process.wait_until(deadline);
        }
    }

    /// Tells the capture process to end in order, and the runner to begin nothing more.
    pub fn stop(&self) -> Result<(), Error> {
        self.tell_capture(&ToRole::Stop)?;
        self.hurry()
    }

    /// Tells the runner to stop; what runs it leaves a while at the first word, and none at the second.
    pub fn hurry(&self) -> Result<(), Error> {
        let runner = self.processes.iter().find(|process| process.role.runs_programs());
        runner.map_or(Ok(()), |runner| runner.tell(&ToRole::Stop))
    }

    /// Asks how far all are; each answers over its own channel.
    pub fn count(&self) -> Result<(), Error> {
        self.tell_capture(&ToRole::Count)
    }

    /// Has output go on in another directory, after all that was captured before.
    pub fn rotate(&self) -> Result<(), Error> {
        self.tell_capture(&ToRole::Rotate)
    }

    fn tell_capture(&self, message: &ToRole) -> Result<(), Error> {
        self.processes.first().map_or(Ok(()), |capture| capture.tell(message))
    }
}

/// Starts one role, tells it what it is to do, and has it confine itself.
fn begin(
    role: Role,
    descriptors: Vec<(OwnedFd, i32)>,
    inputs: &[Savefile],
    plan: Plan,
) -> Result<Process, Error> {
    let process = spawn(role, descriptors, inputs.iter().any(|input| input.path == b"-"))?;
    process.tell(&ToRole::Plan(Box::new(plan)))?;
    for input in inputs {
        process.tell(&ToRole::Input(input.clone()))?;
    }
    process.tell(&ToRole::Confine)?;
    Ok(process)
}

fn spawn(role: Role, descriptors: Vec<(OwnedFd, i32)>, stdin: bool) -> Result<Process, Error> {
    let failed = |reason: String| Error::Start { role: role.executable(), reason };
    let path =
        executable(role).ok_or_else(|| failed("not found beside tcpflow or in ../libexec/tcpflow".into()))?;
    let (ours, theirs) = pair().map_err(|e| failed(format!("control channel: {e}")))?;
    let mut mappings = vec![FdMapping { parent_fd: theirs, child_fd: manifest::CONTROL }];
    mappings.extend(descriptors.into_iter().map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd }));
    let nothing = nothing::open().map_err(|e| failed(format!("/dev/null: {e}")))?;
    let input = nothing.try_clone().map_err(|e| failed(format!("/dev/null: {e}")))?;
    let mut command = Command::new(path);
    command
        .env_clear()
        .stdin(if stdin { Stdio::inherit() } else { input.into() })
        .stdout(nothing)
        .fd_mappings(mappings)
        .map_err(|e| failed(e.to_string()))?;
    sys::ignore_signals(&mut command);
    let child = command.spawn().map_err(|e| failed(e.to_string()))?;
    Ok(Process::new(role, child, ours))
}

/// Finds a role's executable by where the command itself is, never by the environment.
fn executable(role: Role) -> Option<PathBuf> {
    let here = std::env::current_exe().or_else(|_| sys::executed()?.canonicalize()).ok()?;
    let here = here.parent()?;
    PLACES.iter().map(|place| here.join(place).join(role.executable())).find(|path: &PathBuf| is_file(path))
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|status| status.is_file())
}

/// A data channel: sender's and receiver's end.
fn data_channel() -> Result<(OwnedFd, OwnedFd), Error> {
    let failed = |reason: &dyn std::fmt::Display| Error::Told(format!("data channel: {reason}"));
    let (sender, receiver) = pair().map_err(|e| failed(&e))?;
    // Beyond the system's limit for all as root; as far as it goes for others.
    if setsockopt(&sender, SndBufForce, &SEND_BUFFER).is_err() {
        setsockopt(&sender, SndBuf, &SEND_BUFFER).map_err(|e| failed(&e))?;
    }
    let got = getsockopt(&sender, SndBuf).map_err(|e| failed(&e))?;
    if got < MAX_DATAGRAM {
        return Err(failed(&format!("net.core.wmem_max is too small for a frame ({got} bytes to send in)")));
    }
    // One way: the receiver cannot answer.
    shutdown(std::os::fd::AsRawFd::as_raw_fd(&receiver.as_fd()), Shutdown::Write).map_err(|e| failed(&e))?;
    Ok((sender, receiver))
}

fn pair() -> nix::Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
}
