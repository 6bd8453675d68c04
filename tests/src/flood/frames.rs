//! Floods of frames that take long to open: fragments, and headers without end.

use std::io;

use super::{ACK, Ends, Maker, ends, ipv4, tcp};

/// Headers of a chain.
const DEEP: usize = 10_000;
/// More fragments follow.
const MORE: u8 = 0x20;

/// The first fragment of so many datagrams, none of which gets another.
pub fn first_fragments(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    for number in 0..size {
        let ends = ends(number);
        let ip = ipv4(ends, 6, [MORE, 0], 20 + 12);
        maker.frame(&[&ip, &tcp(ends, 7, ACK), b"first, alone"])?;
    }
    Ok(())
}

/// Datagrams of as many fragments of 8 bytes as are kept, the first of which never comes.
pub fn small_fragments(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    for number in 0..size {
        let (datagram, piece) = (number / 1024, 1 + number % 1024);
        let [low, high, ..] = piece.to_le_bytes();
        let ip = ipv4(ends(datagram), 6, [MORE | high, low], 8);
        maker.frame(&[&ip, b"fragment"])?;
    }
    Ok(())
}

/// Datagrams whose fragments all begin at the same place, and each of which differs.
pub fn overlapping_fragments(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    for number in 0..size {
        let ip = ipv4(ends(number / 1024), 6, [MORE, 1], 64);
        maker.frame(&[&ip, &number.to_be_bytes(), &[b'o'; 56]])?;
    }
    Ok(())
}

/// So many frames of ten thousand labels, and the last one a segment.
pub fn mpls(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    chain(maker, size, &[&[2; 12], &[0x88, 0x47][..]].concat(), &[0, 1, 0, 64], &[0, 1, 1, 64])
}

/// The same of VLAN tags.
pub fn vlan(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    chain(maker, size, &[&[2; 12], &[0x81, 0][..]].concat(), &[0, 1, 0x81, 0], &[0, 1, 8, 0])
}

fn chain(maker: &mut Maker<'_>, size: u64, start: &[u8], link: &[u8], end: &[u8]) -> io::Result<()> {
    let links = link.repeat(DEEP);
    for number in 0..size {
        let ends = ends(number);
        let ip = ipv4(ends, 6, [0, 0], 21);
        let segment = [&ip[..], &tcp(ends, 7, ACK), b"d"].concat();
        let links = if number + 1 == size { &[][..] } else { &links };
        maker.frame(&[start, links, end, &segment])?;
    }
    Ok(())
}

/// The same of IPv6 extension headers: as many as the length of a packet allows for, which are 8,191.
pub fn ipv6_headers(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    let deep = (usize::from(u16::MAX) - 21) / 8;
    for number in 0..size {
        let depth = if number + 1 == size { 1 } else { deep };
        // Options for the destination, of which there are none but padding; the last names TCP.
        let mut options = [60, 0, 1, 4, 0, 0, 0, 0].repeat(depth);
        options[8 * (depth - 1)] = 6;
        let mut ip = [0; 40];
        ip[0] = 0x60;
        ip[4..6].copy_from_slice(&u16::try_from(options.len() + 21).unwrap().to_be_bytes());
        ip[6..8].copy_from_slice(&[60, 64]);
        ip[8..16].copy_from_slice(&number.to_be_bytes());
        ip[39] = 1;
        maker.frame(&[&ip, &options, &tcp(ends(number), 7, ACK), b"d"])?;
    }
    Ok(())
}

/// So many packets in packets in packets, as deep as fits in one.
pub fn ip_in_ip(maker: &mut Maker<'_>, size: u64) -> io::Result<()> {
    for number in 0..size {
        let ends: Ends = ends(number);
        let depth = if number + 1 == size { 1 } else { 3000 };
        let mut frame = Vec::new();
        for outer in (0..depth).rev() {
            frame.extend(ipv4(ends, 4, [0, 0], outer * 20 + 41));
        }
        frame.extend(ipv4(ends, 6, [0, 0], 21));
        maker.frame(&[&frame, &tcp(ends, 7, ACK), b"d"])?;
    }
    Ok(())
}
