//! What a reassembler says to the writer, in few words.

use proto::flow::{FlowClose, FlowEnding, FlowId, FlowKey, FlowOpen, FromReassembler, Missing, Span, Totals};
use proto::frame::Ending;
use proto::time::Timestamp;

/// A flow begins, of one host to another.
#[must_use]
pub fn open(flow: u64) -> FromReassembler {
    let port = u16::try_from(flow % 60_000).unwrap();
    FromReassembler::Open(FlowOpen {
        flow: FlowId(flow),
        key: FlowKey {
            source: [10, 66, 66, 1].into(),
            destination: [10, 66, 66, 2].into(),
            source_port: port,
            destination_port: 80,
        },
        number: flow,
        session: flow,
        vlan: None,
        source_mac: None,
        destination_mac: None,
        start: Timestamp::new(1_600_000_000, 0),
        client: true,
    })
}

/// Payload of a flow.
#[must_use]
pub fn data(flow: u64, offset: u64, bytes: &[u8]) -> FromReassembler {
    FromReassembler::Data(Span { flow: FlowId(flow), offset, length: u32::try_from(bytes.len()).unwrap() })
}

/// A flow ends.
#[must_use]
pub fn close(flow: u64, size: u64) -> FromReassembler {
    FromReassembler::Close(Box::new(closing(flow, size)))
}

/// The end of a flow.
#[must_use]
pub fn closing(flow: u64, size: u64) -> FlowClose {
    FlowClose {
        flow: FlowId(flow),
        end: Timestamp::new(1_600_000_001, 0),
        packets: 1,
        length: 1,
        captured: None,
        size,
        missing: 0,
        cut: 0,
        missing_runs: Missing::default(),
        out_of_order: 0,
        violations: 0,
        ending: FlowEnding::Fin,
    }
}

/// The totals of a run of so many flows and bytes.
#[must_use]
pub fn totals(flows: u64, stored: u64) -> Totals {
    Totals { flows, stored, payload: stored, ..Totals::unknown(Ending::Complete) }
}

/// The end of a run of so many flows and bytes.
#[must_use]
pub fn end(flows: u64, stored: u64) -> FromReassembler {
    FromReassembler::End(Box::new(totals(flows, stored)))
}
