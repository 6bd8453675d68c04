//! Writers of savefiles, sound and broken, in either byte order.

/// A byte order to write in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Little,
    Big,
}

use Order::{Big, Little};

impl Order {
    pub fn u16(self, value: u16) -> [u8; 2] {
        if self == Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    pub fn u32(self, value: u32) -> [u8; 4] {
        if self == Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    pub fn u64(self, value: u64) -> [u8; 8] {
        if self == Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }
}

pub const BOTH: [Order; 2] = [Little, Big];

pub const MICROSECONDS: u32 = 0xa1b2_c3d4;
pub const NANOSECONDS: u32 = 0xa1b2_3c4d;
pub const PATCHED: u32 = 0xa1b2_cd34;

/// The header of a classic savefile.
pub struct Header {
    pub order: Order,
    pub magic: u32,
    pub version: (u16, u16),
    pub snap_length: u32,
    pub link_type: u32,
}

pub const HEADER: Header =
    Header { order: Little, magic: MICROSECONDS, version: (2, 4), snap_length: 65_535, link_type: 1 };

impl Header {
    pub fn bytes(&self) -> Vec<u8> {
        let order = self.order;
        [
            &order.u32(self.magic)[..],
            &order.u16(self.version.0),
            &order.u16(self.version.1),
            &order.u64(0),
            &order.u32(self.snap_length),
            &order.u32(self.link_type),
        ]
        .concat()
    }
}

/// A classic record's header.
pub fn record_header(order: Order, time: (u32, u32), captured: u32, original: u32) -> Vec<u8> {
    [time.0, time.1, captured, original].into_iter().flat_map(|field| order.u32(field)).collect()
}

/// A classic record.
pub fn record(order: Order, time: (u32, u32), data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).expect("short");
    [record_header(order, time, length, length), data.to_vec()].concat()
}

/// A pcapng block.
pub fn block(order: Order, kind: u32, parts: &[&[u8]]) -> Vec<u8> {
    let mut body = parts.concat();
    body.resize(body.len().next_multiple_of(4), 0);
    let total = order.u32(u32::try_from(body.len() + 12).expect("short"));
    [&order.u32(kind), &total[..], &body, &total].concat()
}

pub fn section(order: Order) -> Vec<u8> {
    section_of_version(order, 1, 0)
}

pub fn section_of_version(order: Order, major: u16, minor: u16) -> Vec<u8> {
    let magic = order.u32(0x1a2b_3c4d);
    block(order, 0x0a0d_0d0a, &[&magic, &order.u16(major), &order.u16(minor), &order.u64(u64::MAX)])
}

pub fn interface(order: Order, link_type: u16, snap_length: u32, options: &[u8]) -> Vec<u8> {
    block(order, 1, &[&order.u16(link_type), &[0, 0], &order.u32(snap_length), options])
}

pub fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("short");
    let mut bytes = [&order.u16(code), &order.u16(length), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

pub fn enhanced_packet(order: Order, interface: u32, time: u64, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).expect("short");
    packet_of_length(order, interface, time, (length, length), data)
}

pub fn packet_of_length(
    order: Order,
    interface: u32,
    time: u64,
    (captured, original): (u32, u32),
    data: &[u8],
) -> Vec<u8> {
    let [high, low] = halves(time);
    let fields: Vec<u8> =
        [interface, high, low, captured, original].into_iter().flat_map(|field| order.u32(field)).collect();
    block(order, 6, &[&fields, data])
}

/// An enhanced packet with options after it.
pub fn packet_with(order: Order, interface: u32, data: &[u8], options: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).expect("short");
    let fields: Vec<u8> =
        [interface, 0, 0, length, length].into_iter().flat_map(|field| order.u32(field)).collect();
    let mut padded = data.to_vec();
    padded.resize(data.len().next_multiple_of(4), 0);
    block(order, 6, &[&fields, &padded, options])
}

/// Statistics of an interface.
pub fn statistics(order: Order, interface: u32, options: &[u8]) -> Vec<u8> {
    block(order, 5, &[&order.u32(interface), &order.u64(0), options])
}

pub fn simple_packet(order: Order, original: u32, data: &[u8]) -> Vec<u8> {
    block(order, 3, &[&order.u32(original), data])
}

/// The obsolete packet block, which says how many were lost before it.
pub fn old_packet(order: Order, (interface, drops): (u16, u16), time: u64, data: &[u8]) -> Vec<u8> {
    let [high, low] = halves(time);
    let length = u32::try_from(data.len()).expect("short");
    let fields: Vec<u8> =
        [high, low, length, length].into_iter().flat_map(|field| order.u32(field)).collect();
    block(order, 2, &[&order.u16(interface), &order.u16(drops), &fields, data])
}

fn halves(time: u64) -> [u32; 2] {
    [u32::try_from(time >> 32).expect("half"), u32::try_from(time & 0xffff_ffff).expect("half")]
}

/// An Ethernet frame with a TCP segment to `port`.
pub fn tcp_frame(port: u16, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(40 + payload.len()).expect("short").to_be_bytes();
    let mut frame =
        vec![2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 8, 0, 0x45, 0, total[0], total[1], 0, 1, 0, 0, 64, 6];
    frame.extend([0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(1234_u16.to_be_bytes());
    frame.extend(port.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0, 100, 0, 0, 0, 0]);
    frame.extend(payload);
    frame
}
