//! Options of IPv4, IPv6 and TCP that matter to what a packet carries.

use etherparse::IpNumber;

use super::layer::Layer;

/// Whether an IPv4 option list is one. A receiver drops the packet if not (RFC 1122, 3.2.1.8), and so what it
/// carries is not part of the stream.
pub(super) fn are_sound(options: &[u8]) -> bool {
    Options(options).all(|option| option.is_some())
}

/// The options of IPv4 and of TCP one by one: kind and contents; none, as the last, for what is not an option.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options<'a>(pub &'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = Option<(u8, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match *std::mem::take(&mut self.0) {
                [] | [0, ..] => return None,
                [1, ref rest @ ..] => self.0 = rest,
                [kind, length, ref rest @ ..] => {
                    let split =
                        usize::from(length).checked_sub(2).and_then(|length| rest.split_at_checked(length));
                    self.0 = split.map(|(_, after)| after).unwrap_or_default();
                    return Some(split.map(|(contents, _)| (kind, contents)));
                }
                [_] => return Some(None),
            }
        }
    }
}

/// The hop-by-hop option that holds the length of a jumbogram, RFC 2675, 2.
const JUMBO_PAYLOAD: u8 = 0xc2;

/// A payload of which the header says length 0: as long as its jumbo payload option says; without one, as long
/// as it was captured, as the length is filled in after that (segmentation offload).
pub(super) fn jumbogram(next_header: IpNumber, payload: Layer<'_>) -> Layer<'_> {
    let is_option = next_header == IpNumber::IPV6_HEADER_HOP_BY_HOP;
    let length = if is_option { jumbo_length(payload.bytes) } else { None };
    length.map_or(payload, |length| payload.limited(length))
}

fn jumbo_length(header: &[u8]) -> Option<usize> {
    let length = usize::from(*header.get(1)?).checked_add(1)?.checked_mul(8)?;
    let mut options = header.get(2..length)?;
    loop {
        options = match options {
            [JUMBO_PAYLOAD, 4, rest @ ..] => {
                return rest
                    .first_chunk()
                    .and_then(|length| usize::try_from(u32::from_be_bytes(*length)).ok());
            }
            // One byte of padding.
            [0, rest @ ..] => rest,
            [_, length, rest @ ..] => rest.get(usize::from(*length)..)?,
            _ => return None,
        };
    }
}
