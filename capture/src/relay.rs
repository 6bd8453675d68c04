//! What savefiles and interfaces have in common: frames are filtered, counted and handed on in batches.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pcap::BpfProgram;
use policy::channel::Sender;
use policy::role::{Control, Done, Request};
use proto::control::{Counts, Level};
use proto::frame::{CaptureEnd, Ending, Frame, FromCapture, KernelCounts, SavefileDrops};
use proto::text::Text;

use crate::error::Error;
use crate::filter::passes;

/// The way to the reassembler.
pub struct Relay<'c> {
    control: &'c Control,
    sender: Sender<FromCapture>,
    frames_read: u64,
    frames_filtered: u64,
    /// What savefiles said of frames that were lost before.
    savefile_drops: Option<SavefileDrops>,
    /// The first thing that failed.
    failure: Option<Text>,
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
    /// `tcpflow` wants an end.
    Stopped,
    /// Nothing, within the time given.
    Timeout,
}

impl<'c> Relay<'c> {
    /// Hands on over `sender`, listening to `control`.
    pub fn new(control: &'c Control, sender: Sender<FromCapture>) -> Self {
        Self { control, sender, frames_read: 0, frames_filtered: 0, savefile_drops: None, failure: None }
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
        let woken = self.poll(source, PollTimeout::ZERO)?;
        if woken != Woken::Timeout {
            return Ok(woken);
        }
        self.sender.flush()?;
        self.poll(source, timeout)
    }

    /// Says how far reading is, and passes the question on.
    fn count(&mut self) -> Result<(), Error> {
        let counts = Counts::Capture { bytes: 0, of: None, frames: self.frames_read, dropped: 0 };
        self.control.counts(counts);
        self.sender.send(&FromCapture::Count, &[])?;
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
                Some(Request::Stop) => return Ok(Woken::Stopped),
                Some(Request::Count) => self.count()?,
                None => {}
            }
        }
        // An error or a hang-up is for the next read to tell.
        let ready = count > 0 && source.any().unwrap_or(true);
        Ok(if ready { Woken::Ready } else { Woken::Timeout })
    }

    /// Says how it ended; the last that is sent.
    pub fn end(mut self, end: End, kernel: Option<KernelCounts>) -> Result<Done, Error> {
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
