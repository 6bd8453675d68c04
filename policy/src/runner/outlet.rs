//! A descriptor of the user's that is written to without ever waiting for its reader: what it does not take
//! is held back, up to a limit and for a while, and then given up.

use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::write;

use super::error::Error;

/// Bytes that may be held back before nothing more is begun.
const FULL: usize = 1024 * 1024;
/// What a pipe takes whole or not at all (`PIPE_BUF`), and always has room for once poll(2) says so.
const WHOLE: usize = 4096;

/// How long a reader may take nothing once the run is to end.
const HASTE: Duration = Duration::from_millis(300);

/// A descriptor of the user's.
#[derive(Debug)]
pub struct Outlet {
    fd: OwnedFd,
    is_socket: bool,
    /// How the user knows it.
    pub name: &'static str,
    patience: Duration,
    held: Vec<u8>,
    /// Since when its reader has taken nothing of what is held back.
    waiting: Option<Instant>,
    broken: bool,
}

impl Outlet {
    /// Takes the descriptor that the manifest has at `fd`; what its reader leaves for `patience` is given up.
    /// To be called while /proc can still be opened.
    pub fn adopt(fd: RawFd, name: &'static str, patience: Duration) -> Result<Self, Error> {
        let missing = |e| Error::Channel(policy::channel::Error::Missing(fd, e));
        let fd = policy::adopt(fd).map_err(missing)?;
        let kind = fstat(&fd).map(|status| status.st_mode & SFlag::S_IFMT.bits()).unwrap_or_default();
        let is = |flag: SFlag| kind == flag.bits();
        let fd = if is(SFlag::S_IFIFO) || is(SFlag::S_IFCHR) { reopened(&fd).unwrap_or(fd) } else { fd };
        let is_socket = is(SFlag::S_IFSOCK);
        Ok(Self { fd, is_socket, name, patience, held: Vec::new(), waiting: None, broken: false })
    }

    /// Adds what is to be written.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.broken && !bytes.is_empty() {
            self.held.extend_from_slice(bytes);
            self.waiting.get_or_insert_with(Instant::now);
        }
    }

    /// The descriptor, if there is something to write.
    pub fn pending(&self) -> Option<BorrowedFd<'_>> {
        (!self.held.is_empty()).then(|| self.fd.as_fd())
    }

    /// Whether so much is held back that no more should be begun.
    pub fn is_full(&self) -> bool {
        self.held.len() >= FULL
    }

    /// When what is held back will be given up.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.and_then(|since| since.checked_add(self.patience))
    }

    /// Writes a piece, which poll(2) says there is room for. Gives why the outlet is given up, if it is now.
    pub fn write(&mut self) -> Option<String> {
        let piece = piece(&self.held);
        let result = if self.is_socket {
            send(self.fd.as_raw_fd(), piece, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL)
        } else {
            write(&self.fd, piece)
        };
        match result {
            Ok(written) => {
                self.held.drain(..written.min(self.held.len()));
                self.waiting = (!self.held.is_empty()).then(Instant::now);
                None
            }
            Err(Errno::EAGAIN | Errno::EINTR) => None,
            Err(errno) => Some(self.give_up(errno.desc())),
        }
    }

    /// Gives up if its reader has taken nothing for too long.
    pub fn check(&mut self, now: Instant) -> Option<String> {
        let overdue = self.deadline().is_some_and(|deadline| now >= deadline);
        let seconds = self.patience.as_secs();
        overdue.then(|| self.give_up(&format!("nothing was read for {seconds} s")))
    }

    /// The run is to end: its reader is not waited for as long.
    pub fn hasten(&mut self) {
        self.patience = self.patience.min(HASTE);
    }

    /// Writes nothing any more; gives what to tell.
    fn give_up(&mut self, why: &str) -> String {
        self.broken = true;
        self.held = Vec::new();
        self.waiting = None;
        format!("{}: {why}; nothing more is written to it", self.name)
    }
}

/// What to write at once: whole lines, where a piece can hold one.
fn piece(held: &[u8]) -> &[u8] {
    let piece = held.get(..WHOLE).unwrap_or(held);
    let end =
        piece.iter().rposition(|byte| *byte == b'\n').map_or(piece.len(), |last| last.saturating_add(1));
    piece.get(..end).unwrap_or(piece)
}

/// The same pipe or terminal opened anew: O_NONBLOCK on the user's own descriptor would be in force for
/// everyone who shares it.
fn reopened(fd: &OwnedFd) -> Option<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().write(true).custom_flags(flags).open(path).ok().map(OwnedFd::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_lines() {
        assert_eq!(piece(b"a\nb"), b"a\n");
        assert_eq!(piece(b"ab"), b"ab");
        let long = [b'x'; WHOLE + 9];
        assert_eq!(piece(&long).len(), WHOLE);
    }
}
