//! What the reassembler tells the writer. It names flows by number, never by path.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::body::{BodyEnding, BodyOpen};
use crate::frame::{CaptureEnd, Dropped, Ending};
use crate::limits::{MAX_FRAME, MAX_PAYLOAD, MAX_REASONS, MAX_RUNS};
use crate::text::Text;
use crate::time::Timestamp;
use crate::traffic::{Network, Share, Traffic};
use crate::{Breach, Message, compact};

/// Names a flow for the length of a run. Flows are numbered from 0 in the order in which they are told of; a
/// number is not used again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FlowId(#[serde(with = "compact::long")] pub u64);

/// A message from the reassembler. Per flow: `Open`, then anything that names it in any order and number,
/// then `Close`, or nothing but `Empty`; of a body, `BodyOpen`, then its bytes and holes, then `BodyClose`. `End` is the last of all, and all flows are closed before it. What a plan does not ask
/// for (console output, an index, packets) may not be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromReassembler {
    /// A flow begins.
    Open(FlowOpen),
    /// Payload for a place in the stream where nothing was before.
    Data(Span),
    /// Payload for a place where other bytes may be: write it over them (`-S overlap=last`).
    Replace(Span),
    /// A retransmission: the writer compares it with what it wrote and counts the bytes that differ.
    Compare(Span),
    /// Data turned up that precedes offset 0: all that the flow has moves towards its end.
    Shift {
        /// The flow.
        flow: FlowId,
        /// By how many bytes.
        by: u64,
    },
    /// Payload for the console, the bytes of one flow in the order in which they are to be shown.
    Print(Span),
    /// Bytes of a flow that the console will not see, because they were lost.
    Gap {
        /// The flow.
        flow: FlowId,
        /// Where in the stream they should have been.
        offset: u64,
        /// How many bytes.
        length: u64,
    },
    /// A segment with payload, for the index of `-I`.
    Arrival(Arrival),
    /// What link the packets that follow were captured on.
    Medium(Medium),
    /// A whole packet of a flow, for `-K`; its captured bytes are the payload.
    Packet {
        /// The flow.
        flow: FlowId,
        /// The packet.
        packet: RawPacket,
    },
    /// A frame of which no TCP segment came, for `-w`; its captured bytes are the payload.
    Unprocessed(RawPacket),
    /// A body begins.
    BodyOpen(BodyOpen),
    /// The next bytes of the open body of a flow.
    BodyBytes {
        /// The flow.
        flow: FlowId,
        /// How many bytes.
        length: u32,
    },
    /// The next bytes of the open body of a flow were lost.
    BodyHole {
        /// The flow.
        flow: FlowId,
        /// How many bytes.
        length: u64,
    },
    /// The open body of a flow is over.
    BodyClose {
        /// The flow.
        flow: FlowId,
        /// How it ended.
        ending: BodyEnding,
    },
    /// `tcpflow` wants to know how far everyone is.
    Count,
    /// The kernel has dropped frames, for `--events`.
    Dropped(Dropped),
    /// A flow ended; boxed because it is rare and large beside the others.
    Close(Box<FlowClose>),
    /// A flow ended of which there was nothing to tell but its beginning and its end.
    Empty(Box<EmptyFlow>),
    /// Output goes on in another directory (`--rotate`). Each flow that has a file was told of as continued before.
    Rotate(Box<Rotation>),
    /// The run ended.
    End(Box<Totals>),
    /// The traffic, counted; once, after the last flow, for `-e netviz`.
    Traffic(Box<Traffic>),
    /// What one address sent or received, after the last flow, for `-S netviz_histogram_dump`.
    Share(Box<Share>),
    /// A wireless network, after the last flow, for `-e wifiviz`.
    Network(Box<Network>),
    /// Announcements of wireless networks that were not told apart because there were too many of these.
    OtherNetworks(u64),
}

/// A byte range of a flow, with its bytes as the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The flow.
    pub flow: FlowId,
    /// Where in the stream the first byte belongs.
    #[serde(with = "compact::long")]
    pub offset: u64,
    /// How many bytes.
    #[serde(with = "compact::word")]
    pub length: u32,
}

