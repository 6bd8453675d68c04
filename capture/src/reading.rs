//! Reading savefiles, confined: their records go to the relay, what is wrong with them to the user.

use std::io;

use nix::errno::Errno;
use nix::poll::PollTimeout;
use pcap::BpfProgram;
use proto::frame::Frame;

use crate::defect::Defect;
use crate::error::Error;
use crate::filter::Filters;
use crate::inputs::{Input, Inputs};
use crate::link;
use crate::record::{Need, Record, Step};
use crate::relay::{End, Relay, Woken};
use crate::savefile::Savefile;
use crate::window::Window;

/// Reads all savefiles in their order.
pub fn relay_all(inputs: Inputs, filters: &Filters, relay: &mut Relay<'_>) -> Result<End, Error> {
    for Input { name, file, completing } in inputs.opened {
        let mut reading = Reading::new(&name, filters);
        relay.input(&name, completing)?;
        let read = reading.read(Window::new(file), relay);
        if let Some(drops) = reading.savefile.drops() {
            relay.lost_before(&name, drops);
        }
        match read {
            Ok(()) => {}
            Err(Halt::Role(error)) => return Err(error),
            Err(Halt::Stopped) => return Ok(End::Stopped),
            Err(Halt::Broken(words)) if reading.is_open() => relay.failed(&format!("{name}: {words}")),
            // As in tcpflow, an input that cannot be opened is the last one looked at.
            Err(Halt::Broken(words) | Halt::Refused(words)) => {
                relay.failed(&words);
                return Ok(End::Reached);
            }
        }
    }
    if let Some(words) = inputs.failed {
        relay.failed(&words);
    }
    Ok(End::Reached)
}

/// Why a savefile was not read to its end.
enum Halt {
    /// This process cannot go on.
    Role(Error),
    /// `tcpflow` asked for an end.
    Stopped,
    /// The file is broken, in these words.
    Broken(String),
    /// The file is sound, but of no use.
    Refused(String),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Role(error)
    }
}

impl From<Defect> for Halt {
    fn from(defect: Defect) -> Self {
        Self::Broken(defect.to_string())
    }
}

/// One savefile being read.
struct Reading<'a> {
    name: &'a str,
    filters: &'a Filters,
    savefile: Savefile,
    /// The filter for each interface.
    programs: Vec<Option<&'a BpfProgram>>,
    /// The link type of the first interface, while none was supported.
    unsupported: Option<u32>,
}

impl<'a> Reading<'a> {
    fn new(name: &'a str, filters: &'a Filters) -> Self {
        Self { name, filters, savefile: Savefile::default(), programs: Vec::new(), unsupported: None }
    }

    /// Whether libpcap would say that it has opened the file: its first interface is known.
    fn is_open(&self) -> bool {
        !self.programs.is_empty()
    }

    fn read(&mut self, mut window: Window, relay: &mut Relay<'_>) -> Result<(), Halt> {
        loop {
            match self.savefile.step(window.bytes())? {
                Step::Record { used, record } => {
                    match record {
                        Record::Frame(frame, data) => self.frame(frame, data, relay)?,
                        Record::Interface { link_type, snap_length, nanoseconds } => {
                            self.interface(link_type)?;
                            relay.interface(link_type, snap_length, nanoseconds)?;
                        }
                        Record::Other => {}
                    }
                    window.advance(used);
                }
                Step::Need(need) => {
                    if !fill(&mut window, need, relay)? {
                        self.savefile.end(need, window.bytes().len())?;
                        return self.check_supported();
                    }
                }
            }
        }
    }

    fn interface(&mut self, link_type: u32) -> Result<(), Halt> {
        if link::is_supported(link_type) {
            self.unsupported = None;
        } else if !self.is_open() {
            self.unsupported = Some(link_type);
        }
        let program = self.filters.program(link_type).map_err(|words| Halt::Broken(words.to_owned()))?;
        self.programs.push(program);
        Ok(())
    }

    #[inline]
    fn frame(&self, frame: Frame, data: &[u8], relay: &mut Relay<'_>) -> Result<(), Halt> {
        if self.unsupported.is_some() {
            return self.check_supported();
        }
        let index = usize::try_from(frame.interface).unwrap_or(usize::MAX);
        let program = self.programs.get(index).copied().flatten();
        Ok(relay.frame(frame, data, program)?)
    }

    /// A file of which no interface can be decoded is refused; frames of single ones are for the
    /// reassembler to set aside.
    fn check_supported(&self) -> Result<(), Halt> {
        match self.unsupported {
            None => Ok(()),
            Some(link_type) => Err(Halt::Refused(link::refusal(link_type, self.name))),
        }
    }
}

/// Waits for more of the file and reads it; false at its end.
fn fill(window: &mut Window, need: Need, relay: &mut Relay<'_>) -> Result<bool, Halt> {
    match relay.wait(window, PollTimeout::NONE)? {
        Woken::Stopped => Err(Halt::Stopped),
        Woken::Timeout => Ok(true),
        Woken::Ready => window
            .fill(need.total())
            .map_err(|error| Halt::Broken(format!("error reading dump file: {}", words(&error)))),
    }
}

/// An error in the system's words where it is the system's, without its number.
fn words(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |number| Errno::from_raw(number).desc().to_owned())
}
