//! Floods of segments: of many flows, or of what is hard to put in order.

use std::io;

use super::{ACK, FIN, Maker, RST, SYN, after, ends};

/// Flows that hoard.
const HOARDERS: u64 = 100_000;

/// SYNs from so many ends, and one flow of data that a byte comes of with every hundredth.
pub fn syn(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    let live = ends(0);
    maker.segment(live, 99, SYN, b"")?;
    for number in 1..size {
        maker.segment(ends(number), 7, SYN, b"")?;
        if number % 100 == 0 {
            maker.segment(live, after(100, number / 100 - 1), ACK, b"d")?;
        }
    }
    Ok(())
}

/// So many flows of one segment each, that nothing begins and nothing ends.
pub fn one_segment(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    (0..size).try_for_each(|number| maker.segment(ends(number), 7, ACK, b"x"))
}

/// One flow of so many bytes, one at a time: first every other one, then those between.
pub fn comb(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    maker.segment(ends(0), 99, SYN, b"")?;
    for first in [1, 0] {
        for offset in (first..size).step_by(2) {
            maker.segment(ends(0), after(100, offset), ACK, b"x")?;
        }
    }
    Ok(())
}

/// One flow of so many bytes, the last one first, behind its SYN.
pub fn backwards(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    maker.segment(ends(0), 99, SYN, b"")?;
    backwards_without_syn(maker, size)
}

/// The same without: each byte precedes all that is there.
pub fn backwards_without_syn(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    (0..size).rev().try_for_each(|offset| maker.segment(ends(0), after(100, offset), ACK, b"x"))
}

/// A hundred thousand flows, none of which ever sends its first bytes. Each new segment leaves one more hole.
pub fn hoard(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    let flows = HOARDERS.min(size / 20);
    for number in 0..flows {
        maker.segment(ends(number), 99, SYN, b"")?;
    }
    for number in 0..size - flows {
        let offset = 100 + number / flows * 200;
        maker.segment(ends(number % flows), after(100, offset), ACK, &[b'h'; 100])?;
    }
    Ok(())
}

/// One segment, and so often the same again, every other time with other bytes.
pub fn retransmissions(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    for number in 0..size {
        let payload = if number % 2 == 0 { b"same" } else { b"else" };
        maker.segment(ends(0), 100, ACK, payload)?;
    }
    Ok(())
}

/// A hundred flows, and between their segments SYNs and RSTs with numbers of no meaning.
pub fn storm(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    let mut noise = 12345_u32;
    for number in 0..size {
        let flow = ends(number % 100);
        let sent = number / 400;
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match number / 100 % 4 {
            0 => maker.segment(flow, after(100, sent), ACK, b"d")?,
            1 => maker.segment(flow, noise, RST, b"")?,
            2 => maker.segment(flow, noise, SYN, b"")?,
            _ => maker.segment(flow, noise, RST | ACK, b"text")?,
        }
    }
    Ok(())
}

/// Two ends that open, fill and close a connection so often.
pub fn reopened(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    for number in 0..size {
        let first = after(100, number * 7919);
        maker.segment(ends(0), first, SYN, b"")?;
        maker.segment(ends(0), after(first, 1), ACK | FIN, b"again")?;
    }
    Ok(())
}

/// A thousand flows at times that leap by years, forth and back.
pub fn clocks(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    const TIMES: [u64; 5] = [0, 1_600_000_000, 4_294_967_295, 1_599_999_999, 2_147_483_648];
    for number in 0..size {
        let leap = usize::try_from(number % 7 % 5).unwrap();
        maker.clock = TIMES[leap] * 1_000_000 + number % 900_000;
        maker.segment(ends(number % 1000), after(100, number / 1000), ACK, b"t")?;
    }
    Ok(())
}
