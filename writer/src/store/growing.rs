//! Files that only grow: indexes of flow files (`-I`), and savefiles of flows (`-K`).

use nix::errno::Errno;
use nix::unistd::ftruncate;
use proto::flow::{Arrival, Medium, RawPacket};

use super::Store;
use crate::batch::{Growth, Pending};
use crate::contents;
use crate::flow::{Fault, Flow, Index};
use crate::index;
use crate::open_files::{FileId, Kind};
use crate::savefile::{Format, SNAP_LENGTH};
use crate::sums::Failure;
use crate::unprocessed::OTHER_LINK;

/// What goes behind the name of a flow's savefile.
pub(super) const SAVEFILE: &str = ".pcap";

/// Bytes that are gathered for one file before they are written at the latest.
const FLUSH_AT: usize = 256 * 1024;

impl Store {
    /// Makes the index of a flow file that was just made, if indexes are wanted.
    pub(super) fn create_index(&mut self, flow: &mut Flow) {
        let (true, Some(name)) = (self.indexes, flow.name.as_deref()) else { return };
        let name = index::name(name);
        let created = self.open(|directory| directory.create_new(&name));
        flow.rare_mut().index = Some(Index::default());
        match created {
            Ok(file) => self.add(FileId { flow: flow.open.flow, kind: Kind::Index }, file),
            Err(errno) => self.fail_index(flow, errno),
        }
    }

    /// Notes when a segment came.
    pub fn arrival(&mut self, flow: &mut Flow, arrival: &Arrival, pending: &mut Pending<'_>) {
        if flow.index().is_some_and(|index| index.fault.is_none()) && self.lack().is_none() {
            let id = FileId { flow: flow.open.flow, kind: Kind::Index };
            let begins = flow.begins();
            let growth = pending.growth(id);
            index::line(arrival, begins, self.max_bytes, &mut growth.bytes);
            self.settle(flow, id, pending);
        }
    }

    /// Takes a packet of a flow; makes the flow's savefile for the first.
    pub fn packet(
        &mut self,
        flow: &mut Flow,
        medium: Medium,
        (packet, bytes): (&RawPacket, &[u8]),
        pending: &mut Pending<'_>,
    ) {
        self.sums.kept.receive(1);
        if let Some(reason) = self.lack() {
            self.sums.kept.set_aside(reason, 1);
            return self.withhold(flow, 1);
        }
        let id = FileId { flow: flow.open.flow, kind: Kind::Flow };
        if flow.savefile().is_none() && flow.fault.is_none() {
            let format = Format::of(medium);
            match self.create(flow) {
                Ok(()) => pending.growth(id).bytes.extend_from_slice(&format.header()),
                Err(errno) if self.strikes(errno) => {
                    self.sums.kept.set_aside(Fault(errno).reason(), 1);
                    return self.withhold(flow, 1);
                }
                Err(errno) => self.fail(flow, errno),
            }
            flow.rare_mut().savefile = Some(format);
        }
        let format = flow.rare.as_mut().and_then(|rare| rare.savefile.as_mut());
        let Some(format) = format else { return self.drop_packets(flow, 1) };
        if flow.fault.is_some() {
            return self.drop_packets(flow, 1);
        }
        if !format.holds(medium) {
            return self.sums.kept.set_aside(OTHER_LINK, 1);
        }
        let raised = format.raise(packet);
        let growth = pending.growth(id);
        format.record(packet, bytes, &mut growth.bytes);
        growth.records = growth.records.saturating_add(1);
        if let Some(snap_length) = raised {
            self.raise(flow, id, snap_length, pending);
        }
        self.settle(flow, id, pending);
    }

    /// Corrects the snap length in a savefile's header.
    fn raise(&mut self, flow: &mut Flow, id: FileId, snap_length: [u8; 4], pending: &mut Pending<'_>) {
        if let Some(growth) = pending.take_growth(id) {
            self.grow(flow, id.kind, &growth);
        }
        if let Some(digests) = &mut flow.digests {
            digests.disturb();
        }
        let corrected = self.file(flow).and_then(|file| contents::write_at(file, &snap_length, SNAP_LENGTH));
        if let Err(errno) = corrected {
            self.fail(flow, errno);
        }
    }

    fn settle(&mut self, flow: &mut Flow, id: FileId, pending: &mut Pending<'_>) {
        if pending.growth(id).bytes.len() >= FLUSH_AT
            && let Some(growth) = pending.take_growth(id)
        {
            self.grow(flow, id.kind, &growth);
        }
    }

    /// Writes what a file is to grow by; if that cannot be, the file stays as it was.
    pub fn grow(&mut self, flow: &mut Flow, kind: Kind, growth: &Growth) {
        match kind {
            Kind::Index => self.grow_index(flow, growth),
            Kind::Flow => self.grow_savefile(flow, growth),
            // Bodies are written where they belong, not appended to.
            Kind::Body => {}
        }
    }

    fn grow_index(&mut self, flow: &mut Flow, growth: &Growth) {
        let Some(&Index { length, fault: None }) = flow.index() else { return };
        match self.append(flow, Kind::Index, length, growth) {
            Ok(end) => {
                if let Some(index) = flow.index_mut() {
                    index.length = end;
                }
            }
            Err(errno) => self.fail_index(flow, errno),
        }
    }

    fn grow_savefile(&mut self, flow: &mut Flow, growth: &Growth) {
        if flow.fault.is_some() {
            return self.drop_packets(flow, growth.records);
        }
        if let Some(digests) = &mut flow.digests {
            digests.write(flow.file_length, &[std::io::IoSlice::new(&growth.bytes)]);
        }
        let length = flow.file_length;
        match self.append(flow, Kind::Flow, length, growth) {
            Ok(end) => {
                flow.file_length = end;
                self.sums.kept.write(growth.records);
                self.relieve();
            }
            // A savefile without its header is none.
            Err(errno) if length > 0 && self.strikes(errno) => {
                self.sums.kept.set_aside(Fault(errno).reason(), growth.records);
                self.withhold(flow, growth.records);
            }
            Err(errno) => {
                self.fail(flow, errno);
                self.drop_packets(flow, growth.records);
            }
        }
    }

    /// Writes at the end of a file; gives its new length.
    fn append(&mut self, flow: &Flow, kind: Kind, length: u64, growth: &Growth) -> Result<u64, Errno> {
        if growth.bytes.is_empty() {
            return Ok(length);
        }
        let file = self.file_of(flow, kind)?;
        match contents::write_at(file, &growth.bytes, length) {
            Ok(()) => {
                let more = contents::length(growth.bytes.len());
                self.grown = self.grown.saturating_add(more);
                Ok(length.saturating_add(more))
            }
            Err(errno) => {
                // No half of a record.
                let _ = contents::position(length).and_then(|end| ftruncate(file, end));
                Err(errno)
            }
        }
    }

    fn drop_packets(&mut self, flow: &Flow, packets: u64) {
        let reason = flow.fault.map_or("io_error", Fault::reason);
        self.sums.kept.set_aside(reason, packets);
    }

    fn fail_index(&mut self, flow: &mut Flow, errno: Errno) {
        if let Some(index) = flow.index_mut() {
            index.fault = Some(Fault(errno));
        }
        self.sums.fail(Failure::Index, flow.name.as_deref().unwrap_or("a flow"), Fault(errno));
    }
}
