//! IPv6 through the IPv4 Internet, over UDP: Teredo (RFC 4380) and AYIYA.

use super::Aside;
use super::envelope::{Envelope, Kind};
use super::header::{Header, Step};
use super::layer::Layer;

/// Teredo's indicators: the first two bytes where no IPv6 packet begins.
const AUTHENTICATION: u16 = 1;
const ORIGIN: u16 = 0;

/// IP protocol numbers.
const IPV4: u8 = 4;
const IPV6: u8 = 41;

/// Authentication and origin, each if it is there, and a packet of exactly what is left.
pub(super) fn teredo<'a>(packet: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    let mut rest = packet;
    if rest.number(0)? == AUTHENTICATION {
        // Identifier and authentication value, then a nonce and a confirmation.
        let [identifier, value] = rest.array(2)?;
        rest = rest.skip(usize::from(identifier).saturating_add(usize::from(value)).saturating_add(13))?;
    }
    if rest.number(0)? == ORIGIN {
        rest = rest.skip(8)?;
    }
    let length = usize::from(rest.number(4)?).saturating_add(40);
    let there = rest.bytes.len().saturating_add(rest.cut);
    if rest.byte(0)? >> 4 != 6 || length > there {
        return Err(Aside::NotTcp);
    }
    envelope.enter(Kind::Plain, None)?;
    Ok((Header::Ip, rest))
}

/// Length and kind of the identity, length and kind of the signature, authentication and operation, next
/// header, time, identity, signature (draft-massar-v6ops-ayiya-02).
pub(super) fn ayiya<'a>(packet: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    let [identity, signature, operation, next] = packet.array(0)?;
    let is_forwarded = operation & 0x0f == 1;
    if !is_forwarded || ![IPV4, IPV6].contains(&next) {
        return Err(Aside::NotTcp);
    }
    let identity = 1_usize << (identity >> 4);
    let signature = usize::from(signature >> 4).saturating_mul(4);
    envelope.enter(Kind::Plain, None)?;
    Ok((Header::Ip, packet.skip(identity.saturating_add(signature).saturating_add(8))?))
}
