//! IP fragments (RFC 791, 3.2; RFC 8200, 4.5) on their way to becoming datagrams again.
//!
//! Fragments are the one thing that is kept of a frame, so they are bounded: in bytes, in datagrams, in
//! fragments of one datagram, and in time by the packets' own clock. What does not become whole in time still
//! gives its beginning, if that came. Overlaps: of two IPv4 fragments the one that begins earlier counts, then
//! the one that came first, as in BSD and Wireshark; an IPv6 datagram with overlaps is dropped (RFC 5722).

use std::collections::{BTreeMap, HashMap};

use proto::time::Timestamp;

use crate::decode::{Aside, Carrier, DatagramKey, Fragment};

/// Seconds of packet time until a datagram is given up: between the 15 of RFC 791 and the 60 of RFC 8200.
pub const TIMEOUT: i64 = 30;
/// The most datagrams that are put together at once.
pub const MAX_DATAGRAMS: usize = 4096;
/// The most fragments of one datagram: it would take 64 bytes of payload in each to need more.
pub const MAX_FRAGMENTS: usize = 1024;
/// The most bytes that fragments take, however much memory there is.
const MAX_MEMORY: usize = 16 << 20;
/// The part of the memory that fragments may take.
const MEMORY_PART: usize = 8;
/// What a fragment costs beside its bytes, and a datagram beside its fragments: generous guesses.
const FRAGMENT_COST: usize = 96;
const DATAGRAM_COST: usize = 512;

/// What became of a fragment.
#[derive(Debug)]
pub enum Outcome {
    /// It is kept. Its frame is accounted for later.
    Kept,
    /// So many frames are set aside: this one, and those kept before if they spoiled each other.
    Aside(Aside, usize),
    /// It was the last one missing.
    Whole(Datagram),
}

/// A datagram, or the beginning of one.
#[derive(Debug)]
pub struct Datagram {
    /// What carried it.
    pub carrier: Carrier,
    /// Its payload up to the first hole.
    pub payload: Vec<u8>,
    /// Bytes that are known to follow and were cut off by the snap length.
    pub cut: usize,
    /// Why the rest of it never came; none if it is whole.
    pub incomplete: Option<Aside>,
    /// Frames that it came in, and how many of these overlapped others.
    pub frames: usize,
    /// How many of the frames overlapped others.
    pub overlaps: usize,
}

/// One fragment's bytes.
#[derive(Debug)]
struct Piece {
    bytes: Box<[u8]>,
    /// Length on the wire.
    length: usize,
}

/// A datagram of which something is missing.
///
/// Invariant: no piece reaches beyond `end` if that is known; `held` is at least what the pieces cover; there
/// are no pieces if it is spoiled.
#[derive(Debug)]
struct Partial {
    number: u64,
    carrier: Carrier,
    deadline: Timestamp,
    /// By offset, then in the order in which they came.
    pieces: BTreeMap<(usize, usize), Piece>,
    /// Where the datagram ends, once its last fragment came.
    end: Option<usize>,
    held: usize,
    overlaps: usize,
    spoiled: Option<Aside>,
    memory: usize,
}

/// The datagrams that are being put together.
///
/// Invariant: `ages` has every datagram once, by the number it got when its first fragment came; `memory` is
/// the sum of theirs.
#[derive(Debug)]
pub struct Fragments {
    datagrams: HashMap<DatagramKey, Partial>,
    ages: BTreeMap<u64, DatagramKey>,
    next: u64,
    memory: usize,
    limit: usize,
}

impl Fragments {
    /// None yet. They will take their part of `max_memory` bytes at most.
    #[must_use]
    pub fn new(max_memory: usize) -> Self {
        let limit = (max_memory / MEMORY_PART).min(MAX_MEMORY);
        Self { datagrams: HashMap::new(), ages: BTreeMap::new(), next: 0, memory: 0, limit }
    }

