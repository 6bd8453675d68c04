//! The whole reassembler, driven with a savefile and two bytes after it that choose settings: what it tells the writer obeys the protocol, stays within
//! what was captured, and its sums add up.
#![no_main]

use std::collections::BTreeMap;

use capture::record::{Record, Step};
use capture::savefile::Savefile;
use libfuzzer_sys::fuzz_target;
use proto::Message;
use proto::flow::{FlowId, FromReassembler, Span};
use proto::frame::{CaptureEnd, Ending, FromCapture};
use proto::plan::{
    ChartPlan, Confinement, Limits, NetworkPlan, Order, Overlap, ReassemblerPlan, SandboxMode, Separation, Wanted,
};
use proto::text::Text;
use reassembler::protocol::Conversation;
use reassembler::sink::Sink;

/// What a writer would hold the reassembler to.
#[derive(Debug, Default)]
struct Strict {
    /// Open flows and where their bytes end.
    open: BTreeMap<FlowId, u64>,
    next: u64,
    stored: u64,
    unprocessed: u64,
    medium: bool,
    ended: bool,
}

impl Strict {
    fn number(&mut self, flow: FlowId) {
        assert_eq!(flow, FlowId(self.next), "flows are numbered as they are told of");
        self.next += 1;
    }
}

impl Sink for Strict {
    fn put(&mut self, message: &FromReassembler, payload: &[u8]) -> Result<(), reassembler::Error> {
        message.check()?;
        assert_eq!(usize::try_from(message.payload_len()).unwrap(), payload.len());
        assert!(!self.ended, "nothing comes after the end");
        match message {
            FromReassembler::Open(open) => {
                self.number(open.flow);
                self.open.insert(open.flow, 0);
            }
            FromReassembler::Empty(flow) => self.number(flow.open.flow),
            FromReassembler::Data(span) | FromReassembler::Replace(span) => {
                self.stored += u64::from(span.length);
                let end = self.open.get_mut(&span.flow).expect("an open flow");
                *end = span.end()?.max(*end);
            }
            FromReassembler::Compare(span) => {
                let end = self.open.get(&span.flow).expect("an open flow");
                assert!(span.end()? <= *end, "what is compared was stored");
            }
            FromReassembler::Shift { flow, by } => {
                *self.open.get_mut(flow).expect("an open flow") += by;
            }
            FromReassembler::Print(Span { flow, .. }) | FromReassembler::Gap { flow, .. } => {
                assert!(self.open.contains_key(flow), "an open flow");
            }
            FromReassembler::Arrival(arrival) => {
                let end = self.open.get(&arrival.flow).expect("an open flow");
                assert!(arrival.offset <= *end, "it was stored, or its hole is given up");
            }
            FromReassembler::Medium(_) => self.medium = true,
            FromReassembler::Packet { flow, .. } => {
                assert!(self.medium && self.open.contains_key(flow), "an open flow, and a link");
            }
            FromReassembler::Unprocessed(_) => {
                assert!(self.medium, "a link");
                self.unprocessed += 1;
            }
            // No plan here asks for these.
            FromReassembler::BodyOpen(_)
            | FromReassembler::BodyBytes { .. }
            | FromReassembler::BodyHole { .. }
            | FromReassembler::BodyClose { .. }
            | FromReassembler::Dropped(_)
            | FromReassembler::Count
            | FromReassembler::Rotate(_) => panic!("not wanted: {message:?}"),
            FromReassembler::Close(close) => {
                let end = self.open.remove(&close.flow).expect("an open flow");
                assert!(end <= close.size, "no byte lies after the end");
            }
            FromReassembler::Traffic(_)
            | FromReassembler::Share(_)
            | FromReassembler::Network(_)
            | FromReassembler::OtherNetworks(_) => assert!(self.open.is_empty(), "flows come first"),
            FromReassembler::End(totals) => {
                assert!(self.open.is_empty(), "all flows are closed before the end");
                let came = (self.stored, self.next, self.unprocessed);
                assert_eq!((totals.stored, totals.flows, totals.unprocessed), came);
                self.ended = true;
            }
        }
        Ok(())
    }
}

fn plan(choice: u16) -> ReassemblerPlan {
    let limits = Limits { address_space: None, open_files: None, file_size: None };
    ReassemblerPlan {
        confinement: Confinement { mode: SandboxMode::Off, identity: None, limits },
        max_skip: if choice & 1 == 0 { 16 << 20 } else { 100 },
        max_hole: if choice & 1024 == 0 { 64 << 20 } else { 0 },
        overlap: if choice & 2 == 0 { Overlap::First } else { Overlap::Last },
        time_delta: 0,
        tcp_timeout: u64::from(choice & 4),
        // Little enough that flows are evicted.
        max_memory: if choice & 8 == 0 { 64 << 20 } else { 4096 },
        workers: 1,
        patience: (choice & 4 == 0).then_some(1),
        tunnels: choice & 16 == 0,
        separation: if choice & 32 == 0 { Separation::Tunnel } else { Separation::Addresses },
        wanted: Wanted {
            flows: true,
            data: choice & 128 == 0,
            console: match choice >> 8 & 3 {
                0 | 1 => None,
                2 => Some(Order::Arrival),
                _ => Some(Order::Stream),
            },
            index: choice & 192 == 64,
            packets: choice & 128 != 0,
            http: None,
            unprocessed: choice & 64 != 0,
            charts: Some(ChartPlan { addresses: 4, dump: true }),
            networks: Some(NetworkPlan { check_sequence: choice & 64 == 0 }),
            events: choice & 64 == 0,
        },
        rotation: None,
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((bytes, choice)) = input.split_last_chunk::<2>() else { return };
    let mut conversation = Conversation::new(&plan(u16::from_le_bytes(*choice)), Strict::default());
    let mut frames = 0;
    let mut hear = |message, payload: &[u8]| conversation.hear(message, payload, &mut |_, _| {}).unwrap();
    hear(FromCapture::Input { name: Text::cut("fuzz"), completing: false }, &[]);
    let (mut savefile, mut start) = (Savefile::default(), 0);
    while let Ok(Step::Record { used, record }) = savefile.step(&bytes[start..]) {
        match record {
            Record::Frame(frame, data) => {
                frames += 1;
                hear(FromCapture::Frame(frame), data);
            }
            Record::Interface { link_type, snap_length, nanoseconds } => {
                hear(FromCapture::Interface { link_type, snap_length, nanoseconds }, &[]);
            }
            Record::Other => {}
        }
        start += used;
    }
    let end = CaptureEnd {
        ending: Ending::Complete,
        frames_read: frames,
        frames_filtered: 0,
        kernel: None,
        savefile_drops: None,
    };
    hear(FromCapture::End(end), &[]);
    conversation.close().unwrap();
    conversation.verdict().unwrap();
});
