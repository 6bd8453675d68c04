//! One direction of one connection: where its segments belong, and what is counted of them.

use proto::flow::{FlowClose, FlowEnding, FlowId};
use proto::frame::Frame;
use proto::time::Timestamp;

use crate::Error;
use crate::assembler::{Assembler, Bytes};
use crate::decode::Segment;
use crate::extent::Extent;
use crate::offer::Offer;
use crate::outlet::Outlet;
use crate::sequence::Sequence;
use crate::sink::Sink;

/// How far before the bytes seen so far a late SYN may lie: the largest window it can offer, unscaled.
const LATE_SYN: i64 = 65_535;

/// Bytes of files that shifts may move: so many for any flow, and so many for each byte that it stored.
/// Whoever sends a stream backwards, byte by byte, must not make the writer copy it with every packet.
const SHIFT_WORK: (u64, u64) = (1 << 20, 32);

/// One direction of one connection.
#[derive(Debug)]
pub struct Flow {
    id: FlowId,
    /// The same for both directions.
    session: u64,
    sequence: Sequence,
    /// Whether the SYN was seen, so that nothing can precede offset 0.
    syn: bool,
    extent: Extent,
    /// Offset of the FIN.
    fin: Option<u64>,
    bytes: Assembler,
    /// Bytes moved by shifts.
    moved: u64,
    /// What this side accepts from the other.
    offer: Offer,
    last: Timestamp,
    packets: u64,
    length: u64,
    captured: u64,
    out_of_order: u64,
    violations: u64,
}

/// What a segment is to the flow whose ends it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// A part of it.
    Continues,
    /// The beginning of another, and so the end of this one.
    Begins(FlowEnding),
}

impl Flow {
    /// A flow that begins with `segment`, which is yet to be accepted.
    #[must_use]
    pub fn new(id: FlowId, session: u64, segment: &Segment<'_>, time: Timestamp) -> Self {
        Self {
            id,
            session,
            sequence: Sequence::new(first_byte(segment)),
            syn: segment.syn,
            extent: Extent::default(),
            fin: None,
            bytes: Assembler::default(),
            moved: 0,
            offer: Offer::default(),
            last: time,
            packets: 0,
            length: 0,
            captured: 0,
            out_of_order: 0,
            violations: 0,
        }
    }

    /// The number that both directions share.
    #[must_use]
    pub fn session(&self) -> u64 {
        self.session
    }

    /// When the last packet was captured.
    #[must_use]
    pub fn last(&self) -> Timestamp {
        self.last
    }

    /// Whether payload came.
    #[must_use]
    pub fn has_payload(&self) -> bool {
        self.extent.reach() > 0
    }

    /// Bytes of heap taken.
    #[must_use]
    pub fn heap(&self) -> usize {
        self.bytes.heap()
    }

    /// Frees the ranges of a flow that is closed.
    pub fn forget_ranges(&mut self) {
        self.bytes = Assembler::default();
    }

    /// What a segment is to this flow, when one that lies further than `max_skip` bytes away from the
    /// expected byte is of another.
    #[must_use]
    pub fn relation(&self, segment: &Segment<'_>, max_skip: u64) -> Relation {
        let offset = self.sequence.offset(first_byte(segment));
        if segment.syn {
            let late = !self.syn && (-LATE_SYN..0).contains(&offset);
            return if offset == 0 || late {
                Relation::Continues
            } else {
                Relation::Begins(FlowEnding::Reused)
            };
        }
        if length(segment) > 0 && self.sequence.distance(first_byte(segment)).unsigned_abs() > max_skip {
            return Relation::Begins(FlowEnding::Skipped);
        }
        Relation::Continues
    }

    /// Whether a segment adds nothing to this flow, which is closed, nor begins another.
    #[must_use]
    pub fn repeats(&self, segment: &Segment<'_>) -> bool {
        let offset = self.sequence.offset(first_byte(segment));
        if segment.syn {
            return self.syn && offset == 0;
        }
        let end = offset.saturating_add(i64::from(length(segment)));
        segment.rst
            || length(segment) == 0
            || (offset >= 0 && u64::try_from(end).is_ok_and(|end| end <= self.extent.reach()))
    }

    /// Takes a segment of this flow in.
    pub fn accept<S: Sink>(
        &mut self,
        segment: &Segment<'_>,
        frame: &Frame,
        outlet: &mut Outlet<S>,
    ) -> Result<(), Error> {
        self.count(frame);
        self.offer.hear(segment);
        if segment.syn {
            self.see_syn(segment, outlet)?;
        }
        if segment.rst {
            // Text for whoever reads the trace, not a part of the stream (RFC 9293, 3.5.3, SHLD-2).
            outlet.ledger.payload_aside("reset_payload", segment.payload.len());
        } else if length(segment) > 0 {
            self.place(segment, outlet)?;
        }
        if segment.fin {
            let end = first_byte(segment).wrapping_add(length(segment));
            self.fin = u64::try_from(self.sequence.offset(end)).ok();
        }
        Ok(())
    }

    fn count(&mut self, frame: &Frame) {
        self.last = frame.time;
        self.packets = self.packets.saturating_add(1);
        self.length = self.length.saturating_add(u64::from(frame.original));
        self.captured = self.captured.saturating_add(u64::from(frame.captured));
    }

