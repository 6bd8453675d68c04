//! What savefiles and interfaces have in common: frames are filtered, counted and handed on in batches.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pcap::BpfProgram;
use policy::channel::Sender;
use policy::now;
use policy::role::{Control, Done, Request};
use proto::control::{Counts, Level};
use proto::frame::{CaptureEnd, Dropped, Ending, Frame, FromCapture, KernelCounts, Rotate, SavefileDrops};
use proto::text::Text;
use proto::time::Timestamp;

use crate::error::Error;
use crate::filter::passes;

/// How often this process asks how far everyone is, where it is to do that by itself.
const ASK: Duration = Duration::from_millis(250);

/// How often the others are told of further drops, at most.
const TELL: Duration = Duration::from_secs(1);

/// What the user is told when the kernel drops packets for the first time.
const DROPPING: &str =
    "the kernel drops packets: more come than can be stored (-S buffer_size gives it more room)";

/// The way to the reassembler.
pub struct Relay<'c> {
    control: &'c Control,
    sender: Sender<FromCapture>,
    frames_read: u64,
    frames_filtered: u64,
    /// What savefiles said of frames that were lost before.
    savefile_drops: Option<SavefileDrops>,
    /// How far reading is, beside frames.
    reading: Reading,
    /// When this process is next to ask how far everyone is, without being told to; none: never.
    ask: Option<Instant>,
    /// What the others know of drops, if they are to.
    told: Option<Told>,
    /// Where output is to go on in another directory: how many questions were asked behind that, and wait for it. More
    /// than one only where each such word is to be followed.
    rotations: VecDeque<u32>,
    /// Whether it is.
    follows_each: bool,
    /// The first thing that failed.
    failure: Option<Text>,
}

/// What the others know of drops.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// Frames, in all.
    frames: u64,
    /// When they were told last.
    at: Option<Instant>,
}

/// How far reading is.
#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    /// Bytes read of the savefiles, as they lie on the disk.
    bytes: u64,
    /// How many there are, where that is known.
    of: Option<u64>,
    /// What the kernel counted of a live capture.
    kernel: Option<KernelCounts>,
}

/// How the source came to its end, failures aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// There was no more to read.
    Reached,
    /// `tcpflow` asked for it.
    Stopped,
}

/// What was there when waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// The source can be read.
    Ready,
    /// `tcpflow` wants an end, as of this time.
    Stopped(Timestamp),
    /// `tcpflow` wants output to go on in another directory: see [`Relay::rotate`].
    Rotating,
    /// Nothing, within the time given.
    Timeout,
}

impl<'c> Relay<'c> {
    /// Hands on over `sender`, listening to `control`.
    pub fn new(control: &'c Control, sender: Sender<FromCapture>) -> Self {
        Self {
            control,
            sender,
            frames_read: 0,
            frames_filtered: 0,
            savefile_drops: None,
            reading: Reading::default(),
            ask: None,
            told: None,
            rotations: VecDeque::new(),
            follows_each: false,
            failure: None,
        }
    }

    /// Has this process ask several times a second how far everyone is, while savefiles are read of which
    /// so many bytes are known to be there.
    pub fn ask_by_itself(&mut self, of: Option<u64>, whether: bool) {
        self.reading.of = of;
        self.ask = whether.then(Instant::now);
    }

    /// Counts bytes of a savefile.
    pub fn taken(&mut self, bytes: u64) {
        self.reading.bytes = self.reading.bytes.saturating_add(bytes);
    }

    /// Has the others told of what the kernel drops, as it does.
    pub fn tell_of_drops(&mut self, whether: bool) {
        self.told = whether.then(Told::default);
    }

    /// Takes down what the kernel has counted in all, and tells the user as soon as it drops anything; the others too,
    /// if they are to know.
    pub fn counted(&mut self, counts: KernelCounts) -> Result<(), Error> {
        if counts.dropped > 0 && self.dropped() == 0 {
            self.control.notice(Level::Warning, DROPPING);
        }
        self.reading.kernel = Some(counts);
        let Some(Told { frames: known, at }) = self.told else { return Ok(()) };
        let is_due = at.is_none_or(|at| at.elapsed() >= TELL);
        if counts.dropped > known && is_due { self.tell(counts.dropped) } else { Ok(()) }
    }

    fn dropped(&self) -> u64 {
        self.reading.kernel.map_or(0, |counts| counts.dropped)
    }

    /// Tells the others of drops.
    fn tell(&mut self, frames: u64) -> Result<(), Error> {
        self.told = Some(Told { frames, at: Some(Instant::now()) });
        Ok(self.sender.send(&FromCapture::Dropped(Dropped { time: now(), frames }), &[])?)
    }

    /// Tells the user that an input failed, which the run's ending will say too.
    pub fn failed(&mut self, words: &str) {
        self.control.notice(Level::Error, words);
        self.failure.get_or_insert_with(|| Text::cut(words));
    }

    /// Notes what a savefile says of frames that were lost when it was recorded, and tells the user of any.
    pub fn lost_before(&mut self, name: &str, drops: SavefileDrops) {
        if drops.dropped > 0 {
            let words = format!("{name}: {} packets were dropped when it was recorded", drops.dropped);
            self.control.notice(Level::Warning, &words);
        }
        self.savefile_drops = Some(self.savefile_drops.unwrap_or_default().and(drops));
    }

    /// Begins an input.
    pub fn input(&mut self, name: &str, completing: bool) -> Result<(), Error> {
        Ok(self.sender.send(&FromCapture::Input { name: Text::cut(name), completing }, &[])?)
    }

