//! `work FLOOD SIZE files|console|http`: the whole reassembler on a flood, from the batches that it hears to those that it
//! sends, in one process, without sockets and unconfined, so that its instructions can be counted. Says how many
//! packets it took.
//!
//! All that is to be counted happens within [`hear`]; making the flood does not. Memory is the default of `-S
//! max_memory`, so that no bound hides what grows faster than its input.

use std::io::{self, Write};
use std::process::ExitCode;

use capture::record::{Record, Step};
use capture::savefile::Savefile;
use proto::Message;
use proto::batch::{Incoming, Outgoing};
use proto::flow::FromReassembler;
use proto::frame::{CaptureEnd, Ending, FromCapture};
use proto::plan::{
    Confinement, HttpPlan, Limits, Order, Overlap, ReassemblerPlan, SandboxMode, Separation, Wanted,
};
use proto::text::Text;
use reassembler::protocol::Conversation;
use reassembler::sink::Sink;
use tcpflow_tests::flood::Flood;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [flood, size, reading] = words[..] else {
        eprintln!("usage: work FLOOD SIZE files|console|http");
        return ExitCode::from(2);
    };
    let wanted = match reading {
        "files" => FILES,
        "console" => Wanted { data: false, console: Some(Order::Stream), ..FILES },
        "http" => Wanted { http: Some(HTTP), ..FILES },
        other => panic!("no reading {other}"),
    };
    let mut work = Work::new(wanted);
    Flood::named(flood).write(size.parse().expect("a size"), &mut work).expect("a flood");
    println!("{}", work.end());
    ExitCode::SUCCESS
}

/// Flow files, and nothing else.
const FILES: Wanted = Wanted {
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
};

/// What `-a` asks for.
const HTTP: HttpPlan = HttpPlan { decompress: true, requests: false, max_body: None, max_bytes: None };

/// The settings that nobody has to give.
fn plan(wanted: Wanted) -> ReassemblerPlan {
    let limits = Limits { address_space: None, open_files: None, file_size: None };
    ReassemblerPlan {
        confinement: Confinement { mode: SandboxMode::Off, identity: None, limits },
        max_skip: 16 << 20,
        max_hole: 64 << 20,
        overlap: Overlap::First,
        time_delta: 0,
        tcp_timeout: 0,
        max_memory: 256 << 20,
        rotation: None,
        workers: 1,
        patience: None,
        tunnels: true,
        separation: Separation::Tunnel,
        wanted,
    }
}

/// The reassembler at work on a savefile that is written into it.
struct Work {
    /// What was written and is no whole record yet.
    pending: Vec<u8>,
    savefile: Savefile,
    frames: u64,
    batch: Outgoing<FromCapture>,
    sequence: u64,
    conversation: Conversation<Batches>,
}

impl Work {
    fn new(wanted: Wanted) -> Self {
        let mut work = Self {
            pending: Vec::new(),
            savefile: Savefile::default(),
            frames: 0,
            batch: Outgoing::default(),
            sequence: 0,
            conversation: Conversation::new(&plan(wanted), Batches::default()),
        };
        work.say(&FromCapture::Input { name: Text::cut("flood"), completing: false }, &[]);
        work
    }

    /// As capture does it.
    fn say(&mut self, message: &FromCapture, bytes: &[u8]) {
        if self.batch.is_full_for(bytes.len()) {
            self.pass();
        }
        self.batch.push(message, bytes).unwrap();
    }

    /// What a socket would do.
    fn pass(&mut self) {
        let datagram = self.batch.parts().unwrap().concat();
        hear(&mut self.conversation, Some((&datagram, self.sequence)));
        self.batch.advance();
        self.sequence += 1;
    }

    fn end(mut self) -> u64 {
        assert!(self.pending.is_empty(), "half a record");
        let end = CaptureEnd {
            ending: Ending::Complete,
            frames_read: self.frames,
            frames_filtered: 0,
            kernel: None,
            savefile_drops: None,
        };
        self.say(&FromCapture::End(end), &[]);
        self.pass();
        hear(&mut self.conversation, None);
        self.conversation.verdict().unwrap();
        self.frames
    }
}

impl Write for Work {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let mut start = 0;
        while let Step::Record { used, record } = self.savefile.step(&pending[start..]).unwrap() {
            match record {
                Record::Frame(frame, data) => {
                    self.frames += 1;
                    self.say(&FromCapture::Frame(frame), data);
                }
                Record::Interface { link_type, snap_length, nanoseconds } => {
                    self.say(&FromCapture::Interface { link_type, snap_length, nanoseconds }, &[]);
                }
                Record::Other => {}
            }
            start += used;
        }
        pending.drain(..start);
        self.pending = pending;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// All that the reassembler does: hears one datagram and its number, or without one that there are no more.
#[inline(never)]
fn hear(conversation: &mut Conversation<Batches>, datagram: Option<(&[u8], u64)>) {
    let Some((bytes, sequence)) = datagram else {
        conversation.close().unwrap().send();
        return;
    };
    let mut batch = Incoming::open(bytes, sequence).unwrap();
    while let Some((message, bytes)) = batch.next().unwrap() {
        conversation.hear(message, bytes, &mut |_, _| {}).unwrap();
    }
    conversation.settle().unwrap();
}

/// The writer's channel, behind which nobody is.
#[derive(Default)]
struct Batches(Outgoing<FromReassembler>);

impl Batches {
    fn send(&mut self) {
        std::hint::black_box(self.0.parts().unwrap());
        self.0.advance();
    }
}

impl Sink for Batches {
    fn put(&mut self, message: &FromReassembler, payload: &[u8]) -> Result<(), reassembler::Error> {
        if message.is_large() || self.0.is_full_for(payload.len()) {
            self.send();
        }
        Ok(self.0.push(message, payload)?)
    }
}