    /// Bytes that fragments may take. One more fragment may come on top of it, until the next frame.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes that fragments take.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Datagrams that are being put together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Takes in a fragment that came at `now`.
    pub fn add(&mut self, fragment: &Fragment<'_>, now: Timestamp) -> Outcome {
        let Some(fragment) = &sound(fragment) else { return Outcome::Aside(Aside::FragmentMalformed, 1) };
        let next = self.next;
        let partial = self.datagrams.entry(fragment.key).or_insert_with(|| Partial::new(next, fragment, now));
        if partial.number == next {
            self.ages.insert(next, fragment.key);
            self.next = next.saturating_add(1);
            self.memory = self.memory.saturating_add(DATAGRAM_COST);
        }
        let before = partial.memory;
        let outcome = match partial.add(fragment) {
            Ok(()) => Outcome::Kept,
            Err(Refusal::Duplicate) => Outcome::Aside(Aside::FragmentDuplicate, 1),
            Err(Refusal::Spoiled(aside)) => Outcome::Aside(aside, partial.spoil(aside).saturating_add(1)),
        };
        self.memory = self.memory.saturating_add(partial.memory).saturating_sub(before);
        if partial.is_whole() {
            return self.take(&fragment.key, None).map_or(Outcome::Kept, Outcome::Whole);
        }
        outcome
    }

    /// A datagram whose time or room ran out; to be asked until there is none.
    #[inline]
    pub fn overdue(&mut self, now: Timestamp) -> Option<Datagram> {
        if self.is_empty() { None } else { self.expired(now) }
    }

    fn expired(&mut self, now: Timestamp) -> Option<Datagram> {
        loop {
            let key = *self.ages.first_key_value()?.1;
            let late = self.datagrams.get(&key).is_none_or(|oldest| oldest.deadline < now);
            let crowded = self.memory > self.limit || self.len() > MAX_DATAGRAMS;
            let reason = match (late, crowded) {
                (true, _) => Aside::FragmentTimeout,
                (false, true) => Aside::FragmentEvicted,
                (false, false) => return None,
            };
            let datagram = self.take(&key, Some(reason))?;
            if datagram.frames > 0 {
                return Some(datagram);
            }
        }
    }

    /// What is left when the input ends, one by one.
    pub fn remaining(&mut self) -> Option<Datagram> {
        loop {
            let key = *self.ages.first_key_value()?.1;
            let datagram = self.take(&key, Some(Aside::FragmentIncomplete))?;
            if datagram.frames > 0 {
                return Some(datagram);
            }
        }
    }

    fn take(&mut self, key: &DatagramKey, incomplete: Option<Aside>) -> Option<Datagram> {
        let partial = self.datagrams.remove(key)?;
        self.ages.remove(&partial.number);
        self.memory = self.memory.saturating_sub(partial.memory);
        Some(partial.join(incomplete))
    }
}

/// Why a fragment is not kept.
#[derive(Debug)]
enum Refusal {
    /// The same came before.
    Duplicate,
    /// The whole datagram is lost by it, with what is still to come of it.
    Spoiled(Aside),
}

/// The usable part of a fragment. All but the last carry a multiple of 8 bytes, or the next one could not say
/// where it begins: what is beyond that does not count, as in Linux, but makes IPv6 drop it (RFC 8200, 4.5).
fn sound<'a>(fragment: &Fragment<'a>) -> Option<Fragment<'a>> {
    let length = fragment.length();
    let usable = if fragment.more { length & !7 } else { length };
    if usable == 0 || (fragment.key.is_ipv6() && usable < length) {
        return None;
    }
    let bytes = fragment.bytes.get(..usable).unwrap_or(fragment.bytes);
    Some(Fragment { bytes, cut: usable.saturating_sub(bytes.len()), ..*fragment })
}

impl Partial {
    fn new(number: u64, fragment: &Fragment<'_>, now: Timestamp) -> Self {
        Self {
            number,
            carrier: fragment.carrier,
            deadline: now.shifted(TIMEOUT),
            pieces: BTreeMap::new(),
            end: None,
            held: 0,
            overlaps: 0,
            spoiled: None,
            memory: DATAGRAM_COST,
        }
    }

