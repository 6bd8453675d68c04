//! The pcapng savefile format, draft-ietf-opsawg-pcapng: sections, interfaces, packets.
//!
//! As libpcap 1.10 reads it, but interfaces may differ in link type and snap length, and sections in
//! byte order.

use proto::frame::{Frame, SavefileDrops};
use proto::limits::MAX_INTERFACES;
use proto::time::Timestamp;

use crate::bytes::{Order, length};
use crate::defect::Defect;
use crate::interface::Interface;
use crate::options::Options;
use crate::record::{MAX_SNAP_LENGTH, Need, Part, Record, Step, without_fcs};
use crate::statistics::{Beside, Statistics};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// A block's type and length, which come first.
const BLOCK_HEADER: usize = 8;
/// The length again, which comes last.
const BLOCK_TRAILER: usize = 4;
const LEAST_BLOCK: u32 = 12;
/// libpcap's limit on any block.
const MOST_BLOCK: u32 = 16 * 1024 * 1024;
const LEAST_SECTION: u32 = 28;
/// libpcap's limit on the section header that a file begins with.
const MOST_SECTION: u32 = 1024 * 1024;

/// The drop count of the obsolete packet block, if it is not known.
const DROPS_UNKNOWN: u16 = 0xffff;

/// A pcapng savefile.
#[derive(Debug)]
pub struct Pcapng {
    order: Order,
    /// Interfaces of the present section.
    interfaces: Vec<Interface>,
    /// Interfaces of the sections before, and what was said of what they lost.
    before: u32,
    drops_before: Option<SavefileDrops>,
}

impl Default for Pcapng {
    fn default() -> Self {
        Self { order: Order::Little, interfaces: Vec::new(), before: 0, drops_before: None }
    }
}

impl Pcapng {
    /// Whether a file that begins so may be a pcapng. The number reads the same in either byte order.
    pub fn is_magic(magic: [u8; 4]) -> bool {
        u32::from_le_bytes(magic) == SECTION_HEADER
    }

