//! Fragments are made by etherparse; what they should become is put together byte by byte.
#![allow(clippy::arithmetic_side_effects, reason = "a test that fails loudly is a test that works")]

use std::net::Ipv4Addr;

use etherparse::{IpFragOffset, IpNumber, Ipv4Header, Ipv6FragmentHeader, Ipv6Header};
use proptest::prelude::*;
use proto::plan::Separation;
use proto::time::Timestamp;

use super::*;
use crate::decode::{Decoder, LinkType};

const DECODER: Decoder = Decoder { tunnels: true, separation: Separation::Tunnel };
const RAW: u32 = 101;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V4,
    V6,
}
use Version::{V4, V6};

/// An IP packet that holds a fragment of a datagram of TCP.
fn packet(version: Version, id: u16, offset: usize, more: bool, bytes: &[u8]) -> Vec<u8> {
    let place = IpFragOffset::try_new(u16::try_from(offset / 8).unwrap()).unwrap();
    let length = u16::try_from(bytes.len()).unwrap();
    let mut packet = Vec::new();
    match version {
        V4 => {
            let ends = (Ipv4Addr::new(10, 0, 0, 1).octets(), Ipv4Addr::new(10, 0, 0, 2).octets());
            let mut header = Ipv4Header::new(length, 64, IpNumber::TCP, ends.0, ends.1).unwrap();
            header.identification = id;
            header.dont_fragment = false;
            header.fragment_offset = place;
            header.more_fragments = more;
            header.write(&mut packet).unwrap();
        }
        V6 => {
            let header = Ipv6Header {
                payload_length: length + 8,
                next_header: IpNumber::IPV6_FRAGMENTATION_HEADER,
                hop_limit: 64,
                source: [1; 16],
                destination: [2; 16],
                ..Ipv6Header::default()
            };
            header.write(&mut packet).unwrap();
            let part = Ipv6FragmentHeader::new(IpNumber::TCP, place, more, id.into());
            packet.extend(part.to_bytes());
        }
    }
    packet.extend(bytes);
    packet
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::new(seconds, 0)
}

/// Takes in a packet of which the last `cut` bytes were not captured.
fn add_cut(fragments: &mut Fragments, packet: &[u8], cut: usize, now: Timestamp) -> Outcome {
    let captured = &packet[..packet.len() - cut];
    let mut opened = DECODER.open(LinkType::from_number(RAW), captured, packet.len().try_into().unwrap());
    opened.segment().unwrap_err();
    fragments.add(&opened.fragment().unwrap(), now, Vec::new())
}

fn add(fragments: &mut Fragments, packet: &[u8]) -> Outcome {
    add_cut(fragments, packet, 0, at(0))
}

fn whole(outcome: Outcome) -> Datagram {
    let Outcome::Whole(datagram) = outcome else { panic!("{outcome:?}") };
    datagram
}

fn aside(outcome: &Outcome) -> (Aside, usize) {
    let Outcome::Aside(aside, frames, _) = outcome else { panic!("{outcome:?}") };
    (*aside, *frames)
}

fn roomy() -> Fragments {
    Fragments::new(256 << 20)
}

fn numbers(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

#[test]
fn in_any_order() {
    let bytes = numbers(40);
    for version in [V4, V6] {
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
            let mut fragments = roomy();
            for (count, part) in order.into_iter().enumerate() {
                let packet = match part {
                    0 => packet(version, 7, 0, true, &bytes[..16]),
                    1 => packet(version, 7, 16, true, &bytes[16..24]),
                    _ => packet(version, 7, 24, false, &bytes[24..]),
                };
                let outcome = add(&mut fragments, &packet);
                if count < 2 {
                    assert!(matches!(outcome, Outcome::Kept));
                    continue;
                }
                let datagram = whole(outcome);
                assert_eq!((datagram.payload, datagram.cut, datagram.frames), (bytes.clone(), 0, 3));
                assert_eq!((datagram.incomplete, datagram.overlaps), (None, 0));
            }
            assert!(fragments.is_empty() && fragments.memory() == 0 && fragments.ages.is_empty());
        }
    }
}

#[test]
fn datagrams_do_not_mix() {
    let mut fragments = roomy();
    add(&mut fragments, &packet(V4, 1, 0, true, &[1; 8]));
    add(&mut fragments, &packet(V4, 2, 0, true, &[2; 8]));
    add(&mut fragments, &packet(V6, 1, 0, true, &[6; 8]));
    assert_eq!(whole(add(&mut fragments, &packet(V4, 2, 8, false, &[2]))).payload, [2; 9]);
    assert_eq!(whole(add(&mut fragments, &packet(V6, 1, 8, false, &[6]))).payload, [6; 9]);
    assert_eq!(whole(add(&mut fragments, &packet(V4, 1, 8, false, &[1]))).payload, [1; 9]);
}

