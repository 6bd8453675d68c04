//! Stands in for a role in an end-to-end test: takes the plan, confines itself as the role does, and then says what
//! the file `script` beside it has it say (see `tcpflow_tests::puppet`).

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::RawFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, recvmsg, send, sendmsg};
use policy::manifest::{CONTROL, DATA_IN, DATA_OUT};
use policy::role::{self, Control, Done};
use policy::{Role, sandbox};
use proto::limits::MAX_DATAGRAM;
use proto::plan::{Confinement, Plan, Source};
use tcpflow_tests::puppet::{Line, Script};

/// How long others' descriptors may stay under way.
const UNDER_WAY: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    role::main(perform)
}

fn perform(control: &Control) -> Result<Done, String> {
    // By its first argument and not by where it lies: it is started through a link.
    let here = std::env::args_os().next().ok_or("no name")?;
    // Of several each has a script of its own.
    let number = std::env::args().nth(1).unwrap_or_default();
    let script = Path::new(&here).with_file_name(format!("script{number}"));
    let script = std::fs::read(&script).map_err(|e| format!("{}: {e}", script.display()))?;
    let script: Script = postcard::from_bytes(&script).map_err(|e| format!("script: {e}"))?;
    let (plan, _) = control.plan().map_err(|e| e.to_string())?;
    let (role, confinement) = part(&plan);
    let layers = if script.confined {
        sandbox::enter(role, confinement, None).map_err(|e| e.to_string())?
    } else {
        Vec::new()
    };
    say(&script.early);
    control.ready(layers).map_err(|e| e.to_string())?;
    say(&script.lines);
    if !script.done {
        std::process::exit(0)
    }
    match role {
        Role::Reassembler | Role::Writer | Role::WriterRetaining | Role::Runner => hear_out(),
        // Of several data channels none is heard.
        Role::CaptureLive | Role::CaptureFiles | Role::WriterOfSeveral | Role::WriterOfSeveralRetaining => {}
    }
    Ok(Done::Fully)
}

/// Takes all that still comes, so that whoever says it has someone to say it to.
fn hear_out() {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let mut parts = [IoSliceMut::new(&mut buffer)];
        match recvmsg::<()>(DATA_IN, &mut parts, None, MsgFlags::empty()) {
            Ok(message) if message.bytes > 0 => {}
            Ok(_) | Err(_) => return,
        }
    }
}

fn part(plan: &Plan) -> (Role, &Confinement) {
    match plan {
        Plan::Capture(plan) => match plan.source {
            Source::Live(_) => (Role::CaptureLive, &plan.confinement),
            Source::Savefiles => (Role::CaptureFiles, &plan.confinement),
        },
        Plan::Reassembler(plan) => (Role::Reassembler, &plan.confinement),
        Plan::Writer(plan) => (Role::writer(plan.retention.is_some(), plan.workers), &plan.confinement),
        Plan::Runner(plan) => (Role::Runner, &plan.confinement),
    }
}

/// Says lines until whoever is to hear them is gone.
fn say(lines: &[Line]) {
    for line in lines {
        let said = match line {
            Line::Control(bytes) => send(CONTROL, bytes, MsgFlags::MSG_NOSIGNAL),
            Line::Data { bytes, descriptors } => say_data(bytes, &vec![0; *descriptors]),
            Line::Emptied { counter, slots } => policy::adopt(*counter)
                .map_err(|_| Errno::EBADF)
                .and_then(|emptied| nix::unistd::write(emptied, &slots.to_ne_bytes())),
        };
        match said {
            Ok(_) => {}
            Err(Errno::EPIPE | Errno::ECONNRESET) => return,
            Err(errno) => panic!("{line:?}: {errno}"),
        }
    }
}

/// The kernel counts the descriptors under way for each user, and refuses more while there are more than a process may
/// have open, of which a role may have few (unix(7), ETOOMANYREFS). Other roles of that user may have some under way
/// at the same time, so that is waited out; awake, since no role may call what sleeps.
fn say_data(bytes: &[u8], descriptors: &[RawFd]) -> nix::Result<usize> {
    let rights = [ControlMessage::ScmRights(descriptors)];
    let rights = if descriptors.is_empty() { &[][..] } else { &rights[..] };
    let limit = Instant::now() + UNDER_WAY;
    loop {
        match sendmsg::<()>(DATA_OUT, &[IoSlice::new(bytes)], rights, MsgFlags::MSG_NOSIGNAL, None) {
            Err(Errno::ETOOMANYREFS) if Instant::now() < limit => std::hint::spin_loop(),
            said => return said,
        }
    }
}
