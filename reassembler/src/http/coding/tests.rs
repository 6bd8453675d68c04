//! Codings made by encoders of other projects, undone in pieces of any length; and what is hostile.
#![allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::*;

/// `brotli.compress(b"Brotli undoes what Brotli did. " * 40)`.
const BROTLI: &[u8] =
    b"\x1b\xd7\x04\xf8\xc5\x6d\x6c\x5d\xc7\xea\x8c\xd6\xb6\x21\x44\x42\x54\x16\x22\x90\x6b\x29\
\x82\x0b\x00\x65\xae\xaf\x85\x1f\xba\xf6\xe3\x39\x28\x06\x02";

/// `zstd -3` of `b"Zstandard undoes what Zstandard did. " * 40`, with check sum.
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd\x04\x58\x35\x01\x00\xd0\x5a\x73\x74\x61\x6e\x64\x61\x72\x64\x20\x75\x6e\x64\
\x6f\x65\x73\x20\x77\x68\x61\x74\x20\x64\x69\x64\x2e\x03\x00\x96\x21\xf5\x81\xcc\x48\x24\x3c\x9b\xcb\xd3\x3a\xb7";

fn text() -> Vec<u8> {
    (0..4000_u32).flat_map(|n| format!("{n} is not {}. ", n * 7).into_bytes()).collect()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn raw(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What is made of `input`, how it ended, and whether it was whole.
fn undone(
    codings: &[Coding],
    input: &[u8],
    step: usize,
    limit: u64,
) -> (Vec<u8>, Option<&'static str>, bool) {
    let mut chain = Chain::new(codings, limit);
    let mut pieces = Pieces::default();
    let mut made = Vec::new();
    for piece in input.chunks(step) {
        let result = chain.undo(piece, &mut pieces, &mut |bytes| {
            made.extend_from_slice(bytes);
            Ok(())
        });
        match result {
            Ok(()) => {}
            Err(Stop::Broken) => return (made, Some("broken"), chain.is_whole()),
            Err(Stop::Capped) => return (made, Some("capped"), chain.is_whole()),
            Err(Stop::Taker(error)) => panic!("{error}"),
        }
    }
    (made, None, chain.is_whole())
}

#[test]
fn each_coding_in_pieces_of_any_length() {
    let text = text();
    let brotli = b"Brotli undoes what Brotli did. ".repeat(40);
    let zstd = b"Zstandard undoes what Zstandard did. ".repeat(40);
    for (coding, coded, expected) in [
        (Coding::Gzip, gzip(&text), &text),
        (Coding::Gzip, zlib(&text), &text),
        (Coding::Deflate, zlib(&text), &text),
        (Coding::Deflate, raw(&text), &text),
        (Coding::Deflate, gzip(&text), &text),
        (Coding::Brotli, BROTLI.to_vec(), &brotli),
        (Coding::Zstd, ZSTD.to_vec(), &zstd),
        (Coding::Zstd, [ZSTD, ZSTD].concat(), &zstd.repeat(2)),
    ] {
        for step in [1, 2, 3, 7, 1000, usize::MAX] {
            let (made, stop, whole) = undone(&[coding], &coded, step, u64::MAX);
            assert_eq!((made == *expected, stop, whole), (true, None, true), "{coding:?} {step}");
        }
        let (made, stop, whole) = undone(&[coding], &coded[..coded.len() - 1], 5, u64::MAX);
        assert!(expected.starts_with(&made) && stop.is_none() && !whole, "{coding:?} cut");
    }
}

#[test]
fn codings_one_within_the_other() {
    let text = text();
    let (made, stop, whole) =
        undone(&[Coding::Deflate, Coding::Gzip, Coding::Gzip], &gzip(&gzip(&raw(&text))), 3, u64::MAX);
    assert_eq!((made == text, stop, whole), (true, None, true));
}

#[test]
fn members_follow_each_other_and_padding_is_nothing() {
    let two = [gzip(b"one "), gzip(b"two")].concat();
    for after in [&b""[..], b"\0", b"\0\0\0\0", b"junk", b"\x1f"] {
        for step in [1, 2, 1000] {
            let coded = [&two, after].concat();
            assert_eq!(undone(&[Coding::Gzip], &coded, step, u64::MAX), (b"one two".to_vec(), None, true));
        }
    }
}

#[test]
fn what_was_made_before_a_defect_is_kept() {
    let text = text();
    let mut coded = gzip(&text);
    let end = coded.len() - 6;
    coded[end] ^= 1;
    let (made, stop, _) = undone(&[Coding::Gzip], &coded, 1000, u64::MAX);
    assert_eq!((made == text, stop), (true, Some("broken")), "a wrong check sum");
    coded[2000..2100].fill(0xff);
    let (made, stop, _) = undone(&[Coding::Gzip], &coded, 1000, u64::MAX);
    assert_eq!(stop, Some("broken"));
    assert!(made.len() > 1000 && text.starts_with(&made[..1000]));
    for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd] {
        assert_eq!(undone(&[coding], b"\xff\xfe\xfd<html> not coded at all", 4, u64::MAX).1, Some("broken"));
    }
}

#[test]
fn growth_is_bounded_by_limit_and_by_ratio() {
    let zeros = gzip(&vec![0; 1 << 20]);
    let (made, stop, _) = undone(&[Coding::Gzip], &zeros, 100, 1000);
    assert_eq!((made.len(), stop), (1000, Some("capped")));
    // One byte of zstd's for a hundred thousand: a block that says "128 KiB of zeros", and again.
    let header = b"\x28\xb5\x2f\xfd\x00\x58";
    let block = [&(1_u32 << 1 | (128 * 1024) << 3).to_le_bytes()[..3], &[0]].concat();
    let bomb = [&header[..], &block.repeat(3000)].concat();
    let mut chain = Chain::new(&[Coding::Zstd], u64::MAX);
    let mut made = 0_usize;
    let result = chain.undo(&bomb[..10_000], &mut Pieces::default(), &mut |bytes| {
        made += bytes.len();
        Ok(())
    });
    assert!(matches!(result, Err(Stop::Capped)));
    assert_eq!(u64::try_from(made).unwrap(), FREE + RATIO * 10_000);
    assert!(chain.heap() < 8 << 20, "{}", chain.heap());
    // A bomb within a bomb is stopped at the first stage that grows too much.
    let inner = gzip(&gzip(&vec![0; 4 << 20]));
    let (made, stop, _) = undone(&[Coding::Gzip, Coding::Gzip], &inner, 64, 1 << 20);
    assert_eq!((made.len(), stop), (1 << 20, Some("capped")));
}

#[test]
fn windows_beyond_what_http_allows_are_refused() {
    // A window of 128 MiB, and brotli's large window.
    for (coding, coded) in
        [(Coding::Zstd, &b"\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00"[..]), (Coding::Brotli, b"\x11\x1b\0\0\0")]
    {
        assert_eq!(undone(&[coding], coded, 100, u64::MAX).1, Some("broken"), "{coding:?}");
    }
}

#[test]
fn what_a_window_holds_back_counts_and_is_had_at_the_end() {
    // A window of 8 MiB that is half full, in a frame with a check sum or without.
    for descriptor in [0, 4] {
        let block = [&(1_u32 << 1 | (128 * 1024) << 3).to_le_bytes()[..3], b"z"].concat();
        let coded = [b"\x28\xb5\x2f\xfd", &[descriptor, 13 << 3][..], &block.repeat(32)].concat();
        let (mut chain, mut made) = (Chain::new(&[Coding::Zstd], u64::MAX), 0);
        chain.undo(&coded, &mut Pieces::default(), &mut |_| panic!("less than a window")).unwrap();
        assert!(chain.heap() > 4 << 20, "{}", chain.heap());
        chain
            .rest(&mut |piece| {
                assert!(piece.iter().all(|byte| *byte == b'z'));
                made += piece.len();
                Ok(())
            })
            .unwrap();
        assert_eq!(made, 4 << 20);
    }
}

#[test]
fn many_small_blocks_do_not_count_as_large_ones() {
    // What a server makes that flushes often: blocks of 100 bytes, as they are.
    let block = [&(100_u32 << 3).to_le_bytes()[..3], &[b'x'; 100]].concat();
    let coded = [&b"\x28\xb5\x2f\xfd\x00\x68"[..], &block.repeat(50)].concat();
    let mut chain = Chain::new(&[Coding::Zstd], u64::MAX);
    chain.undo(&coded, &mut Pieces::default(), &mut |_| Ok(())).unwrap();
    assert!(chain.heap() < 1 << 20, "{}", chain.heap());
}

#[test]
fn memory_is_counted() {
    let mut chain = Chain::new(&[Coding::Brotli], u64::MAX);
    assert!(chain.heap() > 0);
    let before = chain.heap();
    chain.undo(&BROTLI[..20], &mut Pieces::default(), &mut |_| Ok(())).unwrap();
    assert!(chain.heap() > before, "tables and window");
    assert_eq!(Chain::new(&[], 1).heap(), 0);
}
