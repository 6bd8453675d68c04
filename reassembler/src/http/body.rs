//! One body on its way out: its codings undone, its growth bounded, and what became of it.

use proto::body::{BodyEnding, BodyOpen};
use proto::flow::FlowId;

use super::coding::{Chain, Pieces, Stop};
use super::head::Coding;
use crate::Error;

/// Bytes that the codings of one body may make if no limit was set.
const MAX_UNDONE: u64 = 1 << 30;

/// Takes bodies as they are found.
pub trait Bodies {
    /// Bytes of a flow as they were sent, which are in no body that is taken.
    fn plain(&mut self, flow: FlowId, bytes: &[u8]) -> Result<(), Error>;

    /// A body begins.
    fn open(&mut self, open: &BodyOpen) -> Result<(), Error>;

    /// The next bytes of the open body.
    fn bytes(&mut self, flow: FlowId, bytes: &[u8]) -> Result<(), Error>;

    /// So many bytes of it were lost.
    fn hole(&mut self, flow: FlowId, length: u64) -> Result<(), Error>;

    /// It is over.
    fn close(&mut self, flow: FlowId, ending: BodyEnding) -> Result<(), Error>;
}

/// A body.
#[derive(Debug)]
pub struct Body {
    open: BodyOpen,
    chain: Option<Chain>,
    /// Bytes that it may have; none: as many as come.
    limit: Option<u64>,
    made: u64,
    /// Whether anything of it came; before that, its offset is where its chunks begin.
    begun: bool,
    /// Whether it was told of.
    told: bool,
    holes: bool,
    /// Why nothing of what still comes belongs to it.
    ended: Option<BodyEnding>,
}

impl Body {
    /// A body of which nothing came yet.
    pub fn new(open: BodyOpen, codings: &[Coding], limit: Option<u64>) -> Self {
        let chain = (!codings.is_empty()).then(|| Chain::new(codings, limit.unwrap_or(MAX_UNDONE)));
        Self { open, chain, limit, made: 0, begun: false, told: false, holes: false, ended: None }
    }

    /// Bytes of heap taken.
    pub fn heap(&self) -> usize {
        self.chain.as_ref().map_or(0, Chain::heap)
    }

    /// Whether its codings have come to their ends.
    pub fn is_whole(&self) -> bool {
        self.chain.as_ref().is_none_or(Chain::is_whole)
    }

    /// Takes bytes as they were sent, at `offset` of the flow.
    pub fn bytes<B: Bodies>(
        &mut self,
        offset: u64,
        bytes: &[u8],
        pieces: &mut Pieces,
        bodies: &mut B,
    ) -> Result<(), Error> {
        if self.ended.is_some() || bytes.is_empty() {
            return Ok(());
        }
        if !self.begun {
            self.begun = true;
            self.open.offset = offset;
        }
        let Some(mut chain) = self.chain.take() else { return self.give(bytes, bodies) };
        let result = chain.undo(bytes, pieces, &mut |piece| {
            self.give(piece, bodies)?;
            if self.ended.is_some() { Err(Stop::Capped) } else { Ok(()) }
        });
        match result {
            Ok(()) => self.chain = Some(chain),
            Err(Stop::Broken) => {
                self.chain = Some(chain);
                self.break_off(BodyEnding::BrokenCoding, bodies)?;
            }
            Err(Stop::Capped) => self.end_here(BodyEnding::Capped),
            Err(Stop::Taker(error)) => return Err(error),
        }
        Ok(())
    }

    /// Takes lost bytes.
    pub fn hole<B: Bodies>(&mut self, length: u64, bodies: &mut B) -> Result<(), Error> {
        if self.ended.is_some() || length == 0 {
            return Ok(());
        }
        if self.chain.is_some() {
            return self.break_off(BodyEnding::Hole, bodies);
        }
        self.holes = true;
        let fits = self.limit.map_or(length, |limit| limit.saturating_sub(self.made).min(length));
        if fits < length {
            self.end_here(BodyEnding::Capped);
        }
        if fits > 0 {
            self.tell(bodies)?;
            self.made = self.made.saturating_add(fits);
            bodies.hole(self.open.flow, fits)?;
        }
        Ok(())
    }

    /// What still comes of it is not kept, but what its codings hold back is.
    pub fn break_off<B: Bodies>(&mut self, ending: BodyEnding, bodies: &mut B) -> Result<(), Error> {
        let rest = self.chain.take().map_or(Ok(()), |mut chain| {
            chain.rest(&mut |piece| {
                self.give(piece, bodies)?;
                if self.ended.is_some() { Err(Stop::Capped) } else { Ok(()) }
            })
        });
        self.end_here(if let Err(Stop::Capped) = rest { BodyEnding::Capped } else { ending });
        if let Err(Stop::Taker(error)) = rest { Err(error) } else { Ok(()) }
    }

    /// What still comes of it is not kept; frees what it took to undo its codings.
    fn end_here(&mut self, ending: BodyEnding) {
        self.ended.get_or_insert(ending);
        self.chain = None;
    }

    /// It is over, for `ending` unless it ended before.
    pub fn close<B: Bodies>(mut self, ending: BodyEnding, bodies: &mut B) -> Result<(), Error> {
        let ending = match (self.ended, ending) {
            (Some(before), _) => before,
            (None, BodyEnding::Complete) if self.holes => BodyEnding::Hole,
            (None, BodyEnding::Complete) if !self.is_whole() => BodyEnding::BrokenCoding,
            (None, ending) => ending,
        };
        if ending != BodyEnding::Complete {
            self.break_off(ending, bodies)?;
        }
        let ending = self.ended.unwrap_or(ending);
        if !self.told && ending == BodyEnding::Complete {
            return Ok(());
        }
        self.tell(bodies)?;
        bodies.close(self.open.flow, ending)
    }

    fn give<B: Bodies>(&mut self, bytes: &[u8], bodies: &mut B) -> Result<(), Error> {
        let made = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let room = self.limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.made));
        let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        if fits < bytes.len() {
            self.end_here(BodyEnding::Capped);
        }
        if let Some(bytes) = bytes.get(..fits).filter(|bytes| !bytes.is_empty()) {
            self.tell(bodies)?;
            self.made = self.made.saturating_add(made.min(room));
            bodies.bytes(self.open.flow, bytes)?;
        }
        Ok(())
    }

    fn tell<B: Bodies>(&mut self, bodies: &mut B) -> Result<(), Error> {
        if !self.told {
            self.told = true;
            bodies.open(&self.open)?;
        }
        Ok(())
    }
}
