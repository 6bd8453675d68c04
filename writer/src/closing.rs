//! What is left to do when a flow has ended: its file's last bytes, length, digests and times, and its entry in
//! the report. For a short flow that is most of all there is to do, so a thread of its own does it while the
//! next messages are read.
//!
//! The thread is given flows, descriptors and bytes, and gives back what came of them and the text of their
//! entries: what is counted and told stays with the one that asked. Where the thread has enough to do, the one that
//! asks does as it does, rather than wait. Jobs come back in the order in which they were made, and so the report has its
//! flows in the order in which they ended.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::errno::Errno;
use proto::flow::EmptyFlow;
use proto::time::Timestamp;

use crate::contents::{self, extend, set_times};
use crate::digest::{Digests, Named};
use crate::events;
use crate::flow::Fault;
use crate::held::Ended;
use crate::naming::Naming;
use crate::report::{Dialect, Xml, fileobject};

/// Files that are open in one job, and in all that the thread has: their descriptors are beyond those that `-f` allows.
const MAX_FILES: usize = 64;
const MAX_FILES_GIVEN: usize = 3 * MAX_FILES;
/// Flows in one job, most of which may have no file.
const MAX_FLOWS: usize = 1024;
/// Bytes for which a job is given though more flows would have room in it.
const WORTH_IT: usize = 128 * 1024;
/// Jobs that the thread may have at once.
const MAX_JOBS: usize = 8;
/// Jobs that are kept until one before them is done.
const MAX_AHEAD: usize = 2 * MAX_JOBS;
/// The thread's stack, in bytes: it only calls the kernel, and digests.
const STACK: usize = 256 * 1024;

/// Where a flow's last bytes go.
#[derive(Debug)]
pub enum Place {
    /// Into this file, which is closed then.
    Open(OwnedFd),
    /// Into a file that is yet to be made by the flow's name.
    New(Arc<Naming>),
}

/// What is left to do to one file.
#[derive(Debug)]
pub struct Last {
    /// Which of the job's bytes are to be written, and where in the file.
    pub bytes: (Range<usize>, u64),
    /// The file's length before that.
    pub length: u64,
    /// The length that it is to have, with zeros where nothing came.
    pub at_least: Option<u64>,
    /// Digests that are to be finished; and whether the file is as long as its flow.
    pub digests: Option<(Digests, bool)>,
    /// The times that it gets.
    pub times: Option<Timestamp>,
}

/// What came of it.
#[derive(Debug)]
struct Outcome {
    written: Result<(), Errno>,
    /// What failed first.
    fault: Option<Errno>,
    /// The file's length.
    length: u64,
    digests: Result<Vec<Named>, Errno>,
}

impl Last {
    fn run(mut self, file: &OwnedFd, bytes: &[u8]) -> Outcome {
        let (range, offset) = self.bytes;
        let written = match bytes.get(range).filter(|bytes| !bytes.is_empty()) {
            None => Ok(()),
            Some(bytes) => {
                if let Some((digests, _)) = &mut self.digests {
                    digests.write(offset, &[IoSlice::new(bytes)]);
                }
                let written = contents::write_at(file, bytes, offset);
                if written.is_ok() {
                    self.length = self.length.max(offset.saturating_add(contents::length(bytes.len())));
                }
                written
            }
        };
        let extended = match self.at_least.filter(|length| written.is_ok() && *length > self.length) {
            None => Ok(()),
            Some(length) => extend(file, length).inspect(|()| self.length = length),
        };
        let sound = written.and(extended);
        // Reading a file changes its access time, so digests come first.
        let digests = match self.digests {
            None => Ok(Vec::new()),
            Some((mut digests, whole)) => {
                if sound.is_err() {
                    digests.disturb();
                }
                digests.finish(file, self.length, whole && sound.is_ok())
            }
        };
        let timed = self.times.map_or(Ok(()), |start| set_times(file, start));
        Outcome { written, fault: sound.and(timed).err(), length: self.length, digests }
    }
}

