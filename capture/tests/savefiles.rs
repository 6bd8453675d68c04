//! Savefiles of every format, sound and broken, through the real executable.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails, as it should")]

mod common;

use common::files::Order::{Big, Little};
use common::files::*;
use common::run_bytes;
use proto::control::FromRole;
use proto::frame::{Ending, SavefileDrops};
use proto::time::Timestamp;

const DONE: FromRole = FromRole::Done { failed: false };
const DONE_IN_PART: FromRole = FromRole::Done { failed: true };

/// The words for a file that breaks after its first frame.
fn broken(bytes: &[u8]) -> String {
    let outcome = run_bytes(bytes, None);
    assert_eq!(outcome.last, DONE_IN_PART);
    assert_eq!(outcome.notices.len(), 1, "{:?}", outcome.notices);
    assert_eq!(outcome.payloads().first(), Some(&&b"one"[..]), "what came before is kept");
    outcome.notices[0].strip_prefix("FILE: ").expect("the file is named").to_owned()
}

/// The words for a file that cannot be opened.
fn refused(bytes: &[u8]) -> String {
    let outcome = run_bytes(bytes, None);
    assert_eq!(outcome.last, DONE_IN_PART);
    assert_eq!(outcome.notices.len(), 1, "{:?}", outcome.notices);
    assert!(outcome.relayed.frames.is_empty());
    assert!(matches!(outcome.end().ending, Ending::Interrupted(_)));
    outcome.notices[0].clone()
}

fn classic(records: &[Vec<u8>]) -> Vec<u8> {
    [HEADER.bytes(), record(Little, (1, 0), b"one"), records.concat()].concat()
}

fn pcapng(blocks: &[Vec<u8>]) -> Vec<u8> {
    let first = enhanced_packet(Little, 0, 1_000_000, b"one");
    [section(Little), interface(Little, 1, 1000, &[]), first, blocks.concat()].concat()
}

#[test]
fn classic_files_of_either_byte_order_and_resolution() {
    for order in BOTH {
        for (magic, nanoseconds) in [(MICROSECONDS, 5000), (NANOSECONDS, 5)] {
            let header = Header { order, magic, snap_length: 1000, ..HEADER }.bytes();
            let records = [record(order, (7, 5), b"one"), record(order, (8, 0), b"")].concat();
            let outcome = run_bytes(&[header, records].concat(), None);
            assert_eq!(outcome.last, DONE);
            assert!(outcome.status.success());
            assert_eq!(outcome.relayed.interfaces, [(1, 1000)]);
            assert_eq!(outcome.payloads(), [&b"one"[..], b""]);
            assert_eq!(outcome.relayed.frames[0].0.time, Timestamp::new(7, nanoseconds));
            assert_eq!((outcome.end().frames_read, &outcome.end().ending), (2, &Ending::Complete));
        }
    }
}

#[test]
fn patched_records_are_longer() {
    let header = Header { magic: PATCHED, ..HEADER }.bytes();
    let record = [record_header(Little, (1, 0), 3, 3), vec![9; 8], b"one".to_vec()].concat();
    let outcome = run_bytes(&[header, record.clone(), record].concat(), None);
    assert_eq!(outcome.payloads(), [b"one", b"one"]);
}

#[test]
fn old_versions_swap_the_lengths() {
    for (minor, first, second) in [(2, 9, 3), (3, 9, 3), (3, 3, 9), (4, 3, 9)] {
        let header = Header { version: (2, minor), ..HEADER }.bytes();
        let record = [record_header(Little, (1, 0), first, second), b"one".to_vec()].concat();
        let outcome = run_bytes(&[header, record].concat(), None);
        assert_eq!(outcome.payloads(), [b"one"], "version 2.{minor}, {first} before {second}");
        assert_eq!(outcome.relayed.frames[0].0.original, 9);
    }
}

#[test]
fn what_was_stored_beyond_the_snap_length_is_kept() {
    let header = Header { snap_length: 2, ..HEADER }.bytes();
    let records = [record(Little, (1, 0), b"one"), record(Little, (1, 0), b"2")].concat();
    let outcome = run_bytes(&[header, records].concat(), None);
    assert_eq!(outcome.payloads(), [&b"one"[..], b"2"]);
    assert_eq!(outcome.relayed.frames[0].0.original, 3);
}

