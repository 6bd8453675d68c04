//! From payload to flow files: names, descriptors, places, times, and what became of every byte.

mod bodies;
mod growing;
mod withheld;

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::errno::Errno;
use proto::control::Counts;
use proto::flow::{Count, Span};
use proto::plan::{Digest, WriterPlan};
use proto::template::Template;
use proto::text::Text;

use crate::batch::Gathered;
use crate::closing::{Closer, Closing, Last, Place};
use crate::contents;
use crate::digest::Digests;
use crate::directory::Directory;
use crate::flow::{Fault, Flow};
use crate::index;
use crate::naming::Naming;
use crate::open_files::{FileId, Kind, OpenFiles};
use crate::room::Room;
use crate::sums::{Failure, Sums};

/// Why bytes are not stored that fill a hole of a file in a directory which is finished.
pub const BEFORE_ROTATION: &str = "before_rotation";

/// The flow files.
#[derive(Debug)]
pub struct Store {
    naming: Arc<Naming>,
    files: OpenFiles,
    keep: bool,
    /// Whether flow files are of packets (`-K`).
    packets: bool,
    /// Whether there are indexes (`-I`).
    indexes: bool,
    digests: Vec<Digest>,
    max_bytes: u64,
    /// Whether there are bodies of HTTP messages.
    bodies: bool,
    /// How many of them are remembered for the report.
    listed: usize,
    /// Whether there is room for more, where storing goes on once there is again.
    pub room: Option<Room>,
    /// Bytes that files grew by which only grow.
    grown: u64,
    /// What becomes of files whose flows have ended.
    pub closer: Closer,
    /// What became of payload.
    pub sums: Sums,
}

impl Store {
    /// Flow files beneath `directory` as the plan wants them.
    pub fn new(directory: Arc<Directory>, template: Template, plan: &WriterPlan) -> Self {
        Self {
            naming: Arc::new(Naming::new(
                directory,
                template,
                if plan.packets { growing::SAVEFILE } else { "" },
            )),
            files: OpenFiles::new(usize::try_from(plan.max_open_files).unwrap_or(usize::MAX)),
            keep: plan.store,
            packets: plan.packets,
            indexes: plan.index,
            digests: plan.digests.clone(),
            max_bytes: plan.max_bytes.unwrap_or(u64::MAX),
            bodies: plan.bodies,
            listed: 0,
            room: plan.rotates.then(Room::default),
            grown: 0,
            closer: Closer::default(),
            sums: Sums::default(),
        }
    }

    /// Whether there are indexes.
    pub fn indexes(&self) -> bool {
        self.indexes
    }

    /// Whether flow files are of packets.
    pub fn keeps_packets(&self) -> bool {
        self.packets
    }

    /// Whether there are bodies of HTTP messages.
    pub fn keeps_bodies(&self) -> bool {
        self.bodies
    }

    /// The directory that files are made in.
    pub fn directory(&self) -> &Directory {
        self.naming.directory()
    }

    /// Has files made in this directory from now on, whose name ends in a slash.
    pub fn enter(&mut self, directory: String) {
        self.naming = Arc::new(self.naming.within(directory));
        self.sums.side_by_side = 0;
    }

    /// Which of `span`'s bytes are to be written; makes the flow's file for the first of them.
    pub fn admit(&mut self, flow: &mut Flow, span: &Span) -> Range<usize> {
        let length = u64::from(span.length);
        flow.stream_length = flow.stream_length.max(span.offset.saturating_add(length));
        self.sums.payload.receive(length);
        if !self.keep {
            self.sums.payload.set_aside("not_stored", length);
            return 0..0;
        }
        let late = self.set_aside_late(flow, span.offset, length);
        if let Some(reason) = self.lack() {
            self.sums.payload.set_aside(reason, length.saturating_sub(late));
            self.withhold(flow, length.saturating_sub(late));
            return 0..0;
        }
        let kept = self.max_bytes.saturating_sub(span.offset).min(length).max(late);
        // A flow that only goes on, and not to the limit, needs no file more.
        let needs_file = kept > late || (length > late && flow.begins() == 0);
        if flow.name.is_none()
            && flow.fault.is_none()
            && needs_file
            && let Err(errno) = self.begin_file(flow)
        {
            self.refuse(flow, errno, length.saturating_sub(late));
            return 0..0;
        }
        if let Some(fault) = flow.fault {
            self.sums.payload.set_aside(fault.reason(), length.saturating_sub(late));
            return 0..0;
        }
        self.sums.payload.set_aside("max_bytes", length.saturating_sub(kept));
        let place = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        place(late)..place(kept)
    }