/// A flow that has ended.
#[derive(Debug)]
pub struct Closing {
    /// The flow, and what the report says of it.
    pub ended: Ended,
    /// How many bytes were left to be written, and whether they are.
    pub left: (u64, Result<(), Errno>),
    /// Why its file is not whole, if that was found only now.
    pub fault: Option<Errno>,
    /// Why it has no digests.
    pub no_digests: Option<Errno>,
    /// Whether its file was made only now.
    pub made_file: bool,
    last: Option<(Place, Last)>,
}

impl Closing {
    fn new(ended: Ended, last: Option<(Place, Last)>) -> Self {
        let left = last.as_ref().map_or(0, |(_, last)| contents::length(last.bytes.0.len()));
        Self { ended, left: (left, Ok(())), fault: None, no_digests: None, made_file: false, last }
    }

    /// Whether its file is yet to be made, because too many are open.
    fn waits_for_room(&self) -> bool {
        self.last.is_some()
    }

    /// Does what is left to do. If there is no room for its file, that is what still is.
    fn run(&mut self, bytes: &[u8]) {
        let Some((place, last)) = self.last.take() else { return };
        let file = match place {
            Place::Open(file) => file,
            Place::New(naming) => match self.make_file(&naming) {
                Ok(file) => file,
                Err(Errno::EMFILE | Errno::ENFILE) => {
                    self.last = Some((Place::New(naming), last));
                    return;
                }
                Err(errno) => return self.give_up(errno),
            },
        };
        let outcome = last.run(&file, bytes);
        let flow = &mut self.ended.flow;
        flow.file_length = outcome.length;
        self.left.1 = outcome.written;
        if let (None, Some(errno)) = (flow.fault, outcome.fault) {
            flow.fault = Some(Fault(errno));
            self.fault = Some(errno);
        }
        match outcome.digests {
            Ok(digests) => self.ended.digests = digests,
            Err(errno) => self.no_digests = Some(errno),
        }
    }

    fn make_file(&mut self, naming: &Naming) -> Result<OwnedFd, Errno> {
        let flow = &mut self.ended.flow;
        let file = naming.create(&flow.open, flow.name.as_mut().ok_or(Errno::ENOENT)?)?;
        (flow.is_made, self.made_file) = (true, true);
        Ok(file)
    }

    /// Does without a file.
    fn give_up(&mut self, errno: Errno) {
        (self.last, self.left.1, self.fault) = (None, Err(errno), Some(errno));
        (self.ended.flow.name, self.ended.flow.fault) = (None, Some(Fault(errno)));
    }
}

/// A flow of a job.
#[derive(Debug)]
enum Item {
    Closing(Box<Closing>),
    /// One of which there is nothing but its entry.
    Empty(EmptyFlow),
}

/// Flows that ended, the bytes that their files still get, and then their entries in the report.
#[derive(Debug, Default)]
pub struct Job {
    bytes: Vec<u8>,
    flows: Vec<Item>,
    /// Those whose files are closed.
    closed: VecDeque<Box<Closing>>,
    /// How many of them have a file open.
    files: usize,
    /// What goes before the names of files, where entries are wanted.
    prefix: Option<Arc<str>>,
    entries: Xml,
    /// The same for events, and their lines.
    events: (Option<Arc<str>>, Vec<u8>),
}

impl Job {
    fn new(dialect: Dialect) -> Self {
        Self { entries: Xml::entries(dialect), ..Self::default() }
    }

    fn run(&mut self) {
        // Made once for all that are empty.
        let mut empty = None;
        for item in self.flows.drain(..) {
            let mut enter = |ended: &Ended| {
                if let Some(prefix) = &self.prefix {
                    fileobject(&mut self.entries, prefix, ended, None);
                }
                if let (Some(prefix), lines) = &mut self.events {
                    events::closed(lines, prefix, ended);
                }
            };
            match item {
                Item::Closing(mut closing) => {
                    closing.run(&self.bytes);
                    if !closing.waits_for_room() {
                        enter(&closing.ended);
                    }
                    self.closed.push_back(closing);
                }
                Item::Empty(flow) => {
                    let ended: &mut Ended = empty.get_or_insert_with(|| Ended::empty(&flow));
                    ended.now_empty(&flow);
                    enter(ended);
                }
            }
        }
    }

