//! Stands in for a role in an end-to-end test: takes the plan, confines itself as the role does, and then says what
//! the file `script` beside it has it say (see `tcpflow_tests::puppet`).

use std::io::{IoSlice, IoSliceMut};
use std::path::Path;
use std::process::ExitCode;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, recvmsg, send, sendmsg};
use policy::manifest::{CONTROL, DATA_IN, DATA_OUT};
use policy::role::{self, Control, Done};
use policy::{Role, sandbox};
use proto::limits::MAX_DATAGRAM;
use proto::plan::{Confinement, Plan, Source};
use tcpflow_tests::puppet::{Line, Script};

fn main() -> ExitCode {
    role::main(perform)
}

fn perform(control: &Control) -> Result<Done, String> {
    // By its first argument and not by where it lies: it is started through a link.
    let here = std::env::args_os().next().ok_or("no name")?;
    let script = Path::new(&here).with_file_name("script");
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
        Role::Reassembler | Role::Runner => hear_out(),
        Role::CaptureLive | Role::CaptureFiles | Role::Writer | Role::WriterRetaining => {}
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
        Plan::Writer(plan) => {
            let retains = plan.retention.is_some();
            (if retains { Role::WriterRetaining } else { Role::Writer }, &plan.confinement)
        }
        Plan::Runner(plan) => (Role::Runner, &plan.confinement),
    }
}

/// Says lines until whoever is to hear them is gone.
fn say(lines: &[Line]) {
    for line in lines {
        let said = match line {
            Line::Control(bytes) => send(CONTROL, bytes, MsgFlags::MSG_NOSIGNAL),
            Line::Data { bytes, descriptors } => {
                let numbers = vec![0; *descriptors];
                let rights = [ControlMessage::ScmRights(&numbers)];
                let rights = if numbers.is_empty() { &[][..] } else { &rights[..] };
                sendmsg::<()>(DATA_OUT, &[IoSlice::new(bytes)], rights, MsgFlags::MSG_NOSIGNAL, None)
            }
        };
        match said {
            Ok(_) => {}
            Err(Errno::EPIPE | Errno::ECONNRESET) => return,
            Err(errno) => panic!("{line:?}: {errno}"),
        }
    }
}
