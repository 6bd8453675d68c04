//! Sources of every format: whole, cut anywhere, and broken.

use std::io::{Seek, Write};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

use super::decoder::MAX_WINDOW;
use super::*;

fn file(bytes: &[u8]) -> Source {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Source::new(file.into())
}

/// All that comes out of a source, one grant at a time, and how it ends.
fn drained(bytes: &[u8]) -> (Vec<u8>, Result<(), Failure>) {
    let mut source = file(bytes);
    let (mut all, mut room) = (Vec::new(), vec![0; 1000]);
    loop {
        source.grant(true);
        match source.read(&mut room) {
            Ok(0) => return (all, Ok(())),
            Ok(count) => all.extend(&room[..count]),
            Err(Failure::Wait) => {}
            Err(failure) => return (all, Err(failure)),
        }
    }
}

fn whole(bytes: &[u8]) -> Vec<u8> {
    let (all, end) = drained(bytes);
    assert_eq!(end, Ok(()));
    all
}

fn fault(bytes: &[u8]) -> String {
    drained(bytes).1.unwrap_err().to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What a program makes of bytes; none where it is not installed.
fn by(program: &str, arguments: &[&str], bytes: &[u8]) -> Option<Vec<u8>> {
    let mut child =
        Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    Some(output.stdout)
}

/// A member of an archive: header, data, and what follows it.
struct Member<'a> {
    name: &'a str,
    method: u16,
    flags: u16,
    data: &'a [u8],
    crc: u32,
}

impl Member<'_> {
    fn bytes(&self) -> Vec<u8> {
        let follows = self.flags & 8 != 0;
        let length = u32::try_from(self.data.len()).unwrap();
        let sums = |crc: u32, length: u32| [crc, length, length].map(u32::to_le_bytes).concat();
        let mut all = b"PK\x03\x04\x14\0".to_vec();
        all.extend([self.flags, self.method, 0, 0].map(u16::to_le_bytes).concat());
        all.extend(if follows { sums(0, 0) } else { sums(self.crc, length) });
        all.extend([u16::try_from(self.name.len()).unwrap(), 0].map(u16::to_le_bytes).concat());
        all.extend(self.name.as_bytes());
        all.extend(self.data);
        if follows {
            all.extend(b"PK\x07\x08");
            all.extend(sums(self.crc, length));
        }
        all
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn stored(name: &str, bytes: &[u8]) -> Vec<u8> {
    Member { name, method: 0, flags: 0, data: bytes, crc: crc(bytes) }.bytes()
}

fn deflated(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    Member { name, method: 8, flags: 8, data: &encoder.finish().unwrap(), crc: crc(bytes) }.bytes()
}

/// An archive of members, as far as it is read.
fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    [members.concat(), b"PK\x01\x02 and so on".to_vec()].concat()
}

/// Bytes that compress, but not to nothing.
fn content() -> Vec<u8> {
    (0..100_000_u32).flat_map(|number| (number / 3).wrapping_mul(0x9e37_79b9).to_le_bytes()).collect()
}

/// The content in every format that can be made here.
fn compressed() -> Vec<(&'static str, Vec<u8>)> {
    let bytes = content();
    let tools = [
        ("xz", by("xz", &["-c"], &bytes)),
        (
            "xz with sha256 and a filter",
            by("xz", &["-c", "-C", "sha256", "--delta=dist=4", "--lzma2"], &bytes),
        ),
        ("lzma", by("xz", &["-c", "--format=lzma"], &bytes)),
        ("zstd", by("zstd", &["-q", "-c"], &bytes)),
    ];
    let mut all = vec![
        ("gzip", gzip(&bytes)),
        ("bzip2", bzip2(&bytes)),
        ("zip, stored", archive(&[stored("a", &bytes)])),
        ("zip, deflated", archive(&[deflated("a", &bytes)])),
        ("zip, gzip within", archive(&[stored("a.gz", &gzip(&bytes))])),
    ];
    all.extend(tools.into_iter().filter_map(|(name, made)| Some((name, made?))));
    all
}

#[test]
fn plain_bytes_come_as_they_are() {
    for bytes in [&b""[..], b"\x1f", b"\xd4\xc3", b"PK", &[7; 300_000]] {
        assert_eq!(whole(bytes), bytes);
    }
}

#[test]
fn every_format_is_undone() {
    for (name, made) in compressed() {
        assert!(whole(&made) == content(), "{name}");
    }
}

#[test]
fn streams_that_follow_one_another_are_joined() {
    let mut makers: Vec<(&str, Vec<u8>, Vec<u8>)> =
        vec![("gzip", gzip(b"one"), gzip(b"two")), ("bzip2", bzip2(b"one"), bzip2(b"two"))];
    for (program, arguments) in [("xz", ["-c", "-0"]), ("zstd", ["-q", "-c"])] {
        if let (Some(one), Some(two)) = (by(program, &arguments, b"one"), by(program, &arguments, b"two")) {
            makers.push((program, one, two));
        }
    }
    for (name, one, two) in makers {
        assert_eq!(whole(&[one, two].concat()), b"onetwo", "{name}");
    }
    assert_eq!(whole(&[gzip(b"one"), vec![0; 512], gzip(b"two"), vec![0; 9]].concat()), b"onetwo");
    assert_eq!(
        fault(&[gzip(b"one"), b"junk".to_vec()].concat()),
        "gzip: corrupt: something else follows the compressed data"
    );
}

