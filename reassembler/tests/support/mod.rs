//! Packets in, flow files out: what the tests share. Packets are built by etherparse, not by the code
//! under test, and files are put together in the plainest way there is.
#![allow(dead_code, reason = "each test crate uses a part of this")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails loudly is a test that works"
)]

use std::collections::BTreeMap;

use etherparse::PacketBuilder;
use proto::flow::{FlowClose, FlowEnding, FlowId, FlowOpen, FromReassembler, Totals};
use proto::frame::{CaptureEnd, Ending, Frame, FromCapture};
use proto::plan::{Confinement, HttpPlan, Limits, Overlap, ReassemblerPlan, SandboxMode, Separation, Wanted};
use proto::text::Text;
use proto::time::Timestamp;
use reassembler::protocol::Conversation;

pub const ETHERNET: u32 = 1;
pub const MIB: u64 = 1 << 20;

/// Bodies of responses, whole and with their codings undone.
pub const HTTP: HttpPlan = HttpPlan { decompress: true, requests: false, max_body: None, max_bytes: None };

pub fn plan() -> ReassemblerPlan {
    let limits = Limits { address_space: None, open_files: None, file_size: None };
    ReassemblerPlan {
        confinement: Confinement { mode: SandboxMode::Off, identity: None, limits },
        max_skip: 16 * MIB,
        max_hole: 64 * MIB,
        overlap: Overlap::First,
        time_delta: 0,
        tcp_timeout: 0,
        max_memory: 256 * MIB,
        workers: 1,
        patience: None,
        tunnels: true,
        separation: Separation::Tunnel,
        wanted: Wanted {
            flows: true,
            data: true,
            console: None,
            index: false,
            packets: false,
            http: None,
            unprocessed: false,
            charts: None,
            networks: None,
            events: false,
        },
        rotation: None,
    }
}

/// A segment between two hosts, in one of the two directions.
#[derive(Debug, Clone)]
pub struct Tcp {
    pub client: bool,
    pub port: u16,
    pub seq: u32,
    pub ack: Option<u32>,
    pub flags: &'static str,
    pub window: u16,
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
}

pub fn client(seq: u32, flags: &'static str, payload: &[u8]) -> Tcp {
    Tcp {
        client: true,
        port: 40_000,
        seq,
        ack: None,
        flags,
        window: 1000,
        options: Vec::new(),
        payload: payload.to_vec(),
    }
}

pub fn server(seq: u32, flags: &'static str, payload: &[u8]) -> Tcp {
    Tcp { client: false, ..client(seq, flags, payload) }
}

impl Tcp {
    pub fn ack(mut self, ack: u32) -> Self {
        self.ack = Some(ack);
        self
    }

    /// Options, a multiple of four bytes.
    pub fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self
    }

    pub fn window(mut self, window: u16) -> Self {
        self.window = window;
        self
    }

    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// As an Ethernet frame.
    pub fn frame(&self) -> Vec<u8> {
        let (a, b) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let (from, to) = if self.client { (a, b) } else { (b, a) };
        let (source, destination) = if self.client { (self.port, 80) } else { (80, self.port) };
        let mut tcp = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(from, to, 64).tcp(
            source,
            destination,
            self.seq,
            self.window,
        );
        for flag in self.flags.chars() {
            tcp = match flag {
                'S' => tcp.syn(),
                'F' => tcp.fin(),
                'R' => tcp.rst(),
                'U' => tcp.urg(u16::try_from(self.payload.len()).unwrap()),
                _ => tcp.psh(),
            };
        }
        if let Some(ack) = self.ack {
            tcp = tcp.ack(ack);
        }
        let tcp = tcp.options_raw(&self.options).unwrap();
        let mut frame = Vec::new();
        tcp.write(&mut frame, &self.payload).unwrap();
        frame
    }
}

/// A capture that is fed to the reassembler, one frame a second.
pub struct Capture {
    conversation: Conversation<Vec<(FromReassembler, Vec<u8>)>>,
    seconds: i64,
    frames: u64,
}

