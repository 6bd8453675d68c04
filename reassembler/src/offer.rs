//! What one side of a connection is ready to receive: what it acknowledged, and its window.

use crate::decode::Segment;

/// The part of the other side's sequence space that a side accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offer {
    /// Whether it acknowledged anything yet.
    heard: bool,
    /// The next number it waits for.
    acknowledged: u32,
    /// In bytes.
    window: u32,
    /// Shift count of its windows, RFC 7323, 2.
    scale: u8,
}

impl Offer {
    /// Takes in what a segment of this side says.
    pub fn hear(&mut self, segment: &Segment<'_>) {
        if segment.syn {
            self.scale = segment.window_scale;
        }
        if let Some(acknowledged) = segment.acknowledgment {
            (self.heard, self.acknowledged) = (true, acknowledged);
            // RFC 7323, 2.2: the window of a SYN is never scaled.
            let scale = if segment.syn { 0 } else { u32::from(self.scale) };
            self.window = u32::from(segment.window).checked_shl(scale).unwrap_or(u32::MAX);
        }
    }

    /// Whether a sequence number lies in the window; true when none was offered yet.
    #[must_use]
    pub fn admits(&self, number: u32) -> bool {
        !self.heard || number.wrapping_sub(self.acknowledged) <= self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Link, Overlay};
    use proto::flow::FlowKey;

    fn segment(syn: bool, acknowledgment: Option<u32>, window: u16) -> Segment<'static> {
        let address = std::net::IpAddr::from([0; 4]);
        Segment {
            link: Link::default(),
            key: FlowKey { source: address, destination: address, source_port: 1, destination_port: 2 },
            overlay: Overlay::default(),
            sequence: 0,
            acknowledgment,
            window,
            window_scale: 3,
            syn,
            fast_open: false,
            fin: false,
            rst: false,
            payload: &[],
            cut: 0,
        }
    }

    #[test]
    fn the_window_is_scaled_but_on_a_syn() {
        let mut offer = Offer::default();
        assert!(offer.admits(7));
        offer.hear(&segment(true, Some(100), 10));
        assert!(offer.admits(100) && offer.admits(110) && !offer.admits(111) && !offer.admits(99));
        offer.hear(&segment(false, Some(u32::MAX), 10));
        assert!(offer.admits(u32::MAX) && offer.admits(79) && !offer.admits(80));
    }
}
