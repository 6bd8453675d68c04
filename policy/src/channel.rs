//! Data channels: batches over SEQPACKET sockets, one way.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recvmsg, sendmsg};
use proto::batch::{self, Incoming, Outgoing};
use proto::limits::MAX_DATAGRAM;
use proto::pages::Pages;
use proto::{Breach, Message};

use crate::ring::{Emptying, Filling};
use crate::{sandbox, sys};

/// Why a channel failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The channel is not there.
    #[error("descriptor {0} of the manifest is not open")]
    Missing(RawFd, #[source] std::io::Error),
    /// The peer is gone.
    #[error("the other end is gone")]
    Gone,
    /// The kernel refused.
    #[error("socket: {0}")]
    Socket(Errno),
    /// Memory that is shared could not be mapped.
    #[error("shared memory: {0}")]
    Memory(Errno),
    /// The peer broke the protocol.
    #[error("protocol breach: {0}")]
    Breach(#[from] Breach),
    /// What was to be given up with the word to start could not be.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
}

/// The sending end of a data channel.
#[derive(Debug)]
pub struct Sender<M> {
    socket: OwnedFd,
    batch: Outgoing<M>,
    /// Where payload goes, if not with what is said of it.
    ring: Option<Filling>,
}

impl<M: Message> Sender<M> {
    /// Takes the socket that the manifest has at `fd`.
    pub fn adopt(fd: RawFd) -> Result<Self, Error> {
        let socket = sys::adopt(fd).map_err(|e| Error::Missing(fd, e))?;
        Ok(Self { socket, batch: Outgoing::default(), ring: None })
    }

    /// Puts payload into memory that is shared with the receiver, where there is some.
    pub fn with_ring(self, ring: Option<Filling>) -> Self {
        Self { ring, ..self }
    }

    /// Puts a message into the batch, sending the batch first if it is full.
    #[inline]
    pub fn send(&mut self, message: &M, payload: &[u8]) -> Result<(), Error> {
        if message.is_large() || self.batch.is_full_for(payload.len()) {
            self.flush()?;
        }
        Ok(self.batch.push(message, payload)?)
    }

    /// Whether there is nothing that was not sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Sends what the batch holds, if anything; blocks while the peer is slow. If it fails the batch is as it
    /// was, and can be sent later.
    pub fn flush(&mut self) -> Result<(), Error> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let parts = match &mut self.ring {
            Some(ring) => {
                let [head, payload] = self.batch.parts_beside()?;
                ring.fill(payload, self.socket.as_fd())?;
                [head, &[]]
            }
            None => self.batch.parts()?,
        }
        .map(IoSlice::new);
        loop {
            match sendmsg::<()>(self.socket.as_raw_fd(), &parts, &[], MsgFlags::MSG_NOSIGNAL, None) {
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(Error::Gone),
                Err(errno) => return Err(Error::Socket(errno)),
            }
        }
        self.batch.advance();
        if let Some(ring) = &mut self.ring {
            ring.advance();
        }
        Ok(())
    }
}

/// The receiving end of a data channel.
#[derive(Debug)]
pub struct Receiver<M> {
    socket: OwnedFd,
    buffer: Pages,
    sequence: u64,
    /// Where payload comes from, if not with what is said of it.
    ring: Option<Emptying>,
    messages: std::marker::PhantomData<fn() -> M>,
}

impl<M: Message> Receiver<M> {
    /// Takes the socket that the manifest has at `fd`.
    pub fn adopt(fd: RawFd) -> Result<Self, Error> {
        let socket = sys::adopt(fd).map_err(|e| Error::Missing(fd, e))?;
        Ok(Self {
            socket,
            buffer: Pages::new(MAX_DATAGRAM),
            sequence: 0,
            ring: None,
            messages: std::marker::PhantomData,
        })
    }

    /// Takes payload out of memory that is shared with the sender, where there is some.
    pub fn with_ring(self, ring: Option<Emptying>) -> Self {
        Self { ring, ..self }
    }

    /// Whether a batch has come already, or the peer's end, without waiting for either.
    pub fn is_ready(&self) -> Result<bool, Error> {
        let mut byte = [0];
        let mut parts = [IoSliceMut::new(&mut byte)];
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        match recvmsg::<()>(self.socket.as_raw_fd(), &mut parts, None, flags) {
            Ok(_) | Err(Errno::ECONNRESET) => Ok(true),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
            Err(errno) => Err(Error::Socket(errno)),
        }
    }

