//! Reassemblers, of which there may be several (`-S workers`), and what was heard of each.
//!
//! Each numbers its flows and connections by itself, and none knows of the others. Here number `n` of the `k`-th of `w`
//! becomes `n * w + k`: no two have a number in common, so that whatever one says can be about its own flows only. The
//! totals of one are held against what came from that one.

use policy::{Role, channel};
use proto::Breach;
use proto::flow::{FlowOpen, FromReassembler, Medium, Rotation, Totals};

use crate::error::Error;
use crate::sums::Sums;

/// A number that would not be one any more.
const NO_NUMBER: Breach = Breach::Forbidden("a number that no flow can have");

/// What was heard of one.
#[derive(Debug, Default)]
pub struct Worker {
    /// What packets that come were captured on.
    pub medium: Option<Medium>,
    /// What it counted, once it has ended.
    pub totals: Option<Totals>,
    /// Whether its channel is closed.
    pub is_gone: bool,
    /// What it said of output that goes on in another directory, while it waits for the others to say it.
    rotation: Option<Rotation>,
    /// How often it passed a question on.
    counts: u64,
    /// Frames that the kernel has dropped before it, as far as it said.
    dropped: u64,
    /// What came of it before it was last heard.
    came: Came,
}

impl Worker {
    /// Whether it has nothing more to say.
    fn has_ended(&self) -> bool {
        self.totals.is_some() || self.is_gone
    }
}

/// What came to be stored: payload, bodies, frames that were not processed.
#[derive(Debug, Clone, Copy, Default)]
struct Came {
    payload: u64,
    bodies: u64,
    unprocessed: u64,
}

impl Came {
    fn of(sums: &Sums) -> Self {
        Self {
            payload: sums.payload.received,
            bodies: sums.bodies.received,
            unprocessed: sums.unprocessed.received,
        }
    }

    /// With what came since `before`.
    fn and_since(self, before: Self, now: Self) -> Self {
        let sum = |so_far: u64, before: u64, now: u64| so_far.saturating_add(now.saturating_sub(before));
        Self {
            payload: sum(self.payload, before.payload, now.payload),
            bodies: sum(self.bodies, before.bodies, now.bodies),
            unprocessed: sum(self.unprocessed, before.unprocessed, now.unprocessed),
        }
    }
}

/// All of them.
#[derive(Debug)]
pub struct Workers {
    first: Worker,
    further: Vec<Worker>,
    /// Who is heard.
    speaker: usize,
    /// What had come of all when it began to be.
    before: Came,
    /// How often all have passed a question on.
    answered: u64,
}

impl Workers {
    /// So many, of which nothing was heard.
    pub fn of(number: u32) -> Self {
        let further = (1..number).map(|_| Worker::default()).collect();
        Self { first: Worker::default(), further, speaker: 0, before: Came::default(), answered: 0 }
    }

    /// Whether there is more than one.
    pub fn are_several(&self) -> bool {
        !self.further.is_empty()
    }

