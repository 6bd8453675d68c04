//! Writing captures: pcap in either byte order and precision, and pcapng.
//!
//! Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.

/// A captured frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// When, in nanoseconds since 1970.
    pub time: u64,
    /// The bytes captured.
    pub bytes: Vec<u8>,
    /// The bytes it had on the wire.
    pub original: u32,
}

impl Packet {
    /// A frame that was captured whole.
    #[must_use]
    pub fn whole(time: u64, bytes: Vec<u8>) -> Self {
        let original = u32::try_from(bytes.len()).unwrap();
        Self { time, bytes, original }
    }

    /// The same frame, captured with this snap length.
    #[must_use]
    pub fn cut(mut self, snap_length: usize) -> Self {
        self.bytes.truncate(snap_length);
        self
    }
}

/// Byte order of a savefile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Order {
    fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }
}

/// What the fractions of a savefile's timestamps are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Microseconds, magic number `a1b2c3d4`.
    Micro,
    /// Nanoseconds, magic number `a1b23c4d`.
    Nano,
}

/// `LINKTYPE_NULL`.
pub const NULL: u16 = 0;
/// `LINKTYPE_ETHERNET`.
pub const ETHERNET: u16 = 1;
/// `LINKTYPE_RAW`.
pub const RAW: u16 = 101;
/// `LINKTYPE_LINUX_SLL`.
pub const LINUX_SLL: u16 = 113;

/// The bytes of the header of a pcap file.
pub const PCAP_HEADER: usize = 24;
/// The bytes of the header of a pcap record.
pub const PCAP_RECORD: usize = 16;

/// A little-endian, microsecond pcap file, which is what tcpdump writes.
#[must_use]
pub fn pcap(link_type: u16, packets: &[Packet]) -> Vec<u8> {
    pcap_as(Order::Little, Precision::Micro, link_type, packets)
}

/// A pcap file.
#[must_use]
pub fn pcap_as(order: Order, precision: Precision, link_type: u16, packets: &[Packet]) -> Vec<u8> {
    let (magic, unit) = match precision {
        Precision::Micro => (0xa1b2_c3d4, 1_000),
        Precision::Nano => (0xa1b2_3c4d, 1),
    };
    let mut file = Vec::new();
    file.extend(order.u32(magic));
    file.extend([order.u16(2), order.u16(4)].concat());
    for field in [0, 0, 65_535, u32::from(link_type)] {
        file.extend(order.u32(field));
    }
    for packet in packets {
        let seconds = u32::try_from(packet.time / 1_000_000_000).unwrap();
        let fraction = u32::try_from(packet.time % 1_000_000_000 / unit).unwrap();
        for field in [seconds, fraction, u32::try_from(packet.bytes.len()).unwrap(), packet.original] {
            file.extend(order.u32(field));
        }
        file.extend(&packet.bytes);
    }
    file
}

/// What a little-endian pcap file holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Savefile {
    /// What the fractions of its timestamps are.
    pub precision: Precision,
    /// Its snap length.
    pub snap_length: u32,
    /// Its link type.
    pub link_type: u32,
    /// Its packets.
    pub packets: Vec<Packet>,
}

/// Reads a little-endian pcap file, every byte of which must belong to something.
#[must_use]
pub fn read_pcap(file: &[u8]) -> Savefile {
    let field = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let (precision, unit) = match field(0) {
        0xa1b2_c3d4 => (Precision::Micro, 1000),
        0xa1b2_3c4d => (Precision::Nano, 1),
        magic => panic!("magic {magic:x}"),
    };
    assert_eq!((field(4), field(8), field(12)), (0x0004_0002, 0, 0), "version 2.4");
    let (mut at, mut packets) = (PCAP_HEADER, Vec::new());
    while at < file.len() {
        let start = at + PCAP_RECORD;
        let end = start + usize::try_from(field(at + 8)).unwrap();
        let time = u64::from(field(at)) * 1_000_000_000 + u64::from(field(at + 4)) * unit;
        packets.push(Packet { time, original: field(at + 12), bytes: file[start..end].to_vec() });
        at = end;
    }
    Savefile { precision, snap_length: field(16), link_type: field(20), packets }
}

/// A pcapng file: one section, one interface of this link type with the default microseconds.
#[must_use]
pub fn pcapng(order: Order, link_type: u16, packets: &[Packet]) -> Vec<u8> {
    let interfaces = [(link_type, packets.to_vec())];
    pcapng_of(order, &interfaces)
}

/// A pcapng file of several interfaces, each with its link type and packets.
#[must_use]
pub fn pcapng_of(order: Order, interfaces: &[(u16, Vec<Packet>)]) -> Vec<u8> {
    let mut file = Vec::new();
    let section = [&order.u32(0x1a2b_3c4d)[..], &order.u16(1), &order.u16(0), &[0xff; 8]].concat();
    block(&mut file, order, 0x0a0d_0d0a, &section);
    for (link_type, _) in interfaces {
        block(&mut file, order, 1, &[&order.u16(*link_type)[..], &order.u16(0), &order.u32(65_535)].concat());
    }
    for (number, (_, packets)) in interfaces.iter().enumerate() {
        for packet in packets {
            let micros = packet.time / 1_000;
            let mut body = Vec::new();
            for field in [
                u32::try_from(number).unwrap(),
                u32::try_from(micros >> 32).unwrap(),
                u32::try_from(micros & 0xffff_ffff).unwrap(),
                u32::try_from(packet.bytes.len()).unwrap(),
                packet.original,
            ] {
                body.extend(order.u32(field));
            }
            body.extend(&packet.bytes);
            block(&mut file, order, 6, &body);
        }
    }
    file
}

fn block(file: &mut Vec<u8>, order: Order, kind: u32, body: &[u8]) {
    let padded = body.len().next_multiple_of(4);
    let total = order.u32(u32::try_from(padded + 12).unwrap());
    file.extend(order.u32(kind));
    file.extend(total);
    file.extend(body);
    file.resize(file.len() + padded - body.len(), 0);
    file.extend(total);
}
