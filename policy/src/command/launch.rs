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
use policy::ring::{End, Memory};
use policy::{Role, descendants, manifest};
use proto::Breach;
use proto::control::{RoleState, Savefile, Start, ToRole};
use proto::limits::MAX_DATAGRAM;
use proto::plan::{CapturePlan, Group, Plan, Source};

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
    /// What each capture shares with its reassembler, and each of these with the writer, until it is sealed.
    memories: Vec<Memory>,
    /// What the captures beyond the first are to do, once it has told which group they are to join.
    joining: Option<Box<CapturePlan>>,
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
    let retains = settings.rotation.as_ref().is_some_and(|rotation| rotation.retention.is_some());
    let writes = Role::writer(retains, settings.workers);
    let plan = |role| plans::of(role, settings, identities, &places);
    let writer_plan = plan(writes)?;
    let Workers { mut processes, memories, heard: mut last, joining } =
        workers(settings, identities, plan(Role::Reassembler)?)?;
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
    processes.push(begin((writes, None), last, &[], writer_plan)?);
    let mut leftovers = None;
    if let Some((runners, plan)) = beyond {
        descendants::adopt_orphans().map_err(|e| Error::Told(format!("prctl: {e}")))?;
        leftovers = Some(Leftovers);
        processes.push(begin((Role::Runner, None), runners, &[], plan)?);
    }
    Ok(Roles { processes, memories, joining, leftovers })
}

/// Descriptors with their numbers in the process that they are for.
type Mapped = Vec<(OwnedFd, RawFd)>;

/// A role, and which of several it is, from 1.
type Place = (Role, Option<u32>);

/// The pairs of capture and reassembler.
struct Workers {
    /// All captures, then all reassemblers.
    processes: Vec<Process>,
    /// What they share, with each other and with the writer.
    memories: Vec<Memory>,
    /// What the writer hears them by.
    heard: Mapped,
    /// What the captures beyond the first wait for.
    joining: Option<Box<CapturePlan>>,
}

/// Starts the pairs of capture and reassembler.
fn workers(settings: &Settings, identities: &Identities, plan: Plan) -> Result<Workers, Error> {
    let (role, inputs) = match &settings.input {
        Input::Live { .. } => (Role::CaptureLive, &[][..]),
        Input::Savefiles(files) => (Role::CaptureFiles, files.as_slice()),
    };
    let (mut processes, mut reassemblers) = (Vec::new(), Vec::new());
    let (mut memories, mut heard) = (Vec::new(), Vec::new());
    let several = settings.workers > 1;
    let first = Plan::Capture(plans::capture(settings, identities, several.then_some(Group::Begin)));
    for (number, (writers, ring)) in (1..).zip(manifest::heard(settings.workers)) {
        let worker = several.then_some(number);
        let (capture_out, reassembler_in) = data_channel()?;
        let mut out = vec![(capture_out, manifest::DATA_OUT)];
        let mut between = vec![(reassembler_in, manifest::DATA_IN)];
        let frames = Memory::new("frames", manifest::FRAMES, manifest::FRAMES, settings.workers);
        memories.extend(frames.map(|made| share(made, &mut out, &mut between)));
        // Capture first: it takes longest to get ready, with libpcap to load and filters to compile.
        processes.push(match number {
            1 => begin((role, worker), out, inputs, first.clone())?,
            _ => spawn((role, worker), out, false)?,
        });
        let (reassembler_out, writer_in) = data_channel()?;
        between.push((reassembler_out, manifest::DATA_OUT));
        heard.push((writer_in, writers));
        let flows = Memory::new("flows", manifest::FLOWS, ring, settings.workers);
        memories.extend(flows.map(|made| share(made, &mut between, &mut heard)));
        reassemblers.push(begin((Role::Reassembler, worker), between, &[], plan.clone())?);
    }
    processes.append(&mut reassemblers);
    let joining = several.then(|| Box::new(plans::capture(settings, identities, None)));
    Ok(Workers { processes, memories, heard, joining })
}

