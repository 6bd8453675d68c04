//! What the capture process may say, and when: a state machine that only advances.

mod rotate;

use proto::Breach;
use proto::control::{Counts, Level};
use proto::flow::{FromReassembler, Medium, RawPacket};
use proto::frame::{CaptureEnd, Ending, Frame, FromCapture};
use proto::limits::MAX_INTERFACES;
use proto::plan::{Order, ReassemblerPlan};
use proto::text::Text;
use proto::time::Timestamp;

use crate::Error;
use crate::connections::Connections;
use crate::decode::{Aside, Decoder, Fragment, LinkType, Opened, Segment};
use crate::fragments::{Datagram, Fragments, Outcome};
use crate::http::Http;
use crate::ordered::{Limits, Ordered};
use crate::origin::{Captured, Kept, Origin};
use crate::rotation::Rotation;
use crate::sink::Sink;
use crate::traffic::{Onlooker, Packet};
use policy::role::Done;

/// The part of the memory that it may take to undo what HTTP puts around bodies.
const HTTP_PART: u64 = 4;

/// The conversation with the capture process.
#[derive(Debug)]
pub struct Conversation<S> {
    state: State,
    decoder: Decoder,
    fragments: Fragments,
    /// The last frame: its time is that of what is left at the end.
    last: Option<Frame>,
    connections: Connections<S>,
    /// Whether frames themselves are wanted.
    frames_wanted: bool,
    onlooker: Onlooker,
    time_delta: i64,
    /// When output goes on in another directory, where it ever does.
    rotation: Option<Rotation>,
    /// When the newest frame was captured.
    now: Option<Timestamp>,
    done: Done,
}

/// How far the conversation has come.
#[derive(Debug)]
enum State {
    /// No input yet.
    Start,
    /// An input, its name and its interfaces so far.
    Input(Text, Vec<Interface>),
    /// The last message came.
    End(CaptureEnd),
}

/// What the frames of an interface are.
#[derive(Debug)]
struct Interface {
    link: LinkType,
    medium: Medium,
    /// The number of a link type that is not understood, until the first frame of it was told of. An input of
    /// which nothing is understood is refused by the capture process, whose word that is.
    untold: Option<u32>,
}

impl<S: Sink> Conversation<S> {
    /// Before the first message.
    pub fn new(plan: &ReassemblerPlan, sink: S) -> Self {
        let fragments = Fragments::new(usize::try_from(plan.max_memory).unwrap_or(usize::MAX));
        let limits = Limits::within(plan.max_memory, plan.patience);
        let printed = plan.wanted.console == Some(Order::Stream);
        let read_in_order = plan.wanted.flows && (printed || plan.wanted.http.is_some());
        let ordered = read_in_order.then(|| Ordered::new(limits));
        let for_order = if read_in_order { limits.all } else { 0 };
        let for_http = plan.wanted.http.map_or(0, |_| plan.max_memory / HTTP_PART);
        // What is printed is printed by segments, and where output is divided by size, what was stored is known of each.
        let by_size = plan.rotation.is_some_and(|rotation| rotation.max_bytes.is_some());
        let http = plan.wanted.http.map(|wanted| {
            let limit = usize::try_from(for_http).unwrap_or(usize::MAX);
            Http::new(wanted, limit).gathering(!printed && !by_size)
        });
        let taken = u64::try_from(for_order).unwrap_or(u64::MAX).saturating_add(for_http);
        let max_memory = plan.max_memory.saturating_sub(taken);
        Self {
            state: State::Start,
            decoder: Decoder { tunnels: plan.tunnels, separation: plan.separation },
            fragments,
            last: None,
            connections: Connections::new(
                &ReassemblerPlan { max_memory, ..plan.clone() },
                ordered,
                http,
                sink,
            ),
            frames_wanted: plan.wanted.packets || plan.wanted.unprocessed,
            onlooker: Onlooker::new(&plan.wanted, plan.time_delta),
            time_delta: plan.time_delta,
            rotation: plan.rotation.map(Rotation::new),
            now: None,
            done: Done::Fully,
        }
    }