/// When the bytes of a byte range were captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// The flow.
    pub flow: FlowId,
    /// Where in the stream the first byte belongs.
    #[serde(with = "compact::long")]
    pub offset: u64,
    /// How many bytes.
    #[serde(with = "compact::word")]
    pub length: u32,
    /// When they were captured.
    pub time: Timestamp,
}

/// What a savefile says of the link that its packets were captured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Medium {
    /// The `LINKTYPE_` number.
    pub link_type: u32,
    /// The most bytes of a packet that were kept.
    pub snap_length: u32,
    /// Whether times are finer than microseconds.
    pub nanoseconds: bool,
}

/// A frame as a savefile holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawPacket {
    /// When it was captured.
    pub time: Timestamp,
    /// Bytes captured: the payload.
    #[serde(with = "compact::word")]
    pub captured: u32,
    /// Bytes that the frame had on the wire.
    #[serde(with = "compact::word")]
    pub original: u32,
}

/// The two ends of a flow, seen from its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FlowKey {
    /// The sender's address.
    #[serde(with = "compact::address")]
    pub source: IpAddr,
    /// The receiver's address.
    #[serde(with = "compact::address")]
    pub destination: IpAddr,
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
}

/// The beginning of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowOpen {
    /// Its number.
    pub flow: FlowId,
    /// Its ends.
    pub key: FlowKey,
    /// How many flows began before it: what names of files count.
    #[serde(with = "compact::long")]
    pub number: u64,
    /// The same number for both directions of a connection.
    #[serde(with = "compact::long")]
    pub session: u64,
    /// The VLAN tag of its first packet as in tcpflow's names: the outermost if it is 802.1Q, priority included.
    pub vlan: Option<u16>,
    /// The sender's MAC address, where the link has one.
    #[serde(with = "compact::mac")]
    pub source_mac: Option<[u8; 6]>,
    /// The receiver's MAC address, where the link has one.
    #[serde(with = "compact::mac")]
    pub destination_mac: Option<[u8; 6]>,
    /// When its first packet was captured.
    pub start: Timestamp,
    /// Whether the sender opened the connection (its SYN had no ACK).
    pub client: bool,
}

/// The end of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowClose {
    /// The flow.
    pub flow: FlowId,
    /// When its last packet was captured.
    pub end: Timestamp,
    /// Packets of this direction.
    #[serde(with = "compact::long")]
    pub packets: u64,
    /// Bytes that these packets had on the wire, headers included.
    #[serde(with = "compact::long")]
    pub length: u64,
    /// Bytes of them that were captured, where that is less.
    pub captured: Option<u64>,
    /// Length of the stream: the offset after its last byte captured, lost bytes before it included.
    #[serde(with = "compact::long")]
    pub size: u64,
    /// Bytes of the stream that never came.
    #[serde(with = "compact::long")]
    pub missing: u64,
    /// Bytes of the stream that the snap length cut off, those after the last byte captured included.
    #[serde(with = "compact::long")]
    pub cut: u64,
    /// Where `missing` and `cut` are.
    pub missing_runs: Missing,
    /// Segments that did not begin where the one before them ended.
    #[serde(with = "compact::long")]
    pub out_of_order: u64,
    /// Segments that broke the rules of TCP.
    #[serde(with = "compact::long")]
    pub violations: u64,
    /// How it ended.
    pub ending: FlowEnding,
}

/// A flow without a byte of payload, captured or cut off: a SYN that nobody answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmptyFlow {
    /// Its beginning.
    pub open: FlowOpen,
    /// When its last packet was captured.
    pub end: Timestamp,
    /// As in [`FlowClose`].
    #[serde(with = "compact::long")]
    pub packets: u64,
    /// As in [`FlowClose`].
    #[serde(with = "compact::long")]
    pub length: u64,
    /// As in [`FlowClose`].
    pub captured: Option<u64>,
    /// As in [`FlowClose`].
    #[serde(with = "compact::long")]
    pub violations: u64,
    /// How it ended.
    pub ending: FlowEnding,
}

impl EmptyFlow {
    /// Its end, as that of any other flow.
    #[must_use]
    pub fn close(&self) -> FlowClose {
        let Self { open, end, packets, length, captured, violations, ending } = *self;
        FlowClose {
            flow: open.flow,
            end,
            packets,
            length,
            captured,
            size: 0,
            missing: 0,
            cut: 0,
            missing_runs: Missing::default(),
            out_of_order: 0,
            violations,
            ending,
        }
    }
}

