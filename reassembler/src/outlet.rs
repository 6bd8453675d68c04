//! The way out: every message for the writer passes here, and is counted as it does.

use std::ops::Range;

use proto::Breach;
use proto::flow::{Arrival, EmptyFlow, FlowClose, FlowId, FlowOpen, FromReassembler, Medium, Span};
use proto::frame::Dropped;
use proto::plan::{Order, Overlap, ReassemblerPlan, Wanted};
use proto::time::Timestamp;

use crate::Error;
use crate::http::Http;
use crate::ledger::Ledger;
use crate::ordered::Ordered;
use crate::origin::{Captured, Origin};
use crate::reader::{Reader, print};
use crate::sink::Sink;

/// Bytes of a savefile's record before its packet.
const RECORD: u64 = 16;

/// A sink, and the books that are kept of what goes into it.
#[derive(Debug)]
pub struct Outlet<S> {
    /// The counts of the run.
    pub ledger: Ledger,
    /// Where messages go.
    pub sink: S,
    overlap: Overlap,
    time_delta: i64,
    wanted: Wanted,
    /// Flows told of.
    told: u64,
    /// Streams in order, where anyone reads them so.
    ordered: Option<Ordered>,
    /// Bodies of HTTP messages, where anyone wants them.
    http: Option<Http>,
    now: Timestamp,
    /// Whether flows may go on in another directory, of which each part is told.
    divides: bool,
    /// Bytes that are stored, those of bodies aside.
    stored: u64,
    /// Bytes of each flow that are.
    max_bytes: u64,
    /// The link that was told of last.
    medium: Option<Medium>,
    /// Room for what is told of a flow without payload, taken again for the next: in a flood each flow is one.
    empty: Option<Box<EmptyFlow>>,
}

impl<S: Sink> Outlet<S> {
    /// An outlet that nothing went through. `ordered` is there if streams are to be read in order.
    pub fn new(sink: S, plan: &ReassemblerPlan, ordered: Option<Ordered>, http: Option<Http>) -> Self {
        Self {
            ledger: Ledger::default(),
            sink,
            overlap: plan.overlap,
            time_delta: plan.time_delta,
            wanted: plan.wanted,
            told: 0,
            ordered,
            http,
            now: Timestamp::default(),
            divides: plan.rotation.is_some(),
            stored: 0,
            max_bytes: plan.rotation.and_then(|rotation| rotation.max_bytes).unwrap_or(u64::MAX),
            medium: None,
            empty: None,
        }
    }

    /// The time now.
    pub fn pass(&mut self, now: Timestamp) -> Result<(), Error> {
        self.now = now;
        match &mut self.ordered {
            Some(ordered) => {
                ordered.pass(now, &mut reader(&mut self.sink, &mut self.ledger, &mut self.http, self.wanted))
            }
            None => Ok(()),
        }
    }

    /// Reads what was gathered to be read at once.
    pub fn settle(&mut self) -> Result<(), Error> {
        reader(&mut self.sink, &mut self.ledger, &mut self.http, self.wanted).settle()
    }