    /// Takes one message; `tell` is given what the user should know.
    pub fn hear(
        &mut self,
        message: FromCapture,
        bytes: &[u8],
        tell: &mut impl FnMut(Level, &str),
    ) -> Result<(), Error> {
        if !matches!(message, FromCapture::Frame(_)) {
            self.settle()?;
        }
        match (&mut self.state, message) {
            (State::End(_), _) => Err(Breach::Forbidden("a message after the end").into()),
            (State::Start | State::Input(..), FromCapture::Input { name, completing }) => {
                self.onlooker.input(&name);
                self.state = State::Input(name, Vec::new());
                self.connections.only_complete(completing);
                self.rotate(|rotation, _| rotation.begin(false))
            }
            (State::Start | State::Input(..), FromCapture::Tick(now)) => self.pass(now),
            (State::Start | State::Input(..), FromCapture::Count) => {
                self.connections.sink().put(&FromReassembler::Count, &[])
            }
            (State::Start | State::Input(..), FromCapture::Rotate(rotate)) => self.rotate_at_once(&rotate),
            (State::Start | State::Input(..), FromCapture::Dropped(dropped)) => {
                self.connections.dropped(dropped)
            }
            (State::Input(_, links), FromCapture::Interface { link_type, snap_length, nanoseconds }) => {
                let link = LinkType::from_number(link_type);
                let medium =
                    Medium { link_type: LinkType::in_savefiles(link_type), snap_length, nanoseconds };
                let untold = (!link.is_known()).then_some(link_type);
                add_interface(links, Interface { link, medium, untold })?;
                if self.frames_wanted { self.connections.medium(medium) } else { Ok(()) }
            }
            (State::Input(name, links), FromCapture::Frame(frame)) => {
                let index = usize::try_from(frame.interface).unwrap_or(usize::MAX);
                let interface = links
                    .get_mut(index)
                    .ok_or(Breach::Forbidden("frame of an interface that was not told of"))?;
                if let Some(number) = interface.untold.take() {
                    tell(
                        Level::Error,
                        &format!("sorry - unknown datalink type {number} on interface {name}"),
                    );
                    self.done = Done::InPart;
                }
                let link = (interface.link, interface.medium);
                self.rotate(|rotation, _| rotation.before(frame.time))?;
                self.frame(link, &frame, bytes)?;
                self.rotate(|rotation, stored| rotation.after(frame.time, stored))?;
                if let Some(warning) = self.connections.warning() {
                    tell(Level::Warning, warning);
                }
                Ok(())
            }
            (State::Start | State::Input(..), FromCapture::End(end)) => {
                self.state = State::End(end);
                Ok(())
            }
            (State::Start, FromCapture::Interface { .. } | FromCapture::Frame(_)) => {
                Err(Breach::Forbidden("an input was due").into())
            }
        }
    }

    /// A batch is over: nothing of it is kept for the next one, but what cannot be read yet.
    pub fn settle(&mut self) -> Result<(), Error> {
        self.connections.settle()
    }

    /// Time passes without frames.
    fn pass(&mut self, now: Timestamp) -> Result<(), Error> {
        if let Some(last) = self.last {
            self.finish_overdue(now, &last)?;
        }
        self.connections.pass(now)
    }

    /// Ends datagrams whose missing fragments are overdue.
    fn finish_overdue(&mut self, now: Timestamp, frame: &Frame) -> Result<(), Error> {
        while let Some(datagram) = self.fragments.overdue(now) {
            self.datagram(datagram, frame)?;
        }
        self.connections.make_room_beside(self.fragments.memory())
    }

    fn frame(
        &mut self,
        (link, medium): (LinkType, Medium),
        frame: &Frame,
        bytes: &[u8],
    ) -> Result<(), Error> {
        self.now = Some(frame.time);
        self.finish_overdue(frame.time, frame)?;
        let Frame { time, captured, original, .. } = *frame;
        let origin = if self.frames_wanted {
            Origin::current(Captured { medium, packet: RawPacket { time, captured, original }, bytes })
        } else {
            Origin::default()
        };
        self.onlooker.frame(link, bytes, original);
        let counted = self.onlooker.counts_packets();
        self.segments(self.decoder.open(link, bytes, original), frame, origin, counted)
    }

    /// `counted`: packets in it were not counted before.
    #[inline]
    fn segments(
        &mut self,
        mut opened: Opened<'_>,
        frame: &Frame,
        mut origin: Origin<'_>,
        counted: bool,
    ) -> Result<(), Error> {
        let mut processed = false;
        // The bytes of a frame that aggregates others are those of the first packet in it.
        let mut bytes = u64::from(frame.original);
        loop {
            let found = opened.segment();
            if counted && let Some(packet) = packet(&found, &mut opened) {
                self.onlooker.packet(&packet, frame.time, std::mem::take(&mut bytes));
            }
            match &found {
                Ok(segment) => {
                    processed = true;
                    self.connections.segment(segment, frame, &origin)?;
                }
                Err(aside) => match opened.fragment() {
                    Some(fragment) => self.fragment(&fragment, frame, origin.keep())?,
                    None => self.connections.aside(*aside),
                },
            }
            if !opened.advance() {
                break;
            }
        }
        if processed { Ok(()) } else { self.unprocessed(origin.left()) }
    }

