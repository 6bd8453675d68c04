//! What honest networks carry, for what is measured by the packet: large transfers, short exchanges, web pages.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{ACK, Ends, FIN, Maker, PORT, SYN, after, ends};

/// What fits a segment on Ethernet.
const SEGMENT: usize = 1448;
/// Exchanges that are under way at once.
const AT_ONCE: u64 = 100;

/// Two transfers of so many full segments together, by turns.
pub fn bulk(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    for number in 0..2 {
        maker.segment(ends(number), 99, SYN, b"")?;
    }
    let payload = [b'b'; SEGMENT];
    let step = u64::try_from(SEGMENT).unwrap();
    for number in 0..size {
        maker.segment(ends(number % 2), after(100, number / 2 * step), ACK, &payload)?;
    }
    Ok(())
}

/// So many flows that send by turns, two million segments in all and at least ten of each.
pub fn turns(maker: &mut Maker<'_>, flows: u64) -> io::Result<()> {
    let segments = if flows == 0 { 0 } else { (10 * flows).max(2_000_000) };
    for number in 0..segments {
        maker.segment(ends(number % flows), after(100, number / flows * 10), ACK, &[b't'; 10])?;
    }
    Ok(())
}

/// So many connections with a request and an answer of 5,000 bytes each.
pub fn short(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    connections(maker, size, &[b's'; 5000])
}

/// So many connections, each with a page of 16,000 bytes in gzip.
pub fn pages(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    let mut page = GzEncoder::new(Vec::new(), Compression::default());
    let mut noise = 12345_u32;
    for _ in 0..1000 {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        writeln!(page, "<p>{noise:08x}</p>")?;
    }
    let page = page.finish()?;
    let fields = "Content-Type: text/html\r\nContent-Encoding: gzip";
    let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: {}\r\n\r\n", page.len());
    connections(maker, size, &[head.as_bytes(), &page].concat())
}

/// So many connections from SYN to FIN, a hundred at once, each with a request and this answer.
fn connections(maker: &mut Maker<'_>, size: u64, answer: &[u8]) -> io::Result<()> {
    let mut first = 0;
    while first < size {
        let last = size.min(first + AT_ONCE);
        for step in [open, ask, reply, close] {
            for number in first..last {
                let client = ends(number);
                let server =
                    Ends { source: client.destination, source_port: PORT, destination: client.source };
                step(maker, client, server, answer)?;
            }
        }
        first = last;
    }
    Ok(())
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: ordinary.example\r\n\r\n";

fn open(maker: &mut Maker<'_>, client: Ends, server: Ends, _: &[u8]) -> io::Result<()> {
    maker.segment(client, 99, SYN, b"")?;
    maker.segment_to(server, client.source_port, 999, SYN | ACK, b"")
}

fn ask(maker: &mut Maker<'_>, client: Ends, _: Ends, _: &[u8]) -> io::Result<()> {
    maker.segment(client, 100, ACK, REQUEST)
}

fn reply(maker: &mut Maker<'_>, client: Ends, server: Ends, answer: &[u8]) -> io::Result<()> {
    let mut sequence = 1000;
    for payload in answer.chunks(SEGMENT) {
        maker.segment_to(server, client.source_port, sequence, ACK, payload)?;
        sequence = behind(sequence, payload);
    }
    Ok(())
}

fn close(maker: &mut Maker<'_>, client: Ends, server: Ends, answer: &[u8]) -> io::Result<()> {
    maker.segment_to(server, client.source_port, behind(1000, answer), ACK | FIN, b"")?;
    maker.segment(client, behind(100, REQUEST), ACK | FIN, b"")
}

/// The sequence number behind these bytes.
fn behind(sequence: u32, bytes: &[u8]) -> u32 {
    after(sequence, u64::try_from(bytes.len()).unwrap())
}
