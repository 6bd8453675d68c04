//! The lines: what each kind of event has, in the order in which it stands there.

use std::collections::BTreeMap;
use std::io::{Result, Write};
use std::net::IpAddr;

use proto::flow::{Count, FlowOpen, MissingRun, Totals};
use proto::frame::{Dropped, Ending};
use proto::time::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;

use super::community;
use crate::flow::Fault;
use crate::held::Ended;
use crate::sums::Sums;
use crate::time::rfc3339;

/// The version of the schema. It changes when what a field means changes, or one goes; not when one is added.
const SCHEMA: u32 = 1;

/// A line of the file.
#[derive(Serialize)]
struct Line<'a> {
    schema: u32,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

/// What is told.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// A flow has begun.
    Opened(Known),
    /// Bytes of a flow that has ended never came.
    Gap(Gap),
    /// A flow has ended.
    Closed(Box<Closed<'a>>),
    /// The kernel has dropped frames.
    Drop(Drop),
    /// Output goes on in another directory.
    Rotated(Rotated),
    /// The run has ended.
    Summary(Box<Summary<'a>>),
}

/// What is known of a flow from its beginning on.
#[derive(Serialize)]
pub struct Known {
    flow: u64,
    session: u64,
    community_id: String,
    protocol: &'static str,
    src_ip: IpAddr,
    src_port: u16,
    dst_ip: IpAddr,
    dst_port: u16,
    vlan: Option<u16>,
    initiator: bool,
    start: Time,
}

/// Bytes that never came.
#[derive(Serialize)]
pub struct Gap {
    #[serde(flatten)]
    known: Known,
    offset: u64,
    length: u64,
    cut: u64,
}

/// A flow that has ended.
#[derive(Serialize)]
pub struct Closed<'a> {
    #[serde(flatten)]
    known: Known,
    end: Option<Time>,
    ending: &'static str,
    file: Option<String>,
    peer_file: Option<String>,
    begins: u64,
    size: u64,
    stored: u64,
    missing: u64,
    cut: u64,
    gaps: u64,
    packets: u64,
    out_of_order: u64,
    violations: u64,
    conflicting: u64,
    truncated: Option<&'static str>,
    digests: BTreeMap<&'a str, &'a str>,
}

/// What the kernel has dropped.
#[derive(Serialize)]
pub struct Drop {
    time: Time,
    dropped: u64,
    total: u64,
}

/// The directory that output goes on in.
#[derive(Serialize)]
pub struct Rotated {
    start: Time,
    directory: String,
}

/// How the run ended, and what it counted. What is not known because it broke off is null.
#[derive(Serialize)]
pub struct Summary<'a> {
    ending: &'static str,
    reason: Option<&'a str>,
    flows: u64,
    files: u64,
    frames: Option<Frames>,
    bytes: Bytes,
    kernel: Option<Kernel>,
    savefile_dropped: Option<u64>,
    pub(super) events_lost: u64,
}

#[derive(Serialize)]
struct Frames {
    captured: u64,
    filtered: u64,
    decoded: u64,
    set_aside: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct Bytes {
    captured: Option<u64>,
    stored: u64,
    set_aside: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct Kernel {
    received: u64,
    dropped: u64,
}

/// A time as RFC 3339 has it, to the nanosecond.
struct Time(Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(&rfc3339(self.0))
    }
}

impl Event<'_> {
    /// Appends the line.
    pub fn put(&self, text: &mut Vec<u8>) {
        let mut serializer = serde_json::Serializer::with_formatter(&mut *text, Ascii);
        // Writing to memory cannot fail, and every key is text.
        let _ = Line { schema: SCHEMA, event: self }.serialize(&mut serializer);
        text.push(b'\n');
    }
}

impl Known {
    /// What the reassembler said.
    pub fn of(open: &FlowOpen) -> Self {
        Self {
            flow: open.flow.0,
            session: open.session,
            community_id: community::id(&open.key),
            protocol: "tcp",
            src_ip: open.key.source,
            src_port: open.key.source_port,
            dst_ip: open.key.destination,
            dst_port: open.key.destination_port,
            vlan: open.vlan,
            initiator: open.client,
            start: Time(open.start),
        }
    }
}

impl Drop {
    /// So many more than before.
    pub fn new(dropped: &Dropped, more: u64) -> Self {
        Self { time: Time(dropped.time), dropped: more, total: dropped.frames }
    }
}

impl Rotated {
    /// Times in it are from `start` on.
    pub fn new(start: Timestamp, directory: String) -> Self {
        Self { start: Time(start), directory }
    }
}

