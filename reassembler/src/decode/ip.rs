//! IPv4 (RFC 791) and IPv6 (RFC 8200): addresses, and where the payload ends.

use std::net::IpAddr;

use etherparse::{IpNumber, Ipv4HeaderSlice, Ipv6ExtensionSlice, Ipv6ExtensionsSlice, Ipv6HeaderSlice};

use super::{Aside, Layer, options};

/// What an IP packet carries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: IpNumber,
    pub(super) payload: Layer<'a>,
    /// Whether this is the first fragment of a longer packet.
    pub(super) first_fragment: bool,
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
    if !options::are_sound(header.options()) {
        return Err(Aside::BadIpHeader);
    }
    let payload = packet.after(header_length).ok_or(Aside::TruncatedIpHeader)?;
    // With segmentation offload the packet is captured before its length is filled in.
    let payload = match usize::from(header.total_len()) {
        0 => payload,
        length => payload.limited(length.checked_sub(header_length).ok_or(Aside::BadIpHeader)?),
    };
    if header.fragments_offset().value() > 0 {
        return Err(Aside::Ipv4Fragment);
    }
    Ok(Packet {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol: header.protocol(),
        payload,
        first_fragment: header.more_fragments(),
    })
}

fn ipv6(packet: Layer<'_>) -> Result<Packet<'_>, Aside> {
    use etherparse::err::ipv6::HeaderSliceError;
    let header = Ipv6HeaderSlice::from_slice(packet.bytes).map_err(|error| match error {
        HeaderSliceError::Len(_) => Aside::TruncatedIpHeader,
        HeaderSliceError::Content(_) => Aside::BadIpHeader,
    })?;
    let payload = packet.after(header.slice().len()).ok_or(Aside::TruncatedIpHeader)?;
    let payload = match usize::from(header.payload_length()) {
        0 => options::jumbogram(header.next_header(), payload),
        length => payload.limited(length),
    };
    let (extensions, protocol, _, error) =
        Ipv6ExtensionsSlice::from_slice_lax(header.next_header(), payload.bytes);
    let (fragment_offset, more_fragments) = fragment(&extensions).unwrap_or_default();
    if fragment_offset > 0 {
        return Err(Aside::Ipv6Fragment);
    }
    if error.is_some() {
        return Err(Aside::TruncatedIpHeader);
    }
    Ok(Packet {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol,
        payload: payload.after(extensions.slice().len()).ok_or(Aside::TruncatedIpHeader)?,
        first_fragment: more_fragments,
    })
}

/// Offset and more-fragments flag of the fragment header (RFC 8200, 4.5), if there is one.
fn fragment(extensions: &Ipv6ExtensionsSlice<'_>) -> Option<(u16, bool)> {
    extensions.clone().into_iter().find_map(|extension| {
        let Ipv6ExtensionSlice::Fragment(header) = extension else { return None };
        Some((header.fragment_offset().value(), header.more_fragments()))
    })
}