    /// The next flow whose file is closed, the one that ended first first; the empty ones are not among them. If there
    /// was no room for its file, `make_room` is to make some, as often as it can.
    pub fn next_closed(&mut self, mut make_room: impl FnMut() -> bool) -> Option<(Closing, bool)> {
        let mut closing = self.closed.pop_front()?;
        let waited = closing.waits_for_room();
        // There may be room by now.
        closing.run(&self.bytes);
        while closing.waits_for_room() {
            if make_room() {
                closing.run(&self.bytes);
            } else {
                closing.give_up(Errno::EMFILE);
            }
        }
        Some((*closing, waited))
    }

    /// Their entries, where those are wanted.
    pub fn entries(&mut self, take: impl FnOnce(&mut Vec<u8>)) {
        self.entries.drain(take);
    }

    /// What events say of them, where those are wanted.
    pub fn events(&mut self) -> &[u8] {
        &self.events.1
    }
}

/// Gives jobs to the thread, if there is one, and does them itself otherwise.
#[derive(Debug, Default)]
pub struct Closer {
    thread: Option<Thread>,
    /// Jobs that the thread has, and how many files are open in them.
    given: usize,
    files: usize,
    /// What is gathered for the next.
    next: Job,
    /// Jobs in the order in which they were made; those that the thread has, which does them in order too, are none.
    done: VecDeque<Option<Job>>,
    /// Jobs that are over, whose memory is used again.
    spare: Vec<Job>,
    /// What goes before the names of files in the report.
    prefix: Option<Arc<str>>,
    /// How it is laid out.
    dialect: Dialect,
    /// What goes before the names of files in events.
    events: Option<Arc<str>>,
}

/// The thread, and what lies between it and the one that gives it work.
#[derive(Debug, Clone)]
struct Thread(Arc<Between>);

#[derive(Debug, Default)]
struct Between {
    jobs: Mutex<Jobs>,
    given: Condvar,
    finished: Condvar,
}

#[derive(Debug, Default)]
struct Jobs {
    given: VecDeque<Job>,
    finished: VecDeque<Job>,
}

impl Closer {
    /// With a thread, if the system has one to give.
    pub fn begin() -> Self {
        Self { thread: Thread::begin(), ..Self::default() }
    }

    /// Makes entries of the report too, in this dialect and with this before the names of files.
    pub fn make_entries(&mut self, (prefix, dialect): (&str, Dialect)) {
        self.prefix = Some(prefix.into());
        self.dialect = dialect;
        self.next = Job::new(dialect);
    }

    /// Makes lines of events too, with this before the names of files.
    pub fn make_events(&mut self, prefix: &str) {
        self.events = Some(prefix.into());
    }

    /// Whether it makes entries of the report.
    pub fn makes_entries(&self) -> bool {
        self.prefix.is_some()
    }