#[test]
fn seconds_beyond_2038_and_fractions_beyond_a_second() {
    let late = record(Little, (0xffff_ffff, 0xffff_ffff), b"one");
    let outcome = run_bytes(&[HEADER.bytes(), late].concat(), None);
    assert_eq!(outcome.relayed.frames[0].0.time, Timestamp::new(0xffff_ffff + 4294, 967_295_000));
}

#[test]
fn the_bits_above_the_link_type_tell_of_a_check_sequence() {
    // Its length in units of two bytes, and whether that is stated.
    for (bits, expected) in
        [(0x2400_0001, &b"frame"[..]), (0x2000_0001, b"frame-FCS"), (0x0400_0001, b"frame-FCS")]
    {
        let header = Header { link_type: bits, ..HEADER }.bytes();
        let outcome = run_bytes(&[header, record(Little, (1, 0), b"frame-FCS")].concat(), None);
        assert_eq!(outcome.relayed.interfaces, [(1, 65_535)]);
        assert_eq!(outcome.payloads(), [expected]);
    }
}

#[test]
fn every_cut_of_a_classic_file_keeps_the_whole_records() {
    let file = classic(&[record(Little, (2, 0), b"three")]);
    for end in 0..file.len() {
        let outcome = run_bytes(&file[..end], None);
        let words = outcome.notices.join("|");
        let frames = outcome.relayed.frames.len();
        match end {
            0..4 => assert_eq!(
                words,
                format!("truncated dump file; tried to read 4 file header bytes, only got {end}")
            ),
            4..24 => assert_eq!(
                words,
                format!("truncated dump file; tried to read 24 file header bytes, only got {}", end - 4)
            ),
            24 => assert_eq!((words.as_str(), frames), ("", 0)),
            25..40 => assert_eq!(
                words,
                format!("FILE: truncated dump file; tried to read 16 header bytes, only got {}", end - 24)
            ),
            40..43 => assert_eq!(
                words,
                format!("FILE: truncated dump file; tried to read 3 captured bytes, only got {}", end - 40)
            ),
            43 => assert_eq!((words.as_str(), frames), ("", 1)),
            _ => assert!(words.starts_with("FILE: truncated dump file; tried to read") && frames == 1),
        }
        assert_eq!(outcome.last == DONE, words.is_empty());
    }
}

#[test]
fn lengths_beyond_reason_end_a_classic_file() {
    let claim = |captured| classic(&[record_header(Little, (1, 0), captured, 3), vec![0; 64]]);
    for length in [262_145, 0x7fff_ffff, 0xffff_ffff] {
        let due = format!("invalid packet capture length {length}, bigger than snaplen of 65535");
        assert_eq!(broken(&claim(length)), due);
    }
    let header = Header { snap_length: 0x10_0000, ..HEADER }.bytes();
    let large = [header, record_header(Little, (1, 0), 300_000, 3)].concat();
    let due = "FILE: invalid packet capture length 300000, bigger than maximum of 262144";
    assert_eq!(run_bytes(&large, None).notices, [due]);
}

#[test]
fn the_largest_frame_is_relayed_whole() {
    let data = vec![7; 262_144];
    let header = Header { snap_length: 262_144, ..HEADER }.bytes();
    let records =
        [record(Little, (1, 0), b"one"), record(Little, (1, 0), &data), record(Little, (1, 0), b"two")];
    let outcome = run_bytes(&[header, records.concat()].concat(), None);
    assert_eq!(outcome.payloads(), [&b"one"[..], &data, b"two"]);
}

#[test]
fn what_is_no_savefile_is_refused() {
    assert_eq!(refused(b"this is no capture at all"), "unknown file format");
    assert_eq!(refused(&[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 1, 1, 1, 1]), "unknown file format");
    assert_eq!(refused(b"\n\r\r\n1234"), "unknown file format");
    let version = |major, minor| Header { version: (major, minor), ..HEADER }.bytes();
    assert_eq!(refused(&version(1, 4)), "archaic pcap savefile format");
    assert_eq!(refused(&version(2, 5)), "unsupported pcap savefile version 2.5");
    let unknown = Header { link_type: 147, ..HEADER }.bytes();
    let words = refused(&[unknown, record(Little, (1, 0), b"one")].concat());
    assert_eq!(words, "sorry - unknown datalink type 147 on interface FILE");
}

