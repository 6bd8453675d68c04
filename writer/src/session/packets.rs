//! Messages that come only where an option asks for them: when segments came (`-I`), packets (`-K`), frames
//! that were not processed (`-w`).

use proto::Breach;
use proto::flow::{Arrival, FlowId, Medium, RawPacket};

use super::{NOT_WANTED, Session};
use crate::batch::Pending;
use crate::sums::Failure;

/// Packets came before anything was said of the link they were captured on.
const NO_MEDIUM: Breach = Breach::Forbidden("a packet of a link that was not told of");

impl Session<'_> {
    pub(super) fn arrival(&mut self, arrival: &Arrival, pending: &mut Pending<'_>) -> Result<(), Breach> {
        if !self.store.indexes() {
            return Err(NOT_WANTED);
        }
        self.store.arrival(self.table.get(arrival.flow)?, arrival, pending);
        Ok(())
    }

    pub(super) fn medium(&mut self, medium: Medium) -> Result<(), Breach> {
        if !self.store.keeps_packets() && self.unprocessed.is_none() {
            return Err(NOT_WANTED);
        }
        self.workers.heard().medium = Some(medium);
        if let Some(unprocessed) = &mut self.unprocessed {
            unprocessed.medium(medium);
        }
        Ok(())
    }

    pub(super) fn packet(
        &mut self,
        flow: FlowId,
        packet: &RawPacket,
        bytes: &[u8],
        pending: &mut Pending<'_>,
    ) -> Result<(), Breach> {
        if !self.store.keeps_packets() {
            return Err(NOT_WANTED);
        }
        let medium = self.workers.heard().medium.ok_or(NO_MEDIUM)?;
        self.store.packet(self.table.get(flow)?, medium, (packet, bytes), pending);
        Ok(())
    }

    pub(super) fn unprocessed(&mut self, packet: &RawPacket, bytes: &[u8]) -> Result<(), Breach> {
        let unprocessed = self.unprocessed.as_mut().ok_or(NOT_WANTED)?;
        let medium = self.workers.heard().medium.ok_or(NO_MEDIUM)?;
        unprocessed.frame(medium, packet, bytes, &mut self.store.sums.unprocessed);
        Ok(())
    }

    pub(super) fn flush_unprocessed(&mut self) {
        let Some(unprocessed) = &mut self.unprocessed else { return };
        let had_fault = unprocessed.fault().is_some();
        unprocessed.flush(&mut self.store.sums.unprocessed);
        if let (false, Some(fault)) = (had_fault, unprocessed.fault()) {
            self.store.sums.fail(Failure::Unprocessed, "-w", fault);
        }
    }
}
