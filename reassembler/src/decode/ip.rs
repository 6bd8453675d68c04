//! IPv4 (RFC 791) and IPv6 (RFC 8200): addresses, and where the payload ends.

use std::net::IpAddr;

use etherparse::{IpNumber, Ipv4HeaderSlice, Ipv6ExtensionsSlice, Ipv6HeaderSlice};

use super::{Aside, Layer};

/// What an IP packet carries, as far as it is TCP.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) payload: Layer<'a>,
}

/// Opens a packet of the version that its first four bits give.
pub(super) fn open(packet: Layer<'_>) -> Result<Packet<'_>, Aside> {
    match packet.bytes.first().map(|byte| byte >> 4) {
        Some(4) => ipv4(packet),
        Some(6) => ipv6(packet),
        Some(_) => Err(Aside::BadIpHeader),
        None => Err(Aside::TruncatedIpHeader),
    }
}

fn ipv4(packet: Layer<'_>) -> Result<Packet<'_>, Aside> {
    use etherparse::err::ipv4::HeaderSliceError;
    let header = Ipv4HeaderSlice::from_slice(packet.bytes).map_err(|error| match error {
        HeaderSliceError::Len(_) => Aside::TruncatedIpHeader,
        HeaderSliceError::Content(_) => Aside::BadIpHeader,
    })?;
    let header_length = header.slice().len();
    let payload = packet.after(header_length).ok_or(Aside::TruncatedIpHeader)?;
    // With segmentation offload the packet is captured before its length is filled in.
    let payload = match usize::from(header.total_len()) {
        0 => payload,
        length => payload.limited(length.checked_sub(header_length).ok_or(Aside::BadIpHeader)?),
    };
    if header.is_fragmenting_payload() {
        return Err(Aside::Ipv4Fragment);
    }
    let packet = Packet {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        payload,
    };
    tcp_only(header.protocol(), packet)
}

fn ipv6(packet: Layer<'_>) -> Result<Packet<'_>, Aside> {
    use etherparse::err::ipv6::HeaderSliceError;
    let header = Ipv6HeaderSlice::from_slice(packet.bytes).map_err(|error| match error {
        HeaderSliceError::Len(_) => Aside::TruncatedIpHeader,
        HeaderSliceError::Content(_) => Aside::BadIpHeader,
    })?;
    let payload = packet.after(header.slice().len()).ok_or(Aside::TruncatedIpHeader)?;
    // 0 stands for a jumbogram (RFC 2675) or for segmentation offload.
    let payload = match usize::from(header.payload_length()) {
        0 => payload,
        length => payload.limited(length),
    };
    let (extensions, protocol, _, error) =
        Ipv6ExtensionsSlice::from_slice_lax(header.next_header(), payload.bytes);
    if extensions.is_fragmenting_payload() {
        return Err(Aside::Ipv6Fragment);
    }
    if error.is_some() {
        return Err(Aside::TruncatedIpHeader);
    }
    let packet = Packet {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        payload: payload.after(extensions.slice().len()).ok_or(Aside::TruncatedIpHeader)?,
    };
    tcp_only(protocol, packet)
}

fn tcp_only(protocol: IpNumber, packet: Packet<'_>) -> Result<Packet<'_>, Aside> {
    if protocol == IpNumber::TCP { Ok(packet) } else { Err(Aside::NotTcp) }
}
