//! What every role does around its work: the control channel, reasons for ending, the exit status.

use std::fmt::Display;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proto::Breach;
use proto::control::{self, Counts, FromRole, Layer, Level, Notice, Savefile, Start, ToRole};
use proto::limits::MAX_CONTROL;
use proto::plan::Plan;
use proto::text::Text;
use proto::time::Timestamp;

use crate::channel::{Error, receive_whole, send};
use crate::manifest::CONTROL;
use crate::{sandbox, sys};

/// A role's end of its control channel.
#[derive(Debug)]
pub struct Control {
    socket: Arc<OwnedFd>,
}

/// How a role's work ended, when it could be done at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Everything was read and stored.
    Fully,
    /// An input could not be read in full or an output not be stored, and the user was told.
    InPart,
}

/// What `tcpflow` asks for while packets flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// To end in order, as of this time.
    Stop(Timestamp),
    /// To say how far everyone is.
    Count,
    /// To have output go on in another directory.
    Rotate,
}

/// Runs a role: adopts the control channel, sees that a panic or an error is told as a reason, and
/// gives the exit status.
pub fn main<E: Display>(run: impl FnOnce(&Control) -> Result<Done, E>) -> ExitCode {
    let Ok(control) = Control::adopt() else {
        // Started by hand: there is no channel to tell the reason over.
        let text = "this program is started by tcpflow, not by hand\n";
        let _ = nix::unistd::write(std::io::stderr(), text.as_bytes());
        return ExitCode::from(2);
    };
    tell_of_panics(&control);
    #[cfg(sanitized)]
    tell_of_the_sanitizer(&control);
    let last = match run(&control) {
        Ok(done) => FromRole::Done { failed: done == Done::InPart },
        Err(error) => FromRole::Failed(Text::cut(&error.to_string())),
    };
    let failed = matches!(last, FromRole::Failed(_));
    // If tcpflow is gone there is no one left to tell.
    let _ = control.send(&last);
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Makes a panic read as a reason: told over the control channel, then an exit that the sandbox allows.
fn tell_of_panics(control: &Control) {
    // The same descriptor, not another one: the manifest says which are open.
    let control = Control { socket: Arc::clone(&control.socket) };
    std::panic::set_hook(Box::new(move |info| {
        let _ = control.send(&FromRole::Failed(Text::cut(&format!("internal error: {info}"))));
        std::process::exit(101);
    }));
}

/// Makes what the sanitizer finds read as a reason, for standard error leads nowhere. It ends the process then.
#[cfg(sanitized)]
fn tell_of_the_sanitizer(control: &Control) {
    let control = Control { socket: Arc::clone(&control.socket) };
    sys::sanitizer::tell_of_reports(move |report| {
        let _ = control.send(&FromRole::Failed(Text::cut(report)));
    });
}

impl Control {
    fn adopt() -> Result<Self, Error> {
        let socket = sys::adopt(CONTROL).map_err(|e| Error::Missing(CONTROL, e))?;
        Ok(Self { socket: Arc::new(socket) })
    }

    /// The plan and the inputs that follow it.
    pub fn plan(&self) -> Result<(Plan, Vec<Savefile>), Error> {
        let ToRole::Plan(plan) = self.receive()? else {
            return Err(Breach::Forbidden("the first message is not a plan").into());
        };
        let mut inputs = Vec::new();
        loop {
            match self.receive()? {
                ToRole::Input(input) => inputs.push(input),
                ToRole::Confine => return Ok((*plan, inputs)),
                ToRole::Plan(_) | ToRole::Start(_) | ToRole::Count | ToRole::Rotate | ToRole::Stop(_) => {
                    return Err(Breach::Forbidden("inputs were due").into());
                }
            }
        }
    }

    /// Tells the number of the group of packet sockets that was begun.
    pub fn group(&self, number: u16) -> Result<(), Error> {
        self.send(&FromRole::Group(number))
    }

    /// Says that this role is confined and waits until all are; gives the word to start. Then it hides.
    pub fn ready(&self, layers: Vec<Layer>) -> Result<Start, Error> {
        self.send(&FromRole::Ready(layers))?;
        match self.receive()? {
            ToRole::Start(start) => {
                sandbox::hide()?;
                Ok(start)
            }
            ToRole::Plan(_)
            | ToRole::Input(_)
            | ToRole::Confine
            | ToRole::Count
            | ToRole::Rotate
            | ToRole::Stop(_) => Err(Breach::Forbidden("the start was due").into()),
        }
    }

    /// Tells the user something. A line that cannot be sent is not worth ending for: the channel's end
    /// is noticed elsewhere.
    pub fn notice(&self, level: Level, text: &str) {
        let _ = self.send(&FromRole::Notice(Notice { level, text: Text::cut(text) }));
    }

    /// Answers how far this role is. As with a notice, an answer that cannot be sent is not worth ending for.
    pub fn counts(&self, counts: Counts) {
        let _ = self.send(&FromRole::Counts(counts));
    }

    /// What `tcpflow` asks for while packets flow, if anything, without waiting.
    pub fn request(&self) -> Result<Option<Request>, Error> {
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::ZERO) {
            Ok(0) | Err(Errno::EINTR) => Ok(None),
            Ok(_) => match self.receive()? {
                ToRole::Stop(at) => Ok(Some(Request::Stop(at))),
                ToRole::Count => Ok(Some(Request::Count)),
                ToRole::Rotate => Ok(Some(Request::Rotate)),
                ToRole::Plan(_) | ToRole::Input(_) | ToRole::Confine | ToRole::Start(_) => {
                    Err(Breach::Forbidden("only a stop, a count or a rotation was due").into())
                }
            },
            Err(errno) => Err(Error::Socket(errno)),
        }
    }

    fn receive(&self) -> Result<ToRole, Error> {
        let datagram = receive_whole(&self.socket, MAX_CONTROL)?;
        if datagram.is_empty() {
            return Err(Error::Gone);
        }
        Ok(control::decode(&datagram)?)
    }

    fn send(&self, message: &FromRole) -> Result<(), Error> {
        send(&self.socket, &control::encode(message)?)
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
