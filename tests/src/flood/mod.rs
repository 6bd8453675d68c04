//! Floods: captures that no honest network makes, written as they are made, so that none is ever whole in memory
//! or on a disk; and, made in the same way, what honest networks carry. The `flood` program puts one on standard output.
//!
//! Sizes are in what a flood is made of: frames, or what the table says.

mod bombs;
mod flows;
mod frames;
mod ordinary;

use std::io::{self, Write};

use crate::capture::RAW;
use crate::conversation::START;

/// Everyone's port.
const PORT: u16 = 80;
/// Flags of a TCP header.
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// One kind of flood.
#[derive(Debug, Clone, Copy)]
pub struct Flood {
    /// What it is called.
    pub name: &'static str,
    /// The size that it has when nothing is said.
    pub size: u64,
    /// Its link type.
    link_type: u16,
    make: fn(&mut Maker<'_>, u64) -> io::Result<()>,
}

/// All of them.
pub const FLOODS: [Flood; 31] = [
    flood("syn", 2_000_000, flows::syn),
    flood("one-segment", 5_000_000, flows::one_segment),
    flood("comb", 2_000_000, flows::comb),
    flood("backwards", 1_000_000, flows::backwards),
    flood("backwards-without-syn", 1_000_000, flows::backwards_without_syn),
    flood("hoard", 4_000_000, flows::hoard),
    flood("retransmissions", 2_000_000, flows::retransmissions),
    flood("storm", 2_000_000, flows::storm),
    flood("reopened", 200_000, flows::reopened),
    flood("clocks", 1_000_000, flows::clocks),
    flood("fragments-first", 2_000_000, frames::first_fragments),
    flood("fragments-small", 2_000_000, frames::small_fragments),
    flood("fragments-over", 2_000_000, frames::overlapping_fragments),
    ethernet("mpls", 20_000, frames::mpls),
    ethernet("vlan", 20_000, frames::vlan),
    flood("ipv6-headers", 20_000, frames::ipv6_headers),
    flood("ip-in-ip", 20_000, frames::ip_in_ip),
    flood("gzip", 10_240, bombs::gzip),
    flood("gzip-members", 200_000, bombs::gzip_members),
    flood("zstd", 81_920, bombs::zstd),
    flood("zstd-windows", 2_000, bombs::zstd_windows),
    flood("nested", 10_240, bombs::nested),
    flood("head-line", 100_000_000, bombs::head_line),
    flood("head-fields", 100_000_000, bombs::head_fields),
    flood("chunk-extension", 100_000_000, bombs::chunk_extension),
    flood("trailer", 100_000_000, bombs::trailer),
    flood("responses", 500_000, bombs::responses),
    flood("bulk", 750_000, ordinary::bulk),
    flood("short", 100_000, ordinary::short),
    flood("pages", 20_000, ordinary::pages),
    flood("turns", 1000, ordinary::turns),
];

const fn flood(name: &'static str, size: u64, make: fn(&mut Maker<'_>, u64) -> io::Result<()>) -> Flood {
    Flood { name, size, link_type: RAW, make }
}

const fn ethernet(name: &'static str, size: u64, make: fn(&mut Maker<'_>, u64) -> io::Result<()>) -> Flood {
    Flood { name, size, link_type: crate::capture::ETHERNET, make }
}

/// Writes a savefile in gzip that has so many MiB of zeros where its records should be.
pub fn compressed_zeros(size: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut head = flate2::write::GzEncoder::new(&mut *out, flate2::Compression::fast());
    head.write_all(&crate::capture::pcap(RAW, &[]))?;
    head.finish()?;
    bombs::write_gzip(out, size)
}

impl Flood {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        FLOODS.into_iter().find(|flood| flood.name == name).unwrap_or_else(|| panic!("no flood {name}"))
    }

    /// Writes it in this size, as a pcap file.
    pub fn write(self, size: u64, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&crate::capture::pcap(self.link_type, &[]))?;
        let mut maker = Maker { out, clock: START / 1000, buffer: Vec::new() };
        (self.make)(&mut maker, size)?;
        maker.flush()
    }
}

/// Where segments go from and to.
#[derive(Debug, Clone, Copy)]
struct Ends {
    source: u32,
    source_port: u16,
    destination: u32,
}

/// The n-th pair of ends, 2³² of which differ.
fn ends(number: u64) -> Ends {
    let [a, b, c, d, ..] = number.to_le_bytes();
    Ends {
        source: u32::from_be_bytes([10, d, c, b]),
        source_port: 1024 + u16::from(a),
        destination: u32::from_be_bytes([192, 0, 2, 1]),
    }
}

/// Makes frames.
struct Maker<'a> {
    out: &'a mut dyn Write,
    /// Microseconds since 1970.
    clock: u64,
    buffer: Vec<u8>,
}

