//! Plays tcpflow's part, and the reassembler's, to the real executable.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod files;

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, recv, send, setsockopt, socketpair, sockopt::SndBuf,
};
use proto::batch::Incoming;
use proto::control::{Counts, FromRole, Savefile, Start, ToRole, decode, encode};
use proto::frame::{CaptureEnd, Frame, FromCapture, Rotate};
use proto::limits::{MAX_CONTROL, MAX_DATAGRAM};
use proto::plan::{CapturePlan, Confinement, Limits, Plan, SandboxMode, Source};
use proto::time::Timestamp;

/// What came over the data channel.
#[derive(Debug, Default)]
pub struct Relayed {
    pub inputs: Vec<String>,
    /// Link type and snap length.
    pub interfaces: Vec<(u32, u32)>,
    pub frames: Vec<(Frame, Vec<u8>)>,
    /// How often the time was told.
    pub ticks: usize,
    /// How often it was asked how far everyone is.
    pub asked: usize,
    /// When it was told that output goes on in another directory, and after how many frames.
    pub rotated: Vec<(Rotate, usize)>,
    pub end: Option<CaptureEnd>,
}

/// A run to its end.
#[derive(Debug)]
pub struct Outcome {
    pub relayed: Relayed,
    pub notices: Vec<String>,
    pub counts: Vec<Counts>,
    /// The last control message.
    pub last: FromRole,
    pub status: std::process::ExitStatus,
}

impl Outcome {
    pub fn payloads(&self) -> Vec<&[u8]> {
        self.relayed.frames.iter().map(|(_, data)| data.as_slice()).collect()
    }

    pub fn end(&self) -> &CaptureEnd {
        self.relayed.end.as_ref().expect("the end was told")
    }
}

/// A role that was started and has its plan.
pub struct Role {
    pub child: Child,
    control: OwnedFd,
    data: OwnedFd,
    sequence: u64,
    relayed: Relayed,
}

const NO_LIMITS: Limits = Limits { address_space: None, open_files: None, file_size: None };

pub fn plan(source: Source, filter: Option<&str>) -> Plan {
    Plan::Capture(CapturePlan {
        confinement: Confinement { mode: SandboxMode::BestEffort, identity: None, limits: NO_LIMITS },
        source,
        filter: filter.map(str::to_owned),
        progress: false,
        drops: false,
    })
}

fn pair() -> (OwnedFd, OwnedFd) {
    let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .expect("socketpair");
    for end in [&pair.0, &pair.1] {
        setsockopt(end, SndBuf, &(2 * MAX_DATAGRAM)).expect("SO_SNDBUF");
    }
    pair
}

impl Role {
    /// Starts the executable and sends plan and inputs; it answers with [`Self::ready`] or fails.
    pub fn start(plan: Plan, inputs: &[PathBuf], stdin: Stdio) -> Self {
        let (control, theirs) = pair();
        let (data, data_out) = pair();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tcpflow-capture"));
        command.env_clear().stdin(stdin);
        command
            .fd_mappings(vec![
                FdMapping { parent_fd: theirs, child_fd: 3 },
                FdMapping { parent_fd: data_out, child_fd: 5 },
            ])
            .expect("mappings");
        let child = command.spawn().expect("spawn");
        let role = Self { child, control, data, sequence: 0, relayed: Relayed::default() };
        role.tell(&ToRole::Plan(Box::new(plan)));
        for input in inputs {
            let path = input.as_os_str().as_encoded_bytes().to_vec();
            role.tell(&ToRole::Input(Savefile { path, completing: false }));
        }
        role.tell(&ToRole::Confine);
        role
    }

    pub fn tell(&self, message: &ToRole) {
        let coded = encode(message).expect("encodes");
        send(self.control.as_raw_fd(), &coded, MsgFlags::MSG_NOSIGNAL).expect("control channel");
    }