impl Capture {
    pub fn new(plan: &ReassemblerPlan, link_type: u32) -> Self {
        let mut conversation = Conversation::new(plan, Vec::new());
        let input = FromCapture::Input { name: Text::cut("test"), completing: false };
        conversation.hear(input, &[], &mut |_, _| ()).unwrap();
        let interface = FromCapture::Interface { link_type, snap_length: 0, nanoseconds: false };
        conversation.hear(interface, &[], &mut |_, _| ()).unwrap();
        Self { conversation, seconds: 1_000_000, frames: 0 }
    }

    /// Tells that nothing is captured any more at this time.
    pub fn tick(&mut self, seconds: i64) -> &mut Self {
        let tick = FromCapture::Tick(Timestamp::new(seconds, 0));
        self.conversation.hear(tick, &[], &mut |_, _| ()).unwrap();
        self
    }

    /// What was said to the writer so far.
    pub fn said(&mut self) -> &[(FromReassembler, Vec<u8>)] {
        self.conversation.sink()
    }

    pub fn at(&mut self, seconds: i64) -> &mut Self {
        self.seconds = seconds;
        self
    }

    /// A frame of which `captured` bytes are there.
    pub fn raw(&mut self, frame: &[u8], captured: usize) -> &mut Self {
        let bytes = &frame[..captured];
        let frame = Frame {
            interface: 0,
            time: Timestamp::new(self.seconds, 0),
            captured: captured.try_into().unwrap(),
            original: frame.len().try_into().unwrap(),
        };
        self.seconds += 1;
        self.frames += 1;
        self.conversation.hear(FromCapture::Frame(frame), bytes, &mut |_, _| ()).unwrap();
        self
    }

    pub fn tcp(&mut self, tcp: &Tcp) -> &mut Self {
        let frame = tcp.frame();
        self.raw(&frame, frame.len())
    }

    /// Ends the capture of a single flow that is too long to be put together; its length.
    pub fn end_without_file(self) -> u64 {
        let messages = self.finish();
        let closed = messages.iter().find_map(|(message, _)| {
            if let FromReassembler::Close(close) = message { Some(close.size) } else { None }
        });
        closed.unwrap()
    }

    pub fn end(self) -> Output {
        Output::replay(self.finish())
    }

    /// Ends the capture; all that was said to the writer.
    pub fn finish(mut self) -> Vec<(FromReassembler, Vec<u8>)> {
        let end = CaptureEnd {
            ending: Ending::Complete,
            frames_read: self.frames,
            frames_filtered: 0,
            kernel: None,
            savefile_drops: None,
        };
        self.conversation.hear(FromCapture::End(end), &[], &mut |_, _| ()).unwrap();
        let messages = std::mem::take(self.conversation.close().unwrap());
        self.conversation.verdict().unwrap();
        messages
    }
}

/// Runs segments through the reassembler.
pub fn run(plan: &ReassemblerPlan, segments: &[Tcp]) -> Output {
    let mut capture = Capture::new(plan, ETHERNET);
    for segment in segments {
        capture.tcp(segment);
    }
    capture.end()
}

/// What became of one flow.
#[derive(Debug)]
pub struct Flow {
    pub open: FlowOpen,
    pub bytes: BTreeMap<u64, u8>,
    /// Bytes that were told to be compared and that differ.
    pub conflicts: u64,
    pub shifts: u64,
    pub close: Option<FlowClose>,
}

impl Flow {
    /// The file: holes as zeros.
    pub fn file(&self) -> Vec<u8> {
        let size = self.close.as_ref().unwrap().size;
        (0..size).map(|at| self.bytes.get(&at).copied().unwrap_or(0)).collect()
    }

    pub fn ending(&self) -> FlowEnding {
        self.close.as_ref().unwrap().ending
    }
}

/// Everything that came out.
#[derive(Debug)]
pub struct Output {
    pub flows: Vec<Flow>,
    pub totals: Totals,
}

