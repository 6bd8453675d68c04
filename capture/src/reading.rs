//! Reading savefiles, confined: their records go to the relay, what is wrong with them to the user.

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
use crate::source::Failure;
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
    /// Whether there is nothing more to be had without reading the file.
    dry: bool,
}

impl<'a> Reading<'a> {
    fn new(name: &'a str, filters: &'a Filters) -> Self {
        Self {
            name,
            filters,
            savefile: Savefile::default(),
            programs: Vec::new(),
            unsupported: None,
            dry: false,
        }
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
                    if !self.fill(&mut window, need, relay)? {
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

    /// Gets more of the file, waiting for it if need be; false at its end.
    ///
    /// What was read of a compressed file may still make more: then nothing is waited for, but a user who
    /// wants an end is heard all the same.
    fn fill(&mut self, window: &mut Window, need: Need, relay: &mut Relay<'_>) -> Result<bool, Halt> {
        let timeout = if self.dry { PollTimeout::NONE } else { PollTimeout::ZERO };
        match relay.wait(window, timeout)? {
            Woken::Stopped(_) => return Err(Halt::Stopped),
            Woken::Rotating => {
                relay.rotate()?;
                return Ok(true);
            }
            woken @ (Woken::Ready | Woken::Timeout) => window.grant(woken == Woken::Ready),
        }
        let before = window.taken();
        let outcome = window.fill(need.total());
        relay.taken(window.taken().saturating_sub(before));
        self.dry = outcome == Err(Failure::Wait);
        match outcome {
            Ok(more) => Ok(more),
            Err(Failure::Wait) => Ok(true),
            Err(failure @ Failure::System(_)) => {
                Err(Halt::Broken(format!("error reading dump file: {failure}")))
            }
            // Libpcap has no words for this, so that they need not be without the name before it is open.
            Err(failure @ Failure::Compressed { .. }) if self.is_open() => {
                Err(Halt::Broken(failure.to_string()))
            }
            Err(failure @ Failure::Compressed { .. }) => {
                Err(Halt::Refused(format!("{}: {failure}", self.name)))
            }
        }
    }
}
