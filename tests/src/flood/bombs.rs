//! Floods inside one HTTP connection: little that becomes much, and what has no end.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use super::Maker;

const MEBIBYTE: usize = 1 << 20;
/// What announces a body.
const HEAD: &str = "HTTP/1.1 200 OK\r\nServer: bombs\r\nContent-Type: text/plain\r\nContent-Encoding: ";

/// One body of so many MiB of zeros in gzip, about a thousandth of that.
pub fn gzip(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    let mut reply = maker.reply()?;
    write!(reply, "{HEAD}gzip\r\nConnection: close\r\n\r\n")?;
    write_gzip(&mut reply, size)?;
    reply.flush()
}

/// Each MiB is compressed as if nothing came before, so that all of them are the same.
pub fn write_gzip(out: &mut dyn Write, size: u64) -> io::Result<()> {
    out.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])?;
    let zeros = vec![0; MEBIBYTE];
    let mut block = Vec::with_capacity(MEBIBYTE);
    let status =
        Compress::new(Compression::best(), false).compress_vec(&zeros, &mut block, FlushCompress::Full);
    assert_eq!(status.unwrap(), Status::Ok);
    let (mut one, mut all) = (Crc::new(), Crc::new());
    one.update(&zeros);
    for _ in 0..size {
        out.write_all(&block)?;
        all.combine(&one);
    }
    // An empty last block, the check sum, the length.
    out.write_all(&[3, 0])?;
    out.write_all(&all.sum().to_le_bytes())?;
    out.write_all(&all.amount().to_le_bytes())
}

/// One body of so many gzip members of no bytes.
pub fn gzip_members(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    let member = GzEncoder::new(Vec::new(), Compression::fast()).finish()?;
    let mut reply = maker.reply()?;
    write!(reply, "{HEAD}gzip\r\nConnection: close\r\n\r\n")?;
    for _ in 0..size {
        reply.write_all(&member)?;
    }
    reply.flush()
}

/// One body of so many blocks of zstd, each 128 KiB of one byte in four bytes.
pub fn zstd(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    let mut reply = maker.reply()?;
    write!(reply, "{HEAD}zstd\r\nConnection: close\r\n\r\n")?;
    // A window of 8 MiB.
    reply.write_all(&[0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3])?;
    for number in 1..=size {
        let header = (0x2_0000_u32 << 3) | (1 << 1) | u32::from(number == size);
        reply.write_all(&header.to_le_bytes()[..3])?;
        reply.write_all(b"z")?;
    }
    reply.flush()
}

/// So many connections at once that each want a window of 8 MiB, and fill 4 of them.
pub fn zstd_windows(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    let mut body = Vec::from(&b"\x28\xb5\x2f\xfd\x00\x68"[..]);
    for _ in 0..32 {
        let header = (0x2_0000_u32 << 3) | (1 << 1);
        body.extend_from_slice(&header.to_le_bytes()[..3]);
        body.push(b'z');
    }
    let reply = [HEAD.as_bytes(), b"zstd\r\nConnection: close\r\n\r\n", &body].concat();
    for number in 0..size {
        let client = super::ends(number);
        let server = super::Ends { source: client.destination, source_port: super::PORT, ..client };
        let server = super::Ends { destination: client.source, ..server };
        maker.segment_to(server, client.source_port, 99, super::SYN | super::ACK, b"")?;
        maker.segment_to(server, client.source_port, 100, super::ACK, &reply)?;
    }
    Ok(())
}

/// One body of so many MiB of zeros, in gzip in gzip.
pub fn nested(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    let mut reply = maker.reply()?;
    write!(reply, "{HEAD}gzip, gzip\r\nConnection: close\r\n\r\n")?;
    let mut outer = GzEncoder::new(&mut reply, Compression::fast());
    write_gzip(&mut outer, size)?;
    outer.finish()?;
    reply.flush()
}

/// A response whose first field has no end within so many bytes.
pub fn head_line(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    endless(maker, "HTTP/1.1 200 OK\r\nServer: ", b"more and more ", size)
}

/// A response with fields without end.
pub fn head_fields(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    endless(maker, "HTTP/1.1 200 OK\r\n", b"Field: value\r\n", size)
}

/// A chunk with an extension without end.
pub fn chunk_extension(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    endless(maker, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"name=value;", size)
}

/// Chunks, and behind them fields without end.
pub fn trailer(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    let start = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n";
    endless(maker, start, b"Field: value\r\n", size)
}

fn endless(maker: &mut Maker<'_>, start: &str, more: &[u8], size: u64) -> io::Result<()> {
    let mut reply = maker.reply()?;
    reply.write_all(start.as_bytes())?;
    let piece = more.repeat(100);
    let pieces = size / u64::try_from(piece.len()).unwrap();
    for _ in 0..pieces {
        reply.write_all(&piece)?;
    }
    reply.flush()
}

/// So many responses in one connection, each with a body of one byte.
pub fn responses(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    let mut reply = maker.reply()?;
    for _ in 0..size {
        reply.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")?;
    }
    reply.flush()
}