#[test]
fn overlaps_drop_a_datagram_of_ipv6_and_all_that_comes_of_it() {
    let mut fragments = roomy();
    add(&mut fragments, &packet(V6, 1, 0, true, &[1; 16]));
    assert_eq!(
        aside(&add(&mut fragments, &packet(V6, 1, 0, true, &[1; 16]))),
        (Aside::FragmentDuplicate, 1),
        "the same again is no overlap, RFC 8200"
    );
    let overlap = add(&mut fragments, &packet(V6, 1, 8, true, &[1; 16]));
    assert_eq!(aside(&overlap), (Aside::FragmentOverlap, 2));
    let late = add(&mut fragments, &packet(V6, 1, 24, false, &[1]));
    assert_eq!(aside(&late), (Aside::FragmentOverlap, 1));
    assert!(fragments.remaining().is_none(), "nothing of it is left");
    assert_eq!(fragments.memory(), 0);
}

#[test]
fn a_fragment_that_becomes_the_last_one_is_no_repetition() {
    let mut fragments = roomy();
    let bytes = numbers(24);
    assert!(matches!(add(&mut fragments, &packet(V4, 1, 0, true, &bytes[..8])), Outcome::Kept));
    assert!(matches!(add(&mut fragments, &packet(V4, 1, 8, true, &bytes[8..])), Outcome::Kept));
    let again = add(&mut fragments, &packet(V4, 1, 8, true, &bytes[8..]));
    assert_eq!(aside(&again), (Aside::FragmentDuplicate, 1));
    let datagram = whole(add(&mut fragments, &packet(V4, 1, 8, false, &bytes[8..])));
    assert_eq!((datagram.payload, datagram.frames, datagram.overlaps), (bytes, 3, 1), "every frame counts");
}

#[test]
fn teardrop_and_ping_of_death() {
    let mut fragments = roomy();
    add(&mut fragments, &packet(V4, 1, 0, true, &[1; 40]));
    add(&mut fragments, &packet(V4, 1, 48, false, &[1; 8]));
    // One ends before the other's end, and says that it is the last.
    let second_end = add(&mut fragments, &packet(V4, 1, 24, false, &[1; 4]));
    assert_eq!(aside(&second_end), (Aside::FragmentContradiction, 3));
    let beyond = add(&mut fragments, &packet(V4, 2, 65_512, false, &[1; 100]));
    assert_eq!(aside(&beyond), (Aside::FragmentTooLong, 1));
    let beyond = add(&mut fragments, &packet(V6, 2, 65_528, false, &[1; 8]));
    assert_eq!(aside(&beyond), (Aside::FragmentTooLong, 1));
    let odd = add(&mut fragments, &packet(V6, 3, 0, true, &[1; 9]));
    assert_eq!(aside(&odd), (Aside::FragmentMalformed, 1));
    let nothing = add(&mut fragments, &packet(V4, 3, 8, false, &[]));
    assert_eq!(aside(&nothing), (Aside::FragmentMalformed, 1));
}

#[test]
fn what_is_beyond_a_multiple_of_8_does_not_count() {
    let mut fragments = roomy();
    add(&mut fragments, &packet(V4, 1, 0, true, &[1; 13]));
    let datagram = whole(add(&mut fragments, &packet(V4, 1, 8, false, &[2; 3])));
    assert_eq!((datagram.payload, datagram.overlaps), ([&[1; 8][..], &[2; 3]].concat(), 0));
}

#[test]
fn too_many_fragments_of_one_datagram() {
    let mut fragments = roomy();
    for number in 0..MAX_FRAGMENTS {
        let kept = add(&mut fragments, &packet(V4, 1, number * 8, true, &[1; 8]));
        assert!(matches!(kept, Outcome::Kept));
    }
    let last = add(&mut fragments, &packet(V4, 1, MAX_FRAGMENTS * 8, false, &[1; 8]));
    assert_eq!(aside(&last), (Aside::FragmentTooMany, MAX_FRAGMENTS + 1));
}

#[test]
fn what_does_not_come_in_time_gives_its_beginning() {
    let mut fragments = roomy();
    let last = packet(V4, 1, 24, false, &[3; 8]);
    add(&mut fragments, &packet(V4, 1, 0, true, &[1; 16]));
    add(&mut fragments, &last);
    add(&mut fragments, &packet(V4, 2, 8, false, &[2; 8]));
    assert!(fragments.overdue(at(TIMEOUT)).is_none());
    let first = fragments.overdue(at(TIMEOUT + 1)).unwrap();
    assert_eq!((first.payload, first.frames), (vec![1; 16], 2));
    assert_eq!(first.incomplete, Some(Aside::FragmentTimeout));
    let second = fragments.overdue(at(TIMEOUT + 1)).unwrap();
    assert_eq!((second.payload, second.frames), (vec![], 1), "no beginning came");
    assert!(fragments.overdue(at(TIMEOUT + 1)).is_none());
}

#[test]
fn what_the_snap_length_cut_off_is_a_hole_to_the_end() {
    let mut fragments = roomy();
    add_cut(&mut fragments, &packet(V4, 1, 0, true, &[1; 16]), 6, at(0));
    let datagram = whole(add(&mut fragments, &packet(V4, 1, 16, false, &[2; 10])));
    assert_eq!((datagram.payload, datagram.cut, datagram.incomplete), (vec![1; 10], 16, None));
}

