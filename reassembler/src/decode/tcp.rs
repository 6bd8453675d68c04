//! TCP (RFC 9293): the header and what follows it.

use etherparse::TcpHeaderSlice;
use proto::flow::FlowKey;

use super::ip::Packet;
use super::options::Options;
use super::{Aside, Link, Overlay, Segment};

/// The largest shift of a window, RFC 7323, 2.3.
const MAX_WINDOW_SCALE: u8 = 14;

/// Kinds of options: RFC 7323, RFC 7413, and RFC 4727 with the experiment that RFC 7413 comes from.
const WINDOW_SCALE: u8 = 3;
const FAST_OPEN: u8 = 34;
const EXPERIMENT: u8 = 254;

/// Bytes of a cookie, RFC 7413, 4.1.1. An option without one only asks for it.
const COOKIE: std::ops::RangeInclusive<usize> = 4..=16;

pub(super) fn open<'a>(link: Link, overlay: Overlay, packet: &Packet<'a>) -> Result<Segment<'a>, Aside> {
    use etherparse::err::tcp::HeaderSliceError;
    let header = TcpHeaderSlice::from_slice(packet.payload.bytes).map_err(|error| match error {
        HeaderSliceError::Len(_) => Aside::TruncatedTcpHeader,
        HeaderSliceError::Content(_) => Aside::BadTcpHeader,
    })?;
    // Of the options, those matter that a SYN alone may have.
    let options = Options(if header.syn() { header.options() } else { &[] });
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
        window_scale: window_scale(options),
        syn: header.syn(),
        fast_open: has_cookie(options),
        // The FIN is after the last fragment, and where that is cannot be told from the first.
        fin: header.fin() && !packet.unfinished,
        rst: header.rst(),
        payload: payload.bytes,
        cut: u32::try_from(payload.cut).unwrap_or(u32::MAX),
    })
}

fn window_scale(mut options: Options<'_>) -> u8 {
    let scale = options.find_map(|option| match option {
        Some((WINDOW_SCALE, [shift])) => Some(*shift),
        _ => None,
    });
    scale.unwrap_or(0).min(MAX_WINDOW_SCALE)
}

fn has_cookie(mut options: Options<'_>) -> bool {
    options.any(|option| match option {
        Some((FAST_OPEN, cookie)) => COOKIE.contains(&cookie.len()),
        Some((EXPERIMENT, [0xf9, 0x89, cookie @ ..])) => COOKIE.contains(&cookie.len()),
        _ => false,
    })
}
