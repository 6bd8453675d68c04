//! Bodies of HTTP/1 messages, found in flows whose bytes come in order: framing and codings undone, in
//! memory that is bounded for each flow and for all.
//!
//! A flow is read if it begins as one of responses or of requests does. Requests are read so that it is known
//! what each response answers, and for their own bodies where those are wanted. After something broken,
//! responses are searched for the next one that can be recognized.

mod body;
mod chunked;
mod coding;
mod exchange;
mod framing;
mod gathered;
mod head;
mod kind;
mod lines;
mod scanner;
mod seek;

use hashbrown::HashMap;
use proto::flow::FlowId;
use proto::plan::HttpPlan;

pub use self::body::Bodies;
use self::coding::Pieces;
use self::exchange::Exchange;
use self::gathered::Gathered;
use self::scanner::{Scanner, Surroundings};
use crate::Error;

/// Reads the flows of a run.
#[derive(Debug)]
pub struct Http {
    plan: HttpPlan,
    flows: HashMap<FlowId, Flow>,
    /// By the number that both directions of a connection share.
    exchanges: HashMap<u64, Exchange>,
    /// Bytes that flows take beside their entries.
    held: usize,
    limit: usize,
    pieces: Pieces,
    /// Whether segments that follow each other are read together.
    gathers: bool,
    /// What came last and is not read yet.
    gathered: Gathered,
}

#[derive(Debug)]
struct Flow {
    connection: u64,
    scanner: Scanner,
}

impl Http {
    /// Bytes of memory that a flow takes before anything of it came.
    pub const FLOW_SIZE: usize = 2 * (size_of::<(FlowId, Flow)>() + size_of::<(u64, Exchange)>());

    /// No flows yet; what they take to be read may be `limit` bytes.
    #[must_use]
    pub fn new(plan: HttpPlan, limit: usize) -> Self {
        Self {
            plan,
            flows: HashMap::new(),
            exchanges: HashMap::new(),
            held: 0,
            limit,
            pieces: Pieces::default(),
            gathers: false,
            gathered: Gathered::default(),
        }
    }

    /// Reads segments that follow each other together, if `gathers`.
    #[must_use]
    pub fn gathering(self, gathers: bool) -> Self {
        Self { gathers, ..self }
    }

    /// Bytes of memory that flows take beside [`Self::FLOW_SIZE`].
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Flows that are read.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.flows.len()
    }

    /// A flow begins. `connection` is the same for both directions; `whole`: nothing was sent before.
    pub fn open(&mut self, flow: FlowId, connection: u64, whole: bool) {
        self.flows.insert(flow, Flow { connection, scanner: Scanner::new(flow) });
        let exchange = self.exchanges.entry(connection).or_default();
        exchange.flows = exchange.flows.saturating_add(1);
        if !whole {
            exchange.lose();
        }
    }

    /// The next bytes of a flow, which are at `offset`. Where segments are gathered they may be read later, with those that
    /// follow: with [`Self::settle`] at the latest.
    pub fn bytes<B: Bodies>(
        &mut self,
        flow: FlowId,
        offset: u64,
        bytes: &[u8],
        bodies: &mut B,
    ) -> Result<(), Error> {
        if !self.flows.contains_key(&flow) {
            return bodies.plain(flow, bytes);
        }
        if !self.gathers {
            return self.read(flow, offset, bytes, bodies);
        }
        if !self.gathered.add(flow, offset, bytes) {
            self.settle(bodies)?;
            self.gathered.add(flow, offset, bytes);
        }
        Ok(())
    }

    /// Reads what was gathered.
    pub fn settle<B: Bodies>(&mut self, bodies: &mut B) -> Result<(), Error> {
        let Some((flow, offset, bytes)) = self.gathered.take() else { return Ok(()) };
        let result = self.read(flow, offset, &bytes, bodies);
        self.gathered.use_again(bytes);
        result
    }

    fn read<B: Bodies>(
        &mut self,
        flow: FlowId,
        offset: u64,
        bytes: &[u8],
        bodies: &mut B,
    ) -> Result<(), Error> {
        let bytes = bytes.get(..self.within(offset, bytes.len())).unwrap_or(bytes);
        self.change(flow, bodies, |scanner, around| scanner.bytes(offset, bytes, around))
    }

    /// The next bytes of a flow were lost.
    pub fn gap<B: Bodies>(
        &mut self,
        flow: FlowId,
        offset: u64,
        length: u64,
        bodies: &mut B,
    ) -> Result<(), Error> {
        self.settle(bodies)?;
        let length = self.plan.max_bytes.map_or(length, |max| max.saturating_sub(offset).min(length));
        self.change(flow, bodies, |scanner, around| scanner.gap(length, around))
    }

    /// A flow is over.
    pub fn end<B: Bodies>(&mut self, flow: FlowId, bodies: &mut B) -> Result<(), Error> {
        self.settle(bodies)?;
        self.change(flow, bodies, |scanner, around| scanner.end(around.bodies))
    }

    /// How many of `length` bytes at `offset` are to be looked at.
    fn within(&self, offset: u64, length: usize) -> usize {
        let left = self.plan.max_bytes.map(|max| max.saturating_sub(offset));
        left.map_or(length, |left| usize::try_from(left).unwrap_or(usize::MAX).min(length))
    }

    /// Changes a flow, if it is read, and keeps the books of what it takes.
    fn change<B: Bodies>(
        &mut self,
        id: FlowId,
        bodies: &mut B,
        change: impl FnOnce(&mut Scanner, &mut Surroundings<'_, B>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(flow) = self.flows.get_mut(&id) else { return Ok(()) };
        let exchange = self.exchanges.entry(flow.connection).or_default();
        let before = flow.scanner.heap().saturating_add(exchange.heap());
        let mut around = Surroundings { plan: &self.plan, exchange, pieces: &mut self.pieces, bodies };
        let mut result = change(&mut flow.scanner, &mut around);
        let mut after = flow.scanner.heap().saturating_add(around.exchange.heap());
        let others = self.held.saturating_sub(before);
        if others.saturating_add(after) > self.limit {
            result = result.and_then(|()| flow.scanner.save_memory(around.bodies));
            after = flow.scanner.heap().saturating_add(around.exchange.heap());
        }
        self.held = others.saturating_add(after);
        if flow.scanner.is_over() {
            self.forget(id);
        }
        result
    }

    fn forget(&mut self, id: FlowId) {
        let Some(flow) = self.flows.remove(&id) else { return };
        self.held = self.held.saturating_sub(flow.scanner.heap());
        let Some(exchange) = self.exchanges.get_mut(&flow.connection) else { return };
        exchange.flows = exchange.flows.saturating_sub(1);
        if exchange.flows == 0 {
            self.held = self.held.saturating_sub(exchange.heap());
            self.exchanges.remove(&flow.connection);
        }
    }
}

#[cfg(test)]
mod tests;
