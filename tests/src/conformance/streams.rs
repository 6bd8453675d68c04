//! Captures of one connection: every way in which its segments may come.

use super::inputs::Input;
use crate::capture::{ETHERNET, Packet, pcap};
use crate::conversation::{Conversation, Flags, Side};

use Side::{Client, Server};

const SYN: Flags = Flags { syn: true, fin: false, rst: false };
const DATA: Flags = Flags { syn: false, fin: false, rst: false };

/// All of them.
pub fn all() -> Vec<Input> {
    let mut all = orderly();
    all.extend(disorderly());
    all.extend(overlaps_and_gaps());
    all.extend(resets());
    all.extend(closes());
    all.extend(starts());
    all.extend(lengths());
    all.into_iter().map(|(name, packets)| (format!("{name}.pcap"), pcap(ETHERNET, &packets))).collect()
}

/// One that is open, and what `talk` adds.
fn opened(talk: impl FnOnce(&mut Conversation)) -> Vec<Packet> {
    let mut conversation = Conversation::default();
    conversation.open();
    talk(&mut conversation);
    conversation.packets
}

/// One whose beginning was not captured.
fn headless(talk: impl FnOnce(&mut Conversation)) -> Vec<Packet> {
    let mut conversation = Conversation::default();
    talk(&mut conversation);
    conversation.packets
}