/// The byte ranges of a stream that did not come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// How many there are.
    pub count: u64,
    /// The first of them, [`MAX_RUNS`] at most.
    pub first: Vec<MissingRun>,
}

/// A byte range that did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingRun {
    /// Where in the stream it begins.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
    /// How many of them the snap length cut off, as far as that was remembered.
    pub cut: u64,
}

impl Missing {
    fn check(&self) -> Result<(), Breach> {
        let listed = u64::try_from(self.first.len()).unwrap_or(u64::MAX);
        if self.first.len() > MAX_RUNS || listed > self.count {
            return Err(Breach::Forbidden("more missing ranges than there can be"));
        }
        Ok(())
    }
}

/// How a flow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FlowEnding {
    /// By FIN, with all bytes up to it, or with those before it given up.
    Fin,
    /// By RST.
    Reset,
    /// A new connection took its ports.
    Reused,
    /// A segment lay further ahead than `-m` allows.
    Skipped,
    /// A segment would have made a hole larger than `-S max_hole` allows.
    MaxHole,
    /// Nothing came for `tcp_timeout`.
    Idle,
    /// It was put out to keep memory within its budget.
    Evicted,
    /// It was open when the input ended.
    Open,
    /// Not at all: it goes on in the next directory (`--rotate`). Everything that is counted of it is counted anew.
    Continued,
}

/// What there is to know where output goes on in another directory. The first of a run only names the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// When the time of the new directory begins, which is its name.
    pub start: Timestamp,
    /// What was counted since the run began.
    pub totals: Totals,
}

/// What a whole run counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// How the capture ended, and its counts.
    pub capture: CaptureEnd,
    /// Frames that came from the capture process.
    pub frames: u64,
    /// Frames that were decoded to a TCP segment.
    pub segments: u64,
    /// Frames set aside, by reason. `frames` = `segments` + their sum.
    pub frames_aside: Vec<Count>,
    /// Payload bytes of all segments.
    pub payload: u64,
    /// Payload bytes sent to the writer as `Data` or `Replace`.
    pub stored: u64,
    /// Payload bytes not sent as data, by reason. `payload` = `stored` + their sum.
    pub payload_aside: Vec<Count>,
    /// Frames sent to the writer as `Unprocessed`.
    pub unprocessed: u64,
    /// Bytes of bodies sent to the writer.
    pub bodies: u64,
    /// Flows opened.
    pub flows: u64,
    /// The most flows that were open at once.
    pub max_open_flows: u64,
    /// Flows open when the input ended.
    pub open_flows_at_end: u64,
    /// The holes of all files.
    pub holes: HoleTotals,
}

/// Places of files where nothing was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoleTotals {
    /// Bytes.
    pub bytes: u64,
    /// Flows ended because they would have had more of them than they may.
    pub flows_ended: u64,
}

/// How often something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// What, as an identifier fit for an XML attribute: `not_tcp`, `retransmission`.
    pub reason: Text,
    /// How often, or how many bytes.
    pub count: u64,
}

impl Totals {
    /// The totals of a run of which nothing is known but why it ended.
    #[must_use]
    pub fn unknown(ending: Ending) -> Self {
        Self {
            capture: CaptureEnd {
                ending,
                frames_read: 0,
                frames_filtered: 0,
                kernel: None,
                savefile_drops: None,
            },
            frames: 0,
            segments: 0,
            frames_aside: Vec::new(),
            payload: 0,
            stored: 0,
            payload_aside: Vec::new(),
            unprocessed: 0,
            bodies: 0,
            flows: 0,
            max_open_flows: 0,
            open_flows_at_end: 0,
            holes: HoleTotals::default(),
        }
    }