    fn add(&mut self, fragment: &Fragment<'_>) -> Result<(), Refusal> {
        if let Some(aside) = self.spoiled {
            return Err(Refusal::Spoiled(aside));
        }
        let (start, length) = (fragment.offset, fragment.length());
        let end = start.saturating_add(length);
        if end > fragment.key.longest() {
            return Err(Refusal::Spoiled(Aside::FragmentTooLong));
        }
        self.check_end(fragment, end)?;
        if self.repeats(fragment) {
            return Err(Refusal::Duplicate);
        }
        if self.overlaps(start, end) {
            if fragment.key.is_ipv6() {
                return Err(Refusal::Spoiled(Aside::FragmentOverlap));
            }
            self.overlaps = self.overlaps.saturating_add(1);
        }
        if self.pieces.len() >= MAX_FRAGMENTS {
            return Err(Refusal::Spoiled(Aside::FragmentTooMany));
        }
        if start == 0 && self.pieces.first_key_value().is_none_or(|((first, _), _)| *first > 0) {
            // RFC 8200: what the first one says of the next header is what counts.
            self.carrier = fragment.carrier;
        }
        self.held = self.held.saturating_add(length);
        self.memory = self.memory.saturating_add(fragment.bytes.len()).saturating_add(FRAGMENT_COST);
        let piece = Piece { bytes: fragment.bytes.into(), length };
        self.pieces.insert((start, self.pieces.len()), piece);
        Ok(())
    }

    /// There is one end, and nothing lies beyond it.
    fn check_end(&mut self, fragment: &Fragment<'_>, end: usize) -> Result<(), Refusal> {
        let contradicts = match (self.end, fragment.more) {
            (Some(known), true) => end > known,
            (Some(known), false) => end != known,
            (None, true) => false,
            (None, false) => self.reach() > end,
        };
        if contradicts {
            return Err(Refusal::Spoiled(Aside::FragmentContradiction));
        }
        if !fragment.more {
            self.end = Some(end);
        }
        Ok(())
    }

    /// Where the piece that reaches furthest ends.
    fn reach(&self) -> usize {
        self.pieces.iter().map(|((start, _), piece)| start.saturating_add(piece.length)).max().unwrap_or(0)
    }

    fn repeats(&self, fragment: &Fragment<'_>) -> bool {
        let same_place = self.pieces.range((fragment.offset, 0)..=(fragment.offset, usize::MAX));
        same_place
            .map(|(_, piece)| piece)
            .any(|piece| piece.length == fragment.length() && *piece.bytes == *fragment.bytes)
    }

    fn overlaps(&self, start: usize, end: usize) -> bool {
        let pieces = self.pieces.range(..(end, 0)).rev();
        pieces.into_iter().any(|((at, _), piece)| at.saturating_add(piece.length) > start)
    }

    /// Lets go of everything; how many frames that was. What still comes of the datagram meets the same end.
    fn spoil(&mut self, aside: Aside) -> usize {
        let frames = self.pieces.len();
        self.pieces = BTreeMap::new();
        self.held = 0;
        self.memory = DATAGRAM_COST;
        self.spoiled = Some(aside);
        frames
    }

    fn is_whole(&self) -> bool {
        let Some(end) = self.end.filter(|end| self.held >= *end) else { return false };
        let mut at = 0_usize;
        for ((start, _), piece) in &self.pieces {
            if *start > at {
                return false;
            }
            at = at.max(start.saturating_add(piece.length));
        }
        at >= end
    }

    /// Joins what there is up to the first hole, be it a lost fragment or what a snap length cut off.
    fn join(self, incomplete: Option<Aside>) -> Datagram {
        let mut payload = Vec::with_capacity(self.held.min(self.end.unwrap_or(self.held)));
        let mut cut = 0;
        for ((start, _), piece) in &self.pieces {
            let Some(known) = payload.len().checked_sub(*start) else { break };
            payload.extend_from_slice(piece.bytes.get(known..).unwrap_or_default());
            if piece.bytes.len() < piece.length {
                cut = start.saturating_add(piece.length).saturating_sub(payload.len());
                break;
            }
        }
        if let (None, Some(end)) = (incomplete, self.end) {
            cut = end.saturating_sub(payload.len());
        }
        let (frames, overlaps) = (self.pieces.len(), self.overlaps);
        Datagram { carrier: self.carrier, payload, cut, incomplete, frames, overlaps }
    }
}

#[cfg(test)]
mod tests;