    /// The next batch; none when the peer has closed its end.
    pub fn receive(&mut self) -> Result<Option<Incoming<'_, M>>, Error> {
        let mut length = receive(&self.socket, &mut self.buffer)?;
        if length == 0 {
            return Ok(None);
        }
        let beside = batch::beside(self.buffer.get(..length).unwrap_or_default())?;
        if beside > 0 {
            let refusal = Breach::Forbidden("payload in memory that is not shared");
            let ring = self.ring.as_mut().ok_or(refusal)?;
            let end = length.saturating_add(beside);
            let room = self.buffer.get_mut(length..end);
            ring.take(room.ok_or(Breach::TooLong { what: "datagram", length: end, limit: MAX_DATAGRAM })?)?;
            length = end;
        }
        let datagram = self.buffer.get(..length).ok_or(Breach::Short(length))?;
        let batch = Incoming::open(datagram, self.sequence)?;
        self.sequence = self.sequence.saturating_add(1);
        Ok(Some(batch))
    }
}

impl<M> AsFd for Sender<M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<M> AsFd for Receiver<M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Sends one message of a control channel.
pub fn send(socket: &OwnedFd, datagram: &[u8]) -> Result<(), Error> {
    loop {
        match nix::sys::socket::send(socket.as_raw_fd(), datagram, MsgFlags::MSG_NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(Error::Gone),
            Err(errno) => return Err(Error::Socket(errno)),
        }
    }
}

/// Receives one datagram of a control channel, or nothing where the peer has closed it, in a buffer of its own size: one
/// for the longest that may come would have to be made and emptied for each of those few that are a handful of bytes.
pub fn receive_whole(socket: &OwnedFd, limit: usize) -> Result<Vec<u8>, Error> {
    let length = loop {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC;
        match recvmsg::<()>(socket.as_raw_fd(), &mut [], None, flags) {
            Ok(message) => break message.bytes,
            Err(Errno::EINTR | Errno::ECONNRESET) => {}
            Err(errno) => return Err(Error::Socket(errno)),
        }
    };
    let mut datagram = vec![0; length.min(limit)];
    let length = receive(socket, &mut datagram)?;
    datagram.truncate(length);
    Ok(datagram)
}

/// Receives one datagram, refusing descriptors and anything that does not fit.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Result<usize, Error> {
    loop {
        // Without a buffer for ancillary data the kernel closes descriptors that come along, and says so.
        let mut parts = [IoSliceMut::new(buffer)];
        match recvmsg::<()>(socket.as_raw_fd(), &mut parts, None, MsgFlags::empty()) {
            Ok(message) if message.flags.contains(MsgFlags::MSG_CTRUNC) => {
                return Err(Breach::Forbidden("a descriptor came where none is due").into());
            }
            Ok(message) if message.flags.contains(MsgFlags::MSG_TRUNC) => {
                return Err(Breach::Forbidden("datagram longer than any may be").into());
            }
            Ok(message) => return Ok(message.bytes),
            // The second is told once, by a peer that went without having read all that was sent to it. What it
            // had sent before, as its last word, is still there.
            Err(Errno::EINTR | Errno::ECONNRESET) => {}
            Err(errno) => return Err(Error::Socket(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    #[test]
    fn the_last_word_of_a_peer_that_did_not_listen_is_heard() {
        let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
        let (ours, peer) = pair.unwrap();
        send(&peer, b"the last word").unwrap();
        send(&ours, b"never read").unwrap();
        drop(peer);
        assert_eq!(receive_whole(&ours, 64).unwrap(), b"the last word");
        assert_eq!(receive_whole(&ours, 64).unwrap(), b"");
    }

    #[test]
    fn what_is_longer_than_it_may_be_is_refused() {
        let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
        let (ours, peer) = pair.unwrap();
        for _ in 0..2 {
            send(&peer, b"four").unwrap();
        }
        assert_eq!(receive_whole(&ours, 4).unwrap(), b"four");
        assert!(matches!(receive_whole(&ours, 3), Err(Error::Breach(Breach::Forbidden(_)))));
    }
}