impl Maker<'_> {
    /// A frame, ten microseconds after the one before.
    fn frame(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        self.clock += 10;
        let (seconds, fraction) = (self.clock / 1_000_000, self.clock % 1_000_000);
        let length: usize = parts.iter().map(|part| part.len()).sum();
        for field in [seconds & 0xffff_ffff, fraction] {
            self.buffer.extend(u32::try_from(field).unwrap().to_le_bytes());
        }
        for field in [length; 2] {
            self.buffer.extend(u32::try_from(field).unwrap().to_le_bytes());
        }
        for part in parts {
            self.buffer.extend_from_slice(part);
        }
        if self.buffer.len() >= 1 << 18 { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// A segment in IPv4.
    fn segment(&mut self, ends: Ends, sequence: u32, flags: u8, payload: &[u8]) -> io::Result<()> {
        let ip = ipv4(ends, 6, [0, 0], 20 + payload.len());
        self.frame(&[&ip, &tcp(ends, sequence, flags), payload])
    }

    /// A stream of a server in segments of 1400 bytes, behind its SYN and after a request. What is sent begins
    /// at offset 0.
    fn reply(&mut self) -> io::Result<Stream<'_>> {
        let client = ends(0);
        let server = Ends { source: client.destination, source_port: PORT, destination: client.source };
        self.segment(client, 99, SYN, b"")?;
        self.segment_to(server, client.source_port, 999, SYN | ACK, b"")?;
        self.segment(client, 100, ACK, b"GET / HTTP/1.1\r\nHost: bomb.example\r\n\r\n")?;
        let waiting = Vec::new();
        Ok(Stream {
            packets: Packets { server, port: client.source_port, sequence: 1000 },
            waiting,
            maker: self,
        })
    }

    fn segment_to(
        &mut self,
        from: Ends,
        port: u16,
        sequence: u32,
        flags: u8,
        payload: &[u8],
    ) -> io::Result<()> {
        let ip = ipv4(from, 6, [0, 0], 20 + payload.len());
        let mut tcp = tcp(from, sequence, flags);
        tcp[2..4].copy_from_slice(&port.to_be_bytes());
        self.frame(&[&ip, &tcp, payload])
    }
}

/// Where a stream is.
#[derive(Debug)]
struct Packets {
    server: Ends,
    port: u16,
    sequence: u32,
}

/// A stream that is cut into segments as it is written.
struct Stream<'m> {
    packets: Packets,
    waiting: Vec<u8>,
    maker: &'m mut dyn Segments,
}

/// What takes the segments of a stream.
trait Segments {
    fn put(&mut self, packets: &mut Packets, flags: u8, payload: &[u8]) -> io::Result<()>;
}

impl Segments for Maker<'_> {
    fn put(&mut self, packets: &mut Packets, flags: u8, payload: &[u8]) -> io::Result<()> {
        self.segment_to(packets.server, packets.port, packets.sequence, flags, payload)?;
        packets.sequence = packets.sequence.wrapping_add(u32::try_from(payload.len()).unwrap());
        Ok(())
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        let whole = self.waiting.len() - self.waiting.len() % 1400;
        for payload in self.waiting[..whole].chunks(1400) {
            self.maker.put(&mut self.packets, ACK, payload)?;
        }
        self.waiting.drain(..whole);
        Ok(bytes.len())
    }

    /// What is left, with the end of the stream.
    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.waiting);
        self.maker.put(&mut self.packets, ACK | FIN, &rest)
    }
}

/// An IPv4 header for so much behind it. Nobody looks at check sums.
fn ipv4(ends: Ends, protocol: u8, fragment: [u8; 2], behind: usize) -> [u8; 20] {
    let mut header = [0; 20];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&u16::try_from(20 + behind).unwrap().to_be_bytes());
    // What tells datagrams apart whose addresses are the same.
    header[4..6].copy_from_slice(&ends.source_port.to_be_bytes());
    header[6..8].copy_from_slice(&fragment);
    header[8..10].copy_from_slice(&[64, protocol]);
    header[12..16].copy_from_slice(&ends.source.to_be_bytes());
    header[16..20].copy_from_slice(&ends.destination.to_be_bytes());
    header
}

fn tcp(ends: Ends, sequence: u32, flags: u8) -> [u8; 20] {
    let mut header = [0; 20];
    header[0..2].copy_from_slice(&ends.source_port.to_be_bytes());
    header[2..4].copy_from_slice(&PORT.to_be_bytes());
    header[4..8].copy_from_slice(&sequence.to_be_bytes());
    header[12..16].copy_from_slice(&[0x50, flags, 0x20, 0]);
    header
}

/// A sequence number this far behind another.
fn after(sequence: u32, distance: u64) -> u32 {
    sequence.wrapping_add(u32::try_from(distance & 0xffff_ffff).unwrap())
}
