//! Plays `tcpflow` and the reassembler to the real executable, confined as in a real run.

use std::fs::{self, File};
use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, recv, send, sendmsg, socketpair,
};
use policy::manifest::{CONTROL, DATA_IN, OUTPUT, REPORT};
use proto::batch::Outgoing;
use proto::control::{self, FromRole, Start, ToRole};
use proto::flow::{
    Arrival, FlowClose, FlowEnding, FlowId, FlowKey, FlowOpen, FromReassembler, Medium, Missing, RawPacket,
    Span, Totals,
};
use proto::frame::Ending;
use proto::plan::{Confinement, Limits, Plan, ReportPlace, ReportPlan, SandboxMode, WriterPlan};
use proto::text::Text;
use proto::time::Timestamp;

/// The writer, with a directory of its own.
pub struct Rig {
    pub directory: PathBuf,
    _place: Option<tempfile::TempDir>,
    child: Child,
    control: OwnedFd,
    data: Option<OwnedFd>,
    pub batch: Outgoing<FromReassembler>,
    flows: u64,
    stored: u64,
}

/// How a run of the writer ended.
pub struct Outcome {
    pub last: Option<FromRole>,
    pub notices: Vec<String>,
    pub status: ExitStatus,
    pub report: String,
}

/// A plan with the default template and a report in the directory.
pub fn plan() -> WriterPlan {
    WriterPlan {
        confinement: Confinement {
            mode: SandboxMode::Require,
            identity: None,
            limits: Limits { address_space: None, open_files: Some(64), file_size: None },
        },
        template: "%A.%a-%B.%b%V%v%C%c".into(),
        output: b"out".to_vec(),
        store: true,
        index: false,
        packets: false,
        unprocessed: false,
        bodies: false,
        digests: Vec::new(),
        console: None,
        warn_of_many_files: false,
        max_bytes: None,
        max_open_files: 16,
        report: Some(ReportPlan {
            place: ReportPlace::Inside("report.xml".into()),
            command_line: Text::cut("tcpflow -r <x>"),
            uid: 0,
            username: Text::cut("root"),
            start: Timestamp::new(1, 0),
            time_delta: 0,
            strict: false,
        }),
        events: None,
        charts: false,
        dump: false,
        networks: false,
        notify: None,
        rotates: false,
        retention: None,
        workers: 1,
    }
}

pub fn open(number: u64) -> FromReassembler {
    open_from(number, 1000 + u16::try_from(number).unwrap())
}

pub fn open_from(number: u64, port: u16) -> FromReassembler {
    FromReassembler::Open(FlowOpen {
        flow: FlowId(number),
        key: FlowKey {
            source: "10.0.0.1".parse().unwrap(),
            destination: "10.0.0.2".parse().unwrap(),
            source_port: port,
            destination_port: 80,
        },
        number,
        session: 1,
        vlan: None,
        source_mac: None,
        destination_mac: None,
        start: Timestamp::new(1_223_315_694, 796_605_000),
        client: true,
    })
}

/// Ethernet, in microseconds.
pub fn medium(link_type: u32) -> FromReassembler {
    FromReassembler::Medium(Medium { link_type, snap_length: 4, nanoseconds: false })
}

pub fn packet(bytes: &[u8]) -> RawPacket {
    let captured = u32::try_from(bytes.len()).unwrap();
    RawPacket { time: Timestamp::new(1, 2000), captured, original: 1500 }
}

pub fn arrival(flow: u64, offset: u64, length: u32) -> FromReassembler {
    FromReassembler::Arrival(Arrival { flow: FlowId(flow), offset, length, time: Timestamp::new(1, 2000) })
}

pub fn span(flow: u64, offset: u64, bytes: &[u8]) -> Span {
    Span { flow: FlowId(flow), offset, length: u32::try_from(bytes.len()).unwrap() }
}

pub fn close(flow: u64, size: u64) -> FromReassembler {
    FromReassembler::Close(Box::new(FlowClose {
        flow: FlowId(flow),
        end: Timestamp::new(1_223_315_695, 0),
        packets: 3,
        length: 200,
        captured: None,
        size,
        missing: 0,
        cut: 0,
        missing_runs: Missing::default(),
        out_of_order: 0,
        violations: 0,
        ending: FlowEnding::Fin,
    }))
}

impl Rig {
    pub fn start(plan: WriterPlan) -> Self {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().to_owned();
        Self::start_in(&directory, Some(place), plan, None)
    }

    pub fn start_in(
        directory: &Path,
        place: Option<tempfile::TempDir>,
        plan: WriterPlan,
        report: Option<OwnedFd>,
    ) -> Self {
        let mut rig = Self::spawn(directory, place, plan, report);
        rig.begin();
        rig
    }

    /// Gives the word to start, once the writer is ready.
    pub fn begin(&mut self) {
        match self.receive() {
            Some(FromRole::Ready(_)) => {
                self.say(&ToRole::Start(Start { states: Vec::new(), at: Timestamp::default() }))
            }
            other => panic!("not ready: {other:?}"),
        }
    }