    /// What of these came after `earlier`; what is no sum, such as the most flows open at once, stays as it is.
    #[must_use]
    pub fn since(self, earlier: &Self) -> Self {
        let (capture, before) = (self.capture, &earlier.capture);
        Self {
            capture: CaptureEnd {
                frames_read: capture.frames_read.saturating_sub(before.frames_read),
                frames_filtered: capture.frames_filtered.saturating_sub(before.frames_filtered),
                kernel: capture.kernel.map(|counts| counts.since(before.kernel.unwrap_or_default())),
                ..capture
            },
            frames: self.frames.saturating_sub(earlier.frames),
            segments: self.segments.saturating_sub(earlier.segments),
            frames_aside: counts_since(self.frames_aside, &earlier.frames_aside),
            payload: self.payload.saturating_sub(earlier.payload),
            stored: self.stored.saturating_sub(earlier.stored),
            payload_aside: counts_since(self.payload_aside, &earlier.payload_aside),
            unprocessed: self.unprocessed.saturating_sub(earlier.unprocessed),
            bodies: self.bodies.saturating_sub(earlier.bodies),
            flows: self.flows.saturating_sub(earlier.flows),
            max_open_flows: self.max_open_flows,
            open_flows_at_end: self.open_flows_at_end,
            holes: self.holes.since(earlier.holes),
        }
    }

    /// Both, of two reassemblers of one run. Neither knows when the other had most flows open: the sum is the most
    /// that there can have been.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            capture: self.capture.and(other.capture),
            frames: self.frames.saturating_add(other.frames),
            segments: self.segments.saturating_add(other.segments),
            frames_aside: counts_and(self.frames_aside, other.frames_aside),
            payload: self.payload.saturating_add(other.payload),
            stored: self.stored.saturating_add(other.stored),
            payload_aside: counts_and(self.payload_aside, other.payload_aside),
            unprocessed: self.unprocessed.saturating_add(other.unprocessed),
            bodies: self.bodies.saturating_add(other.bodies),
            flows: self.flows.saturating_add(other.flows),
            max_open_flows: self.max_open_flows.saturating_add(other.max_open_flows),
            open_flows_at_end: self.open_flows_at_end.saturating_add(other.open_flows_at_end),
            holes: self.holes.and(other.holes),
        }
    }

    fn check(&self) -> Result<(), Breach> {
        if self.frames_aside.len().max(self.payload_aside.len()) > MAX_REASONS {
            return Err(Breach::Forbidden("too many reasons"));
        }
        Ok(())
    }
}

impl HoleTotals {
    fn since(self, earlier: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(earlier.bytes),
            flows_ended: self.flows_ended.saturating_sub(earlier.flows_ended),
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            flows_ended: self.flows_ended.saturating_add(other.flows_ended),
        }
    }
}

/// Both lists are short.
fn counts_since(counts: Vec<Count>, earlier: &[Count]) -> Vec<Count> {
    let before = |reason: &Text| earlier.iter().find(|row| row.reason == *reason).map_or(0, |row| row.count);
    let since =
        counts.into_iter().map(|row| Count { count: row.count.saturating_sub(before(&row.reason)), ..row });
    since.filter(|row| row.count > 0).collect()
}

fn counts_and(mut counts: Vec<Count>, others: Vec<Count>) -> Vec<Count> {
    for Count { reason, count } in others {
        match counts.iter_mut().find(|row| row.reason == reason) {
            Some(row) => row.count = row.count.saturating_add(count),
            None => counts.push(Count { reason, count }),
        }
    }
    counts
}

impl Message for FromReassembler {
    fn payload_len(&self) -> u32 {
        match self {
            Self::Data(span) | Self::Replace(span) | Self::Compare(span) | Self::Print(span) => span.length,
            Self::Packet { packet, .. } | Self::Unprocessed(packet) => packet.captured,
            Self::BodyBytes { length, .. } => *length,
            Self::Open(_)
            | Self::Shift { .. }
            | Self::Gap { .. }
            | Self::Arrival(_)
            | Self::Medium(_)
            | Self::BodyOpen(_)
            | Self::BodyHole { .. }
            | Self::BodyClose { .. }
            | Self::Count
            | Self::Dropped(_)
            | Self::Close(_)
            | Self::Empty(_)
            | Self::Rotate(_)
            | Self::End(_)
            | Self::Traffic(_)
            | Self::Share(_)
            | Self::Network(_)
            | Self::OtherNetworks(_) => 0,
        }
    }

