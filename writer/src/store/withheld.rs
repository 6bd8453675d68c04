//! What is not stored for lack of room (`--rotate`), and is stored again when there is room.

use nix::errno::Errno;

use super::Store;
use crate::flow::{Fault, Flow};
use crate::room::{DISK_FULL, Room};

impl Store {
    /// Why nothing is to be stored now.
    pub(super) fn lack(&self) -> Option<&'static str> {
        self.room.as_ref().and_then(Room::lack)
    }

    /// So much of a flow is not stored, though it could have been with more room.
    pub(super) fn withhold(&mut self, flow: &mut Flow, count: u64) {
        self.sums.withheld = self.sums.withheld.saturating_add(count);
        let part = flow.rare_mut().part.get_or_insert_default();
        part.withheld = part.withheld.saturating_add(count);
    }

    /// Bytes of a flow could not be stored, nor can any that follow; or only as long as the disk is full.
    pub(super) fn refuse(&mut self, flow: &mut Flow, errno: Errno, bytes: u64) {
        self.sums.payload.set_aside(Fault(errno).reason(), bytes);
        if self.strikes(errno) {
            self.withhold(flow, bytes);
        } else {
            self.fail(flow, errno);
        }
    }

    /// Whether this means that the disk is full, and storing goes on when it is not.
    pub(super) fn strikes(&mut self, errno: Errno) -> bool {
        let Some(room) = self.room.as_mut().filter(|_| Fault(errno).reason() == DISK_FULL) else {
            return false;
        };
        if room.strike() {
            self.sums
                .tell("no space left on the disk: until there is room, packets are counted and not stored");
        }
        true
    }

    /// The disk has taken something.
    pub(super) fn relieve(&mut self) {
        if self.room.as_mut().is_some_and(Room::relieve) {
            self.sums.tell("there is room again: packets are stored");
        }
    }
}
