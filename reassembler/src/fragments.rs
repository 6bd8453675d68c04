//! IP fragments (RFC 791, 3.2; RFC 8200, 4.5) on their way to becoming datagrams again.
//!
//! Fragments are the one thing that is kept of a frame, so they are bounded: in bytes, in datagrams, in
//! fragments of one datagram, and in time by the packets' own clock. What does not become whole in time still
//! gives its beginning, if that came. Overlaps: of two IPv4 fragments the one that begins earlier counts, then
//! the one that came first, as in BSD and Wireshark; an IPv6 datagram with overlaps is dropped (RFC 5722).

mod partial;

use std::collections::{BTreeMap, HashMap};

use proto::time::Timestamp;

use crate::decode::{Aside, Carrier, DatagramKey, Fragment};
use crate::origin::Kept;
use partial::{Partial, Refusal, sound};

/// Seconds of packet time until a datagram is given up: between the 15 of RFC 791 and the 60 of RFC 8200.
pub const TIMEOUT: i64 = 30;
/// The most datagrams that are put together at once.
pub const MAX_DATAGRAMS: usize = 4096;
/// The most fragments of one datagram: with 64 bytes of payload in each it is as long as any can be.
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
    /// So many frames are set aside: this one, and those kept before if they spoiled each other. With the frames,
    /// where they are wanted.
    Aside(Aside, usize, Vec<Kept>),
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
    /// The frames, where they are wanted.
    pub kept: Vec<Kept>,
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

    /// Bytes that fragments may take.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes that fragments take. One more fragment may have come on top of what they may, until the next frame.
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

    /// Takes in a fragment that came at `now`, with the frames that it came in if these are wanted.
    pub fn add(&mut self, fragment: &Fragment<'_>, now: Timestamp, kept: Vec<Kept>) -> Outcome {
        let Some(fragment) = &sound(fragment) else {
            return Outcome::Aside(Aside::FragmentMalformed, 1, kept);
        };
        let next = self.next;
        let partial = self.datagrams.entry(fragment.key).or_insert_with(|| Partial::new(next, fragment, now));
        if partial.number == next {
            self.ages.insert(next, fragment.key);
            self.next = next.saturating_add(1);
            self.memory = self.memory.saturating_add(DATAGRAM_COST);
        }
        let before = partial.memory;
        let outcome = match partial.add(fragment) {
            Ok(()) => {
                partial.keep(kept);
                Outcome::Kept
            }
            Err(Refusal::Duplicate) => Outcome::Aside(Aside::FragmentDuplicate, 1, kept),
            Err(Refusal::Spoiled(aside)) => {
                let (frames, mut all) = partial.spoil(aside);
                all.extend(kept);
                Outcome::Aside(aside, frames.saturating_add(1), all)
            }
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

#[cfg(test)]
mod tests;