    /// Whether it matters what receivers acknowledge.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.ordered.as_ref().is_some_and(Ordered::waits)
    }

    /// The receiver of a flow has all bytes before `offset`.
    pub fn acknowledged(&mut self, flow: FlowId, offset: u64) -> Result<(), Error> {
        match &mut self.ordered {
            Some(ordered) => {
                let reader = &mut reader(&mut self.sink, &mut self.ledger, &mut self.http, self.wanted);
                ordered.acknowledged(flow, offset, reader)
            }
            None => Ok(()),
        }
    }

    /// Bytes of memory that flows take here, beside what waits for its turn.
    #[must_use]
    pub fn memory(&self) -> usize {
        let http = self.http.as_ref().map_or(0, |http| http.flows().saturating_mul(Http::FLOW_SIZE));
        let ordered = self.ordered.as_ref();
        ordered.map_or(0, |ordered| ordered.flows().saturating_mul(Ordered::STREAM_SIZE)).saturating_add(http)
    }

    /// The number of the flow that is told of next.
    pub fn number(&mut self) -> FlowId {
        let number = FlowId(self.told);
        self.told = self.told.saturating_add(1);
        number
    }

    /// Tells of a new flow. `whole`: nothing was sent before.
    pub fn open(&mut self, mut open: FlowOpen, whole: bool) -> Result<(), Error> {
        if let Some(http) = &mut self.http {
            http.open(open.flow, open.session, whole);
        }
        open.start = open.start.shifted(self.time_delta);
        self.sink.put(&FromReassembler::Open(open), &[])
    }

    /// Payload came, for whoever reads segments as they arrive.
    pub fn arrived(&mut self, flow: FlowId, offset: u64, payload: &[u8]) -> Result<(), Error> {
        if self.wanted.console == Some(Order::Arrival) && !payload.is_empty() {
            print(&mut self.sink, flow, offset, payload)?;
        }
        Ok(())
    }

    /// Sends bytes that are new.
    pub fn new_bytes(&mut self, flow: FlowId, range: &Range<u64>, bytes: &[u8]) -> Result<(), Error> {
        if self.wanted.data {
            self.store(range, bytes);
            self.sink.put(&FromReassembler::Data(span(flow, range.start, bytes)), bytes)?;
        }
        let late = match &mut self.ordered {
            Some(ordered) => {
                let reader = &mut reader(&mut self.sink, &mut self.ledger, &mut self.http, self.wanted);
                ordered.bytes(flow, range.start, bytes, self.now, reader)?
            }
            None => 0,
        };
        if !self.wanted.data {
            let late = usize::try_from(late).unwrap_or(usize::MAX);
            self.ledger.payload_aside("came_too_late", late);
            self.ledger.payload_aside(self.unstored(), bytes.len().saturating_sub(late));
        }
        Ok(())
    }

    /// Tells of bytes that the capture cut off.
    pub fn cut(&mut self, flow: FlowId, range: &Range<u64>) -> Result<(), Error> {
        let length = range.end.saturating_sub(range.start);
        match &mut self.ordered {
            Some(ordered) if length > 0 => {
                let reader = &mut reader(&mut self.sink, &mut self.ledger, &mut self.http, self.wanted);
                ordered.cut(flow, range.start, length, self.now, reader)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Sends bytes for a place that has bytes already. They replace those only if that was asked for, and
    /// if the segment keeps the rules: neither a SYN again nor one that begins before the stream.
    pub fn known_bytes(
        &mut self,
        flow: FlowId,
        range: &Range<u64>,
        bytes: &[u8],
        lawful: bool,
    ) -> Result<(), Error> {
        if !self.wanted.data {
            let again = self.wanted.console == Some(Order::Arrival);
            let reason = if again { self.unstored() } else { "retransmission" };
            self.ledger.payload_aside(reason, bytes.len());
            return Ok(());
        }
        let span = span(flow, range.start, bytes);
        if lawful && self.overlap == Overlap::Last {
            self.store(range, bytes);
            return self.sink.put(&FromReassembler::Replace(span), bytes);
        }
        self.ledger.payload_aside("retransmission", bytes.len());
        self.sink.put(&FromReassembler::Compare(span), bytes)
    }

    fn store(&mut self, range: &Range<u64>, bytes: &[u8]) {
        self.ledger.stored(bytes.len());
        let stored = range.end.min(self.max_bytes).saturating_sub(range.start);
        self.stored = self.stored.saturating_add(stored);
    }

    /// Bytes that are to be stored so far: of flows, or of packets, and of bodies.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.stored.saturating_add(self.ledger.bodies())
    }

    /// What becomes of payload that goes into no file.
    fn unstored(&self) -> &'static str {
        if self.wanted.console.is_some() { "console" } else { "not_stored" }
    }

    /// Tells that all bytes of a flow move towards its end.
    pub fn shift(&mut self, flow: FlowId, by: u64) -> Result<(), Error> {
        // What is told after it has the offsets after it.
        self.settle()?;
        if let Some(ordered) = &mut self.ordered {
            ordered.shift(flow, by);
        }
        if self.wanted.data { self.sink.put(&FromReassembler::Shift { flow, by }, &[]) } else { Ok(()) }
    }

    /// Tells when payload came, for an index.
    pub fn arrival(
        &mut self,
        flow: FlowId,
        offset: u64,
        payload: &[u8],
        time: Timestamp,
    ) -> Result<(), Error> {
        if !self.wanted.index || payload.is_empty() {
            return Ok(());
        }
        let Span { flow, offset, length } = span(flow, offset, payload);
        let time = time.shifted(self.time_delta);
        self.sink.put(&FromReassembler::Arrival(Arrival { flow, offset, length, time }), &[])
    }

    /// Sends the frames that a segment of a flow came in, with their times as they were captured.
    pub fn packets(&mut self, flow: FlowId, origin: &Origin<'_>) -> Result<(), Error> {
        if !self.wanted.packets {
            return Ok(());
        }
        for Captured { medium, packet, bytes } in origin.frames() {
            self.medium(medium)?;
            self.stored = self.stored.saturating_add(RECORD).saturating_add(packet.captured.into());
            self.sink.put(&FromReassembler::Packet { flow, packet }, bytes)?;
        }
        Ok(())
    }

    /// Sends a frame that no segment came of.
    pub fn unprocessed(&mut self, frame: &Captured<'_>) -> Result<(), Error> {
        if !self.wanted.unprocessed {
            return Ok(());
        }
        self.medium(frame.medium)?;
        self.ledger.unprocessed();
        self.sink.put(&FromReassembler::Unprocessed(frame.packet), frame.bytes)
    }

    /// Tells what link the packets that follow were captured on, if that was not what was told last.
    pub fn medium(&mut self, medium: Medium) -> Result<(), Error> {
        if self.medium == Some(medium) {
            return Ok(());
        }
        self.medium = Some(medium);
        self.sink.put(&FromReassembler::Medium(medium), &[])
    }

    /// Tells of a part of a flow, which goes on in another directory.
    pub fn divide(&mut self, mut part: FlowClose) -> Result<(), Error> {
        part.end = part.end.shifted(self.time_delta);
        self.sink.put(&FromReassembler::Close(Box::new(part)), &[])
    }

    /// Tells what the kernel has dropped. To be told of it unasked is a breach.
    pub fn dropped(&mut self, Dropped { time, frames }: Dropped) -> Result<(), Error> {
        if !self.wanted.events {
            return Err(Breach::Forbidden("drops that the plan does not ask for").into());
        }
        let time = time.shifted(self.time_delta);
        self.sink.put(&FromReassembler::Dropped(Dropped { time, frames }), &[])
    }

    /// Tells of the end of a flow. `reach`: the offset after its last byte, captured or not.
    pub fn close(&mut self, mut close: FlowClose, reach: u64) -> Result<(), Error> {
        if let Some(ordered) = &mut self.ordered {
            let reader = &mut reader(&mut self.sink, &mut self.ledger, &mut self.http, self.wanted);
            ordered.close(close.flow, reach, reader)?;
        }
        close.end = close.end.shifted(self.time_delta);
        self.sink.put(&FromReassembler::Close(Box::new(close)), &[])
    }

    /// Whether a flow need not be told of before there is payload: nobody asks for anything else of it.
    #[must_use]
    pub fn may_tell_late(&self) -> bool {
        !self.divides
            && !self.wanted.packets
            && !self.wanted.events
            && self.ordered.is_none()
            && self.http.is_none()
    }

    /// Tells of a flow that was not told of before, and is over.
    pub fn empty(&mut self, mut flow: EmptyFlow) -> Result<(), Error> {
        flow.open.start = flow.open.start.shifted(self.time_delta);
        flow.end = flow.end.shifted(self.time_delta);
        let mut room = self.empty.take().unwrap_or_else(|| Box::new(flow));
        *room = flow;
        let message = FromReassembler::Empty(room);
        let put = self.sink.put(&message, &[]);
        if let FromReassembler::Empty(room) = message {
            self.empty = Some(room);
        }
        put
    }
}

/// Whoever reads in order. Of the outlet it takes only these parts, beside the streams themselves.
fn reader<'a, S>(
    sink: &'a mut S,
    ledger: &'a mut Ledger,
    http: &'a mut Option<Http>,
    wanted: Wanted,
) -> Reader<'a, S> {
    Reader { sink, ledger, prints: wanted.console == Some(Order::Stream), http: http.as_mut() }
}

fn span(flow: FlowId, offset: u64, bytes: &[u8]) -> Span {
    // No frame, and so no payload, is anywhere near 4 GiB long; a wrong length would be refused when sent.
    Span { flow, offset, length: u32::try_from(bytes.len()).unwrap_or(u32::MAX) }
}