/// Gives both their ends of a memory.
fn share((memory, from, to): (Memory, End, End), sender: &mut Mapped, receiver: &mut Mapped) -> Memory {
    sender.extend(from);
    receiver.extend(to);
    memory
}

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
    pub fn named(&self) -> Vec<(String, u32)> {
        self.processes.iter().map(|process| (process.name(), process.pid())).collect()
    }

    /// A capture has begun a group of packet sockets: the others join it.
    pub fn join(&mut self, index: usize, number: u16) -> Result<(), Error> {
        let joining = self.joining.take_if(|_| index == 0);
        let Some(mut plan) = joining else {
            let breach = Breach::Forbidden("a group that nobody waits for");
            return Err(self
                .processes
                .get(index)
                .map_or(Error::AlreadyTold, |process| process.breach(breach)));
        };
        if let Source::Live(live) = &mut plan.source {
            live.group = Some(Group::Join(number));
        }
        for process in self.captures().skip(1) {
            process.tell(&ToRole::Plan(Box::new(Plan::Capture((*plan).clone()))))?;
            process.tell(&ToRole::Confine)?;
        }
        Ok(())
    }

    fn captures(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(|process| process.role.captures())
    }

    /// Gives the word to start, from the last role to the first, once nobody can get to write to what two share.
    pub fn begin(&mut self, states: &[RoleState]) -> Result<(), Error> {
        for memory in self.memories.drain(..) {
            memory.seal().map_err(|e| Error::Told(format!("shared memory: cannot be sealed: {e}")))?;
        }
        let start = Start { states: states.to_vec(), at: policy::now() };
        for process in self.processes.iter().rev() {
            process.tell(&ToRole::Start(start.clone()))?;
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

    /// Tells capture to end in order, and the runner to begin nothing more.
    pub fn stop(&self) -> Result<(), Error> {
        self.stop_captures()?;
        self.hurry()
    }

    /// Tells capture to end in order.
    pub fn stop_captures(&self) -> Result<(), Error> {
        self.tell_captures(&ToRole::Stop(policy::now()))
    }

    /// Tells the runner to stop; what runs it leaves a while at the first word, and none at the second.
    pub fn hurry(&self) -> Result<(), Error> {
        let runner = self.processes.iter().find(|process| process.role.runs_programs());
        runner.map_or(Ok(()), |runner| runner.tell(&ToRole::Stop(policy::now())))
    }

    /// Asks how far all are; each answers over its own channel.
    pub fn count(&self) -> Result<(), Error> {
        self.tell_captures(&ToRole::Count)
    }

    /// Has output go on in another directory, after all that was captured before.
    pub fn rotate(&self) -> Result<(), Error> {
        self.tell_captures(&ToRole::Rotate)
    }

    fn tell_captures(&self, message: &ToRole) -> Result<(), Error> {
        self.captures().try_for_each(|capture| capture.tell(message))
    }
}

/// Starts one role, tells it what it is to do, and has it confine itself.
fn begin(place: Place, descriptors: Mapped, inputs: &[Savefile], plan: Plan) -> Result<Process, Error> {
    let process = spawn(place, descriptors, inputs.iter().any(|input| input.path == b"-"))?;
    process.tell(&ToRole::Plan(Box::new(plan)))?;
    for input in inputs {
        process.tell(&ToRole::Input(input.clone()))?;
    }
    process.tell(&ToRole::Confine)?;
    Ok(process)
}

fn spawn((role, worker): Place, descriptors: Mapped, stdin: bool) -> Result<Process, Error> {
    let failed = |reason: String| Error::Start { role: role.name(worker), reason };
    let path =
        executable(role).ok_or_else(|| failed("not found beside tcpflow or in ../libexec/tcpflow".into()))?;
    let (ours, theirs) = pair().map_err(|e| failed(format!("control channel: {e}")))?;
    let mut mappings = vec![FdMapping { parent_fd: theirs, child_fd: manifest::CONTROL }];
    mappings.extend(descriptors.into_iter().map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd }));
    let nothing = nothing::open().map_err(|e| failed(format!("/dev/null: {e}")))?;
    let input = nothing.try_clone().map_err(|e| failed(format!("/dev/null: {e}")))?;
    let mut command = Command::new(path);
    command
        // For who looks at what runs; the role does not look at it.
        .args(worker.map(|worker| worker.to_string()))
        .env_clear()
        .stdin(if stdin { Stdio::inherit() } else { input.into() })
        .stdout(nothing)
        .fd_mappings(mappings)
        .map_err(|e| failed(e.to_string()))?;
    sys::ignore_signals(&mut command);
    let child = command.spawn().map_err(|e| failed(e.to_string()))?;
    Ok(Process::new(role, worker, child, ours))
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
