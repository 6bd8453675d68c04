//! Messages that tell of bodies (`-e http`).

use proto::Breach;
use proto::body::{BodyEnding, BodyOpen};
use proto::flow::FlowId;
use proto::runner;

use super::{NOT_WANTED, Session};
use crate::batch::Pending;
use crate::bodies::Body;
use crate::flow::Flow;
use crate::open_files::{FileId, Kind};

/// A message about a body that did not begin, or is over.
const NO_BODY: Breach = Breach::Forbidden("a body that is not open");

impl Session<'_> {
    pub(super) fn body_open(&mut self, open: BodyOpen) -> Result<(), Breach> {
        if !self.store.keeps_bodies() {
            return Err(NOT_WANTED);
        }
        let flow = self.table.get(open.flow)?;
        if let Some(bodies) = &flow.bodies
            && (bodies.open.is_some() || bodies.last >= open.number)
        {
            return Err(Breach::Forbidden("bodies out of order"));
        }
        self.store.open_body(flow, open);
        Ok(())
    }

    pub(super) fn body_bytes<'b>(
        &mut self,
        id: FlowId,
        bytes: &'b [u8],
        pending: &mut Pending<'b>,
    ) -> Result<(), Breach> {
        let flow = self.table.get(id)?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let offset = room(flow, length)?;
        if self.store.admit_body(flow, length) && length > 0 {
            let file = FileId { flow: id, kind: Kind::Body };
            if let Some(before) = pending.add(file, offset, bytes) {
                self.store.write_body(flow, before);
            }
        }
        Ok(())
    }

    pub(super) fn body_hole(&mut self, id: FlowId, length: u64) -> Result<(), Breach> {
        let flow = self.table.get(id)?;
        room(flow, length)?;
        let body = open(flow)?;
        body.length = body.length.saturating_add(length);
        Ok(())
    }

    pub(super) fn body_close(
        &mut self,
        id: FlowId,
        ending: BodyEnding,
        pending: &mut Pending<'_>,
    ) -> Result<(), Breach> {
        let flow = self.table.get(id)?;
        open(flow)?;
        if let Some(range) = pending.take(FileId { flow: id, kind: Kind::Body }) {
            self.store.write_body(flow, range);
        }
        if let (Some(name), Some(runner)) = (self.store.close_body(flow, ending), &mut self.runner) {
            // As with tcpflow, which finds bodies when their flow has ended, one word follows the other.
            runner.opened(runner::Kind::Body, &name);
            runner.finished(runner::Kind::Body, &name);
        }
        Ok(())
    }
}

fn open(flow: &mut Flow) -> Result<&mut Body, Breach> {
    flow.bodies.as_mut().and_then(|bodies| bodies.open.as_mut()).ok_or(NO_BODY)
}

/// Where in its file so many more bytes of the open body begin.
fn room(flow: &mut Flow, length: u64) -> Result<u64, Breach> {
    let begin = open(flow)?.length;
    let end = begin.checked_add(length).filter(|end| i64::try_from(*end).is_ok());
    let place = begin.saturating_sub(open(flow)?.begins);
    end.map(|_| place).ok_or(Breach::Forbidden("body longer than any file"))
}
