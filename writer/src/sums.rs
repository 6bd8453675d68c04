//! What became of everything that was to be stored.

use std::collections::BTreeMap;

use crate::flow::Fault;

/// What came of one kind, and what became of it: `received` = `written` + the sum of `aside`.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// How much came.
    pub received: u64,
    /// How much was written.
    pub written: u64,
    /// How much was not, by reason.
    pub aside: BTreeMap<&'static str, u64>,
}

impl Books {
    /// So much came.
    pub fn receive(&mut self, count: u64) {
        self.received = self.received.saturating_add(count);
    }

    /// So much of it was written.
    pub fn write(&mut self, count: u64) {
        self.written = self.written.saturating_add(count);
    }

    /// So much of it was not.
    pub fn set_aside(&mut self, reason: &'static str, count: u64) {
        if count > 0 {
            let sum = self.aside.entry(reason).or_default();
            *sum = sum.saturating_add(count);
        }
    }
}

impl Books {
    /// What came, and what became of it, since `earlier`.
    fn since(&self, earlier: &Self) -> Self {
        let before = |reason| earlier.aside.get(reason).copied().unwrap_or(0);
        let aside = self.aside.iter().map(|(reason, count)| (*reason, count.saturating_sub(before(reason))));
        Self {
            received: self.received.saturating_sub(earlier.received),
            written: self.written.saturating_sub(earlier.written),
            aside: aside.filter(|(_, count)| *count > 0).collect(),
        }
    }
}

/// What could not be done in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// A flow file.
    Flow,
    /// The index of a flow file.
    Index,
    /// The digest of a flow file.
    Digest,
    /// The savefile of `-w`.
    Unprocessed,
    /// The body of an HTTP message.
    Body,
}

/// What became of a run.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// Packets of all flows that ended. A packet that belongs to none, such as the last acknowledgement of
    /// a connection, is in no flow's count.
    pub packets: u64,
    /// Payload, in bytes.
    pub payload: Books,
    /// Packets of flows, where these are kept.
    pub kept: Books,
    /// Frames that were not processed, where these are kept.
    pub unprocessed: Books,
    /// Bodies of HTTP messages, in bytes. They were in payload too.
    pub bodies: Books,
    /// Files of bodies made.
    pub body_files: u64,
    /// Flow files made.
    pub files: u64,
    /// Those of them that lie in the output directory itself.
    pub side_by_side: u64,
    /// The most files open at once.
    pub open_files: usize,
    /// Bytes, or packets, that came while the disk was full.
    pub withheld: u64,
    /// What could not be done in full, and how often.
    failures: BTreeMap<Failure, u64>,
    /// What the user is to be told of now.
    notices: Vec<String>,
}

impl Sums {
    /// What became of all that came since `earlier`. Failures are the run's, and are told at its end.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(earlier.packets),
            payload: self.payload.since(&earlier.payload),
            kept: self.kept.since(&earlier.kept),
            unprocessed: self.unprocessed.since(&earlier.unprocessed),
            bodies: self.bodies.since(&earlier.bodies),
            body_files: self.body_files.saturating_sub(earlier.body_files),
            files: self.files.saturating_sub(earlier.files),
            side_by_side: self.side_by_side,
            open_files: self.open_files,
            withheld: self.withheld.saturating_sub(earlier.withheld),
            failures: BTreeMap::new(),
            notices: Vec::new(),
        }
    }

    /// Something could not be done in full with what is called `name`. The first of a kind is told at once.
    pub fn fail(&mut self, failure: Failure, name: &str, fault: Fault) {
        let count = self.failures.entry(failure).or_default();
        *count = count.saturating_add(1);
        if *count > 1 {
            return;
        }
        let reason = fault.0.desc();
        self.notices.push(match failure {
            Failure::Flow | Failure::Body => format!("cannot store {name} in full: {reason}"),
            Failure::Index => format!("cannot store the index of {name} in full: {reason}"),
            Failure::Digest => format!("cannot make the digest of {name}: {reason}"),
            Failure::Unprocessed => format!("{name}: cannot store packets in full: {reason}"),
        });
    }

    /// Something that the user is to be told of now.
    pub fn tell(&mut self, text: &str) {
        self.notices.push(text.to_owned());
    }

    /// What the user is to be told of now.
    pub fn notices(&mut self) -> impl Iterator<Item = String> {
        self.notices.drain(..)
    }

    /// What the user is to be told in the end if something failed, a line for each kind.
    pub fn failures(&self) -> Vec<String> {
        let withheld = (self.withheld > 0).then(|| match self.kept.received {
            0 => format!("{} bytes were not stored for lack of room", self.withheld),
            _ => format!("{} packets were not stored for lack of room", self.withheld),
        });
        let line = |(failure, count): (&Failure, &u64)| match failure {
            Failure::Flow => format!("{count} flows could not be stored in full"),
            Failure::Index => format!("{count} indexes could not be stored in full"),
            Failure::Digest => format!("{count} files have no digest"),
            Failure::Body => format!("{count} HTTP bodies could not be stored in full"),
            Failure::Unprocessed => "packets that were not processed could not be stored in full".to_owned(),
        };
        self.failures.iter().map(line).chain(withheld).collect()
    }
}