#[test]
fn floods_stay_within_the_bounds() {
    let mut fragments = Fragments::new(1 << 20);
    let mut frames = 0;
    for number in 0..60_000_u32 {
        let id = u16::try_from(number % 50_000).unwrap();
        let length = if number % 3 == 0 { 8 } else { 1400 };
        if let Outcome::Aside(_, count, _) =
            add(&mut fragments, &packet(V4, id, usize::from(id % 7) * 8, true, &numbers(length)))
        {
            frames += count;
        }
        while let Some(datagram) = fragments.overdue(at(0)) {
            assert_eq!(datagram.incomplete, Some(Aside::FragmentEvicted));
            frames += datagram.frames;
        }
        assert!(fragments.memory() <= fragments.limit && fragments.len() <= MAX_DATAGRAMS);
        assert_eq!(fragments.len(), fragments.ages.len());
    }
    while let Some(datagram) = fragments.remaining() {
        frames += datagram.frames;
    }
    assert_eq!((frames, fragments.memory()), (60_000, 0), "every frame is accounted for");
}

#[test]
fn small_fragments_of_many_datagrams_are_bounded_in_number() {
    let mut fragments = roomy();
    for id in 0..u16::MAX {
        add(&mut fragments, &packet(V4, id, 8, true, &[1; 8]));
        while fragments.overdue(at(0)).is_some() {}
        assert!(fragments.len() <= MAX_DATAGRAMS);
    }
    assert_eq!(fragments.len(), MAX_DATAGRAMS);
}

proptest! {
    /// Any order, any repetition, any overlap of IPv4: a byte map filled from the fragment that begins last
    /// to the one that begins first says what the datagram is, and when it is whole.
    #[test]
    fn as_a_byte_map_would(
        units in 1_usize..20,
        tail in 1_usize..=8,
        parts in prop::collection::vec((0_usize..20, 1_usize..8, any::<u8>()), 1..40),
    ) {
        let length = (units - 1) * 8 + tail;
        let mut fragments = roomy();
        let mut kept: Vec<(usize, Vec<u8>)> = Vec::new();
        let mut frames = 0;
        for (start, count, fill) in parts {
            let start = (start % units) * 8;
            let end = (start + count * 8).min(length);
            let more = end < length;
            if start == 0 && !more {
                continue; // That is no fragment.
            }
            let bytes = vec![fill; end - start];
            let outcome = add(&mut fragments, &packet(V4, 1, start, more, &bytes));
            if kept.contains(&(start, bytes.clone())) {
                prop_assert_eq!(aside(&outcome), (Aside::FragmentDuplicate, 1));
                continue;
            }
            kept.push((start, bytes));
            frames += 1;
            let mut map = vec![None; length];
            let mut order: Vec<_> = kept.iter().enumerate().collect();
            order.sort_by_key(|(came, (start, _))| (*start, *came));
            for (_, (start, bytes)) in order.into_iter().rev() {
                for (at, byte) in (*start..).zip(bytes) {
                    map[at] = Some(*byte);
                }
            }
            // Its end has to be known, not only its bytes.
            match map.into_iter().collect::<Option<Vec<u8>>>() {
                Some(expected) => {
                    let datagram = whole(outcome);
                    prop_assert_eq!((datagram.payload, datagram.frames), (expected, frames));
                    kept.clear();
                    frames = 0;
                }
                None => prop_assert!(matches!(outcome, Outcome::Kept)),
            }
        }
        prop_assert_eq!(fragments.remaining().map_or(0, |rest| rest.frames), frames);
        prop_assert_eq!(fragments.memory(), 0);
    }

    /// IPv6: whole if no two overlap, else dropped with every frame counted.
    #[test]
    fn no_overlap_survives_in_ipv6(
        parts in prop::collection::vec((0_usize..12, 1_usize..4, any::<bool>()), 1..12),
    ) {
        let mut fragments = roomy();
        let (mut came, mut left) = (0, 0);
        let mut covered = std::collections::BTreeSet::new();
        let mut overlapped = false;
        for (start, count, last) in parts {
            let last = last && start > 0; // Else it is no fragment but an atomic one.
            let fill = u8::try_from(came).unwrap();
            came += 1;
            let fresh = (start..start + count).filter(|unit| covered.insert(*unit)).count();
            overlapped |= fresh < count;
            match add(&mut fragments, &packet(V6, 1, start * 8, !last, &vec![fill; count * 8])) {
                Outcome::Kept => {}
                Outcome::Aside(_, frames, _) => left += frames,
                Outcome::Whole(datagram) => {
                    prop_assert!(!overlapped);
                    prop_assert_eq!(datagram.payload.len(), covered.len() * 8);
                    left += datagram.frames;
                    covered.clear();
                }
            }
        }
        left += fragments.remaining().map_or(0, |rest| rest.frames);
        prop_assert_eq!(came, left);
    }
}
