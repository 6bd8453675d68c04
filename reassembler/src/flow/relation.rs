//! What a segment is to a flow, before anything of it is taken in.

use proto::flow::FlowEnding;

use super::{Flow, first_byte, length, size};
use crate::decode::Segment;

/// How far before the bytes seen so far a late SYN may lie: the largest window it can offer, unscaled.
const LATE_SYN: i64 = 65_535;

/// What a segment is to the flow whose ends it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// A part of it.
    Continues,
    /// The beginning of another, and so the end of this one.
    Begins(FlowEnding),
}

impl Flow {
    /// What a segment is to this flow, when one that lies further than `max_skip` bytes away from the
    /// expected byte is of another.
    #[must_use]
    pub fn relation(&self, segment: &Segment<'_>, max_skip: u64) -> Relation {
        let offset = self.sequence.offset(first_byte(segment));
        if segment.syn {
            let late = !self.syn && (-LATE_SYN..0).contains(&offset);
            return if offset == 0 || late {
                Relation::Continues
            } else {
                Relation::Begins(FlowEnding::Reused)
            };
        }
        if segment.has_payload() && self.sequence.distance(first_byte(segment)).unsigned_abs() > max_skip {
            return Relation::Begins(FlowEnding::Skipped);
        }
        Relation::Continues
    }

    /// Bytes of holes that a segment would add to the file.
    #[must_use]
    pub fn hole_before(&self, segment: &Segment<'_>) -> u64 {
        let captured = if segment.rst { 0 } else { size(segment.payload) };
        let offset = self.sequence.offset(first_byte(segment));
        if let Ok(start) = u64::try_from(offset) {
            return if captured > 0 { start.saturating_sub(self.extent.size()) } else { 0 };
        }
        let is_placed = segment.syn || (segment.has_payload() && !segment.rst);
        if self.syn || !is_placed || self.extent.size() == 0 || !self.may_shift() {
            return 0;
        }
        offset.unsigned_abs().saturating_sub(captured)
    }

    /// Whether a segment adds nothing to this flow, which is closed, nor begins another. A SYN always begins
    /// one, whatever its number: one that merely comes late makes a flow without bytes, and so without a file,
    /// while a number that is used again must not cost a connection.
    #[must_use]
    pub fn repeats(&self, segment: &Segment<'_>) -> bool {
        if segment.syn {
            return false;
        }
        let offset = self.sequence.offset(first_byte(segment));
        let end = offset.saturating_add(i64::from(length(segment)));
        segment.rst
            || !segment.has_payload()
            || (offset >= 0 && u64::try_from(end).is_ok_and(|end| end <= self.extent.reach()))
    }

    /// Whether an RST with this sequence number is one that the receiver would heed: at the end of what was
    /// sent, or in the window that `receiver`, the flow back, offered last (RFC 9293, 3.5.3).
    #[must_use]
    pub fn heeds_reset(&self, segment: &Segment<'_>, receiver: Option<&Flow>) -> bool {
        let number = first_byte(segment);
        let at_end = u64::try_from(self.sequence.offset(number))
            .is_ok_and(|offset| offset == self.sequence.expected() || offset == self.extent.reach());
        at_end || receiver.is_none_or(|flow| flow.offer.admits(number))
    }
}
