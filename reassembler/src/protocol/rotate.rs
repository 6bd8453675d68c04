//! Where output goes on in another directory: everything that is told by the directory is told, and counted anew.

use proto::Breach;
use proto::flow::{self, FromReassembler};
use proto::frame::{Ending, Rotate};
use proto::time::Timestamp;

use super::{Conversation, State};
use crate::Error;
use crate::rotation::Rotation;
use crate::sink::Sink;

impl<S: Sink> Conversation<S> {
    /// Capture says that output is to go on in another directory.
    pub(super) fn rotate_at_once(&mut self, rotate: &Rotate) -> Result<(), Error> {
        if self.rotation.is_none() {
            return Err(Breach::Forbidden("a rotation that the plan does not ask for").into());
        }
        let last = self.now;
        self.rotate(|rotation, _| rotation.now(rotate, last))
    }

    /// Has output go on in another directory, if one is due after so many bytes to be stored.
    #[inline]
    pub(super) fn rotate(
        &mut self,
        due: impl FnOnce(&mut Rotation, u64) -> Option<Timestamp>,
    ) -> Result<(), Error> {
        let Some(rotation) = &mut self.rotation else { return Ok(()) };
        let is_first = !rotation.has_begun();
        let Some(start) = due(rotation, self.connections.stored()) else { return Ok(()) };
        self.divide(start, is_first)
    }

    /// All that came until now is of one directory, what comes from now on of the next. Before the first nothing came.
    fn divide(&mut self, start: Timestamp, is_first: bool) -> Result<(), Error> {
        let Some(rotation) = &mut self.rotation else { return Ok(()) };
        let mut totals = flow::Totals::unknown(Ending::Complete);
        if !is_first {
            self.connections.divide()?;
            let name = match &self.state {
                State::Input(name, _) => Some(name),
                State::Start | State::End(_) => None,
            };
            self.onlooker.divide(name, rotation.reports(), self.connections.sink())?;
            totals = self.connections.totals_so_far(|frames| rotation.capture(frames));
        }
        rotation.begin_at(self.connections.stored());
        let start = start.shifted(self.time_delta);
        let rotation = flow::Rotation { start, totals };
        self.connections.sink().put(&FromReassembler::Rotate(Box::new(rotation)), &[])
    }
}