#[test]
fn pcapng_blocks_of_either_byte_order() {
    for order in BOTH {
        let file = [
            section(order),
            block(order, 0x0bad, &[b"unknown to us"]),
            interface(order, 1, 100, &[]),
            enhanced_packet(order, 0, 3_000_005, b"one"),
            old_packet(order, (0, 0xffff), 4_000_000, b"two"),
            simple_packet(order, 5, b"three"),
        ];
        let outcome = run_bytes(&file.concat(), None);
        assert_eq!(outcome.last, DONE);
        assert_eq!(outcome.relayed.interfaces, [(1, 100)]);
        assert_eq!(outcome.payloads(), [&b"one"[..], b"two", b"three"]);
        assert_eq!(outcome.relayed.frames[0].0.time, Timestamp::new(3, 5000));
    }
}

#[test]
fn interfaces_may_differ_and_sections_begin_anew() {
    let file = [
        section(Little),
        interface(Little, 1, 100, &[]),
        interface(Little, 101, 2, &option(Little, 9, &[9])),
        enhanced_packet(Little, 1, 1_000_000_007, b"ip"),
        section(Big),
        interface(Big, 113, 0, &option(Big, 14, &100_u64.to_be_bytes())),
        enhanced_packet(Big, 0, 1_000_000, b"cooked"),
    ];
    let outcome = run_bytes(&file.concat(), None);
    assert_eq!(outcome.last, DONE);
    assert_eq!(outcome.relayed.interfaces, [(1, 100), (101, 2), (113, 262_144)]);
    let [(ip, _), (cooked, _)] = &outcome.relayed.frames[..] else { panic!("two frames") };
    assert_eq!((ip.interface, ip.time), (1, Timestamp::new(1, 7)));
    assert_eq!((cooked.interface, cooked.time), (2, Timestamp::new(101, 0)));
}

/// What recorders count: received, dropped by interface and system, lost before a packet.
fn count(order: Order, code: u16, value: u64) -> Vec<u8> {
    option(order, code, &order.u64(value))
}

#[test]
fn what_recorders_lost_is_summed_and_told_once() {
    for order in BOTH {
        let file = [
            section(order),
            interface(order, 1, 100, &[]),
            interface(order, 1, 100, &[]),
            // Lost between packets, and the same in the statistics: counted once.
            packet_with(order, 0, b"one", &[option(order, 2, &[0; 4]), count(order, 4, 2)].concat()),
            old_packet(order, (0, 3), 0, b"two"),
            old_packet(order, (0, 0xffff), 0, b"three"),
            statistics(order, 0, &count(order, 5, 1)),
            statistics(order, 0, &[count(order, 4, 70), count(order, 5, 7), count(order, 7, 4)].concat()),
            // Lost between packets only.
            packet_with(order, 1, b"four", &count(order, 4, 20)),
            // The second section counts anew.
            section(order),
            interface(order, 1, 100, &[]),
            statistics(order, 0, &[count(order, 4, 10), count(order, 5, 100)].concat()),
        ];
        let outcome = run_bytes(&file.concat(), None);
        assert_eq!(outcome.last, DONE, "a loss is no failure");
        assert_eq!(outcome.payloads(), [&b"one"[..], b"two", b"three", b"four"]);
        assert_eq!(outcome.notices, ["FILE: 131 packets were dropped when it was recorded"]);
        let drops =
            SavefileDrops { received: 80, by_interface: 107, by_system: 4, between: 25, dropped: 131 };
        assert_eq!(outcome.end().savefile_drops, Some(drops));
    }
}