    /// Bytes of the next job, to which those of a file are added.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.next.bytes
    }

    /// Whether it makes files too, of flows that have none when they end.
    pub fn makes_files(&self) -> bool {
        self.thread.is_some()
    }

    /// Adds a flow, with what is left to do to its file.
    pub fn add(&mut self, ended: Ended, last: Option<(Place, Last)>) {
        let is_open = matches!(last, Some((Place::Open(_), _)));
        self.next.files = self.next.files.saturating_add(usize::from(is_open));
        self.add_item(Item::Closing(Box::new(Closing::new(ended, last))));
    }

    /// Adds a flow that has nothing to be closed.
    pub fn add_empty(&mut self, flow: &EmptyFlow) {
        if self.makes_entries() {
            self.add_item(Item::Empty(*flow));
        } else {
            self.add(Ended::empty(flow), None);
        }
    }

    fn add_item(&mut self, item: Item) {
        self.next.flows.push(item);
        if self.next.files >= MAX_FILES || self.next.flows.len() >= MAX_FLOWS {
            self.submit();
        }
    }

    /// Whether what was added is enough to be done together.
    pub fn is_worth_it(&self) -> bool {
        self.next.bytes.len() >= WORTH_IT
    }

    /// Has done what was added.
    pub fn submit(&mut self) {
        if self.next.flows.is_empty() {
            return;
        }
        while self.take(self.is_too_far_ahead()) {}
        let spare = self.spare.pop().unwrap_or_else(|| Job::new(self.dialect));
        let mut job = std::mem::replace(&mut self.next, spare);
        job.prefix.clone_from(&self.prefix);
        job.events.0.clone_from(&self.events);
        match &self.thread {
            Some(thread)
                if self.given < MAX_JOBS && self.files.saturating_add(job.files) <= MAX_FILES_GIVEN =>
            {
                self.given = self.given.saturating_add(1);
                self.files = self.files.saturating_add(job.files);
                thread.give(job);
                self.done.push_back(None);
            }
            // Rather than wait for the thread, it does as the thread does.
            Some(_) | None => {
                job.run();
                self.done.push_back(Some(job));
            }
        }
    }

    /// Closes what waits to be closed; false if nothing does.
    pub fn make_room(&mut self) -> bool {
        let waiting = !self.next.flows.is_empty();
        self.submit();
        self.take(true) || waiting
    }

    /// Takes a job back that the thread has done, and waits for it if that is asked for; false if there is none.
    fn take(&mut self, wait: bool) -> bool {
        let Some(thread) = self.thread.as_ref().filter(|_| self.given > 0) else { return false };
        let Some(job) = thread.take(wait) else { return false };
        self.given = self.given.saturating_sub(1);
        self.files = self.files.saturating_sub(job.files);
        if let Some(first) = self.done.iter_mut().find(|done| done.is_none()) {
            *first = Some(job);
        }
        true
    }

    /// A job that is done, in the order in which they were given; all that were given are waited for, if `all`
    /// is asked for.
    pub fn closed(&mut self, all: bool) -> Option<Job> {
        while self.take(all) {}
        let first = self.done.front_mut()?.take()?;
        self.done.pop_front();
        Some(first)
    }

    /// Whether too many jobs are made to wait for the first of them any longer without waiting for the thread.
    fn is_too_far_ahead(&self) -> bool {
        self.done.len() >= MAX_AHEAD && matches!(self.done.front(), Some(None))
    }

    /// Uses a job's memory again.
    pub fn use_again(&mut self, mut job: Job) {
        job.bytes.clear();
        job.events.1.clear();
        job.files = 0;
        self.spare.push(job);
    }
}

