//! One direction of one connection: where its segments belong, and what is counted of them.

mod beginning;
mod closing;
mod irregular;
mod relation;

use std::num::NonZeroU64;
use std::ops::Range;

use proto::flow::{FlowEnding, FlowId, FlowKey, FlowOpen};
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

use irregular::{Irregular, NOTHING};

pub use beginning::Beginning;
pub use relation::Relation;

/// Bytes of files that shifts may move: so many for any flow, and so many for each byte that it stored.
/// Whoever sends a stream backwards, byte by byte, must not make the writer copy it with every packet.
const SHIFT_WORK: (u64, u64) = (1 << 20, 32);

/// One direction of one connection.
///
/// There may be a million of these, so what is rare is elsewhere.
#[derive(Debug)]
pub struct Flow {
    told: Told,
    /// The same for both directions.
    session: u64,
    sequence: Sequence,
    /// Whether the SYN was seen, so that nothing can precede offset 0.
    syn: bool,
    ending: Option<FlowEnding>,
    /// What this side accepts from the other.
    offer: Offer,
    extent: Extent,
    /// Offset of the FIN.
    fin: Option<Offset>,
    bytes: Assembler,
    irregular: Option<Box<Irregular>>,
    last: Timestamp,
    packets: u64,
    length: u64,
}

/// What the writer knows of a flow.
#[derive(Debug)]
enum Told {
    /// Not yet that it began.
    Nothing(Beginning),
    /// Its number.
    Of(FlowId),
}

/// An offset that there may be, in the room of one that there is.
#[derive(Debug, Clone, Copy)]
struct Offset(NonZeroU64);

impl Offset {
    fn new(offset: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(offset))
    }

    fn get(self) -> u64 {
        self.0.get().saturating_sub(1)
    }
}

impl Flow {
    /// A flow that begins with `segment`, which is yet to be accepted, and of which nobody is told yet.
    #[must_use]
    pub fn new(beginning: Beginning, session: u64, segment: &Segment<'_>) -> Self {
        Self {
            told: Told::Nothing(beginning),
            session,
            sequence: Sequence::new(first_byte(segment)),
            syn: segment.syn,
            ending: None,
            offer: Offer::default(),
            extent: Extent::default(),
            fin: None,
            bytes: Assembler::default(),
            irregular: None,
            last: beginning.start(),
            packets: 0,
            length: 0,
        }
    }

    /// What is irregular of it.
    fn irregular(&self) -> &Irregular {
        self.irregular.as_deref().unwrap_or(&NOTHING)
    }

    /// The same, where something is to be added.
    fn irregular_mut(&mut self) -> &mut Irregular {
        self.irregular.get_or_insert_default()
    }

    /// Its own number.
    #[must_use]
    pub fn id(&self) -> FlowId {
        match self.told {
            Told::Of(id) => id,
            Told::Nothing(_) => FlowId::default(),
        }
    }

    /// What the writer is yet to be told of its beginning, and is told now: the flow gets its number.
    pub fn tell(&mut self, key: FlowKey, number: impl FnOnce() -> FlowId) -> Option<FlowOpen> {
        let Told::Nothing(beginning) = self.told else { return None };
        let id = number();
        self.told = Told::Of(id);
        Some(beginning.open(id, self.session, key))
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn ending(&self) -> Option<FlowEnding> {
        self.ending
    }

    /// The number that both directions share.
    #[must_use]
    pub fn session(&self) -> u64 {
        self.session
    }

    /// The offset before which an acknowledgment of the other side says that it has everything.
    #[must_use]
    pub fn acknowledged(&self, number: u32) -> Option<u64> {
        u64::try_from(self.sequence.offset(number)).ok()
    }

    /// The offset after the last byte that was on the wire.
    #[must_use]
    pub fn reach(&self) -> u64 {
        self.extent.reach()
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
        let irregular = self.irregular.as_ref().map_or(0, |irregular| irregular.size());
        self.bytes.heap().saturating_add(irregular)
    }

    /// Bytes that are in the file.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.extent.stored()
    }

    /// Bytes of holes in the file.
    #[must_use]
    pub fn holes(&self) -> u64 {
        self.extent.holes_within()
    }

    /// Notes how it ended.
    pub fn end(&mut self, ending: FlowEnding) {
        self.ending = Some(ending);
    }

