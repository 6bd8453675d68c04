//! The way out: every message for the writer passes here, and is counted as it does.

use std::ops::Range;

use proto::flow::{FlowClose, FlowId, FlowOpen, FromReassembler, Span};
use proto::plan::Overlap;

use crate::Error;
use crate::ledger::Ledger;
use crate::sink::Sink;

/// A sink, and the books that are kept of what goes into it.
#[derive(Debug)]
pub struct Outlet<S> {
    /// The counts of the run.
    pub ledger: Ledger,
    /// Where messages go.
    pub sink: S,
    overlap: Overlap,
    time_delta: i64,
}

impl<S: Sink> Outlet<S> {
    /// An outlet that nothing went through.
    pub fn new(sink: S, overlap: Overlap, time_delta: i64) -> Self {
        Self { ledger: Ledger::default(), sink, overlap, time_delta }
    }

    /// Tells of a new flow.
    pub fn open(&mut self, mut open: FlowOpen) -> Result<(), Error> {
        open.start = open.start.shifted(self.time_delta);
        self.sink.put(&FromReassembler::Open(open), &[])
    }

    /// Sends bytes that are new.
    pub fn new_bytes(&mut self, flow: FlowId, range: &Range<u64>, bytes: &[u8]) -> Result<(), Error> {
        self.ledger.stored(bytes.len());
        self.sink.put(&FromReassembler::Data(span(flow, range.start, bytes)), bytes)
    }

    /// Sends bytes for a place that has bytes already. They replace those only if that was asked for, and
    /// if the segment keeps the rules: neither a SYN again nor one that begins before the stream.
    pub fn known_bytes(
        &mut self,
        flow: FlowId,
        range: &Range<u64>,
        bytes: &[u8],
        lawful: bool,
    ) -> Result<(), Error> {
        let span = span(flow, range.start, bytes);
        if lawful && self.overlap == Overlap::Last {
            self.ledger.stored(bytes.len());
            return self.sink.put(&FromReassembler::Replace(span), bytes);
        }
        self.ledger.payload_aside("retransmission", bytes.len());
        self.sink.put(&FromReassembler::Compare(span), bytes)
    }

    /// Tells that all bytes of a flow move towards its end.
    pub fn shift(&mut self, flow: FlowId, by: u64) -> Result<(), Error> {
        self.sink.put(&FromReassembler::Shift { flow, by }, &[])
    }

    /// Tells of the end of a flow.
    pub fn close(&mut self, mut close: FlowClose) -> Result<(), Error> {
        self.ledger.flow_closed();
        close.end = close.end.shifted(self.time_delta);
        self.sink.put(&FromReassembler::Close(Box::new(close)), &[])
    }
}

fn span(flow: FlowId, offset: u64, bytes: &[u8]) -> Span {
    // No frame, and so no payload, is anywhere near 4 GiB long; a wrong length would be refused when sent.
    Span { flow, offset, length: u32::try_from(bytes.len()).unwrap_or(u32::MAX) }
}
