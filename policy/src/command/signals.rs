//! The signals by which a user ends a capture, asks how far it is, or has output go on in another directory, turned into
//! bytes on sockets that can be polled.

use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

use super::error::Error;

/// All that are caught, by what they mean.
#[derive(Debug)]
pub struct Caught {
    /// To end.
    pub end: Signals,
    /// To say how far everyone is.
    pub ask: Signals,
    /// To have output go on in another directory.
    pub rotate: Signals,
}

/// Signals of one meaning, caught from now on.
#[derive(Debug)]
pub struct Signals {
    socket: UnixStream,
}

impl Signals {
    /// Catches SIGINT, SIGTERM and SIGHUP, even where a shell has set them to be ignored, as it does for
    /// what it runs in the background: tcpflow has always ended by them.
    pub fn that_end() -> Result<Self, Error> {
        Self::catch(&[SIGINT, SIGTERM, SIGHUP])
    }

    /// Catches SIGUSR1.
    pub fn that_ask() -> Result<Self, Error> {
        Self::catch(&[SIGUSR1])
    }

    /// Catches SIGUSR2.
    pub fn that_rotate() -> Result<Self, Error> {
        Self::catch(&[SIGUSR2])
    }

    fn catch(signals: &[i32]) -> Result<Self, Error> {
        let (socket, signalled) = UnixStream::pair().map_err(Error::Signals)?;
        socket.set_nonblocking(true).map_err(Error::Signals)?;
        for signal in signals {
            let end = signalled.try_clone().map_err(Error::Signals)?;
            signal_hook::low_level::pipe::register(*signal, end).map_err(Error::Signals)?;
        }
        Ok(Self { socket })
    }

    /// Whether any of them came since the last call.
    pub fn came(&self) -> bool {
        let mut bytes = [0; 64];
        loop {
            match (&self.socket).read(&mut bytes) {
                Ok(length) => return length > 0,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
