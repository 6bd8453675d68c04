//! Which flow a segment belongs to, when flows begin and end, and which go when room runs out.

use proto::control::Counts;
use proto::flow::{FlowEnding, HoleTotals, Medium, Totals};
use proto::frame::{CaptureEnd, Dropped, Frame};
use proto::plan::ReassemblerPlan;
use proto::time::Timestamp;

use crate::Error;
use crate::decode::{Aside, Segment};
use crate::flow::{Beginning, Flow, Relation};
use crate::holes::Holes;
use crate::http::Http;
use crate::ordered::Ordered;
use crate::origin::{Captured, Origin};
use crate::outlet::Outlet;
use crate::sink::Sink;
use crate::table::{Class, Ends, Handle, Hashed, Table};

/// Closed flows that are remembered.
const CLOSED: usize = 4096;

/// The part of the memory that half-open flows may take: no flood of SYNs drives out flows with data.
const HALF_OPEN_PART: usize = 32;

/// What the user is told when a flow is ended for a hole for the first time.
const MAX_HOLE_REACHED: &str =
    "a file would have had too large a hole: its flow goes on in another (-S max_hole)";

/// All flows, and the way out.
#[derive(Debug)]
pub struct Connections<S> {
    table: Table,
    outlet: Outlet<S>,
    /// Bytes that ranges take.
    heap: usize,
    sessions: u64,
    max_skip: u64,
    holes: Holes,
    /// Something that the user should know.
    warning: Option<&'static str>,
    tcp_timeout: Option<i64>,
    max_memory: usize,
    /// Bytes of that which fragments take.
    fragments: usize,
    max_half_open: usize,
    /// Whether flows are looked for at all.
    flows: bool,
    /// Whether packets are kept (`-K`): then each segment is of a flow, those without payload and those after
    /// its end too, and the writer hears of the end only when nothing can come any more.
    packets: bool,
    /// Whether segments without a flow begin none (`-R`).
    only_complete: bool,
}

impl<S: Sink> Connections<S> {
    /// No flows yet.
    pub fn new(plan: &ReassemblerPlan, ordered: Option<Ordered>, http: Option<Http>, sink: S) -> Self {
        let max_memory = usize::try_from(plan.max_memory).unwrap_or(usize::MAX);
        Self {
            table: Table::default(),
            outlet: Outlet::new(sink, plan, ordered, http),
            heap: 0,
            sessions: 0,
            // With packets kept, a segment from afar belongs to the same recording as the others.
            max_skip: if plan.wanted.packets { u64::MAX } else { plan.max_skip },
            holes: Holes::new(plan.max_hole, plan.workers),
            warning: None,
            tcp_timeout: i64::try_from(plan.tcp_timeout).ok().filter(|timeout| *timeout > 0),
            max_memory,
            fragments: 0,
            max_half_open: (max_memory / HALF_OPEN_PART / Table::FLOW_SIZE).max(1),
            flows: plan.wanted.flows,
            packets: plan.wanted.packets,
            only_complete: false,
        }
    }

    /// Whether what comes from now on only completes flows that exist already.
    pub fn only_complete(&mut self, only: bool) {
        self.only_complete = only;
    }

    /// Time passes without segments.
    pub fn pass(&mut self, now: Timestamp) -> Result<(), Error> {
        self.outlet.pass(now)?;
        self.close_idle(now)
    }

    /// How far the work is.
    pub fn counts(&self) -> Counts {
        self.outlet.ledger.counts()
    }

    /// Counts a frame, or one of those in an aggregate, without a segment.
    pub fn aside(&mut self, aside: Aside) {
        self.outlet.ledger.frame();
        self.outlet.ledger.frame_aside(aside.reason());
    }

    /// Tells what link frames will come from.
    pub fn medium(&mut self, medium: Medium) -> Result<(), Error> {
        self.outlet.medium(medium)
    }

    /// Takes a frame of which no segment came.
    pub fn unprocessed(&mut self, frame: &Captured<'_>) -> Result<(), Error> {
        self.outlet.unprocessed(frame)
    }