/// Appends the lines of a flow that has ended: its gaps, and its end.
pub fn closed(text: &mut Vec<u8>, prefix: &str, ended: &Ended) {
    let open = &ended.flow.open;
    for MissingRun { offset, length, cut } in
        ended.close.iter().flat_map(|close| &close.missing_runs.first).copied()
    {
        Event::Gap(Gap { known: Known::of(open), offset, length, cut }).put(text);
    }
    Event::Closed(Box::new(Closed::of(prefix, ended))).put(text);
}

impl<'a> Closed<'a> {
    fn of(prefix: &str, ended: &'a Ended) -> Self {
        let (flow, close) = (&ended.flow, ended.close.as_ref());
        let named = |name: &str| format!("{prefix}{name}");
        let (conflicts, conflicting) = flow.conflicts();
        Self {
            known: Known::of(&flow.open),
            end: close.map(|close| Time(close.end)),
            ending: ended.ending(),
            file: flow.name.as_deref().map(named),
            peer_file: ended.peer.as_deref().map(named),
            begins: flow.begins(),
            size: close.map_or(flow.stream_length, |close| close.size),
            stored: flow.file_length,
            missing: close.map_or(0, |close| close.missing),
            cut: close.map_or(0, |close| close.cut),
            gaps: close.map_or(0, |close| close.missing_runs.count),
            packets: close.map_or(0, |close| close.packets),
            out_of_order: close.map_or(0, |close| close.out_of_order),
            violations: close.map_or(0, |close| close.violations).saturating_add(conflicts),
            conflicting,
            truncated: flow.fault.map(Fault::reason),
            digests: ended.digests.iter().map(|(name, digest)| (*name, digest.as_str())).collect(),
        }
    }
}

impl<'a> Summary<'a> {
    /// What is known when the run ends. `totals`: none if it broke off; `flows`: how many there were by then.
    pub fn new(totals: Option<&Totals>, sums: &Sums, flows: u64, reason: Option<&'a str>) -> Self {
        let capture = totals.map(|totals| &totals.capture);
        let stopped = capture.is_some_and(|capture| capture.ending == Ending::Stopped);
        let counted = totals.map_or(&[][..], |totals| &totals.payload_aside);
        let here = sums.payload.aside.iter().map(|(reason, count)| (*reason, *count));
        Self {
            ending: match (reason, stopped) {
                (Some(_), _) => "interrupted",
                (None, true) => "stopped",
                (None, false) => "complete",
            },
            reason,
            flows,
            files: sums.files,
            frames: totals.map(|totals| Frames {
                captured: totals.capture.frames_read,
                filtered: totals.capture.frames_filtered,
                decoded: totals.segments,
                set_aside: by_reason(told(&totals.frames_aside)),
            }),
            bytes: Bytes {
                captured: totals.map(|totals| totals.payload),
                stored: sums.payload.written,
                set_aside: by_reason(told(counted).chain(here)),
            },
            kernel: capture
                .and_then(|capture| capture.kernel)
                .map(|kernel| Kernel { received: kernel.received, dropped: kernel.dropped }),
            savefile_dropped: capture.and_then(|capture| capture.savefile_drops).map(|drops| drops.dropped),
            events_lost: 0,
        }
    }
}

fn told(counts: &[Count]) -> impl Iterator<Item = (&str, u64)> {
    counts.iter().map(|count| (count.reason.as_str(), count.count))
}

fn by_reason<'c>(counts: impl Iterator<Item = (&'c str, u64)>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (reason, count) in counts {
        let sum: &mut u64 = sums.entry(reason.to_owned()).or_default();
        *sum = sum.saturating_add(count);
    }
    sums
}

/// JSON in which all that is not printable ASCII is escaped: for terminals, and for readers that take more than a
/// newline for the end of a line.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, to: &mut W, fragment: &str) -> Result<()> {
        let is_plain = |c: char| matches!(c, ' '..='~');
        for piece in fragment.split_inclusive(|c| !is_plain(c)) {
            let plain = piece.trim_end_matches(|c| !is_plain(c));
            to.write_all(plain.as_bytes())?;
            for unit in piece.get(plain.len()..).unwrap_or_default().encode_utf16() {
                write!(to, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Flow;
    use crate::name::tests::open;

    #[test]
    fn lines_are_ascii_and_what_they_escape_is_read_back() {
        let name = "\u{1f}\"\\/a\u{7f}\u{85}é\u{2028}\u{1f600}z\n";
        let flow = Flow { name: Some(name.into()), ..Flow::new(open(3)) };
        let ended = Ended { flow, close: None, digests: Vec::new(), peer: Some("p".into()) };
        let mut text = Vec::new();
        closed(&mut text, "o\u{e000}/", &ended);
        assert!(text.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n')));
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1);
        let line: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(line["file"], format!("o\u{e000}/{name}"));
        assert_eq!((&line["peer_file"], &line["ending"]), (&"o\u{e000}/p".into(), &"interrupted".into()));
    }
}
