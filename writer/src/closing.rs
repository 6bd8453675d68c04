//! What is left to do to a flow's file when the flow has ended: its last bytes, its length, its digests, its
//! times. For a short flow that is half of all there is to do, so a thread of its own does it while the next
//! messages are read.
//!
//! The thread is given descriptors and bytes, and gives back what came of them: it knows no name, and what is
//! counted and told stays with the one that asked. Jobs come back in the order in which they were given, and
//! so the report has its flows in the order in which they ended.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::errno::Errno;
use proto::time::Timestamp;

use crate::contents::{self, extend, set_times};
use crate::digest::{Digests, Named};
use crate::held::Ended;

/// Files in one job: their descriptors are beyond those that `-f` allows.
const MAX_FILES: usize = 64;
/// Jobs that the thread may have at once.
const MAX_JOBS: usize = 3;
/// The thread's stack, in bytes: it only calls the kernel, and digests.
const STACK: usize = 256 * 1024;

/// What is left to do to one file.
#[derive(Debug)]
pub struct Last {
    /// The file, to be closed.
    pub file: OwnedFd,
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
pub struct Outcome {
    /// Whether the last bytes are written.
    pub written: Result<(), Errno>,
    /// What failed first.
    pub fault: Option<Errno>,
    /// The file's length.
    pub length: u64,
    /// Its digests.
    pub digests: Result<Vec<Named>, Errno>,
}

impl Last {
    fn run(mut self, bytes: &[u8]) -> Outcome {
        let (range, offset) = self.bytes;
        let written = match bytes.get(range).filter(|bytes| !bytes.is_empty()) {
            None => Ok(()),
            Some(bytes) => {
                if let Some((digests, _)) = &mut self.digests {
                    digests.write(offset, &[IoSlice::new(bytes)]);
                }
                let written = contents::write_at(&self.file, bytes, offset);
                if written.is_ok() {
                    self.length = self.length.max(offset.saturating_add(contents::length(bytes.len())));
                }
                written
            }
        };
        let extended = match self.at_least.filter(|length| written.is_ok() && *length > self.length) {
            None => Ok(()),
            Some(length) => extend(&self.file, length).inspect(|()| self.length = length),
        };
        let sound = written.and(extended);
        // Reading a file changes its access time, so digests come first.
        let digests = match self.digests {
            None => Ok(Vec::new()),
            Some((mut digests, whole)) => {
                if sound.is_err() {
                    digests.disturb();
                }
                digests.finish(&self.file, self.length, whole && sound.is_ok())
            }
        };
        let timed = self.times.map_or(Ok(()), |start| set_times(&self.file, start));
        Outcome { written, fault: sound.and(timed).err(), length: self.length, digests }
    }
}

/// A flow that has ended, and how far its file is.
#[derive(Debug)]
pub struct Closing {
    /// The flow.
    pub ended: Ended,
    /// How many bytes were left to be written.
    pub left: u64,
    file: File,
}

#[derive(Debug)]
enum File {
    /// There is none, or nothing is left to do.
    None,
    Due(Box<Last>),
    Done(Outcome),
}

impl Closing {
    /// What came of the file.
    pub fn outcome(self) -> (Ended, u64, Option<Outcome>) {
        match self.file {
            File::Done(outcome) => (self.ended, self.left, Some(outcome)),
            File::None | File::Due(_) => (self.ended, self.left, None),
        }
    }
}

/// Flows that ended, and the bytes that their files still get.
#[derive(Debug, Default)]
pub struct Job {
    bytes: Vec<u8>,
    flows: Vec<Closing>,
}

impl Job {
    fn run(&mut self) {
        for closing in &mut self.flows {
            if let File::Due(last) = std::mem::replace(&mut closing.file, File::None) {
                closing.file = File::Done(last.run(&self.bytes));
            }
        }
    }
}

/// Gives jobs to the thread, if there is one, and does them itself otherwise.
#[derive(Debug, Default)]
pub struct Closer {
    thread: Option<Thread>,
    /// Jobs that the thread has.
    given: usize,
    /// What is gathered for the next.
    next: Job,
    done: VecDeque<Job>,
    /// Jobs that are over, whose memory is used again.
    spare: Vec<Job>,
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

    /// Bytes of the next job, to which those of a file are added.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.next.bytes
    }

    /// Adds a flow, with what is left to do to its file.
    pub fn add(&mut self, ended: Ended, last: Option<Last>) {
        let left = last.as_ref().map_or(0, |last| contents::length(last.bytes.0.len()));
        let file = last.map_or(File::None, |last| File::Due(Box::new(last)));
        self.next.flows.push(Closing { ended, left, file });
        if self.next.flows.len() >= MAX_FILES {
            self.submit();
        }
    }

    /// Has done what was added.
    pub fn submit(&mut self) {
        if self.next.flows.is_empty() {
            return;
        }
        while self.given >= MAX_JOBS && self.wait() {}
        let mut job = std::mem::replace(&mut self.next, self.spare.pop().unwrap_or_default());
        if let Some(thread) = &self.thread {
            thread.give(job);
            self.given = self.given.saturating_add(1);
        } else {
            job.run();
            self.done.push_back(job);
        }
    }

    /// Closes what waits to be closed; false if nothing does.
    pub fn make_room(&mut self) -> bool {
        let waiting = !self.next.flows.is_empty();
        self.submit();
        self.wait() || waiting
    }

    /// Waits for a job that the thread has; false if it has none.
    fn wait(&mut self) -> bool {
        self.take(true)
    }

    /// Takes a job back that the thread has done, and waits for it if that is asked for; false if there is none.
    fn take(&mut self, wait: bool) -> bool {
        let Some(thread) = self.thread.as_ref().filter(|_| self.given > 0) else { return false };
        let Some(job) = thread.take(wait) else { return false };
        self.given = self.given.saturating_sub(1);
        self.done.push_back(job);
        true
    }

    /// Flows whose files are done, the one that ended first first; all that were added, if `all` is asked for.
    pub fn closed(&mut self, all: bool) -> Option<Vec<Closing>> {
        while self.take(all) {}
        let mut job = self.done.pop_front()?;
        let flows = std::mem::take(&mut job.flows);
        job.bytes.clear();
        self.spare.push(job);
        Some(flows)
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
        for number in 0..200_u8 {
            let file = tempfile::tempfile().unwrap();
            files.push(file.try_clone().unwrap());
            let begin = closer.bytes().len();
            closer.bytes().resize(begin + usize::from(number), number);
            let last = Last {
                file: file.into(),
                bytes: (begin..begin + usize::from(number), 1),
                length: 0,
                at_least: Some(u64::from(number) + 2),
                digests: None,
                times: Some(Timestamp::new(7, 0)),
            };
            closer.add(
                Ended { flow: Flow::new(open(number.into())), close: None, digests: Vec::new() },
                Some(last),
            );
        }
        closer.submit();
        let mut closed = Vec::new();
        while let Some(flows) = closer.closed(true) {
            closed.extend(flows);
        }
        let seen = closed.into_iter().zip(files).map(|(closing, mut file)| {
            let (ended, left, outcome) = closing.outcome();
            let outcome = outcome.unwrap();
            assert!(outcome.written.is_ok() && outcome.fault.is_none());
            assert_eq!(outcome.length, left + 2);
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
}
