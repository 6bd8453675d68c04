//! One layer of compression, or none: what comes from below is looked at, and undone if it is compressed.

use std::rc::Rc;

use super::Failure;
use super::decoder::{Decoder, Fault, State};
use super::descriptor::Descriptor;
use super::format::{ENOUGH, Format};
use super::pending::Pending;
use super::zip::Zip;

/// The layer.
#[derive(Debug)]
pub struct Layer {
    below: Below,
    pending: Pending,
    /// None until enough has come to tell.
    format: Option<Format>,
    decoder: Option<Box<dyn Decoder>>,
    /// Why nothing more comes from below, if it should.
    broken_below: Option<Failure>,
    /// How it ended.
    over: Option<Result<(), Failure>>,
}

/// Where a layer's bytes come from.
#[derive(Debug)]
pub enum Below {
    /// The savefile.
    File(Rc<Descriptor>),
    /// Another layer.
    Layer(Box<Layer>),
}

impl Layer {
    /// A layer above `below`.
    pub fn above(below: Below) -> Self {
        let pending = Pending::default();
        Self { below, pending, format: None, decoder: None, broken_below: None, over: None }
    }

    /// What the bytes from below are.
    pub fn format(&mut self) -> Result<Format, Failure> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        while self.pending.bytes().len() < ENOUGH && !self.pending.ended {
            self.more()?;
        }
        let format = Format::of(self.pending.bytes());
        self.decoder = if format == Format::Zip { Some(Box::new(Zip::default())) } else { format.decoder() };
        self.format = Some(format);
        Ok(format)
    }

    /// Reads into `room` what is left when this layer is undone; 0 at the end.
    pub fn read(&mut self, room: &mut [u8]) -> Result<usize, Failure> {
        let format = self.format()?;
        let Some(decoder) = &mut self.decoder else { return self.read_plain(room) };
        loop {
            if let Some(over) = &self.over {
                return over.clone().map(|()| 0);
            }
            let step = decoder.step(self.pending.bytes(), self.pending.ended, room);
            self.pending.used(step.used);
            let fault = |fault| Failure::Compressed { format, fault };
            let outcome = match step.state {
                State::More if step.used > 0 || step.made > 0 => None,
                State::More if self.pending.ended => Some(Err(fault(Fault::Truncated))),
                State::More if self.pending.is_full() => {
                    Some(Err(fault(Fault::corrupt("a part is longer than it may be"))))
                }
                State::More => {
                    take_more(&mut self.below, &mut self.pending, &mut self.broken_below)?;
                    None
                }
                State::End => Some(Ok(())),
                State::Broken(words) => Some(Err(fault(words))),
            };
            // What is wrong below is why it ends here.
            self.over = outcome.map(|outcome| self.broken_below.take().map_or(outcome, Err));
            if step.made > 0 {
                return Ok(step.made);
            }
        }
    }

    fn read_plain(&mut self, room: &mut [u8]) -> Result<usize, Failure> {
        let rest = self.pending.bytes();
        if rest.is_empty() {
            // Straight to where it is wanted: bytes that need no decoding are not copied twice.
            return match (self.broken_below.take(), self.pending.ended) {
                (Some(failure), _) => Err(failure),
                (None, true) => Ok(0),
                (None, false) => self.below.read(room),
            };
        }
        let count = rest.len().min(room.len());
        if let (Some(from), Some(to)) = (rest.get(..count), room.get_mut(..count)) {
            to.copy_from_slice(from);
        }
        self.pending.used(count);
        Ok(count)
    }

    fn more(&mut self) -> Result<(), Failure> {
        take_more(&mut self.below, &mut self.pending, &mut self.broken_below)
    }
}

impl Below {
    fn read(&mut self, room: &mut [u8]) -> Result<usize, Failure> {
        match self {
            Self::File(file) => file.read(room),
            Self::Layer(layer) => layer.read(room),
        }
    }
}

/// Takes more from below. If that fails, what came before is still good: it ends there, and `broken` says why.
fn take_more(below: &mut Below, pending: &mut Pending, broken: &mut Option<Failure>) -> Result<(), Failure> {
    match below.read(pending.room()) {
        Ok(0) => pending.ended = true,
        Ok(count) => pending.came(count),
        Err(Failure::Wait) => return Err(Failure::Wait),
        Err(failure) => {
            *broken = Some(failure);
            pending.ended = true;
        }
    }
    Ok(())
}