#[test]
fn statistics_that_say_nothing_or_nonsense_harm_nothing() {
    let file = pcapng(&[
        statistics(Little, 0, &[]),
        statistics(Little, 9, &count(Little, 5, 1)),
        statistics(Little, 0, &option(Little, 5, b"short")),
        statistics(Little, 0, &[5, 0, 200, 0]),
        block(Little, 5, &[]),
        packet_with(Little, 0, b"two", &[4, 0, 200, 0]),
    ]);
    let outcome = run_bytes(&file, None);
    assert_eq!((outcome.notices.len(), &outcome.last), (0, &DONE));
    assert_eq!(outcome.end().savefile_drops, None);
    assert_eq!(outcome.payloads(), [b"one", b"two"]);
    let none = pcapng(&[statistics(Little, 0, &[count(Little, 4, 9), count(Little, 5, 0)].concat())]);
    let outcome = run_bytes(&none, None);
    assert_eq!(outcome.notices.len(), 0, "nothing was lost");
    assert_eq!(outcome.end().savefile_drops.map(|drops| (drops.received, drops.dropped)), Some((9, 0)));
}

#[test]
fn a_check_sequence_is_taken_off_where_the_file_tells_of_it() {
    let flags = |fcs: u32| option(Little, 2, &(fcs << 5 | 1).to_le_bytes());
    let file = [
        section(Little),
        interface(Little, 1, 100, &[]),
        interface(Little, 1, 100, &option(Little, 13, &[4])),
        packet_with(Little, 0, b"frame", &[]),
        packet_with(Little, 0, b"frame-FCS", &flags(4)),
        packet_with(Little, 1, b"frame-FCS", &[]),
        packet_with(Little, 1, b"frame-FC", &flags(3)),
        packet_with(Little, 1, b"FCS", &[]),
        // Captured up to the middle of it.
        packet_of_length(Little, 1, 0, (7, 9), b"frame-F"),
        packet_of_length(Little, 1, 0, (3, 9), b"fra"),
    ];
    let outcome = run_bytes(&file.concat(), None);
    assert_eq!(outcome.payloads(), [&b"frame"[..], b"frame", b"frame", b"frame", b"", b"frame", b"fra"]);
    let originals: Vec<u32> = outcome.relayed.frames.iter().map(|(frame, _)| frame.original).collect();
    assert_eq!(originals, [5, 5, 5, 5, 0, 5, 5]);
}

#[test]
fn interfaces_have_their_own_snap_length_and_clock() {
    let clock = [option(Little, 9, &[0x8a]), option(Little, 14, &(-5_i64).to_le_bytes())].concat();
    let file = [
        section(Little),
        interface(Little, 1, 4, &clock),
        interface(Little, 1, 0, &option(Little, 9, &[3])),
        simple_packet(Little, 9, b"four"),
        packet_of_length(Little, 0, 10 << 10 | 512, (4, 9), b"four"),
        enhanced_packet(Little, 1, 2_005, b"longer"),
    ];
    let outcome = run_bytes(&file.concat(), None);
    assert_eq!(outcome.payloads(), [&b"four"[..], b"four", b"longer"]);
    let frames: Vec<_> =
        outcome.relayed.frames.iter().map(|(frame, _)| (frame.time, frame.original)).collect();
    let at = Timestamp::new;
    assert_eq!(frames, [(at(0, 0), 9), (at(5, 500_000_000), 9), (at(2, 5_000_000), 6)]);
}

#[test]
fn every_cut_of_a_pcapng_keeps_the_whole_blocks() {
    let file = pcapng(&[enhanced_packet(Big, 0, 0, b"")]);
    let first = section(Little).len() + interface(Little, 1, 1000, &[]).len();
    let second = first + enhanced_packet(Little, 0, 0, b"one").len();
    for end in 0..second {
        let outcome = run_bytes(&file[..end], None);
        let words = outcome.notices.join("|");
        match end {
            0..4 => assert!(words.contains("4 file header bytes")),
            4..12 => assert_eq!(words, "unknown file format"),
            28 => assert_eq!(words, "the capture file has no Interface Description Blocks"),
            _ if end == first => assert_eq!(words, ""),
            _ => assert!(words.contains("truncated pcapng dump file; tried to read "), "{end}: {words}"),
        }
        assert_eq!(words.starts_with("FILE: "), end > first, "{end}: {words}");
        assert!(outcome.relayed.frames.is_empty());
    }
}

