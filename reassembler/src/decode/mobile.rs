//! The user plane of mobile networks: GTP-U (3GPP TS 29.281).

use super::Aside;
use super::envelope::{Envelope, Kind};
use super::header::{Header, Step};
use super::layer::Layer;

/// Version 1, GTP and not GTP'.
const VERSION: u8 = 0x30;
const VERSION_MASK: u8 = 0xf0;
/// Any of these: four more bytes.
const OPTIONAL: u8 = 0x07;
const EXTENDED: u8 = 0x04;
/// A message that carries a user's packet.
const G_PDU: u8 = 0xff;

/// Flags, message, length after these eight bytes, tunnel endpoint.
pub(super) fn gtp<'a>(packet: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    let [flags, message] = packet.array(0)?;
    if flags & VERSION_MASK != VERSION || message != G_PDU {
        return Err(Aside::NotTcp);
    }
    let length = usize::from(packet.number(2)?);
    envelope.enter(Kind::Gtp, Some(packet.long(4)?))?;
    let rest = packet.skip(8)?.limited(length);
    let rest = match (flags & OPTIONAL, flags & EXTENDED) {
        (0, _) => rest,
        (_, 0) => rest.skip(4)?,
        _ => extensions(rest.byte(3)?, rest.skip(4)?)?,
    };
    // The endpoint knows what it carries; a packet shows it. Anything else is not IP.
    match rest.byte(0)? >> 4 {
        4 | 6 => Ok((Header::Ip, rest)),
        _ => Err(Aside::NotTcp),
    }
}

/// Extension headers: a length in units of four bytes, content, and the kind of the next in the last byte.
/// None is shorter than four bytes, so the packet's end bounds them.
fn extensions(mut kind: u8, mut rest: Layer<'_>) -> Result<Layer<'_>, Aside> {
    while kind != 0 {
        let length = usize::from(rest.byte(0)?).saturating_mul(4);
        let last = length.checked_sub(1).ok_or(Aside::NotTcp)?;
        kind = rest.byte(last)?;
        rest = rest.skip(length)?;
    }
    Ok(rest)
}