    /// Takes in the segment that was found in `frame`.
    pub fn segment(
        &mut self,
        segment: &Segment<'_>,
        frame: &Frame,
        origin: &Origin<'_>,
    ) -> Result<(), Error> {
        self.outlet.ledger.frame();
        self.outlet.ledger.segment(segment.payload.len());
        self.pass(frame.time)?;
        self.make_room()?;
        self.hear_acknowledgment(segment)?;
        let (ends, found) = self.table.look_up(Ends::of(segment));
        let Some(handle) = found else {
            return self.begin(ends, segment, frame, origin);
        };
        let Some((flow, class)) = self.table.get_mut(handle) else { return Ok(()) };
        if class == Class::Closed {
            if flow.repeats(segment) || (self.packets && !segment.syn) {
                if self.packets {
                    accounted(&mut self.heap, flow, |flow| flow.count(frame));
                    self.outlet.packets(flow.id(), origin)?;
                }
                self.outlet.ledger.payload_aside("after_close", segment.payload.len());
                return Ok(());
            }
            self.forget(handle)?;
            return self.begin(ends, segment, frame, origin);
        }
        let relation = match flow.relation(segment, self.max_skip) {
            Relation::Continues => self.admit_hole(handle, segment),
            begins @ Relation::Begins(_) => begins,
        };
        match relation {
            Relation::Continues => self.go_on(handle, segment, frame, origin),
            Relation::Begins(ending) => {
                self.note(ending);
                self.end(handle, ending)?;
                self.forget(handle)?;
                self.begin(ends, segment, frame, origin)
            }
        }
    }

    /// A segment of a flow, unless it would make a hole that the flow may not have.
    fn admit_hole(&self, handle: Handle, segment: &Segment<'_>) -> Relation {
        let Some((flow, _)) = self.table.get(handle) else { return Relation::Continues };
        if self.holes.admit(flow, flow.hole_before(segment), self.outlet.ledger.payload()) {
            Relation::Continues
        } else {
            Relation::Begins(FlowEnding::MaxHole)
        }
    }

    fn note(&mut self, ending: FlowEnding) {
        if ending == FlowEnding::MaxHole && self.holes.refuse() {
            self.warning = Some(MAX_HOLE_REACHED);
        }
    }

