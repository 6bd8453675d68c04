//! The classic savefile format, draft-ietf-opsawg-pcap, with the variants that libpcap 1.10 reads.

use proto::frame::Frame;
use proto::time::Timestamp;

use crate::bytes::{Order, length};
use crate::defect::Defect;
use crate::link::ETHERNET;
use crate::record::{MAX_SNAP_LENGTH, Need, Part, Record, Step, snap_length, without_fcs};

const MAGIC: usize = 4;
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
/// Alexey Kuznetzov's patched format: an interface index, a protocol and a packet type follow.
const PATCHED_RECORD_HEADER: usize = 24;
/// The link type proper; the bits above say whether frames end in a check sequence.
const LINK_TYPE_BITS: u32 = 0x03ff_ffff;
/// The length of the check sequence is stated; in the highest four bits, in units of two bytes.
const FCS_STATED: u32 = 0x0400_0000;
const FCS_SHIFT: u32 = 28;

const ETHERNET_HEADER: u32 = 14;

/// Whether captured and original length stand in each other's place, as old writers put them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengths {
    InOrder,
    Swapped,
    /// Swapped if they make no sense otherwise.
    Doubtful,
}

/// A classic savefile whose header was read.
#[derive(Debug)]
pub struct Classic {
    order: Order,
    record_header: usize,
    /// Nanoseconds in the unit of a record's fraction of a second.
    unit: u64,
    lengths: Lengths,
    snap_length: u32,
    /// Bytes of the check sequence at the end of a frame.
    fcs: u32,
}

impl Classic {
    /// Reads the header of the file.
    pub fn begin(magic: [u8; 4], bytes: &[u8]) -> Result<(Step<'_>, Option<Self>), Defect> {
        let (order, record_header, unit) = Self::variant(magic).ok_or(Defect::Format)?;
        let need = Need { part: Part::FileHeader, before: MAGIC, length: FILE_HEADER.saturating_sub(MAGIC) };
        let (Some(major), Some(minor), Some(stated), Some(link_type)) =
            (order.u16(bytes, 4), order.u16(bytes, 6), order.u32(bytes, 16), order.u32(bytes, 20))
        else {
            return Ok((Step::Need(need), None));
        };
        let lengths = match (major, minor) {
            (..2, _) => return Err(Defect::Archaic),
            (2, ..3) | (543, 0) => Lengths::Swapped,
            (2, 3) => Lengths::Doubtful,
            (2, 4) => Lengths::InOrder,
            _ => return Err(Defect::ClassicVersion { major, minor }),
        };
        let fcs = if link_type & FCS_STATED == 0 { 0 } else { (link_type >> FCS_SHIFT) << 1 };
        let link_type = link_type & LINK_TYPE_BITS;
        let mut snap_length = snap_length(stated);
        if record_header == PATCHED_RECORD_HEADER && link_type == ETHERNET {
            // The patch captured in cooked mode, and its snap length did not count the link header.
            snap_length = snap_length.saturating_add(ETHERNET_HEADER);
        }
        let record = Record::Interface { link_type, snap_length, nanoseconds: unit == 1 };
        let classic = Self { order, record_header, unit, lengths, snap_length, fcs };
        Ok((Step::Record { used: FILE_HEADER, record }, Some(classic)))
    }

    fn variant(magic: [u8; 4]) -> Option<(Order, usize, u64)> {
        let variant = |order, magic| match magic {
            0xa1b2_c3d4 => Some((order, RECORD_HEADER, 1000)),
            0xa1b2_3c4d => Some((order, RECORD_HEADER, 1)),
            0xa1b2_cd34 => Some((order, PATCHED_RECORD_HEADER, 1000)),
            _ => None,
        };
        variant(Order::Little, u32::from_le_bytes(magic))
            .or_else(|| variant(Order::Big, u32::from_be_bytes(magic)))
    }

    /// Reads the next record.
    #[inline]
    pub fn step<'a>(&self, bytes: &'a [u8]) -> Result<Step<'a>, Defect> {
        let Some((header, rest)) = bytes.split_at_checked(self.record_header) else {
            let need = Need { part: Part::RecordHeader, before: 0, length: self.record_header };
            return Ok(Step::Need(need));
        };
        let field = |offset| self.order.u32(header, offset).unwrap_or_default();
        let (stored, original) = self.lengths(field(8), field(12));
        self.check(stored)?;
        // Where more than the snap length was stored, libpcap drops what is beyond it. It was captured: it stays.
        let Some(data) = rest.get(..length(stored)) else {
            // But the words for a file that ends here are libpcap's.
            let kept = stored.min(self.snap_length);
            let within = if rest.len() < length(kept) { kept } else { stored };
            let need = Need { part: Part::Captured, before: self.record_header, length: length(within) };
            return Ok(Step::Need(need));
        };
        let (captured, original) = without_fcs(self.fcs, stored, original);
        let data = data.get(..length(captured)).unwrap_or(data);
        let frame = Frame { interface: 0, time: self.time(field(0), field(4)), captured, original };
        let used = self.record_header.saturating_add(length(stored));
        Ok(Step::Record { used, record: Record::Frame(frame, data) })
    }

    fn lengths(&self, first: u32, second: u32) -> (u32, u32) {
        match self.lengths {
            Lengths::Swapped => (second, first),
            Lengths::Doubtful if first > second => (second, first),
            Lengths::InOrder | Lengths::Doubtful => (first, second),
        }
    }

    fn check(&self, stored: u32) -> Result<(), Defect> {
        if stored <= MAX_SNAP_LENGTH {
            Ok(())
        } else if stored > self.snap_length {
            Err(Defect::OverSnapLength { length: stored, limit: self.snap_length })
        } else {
            Err(Defect::OverMaximum { length: stored, limit: MAX_SNAP_LENGTH })
        }
    }

    /// Seconds are unsigned, as the format's specification has it, so that 2038 is not 1901.
    fn time(&self, seconds: u32, fraction: u32) -> Timestamp {
        let nanoseconds = u64::from(fraction).saturating_mul(self.unit);
        let carry = nanoseconds.checked_div(1_000_000_000).unwrap_or_default();
        let rest = nanoseconds.checked_rem(1_000_000_000).unwrap_or_default();
        let seconds = i64::from(seconds).saturating_add_unsigned(carry);
        Timestamp::new(seconds, u32::try_from(rest).unwrap_or_default())
    }
}