    /// Begins an interface of the input.
    pub fn interface(&mut self, link_type: u32, snap_length: u32, nanoseconds: bool) -> Result<(), Error> {
        Ok(self.sender.send(&FromCapture::Interface { link_type, snap_length, nanoseconds }, &[])?)
    }

    /// Counts a frame and, if the filter lets it through, hands it on.
    #[inline]
    pub fn frame(&mut self, frame: Frame, data: &[u8], filter: Option<&BpfProgram>) -> Result<(), Error> {
        self.frames_read = self.frames_read.saturating_add(1);
        if passes(filter, data, frame.original) {
            self.sender.send(&FromCapture::Frame(frame), data)?;
        } else {
            self.frames_filtered = self.frames_filtered.saturating_add(1);
        }
        Ok(())
    }

    /// Waits for `source` or `tcpflow`. What was gathered goes out before this process sleeps, so that
    /// no frame lies here while the network is quiet.
    pub fn wait(&mut self, source: &impl AsFd, timeout: PollTimeout) -> Result<Woken, Error> {
        self.ask_if_due()?;
        let woken = self.poll(source, PollTimeout::ZERO)?;
        if woken != Woken::Timeout {
            return Ok(woken);
        }
        self.sender.flush()?;
        self.poll(source, timeout)
    }

    fn say_how_far(&self) {
        let (Reading { bytes, of, .. }, dropped) = (self.reading, self.dropped());
        let (frames, filtered) = (self.frames_read, self.frames_filtered);
        self.control.counts(Counts::Capture { bytes, of, frames, filtered, dropped });
    }

    /// A question must not come before what was asked before it: its answer tells that this is done.
    fn asked(&mut self) -> Result<(), Error> {
        match self.rotations.back_mut() {
            Some(questions) => *questions = questions.saturating_add(1),
            None => self.count()?,
        }
        Ok(())
    }

    /// Says how far reading is, and passes the question on.
    fn count(&mut self) -> Result<(), Error> {
        self.say_how_far();
        self.sender.send(&FromCapture::Count, &[])?;
        Ok(self.sender.flush()?)
    }

    fn ask_if_due(&mut self) -> Result<(), Error> {
        let Some(due) = self.ask else { return Ok(()) };
        let now = Instant::now();
        if now < due {
            return Ok(());
        }
        self.ask = now.checked_add(ASK);
        self.count()
    }

    /// Says what time it is, because nothing comes that would.
    pub fn tick(&mut self) -> Result<(), Error> {
        self.sender.send(&FromCapture::Tick(now()), &[])?;
        Ok(self.sender.flush()?)
    }

    /// Has this process follow each word that output is to go on in another directory, also where another one comes before
    /// that is done. One capture alone has one directory answer both; of several each has to make as many as the others.
    pub fn follow_each(&mut self) {
        self.follows_each = true;
    }

    /// Whether output is to go on in another directory.
    pub fn has_to_rotate(&self) -> bool {
        !self.rotations.is_empty()
    }

    /// Has output go on in another directory, after all that was captured before.
    pub fn rotate(&mut self) -> Result<(), Error> {
        let (frames_filtered, kernel) = (self.frames_filtered, self.reading.kernel);
        self.sender.send(&FromCapture::Rotate(Rotate { now: now(), frames_filtered, kernel }), &[])?;
        for _ in 0..self.rotations.pop_front().unwrap_or_default() {
            self.count()?;
        }
        Ok(self.sender.flush()?)
    }

    fn poll(&mut self, source: &impl AsFd, timeout: PollTimeout) -> Result<Woken, Error> {
        let mut fds = [
            PollFd::new(source.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.control.as_fd(), PollFlags::POLLIN),
        ];
        let count = loop {
            match poll(&mut fds, timeout) {
                Ok(count) => break count,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::Poll(errno)),
            }
        };
        let [source, control] = fds;
        if control.any().unwrap_or(true) {
            match self.control.request()? {
                Some(Request::Stop(at)) => return Ok(Woken::Stopped(at)),
                Some(Request::Count) => self.asked()?,
                Some(Request::Rotate) => {
                    if self.follows_each || self.rotations.is_empty() {
                        self.rotations.push_back(0);
                    }
                    return Ok(Woken::Rotating);
                }
                None => {}
            }
        }
        // An error or a hang-up is for the next read to tell.
        let ready = count > 0 && source.any().unwrap_or(true);
        Ok(if ready { Woken::Ready } else { Woken::Timeout })
    }

    /// Says how it ended, and how far it came; the last that is sent.
    pub fn end(mut self, end: End, kernel: Option<KernelCounts>) -> Result<Done, Error> {
        self.reading.kernel = kernel;
        if let Some(KernelCounts { dropped: dropped @ 1.., .. }) = kernel {
            self.control.notice(Level::Warning, &format!("{dropped} packets were dropped by the kernel"));
            if self.told.is_some_and(|told| dropped > told.frames) {
                self.tell(dropped)?;
            }
        }
        self.say_how_far();
        let done = if self.failure.is_some() { Done::InPart } else { Done::Fully };
        let ending = match (end, self.failure) {
            (End::Stopped, _) => Ending::Stopped,
            (End::Reached, Some(words)) => Ending::Interrupted(words),
            (End::Reached, None) => Ending::Complete,
        };
        let (frames_read, frames_filtered) = (self.frames_read, self.frames_filtered);
        let savefile_drops = self.savefile_drops;
        let end = CaptureEnd { ending, frames_read, frames_filtered, kernel, savefile_drops };
        self.sender.send(&FromCapture::End(end), &[])?;
        self.sender.flush()?;
        Ok(done)
    }
}