    /// Names the file of a flow and makes it, unless that may wait for the flow's end, which for a short flow comes
    /// in the same batch: then all is done at once, by whoever closes it. The names of indexes and bodies follow from
    /// the flow's, and with these it does not wait; nor where a flow that the disk had no room for is tried again.
    fn begin_file(&mut self, flow: &mut Flow) -> Result<(), Errno> {
        let may_wait = self.closer.makes_files() && self.naming.are_certain();
        if !may_wait || self.indexes || self.bodies || self.room.is_some() {
            return self.create(flow);
        }
        flow.name = Some(self.naming.name(&flow.open));
        self.files.put_off();
        self.note_open_files();
        Ok(())
    }

    /// How many of so many bytes belong to a part of the flow that lies in a directory which is finished.
    fn set_aside_late(&mut self, flow: &mut Flow, offset: u64, length: u64) -> u64 {
        let Some(part) = flow.part_mut() else { return 0 };
        let late = part.begins.saturating_sub(offset).min(length);
        part.late = part.late.saturating_add(late);
        self.sums.payload.set_aside(BEFORE_ROTATION, late);
        late
    }

    /// Writes what was admitted.
    pub fn write(&mut self, flow: &mut Flow, mut range: Gathered<'_>) {
        let length = range.end.saturating_sub(range.offset);
        let result = match flow.fault {
            Some(fault) => Err(fault.0),
            None => {
                if let Some(digests) = &mut flow.digests {
                    digests.write(range.offset, &range.parts);
                }
                self.file(flow).and_then(|file| contents::write(file, &mut range.parts, range.offset))
            }
        };
        match result {
            Ok(()) => {
                flow.file_length = flow.file_length.max(range.end);
                self.sums.payload.write(length);
                self.relieve();
            }
            Err(errno) => self.refuse(flow, errno, length),
        }
    }

    /// Bytes that were written, to files of all kinds.
    pub fn volume(&self) -> u64 {
        let sums = &self.sums;
        sums.payload.written.saturating_add(sums.bodies.written).saturating_add(self.grown)
    }