    /// The next control message.
    pub fn hear(&self) -> FromRole {
        let mut buffer = vec![0; MAX_CONTROL];
        let length = recv(self.control.as_raw_fd(), &mut buffer, MsgFlags::empty()).expect("control channel");
        assert!(length > 0, "the role went without a word");
        decode(&buffer[..length]).expect("decodes")
    }

    /// Takes a datagram in; false once the other end is closed.
    pub fn receive(&mut self) -> bool {
        let mut buffer = vec![0; MAX_DATAGRAM];
        let length = recv(self.data.as_raw_fd(), &mut buffer, MsgFlags::empty()).expect("data channel");
        if length == 0 {
            return false;
        }
        let mut batch = Incoming::<FromCapture>::open(&buffer[..length], self.sequence).expect("batch");
        self.sequence += 1;
        while let Some((message, payload)) = batch.next().expect("message") {
            assert!(self.relayed.end.is_none(), "a message after the end");
            match message {
                FromCapture::Input { name, .. } => self.relayed.inputs.push(name.as_str().to_owned()),
                FromCapture::Interface { link_type, snap_length, .. } => {
                    self.relayed.interfaces.push((link_type, snap_length));
                }
                FromCapture::Frame(frame) => self.relayed.frames.push((frame, payload.to_vec())),
                FromCapture::Tick(_) => self.relayed.ticks += 1,
                FromCapture::Dropped(dropped) => panic!("not asked for: {dropped:?}"),
                FromCapture::Count => self.relayed.asked += 1,
                FromCapture::Rotate(rotate) => self.relayed.rotated.push((rotate, self.relayed.frames.len())),
                FromCapture::End(end) => self.relayed.end = Some(end),
            }
        }
        true
    }

    pub fn frames(&self) -> usize {
        self.relayed.frames.len()
    }

    pub fn rotations(&self) -> usize {
        self.relayed.rotated.len()
    }

    pub fn ticks(&self) -> usize {
        self.relayed.ticks
    }

    /// Closes both channels, as if tcpflow had died.
    pub fn abandon(self) -> Child {
        self.child
    }

    /// Takes everything in until the role ends.
    pub fn finish(mut self) -> Outcome {
        while self.receive() {}
        let (mut notices, mut counts) = (Vec::new(), Vec::new());
        let last = loop {
            match self.hear() {
                FromRole::Group(_) => panic!("nobody shares"),
                FromRole::Notice(notice) => notices.push(notice.text.as_str().to_owned()),
                FromRole::Counts(count) => counts.push(count),
                last @ (FromRole::Ready(_) | FromRole::Done { .. } | FromRole::Failed(_)) => break last,
            }
        };
        let status = self.child.wait().expect("wait");
        Outcome { relayed: self.relayed, notices, counts, last, status }
    }
}

/// Runs over savefiles from start to end.
pub fn run(inputs: &[&Path], filter: Option<&str>) -> Outcome {
    let inputs: Vec<_> = inputs.iter().map(|path| path.to_path_buf()).collect();
    let role = Role::start(plan(Source::Savefiles, filter), &inputs, Stdio::null());
    begin(&role);
    role.finish()
}

/// Waits until the role is confined, and starts it.
pub fn begin(role: &Role) {
    let word = role.hear();
    assert!(matches!(word, FromRole::Ready(_)), "not ready: {word:?}");
    role.tell(&ToRole::Start(Start { states: Vec::new(), at: Timestamp::default() }));
}

/// Runs over one savefile with these bytes; its name within notices is replaced by `FILE`.
pub fn run_bytes(bytes: &[u8], filter: Option<&str>) -> Outcome {
    let directory = tempfile::tempdir().expect("tempdir");
    let path = directory.path().join("input");
    std::fs::write(&path, bytes).expect("write");
    let mut outcome = run(&[&path], filter);
    let name = path.to_string_lossy().into_owned();
    for notice in &mut outcome.notices {
        *notice = notice.replace(&name, "FILE");
    }
    outcome
}
