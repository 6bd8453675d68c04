//! One datagram of which something is missing: what came of it, and what makes it whole or spoils it.

use std::collections::BTreeMap;

use proto::time::Timestamp;

use super::{DATAGRAM_COST, Datagram, FRAGMENT_COST, MAX_FRAGMENTS, TIMEOUT};
use crate::decode::{Aside, Carrier, Fragment};
use crate::origin::Kept;

/// One fragment's bytes.
#[derive(Debug)]
struct Piece {
    bytes: Box<[u8]>,
    /// Length on the wire.
    length: usize,
    more: bool,
}

/// A datagram of which something is missing.
///
/// Invariant: no piece reaches beyond `end` if that is known; `held` is at least what the pieces cover; there
/// are no pieces if it is spoiled.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) number: u64,
    carrier: Carrier,
    pub(super) deadline: Timestamp,
    /// By offset, then in the order in which they came.
    pieces: BTreeMap<(usize, usize), Piece>,
    /// Where the datagram ends, once its last fragment came.
    end: Option<usize>,
    held: usize,
    overlaps: usize,
    spoiled: Option<Aside>,
    pub(super) memory: usize,
    /// The frames that the pieces came in, where they are wanted.
    kept: Vec<Kept>,
}

/// Why a fragment is not kept.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The same came before.
    Duplicate,
    /// The whole datagram is lost by it, with what is still to come of it.
    Spoiled(Aside),
}

/// The usable part of a fragment. All but the last carry a multiple of 8 bytes, or the next one could not say
/// where it begins: what is beyond that does not count, as in Linux, but makes IPv6 drop it (RFC 8200, 4.5).
pub(super) fn sound<'a>(fragment: &Fragment<'a>) -> Option<Fragment<'a>> {
    let length = fragment.length();
    let usable = if fragment.more { length & !7 } else { length };
    if usable == 0 || (fragment.key.is_ipv6() && usable < length) {
        return None;
    }
    let bytes = fragment.bytes.get(..usable).unwrap_or(fragment.bytes);
    Some(Fragment { bytes, cut: usable.saturating_sub(bytes.len()), ..*fragment })
}

impl Partial {
    pub(super) fn new(number: u64, fragment: &Fragment<'_>, now: Timestamp) -> Self {
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
            kept: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, fragment: &Fragment<'_>) -> Result<(), Refusal> {
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
        let piece = Piece { bytes: fragment.bytes.into(), length, more: fragment.more };
        self.pieces.insert((start, self.pieces.len()), piece);
        Ok(())
    }

    /// Keeps the frames that a piece came in.
    pub(super) fn keep(&mut self, frames: Vec<Kept>) {
        self.memory = frames.iter().fold(self.memory, |sum, frame| sum.saturating_add(frame.size()));
        self.kept.extend(frames);
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

    /// Whether it says nothing new: the same bytes are something else if they are the end of the datagram now.
    fn repeats(&self, fragment: &Fragment<'_>) -> bool {
        let same_place = self.pieces.range((fragment.offset, 0)..=(fragment.offset, usize::MAX));
        same_place.map(|(_, piece)| piece).any(|Piece { bytes, length, more }| {
            *length == fragment.length() && *more == fragment.more && **bytes == *fragment.bytes
        })
    }

    fn overlaps(&self, start: usize, end: usize) -> bool {
        let pieces = self.pieces.range(..(end, 0)).rev();
        pieces.into_iter().any(|((at, _), piece)| at.saturating_add(piece.length) > start)
    }

    /// Lets go of everything; how many frames that was, and which. What still comes of the datagram meets the
    /// same end.
    pub(super) fn spoil(&mut self, aside: Aside) -> (usize, Vec<Kept>) {
        let frames = self.pieces.len();
        self.pieces = BTreeMap::new();
        self.held = 0;
        self.memory = DATAGRAM_COST;
        self.spoiled = Some(aside);
        (frames, std::mem::take(&mut self.kept))
    }

    pub(super) fn is_whole(&self) -> bool {
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
    pub(super) fn join(self, incomplete: Option<Aside>) -> Datagram {
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
        Datagram { carrier: self.carrier, payload, cut, incomplete, frames, overlaps, kept: self.kept }
    }
}
