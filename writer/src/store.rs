//! From payload to flow files: names, descriptors, places, times, and what became of every byte.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::stat::futimens;
use nix::sys::time::TimeSpec;
use nix::unistd::ftruncate;
use proto::control::Counts;
use proto::flow::{FlowId, Span};
use proto::plan::WriterPlan;
use proto::template::Template;
use proto::time::Timestamp;

use crate::batch::Gathered;
use crate::contents;
use crate::counter::Counters;
use crate::directory::Directory;
use crate::flow::{Fault, Flow};
use crate::name::render;
use crate::open_files::OpenFiles;

/// The flow files.
#[derive(Debug)]
pub struct Store {
    directory: Directory,
    template: Template,
    counters: Counters,
    files: OpenFiles,
    keep: bool,
    max_bytes: u64,
    /// What became of payload.
    pub sums: Sums,
}

/// What became of the payload that was to be stored, in bytes.
#[derive(Debug, Default)]
pub struct Sums {
    /// Packets of all flows that ended. A packet that belongs to none, such as the last acknowledgement of
    /// a connection, is in no flow's count.
    pub packets: u64,
    /// Payload that came.
    pub received: u64,
    /// Written to flow files.
    pub written: u64,
    /// Flow files made.
    pub files: u64,
    /// Not written, by reason.
    pub aside: BTreeMap<&'static str, u64>,
    /// Flows that could not be stored in full.
    pub truncated: u64,
    /// The most flow files open at once.
    pub open_files: usize,
}

impl Sums {
    fn set_aside(&mut self, reason: &'static str, bytes: u64) {
        if bytes > 0 {
            let sum = self.aside.entry(reason).or_default();
            *sum = sum.saturating_add(bytes);
        }
    }
}

impl Store {
    /// Flow files beneath `directory` as the plan wants them.
    pub fn new(directory: Directory, template: Template, plan: &WriterPlan) -> Self {
        Self {
            directory,
            template,
            counters: Counters::default(),
            files: OpenFiles::new(usize::try_from(plan.max_open_files).unwrap_or(usize::MAX)),
            keep: plan.store,
            max_bytes: plan.max_bytes.unwrap_or(u64::MAX),
            sums: Sums::default(),
        }
    }

    /// The directory that files are made in.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// How many of `span`'s bytes are to be written; makes the flow's file for the first of them.
    pub fn admit(&mut self, flow: &mut Flow, span: &Span) -> usize {
        let length = u64::from(span.length);
        flow.stream_length = flow.stream_length.max(span.offset.saturating_add(length));
        self.sums.received = self.sums.received.saturating_add(length);
        if !self.keep {
            self.sums.set_aside("not_stored", length);
            return 0;
        }
        if flow.name.is_none()
            && flow.fault.is_none()
            && length > 0
            && let Err(errno) = self.create(flow)
        {
            self.fail(flow, errno);
        }
        if let Some(fault) = flow.fault {
            self.sums.set_aside(fault.reason(), length);
            return 0;
        }
        let kept = self.max_bytes.saturating_sub(span.offset).min(length);
        self.sums.set_aside("max_bytes", length.saturating_sub(kept));
        usize::try_from(kept).unwrap_or(usize::MAX)
    }

    /// Writes what was admitted.
    pub fn write(&mut self, flow: &mut Flow, mut range: Gathered<'_>) {
        let length = range.end.saturating_sub(range.offset);
        let result = match flow.fault {
            Some(fault) => Err(fault.0),
            None => self.file(flow).and_then(|file| contents::write(file, &mut range.parts, range.offset)),
        };
        match result {
            Ok(()) => {
                flow.file_length = flow.file_length.max(range.end);
                self.sums.written = self.sums.written.saturating_add(length);
            }
            Err(errno) => {
                self.fail(flow, errno);
                self.sums.set_aside(Fault(errno).reason(), length);
            }
        }
    }

