//! How a flow began, as the writer is told of it: at once, or when there is payload.
//!
//! Most flows of a flood are never more than a SYN. To open such a flow in the writer, keep it there and close it
//! again is most of what it would cost, so it is told of as a whole when it is over.

use proto::flow::{FlowId, FlowKey, FlowOpen};
use proto::time::Timestamp;

use crate::decode::Segment;

/// What is known of a flow's beginning, its ends and its numbers aside.
#[derive(Debug, Clone, Copy)]
pub struct Beginning {
    /// How many flows began before.
    number: u64,
    start: Timestamp,
    vlan: Option<u16>,
    /// The sender's and the receiver's.
    macs: Option<([u8; 6], [u8; 6])>,
    client: bool,
}

impl Beginning {
    /// That of a flow whose first segment this is, after `number` others.
    #[must_use]
    pub fn of(segment: &Segment<'_>, start: Timestamp, number: u64) -> Self {
        let client = segment.syn && segment.acknowledgment.is_none();
        Self { number, start, vlan: segment.link.vlan, macs: segment.link.macs, client }
    }

    /// When the first packet was captured.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Whether it opens a connection.
    #[must_use]
    pub fn is_client(&self) -> bool {
        self.client
    }

    /// As the writer is told of it.
    #[must_use]
    pub fn open(self, flow: FlowId, session: u64, key: FlowKey) -> FlowOpen {
        let (source_mac, destination_mac) = self.macs.unzip();
        let Self { number, start, vlan, client, .. } = self;
        FlowOpen { flow, key, number, session, vlan, source_mac, destination_mac, start, client }
    }
}