    /// Passes on frames that no segment came of.
    fn unprocessed<'f>(&mut self, frames: impl Iterator<Item = Captured<'f>>) -> Result<(), Error> {
        for frame in frames {
            self.connections.unprocessed(&frame)?;
        }
        Ok(())
    }

    fn fragment(&mut self, fragment: &Fragment<'_>, frame: &Frame, kept: Vec<Kept>) -> Result<(), Error> {
        self.last = Some(*frame);
        match self.fragments.add(fragment, frame.time, kept) {
            Outcome::Kept => Ok(()),
            Outcome::Aside(aside, frames, kept) => {
                self.set_aside(aside, frames);
                self.unprocessed(kept.iter().map(Kept::frame))
            }
            Outcome::Whole(datagram) => self.datagram(datagram, frame),
        }
    }

    /// One of the frames of a datagram counts as that of what it carries. A datagram within it may come in
    /// fragments itself; how often that can be is bounded by the headers that are passed.
    fn datagram(&mut self, datagram: Datagram, frame: &Frame) -> Result<(), Error> {
        let others = datagram.frames.saturating_sub(1);
        let overlaps = datagram.overlaps.min(others);
        let reason = datagram.incomplete.unwrap_or(Aside::FragmentReassembled);
        self.set_aside(Aside::FragmentOverlap, overlaps);
        self.set_aside(reason, others.saturating_sub(overlaps));
        if datagram.payload.is_empty() {
            self.set_aside(reason, 1);
            return self.unprocessed(datagram.kept.iter().map(Kept::frame));
        }
        let unfinished = datagram.incomplete.is_some();
        let payload = (&datagram.payload[..], datagram.cut);
        let opened = self.decoder.reopen(&datagram.carrier, payload, unfinished);
        self.segments(opened, frame, Origin::of_fragments(datagram.kept), false)
    }

    fn set_aside(&mut self, aside: Aside, frames: usize) {
        for _ in 0..frames {
            self.connections.aside(aside);
        }
    }

    /// How far the work is.
    pub fn counts(&self) -> Counts {
        self.connections.counts()
    }

    /// Where messages for the writer go.
    pub fn sink(&mut self) -> &mut S {
        self.connections.sink()
    }

    /// Closes all flows and tells the writer how the run ended. Gives the sink back for its flush.
    pub fn close(&mut self) -> Result<&mut S, Error> {
        self.rotate(|rotation, _| rotation.begin(true))?;
        let end = match &self.state {
            State::End(end) => end.clone(),
            State::Start | State::Input(..) => CaptureEnd {
                ending: Ending::Interrupted(Text::cut(&Error::CaptureVanished.to_string())),
                frames_read: 0,
                frames_filtered: 0,
                kernel: None,
                savefile_drops: None,
            },
        };
        while let (Some(datagram), Some(last)) = (self.fragments.remaining(), self.last) {
            self.datagram(datagram, &last)?;
        }
        let totals = self.connections.finish(end)?;
        let sink = self.connections.sink();
        std::mem::take(&mut self.onlooker).tell(sink)?;
        sink.put(&FromReassembler::End(Box::new(totals)), &[])?;
        Ok(sink)
    }

    /// Whether the run was complete, once it is closed: the end was announced and the sums add up.
    pub fn verdict(&self) -> Result<Done, Error> {
        self.connections.check()?;
        match self.state {
            State::End(_) => Ok(self.done),
            State::Start | State::Input(..) => Err(Error::CaptureVanished),
        }
    }
}

/// The IP packet that was met, if any: what the segment is in, or else the innermost.
fn packet(found: &Result<Segment<'_>, Aside>, opened: &mut Opened<'_>) -> Option<Packet> {
    if let Ok(Segment { key, .. }) = found {
        let ports = Some((key.source_port, key.destination_port));
        return Some(Packet { source: key.source, destination: key.destination, ports });
    }
    opened.ends().map(|(source, destination)| Packet { source, destination, ports: None })
}

fn add_interface(links: &mut Vec<Interface>, link: Interface) -> Result<(), Error> {
    if links.len() >= usize::try_from(MAX_INTERFACES).unwrap_or(usize::MAX) {
        return Err(Breach::Forbidden("too many interfaces").into());
    }
    links.push(link);
    Ok(())
}