    fn check(&self) -> Result<(), Breach> {
        match self {
            Self::Data(span) | Self::Replace(span) | Self::Compare(span) | Self::Print(span) => span.check(),
            Self::Arrival(Arrival { flow, offset, length, .. }) => {
                Span { flow: *flow, offset: *offset, length: *length }.end().map(drop)
            }
            Self::Packet { packet, .. } | Self::Unprocessed(packet) => packet.check(),
            Self::BodyBytes { flow, length } => Span { flow: *flow, offset: 0, length: *length }.check(),
            Self::End(totals) => totals.check(),
            Self::Rotate(rotation) => rotation.totals.check(),
            Self::Close(close) => close.missing_runs.check(),
            Self::Traffic(traffic) => traffic.check(),
            Self::Share(share) => share.prefix.check(),
            Self::Network(network) => network.check(),
            Self::Open(_)
            | Self::Empty(_)
            | Self::Shift { .. }
            | Self::Gap { .. }
            | Self::Medium(_)
            | Self::BodyOpen(_)
            | Self::BodyHole { .. }
            | Self::BodyClose { .. }
            | Self::Count
            | Self::Dropped(_)
            | Self::OtherNetworks(_) => Ok(()),
        }
    }

    fn range(&self) -> Option<Span> {
        if let Self::Data(span) = self { Some(*span) } else { None }
    }

    fn of_range(range: Span) -> Option<Self> {
        Some(Self::Data(range))
    }

    fn is_large(&self) -> bool {
        matches!(self, Self::End(_) | Self::Rotate(_) | Self::Traffic(_))
    }
}

impl RawPacket {
    fn check(&self) -> Result<(), Breach> {
        let captured = usize::try_from(self.captured).unwrap_or(usize::MAX);
        if captured > MAX_FRAME {
            return Err(Breach::TooLong { what: "packet", length: captured, limit: MAX_FRAME });
        }
        Ok(())
    }
}

impl Span {
    /// This range and the next one, if that begins where this one ends.
    #[must_use]
    pub fn and(&self, next: &Self) -> Option<Self> {
        let follows = self.flow == next.flow && self.end() == Ok(next.offset);
        let length = self.length.checked_add(next.length).filter(|_| follows)?;
        Some(Self { length, ..*self })
    }

    /// The offset after the last byte.
    pub fn end(&self) -> Result<u64, Breach> {
        self.offset
            .checked_add(u64::from(self.length))
            .filter(|end| i64::try_from(*end).is_ok())
            .ok_or(Breach::Forbidden("byte range past the end of any file"))
    }

    fn check(&self) -> Result<(), Breach> {
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        if length > MAX_PAYLOAD {
            return Err(Breach::TooLong { what: "byte range", length, limit: MAX_PAYLOAD });
        }
        self.end().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Incoming;
    use crate::limits::{ALIGNMENT, FRAMING};

    fn close(count: u64, listed: usize) -> Vec<u8> {
        let run = MissingRun { offset: 0, length: 1, cut: 0 };
        let close = FlowClose {
            flow: FlowId(0),
            end: Timestamp::default(),
            packets: 0,
            length: 0,
            captured: None,
            size: 0,
            missing: 0,
            cut: 0,
            missing_runs: Missing { count, first: vec![run; listed] },
            out_of_order: 0,
            violations: 0,
            ending: FlowEnding::Open,
        };
        let headers = postcard::to_allocvec(&FromReassembler::Close(Box::new(close))).unwrap();
        let length = u32::try_from(headers.len()).unwrap().to_le_bytes();
        let mut datagram = [&length[..], &[0; FRAMING - 4], &headers].concat();
        datagram.resize(datagram.len().next_multiple_of(ALIGNMENT), 0);
        datagram
    }

    #[test]
    fn a_list_of_missing_ranges_is_bounded_and_no_longer_than_their_count() {
        let breach = Breach::Forbidden("more missing ranges than there can be");
        for (count, listed, result) in [
            (0, 0, Ok(())),
            (u64::MAX, MAX_RUNS, Ok(())),
            (u64::MAX, MAX_RUNS + 1, Err(breach.clone())),
            (2, 3, Err(breach)),
        ] {
            let datagram = close(count, listed);
            let came = Incoming::<FromReassembler>::open(&datagram, 0).unwrap().next();
            assert_eq!(came.map(drop), result, "{count} {listed}");
        }
    }
}