    /// Reads the section header that the file begins with.
    pub fn begin<'a>(&mut self, bytes: &'a [u8]) -> Result<Step<'a>, Defect> {
        let Some(order) = byte_order(bytes, Defect::Format)? else {
            return Ok(Step::Need(Need { part: Part::SectionMagic, before: 4, length: 8 }));
        };
        let total = order.u32(bytes, 4).unwrap_or_default();
        if !(LEAST_SECTION..=MOST_SECTION).contains(&total) {
            return Err(Defect::SectionLength { least: LEAST_SECTION, length: total, most: MOST_SECTION });
        }
        let Some(block) = bytes.get(..length(total)) else {
            let rest = length(total).saturating_sub(12);
            return Ok(Step::Need(Need { part: Part::Block, before: 12, length: rest }));
        };
        let major = order.u16(block, 12).unwrap_or_default();
        let minor = order.u16(block, 14).unwrap_or_default();
        if !is_readable(major, minor) {
            return Err(Defect::PcapngVersion { major, minor });
        }
        self.order = order;
        Ok(Step::Record { used: block.len(), record: Record::Other })
    }

    /// Reads the next block.
    #[inline]
    pub fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<Step<'a>, Defect> {
        let Some((header, rest)) = bytes.split_at_checked(BLOCK_HEADER) else {
            return Ok(Step::Need(Need { part: Part::BlockHeader, before: 0, length: BLOCK_HEADER }));
        };
        let kind = self.order.u32(header, 0).unwrap_or_default();
        if kind == SECTION_HEADER {
            // Its length is in the byte order of the section that it begins.
            match byte_order(bytes, Defect::ByteOrder)? {
                Some(order) => self.order = order,
                None => return Ok(Step::Need(Need { part: Part::Block, before: BLOCK_HEADER, length: 4 })),
            }
        }
        let total = self.order.u32(header, 4).unwrap_or_default();
        check_length(total)?;
        let after = length(total).saturating_sub(BLOCK_HEADER);
        let Some(block) = rest.get(..after) else {
            return Ok(Step::Need(Need { part: Part::Block, before: BLOCK_HEADER, length: after }));
        };
        let (body, trailer) =
            block.split_at_checked(after.saturating_sub(BLOCK_TRAILER)).unwrap_or((block, &[]));
        if self.order.u32(trailer, 0) != Some(total) {
            return Err(Defect::BlockTrailer);
        }
        Ok(Step::Record { used: length(total), record: self.block(kind, body)? })
    }

    /// What it means that the file ends here.
    pub fn end(&self) -> Result<(), Defect> {
        if self.has_interfaces() { Ok(()) } else { Err(Defect::NoInterfaces) }
    }

    /// What the file says so far of frames that its recorder lost.
    pub fn drops(&self) -> Option<SavefileDrops> {
        let present = Statistics::sum(self.interfaces.iter().map(|interface| interface.statistics));
        self.drops_before.into_iter().chain(present).reduce(SavefileDrops::and)
    }

    fn has_interfaces(&self) -> bool {
        self.before > 0 || !self.interfaces.is_empty()
    }

    fn block<'a>(&mut self, kind: u32, body: &'a [u8]) -> Result<Record<'a>, Defect> {
        match kind {
            SECTION_HEADER => self.section(body),
            INTERFACE_DESCRIPTION => self.interface(body),
            ENHANCED_PACKET | PACKET | SIMPLE_PACKET if !self.has_interfaces() => Err(Defect::PacketFirst),
            ENHANCED_PACKET => self.enhanced_packet(body),
            PACKET => self.packet(body),
            SIMPLE_PACKET => self.simple_packet(body),
            INTERFACE_STATISTICS => {
                self.statistics(body);
                Ok(Record::Other)
            }
            _ => Ok(Record::Other),
        }
    }

    /// A further section: its interfaces are numbered from 0 in the file, and after those before in ours.
    fn section(&mut self, body: &[u8]) -> Result<Record<'static>, Defect> {
        let short = Defect::BlockShort(SECTION_HEADER);
        let (Some(major), Some(minor), Some(_)) =
            (self.order.u16(body, 4), self.order.u16(body, 6), self.order.i64(body, 8))
        else {
            return Err(short);
        };
        if !is_readable(major, minor) {
            return Err(Defect::SectionVersion(major));
        }
        self.drops_before = self.drops();
        self.before = self.before.saturating_add(self.count());
        self.interfaces.clear();
        Ok(Record::Other)
    }

    fn count(&self) -> u32 {
        u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX)
    }

    fn interface(&mut self, body: &[u8]) -> Result<Record<'static>, Defect> {
        let (link_type, interface) =
            Interface::read(self.order, body)?.ok_or(Defect::BlockShort(INTERFACE_DESCRIPTION))?;
        if self.before.saturating_add(self.count()) >= MAX_INTERFACES {
            return Err(Defect::TooManyInterfaces(MAX_INTERFACES));
        }
        self.interfaces.push(interface);
        let nanoseconds = interface.resolution.is_finer_than_microseconds();
        Ok(Record::Interface { link_type, snap_length: interface.snap_length, nanoseconds })
    }

    /// Interface, time, options.
    fn statistics(&mut self, body: &[u8]) {
        let order = self.order;
        let number = order.u32(body, 0).map_or(usize::MAX, length);
        if let Some(interface) = self.interfaces.get_mut(number) {
            interface.statistics.update(order, Options::new(order, body.get(12..).unwrap_or_default()));
        }
    }

    #[inline]
    fn enhanced_packet<'a>(&mut self, body: &'a [u8]) -> Result<Record<'a>, Defect> {
        let (fixed, data) = body.split_at_checked(20).ok_or(Defect::BlockShort(ENHANCED_PACKET))?;
        let field = |offset| self.order.u32(fixed, offset).unwrap_or_default();
        let (number, captured, original) = (field(0), field(12), field(16));
        let beside = Beside::read(self.order, Options::after(self.order, data, length(captured)));
        let place = Place { kind: ENHANCED_PACKET, interface: number, count: Some((field(4), field(8))) };
        self.frame(place, captured, original, data, beside)
    }

    /// Interface and drop count are of 16 bits, as they are in no other block.
    fn packet<'a>(&mut self, body: &'a [u8]) -> Result<Record<'a>, Defect> {
        let (fixed, data) = body.split_at_checked(20).ok_or(Defect::BlockShort(PACKET))?;
        let field = |offset| self.order.u32(fixed, offset).unwrap_or_default();
        let (captured, original) = (field(12), field(16));
        let interface = self.order.u16(fixed, 0).unwrap_or_default().into();
        let place = Place { kind: PACKET, interface, count: Some((field(4), field(8))) };
        let drops = self.order.u16(fixed, 2).filter(|drops| *drops != DROPS_UNKNOWN);
        let options = Options::after(self.order, data, length(captured));
        // Both kinds of block have the same flags.
        let beside = Beside { lost: drops.map(u64::from), ..Beside::read(self.order, options) };
        self.frame(place, captured, original, data, beside)
    }

    /// A simple packet is of the first interface, has no time, and does not say how much was captured.
    fn simple_packet<'a>(&mut self, body: &'a [u8]) -> Result<Record<'a>, Defect> {
        let (fixed, data) = body.split_at_checked(4).ok_or(Defect::BlockShort(SIMPLE_PACKET))?;
        let original = self.order.u32(fixed, 0).unwrap_or_default();
        let snap_length = self.interfaces.first().map_or(MAX_SNAP_LENGTH, |first| first.snap_length);
        let place = Place { kind: SIMPLE_PACKET, interface: 0, count: None };
        self.frame(place, original.min(snap_length), original, data, Beside::default())
    }

    #[inline]
    fn frame<'a>(
        &mut self,
        place: Place,
        captured: u32,
        original: u32,
        data: &'a [u8],
        beside: Beside,
    ) -> Result<Record<'a>, Defect> {
        let interface = self.interfaces.get_mut(length(place.interface));
        let interface = interface.ok_or(Defect::NoSuchInterface(place.interface))?;
        if captured > interface.snap_length {
            return Err(Defect::OverSnapLength { length: captured, limit: interface.snap_length });
        }
        let data = data.get(..length(captured)).ok_or(Defect::BlockShort(place.kind))?;
        if let Some(lost) = beside.lost {
            interface.statistics.lost_before(lost);
        }
        let fcs = beside.fcs.unwrap_or(interface.fcs);
        let (captured, original) = without_fcs(fcs, captured, original);
        // A snap length may be stated that is larger than any frame relayed; what is beyond counts as cut.
        let captured = captured.min(MAX_SNAP_LENGTH);
        let data = data.get(..length(captured)).unwrap_or(data);
        let time = place.count.map_or(Timestamp::default(), |(high, low)| {
            interface.resolution.time((u64::from(high) << 32) | u64::from(low))
        });
        let interface = self.before.saturating_add(place.interface);
        Ok(Record::Frame(Frame { interface, time, captured, original }, data))
    }
}

