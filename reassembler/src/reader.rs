//! Who reads streams in order: the console, and whoever wants bodies of HTTP messages; or the console what
//! HTTP makes of a stream, where it is given both.

use proto::body::{BodyEnding, BodyOpen};
use proto::flow::{FlowId, FromReassembler, Span};
use proto::limits::BATCH_PAYLOAD;

use crate::Error;
use crate::http::{Bodies, Http};
use crate::ledger::Ledger;
use crate::ordered::Consumer;
use crate::sink::Sink;

/// Has the writer told of what is read.
pub struct Reader<'a, S> {
    /// Where messages go.
    pub sink: &'a mut S,
    /// What is counted of them.
    pub ledger: &'a mut Ledger,
    /// Whether the console reads.
    pub prints: bool,
    /// HTTP, if it is wanted.
    pub http: Option<&'a mut Http>,
}

impl<S: Sink> Reader<'_, S> {
    /// Reads what was gathered.
    pub fn settle(&mut self) -> Result<(), Error> {
        match (&mut self.http, self.prints) {
            (Some(http), true) => http.settle(&mut Print(self.sink)),
            (Some(http), false) => http.settle(&mut Store(self.sink, self.ledger)),
            (None, _) => Ok(()),
        }
    }
}

impl<S: Sink> Consumer for Reader<'_, S> {
    fn bytes(&mut self, flow: FlowId, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        match (&mut self.http, self.prints) {
            (Some(http), true) => http.bytes(flow, offset, bytes, &mut Print(self.sink)),
            (Some(http), false) => http.bytes(flow, offset, bytes, &mut Store(self.sink, self.ledger)),
            (None, _) => print(self.sink, flow, offset, bytes),
        }
    }

    fn gap(&mut self, flow: FlowId, offset: u64, length: u64) -> Result<(), Error> {
        match (&mut self.http, self.prints) {
            (Some(http), true) => http.gap(flow, offset, length, &mut Print(self.sink))?,
            (Some(http), false) => return http.gap(flow, offset, length, &mut Store(self.sink, self.ledger)),
            (None, _) => {}
        }
        self.sink.put(&FromReassembler::Gap { flow, offset, length }, &[])
    }

    /// `Close` tells the writer.
    fn end(&mut self, flow: FlowId) -> Result<(), Error> {
        match (&mut self.http, self.prints) {
            (Some(http), true) => http.end(flow, &mut Print(self.sink)),
            (Some(http), false) => http.end(flow, &mut Store(self.sink, self.ledger)),
            (None, _) => Ok(()),
        }
    }
}

/// Has bytes of a stream printed.
pub fn print<S: Sink>(sink: &mut S, flow: FlowId, offset: u64, bytes: &[u8]) -> Result<(), Error> {
    // No frame, and so no payload, is anywhere near 4 GiB long; a wrong length would be refused when sent.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    sink.put(&FromReassembler::Print(Span { flow, offset, length }), bytes)
}

/// Has bodies stored.
struct Store<'a, S>(&'a mut S, &'a mut Ledger);

impl<S: Sink> Bodies for Store<'_, S> {
    fn plain(&mut self, _flow: FlowId, _bytes: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn open(&mut self, open: &BodyOpen) -> Result<(), Error> {
        self.0.put(&FromReassembler::BodyOpen(*open), &[])
    }

    fn bytes(&mut self, flow: FlowId, bytes: &[u8]) -> Result<(), Error> {
        self.1.body(bytes.len());
        // In batches of the ordinary size.
        for part in bytes.chunks(BATCH_PAYLOAD) {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            self.0.put(&FromReassembler::BodyBytes { flow, length }, part)?;
        }
        Ok(())
    }

    fn hole(&mut self, flow: FlowId, length: u64) -> Result<(), Error> {
        self.0.put(&FromReassembler::BodyHole { flow, length }, &[])
    }

    fn close(&mut self, flow: FlowId, ending: BodyEnding) -> Result<(), Error> {
        self.0.put(&FromReassembler::BodyClose { flow, ending }, &[])
    }
}

/// Has everything printed, bodies with their codings undone. Such bytes have no place in the stream; what is
/// missing of it is told as a gap.
struct Print<'a, S>(&'a mut S);

impl<S: Sink> Bodies for Print<'_, S> {
    fn plain(&mut self, flow: FlowId, bytes: &[u8]) -> Result<(), Error> {
        print(self.0, flow, 0, bytes)
    }

    fn open(&mut self, _open: &BodyOpen) -> Result<(), Error> {
        Ok(())
    }

    fn bytes(&mut self, flow: FlowId, bytes: &[u8]) -> Result<(), Error> {
        print(self.0, flow, 0, bytes)
    }

    fn hole(&mut self, _flow: FlowId, _length: u64) -> Result<(), Error> {
        Ok(())
    }

    fn close(&mut self, _flow: FlowId, _ending: BodyEnding) -> Result<(), Error> {
        Ok(())
    }
}
