//! TCP (RFC 9293): the header and what follows it.

use etherparse::{TcpHeaderSlice, TcpOptionElement};
use proto::flow::FlowKey;

use super::ip::Packet;
use super::{Aside, Link, Overlay, Segment};

/// The largest shift of a window, RFC 7323, 2.3.
const MAX_WINDOW_SCALE: u8 = 14;

pub(super) fn open<'a>(link: Link, overlay: Overlay, packet: &Packet<'a>) -> Result<Segment<'a>, Aside> {
    use etherparse::err::tcp::HeaderSliceError;
    let header = TcpHeaderSlice::from_slice(packet.payload.bytes).map_err(|error| match error {
        HeaderSliceError::Len(_) => Aside::TruncatedTcpHeader,
        HeaderSliceError::Content(_) => Aside::BadTcpHeader,
    })?;
    let payload = packet.payload.after(header.slice().len()).ok_or(Aside::TruncatedTcpHeader)?;
    Ok(Segment {
        link,
        key: FlowKey {
            source: packet.source,
            destination: packet.destination,
            source_port: header.source_port(),
            destination_port: header.destination_port(),
        },
        overlay,
        sequence: header.sequence_number(),
        acknowledgment: header.ack().then(|| header.acknowledgment_number()),
        window: header.window_size(),
        window_scale: if header.syn() { window_scale(&header) } else { 0 },
        syn: header.syn(),
        // The FIN is after the last fragment, and where that is cannot be told from the first.
        fin: header.fin() && !packet.unfinished,
        rst: header.rst(),
        payload: payload.bytes,
        cut: u32::try_from(payload.cut).unwrap_or(u32::MAX),
    })
}

fn window_scale(header: &TcpHeaderSlice<'_>) -> u8 {
    let scale = header.options_iterator().find_map(|option| match option {
        Ok(TcpOptionElement::WindowScale(shift)) => Some(shift),
        _ => None,
    });
    scale.unwrap_or(0).min(MAX_WINDOW_SCALE)
}