impl Output {
    /// Replays messages as the writer would, refusing what the protocol forbids.
    #[allow(clippy::wildcard_enum_match_arm, reason = "whatever else there is, no plan here wants it")]
    fn replay(messages: Vec<(FromReassembler, Vec<u8>)>) -> Self {
        let mut flows: Vec<Flow> = Vec::new();
        let mut totals = None;
        for (message, payload) in messages {
            assert!(totals.is_none(), "a message after the end");
            match message {
                FromReassembler::Open(open) => {
                    assert_eq!(open.flow, FlowId(flows.len() as u64));
                    flows.push(Flow { open, bytes: BTreeMap::new(), conflicts: 0, shifts: 0, close: None });
                }
                FromReassembler::Data(span) => {
                    let flow = open_flow(&mut flows, span.flow);
                    for (at, byte) in (span.offset..).zip(payload) {
                        assert_eq!(flow.bytes.insert(at, byte), None, "byte {at} came twice as new");
                    }
                }
                FromReassembler::Replace(span) => {
                    let flow = open_flow(&mut flows, span.flow);
                    for (at, byte) in (span.offset..).zip(payload) {
                        assert!(flow.bytes.insert(at, byte).is_some(), "byte {at} replaces nothing");
                    }
                }
                FromReassembler::Compare(span) => {
                    let flow = open_flow(&mut flows, span.flow);
                    for (at, byte) in (span.offset..).zip(payload) {
                        flow.conflicts += u64::from(flow.bytes[&at] != byte);
                    }
                }
                FromReassembler::Shift { flow, by } => {
                    let flow = open_flow(&mut flows, flow);
                    flow.shifts += 1;
                    flow.bytes = flow.bytes.iter().map(|(at, byte)| (at + by, *byte)).collect();
                }
                FromReassembler::Close(close) => {
                    let flow = open_flow(&mut flows, close.flow);
                    let end = flow.bytes.last_key_value().map_or(0, |(at, _)| at + 1);
                    assert_eq!(close.size, end, "size is not the end of the last byte");
                    assert_eq!(close.missing_runs.count, check_runs(&flow.bytes, &close));
                    flow.close = Some(*close);
                }
                FromReassembler::Empty(flow) => {
                    assert_eq!(flow.open.flow, FlowId(flows.len() as u64));
                    let (open, close) = (flow.open, Some(flow.close()));
                    flows.push(Flow { open, bytes: BTreeMap::new(), conflicts: 0, shifts: 0, close });
                }
                FromReassembler::End(end) => totals = Some(*end),
                #[allow(
                    clippy::wildcard_enum_match_arm,
                    reason = "whatever else there is, no plan here wants it"
                )]
                _ => panic!("the plan does not ask for {message:?}"),
            }
        }
        assert!(flows.iter().all(|flow| flow.close.is_some()), "a flow was not closed");
        let totals = totals.unwrap();
        assert_eq!(totals.flows, flows.len() as u64);
        flows.sort_by_key(|flow| flow.open.number);
        Self { flows, totals }
    }

    pub fn files(&self) -> Vec<Vec<u8>> {
        self.flows.iter().map(Flow::file).collect()
    }

    pub fn payload_aside(&self, reason: &str) -> u64 {
        count(&self.totals.payload_aside, reason)
    }

    pub fn frames_aside(&self, reason: &str) -> u64 {
        count(&self.totals.frames_aside, reason)
    }
}

/// Checks the missing ranges of a flow against its bytes; how many there are.
fn check_runs(bytes: &BTreeMap<u64, u8>, close: &FlowClose) -> u64 {
    let mut runs = Vec::new();
    let mut next = 0;
    for at in bytes.keys() {
        if next < *at {
            runs.push((next, at - next));
        }
        next = at + 1;
    }
    let within: u64 = runs.iter().map(|(_, length)| length).sum();
    let all = close.missing + close.cut;
    if all > within {
        runs.push((next, all - within));
    }
    let listed: Vec<_> = close.missing_runs.first.iter().map(|run| (run.offset, run.length)).collect();
    assert_eq!(listed, runs[..runs.len().min(16)]);
    let cut: u64 = close.missing_runs.first.iter().map(|run| run.cut).sum();
    assert!(cut <= close.cut && (runs.len() > 16 || cut == close.cut), "{cut} of {close:?}");
    runs.len() as u64
}

fn count(counts: &[proto::flow::Count], reason: &str) -> u64 {
    counts.iter().filter(|count| count.reason.as_str() == reason).map(|count| count.count).sum()
}

fn open_flow(flows: &mut [Flow], id: FlowId) -> &mut Flow {
    let flow = flows.iter_mut().find(|flow| flow.open.flow == id).expect("a flow that was not opened");
    assert!(flow.close.is_none(), "a message after its flow's end");
    flow
}