    /// Compares a retransmission with what the file holds.
    pub fn compare(&mut self, flow: &mut Flow, offset: u64, bytes: &[u8]) {
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
                flow.conflicts = flow.conflicts.saturating_add(1);
                flow.conflicting = flow.conflicting.saturating_add(differing);
            }
            Err(errno) => self.fail(flow, errno),
        }
    }

    /// Moves all that a flow has up by `by` bytes.
    pub fn shift(&mut self, flow: &mut Flow, by: u64) {
        flow.stream_length = flow.stream_length.saturating_add(by);
        if flow.fault.is_some() || flow.file_length == 0 {
            return;
        }
        let (length, limit) = (flow.file_length, self.max_bytes);
        match self.file(flow).and_then(|file| contents::shift(file, length, by, limit)) {
            Ok(()) => flow.file_length = length.saturating_add(by).min(limit),
            Err(errno) => self.fail(flow, errno),
        }
    }

    /// Gives the file its length, its times, and closes it. `size` is the length of the stream.
    pub fn finish(&mut self, flow: &mut Flow, size: u64) {
        if flow.name.is_none() {
            return;
        }
        let whole = size.min(self.max_bytes);
        let lost_end = flow.fault.is_none() && whole > flow.file_length;
        let start = flow.open.start;
        let result = self.file(flow).and_then(|file| {
            let length = if lost_end { extend(file, whole) } else { Ok(()) };
            set_times(file, start).and(length)
        });
        match result {
            Ok(()) if lost_end => flow.file_length = whole,
            Ok(()) => {}
            Err(errno) => self.fail(flow, errno),
        }
        drop(self.files.remove(flow.open.flow));
    }

    /// Creates the flow's file: its name is the one with the smallest counter that names nothing yet.
    fn create(&mut self, flow: &mut Flow) -> Result<(), Errno> {
        let base = render(&self.template, &flow.open, 0);
        let mut counter = self.counters.first_to_try(&base);
        loop {
            let name = if counter == 0 { base.clone() } else { render(&self.template, &flow.open, counter) };
            match self.open(|directory| directory.create_new(&name)) {
                Ok(file) => {
                    self.add(flow.open.flow, file);
                    self.counters.taken(&base, counter);
                    self.sums.files = self.sums.files.saturating_add(1);
                    flow.name = Some(name.into());
                    return Ok(());
                }
                Err(Errno::EEXIST) => counter = counter.saturating_add(1),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// The flow's file, opened again if it had to make room.
    fn file(&mut self, flow: &Flow) -> Result<&OwnedFd, Errno> {
        let id = flow.open.flow;
        if self.files.get(id).is_none() {
            let name = flow.name.as_deref().ok_or(Errno::ENOENT)?;
            let file = self.open(|directory| directory.reopen(name))?;
            self.add(id, file);
        }
        self.files.get(id).ok_or(Errno::EBADF)
    }

    fn add(&mut self, flow: FlowId, file: OwnedFd) {
        self.files.insert(flow, file);
        self.sums.open_files = self.sums.open_files.max(self.files.len());
    }

    /// Opens with room made by closing others, also where the system allows fewer than `-f`.
    fn open(&mut self, open: impl Fn(&Directory) -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
        self.files.make_room();
        loop {
            match open(&self.directory) {
                Err(Errno::EMFILE | Errno::ENFILE) if self.files.evict() => {}
                result => return result,
            }
        }
    }

    fn fail(&mut self, flow: &mut Flow, errno: Errno) {
        if flow.fault.is_none() {
            flow.fault = Some(Fault(errno));
            self.sums.truncated = self.sums.truncated.saturating_add(1);
        }
    }

    /// How far the work is.
    pub fn counts(&self) -> Counts {
        Counts::Writer { written: self.sums.written, files: self.sums.files }
    }

    /// How many flow files are open.
    pub fn open_files(&self) -> usize {
        self.files.len()
    }
}

fn extend(file: &OwnedFd, length: u64) -> Result<(), Errno> {
    ftruncate(file, contents::position(length)?)
}

/// Access and modification time become the time of the flow's first packet, with all
/// the digits that the capture has.
fn set_times(file: &OwnedFd, start: Timestamp) -> Result<(), Errno> {
    let time = TimeSpec::new(start.seconds(), i64::from(start.nanoseconds()));
    futimens(file, &time, &time)
}
