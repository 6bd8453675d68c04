//! What a pcapng says of the frames that its recorder lost: in statistics of interfaces, and beside packets.
//!
//! pcapng (draft-ietf-opsawg-pcapng), sections 4.3 and 4.6. Nothing here can make a file unreadable: what is
//! malformed is not heeded.

use proto::frame::SavefileDrops;

use crate::bytes::Order;
use crate::options::Options;

const ISB_IFRECV: u16 = 4;
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;

const EPB_FLAGS: u16 = 2;
const EPB_DROPCOUNT: u16 = 4;
/// Length of the check sequence, in `epb_flags`; 0 if it is not known.
const FCS_SHIFT: u32 = 5;
const FCS_MASK: u32 = 0xf;

/// What is said of one interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    received: u64,
    by_interface: u64,
    by_system: u64,
    between: u64,
    /// Whether any of it was said.
    stated: bool,
}

impl Statistics {
    /// Takes over an interface statistics block. Each counts from the beginning, so the last one counts.
    pub fn update(&mut self, order: Order, options: Options<'_>) {
        for option in options.lenient() {
            let Some(value) = order.u64(option.value, 0) else { continue };
            let field = match option.code {
                ISB_IFRECV => &mut self.received,
                ISB_IFDROP => &mut self.by_interface,
                ISB_OSDROP => &mut self.by_system,
                _ => continue,
            };
            *field = value;
            self.stated = true;
        }
    }

    /// So many frames were lost since the packet before.
    pub fn lost_before(&mut self, count: u64) {
        self.between = self.between.saturating_add(count);
        self.stated = true;
    }

    /// The sum of what is said of several interfaces; none if nothing is.
    pub fn sum(all: impl IntoIterator<Item = Self>) -> Option<SavefileDrops> {
        let stated = all.into_iter().filter(|statistics| statistics.stated).map(|one| SavefileDrops {
            received: one.received,
            by_interface: one.by_interface,
            by_system: one.by_system,
            between: one.between,
            // The same losses, told at another place.
            dropped: one.by_interface.saturating_add(one.by_system).max(one.between),
        });
        stated.reduce(SavefileDrops::and)
    }
}

/// What stands beside a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Beside {
    /// Bytes of the check sequence at its end, if that is known.
    pub fcs: Option<u32>,
    /// Frames lost before it, if that is known.
    pub lost: Option<u64>,
}

impl Beside {
    /// Reads the options of an enhanced packet block.
    pub fn read(order: Order, options: Options<'_>) -> Self {
        let mut beside = Self::default();
        for option in options.lenient() {
            match option.code {
                EPB_FLAGS => {
                    let length = order.u32(option.value, 0).map(|flags| (flags >> FCS_SHIFT) & FCS_MASK);
                    beside.fcs = length.filter(|length| *length > 0);
                }
                EPB_DROPCOUNT => beside.lost = order.u64(option.value, 0),
                _ => {}
            }
        }
        beside
    }
}