#[test]
fn broken_blocks_end_a_pcapng() {
    let header = |kind: u32, length: u32| [kind.to_le_bytes(), length.to_le_bytes(), [0; 4], [0; 4]].concat();
    let with = |block: Vec<u8>| broken(&pcapng(&[block]));
    assert_eq!(with(header(6, 0)), "block in pcapng dump file has a length of 0 < 12");
    assert_eq!(
        with(header(6, 13)),
        "block in pcapng dump file has a length of 13 that is not a multiple of 4"
    );
    assert_eq!(
        with(header(6, 16 << 20)),
        "truncated pcapng dump file; tried to read 16777208 bytes, only got 8"
    );
    assert_eq!(with(header(6, 17 << 20)), "pcapng block size 17825792 > maximum 16777216");
    assert_eq!(with(header(6, 16)), "block total length in header and trailer don't match");
    for kind in [1, 2, 3, 6] {
        let due = format!("block of type {kind} in pcapng dump file is too short");
        assert_eq!(with(block(Little, kind, &[])), due);
    }
    let due =
        "a packet arrived on interface 5, but there's no Interface Description Block for that interface";
    assert_eq!(with(enhanced_packet(Little, 5, 0, b"two")), due);
    let lie = |captured| packet_of_length(Little, 0, 0, (captured, 9), b"two");
    assert_eq!(with(lie(999)), "block of type 6 in pcapng dump file is too short");
    assert_eq!(with(lie(1001)), "invalid packet capture length 1001, bigger than snaplen of 1000");
    assert_eq!(with(simple_packet(Little, 900, b"two")), "block of type 3 in pcapng dump file is too short");
    assert_eq!(with(section_of_version(Little, 2, 0)), "unknown pcapng savefile major version number 2");
    let mut bad = section(Little);
    bad[8] = 0;
    assert_eq!(with(bad), "the file has a section with a bad byte order magic field");
    let due = "Interface Description Block has opt_endofopt option with length 1 != 0";
    assert_eq!(with(interface(Little, 1, 0, &option(Little, 0, b"x"))), due);
    let twice = [option(Little, 9, &[6]), option(Little, 9, &[6])].concat();
    let due = "Interface Description Block has more than one if_tsresol option";
    assert_eq!(with(interface(Little, 1, 0, &twice)), due);
}

#[test]
fn a_pcapng_that_begins_wrong_is_refused() {
    let words = refused(&[section(Little), enhanced_packet(Little, 0, 0, b"one")].concat());
    assert_eq!(words, "the capture file has a packet block before any Interface Description Blocks");
    assert_eq!(refused(&section_of_version(Little, 1, 1)), "unsupported pcapng savefile version 1.1");
    let mut long = section(Little);
    long[6] = 0xff;
    assert!(refused(&long).starts_with("Section Header Block in pcapng dump file has invalid length 28 < _"));
    let unknown =
        [section(Little), interface(Little, 147, 0, &[]), enhanced_packet(Little, 0, 0, b"one")].concat();
    assert_eq!(refused(&unknown), "sorry - unknown datalink type 147 on interface FILE");
}

#[test]
fn an_unknown_link_type_beside_a_known_one_is_relayed() {
    let file = pcapng(&[
        interface(Little, 147, 0, &[]),
        enhanced_packet(Little, 1, 0, b"what"),
        enhanced_packet(Little, 0, 0, b"two"),
    ]);
    let outcome = run_bytes(&file, None);
    assert_eq!(outcome.last, DONE);
    assert_eq!(outcome.payloads(), [&b"one"[..], b"what", b"two"]);
}

#[test]
fn garbage_never_panics_nor_hangs() {
    // A xorshift generator: the same garbage each time.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..200 {
        let mut file = if round % 2 == 0 {
            classic(&[record(Little, (1, 0), &[1; 40])])
        } else {
            pcapng(&[
                interface(Little, 1, 0, &option(Little, 9, &[6])),
                enhanced_packet(Little, 1, 0, &[1; 40]),
            ])
        };
        for _ in 0..=round % 8 {
            let place = usize::try_from(random()).unwrap() % file.len();
            file[place] = random().to_le_bytes()[0];
        }
        let outcome = run_bytes(&file, None);
        assert!(outcome.last == DONE || outcome.last == DONE_IN_PART, "round {round}: {:?}", outcome.last);
    }
}
