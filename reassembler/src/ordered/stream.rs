//! One stream in order: how far it was read, and what came from beyond the next hole.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use proto::flow::FlowId;
use proto::time::Timestamp;

use super::Consumer;
use crate::Error;

/// Bytes that the first node of the map takes.
const NODE: usize = 640;

/// Bytes that a piece takes beside its own: its part of a node that is half full, and what the allocator
/// adds to a small piece.
const PIECE: usize = 160;

/// Where a stream is.
///
/// Offsets in here are those that bytes had when the stream began, so that a shift costs nothing.
///
/// Invariant: every piece that has bytes begins beyond `next`, and no two of them overlap; `since` is there
/// exactly if there are pieces.
#[derive(Debug, Default)]
pub struct Stream {
    /// The byte that is read next.
    next: u64,
    /// How far the flow's offsets have moved since.
    moved: u64,
    /// What came from beyond the hole at `next`, by offset.
    pieces: BTreeMap<u64, Piece>,
    /// Bytes of memory that pieces take.
    held: usize,
    /// Since when the hole at `next` keeps anything waiting.
    since: Option<Timestamp>,
}

/// Bytes that wait, and how many after them were cut off when capturing.
#[derive(Debug)]
struct Piece {
    bytes: Box<[u8]>,
    cut: u64,
    came: Timestamp,
}

impl Piece {
    fn cost(&self) -> usize {
        self.bytes.len().saturating_add(PIECE)
    }
}

impl Stream {
    /// Bytes of memory that are taken by what waits.
    pub fn held(&self) -> usize {
        if self.pieces.is_empty() { 0 } else { self.held.saturating_add(NODE) }
    }

    /// Since when there is a hole with something beyond it.
    pub fn waits_since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Takes new bytes; gives how many came too late.
    pub fn bytes<C: Consumer>(
        &mut self,
        flow: FlowId,
        offset: u64,
        bytes: &[u8],
        now: Timestamp,
        consumer: &mut C,
    ) -> Result<u64, Error> {
        let early = self.moved.saturating_add(self.next).saturating_sub(offset);
        let late = usize::try_from(early).unwrap_or(usize::MAX).min(bytes.len());
        let fresh = bytes.get(late..).unwrap_or_default();
        let at = offset.saturating_sub(self.moved).max(self.next);
        if fresh.is_empty() {
            // All of it came too late.
        } else if at == self.next {
            self.give(flow, fresh, consumer)?;
            self.release(flow, consumer)?;
        } else {
            self.keep(at, Piece { bytes: fresh.into(), cut: 0, came: now });
        }
        Ok(length(bytes).saturating_sub(length(fresh)))
    }

    /// Notes bytes that were cut off.
    pub fn cut<C: Consumer>(
        &mut self,
        flow: FlowId,
        offset: u64,
        cut: u64,
        now: Timestamp,
        consumer: &mut C,
    ) -> Result<(), Error> {
        let end = offset.saturating_add(cut).saturating_sub(self.moved);
        let at = offset.saturating_sub(self.moved).max(self.next);
        if at >= end {
            return Ok(());
        }
        self.keep(at, Piece { bytes: Box::default(), cut: end.saturating_sub(at), came: now });
        self.release(flow, consumer)
    }

    /// Moves all offsets.
    pub fn shift(&mut self, by: u64) {
        self.moved = self.moved.saturating_add(by);
    }

    /// Gives up holes that end before `offset`.
    pub fn acknowledged<C: Consumer>(
        &mut self,
        flow: FlowId,
        offset: u64,
        consumer: &mut C,
    ) -> Result<(), Error> {
        let acknowledged = offset.saturating_sub(self.moved);
        while self.pieces.first_key_value().is_some_and(|(first, _)| *first <= acknowledged) {
            self.give_up(flow, consumer)?;
        }
        Ok(())
    }

    /// Gives up the first hole, if anything waits for it.
    pub fn give_up<C: Consumer>(&mut self, flow: FlowId, consumer: &mut C) -> Result<(), Error> {
        if let Some((&first, _)) = self.pieces.first_key_value() {
            self.skip(flow, first, consumer)?;
        }
        self.release(flow, consumer)
    }

    /// Gives up all holes, and what is missing before `reach`.
    pub fn finish<C: Consumer>(&mut self, flow: FlowId, reach: u64, consumer: &mut C) -> Result<(), Error> {
        while !self.pieces.is_empty() {
            self.give_up(flow, consumer)?;
        }
        self.skip(flow, reach.saturating_sub(self.moved), consumer)
    }

    /// Keeps a piece for later. New bytes overlap no others, but what was cut off in one segment may come
    /// whole in another, before or after.
    fn keep(&mut self, at: u64, piece: Piece) {
        self.since.get_or_insert(piece.came);
        match self.pieces.entry(at) {
            Entry::Vacant(place) => {
                self.held = self.held.saturating_add(piece.cost());
                place.insert(piece);
            }
            Entry::Occupied(mut place) => {
                let there = place.get_mut();
                let whole = |piece: &Piece| length(&piece.bytes).saturating_add(piece.cut);
                let whole = whole(there).max(whole(&piece));
                if there.bytes.is_empty() {
                    self.held = self.held.saturating_add(piece.bytes.len());
                    there.bytes = piece.bytes;
                }
                there.cut = whole.saturating_sub(length(&there.bytes));
            }
        }
    }

    /// Gives all pieces before which no hole is left.
    fn release<C: Consumer>(&mut self, flow: FlowId, consumer: &mut C) -> Result<(), Error> {
        let mut released = false;
        while let Some(place) = self.pieces.first_entry() {
            if *place.key() > self.next {
                break;
            }
            let (at, piece) = place.remove_entry();
            self.held = self.held.saturating_sub(piece.cost());
            released = true;
            self.give(flow, &piece.bytes, consumer)?;
            let end = at.saturating_add(length(&piece.bytes)).saturating_add(piece.cut);
            let following = self.carry_over(end).unwrap_or(u64::MAX);
            self.skip(flow, end.min(following), consumer)?;
        }
        if released || self.pieces.is_empty() {
            self.since = self.pieces.first_key_value().map(|(_, piece)| piece.came);
        }
        Ok(())
    }

    /// Where the first piece begins, to which is added what was cut off from its end on and before `end`.
    fn carry_over(&mut self, end: u64) -> Option<u64> {
        let mut following = self.pieces.first_entry()?;
        let at = *following.key();
        let piece = following.get_mut();
        let bytes = length(&piece.bytes);
        piece.cut = piece.cut.max(end.saturating_sub(at).saturating_sub(bytes));
        Some(at)
    }

    fn give<C: Consumer>(&mut self, flow: FlowId, bytes: &[u8], consumer: &mut C) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        let offset = self.next.saturating_add(self.moved);
        self.next = self.next.saturating_add(length(bytes));
        consumer.bytes(flow, offset, bytes)
    }

    /// Tells a gap up to `end`, unless that is behind already.
    fn skip<C: Consumer>(&mut self, flow: FlowId, end: u64, consumer: &mut C) -> Result<(), Error> {
        let missing = end.saturating_sub(self.next);
        if missing == 0 {
            return Ok(());
        }
        let offset = self.next.saturating_add(self.moved);
        self.next = end;
        consumer.gap(flow, offset, missing)
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