type Named = (&'static str, Vec<Packet>);

fn orderly() -> Vec<Named> {
    let mut binary = Conversation::default();
    binary.open();
    binary.data(Client, 0, &(0..=255).collect::<Vec<u8>>());
    binary.data(Server, 0, b"tab\there\r\nbell\x07 \xc3\xa9 \"quoted\" \\ end");
    binary.fin(Client, 256);
    binary.fin(Server, 34);
    let mut dialogue = Conversation::default();
    dialogue.open();
    for round in 0..3 {
        dialogue.data(Client, round * 6, b"ask 1\n");
        dialogue.data(Server, round * 9, b"answer 1\n");
    }
    dialogue.fin(Client, 18);
    dialogue.fin(Server, 27);
    let long: Vec<u8> = (0..3000_u32).map(|n| n.to_le_bytes()[0] % 26 + b'a').collect();
    let mut several = Conversation::default();
    several.open();
    for (number, piece) in long.chunks(1000).enumerate() {
        several.data(Client, number * 1000, piece);
    }
    several.fin(Client, 3000);
    vec![
        ("one", Conversation::default().exchange(b"hello world\n", b"reply\n").packets),
        ("binary", binary.packets),
        ("dialogue", dialogue.packets),
        ("long", several.packets),
        ("empty-flows", Conversation::default().exchange(b"", b"").packets),
        ("one-sided", Conversation::default().exchange(b"", b"only the server\n").packets),
        ("half-open", headless(|talk| talk.segment(Client, 100, SYN, &[]))),
    ]
}

fn disorderly() -> Vec<Named> {
    let pieces = |order: &[usize]| {
        let order = order.to_vec();
        opened(move |talk| {
            for offset in order {
                talk.data(Client, offset, &b"abcdefghi"[offset..offset + 3]);
            }
        })
    };
    let mut filled = Conversation::default();
    filled.open();
    for (offset, bytes) in [(0, b"abc"), (6, b"ghi"), (3, b"def")] {
        filled.data(Client, offset, bytes);
    }
    filled.fin(Client, 9);
    filled.fin(Server, 0);
    vec![
        ("hole", pieces(&[0, 6])),
        ("hole-at-start", pieces(&[3, 6])),
        ("hole-filled", filled.packets),
        ("disorder", pieces(&[3, 0, 6])),
        ("reversed", pieces(&[6, 3, 0])),
        ("sent-twice", pieces(&[0, 0, 3, 3, 6])),
        ("sent-twice-later", pieces(&[0, 3, 6, 0, 3])),
    ]
}

fn overlaps_and_gaps() -> Vec<Named> {
    vec![
        (
            "overlapping",
            opened(|talk| {
                for (offset, bytes) in [(0, &b"abcd"[..]), (2, b"cdef"), (0, b"abcdefgh")] {
                    talk.data(Client, offset, bytes);
                }
            }),
        ),
        (
            "conflicting",
            opened(|talk| {
                talk.data(Client, 0, b"abcdef");
                talk.data(Client, 2, b"XX");
                talk.data(Client, 6, b"gh");
            }),
        ),
        (
            "conflicting-ahead",
            opened(|talk| {
                talk.data(Client, 4, b"efgh");
                talk.data(Client, 0, b"abcdEF");
            }),
        ),
        (
            "keep-alive",
            opened(|talk| {
                talk.data(Client, 0, b"abc");
                talk.data(Client, 2, b"\0");
                talk.data(Client, 3, b"def");
            }),
        ),
        (
            "far",
            opened(|talk| {
                talk.data(Client, 0, b"near");
                talk.data(Client, 5000, b"far");
            }),
        ),
        (
            "very-far",
            opened(|talk| {
                talk.data(Client, 0, b"near");
                talk.data(Client, 17 << 20, b"very far");
            }),
        ),
    ]
}

/// A connection that closed, by one side.
fn closed(talk: &mut Conversation) {
    talk.data(Client, 0, b"abc");
    talk.fin(Client, 3);
    talk.fin(Server, 0);
}

/// The same ports, opened again.
fn again(talk: &mut Conversation) {
    talk.segment(Client, 70_000, SYN, &[]);
    talk.segment(Client, 70_001, DATA, b"new");
}

fn resets() -> Vec<Named> {
    vec![
        (
            "reset",
            opened(|talk| {
                talk.data(Client, 0, b"abc");
                talk.rst(Client, 3);
            }),
        ),
        (
            "reset-and-again",
            opened(|talk| {
                talk.data(Client, 0, b"abc");
                talk.rst(Client, 3);
                again(talk);
            }),
        ),
        (
            "reset-outside",
            opened(|talk| {
                talk.data(Client, 0, b"abc");
                talk.rst(Client, 1 << 30);
                talk.data(Client, 3, b"def");
            }),
        ),
        (
            "reset-with-text",
            opened(|talk| {
                talk.data(Client, 0, b"abc");
                talk.segment(Client, 104, Flags { rst: true, ..DATA }, b"go away");
            }),
        ),
    ]
}

fn closes() -> Vec<Named> {
    vec![
        (
            "closed-and-repeated",
            opened(|talk| {
                closed(talk);
                talk.data(Client, 0, b"abc");
            }),
        ),
        (
            "closed-and-other",
            opened(|talk| {
                closed(talk);
                talk.data(Client, 0, b"xyz");
            }),
        ),
        (
            "closed-and-more",
            opened(|talk| {
                closed(talk);
                talk.data(Client, 3, b"def");
            }),
        ),
        (
            "closed-and-again",
            opened(|talk| {
                closed(talk);
                again(talk);
            }),
        ),
        (
            "fin-before-data",
            opened(|talk| {
                talk.data(Client, 0, b"abc");
                talk.fin(Client, 6);
                talk.data(Client, 3, b"def");
            }),
        ),
        (
            "fin-with-data",
            opened(|talk| talk.segment(Client, 101, Flags { fin: true, ..DATA }, b"all in one")),
        ),
    ]
}

fn starts() -> Vec<Named> {
    vec![
        (
            "headless",
            headless(|talk| {
                talk.data(Client, 1000, b"abcd");
                talk.data(Client, 1004, b"efgh");
            }),
        ),
        (
            "headless-and-earlier",
            headless(|talk| {
                talk.data(Client, 1004, b"efgh");
                talk.data(Client, 1008, b"ij");
                talk.data(Client, 1000, b"abcd");
            }),
        ),
        (
            "syn-again",
            opened(|talk| {
                talk.data(Client, 0, b"abc");
                talk.segment(Client, 100, SYN, &[]);
                talk.data(Client, 3, b"def");
            }),
        ),
        (
            "syn-other",
            opened(|talk| {
                talk.data(Client, 0, b"abc");
                talk.segment(Client, 70_000, SYN, &[]);
                talk.segment(Client, 70_001, DATA, b"new");
            }),
        ),
        (
            "syn-with-data",
            headless(|talk| {
                talk.segment(Client, 100, SYN, b"early");
                talk.segment(Server, 500, SYN, &[]);
                talk.data(Client, 5, b" late");
            }),
        ),
        ("wrap", {
            let mut talk = Conversation { initial: (u32::MAX - 2, 7), ..Conversation::default() };
            talk.open();
            talk.data(Client, 0, b"abcd");
            talk.data(Client, 4, b"efgh");
            talk.packets
        }),
    ]
}

/// Frames of which the captured bytes and what the headers say are not the same.
fn lengths() -> Vec<Named> {
    let short = || opened(|talk| talk.data(Client, 0, b"abc"));
    let padded = |mut packets: Vec<Packet>| {
        for packet in &mut packets {
            packet.bytes.resize(packet.bytes.len().max(60), 0);
            packet.original = 60;
        }
        packets
    };
    let after = || {
        let mut talk = Conversation::default().exchange(b"abc", b"");
        talk.segment(Server, 502, DATA, &[]);
        talk.segment(Client, 105, DATA, &[]);
        talk.packets
    };
    let with_length = |length: [u8; 2]| {
        let mut packets = short();
        packets[2].bytes[16..18].copy_from_slice(&length);
        packets
    };
    let cut = opened(|talk| {
        talk.data(Client, 0, b"abcdefghij");
        talk.data(Client, 10, b"klmno");
    });
    vec![
        ("padded", padded(short())),
        ("padded-close", padded(Conversation::default().exchange(b"abc", b"").packets)),
        ("padded-after-close", padded(after())),
        ("snapped", cut.into_iter().map(|packet| packet.cut(60)).collect()),
        ("length-too-long", with_length([0x02, 0x00])),
        ("length-zero", with_length([0, 0])),
    ]
}
