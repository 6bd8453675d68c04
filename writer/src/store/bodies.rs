//! Files of bodies, beside those of their flows. What is in them was in the flow too, so that they have books
//! of their own.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use proto::body::{BodyEnding, BodyOpen};

use super::Store;
use crate::batch::Gathered;
use crate::bodies::Body;
use crate::contents::{self, extend, set_times};
use crate::flow::{Fault, Flow};
use crate::open_files::{FileId, Kind};
use crate::sums::Failure;

/// Bodies that are remembered for the report at once, of all flows that are open.
const MAX_LISTED: usize = 1 << 20;

impl Store {
    /// A body begins.
    pub fn open_body(&mut self, flow: &mut Flow, open: BodyOpen) {
        let bodies = flow.bodies.get_or_insert_default();
        bodies.last = open.number;
        bodies.open = Some(Body::new(open));
    }

    /// So many bytes of the open body came; false if they cannot be stored. Makes its file for the first.
    pub fn admit_body(&mut self, flow: &mut Flow, length: u64) -> bool {
        self.sums.bodies.receive(length);
        if let (Some(reason), Some(body)) =
            (self.lack(), flow.bodies.as_mut().and_then(|bodies| bodies.open.as_mut()))
        {
            body.length = body.length.saturating_add(length);
            self.sums.bodies.set_aside(reason, length);
            return false;
        }
        // What was held back for its turn may be of a part of the flow that lies in another directory.
        if flow.part().is_some()
            && flow.name.is_none()
            && flow.fault.is_none()
            && length > 0
            && let Err(errno) = self.create(flow)
        {
            self.fail(flow, errno);
        }
        let admitted = self.change_body(flow, |store, flow, body| {
            let result = store.body_file(flow, body).map(drop);
            body.length = body.length.saturating_add(length);
            result
        });
        if let Err(fault) = admitted {
            self.sums.bodies.set_aside(fault.reason(), length);
        }
        admitted.is_ok()
    }

    /// Writes what was admitted.
    pub fn write_body(&mut self, flow: &mut Flow, mut range: Gathered<'_>) {
        let length = range.end.saturating_sub(range.offset);
        let written = self.change_body(flow, |store, flow, body| {
            let file = store.body_file(flow, body)?;
            contents::write(file, &mut range.parts, range.offset)?;
            body.file_length = body.file_length.max(range.end);
            Ok(())
        });
        match written {
            Ok(()) => self.sums.bodies.write(length),
            Err(fault) => self.sums.bodies.set_aside(fault.reason(), length),
        }
    }

    /// Gives the open body's file its length, the times of its flow, and closes it. Gives its name, if there
    /// is a file.
    pub fn close_body(&mut self, flow: &mut Flow, ending: BodyEnding) -> Option<String> {
        self.end_body(flow, |body| body.ending = ending)
    }

    /// The same for a body that goes on in another directory; gives what is left of it too.
    pub fn divide_body(&mut self, flow: &mut Flow) -> (Option<String>, Option<Body>) {
        let open = flow.bodies.as_ref().and_then(|bodies| bodies.open.as_ref());
        let Some(next) = open.map(Body::next_part) else { return (None, None) };
        (self.end_body(flow, |body| body.continued = true), Some(next))
    }

    fn end_body(&mut self, flow: &mut Flow, note: impl FnOnce(&mut Body)) -> Option<String> {
        let start = flow.open.start;
        // A fault is noted in the body.
        let _ = self.change_body(flow, |store, flow, body| {
            note(body);
            let length = body.length.saturating_sub(body.begins);
            if length == 0 {
                return Ok(());
            }
            let file = store.body_file(flow, body)?;
            if length > body.file_length {
                extend(file, length)?;
                body.file_length = length;
            }
            set_times(file, start)
        });
        drop(self.files.remove(FileId { flow: flow.open.flow, kind: Kind::Body }));
        let bodies = flow.bodies.as_mut()?;
        let body = bodies.open.take()?;
        let name = body.name(flow.name.as_deref()?);
        if self.listed < MAX_LISTED {
            self.listed = self.listed.saturating_add(1);
            bodies.over.push(body);
        } else {
            bodies.unlisted = bodies.unlisted.saturating_add(1);
        }
        name
    }

    /// So many bodies are in the report.
    pub fn forget_bodies(&mut self, listed: usize) {
        self.listed = self.listed.saturating_sub(listed);
    }

    /// Does something to the open body, unless that has failed before.
    fn change_body(
        &mut self,
        flow: &mut Flow,
        change: impl FnOnce(&mut Self, &Flow, &mut Body) -> Result<(), Errno>,
    ) -> Result<(), Fault> {
        let missing = Fault(Errno::ENOENT);
        let mut body = flow.bodies.as_mut().and_then(|bodies| bodies.open.take()).ok_or(missing)?;
        let result = match body.fault {
            Some(fault) => Err(fault),
            None => change(self, flow, &mut body).map_err(Fault),
        };
        if let (Err(fault), None) = (result, body.fault) {
            body.fault = Some(fault);
            let flow_name = flow.name.as_deref().unwrap_or("a flow");
            let name = body.name(flow_name).unwrap_or_else(|| body.name_with(flow_name, 0));
            self.sums.fail(Failure::Body, &name, fault);
        }
        if let Some(bodies) = &mut flow.bodies {
            bodies.open = Some(body);
        }
        result
    }

    /// The body's file, made for its first byte, opened again if it had to make room.
    fn body_file(&mut self, flow: &Flow, body: &mut Body) -> Result<&OwnedFd, Errno> {
        let id = FileId { flow: flow.open.flow, kind: Kind::Body };
        if self.files.get(id).is_none() {
            // A flow without a file failed, and has said why.
            let flow_name = flow.name.as_deref().ok_or(flow.fault.map_or(Errno::ENOENT, |fault| fault.0))?;
            let file = match body.name(flow_name) {
                Some(name) => self.open(|directory| directory.reopen(&name))?,
                None => self.create_body(flow_name, body)?,
            };
            self.add(id, file);
        }
        self.files.get(id).ok_or(Errno::EBADF)
    }

    fn create_body(&mut self, flow_name: &str, body: &mut Body) -> Result<OwnedFd, Errno> {
        let mut counter = 0_u32;
        loop {
            let name = body.name_with(flow_name, counter);
            match self.open(|directory| directory.create_body(&name)) {
                Ok(file) => {
                    body.counter = Some(counter);
                    self.sums.body_files = self.sums.body_files.saturating_add(1);
                    self.count_neighbour(&name);
                    return Ok(file);
                }
                Err(Errno::EEXIST) => counter = counter.checked_add(1).ok_or(Errno::EEXIST)?,
                Err(errno) => return Err(errno),
            }
        }
    }
}