    fn see_syn<S: Sink>(&mut self, segment: &Segment<'_>, outlet: &mut Outlet<S>) -> Result<(), Error> {
        if length(segment) > 0 {
            self.violation();
        }
        let before = self.sequence.offset(first_byte(segment)).min(0).unsigned_abs();
        if before > 0 {
            self.shift(before, outlet)?;
        }
        self.syn = true;
        Ok(())
    }

    /// Places the payload: sends what is new and what is known, drops what has no place.
    fn place<S: Sink>(&mut self, segment: &Segment<'_>, outlet: &mut Outlet<S>) -> Result<(), Error> {
        let mut offset = self.sequence.offset(first_byte(segment));
        let distance = self.sequence.distance(first_byte(segment));
        if distance == -1 && length(segment) == 1 {
            outlet.ledger.payload_aside("keep_alive", segment.payload.len());
            return Ok(());
        }
        if distance < 0 {
            self.out_of_order = self.out_of_order.saturating_add(1);
        }
        if offset < 0 && !self.syn && self.shift(offset.unsigned_abs(), outlet)? {
            offset = 0;
        }
        let before = usize::try_from(offset.min(0).unsigned_abs()).unwrap_or(usize::MAX);
        let before = before.min(segment.payload.len());
        if before > 0 {
            self.violation();
            outlet.ledger.payload_aside("before_start", before);
        }
        let payload = segment.payload.get(before..).unwrap_or_default();
        let end = offset.saturating_add(i64::from(length(segment)));
        let start = u64::try_from(offset).unwrap_or(0);
        let lawful = before == 0 && !segment.syn;
        self.send(start, payload, lawful, outlet)?;
        let end = u64::try_from(end).unwrap_or(0);
        self.extent.end_at(start.saturating_add(size(payload)), end);
        self.sequence.advance(end);
        Ok(())
    }

    /// Sends payload that begins at `start`, piece by piece of what is known of its place.
    fn send<S: Sink>(
        &mut self,
        start: u64,
        payload: &[u8],
        lawful: bool,
        outlet: &mut Outlet<S>,
    ) -> Result<(), Error> {
        let end = start.saturating_add(size(payload));
        let mut rest = payload;
        let mut at = start;
        while at < end {
            let (known, until) = self.bytes.look(&(at..end));
            let length = usize::try_from(until.saturating_sub(at)).unwrap_or(usize::MAX);
            let (piece, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            match known {
                Bytes::New => {
                    self.extent.store(size(piece));
                    outlet.new_bytes(self.id, &(at..until), piece)?;
                }
                Bytes::Known => outlet.known_bytes(self.id, &(at..until), piece, lawful)?,
                Bytes::GivenUp => outlet.ledger.payload_aside("hole_given_up", piece.len()),
            }
            rest = after;
            at = until;
        }
        self.bytes.insert(start..end);
        Ok(())
    }

    /// Makes room before offset 0; false if that cannot be, or would be too much work.
    fn shift<S: Sink>(&mut self, by: u64, outlet: &mut Outlet<S>) -> Result<bool, Error> {
        let moved = self.moved.saturating_add(self.extent.size());
        let (any, each) = SHIFT_WORK;
        if moved > self.extent.stored().saturating_mul(each).saturating_add(any) || !self.bytes.shift(by) {
            return Ok(false);
        }
        self.moved = moved;
        self.sequence.shift(by);
        self.fin = self.fin.map(|fin| fin.saturating_add(by));
        if self.has_payload() {
            self.extent.shift(by);
            outlet.shift(self.id, by)?;
        }
        Ok(true)
    }

    /// Whether an RST with this sequence number is one that the receiver would heed: at the end of what was
    /// sent, or in the window that `receiver`, the flow back, offered last (RFC 9293, 3.5.3).
    #[must_use]
    pub fn heeds_reset(&self, segment: &Segment<'_>, receiver: Option<&Flow>) -> bool {
        let number = first_byte(segment);
        let at_end = u64::try_from(self.sequence.offset(number))
            .is_ok_and(|offset| offset == self.sequence.expected() || offset == self.extent.reach());
        at_end || receiver.is_none_or(|flow| flow.offer.admits(number))
    }

    /// Whether the FIN came and nothing before it is waited for.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.fin.is_some_and(|fin| {
            self.extent.reach() >= fin && (self.bytes.reaches(fin) || self.extent.missing() == 0)
        })
    }

    /// What there is to say of this flow once it is closed.
    #[must_use]
    pub fn closing(&self, ending: FlowEnding) -> FlowClose {
        FlowClose {
            flow: self.id,
            end: self.last,
            packets: self.packets,
            length: self.length,
            captured: (self.captured != self.length).then_some(self.captured),
            size: self.extent.size(),
            missing: self.extent.missing(),
            cut: self.extent.cut(),
            out_of_order: self.out_of_order,
            violations: self.violations,
            ending,
        }
    }

    /// Counts a segment that broke the rules.
    pub fn violation(&mut self) {
        self.violations = self.violations.saturating_add(1);
    }
}

/// Sequence number of the first payload byte: a SYN takes one number itself (RFC 9293, 3.4).
fn first_byte(segment: &Segment<'_>) -> u32 {
    segment.sequence.wrapping_add(u32::from(segment.syn))
}

/// Payload bytes on the wire.
fn length(segment: &Segment<'_>) -> u32 {
    u32::try_from(segment.payload.len()).unwrap_or(u32::MAX).saturating_add(segment.cut)
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