#[test]
fn what_comes_before_a_cut_is_kept() {
    for (name, made) in compressed() {
        // Archives end before their directory does.
        let end = made.len() - if name.starts_with("zip") { b"PK\x01\x02 and so on".len() } else { 0 };
        let mut longest = 0;
        for cut in [20, 40, end / 4, end / 2, end / 4 * 3, end - 9, end - 1] {
            let (all, outcome) = drained(&made[..cut]);
            assert!(content().starts_with(&all), "{name} cut at {cut}");
            let words = outcome.expect_err(&format!("{name} cut at {cut} of {end}")).to_string();
            assert!(words.ends_with(": unexpected end of file"), "{name} cut at {cut}: {words}");
            assert!(all.len() >= longest, "{name} cut at {cut}");
            longest = all.len();
        }
        assert!(longest >= content().len() / 2, "{name}: {longest}");
    }
}

#[test]
fn what_comes_before_damage_is_kept_and_no_damage_goes_unseen() {
    for (name, made) in compressed() {
        for at in [made.len() / 3, made.len() / 3 * 2] {
            let mut broken = made.clone();
            broken[at] ^= 0x10;
            let (all, outcome) = drained(&broken);
            let words = outcome.expect_err(&format!("{name} broken at {at}")).to_string();
            // A checksum tells of damage only once it is reached.
            let same = all.iter().zip(content()).take_while(|(a, b)| **a == *b).count();
            assert!(words.contains("corrupt") || words.contains("unexpected end"), "{name}: {words}");
            if name != "bzip2" && !name.contains("lzma") {
                assert!(same > content().len() / 10, "{name} broken at {at}: {same} of {}", all.len());
            }
        }
    }
}

#[test]
fn of_an_archive_the_first_file_is_read() {
    let bytes = content();
    let folder = stored("folder/", b"");
    let mac = deflated("__MACOSX/._a", b"of no interest");
    for members in [
        vec![folder.clone(), deflated("folder/a", &bytes)],
        vec![stored("a", &bytes), mac.clone()],
        vec![mac, folder, stored("a", &bytes)],
    ] {
        assert!(whole(&archive(&members)) == bytes);
    }
    let two = archive(&[stored("a", &bytes), stored("b", b"more")]);
    let (all, outcome) = drained(&two);
    assert!(all == bytes);
    assert_eq!(outcome.unwrap_err().to_string(), "zip: only the first file of the archive was read");
}

#[test]
fn what_is_not_understood_of_an_archive_is_told() {
    let member = |method, flags| Member { name: "a", method, flags, data: b"data", crc: 0 }.bytes();
    for (bytes, words) in [
        (
            [stored("a", b"data"), b"junk".to_vec()].concat(),
            "corrupt: neither a file nor the directory follows",
        ),
        (b"PK\x05\x06 and so on, long enough".to_vec(), "there is no file in the archive"),
        (archive(&[stored("folder/", b"")]), "there is no file in the archive"),
        (member(0, 1), "the file in the archive is encrypted"),
        (member(0, 8), "the length of what is stored is not known"),
        (member(95, 0), "compression method 95 is not supported"),
        (member(0, 0), "corrupt: checksum"),
        (
            archive(&[stored("a.zip", &archive(&[stored("b", b"data")]))]),
            "there is an archive in the archive",
        ),
    ] {
        assert_eq!(fault(&bytes), format!("zip: {words}"));
    }
}

#[test]
fn an_archive_that_zip_writes_into_a_pipe_is_read() {
    // It does not know the length of what comes from a pipe, and takes it for possibly large.
    let Some(made) = by("zip", &["-q", "-", "-"], &content()) else { return };
    assert!(whole(&made) == content());
}

#[test]
fn memory_is_bounded_whatever_a_file_asks_for() {
    let words = format!("needs more than {} MiB to decompress", MAX_WINDOW >> 20);
    // A dictionary of 1 GiB; a window of 256 MiB.
    let lzma = [&[0x5d, 0, 0, 0, 0x40][..], &[0xff; 8], &[0; 40]].concat();
    assert_eq!(fault(&lzma), format!("lzma: {words}"));
    let zstd = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x90][..], &[0; 40]].concat();
    assert_eq!(fault(&zstd), format!("zstd: {words}"));
    if let Some(xz) = by("xz", &["-c", "--lzma2=dict=256MiB"], b"short") {
        assert_eq!(fault(&xz), format!("xz: {words}"));
    }
    if let Some(xz) = by("xz", &["-c", "-9"], b"short") {
        assert_eq!(whole(&xz), b"short");
    }
}

#[test]
fn a_frame_that_is_to_be_skipped_is_skipped() {
    let Some(made) = by("zstd", &["-q", "-c"], b"content") else { return };
    let skipped = [&[0x53, 0x2a, 0x4d, 0x18, 30, 0, 0, 0][..], &[9; 30]].concat();
    assert_eq!(whole(&[skipped.clone(), made.clone(), skipped.clone(), made].concat()), b"contentcontent");
    assert_eq!(fault(&skipped[..20]), "zstd: unexpected end of file");
}

#[test]
fn without_a_grant_nothing_is_read() {
    let mut source = file(b"bytes that are long enough");
    assert_eq!(source.read(&mut [0; 9]), Err(Failure::Wait));
    assert_eq!(source.taken(), 0);
    source.grant(true);
    assert_eq!(source.read(&mut [0; 9]), Ok(9));
    assert_eq!(source.taken(), 26);
    source.grant(false);
    assert_eq!(source.read(&mut [0; 99]), Ok(17), "what has come already");
    assert_eq!(source.read(&mut [0; 99]), Err(Failure::Wait));
}