    fn all(&self) -> impl Iterator<Item = &Worker> {
        std::iter::once(&self.first).chain(&self.further)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Worker> {
        std::iter::once(&mut self.first).chain(&mut self.further)
    }

    /// Who is heard, from 0.
    pub fn speaker(&self) -> usize {
        self.speaker
    }

    /// What was heard of who is heard.
    pub fn heard(&mut self) -> &mut Worker {
        let further = self.speaker.checked_sub(1).and_then(|place| self.further.get_mut(place));
        further.unwrap_or(&mut self.first)
    }

    /// From now on this one is heard. `sums`: what came of all so far.
    pub fn hear(&mut self, speaker: usize, sums: &Sums) {
        let now = Came::of(sums);
        let before = std::mem::replace(&mut self.before, now);
        let heard = self.heard();
        heard.came = heard.came.and_since(before, now);
        self.speaker = speaker;
    }

    /// Whether this one is listened to: it does not wait for the others.
    pub fn listens_to(&self, who: usize) -> bool {
        self.all().nth(who).is_some_and(|worker| worker.rotation.is_none())
    }

    /// Takes a message of who is heard, if it may say anything: it does not wait for the others. Puts the numbers of the
    /// message in their place among those of all.
    pub fn admit(&mut self, message: &mut FromReassembler) -> Result<(), Breach> {
        if !self.are_several() {
            return Ok(());
        }
        if self.heard().rotation.is_some() {
            return Err(Breach::Forbidden("a message behind a rotation"));
        }
        self.renumber(message)
    }

    fn renumber(&self, message: &mut FromReassembler) -> Result<(), Breach> {
        let number = u64::try_from(self.further.len()).unwrap_or(u64::MAX).saturating_add(1);
        let place = u64::try_from(self.speaker).unwrap_or(u64::MAX);
        let among_all = |own: &mut u64| {
            *own = own.checked_mul(number).and_then(|own| own.checked_add(place)).ok_or(NO_NUMBER)?;
            Ok(())
        };
        let opened = |open: &mut FlowOpen| {
            among_all(&mut open.flow.0)?;
            among_all(&mut open.number)?;
            among_all(&mut open.session)
        };
        match message {
            FromReassembler::Open(open) => opened(open),
            FromReassembler::Empty(flow) => opened(&mut flow.open),
            FromReassembler::Data(span)
            | FromReassembler::Replace(span)
            | FromReassembler::Compare(span)
            | FromReassembler::Print(span) => among_all(&mut span.flow.0),
            FromReassembler::Arrival(arrival) => among_all(&mut arrival.flow.0),
            FromReassembler::BodyOpen(open) => among_all(&mut open.flow.0),
            FromReassembler::Close(close) => among_all(&mut close.flow.0),
            FromReassembler::Shift { flow, .. }
            | FromReassembler::Gap { flow, .. }
            | FromReassembler::Packet { flow, .. }
            | FromReassembler::BodyBytes { flow, .. }
            | FromReassembler::BodyHole { flow, .. }
            | FromReassembler::BodyClose { flow, .. } => among_all(&mut flow.0),
            FromReassembler::Medium(_)
            | FromReassembler::Unprocessed(_)
            | FromReassembler::Count
            | FromReassembler::Dropped(_)
            | FromReassembler::Rotate(_)
            | FromReassembler::End(_)
            | FromReassembler::Traffic(_)
            | FromReassembler::Share(_)
            | FromReassembler::Network(_)
            | FromReassembler::OtherNetworks(_) => Ok(()),
        }
    }

    /// Who is heard has passed a question on; whether all have now that may still.
    pub fn count(&mut self) -> bool {
        let heard = self.heard();
        heard.counts = heard.counts.saturating_add(1);
        let open = self.all().filter(|worker| !worker.has_ended());
        let passed = open.map(|worker| worker.counts).min().unwrap_or_default();
        let more = passed > self.answered;
        self.answered = self.answered.max(passed);
        more
    }

    /// The kernel has dropped so many frames before who is heard; how many it has dropped before all.
    pub fn dropped(&mut self, frames: u64) -> u64 {
        self.heard().dropped = frames;
        self.all().fold(0, |sum, worker| sum.saturating_add(worker.dropped))
    }

    /// Whether what who is heard has counted is what came of it, in so many flows.
    pub fn check(&mut self, totals: &Totals, flows: u64, sums: &Sums) -> Result<(), Breach> {
        let (before, now) = (self.before, Came::of(sums));
        let Came { payload, bodies, unprocessed } = self.heard().came.and_since(before, now);
        if (totals.flows, totals.stored, totals.bodies, totals.unprocessed)
            != (flows, payload, bodies, unprocessed)
        {
            return Err(Breach::Forbidden("totals that do not add up"));
        }
        Ok(())
    }

    /// Who is heard goes on in another directory, and waits for the others.
    pub fn rotate(&mut self, rotation: Rotation) {
        self.heard().rotation = Some(rotation);
    }

    /// The rotation of all, once each of them waits for it or has ended. It begins when the first of them does: nothing
    /// in the directory is older than its name.
    pub fn rotation(&mut self) -> Option<Rotation> {
        if !self.all().all(|worker| worker.rotation.is_some() || worker.has_ended()) {
            return None;
        }
        let start = self.all().filter_map(|worker| Some(worker.rotation.as_ref()?.start)).min()?;
        let totals = self.all_mut().filter_map(|worker| {
            let rotation = worker.rotation.take();
            rotation.map(|rotation| rotation.totals).or_else(|| worker.totals.clone())
        });
        Some(Rotation { start, totals: totals.reduce(Totals::and)? })
    }

    /// What all have counted, once all have ended.
    pub fn totals(&self) -> Option<Totals> {
        let mut all = self.all().map(|worker| worker.totals.clone());
        let first = all.next()??;
        all.try_fold(first, |sum, totals| Some(sum.and(totals?)))
    }

    /// What is not to be said of one is said of that one.
    pub fn blame(&self, error: Error) -> Error {
        if !self.are_several() {
            return error;
        }
        let of = |breach| Error::Worker { name: self.name(), breach };
        if let Error::Channel(channel::Error::Breach(breach)) = error { of(breach) } else { error }
    }

    /// The first of those that ended without a word.
    pub fn unfinished(&self) -> Error {
        let place = self.all().position(|worker| worker.totals.is_none()).unwrap_or_default();
        Error::Unfinished { name: self.name_of(place) }
    }

    fn name(&self) -> String {
        self.name_of(self.speaker)
    }

    /// As `tcpflow` calls it.
    fn name_of(&self, place: usize) -> String {
        let number = u32::try_from(place.saturating_add(1)).unwrap_or(u32::MAX);
        Role::Reassembler.name(self.are_several().then_some(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::flow::{FlowId, Span};
    use proto::frame::Ending;
    use proto::time::Timestamp;

    fn rotation(start: i64, flows: u64) -> Rotation {
        let totals = Totals { flows, ..Totals::unknown(Ending::Complete) };
        Rotation { start: Timestamp::new(start, 0), totals }
    }

    #[test]
    fn no_two_have_a_number_in_common() {
        let mut workers = Workers::of(3);
        let mut seen = std::collections::BTreeSet::new();
        for speaker in 0..3 {
            workers.hear(speaker, &Sums::default());
            for own in 0..10 {
                let span = Span { flow: FlowId(own), offset: 0, length: 1 };
                let mut message = FromReassembler::Data(span);
                workers.renumber(&mut message).unwrap();
                let FromReassembler::Data(span) = message else { panic!("{message:?}") };
                assert!(seen.insert(span.flow), "{own} of {speaker}");
            }
            // A number that would come out as another's.
            let mut message = FromReassembler::Shift { flow: FlowId(u64::MAX / 2), by: 0 };
            assert_eq!(workers.renumber(&mut message), Err(NO_NUMBER));
        }
        assert_eq!(seen.last(), Some(&FlowId(29)));
    }

    #[test]
    fn one_alone_waits_for_nobody() {
        let mut workers = Workers::of(1);
        workers.rotate(rotation(7, 1));
        assert_eq!(workers.rotation(), Some(rotation(7, 1)));
        assert_eq!(workers.rotation(), None);
        assert!(workers.count() && workers.count());
        assert_eq!([3, 9].map(|frames| workers.dropped(frames)), [3, 9]);
    }

    #[test]
    fn all_go_on_when_the_last_does_or_has_ended() {
        let mut workers = Workers::of(3);
        workers.hear(1, &Sums::default());
        workers.rotate(rotation(9, 1));
        assert!(workers.listens_to(0) && !workers.listens_to(1));
        assert!(workers.admit(&mut FromReassembler::Count).is_err(), "behind it");
        assert_eq!(workers.rotation(), None);
        workers.hear(0, &Sums::default());
        assert!(workers.admit(&mut FromReassembler::Count).is_ok());
        workers.heard().totals = Some(rotation(0, 2).totals);
        assert_eq!(workers.rotation(), None);
        workers.hear(2, &Sums::default());
        workers.rotate(rotation(8, 4));
        assert_eq!(workers.rotation(), Some(rotation(8, 7)));
        assert!(workers.listens_to(1));
        assert_eq!(workers.totals(), None);
    }

    #[test]
    fn a_question_is_answered_when_all_have_passed_it_on_that_can() {
        let mut workers = Workers::of(2);
        let mut pass = |speaker| {
            workers.hear(speaker, &Sums::default());
            workers.count()
        };
        assert_eq!([0, 0, 1, 1, 1].map(&mut pass), [false, false, true, true, false]);
        workers.hear(1, &Sums::default());
        workers.heard().is_gone = true;
        workers.hear(0, &Sums::default());
        assert!(workers.count());
    }

    #[test]
    fn each_is_held_to_what_came_of_it() {
        let mut workers = Workers::of(2);
        let mut sums = Sums::default();
        let totals = |stored| Totals { stored, ..Totals::unknown(Ending::Complete) };
        for (speaker, bytes) in [(0, 5), (1, 7), (0, 1)] {
            workers.hear(speaker, &sums);
            sums.payload.receive(bytes);
        }
        assert_eq!(workers.check(&totals(6), 0, &sums), Ok(()));
        workers.hear(1, &sums);
        assert_eq!(workers.check(&totals(7), 0, &sums), Ok(()));
        assert!(workers.check(&totals(13), 0, &sums).is_err(), "what came of both");
        assert!(workers.check(&totals(7), 1, &sums).is_err());
    }
}
