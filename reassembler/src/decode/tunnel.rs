//! Which IP protocols and UDP ports carry packets of their own.

use etherparse::IpNumber;

use super::Aside;
use super::envelope::{Envelope, Kind};
use super::header::{Header, Step};
use super::ip::Packet;
use super::layer::Layer;

/// Ethernet in IP, RFC 3378.
const ETHERIP: IpNumber = IpNumber(97);
/// MPLS in IP, RFC 4023.
const MPLS: IpNumber = IpNumber(137);

/// What follows an IP header that is not TCP's.
pub(super) fn open<'a>(packet: &Packet<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    let payload = packet.payload;
    match packet.protocol {
        IpNumber::UDP => datagram(payload, envelope),
        IpNumber::IPV4 | IpNumber::IPV6 => plain(Header::Ip, payload, envelope),
        IpNumber::GRE => Ok((Header::Gre, payload)),
        ETHERIP => plain(Header::Ethernet, payload.skip(2)?, envelope),
        MPLS => plain(Header::Mpls, payload, envelope),
        _ => Err(Aside::NotTcp),
    }
}

fn plain<'a>(header: Header, payload: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    envelope.enter(Kind::Plain, None)?;
    Ok((header, payload))
}

/// A UDP header (RFC 768). The destination's port says what it carries, as it does to the receiver.
fn datagram<'a>(datagram: Layer<'a>, envelope: &mut Envelope<'_>) -> Step<'a> {
    let none = |_| Aside::NotTcp;
    let header = match (datagram.number(0).map_err(none)?, datagram.number(2).map_err(none)?) {
        (_, 4789 | 8472) => Header::Vxlan,
        (_, 4790) => Header::VxlanGpe,
        (_, 6081) => Header::Geneve,
        (_, 2152) => Header::Gtp,
        (_, 4754) => Header::Gre,
        (_, 6635) => Header::Mpls,
        (_, 5072) | (5072, _) => Header::Ayiya,
        (_, 3544) | (3544, _) => Header::Teredo,
        _ => return Err(Aside::NotTcp),
    };
    // 0 stands for a jumbogram (RFC 2675, 4), or is filled in by the card.
    let payload = datagram.skip(8).map_err(none)?;
    let payload = match usize::from(datagram.number(4)?) {
        0 => payload,
        length => payload.limited(length.checked_sub(8).ok_or(Aside::NotTcp)?),
    };
    // The others have identifiers, or see for themselves whether they are a tunnel.
    if header == Header::Mpls { plain(header, payload, envelope) } else { Ok((header, payload)) }
}
