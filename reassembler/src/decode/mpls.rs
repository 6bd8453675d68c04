//! MPLS label stacks (RFC 3032), and pseudowires inside them (RFC 4448).

use super::Aside;
use super::header::{Header, Step};
use super::layer::Layer;

/// One label. What follows the last is told by its first four bits, as routers do (RFC 4928).
pub(super) fn open(stack: Layer<'_>) -> Step<'_> {
    let [_, _, bottom, _] = stack.array(0)?;
    let rest = stack.skip(4)?;
    if bottom & 1 == 0 {
        return Ok((Header::Mpls, rest));
    }
    match rest.byte(0)? >> 4 {
        4 | 6 => Ok((Header::Ip, rest)),
        // The control word of a pseudowire.
        0 => Ok((Header::Ethernet, rest.skip(4)?)),
        // An associated channel: no traffic.
        1 => Err(Aside::NotIp),
        _ => Ok((Header::Ethernet, rest)),
    }
}