    /// Frees the ranges of a flow that is closed.
    pub fn forget_ranges(&mut self) {
        self.bytes = Assembler::default();
        self.irregular = None;
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
        } else if segment.has_payload() {
            self.place(segment, frame.time, outlet)?;
        }
        if segment.fin {
            let end = first_byte(segment).wrapping_add(length(segment));
            self.fin = u64::try_from(self.sequence.offset(end)).ok().map(Offset::new);
        }
        Ok(())
    }

    /// Counts a frame of this flow.
    pub fn count(&mut self, frame: &Frame) {
        self.last = frame.time;
        self.packets = self.packets.saturating_add(1);
        self.length = self.length.saturating_add(u64::from(frame.original));
        if frame.captured != frame.original {
            let uncaptured = i64::from(frame.original).saturating_sub(i64::from(frame.captured));
            let irregular = self.irregular_mut();
            irregular.uncaptured = irregular.uncaptured.saturating_add(uncaptured);
        }
    }

    fn see_syn<S: Sink>(&mut self, segment: &Segment<'_>, outlet: &mut Outlet<S>) -> Result<(), Error> {
        if segment.has_payload() && !segment.fast_open {
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
    fn place<S: Sink>(
        &mut self,
        segment: &Segment<'_>,
        time: Timestamp,
        outlet: &mut Outlet<S>,
    ) -> Result<(), Error> {
        let mut offset = self.sequence.offset(first_byte(segment));
        let distance = self.sequence.distance(first_byte(segment));
        outlet.arrived(self.id(), u64::try_from(offset).unwrap_or(0), segment.payload)?;
        if distance == -1 && length(segment) == 1 {
            outlet.ledger.payload_aside("keep_alive", segment.payload.len());
            return Ok(());
        }
        if distance < 0 {
            let irregular = self.irregular_mut();
            irregular.out_of_order = irregular.out_of_order.saturating_add(1);
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
        outlet.arrival(self.id(), start, payload, time)?;
        let end = u64::try_from(end).unwrap_or(0);
        let captured = start..start.saturating_add(size(payload));
        outlet.cut(self.id(), &(captured.end..end))?;
        self.miss(captured.end..end);
        self.extent.end_at(&captured, end);
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
                    if let Some(irregular) = &mut self.irregular {
                        irregular.cut_off.fill(&(at..until));
                    }
                    outlet.new_bytes(self.id(), &(at..until), piece)?;
                }
                Bytes::Known => outlet.known_bytes(self.id(), &(at..until), piece, lawful)?,
                Bytes::GivenUp => outlet.ledger.payload_aside("hole_given_up", piece.len()),
            }
            rest = after;
            at = until;
        }
        self.bytes.insert(start..end);
        Ok(())
    }

    /// Notes what the snap length cut off, where nothing else has brought it.
    fn miss(&mut self, cut: Range<u64>) {
        let mut at = cut.start;
        while at < cut.end {
            let (known, until) = self.bytes.look(&(at..cut.end));
            if known == Bytes::New {
                let reach = self.extent.reach();
                self.irregular_mut().cut_off.add(at..until, reach);
            }
            at = until;
        }
    }

    /// Whether room can be made before offset 0, and would not be too much work.
    fn may_shift(&self) -> bool {
        let moved = self.irregular().moved.saturating_add(self.extent.size());
        let (any, each) = SHIFT_WORK;
        moved <= self.extent.stored().saturating_mul(each).saturating_add(any) && self.bytes.may_shift()
    }

    /// Makes room before offset 0, if that may be.
    fn shift<S: Sink>(&mut self, by: u64, outlet: &mut Outlet<S>) -> Result<bool, Error> {
        if !self.may_shift() {
            return Ok(false);
        }
        let size = self.extent.size();
        self.bytes.shift(by);
        self.sequence.shift(by);
        self.fin = self.fin.map(|fin| Offset::new(fin.get().saturating_add(by)));
        if self.has_payload() {
            self.extent.shift(by);
            let irregular = self.irregular_mut();
            irregular.cut_off.shift(by);
            irregular.moved = irregular.moved.saturating_add(size);
            if irregular.begins > 0 {
                irregular.begins = irregular.begins.saturating_add(by);
            }
            outlet.shift(self.id(), by)?;
        }
        Ok(true)
    }

    /// Whether the FIN came and nothing before it is waited for.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let cut = self.irregular().cut_off.bytes();
        self.fin.map(Offset::get).is_some_and(|fin| {
            self.extent.reach() >= fin && (self.bytes.reaches(fin) || self.extent.missing(cut) == 0)
        })
    }

    /// Counts a segment that broke the rules.
    pub fn violation(&mut self) {
        let irregular = self.irregular_mut();
        irregular.violations = irregular.violations.saturating_add(1);
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
