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
    /// Which part of a longer packet this is, if it is not all of it.
    pub(super) part: Option<Part>,
    /// Whether this is only the beginning of a packet.
    pub(super) unfinished: bool,
}

/// The place of a fragment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) identification: u32,
    /// In bytes.
    pub(super) offset: usize,
    pub(super) more: bool,
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
    let fragment = header.is_fragmenting_payload().then(|| Part {
        identification: header.identification().into(),
        offset: usize::from(header.fragments_offset().byte_offset()),
        more: header.more_fragments(),
    });
    Ok(Packet {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol: header.protocol(),
        payload,
        part: fragment,
        unfinished: false,
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
    let (source, destination) = (header.source_addr().into(), header.destination_addr().into());
    following(source, destination, header.next_header(), payload)
}

/// The payload of a packet that was put together from its fragments, or the beginning of it.
pub(super) fn reassembled<'a>(
    (source, destination): (IpAddr, IpAddr),
    protocol: IpNumber,
    payload: Layer<'a>,
    unfinished: bool,
) -> Result<Packet<'a>, Aside> {
    let packet = match source {
        IpAddr::V4(_) => Packet { source, destination, protocol, payload, part: None, unfinished },
        IpAddr::V6(_) => following(source, destination, protocol, payload)?,
    };
    Ok(Packet { unfinished, ..packet })
}

/// The extension headers of IPv6, up to one that says that what follows is a part of something.
fn following(
    source: IpAddr,
    destination: IpAddr,
    next: IpNumber,
    payload: Layer<'_>,
) -> Result<Packet<'_>, Aside> {
    use etherparse::err::ipv6_exts::HeaderSliceError;
    let (extensions, protocol, _, error) = Ipv6ExtensionsSlice::from_slice_lax(next, payload.bytes);
    if let Some((protocol, part, length)) = part(&extensions) {
        let payload = payload.after(length).ok_or(Aside::TruncatedIpHeader)?;
        return Ok(Packet { source, destination, protocol, payload, part: Some(part), unfinished: false });
    }
    match error {
        None => {}
        Some((HeaderSliceError::Len(_), _)) => return Err(Aside::TruncatedIpHeader),
        Some((HeaderSliceError::Content(_), _)) => return Err(Aside::BadIpHeader),
    }
    let payload = payload.after(extensions.slice().len()).ok_or(Aside::TruncatedIpHeader)?;
    Ok(Packet { source, destination, protocol, payload, part: None, unfinished: false })
}

/// What the fragment header (RFC 8200, 4.5) says if there is one, and how far it and those before it reach.
/// An atomic fragment (RFC 6946) is all of its packet.
fn part(extensions: &Ipv6ExtensionsSlice<'_>) -> Option<(IpNumber, Part, usize)> {
    if !extensions.is_fragmenting_payload() {
        return None;
    }
    let mut length = 0_usize;
    for extension in extensions.clone() {
        length = length.saturating_add(extension_length(&extension));
        if let Ipv6ExtensionSlice::Fragment(header) = extension
            && header.is_fragmenting_payload()
        {
            let part = Part {
                identification: header.identification(),
                offset: usize::from(header.fragment_offset().byte_offset()),
                more: header.more_fragments(),
            };
            return Some((header.next_header(), part, length));
        }
    }
    None
}

fn extension_length(extension: &Ipv6ExtensionSlice<'_>) -> usize {
    match extension {
        Ipv6ExtensionSlice::HopByHop(header)
        | Ipv6ExtensionSlice::Routing(header)
        | Ipv6ExtensionSlice::DestinationOptions(header) => header.slice().len(),
        Ipv6ExtensionSlice::Fragment(header) => header.slice().len(),
        Ipv6ExtensionSlice::Authentication(header) => header.slice().len(),
    }
}