    /// Something that the user should know, once.
    pub fn warning(&mut self) -> Option<&'static str> {
        self.warning.take()
    }

    /// What the flow back may no longer wait for, because its receiver has it.
    fn hear_acknowledgment(&mut self, segment: &Segment<'_>) -> Result<(), Error> {
        let Some(number) = segment.acknowledgment.filter(|_| !segment.rst && self.outlet.waits()) else {
            return Ok(());
        };
        let back = self.table.back(&Ends::of(segment));
        match back.map(|flow| (flow.id(), flow.acknowledged(number))) {
            Some((flow, Some(offset))) => self.outlet.acknowledged(flow, offset),
            Some((_, None)) | None => Ok(()),
        }
    }

    /// A segment without a flow. Without SYN or payload of the stream it does not make one.
    fn begin(
        &mut self,
        ends: Hashed,
        segment: &Segment<'_>,
        frame: &Frame,
        origin: &Origin<'_>,
    ) -> Result<(), Error> {
        if segment.rst && !self.packets {
            self.outlet.ledger.payload_aside("reset_payload", segment.payload.len());
            return Ok(());
        }
        if !self.flows || self.only_complete {
            let reason = if self.flows { "completes_no_flow" } else { "no_flows_wanted" };
            self.outlet.ledger.payload_aside(reason, segment.payload.len());
            return Ok(());
        }
        if !segment.syn && !segment.has_payload() && !self.packets {
            return Ok(());
        }
        let beginning = Beginning::of(segment, frame.time, self.outlet.ledger.flow_opened());
        let session = self.session(segment, beginning);
        match self.table.insert(ends, Flow::new(beginning, session, segment)) {
            Some(handle) => self.go_on(handle, segment, frame, origin),
            None => Ok(()),
        }
    }

    fn go_on(
        &mut self,
        handle: Handle,
        segment: &Segment<'_>,
        frame: &Frame,
        origin: &Origin<'_>,
    ) -> Result<(), Error> {
        let Some((flow, _)) = self.table.get_mut(handle) else { return Ok(()) };
        if (segment.has_payload() || !self.outlet.may_tell_late())
            && let Some(open) = flow.tell(segment.key, || self.outlet.number())
        {
            self.outlet.open(open, segment.syn)?;
        }
        let before = flow.holes();
        accounted(&mut self.heap, flow, |flow| flow.accept(segment, frame, &mut self.outlet))?;
        self.outlet.packets(flow.id(), origin)?;
        self.holes.changed(before, flow.holes());
        let class = if flow.has_payload() { Class::Active } else { Class::HalfOpen };
        let finished = flow.is_finished();
        self.table.touch(handle, class);
        if segment.rst && self.heeds_reset(handle, segment) {
            self.close(handle, FlowEnding::Reset)
        } else if finished {
            self.close(handle, FlowEnding::Fin)
        } else {
            Ok(())
        }
    }

    fn heeds_reset(&mut self, handle: Handle, segment: &Segment<'_>) -> bool {
        let back = self.table.back(&Ends::of(segment));
        let heeds = self.table.get(handle).is_some_and(|(flow, _)| flow.heeds_reset(segment, back));
        if let (false, Some((flow, _))) = (heeds, self.table.get_mut(handle)) {
            accounted(&mut self.heap, flow, Flow::violation);
        }
        heeds
    }

    /// The number of the connection: that of the flow back, unless this segment opens a new one.
    fn session(&mut self, segment: &Segment<'_>, beginning: Beginning) -> u64 {
        let back = if beginning.is_client() { None } else { self.table.back(&Ends::of(segment)) };
        if let Some(flow) = back {
            return flow.session();
        }
        let session = self.sessions;
        self.sessions = session.saturating_add(1);
        session
    }

    /// Tells the end of a flow, which is remembered as closed.
    fn close(&mut self, handle: Handle, ending: FlowEnding) -> Result<(), Error> {
        self.end(handle, ending)?;
        self.table.touch(handle, Class::Closed);
        if self.table.count(Class::Closed) > CLOSED {
            self.forget_oldest_closed()?;
        }
        Ok(())
    }

    /// Tells the end of a flow.
    fn end(&mut self, handle: Handle, ending: FlowEnding) -> Result<(), Error> {
        let Some(key) = self.table.ends(handle).map(|ends| ends.key) else { return Ok(()) };
        let Some((flow, _)) = self.table.get_mut(handle) else { return Ok(()) };
        flow.end(ending);
        self.outlet.ledger.flow_closed();
        if !self.packets {
            self.heap = self.heap.saturating_sub(flow.heap());
            match flow.tell(key, || self.outlet.number()) {
                Some(open) => self.outlet.empty(flow.closing_empty(open, ending))?,
                None => self.outlet.close(flow.closing(ending), flow.reach())?,
            }
            flow.forget_ranges();
        }
        Ok(())
    }

    fn forget_oldest_closed(&mut self) -> Result<bool, Error> {
        let Some(handle) = self.table.oldest(Class::Closed) else { return Ok(false) };
        self.forget(handle)?;
        Ok(true)
    }

    /// Nothing can come any more for a flow that is closed.
    fn forget(&mut self, handle: Handle) -> Result<(), Error> {
        if let (true, Some((flow, _))) = (self.packets, self.table.get(handle))
            && let Some(ending) = flow.ending()
        {
            self.heap = self.heap.saturating_sub(flow.heap());
            self.outlet.close(flow.closing(ending), flow.reach())?;
        }
        self.table.remove(handle);
        Ok(())
    }

    /// Closes flows that have been silent for the timeout. Each costs its own closing, none a search.
    fn close_idle(&mut self, now: Timestamp) -> Result<(), Error> {
        let Some(timeout) = self.tcp_timeout else { return Ok(()) };
        for class in [Class::HalfOpen, Class::Active] {
            while let Some(handle) = self.table.oldest(class) {
                let last = self.table.get(handle).map(|(flow, _)| flow.last());
                if last.is_none_or(|last| last.shifted(timeout) >= now) {
                    break;
                }
                self.close(handle, FlowEnding::Idle)?;
            }
        }
        Ok(())
    }

    /// Notes what fragments take of the memory.
    pub fn make_room_beside(&mut self, fragments: usize) -> Result<(), Error> {
        let grown = fragments > self.fragments;
        self.fragments = fragments;
        if grown { self.make_room() } else { Ok(()) }
    }

    /// Evicts until one more flow fits: closed ones, then half-open ones, then those silent the longest.
    /// Flows also grow without any new one, so this comes before every segment; mostly it finds room.
    fn make_room(&mut self) -> Result<(), Error> {
        while self.table.count(Class::HalfOpen) >= self.max_half_open {
            self.evict(Class::HalfOpen)?;
        }
        while self.memory() > self.max_memory && !self.table.is_empty() {
            if self.forget_oldest_closed()? {
                continue;
            }
            let any_half_open = self.table.count(Class::HalfOpen) > 0;
            self.evict(if any_half_open { Class::HalfOpen } else { Class::Active })?;
        }
        Ok(())
    }

    fn evict(&mut self, class: Class) -> Result<(), Error> {
        let Some(handle) = self.table.oldest(class) else { return Ok(()) };
        self.end(handle, FlowEnding::Evicted)?;
        self.forget(handle)
    }

    /// Bytes that flows take, counting one more, and fragments.
    fn memory(&self) -> usize {
        let table = self.table.len().saturating_add(1).saturating_mul(Table::FLOW_SIZE);
        let beside = self.outlet.memory().saturating_add(self.fragments);
        table.saturating_add(self.heap).saturating_add(beside)
    }

    /// Closes all flows and gives what was counted.
    pub fn finish(&mut self, capture: CaptureEnd) -> Result<Totals, Error> {
        let open = self.outlet.ledger.open_flows();
        for class in [Class::HalfOpen, Class::Active] {
            while let Some(handle) = self.table.oldest(class) {
                self.close(handle, FlowEnding::Open)?;
            }
        }
        while self.packets && self.forget_oldest_closed()? {}
        Ok(self.totals(capture, open))
    }

    fn totals(&self, capture: CaptureEnd, open: u64) -> Totals {
        let holes = HoleTotals { bytes: self.holes.bytes(), flows_ended: self.holes.refused() };
        self.outlet.ledger.totals(capture, open, holes)
    }

    /// Bytes that are to be stored so far.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.outlet.stored()
    }

    /// Tells of each open flow that it goes on in another directory.
    pub fn divide(&mut self) -> Result<(), Error> {
        self.outlet.settle()?;
        // With packets kept, the end of a flow is told only when nothing of it can come any more.
        let closed = self.packets.then_some(Class::Closed);
        for class in [Class::HalfOpen, Class::Active].into_iter().chain(closed) {
            let mut next = self.table.oldest(class);
            while let Some(handle) = next {
                next = self.table.newer(handle);
                let Some((flow, _)) = self.table.get_mut(handle) else { break };
                let part = accounted(&mut self.heap, flow, Flow::divide);
                part.map_or(Ok(()), |part| self.outlet.divide(part))?;
            }
        }
        Ok(())
    }

    /// What was counted so far; `capture` makes of the frames what is known of the capture.
    #[must_use]
    pub fn totals_so_far(&self, capture: impl FnOnce(u64) -> CaptureEnd) -> Totals {
        let ledger = &self.outlet.ledger;
        self.totals(capture(ledger.frames()), ledger.open_flows())
    }

    /// Checks that everything that came is accounted for.
    pub fn check(&self) -> Result<(), Error> {
        self.outlet.ledger.check()
    }

    /// The kernel has dropped frames.
    pub fn dropped(&mut self, dropped: Dropped) -> Result<(), Error> {
        self.outlet.dropped(dropped)
    }

    /// Has what was gathered to be read at once read.
    pub fn settle(&mut self) -> Result<(), Error> {
        self.outlet.settle()
    }

    /// The way out, for what is not about flows.
    pub fn sink(&mut self) -> &mut S {
        &mut self.outlet.sink
    }
}

/// Changes a flow, and keeps account in `heap` of the memory that it takes.
fn accounted<T>(heap: &mut usize, flow: &mut Flow, change: impl FnOnce(&mut Flow) -> T) -> T {
    let before = flow.heap();
    let changed = change(flow);
    *heap = heap.saturating_add(flow.heap()).saturating_sub(before);
    changed
}
