//! What drivers put before an IEEE 802.11 frame: radiotap, Prism, AVS.

use super::Aside;
use super::header::{Header, Step};
use super::layer::Layer;

/// Length of the check sequence at the end of a frame.
const CHECK_SEQUENCE: usize = 4;

/// Radiotap fields before the flags: presence bit and bit of the flags, <https://www.radiotap.org>.
const TSFT_PRESENT: u32 = 1;
const FLAGS_PRESENT: u32 = 1 << 1;
/// More presence words follow.
const MORE: u32 = 1 << 31;
const FLAG_CHECK_SEQUENCE: u8 = 0x10;
const FLAG_PADDED: u8 = 0x20;
const FLAG_BAD_CHECK_SEQUENCE: u8 = 0x40;

/// The Prism header's length, and the magic number of the AVS header that may come in its place.
const PRISM_LENGTH: usize = 144;
const AVS_MAGIC: u32 = 0x8021_1000;

/// What a receiver says of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    /// Whether the check sequence is there.
    pub(super) check_sequence: bool,
    /// Whether it was wrong.
    pub(super) refused: bool,
    padded: bool,
}

/// A radiotap header, in little-endian order: version, padding, length, presence words, fields.
pub(super) fn radiotap(frame: Layer<'_>) -> Step<'_> {
    let (rest, receiver) = of_radiotap(frame)?;
    if receiver.refused {
        return Err(Aside::BadFrameCheck);
    }
    let rest = if receiver.check_sequence { rest.without_trailer(CHECK_SEQUENCE) } else { rest };
    Ok((if receiver.padded { Header::PaddedWlan } else { Header::Wlan }, rest))
}

/// The frame after a radiotap header, with its check sequence if it has one, and what the header says of it.
pub(super) fn of_radiotap(frame: Layer<'_>) -> Result<(Layer<'_>, Received), Aside> {
    if frame.byte(0)? != 0 {
        return Err(Aside::NotIp);
    }
    let length = usize::from(frame.little(2)?);
    let rest = frame.skip(length)?;
    let flags = radiotap_flags(frame.limited(length))?;
    let receiver = Received {
        check_sequence: flags & FLAG_CHECK_SEQUENCE != 0,
        refused: flags & FLAG_BAD_CHECK_SEQUENCE != 0,
        padded: flags & FLAG_PADDED != 0,
    };
    Ok((rest, receiver))
}

/// The flags field: after the presence words and the timestamp, which is aligned to eight bytes.
fn radiotap_flags(header: Layer<'_>) -> Result<u8, Aside> {
    let presence: u32 = header.array(4).map(u32::from_le_bytes)?;
    if presence & FLAGS_PRESENT == 0 {
        return Ok(0);
    }
    let words = header.bytes.get(4..).unwrap_or_default().chunks_exact(4);
    let more =
        words.take_while(|word| word.first_chunk().is_some_and(|word| u32::from_le_bytes(*word) & MORE != 0));
    let fields = more.count().saturating_mul(4).saturating_add(8);
    let timestamp =
        if presence & TSFT_PRESENT == 0 { fields } else { fields.next_multiple_of(8).saturating_add(8) };
    header.byte(timestamp)
}

/// A Prism header, in the byte order of the machine that captured; or an AVS header.
pub(super) fn prism(frame: Layer<'_>) -> Step<'_> {
    if frame.long(0)? & 0xffff_f000 == AVS_MAGIC & 0xffff_f000 {
        return avs(frame);
    }
    Ok((Header::Wlan, frame.skip(PRISM_LENGTH)?))
}

/// An AVS header: magic number, length.
pub(super) fn avs(frame: Layer<'_>) -> Step<'_> {
    let length = usize::try_from(frame.long(4)?).unwrap_or(usize::MAX);
    Ok((Header::Wlan, frame.skip(length)?))
}
