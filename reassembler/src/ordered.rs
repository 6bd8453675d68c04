//! Streams in order, for whoever has to read them so: each byte once, its first copy, and what never came
//! told as a gap.
//!
//! Bytes that are next in their stream pass through at once. Only what lies beyond a hole is kept, until the
//! hole fills, the receiver acknowledges past it (then it was lost to us, not to them), it has stayed open
//! for too long while capturing live, the flow ends, or there is no room to wait: then it is a gap. What
//! still comes for a gap comes too late, and so does what precedes the first byte of a flow without SYN.
//!
//! Everything takes logarithmic time at most, whatever is sent.

mod stream;

use std::collections::BTreeSet;

use hashbrown::HashMap;
use proto::flow::FlowId;
use proto::time::Timestamp;

use crate::Error;
use stream::Stream;

/// The part of the memory for what waits.
const MEMORY_PART: u64 = 4;

/// Bytes that one flow may hold back, what it takes to hold them included.
const FLOW_LIMIT: usize = 1 << 20;

/// Reads flows in the order of their streams. Offsets are those of the flow at the time of the call: data
/// that precedes offset 0 moves all later ones.
pub trait Consumer {
    /// The next bytes of a flow.
    fn bytes(&mut self, flow: FlowId, offset: u64, bytes: &[u8]) -> Result<(), Error>;

    /// The next bytes of a flow are not to be had. A hole may be told in several gaps.
    fn gap(&mut self, flow: FlowId, offset: u64, length: u64) -> Result<(), Error>;

    /// The flow is over; it may have had no bytes at all.
    fn end(&mut self, flow: FlowId) -> Result<(), Error>;
}

/// How long, and for how much, a hole is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of memory for one flow.
    pub flow: usize,
    /// Bytes of memory for all flows.
    pub all: usize,
    /// Seconds; none: as long as there is room.
    pub patience: Option<i64>,
}

impl Limits {
    /// Those of a reassembler that has `max_memory` bytes.
    #[must_use]
    pub fn within(max_memory: u64, patience: Option<u32>) -> Self {
        let all = usize::try_from(max_memory / MEMORY_PART).unwrap_or(usize::MAX);
        Self { flow: FLOW_LIMIT.min(all), all, patience: patience.map(i64::from) }
    }
}

/// What waits for its turn, of all flows.
///
/// Invariant: `held` is the sum over `streams`; `waiting` has exactly those that hold something, by the time
/// since when their first hole keeps them waiting.
#[derive(Debug)]
pub struct Ordered {
    streams: HashMap<FlowId, Stream>,
    waiting: BTreeSet<(Timestamp, FlowId)>,
    held: usize,
    limits: Limits,
}

impl Ordered {
    /// Bytes of memory that a flow takes which holds nothing back.
    pub const STREAM_SIZE: usize = size_of::<(FlowId, Stream)>() * 2;

    /// No flows yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { streams: HashMap::new(), waiting: BTreeSet::new(), held: 0, limits }
    }

    /// Flows that are being read.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.streams.len()
    }

    /// Whether any flow waits for a hole to fill.
    #[must_use]
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes bytes that came for the first time. Gives how many of them came too late to be read.
    pub fn bytes<C: Consumer>(
        &mut self,
        flow: FlowId,
        offset: u64,
        bytes: &[u8],
        now: Timestamp,
        consumer: &mut C,
    ) -> Result<u64, Error> {
        self.streams.entry(flow).or_default();
        let late = self.change(flow, |stream| stream.bytes(flow, offset, bytes, now, consumer))?;
        self.keep_within_limits(flow, consumer)?;
        Ok(late)
    }

    /// Notes that the capture has cut these bytes off.
    pub fn cut<C: Consumer>(
        &mut self,
        flow: FlowId,
        offset: u64,
        length: u64,
        now: Timestamp,
        consumer: &mut C,
    ) -> Result<(), Error> {
        self.streams.entry(flow).or_default();
        self.change(flow, |stream| stream.cut(flow, offset, length, now, consumer))?;
        self.keep_within_limits(flow, consumer)
    }

    /// All bytes of a flow, those to come included, are `by` further from its beginning than was thought.
    pub fn shift(&mut self, flow: FlowId, by: u64) {
        if let Some(stream) = self.streams.get_mut(&flow) {
            stream.shift(by);
        }
    }

    /// The receiver of a flow has all bytes before `offset`.
    pub fn acknowledged<C: Consumer>(
        &mut self,
        flow: FlowId,
        offset: u64,
        consumer: &mut C,
    ) -> Result<(), Error> {
        self.change(flow, |stream| stream.acknowledged(flow, offset, consumer))
    }

    /// Gives up holes that were waited for too long.
    pub fn pass<C: Consumer>(&mut self, now: Timestamp, consumer: &mut C) -> Result<(), Error> {
        let Some(patience) = self.limits.patience else { return Ok(()) };
        while let Some(&(since, flow)) = self.waiting.first() {
            if since.shifted(patience) > now {
                break;
            }
            self.change(flow, |stream| stream.give_up(flow, consumer))?;
        }
        Ok(())
    }

    /// A flow is over. `reach`: the offset after its last byte.
    pub fn close<C: Consumer>(&mut self, flow: FlowId, reach: u64, consumer: &mut C) -> Result<(), Error> {
        self.change(flow, |stream| stream.finish(flow, reach, consumer))?;
        self.streams.remove(&flow);
        consumer.end(flow)
    }

    /// Makes the flows wait for less until they fit: first the one that has grown, then whoever has waited
    /// the longest.
    fn keep_within_limits<C: Consumer>(&mut self, grown: FlowId, consumer: &mut C) -> Result<(), Error> {
        if self.held == 0 {
            return Ok(());
        }
        while self.streams.get(&grown).is_some_and(|stream| stream.held() > self.limits.flow) {
            self.change(grown, |stream| stream.give_up(grown, consumer))?;
        }
        while self.held > self.limits.all {
            let Some(&(_, flow)) = self.waiting.first() else { break };
            self.change(flow, |stream| stream.give_up(flow, consumer))?;
        }
        Ok(())
    }

    /// Changes a stream, if it is there, and keeps the books of what waits.
    fn change<T: Default>(
        &mut self,
        flow: FlowId,
        change: impl FnOnce(&mut Stream) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(stream) = self.streams.get_mut(&flow) else { return Ok(T::default()) };
        let (held, since) = (stream.held(), stream.waits_since());
        let result = change(stream)?;
        self.held = self.held.saturating_add(stream.held()).saturating_sub(held);
        if stream.waits_since() != since {
            if let Some(since) = since {
                self.waiting.remove(&(since, flow));
            }
            if let Some(since) = stream.waits_since() {
                self.waiting.insert((since, flow));
            }
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests;