impl Thread {
    fn begin() -> Option<Self> {
        let thread = Self(Arc::default());
        {
            // No memory is asked for after this.
            let mut jobs = thread.jobs();
            jobs.given.reserve(MAX_JOBS);
            jobs.finished.reserve(MAX_JOBS);
        }
        let worker = thread.clone();
        // It is never waited for: it ends with the process.
        let _: thread::JoinHandle<()> = thread::Builder::new()
            .name("files".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                loop {
                    worker.work();
                }
            })
            .ok()?;
        // Once it has done something, the calls by which a thread begins are behind it.
        thread.give(Job::default());
        let _: Option<Job> = thread.take(true);
        Some(thread)
    }

    /// Waits for one job, and does it.
    fn work(&self) {
        let given = self.0.given.wait_while(self.jobs(), |jobs| jobs.given.is_empty());
        let job = given.unwrap_or_else(PoisonError::into_inner).given.pop_front();
        if let Some(mut job) = job {
            job.run();
            self.jobs().finished.push_back(job);
            self.0.finished.notify_one();
        }
    }

    fn give(&self, job: Job) {
        self.jobs().given.push_back(job);
        self.0.given.notify_one();
    }

    /// A job that is done. Waits for one, if that is asked for: then one must have been given.
    fn take(&self, wait: bool) -> Option<Job> {
        let mut jobs = self.jobs();
        if wait {
            let finished = self.0.finished.wait_while(jobs, |jobs| jobs.finished.is_empty());
            jobs = finished.unwrap_or_else(PoisonError::into_inner);
        }
        jobs.finished.pop_front()
    }

    /// A panic ends the process, so that what a mutex guards is never left half done.
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use std::io::{Read, Seek};

    use super::*;
    use crate::flow::Flow;
    use crate::name::tests::open;

    /// Two hundred files of a byte more each, and what they are then.
    fn close(mut closer: Closer) -> Vec<(u64, u64, Vec<u8>)> {
        let mut files = Vec::new();
        closer.make_entries(("out/", Dialect::Tcpflow));
        for number in 0..200_u8 {
            let file = tempfile::tempfile().unwrap();
            files.push(file.try_clone().unwrap());
            let begin = closer.bytes().len();
            closer.bytes().resize(begin + usize::from(number), number);
            let last = Last {
                bytes: (begin..begin + usize::from(number), 1),
                length: 0,
                at_least: Some(u64::from(number) + 2),
                digests: None,
                times: Some(Timestamp::new(7, 0)),
            };
            closer.add(
                Ended { flow: Flow::new(open(number.into())), close: None, digests: Vec::new(), peer: None },
                Some((Place::Open(file.into()), last)),
            );
        }
        closer.submit();
        let mut closed = Vec::new();
        let mut entries = Vec::new();
        while let Some(mut job) = closer.closed(true) {
            closed.extend(std::iter::from_fn(|| job.next_closed(|| false)).map(|(closing, _)| closing));
            job.entries(|text| entries.extend_from_slice(text));
            closer.use_again(job);
        }
        assert_eq!(String::from_utf8(entries).unwrap().matches("<fileobject>").count(), 200);
        let seen = closed.into_iter().zip(files).map(|(Closing { ended, left, fault, .. }, mut file)| {
            let (left, written) = left;
            assert!(written.is_ok() && fault.is_none());
            assert_eq!(ended.flow.file_length, left + 2);
            let seven = std::time::UNIX_EPOCH + std::time::Duration::from_secs(7);
            assert_eq!(file.metadata().unwrap().modified().unwrap(), seven);
            let mut bytes = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut bytes).unwrap();
            (ended.flow.open.flow.0, left, bytes)
        });
        seen.collect()
    }

    #[test]
    fn files_are_closed_in_order_by_a_thread_and_without() {
        let closed = close(Closer::begin());
        assert_eq!(closed.len(), 200);
        for (number, (flow, left, bytes)) in (0_u8..).zip(&closed) {
            assert_eq!((*flow, *left), (number.into(), number.into()));
            let payload = vec![number; number.into()];
            assert_eq!(bytes, &[&[0][..], &payload, &[0]].concat());
        }
        assert_eq!(closed, close(Closer::default()));
    }

    #[test]
    fn order_is_kept_where_the_thread_has_too_much_to_do() {
        let mut closer = Closer::begin();
        let jobs = u64::try_from(MAX_AHEAD).unwrap() - 1;
        for number in 0..jobs {
            let ended = Ended { flow: Flow::new(open(number)), close: None, digests: Vec::new(), peer: None };
            closer.add(ended, None);
            // As if it had as much to do as it may.
            let busy = if number % 3 == 0 { MAX_JOBS } else { 0 };
            closer.given += busy;
            closer.submit();
            closer.given -= busy;
            assert!(busy == 0 || matches!(closer.done.back(), Some(Some(_))), "the first does it itself");
        }
        let mut numbers = Vec::new();
        while let Some(mut job) = closer.closed(true) {
            numbers.extend(job.next_closed(|| false).map(|(closing, _)| closing.ended.flow.open.flow.0));
        }
        assert_eq!(numbers, Vec::from_iter(0..jobs));
    }
}