/// What a packet block says before its lengths.
#[derive(Debug, Clone, Copy)]
struct Place {
    kind: u32,
    interface: u32,
    /// Upper and lower half of its timestamp.
    count: Option<(u32, u32)>,
}

/// The byte order that a section header states; none if it is not all there.
fn byte_order(bytes: &[u8], otherwise: Defect) -> Result<Option<Order>, Defect> {
    let Some(magic) = Order::Little.u32(bytes, 8) else { return Ok(None) };
    match magic {
        BYTE_ORDER_MAGIC => Ok(Some(Order::Little)),
        _ if magic.swap_bytes() == BYTE_ORDER_MAGIC => Ok(Some(Order::Big)),
        _ => Err(otherwise),
    }
}

/// Version 1.2 is 1.0 with a number that some writers got wrong.
fn is_readable(major: u16, minor: u16) -> bool {
    matches!((major, minor), (1, 0 | 2))
}

#[inline]
fn check_length(total: u32) -> Result<(), Defect> {
    if total < LEAST_BLOCK {
        Err(Defect::BlockLength { length: total, least: LEAST_BLOCK })
    } else if !total.is_multiple_of(4) {
        Err(Defect::BlockAlignment(total))
    } else if total > MOST_BLOCK {
        Err(Defect::BlockSize { length: total, limit: MOST_BLOCK })
    } else {
        Ok(())
    }
}
