//! The data channels: one from each reassembler, and who is to be heard next.
//!
//! One alone is waited for where its messages are received. Of several, poll(2) says who has something to say, and each
//! of these is heard once before it is asked again, so that none keeps the others waiting.

use std::collections::VecDeque;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use policy::channel::{Error, Receiver};
use policy::manifest;
use policy::ring::Emptying;
use proto::batch::Incoming;
use proto::flow::FromReassembler;

/// The channels, in the order of the reassemblers.
pub struct Channels {
    all: Vec<Channel>,
    /// Who had something to say when that was last asked, and was not heard since.
    ready: VecDeque<usize>,
}

struct Channel {
    receiver: Receiver<FromReassembler>,
    /// Whether the other end is closed, and all is heard.
    is_over: bool,
}

impl Channels {
    /// Takes the channels of so many reassemblers.
    pub fn adopt(workers: u32) -> Result<Self, Error> {
        let channel = |(fd, ring)| {
            let receiver = Receiver::adopt(fd)?.with_ring(Emptying::adopt(ring)?);
            Ok(Channel { receiver, is_over: false })
        };
        let all: Result<Vec<Channel>, Error> = manifest::heard(workers).map(channel).collect();
        Ok(Self { all: all?, ready: VecDeque::new() })
    }

    /// Who is to be heard next, of those that are listened to; none when all of these are over.
    pub fn next(&mut self, listens: impl Fn(usize) -> bool) -> Result<Option<usize>, Error> {
        if let [channel] = &self.all[..] {
            return Ok((!channel.is_over).then_some(0));
        }
        loop {
            if let Some(next) = self.ready.pop_front() {
                return Ok(Some(next));
            }
            let heard =
                self.all.iter().enumerate().filter(|(who, channel)| !channel.is_over && listens(*who));
            let (who, mut fds): (Vec<usize>, Vec<PollFd<'_>>) = heard
                .map(|(who, channel)| (who, PollFd::new(channel.receiver.as_fd(), PollFlags::POLLIN)))
                .unzip();
            if who.is_empty() {
                return Ok(None);
            }
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::Socket(errno)),
            }
            let has_come = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
            self.ready.extend(who.into_iter().zip(&fds).filter(|(_, fd)| has_come(fd)).map(|(who, _)| who));
        }
    }

    /// The next batch of this one; none when it has closed its end.
    pub fn receive(&mut self, who: usize) -> Result<Option<Incoming<'_, FromReassembler>>, Error> {
        let Some(Channel { receiver, is_over }) = self.all.get_mut(who) else { return Ok(None) };
        let batch = receiver.receive()?;
        *is_over = batch.is_none();
        Ok(batch)
    }

    /// Whether there is nothing to be heard just now, after a batch of `who` that was full or not.
    pub fn is_quiet(&self, who: usize, is_full: bool) -> Result<bool, Error> {
        if !self.ready.is_empty() {
            return Ok(false);
        }
        let came = |channel: &Channel| channel.receiver.is_ready();
        Ok(!is_full || !self.all.get(who).map_or(Ok(false), came)?)
    }
}