    /// Starts the writer and sends the plan; what it answers is not read yet.
    pub fn spawn(
        directory: &Path,
        place: Option<tempfile::TempDir>,
        plan: WriterPlan,
        report: Option<OwnedFd>,
    ) -> Self {
        let pair =
            || socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let ((control, theirs), (data, input)) = (pair(), pair());
        let output: OwnedFd = File::open(directory).unwrap().into();
        let given = [(theirs, CONTROL), (input, DATA_IN), (output, OUTPUT)].into_iter();
        let mappings = given
            .chain(report.map(|file| (file, REPORT)))
            .map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd })
            .collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tcpflow-writer"));
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).fd_mappings(mappings).unwrap();
        let child = command.spawn().unwrap();
        drop(command);
        let rig = Self {
            directory: directory.to_owned(),
            _place: place,
            child,
            control,
            data: Some(data),
            batch: Outgoing::default(),
            flows: 0,
            stored: 0,
        };
        rig.say(&ToRole::Plan(Box::new(Plan::Writer(plan))));
        rig.say(&ToRole::Confine);
        rig
    }

    fn say(&self, message: &ToRole) {
        send(self.control.as_raw_fd(), &control::encode(message).unwrap(), MsgFlags::MSG_NOSIGNAL).unwrap();
    }

    pub fn receive(&mut self) -> Option<FromRole> {
        let mut buffer = vec![0; 1 << 17];
        let got = recv(self.control.as_raw_fd(), &mut buffer, MsgFlags::empty()).unwrap_or(0);
        (got > 0).then(|| control::decode(&buffer[..got]).unwrap())
    }

    pub fn put(&mut self, message: &FromReassembler, bytes: &[u8]) -> &mut Self {
        match message {
            FromReassembler::Open(_) => self.flows += 1,
            FromReassembler::Data(_) | FromReassembler::Replace(_) => self.stored += bytes.len() as u64,
            _ => {}
        }
        if self.batch.is_full_for(bytes.len()) {
            self.flush();
        }
        self.batch.push(message, bytes).unwrap();
        self
    }

    pub fn data(&mut self, flow: u64, offset: u64, bytes: &[u8]) -> &mut Self {
        self.put(&FromReassembler::Data(span(flow, offset, bytes)), bytes)
    }

    pub fn totals(&self) -> Totals {
        let mut totals = Totals::unknown(Ending::Complete);
        totals.flows = self.flows;
        totals.stored = self.stored;
        totals.payload = self.stored;
        totals
    }

    pub fn end(&mut self) -> &mut Self {
        let totals = self.totals();
        self.put(&FromReassembler::End(Box::new(totals)), b"")
    }

    /// Sends the batch. A writer that has ended already is not an error here.
    pub fn flush(&mut self) -> &mut Self {
        if !self.batch.is_empty() {
            let datagram = self.batch.parts().unwrap().concat();
            self.raw(&datagram, &[]);
            self.batch.advance();
        }
        self
    }

    pub fn raw(&mut self, datagram: &[u8], descriptors: &[i32]) {
        let rights = [ControlMessage::ScmRights(descriptors)];
        let rights = if descriptors.is_empty() { &[][..] } else { &rights[..] };
        let socket = self.data.as_ref().unwrap().as_raw_fd();
        let _ = sendmsg::<()>(socket, &[IoSlice::new(datagram)], rights, MsgFlags::MSG_NOSIGNAL, None);
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Waits until the report holds `text`.
    pub fn wait_for(&self, text: &str) {
        // However busy the machine is, and whatever checks the writer was built with.
        for _ in 0..6000 {
            if self.report().contains(text) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("no {text} in the report");
    }

    /// The report; where there are several, that of the newest directory.
    pub fn report(&self) -> String {
        let directories = fs::read_dir(&self.directory).unwrap().map(|entry| entry.unwrap().path());
        let newest = directories.filter(|path| path.join("report.xml").exists()).max();
        let place = newest.unwrap_or_else(|| self.directory.clone());
        fs::read_to_string(place.join("report.xml")).unwrap_or_default()
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.directory.join(name)).unwrap()
    }

    /// Sends what is left, closes the channel and waits for the end.
    pub fn finish(&mut self) -> Outcome {
        self.flush();
        self.data = None;
        let (mut last, mut notices) = (None, Vec::new());
        while let Some(message) = self.receive() {
            match message {
                FromRole::Notice(notice) => notices.push(notice.text.to_string()),
                other => last = Some(other),
            }
        }
        Outcome { last, notices, status: self.child.wait().unwrap(), report: self.report() }
    }
}

impl Outcome {
    /// The run went to its end and stored everything.
    pub fn expect_done(&self) -> &Self {
        assert_eq!(self.last, Some(FromRole::Done { failed: false }), "{:?}", self.notices);
        assert!(self.status.success());
        well_formed(&self.report);
        assert!(!self.report.contains("<interrupted>"));
        self
    }

    /// The run failed with a reason that holds `reason`, and the report says so.
    pub fn expect_failed(&self, reason: &str) {
        let Some(FromRole::Failed(text)) = &self.last else { panic!("{:?}", self.last) };
        assert!(text.as_str().contains(reason), "{text}");
        assert!(!self.status.success());
        well_formed(&self.report);
        assert!(self.report.contains("<interrupted>"), "{}", self.report);
    }
}

/// Every element is closed, by the one of its name, and the root is the last.
pub fn well_formed(xml: &str) {
    let mut reader = quick_xml::Reader::from_str(xml);
    let (mut depth, mut roots) = (0, 0);
    loop {
        match reader.read_event().unwrap_or_else(|e| panic!("{e} in {xml}")) {
            quick_xml::events::Event::Start(_) => depth += 1,
            quick_xml::events::Event::End(_) => {
                depth -= 1;
                roots += i32::from(depth == 0);
            }
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Text(text) if depth == 0 => {
                assert!(text.trim_ascii().is_empty(), "text outside of the root");
            }
            _ => {}
        }
    }
    assert_eq!((depth, roots), (0, 1), "{xml}");
}
