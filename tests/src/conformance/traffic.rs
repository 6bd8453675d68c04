//! Captures of several connections, and of what is none.

use std::net::IpAddr;

use super::inputs::Input;
use crate::capture::{ETHERNET, Packet, pcap};
use crate::conversation::{Conversation, Link, START, Side};

/// All of them.
pub fn all() -> Vec<Input> {
    let first = exchange(1000, 0);
    let (begin, end) = first.split_at(3);
    let two = [exchange(1000, 0), exchange(1001, 60)].concat();
    let v6 = Conversation::v6().exchange(b"hello world\n", b"reply\n").packets;
    let mut later = Conversation { clock: START + 60_000_000_000, ..Conversation::v6() };
    later.client.1 = 1001;
    let other = [exchange(1000, 0), later.exchange(b"six\n", b"6\n").packets].concat();
    let idle = [exchange_open(1000, 0), exchange_open(1001, 100), more(1000, 200)].concat();
    let named = [
        ("two", two),
        ("v6", v6),
        ("both-families", other),
        ("begin", begin.to_vec()),
        ("end", end.to_vec()),
        ("reused", reused()),
        ("many", many(12)),
        ("thousand", thousand()),
        ("interleaved", interleaved()),
        ("idle", idle),
        ("addresses", addresses()),
        ("not-tcp", not_tcp()),
        ("vlan", tagged(&[(0x8100, 42)])),
        ("vlan-zero", tagged(&[(0x8100, 0)])),
        ("vlan-priority", tagged(&[(0x8100, 0xe02a)])),
        ("vlan-two", tagged(&[(0x8100, 7), (0x8100, 42)])),
        ("vlan-9100", tagged(&[(0x9100, 7), (0x8100, 42)])),
        ("vlan-88a8", tagged(&[(0x88a8, 7), (0x8100, 42)])),
        ("fragments", fragments()),
    ];
    named.into_iter().map(|(name, packets)| (format!("{name}.pcap"), pcap(ETHERNET, &packets))).collect()
}

/// A connection from this port, so many seconds later.
pub fn exchange(port: u16, later: u64) -> Vec<Packet> {
    connection(port, later).exchange(b"hello world\n", b"reply\n").packets
}

fn connection(port: u16, later: u64) -> Conversation {
    let client = ([192, 0, 2, 1].into(), port);
    Conversation { client, clock: START + later * 1_000_000_000, ..Conversation::default() }
}

fn exchange_open(port: u16, later: u64) -> Vec<Packet> {
    let mut talk = connection(port, later);
    talk.open();
    talk.data(Side::Client, 0, b"abc");
    talk.packets
}

fn more(port: u16, later: u64) -> Vec<Packet> {
    let mut talk = connection(port, later);
    talk.data(Side::Client, 3, b"def");
    talk.packets
}

/// The same addresses and ports twice, each closed.
fn reused() -> Vec<Packet> {
    let first = Conversation::default().exchange(b"one", b"uno");
    let again = Conversation { initial: (90_000, 80_000), clock: first.clock, ..Conversation::default() };
    [first.packets, again.exchange(b"two", b"dos").packets].concat()
}

/// Connections that are all open at once: each sends a piece before any sends its next.
fn many(count: u16) -> Vec<Packet> {
    let mut talks: Vec<Conversation> = (0..count).map(|n| connection(1000 + n, u64::from(n))).collect();
    for talk in &mut talks {
        talk.open();
    }
    for round in 0..3 {
        for talk in &mut talks {
            talk.data(Side::Client, round * 4, b"abc\n");
        }
    }
    by_time(talks)
}

/// A connection, so many attempts that nobody answers that its flows are the first thousand, and another.
fn thousand() -> Vec<Packet> {
    let mut packets = exchange(1000, 0);
    for port in 2000..2998 {
        let mut attempt = connection(port, 100);
        attempt.open();
        packets.extend(attempt.packets.into_iter().take(1));
    }
    packets.extend(exchange(1001, 200));
    packets
}

/// Two connections, the pieces of both directions by turns.
fn interleaved() -> Vec<Packet> {
    let mut talks = vec![connection(1000, 0), connection(1001, 0)];
    talks[1].clock += 500_000_000;
    for talk in &mut talks {
        talk.open();
        for round in 0..2 {
            talk.data(Side::Client, round * 4, b"ask\n");
            talk.data(Side::Server, round * 5, b"tell\n");
        }
        talk.fin(Side::Client, 8);
        talk.fin(Side::Server, 10);
    }
    by_time(talks)
}

fn by_time(talks: Vec<Conversation>) -> Vec<Packet> {
    let mut packets: Vec<Packet> = talks.into_iter().flat_map(|talk| talk.packets).collect();
    packets.sort_by_key(|packet| packet.time);
    packets
}

/// Addresses and ports of every width.
fn addresses() -> Vec<Packet> {
    let ends: [(IpAddr, IpAddr); 4] = [
        ([1, 2, 3, 4].into(), [255, 255, 255, 254].into()),
        ([10, 20, 30, 40].into(), [192, 168, 100, 1].into()),
        ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0].into(), [0x2001, 0xdb8, 1, 2, 3, 4, 5, 0xabcd].into()),
        ([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0201].into(), [0, 0, 0, 0, 0, 0, 0, 1].into()),
    ];
    let mut clock = START;
    let mut packets = Vec::new();
    for (number, (client, server)) in (0..).zip(ends) {
        let talk = Conversation {
            client: (client, 1 + number * 21_000),
            server: (server, 65_535 - number),
            clock,
            ..Conversation::default()
        };
        packets.extend(talk.exchange(b"x", b"y").packets);
        clock += 10_000_000_000;
    }
    packets
}

fn tagged(tags: &[(u16, u16)]) -> Vec<Packet> {
    let link = Link::Ethernet(tags.to_vec());
    Conversation { link, ..Conversation::default() }.exchange(b"hello\n", b"reply\n").packets
}

/// UDP, ICMP, ARP, a frame that is too short, and a connection among them.
fn not_tcp() -> Vec<Packet> {
    let with_protocol = |number: u8| {
        let mut packet = exchange(1000, 0).swap_remove(2);
        packet.bytes[23] = number;
        packet
    };
    let mut arp = vec![0xff; 12];
    arp.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
    arp.resize(42, 0);
    let mut packets = vec![with_protocol(17), with_protocol(1), Packet::whole(START, arp)];
    packets.push(Packet::whole(START, vec![0; 10]));
    packets.extend(exchange(1000, 1));
    packets
}

/// A segment in two fragments.
fn fragments() -> Vec<Packet> {
    let mut talk = Conversation::default();
    talk.open();
    talk.data(Side::Client, 0, &[b'a'; 36]);
    let whole = talk.packets.pop().unwrap();
    let (headers, payload) = whole.bytes.split_at(34);
    let fragment = |offset: u16, more: bool, bytes: &[u8]| {
        let mut frame = [headers, bytes].concat();
        let length = u16::try_from(20 + bytes.len()).unwrap();
        frame[16..18].copy_from_slice(&length.to_be_bytes());
        frame[18..20].copy_from_slice(&[0, 7]);
        let field = (offset / 8) | if more { 0x2000 } else { 0 };
        frame[20..22].copy_from_slice(&field.to_be_bytes());
        Packet::whole(whole.time, frame)
    };
    talk.packets.push(fragment(0, true, &payload[..32]));
    talk.packets.push(fragment(32, false, &payload[32..]));
    talk.packets
}