    /// Compares a retransmission with what the file holds.
    pub fn compare(&mut self, flow: &mut Flow, offset: u64, bytes: &[u8]) {
        let late = usize::try_from(flow.begins().saturating_sub(offset)).unwrap_or(usize::MAX);
        let bytes = bytes.get(late..).unwrap_or_default();
        let offset = offset.saturating_sub(flow.begins());
        let there = usize::try_from(flow.file_length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let Some(bytes) = bytes.get(..bytes.len().min(there)).filter(|bytes| !bytes.is_empty()) else {
            return;
        };
        if flow.fault.is_some() {
            return;
        }
        match self.file(flow).and_then(|file| contents::differing(file, bytes, offset)) {
            Ok(0) => {}
            Ok(differing) => {
                let rare = flow.rare_mut();
                rare.conflicts = rare.conflicts.saturating_add(1);
                rare.conflicting = rare.conflicting.saturating_add(differing);
            }
            Err(errno) => self.fail(flow, errno),
        }
    }

    /// Moves all that a flow has up by `by` bytes.
    pub fn shift(&mut self, flow: &mut Flow, by: u64) {
        flow.stream_length = flow.stream_length.saturating_add(by);
        if let Some(bodies) = &mut flow.bodies {
            for body in bodies.over.iter_mut().chain(&mut bodies.open) {
                body.open.offset = body.open.offset.saturating_add(by);
            }
        }
        if let Some(part) = flow.part_mut().filter(|part| part.begins > 0) {
            // What moves is the beginning of the stream, which is not in this file.
            part.begins = part.begins.saturating_add(by);
            return;
        }
        if flow.fault.is_some() || flow.file_length == 0 {
            return;
        }
        if let Some(digests) = &mut flow.digests {
            digests.disturb();
        }
        let (length, limit) = (flow.file_length, self.max_bytes);
        match self.file(flow).and_then(|file| contents::shift(file, length, by, limit)) {
            Ok(()) => flow.file_length = length.saturating_add(by).min(limit),
            Err(errno) => self.fail(flow, errno),
        }
    }

    /// What is left to do to the file of a flow that has ended, with the bytes of it that are not written yet.
    /// `size` is the length of the stream.
    pub fn last(&mut self, flow: &mut Flow, size: u64, range: Option<Gathered<'_>>) -> Option<(Place, Last)> {
        let place = self.last_place(flow);
        let offset = range.as_ref().map_or(0, |range| range.offset);
        let bytes = self.closer.bytes();
        let begin = bytes.len();
        match (range, flow.fault) {
            (Some(range), None) => range.parts.iter().for_each(|part| bytes.extend_from_slice(part)),
            (Some(range), Some(fault)) => {
                self.sums.payload.set_aside(fault.reason(), range.end.saturating_sub(range.offset));
            }
            (None, _) => {}
        }
        let (place, digests) = place?;
        // The end may not have been captured; but what is missing at the limit is not written any more than
        // what came after it.
        let lacks_end = !self.packets && size <= self.max_bytes && flow.fault.is_none();
        let last = Last {
            bytes: (begin..self.closer.bytes().len(), offset),
            length: flow.file_length,
            at_least: lacks_end.then_some(size.saturating_sub(flow.begins())),
            // Where the disk was full, the file may be longer than what was written whole.
            digests: digests.map(|digests| (*digests, flow.fault.is_none() && flow.withheld() == 0)),
            // A file of packets has times of its own in it.
            times: (!self.packets).then_some(flow.open.start),
        };
        Some((place, last))
    }

    /// Where a flow's last bytes go, if there is a file or will be one, and the digests so far.
    fn last_place(&mut self, flow: &mut Flow) -> Option<(Place, Option<Box<Digests>>)> {
        flow.name.as_ref()?;
        if !flow.is_made {
            self.files.put_off_no_more();
            return Some((Place::New(Arc::clone(&self.naming)), Digests::new(&self.digests)));
        }
        let digests = flow.digests.take();
        let id = |kind| FileId { flow: flow.open.flow, kind };
        let opened = self.file_of(flow, Kind::Flow).map(drop);
        drop(self.files.remove(id(Kind::Index)));
        match opened.and_then(|()| self.files.remove(id(Kind::Flow)).ok_or(Errno::EBADF)) {
            Ok(file) => Some((Place::Open(file), digests)),
            Err(errno) => {
                self.fail(flow, errno);
                if digests.is_some() {
                    self.sums.fail(Failure::Digest, flow.name.as_deref().unwrap_or_default(), Fault(errno));
                }
                None
            }
        }
    }

    /// Closes files for one that is to be opened: those that wait to be closed, whose thread may take each descriptor that
    /// is freed meanwhile, and then one that may be opened again; false if there are none.
    pub fn make_room(&mut self) -> bool {
        self.closer.make_room() || self.files.evict()
    }

    /// Notes what came of that.
    pub fn closed(&mut self, closing: &Closing) {
        let (left, written) = closing.left;
        match written {
            Ok(()) => self.sums.payload.write(left),
            Err(errno) => self.sums.payload.set_aside(Fault(errno).reason(), left),
        }
        let name = closing.ended.flow.name.as_deref();
        if let (true, Some(name)) = (closing.made_file, name) {
            self.count_file(name);
        }
        let failures = [(Failure::Flow, closing.fault), (Failure::Digest, closing.no_digests)];
        for (failure, fault) in failures {
            if let Some(errno) = fault {
                self.sums.fail(failure, name.unwrap_or("a flow"), Fault(errno));
            }
        }
    }

    /// Creates the flow's file.
    fn create(&mut self, flow: &mut Flow) -> Result<(), Errno> {
        let mut name = flow.name.take().unwrap_or_else(|| self.naming.name(&flow.open));
        let file = loop {
            match self.create_new(&name) {
                Err(Errno::EEXIST) => name = self.naming.name(&flow.open),
                result => break result?,
            }
        };
        self.add(FileId { flow: flow.open.flow, kind: Kind::Flow }, file);
        self.count_file(&name);
        flow.name = Some(name);
        flow.is_made = true;
        flow.digests = Digests::new(&self.digests);
        self.create_index(flow);
        Ok(())
    }

    fn count_file(&mut self, name: &str) {
        self.sums.files = self.sums.files.saturating_add(1);
        self.count_neighbour(name);
    }

    /// Counts a file that lies in the directory with all others.
    fn count_neighbour(&mut self, name: &str) {
        let side_by_side = u64::from(!self.naming.is_alone(name));
        self.sums.side_by_side = self.sums.side_by_side.saturating_add(side_by_side);
    }

    /// Creates a file that does not exist, and neither does the index that would belong to it.
    fn create_new(&mut self, name: &str) -> Result<OwnedFd, Errno> {
        if self.indexes && self.directory().has(&index::name(name)) {
            return Err(Errno::EEXIST);
        }
        self.open(|directory| directory.create_new(name))
    }

    /// The flow's file: made, if it is not yet, and opened again if it had to make room.
    fn file(&mut self, flow: &mut Flow) -> Result<&OwnedFd, Errno> {
        if !flow.is_made {
            self.files.put_off_no_more();
            self.create(flow)?;
        }
        self.file_of(flow, Kind::Flow)
    }

    fn file_of(&mut self, flow: &Flow, kind: Kind) -> Result<&OwnedFd, Errno> {
        let id = FileId { flow: flow.open.flow, kind };
        if self.files.get(id).is_none() {
            let name = flow.name.as_deref().ok_or(Errno::ENOENT)?;
            let file = match kind {
                Kind::Flow => self.open(|directory| directory.reopen(name)),
                Kind::Index => self.open(|directory| directory.reopen(&index::name(name))),
                Kind::Body => Err(Errno::ENOENT),
            }?;
            self.add(id, file);
        }
        self.files.get(id).ok_or(Errno::EBADF)
    }

    fn add(&mut self, id: FileId, file: OwnedFd) {
        self.files.insert(id, file);
        self.note_open_files();
    }

    fn note_open_files(&mut self) {
        self.sums.open_files = self.sums.open_files.max(self.files.flow_files());
    }

    /// Opens with room made by closing others, also where the system allows fewer than `-f`.
    fn open(&mut self, open: impl Fn(&Directory) -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
        self.files.make_room();
        loop {
            match open(self.naming.directory()) {
                Err(Errno::EMFILE | Errno::ENFILE) if self.make_room() => {}
                result => return result,
            }
        }
    }

    fn fail(&mut self, flow: &mut Flow, errno: Errno) {
        if let Some(digests) = &mut flow.digests {
            digests.disturb();
        }
        if flow.fault.is_none() {
            flow.fault = Some(Fault(errno));
            self.sums.fail(Failure::Flow, flow.name.as_deref().unwrap_or("a flow"), Fault(errno));
        }
    }

    /// How far the work is.
    pub fn counts(&self) -> Counts {
        let payload = &self.sums.payload;
        let aside =
            payload.aside.iter().map(|(reason, count)| Count { reason: Text::cut(reason), count: *count });
        Counts::Writer { written: payload.written, files: self.sums.files, aside: aside.collect() }
    }

    /// How many flow files are open.
    pub fn open_files(&self) -> usize {
        self.files.flow_files()
    }
}
