//! Flow files: places, names, limits, times.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail by any of these"
)]
#![allow(dead_code, reason = "the rig serves several tests")]

mod rig;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use proto::flow::{FlowId, FromReassembler};
use proto::limits::BATCH_PAYLOAD;
use rig::{Rig, close, open, open_from, plan, span};

const NAME: &str = "010.000.000.001.01000-010.000.000.002.00080";

#[test]
fn a_flow_is_stored_and_reported() {
    let mut rig = Rig::start(plan());
    rig.put(&open(0), b"").data(0, 0, b"hello ").data(0, 6, b"world").put(&close(0, 11), b"");
    rig.end();
    let outcome = rig.finish();
    outcome.expect_done();
    let metadata = fs::metadata(rig.directory.join(NAME)).unwrap();
    assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_223_315_694, 796_605_000));
    assert_eq!((metadata.atime(), metadata.atime_nsec()), (1_223_315_694, 796_605_000));
    assert_eq!(metadata.mode() & 0o777 & !0o666, 0);
    assert_eq!(rig.read(NAME), b"hello world");
    assert!(outcome.report.contains(&format!(
        "    <fileobject>\n      <filename>out/{NAME}</filename>\n      <filesize>11</filesize>\n      \
         <tcpflow startime='2008-10-06T17:54:54.796605Z' endtime='2008-10-06T17:54:55Z' family='2' \
         src_ipn='10.0.0.1' dst_ipn='10.0.0.2' srcport='1000' dstport='80' packets='3' len='200' />\n    </fileobject>\n"
    )), "{}", outcome.report);
}

#[test]
fn disorder_holes_shift_and_lost_ends_are_put_in_place() {
    let mut rig = Rig::start(plan());
    rig.put(&open(0), b"").data(0, 4, b"ef").data(0, 0, b"ab");
    rig.put(&FromReassembler::Shift { flow: FlowId(0), by: 3 }, b"")
        .data(0, 0, b"xyz")
        .put(&close(0, 12), b"");
    rig.end().finish().expect_done();
    assert_eq!(rig.read(NAME), b"xyzab\0\0ef\0\0\0");
}

/// A writer that has flows 0 to 5 begun in a batch behind which there is another one already: `others`.
fn begun_in_a_batch_before(others: impl FnOnce(&mut Rig)) -> Rig {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().to_owned();
    let mut rig = Rig::spawn(&directory, Some(place), plan(), None);
    for flow in 0..6 {
        rig.put(&open(flow), b"").data(flow, 0, b"begin");
    }
    // A full batch is not taken for the last one for now.
    rig.put(&open(6), b"").data(6, 0, &[b'x'; BATCH_PAYLOAD / 2]).flush();
    others(&mut rig);
    rig.flush();
    rig.begin();
    rig
}

fn of_port(number: u64) -> String {
    NAME.replacen("01000", &format!("{:05}", 1000 + number), 1)
}

#[test]
fn what_came_of_a_flow_in_a_batch_before_is_put_in_place() {
    let long = [b'y'; 40_000];
    let mut rig = begun_in_a_batch_before(|rig| {
        rig.data(0, 5, b" and end").put(&close(0, 13), b"");
        rig.data(1, 9, b"gap").put(&close(1, 12), b"");
        rig.put(&FromReassembler::Shift { flow: FlowId(2), by: 3 }, b"").data(2, 0, b"xyz");
        rig.put(&close(2, 8), b"");
        rig.put(&FromReassembler::Compare(span(3, 0, b"Begin")), b"Begin").put(&close(3, 5), b"");
        rig.data(4, 5, &long).put(&close(4, 40_005), b"");
        rig.put(&close(5, 7), b"").put(&close(6, 65_536), b"").end();
    });
    let outcome = rig.finish();
    outcome.expect_done();
    let expected: [&[u8]; 7] = [
        b"begin and end",
        b"begin\0\0\0\0gap",
        b"xyzbegin",
        b"begin",
        &[b"begin", &long[..]].concat(),
        b"begin\0\0",
        &[b'x'; BATCH_PAYLOAD / 2],
    ];
    for (number, bytes) in (0..).zip(expected) {
        assert!(rig.read(&of_port(number)) == bytes, "{number}");
    }
    assert!(outcome.report.contains("conflicting='1'"), "{}", outcome.report);
}

#[test]
fn what_came_of_a_flow_in_a_batch_before_is_kept_if_the_run_breaks_off() {
    let mut rig = begun_in_a_batch_before(|rig| {
        rig.data(0, 5, b" and more");
    });
    rig.finish();
    assert_eq!(rig.read(&of_port(0)), b"begin and more");
    for number in 1..6 {
        assert_eq!(rig.read(&of_port(number)), b"begin", "{number}");
    }
}

#[test]
fn copies_that_differ_are_counted() {
    let mut rig = Rig::start(plan());
    rig.put(&open(0), b"").data(0, 0, b"abcdef");
    rig.put(&FromReassembler::Compare(span(0, 1, b"bXd")), b"bXd");
    rig.put(&FromReassembler::Compare(span(0, 1, b"bcd")), b"bcd");
    rig.put(&FromReassembler::Replace(span(0, 5, b"FG")), b"FG").put(&close(0, 7), b"");
    let outcome = rig.end().finish();
    outcome.expect_done();
    assert_eq!(rig.read(NAME), b"abcdeFG");
    assert!(outcome.report.contains("violations='2' len='200' conflicting='2' />"), "{}", outcome.report);
}

#[test]
fn bytes_past_the_limit_are_counted_and_not_written() {
    let mut limited = plan();
    limited.max_bytes = Some(5);
    let mut rig = Rig::start(limited);
    rig.put(&open(0), b"").data(0, 0, b"abc").data(0, 3, b"defg").data(0, 7, b"hi").put(&close(0, 20), b"");
    let outcome = rig.end().finish();
    outcome.expect_done();
    assert_eq!(rig.read(NAME), b"abcde");
    assert!(outcome.report.contains("<filesize>20</filesize>"));
    assert!(outcome.report.contains("written='5'"));
    assert!(outcome.report.contains("<aside reason='max_bytes' count='4' />"));
}

#[test]
fn what_is_missing_at_the_limit_is_not_written() {
    // The size of a flow, and of its file when five bytes are kept and three came.
    for (size, kept) in [(3, &b"abc"[..]), (5, b"abc\0\0"), (6, b"abc")] {
        let mut limited = plan();
        limited.max_bytes = Some(5);
        let mut rig = Rig::start(limited);
        rig.put(&open(0), b"").data(0, 0, b"abc").put(&close(0, size), b"");
        rig.end().finish().expect_done();
        assert_eq!(rig.read(NAME), kept, "{size}");
    }
}

#[test]
fn the_counter_is_the_smallest_that_names_nothing() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join(NAME), "old").unwrap();
    symlink("/nowhere", place.path().join(format!("{NAME}c2"))).unwrap();
    let mut rig = Rig::start_in(place.path(), None, plan(), None);
    for number in 0..3 {
        rig.put(&open_from(number, 1000), b"")
            .data(number, 0, &[b'0' + number as u8])
            .put(&close(number, 1), b"");
    }
    rig.end().finish().expect_done();
    assert_eq!(rig.read(NAME), b"old");
    for (counter, contents) in [(1, b"0"), (3, b"1"), (4, b"2")] {
        assert_eq!(rig.read(&format!("{NAME}c{counter}")), contents);
    }
    assert!(!std::path::Path::new("/nowhere").exists());
}

#[test]
fn one_open_file_serves_many_flows() {
    let mut few = plan();
    few.max_open_files = 1;
    few.template = "%K/d%N/%A.%a%c".into();
    let mut rig = Rig::start(few);
    for number in 0..20 {
        rig.put(&open(number), b"");
    }
    for (number, byte) in (0..200).map(|n| (n % 20, n / 20)) {
        rig.data(number, byte, &[b'a' + byte as u8]);
        if number == 7 {
            rig.flush();
        }
    }
    for number in 0..20 {
        rig.put(&close(number, 10), b"");
    }
    rig.end().finish().expect_done();
    for number in 0..20 {
        assert_eq!(
            rig.read(&format!("000/d{number:03}/010.000.000.001.{:05}", 1000 + number)),
            b"abcdefghij"
        );
    }
}

#[test]
fn offsets_past_four_gibibytes_are_kept() {
    let far = (1 << 32) + 5;
    let mut rig = Rig::start(plan());
    rig.put(&open(0), b"").data(0, far, b"end").put(&close(0, far + 3), b"");
    rig.end().finish().expect_done();
    let metadata = fs::metadata(rig.directory.join(NAME)).unwrap();
    assert_eq!(metadata.len(), far + 3);
    assert!(metadata.blocks() < 1000, "the rest is a hole");
}

#[test]
fn without_store_only_the_report_is_made() {
    let mut without = plan();
    without.store = false;
    let mut rig = Rig::start(without);
    rig.put(&open(0), b"").data(0, 0, b"abc").put(&close(0, 3), b"");
    let outcome = rig.end().finish();
    outcome.expect_done();
    assert_eq!(fs::read_dir(&rig.directory).unwrap().count(), 1);
    assert!(!outcome.report.contains("<filename>"));
    assert!(outcome.report.contains("<filesize>3</filesize>"));
}

#[test]
fn a_full_disk_costs_the_flows_that_do_not_fit_and_no_more() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: mounting a small tmpfs takes root");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let flags = nix::mount::MsFlags::MS_NOSUID;
    nix::mount::mount(Some("tmpfs"), place.path(), Some("tmpfs"), flags, Some("size=256k,mode=755")).unwrap();
    let mut rig = Rig::start_in(place.path(), None, plan(), None);
    rig.put(&open(0), b"").data(0, 0, b"small").put(&close(0, 5), b"").flush();
    rig.put(&open(1), b"");
    let block = vec![b'x'; 65_536];
    for at in 0..8 {
        rig.data(1, at * 65_536, &block);
    }
    rig.put(&close(1, 8 * 65_536), b"");
    for number in 2..400 {
        rig.put(&open(number), b"").put(&close(number, 0), b"");
    }
    let outcome = rig.end().finish();
    let small = rig.read(NAME);
    nix::mount::umount(place.path()).unwrap();
    assert_eq!(small, b"small");
    assert_eq!(outcome.last, Some(proto::control::FromRole::Done { failed: true }));
    assert!(
        outcome.notices.iter().any(|line| line.contains("No space left on device")),
        "{:?}",
        outcome.notices
    );
    rig::well_formed(&outcome.report);
    assert!(outcome.report.contains("<rusage>"), "the report is closed: {}", outcome.report);
    assert!(outcome.report.contains("<aside reason='disk_full'"), "{}", outcome.report);
}

#[test]
fn a_report_that_is_a_pipe_comes_whole() {
    let (read, write) = std::io::pipe().unwrap();
    let mut elsewhere = plan();
    elsewhere.report.as_mut().unwrap().place = proto::plan::ReportPlace::Descriptor;
    let place = tempfile::tempdir().unwrap();
    let mut rig = Rig::start_in(place.path(), None, elsewhere, Some(write.into()));
    rig.put(&open(0), b"").data(0, 0, b"abc").put(&close(0, 3), b"");
    let outcome = rig.end().finish();
    let text = std::io::read_to_string(read).unwrap();
    assert!(outcome.status.success());
    rig::well_formed(&text);
    assert!(text.contains("<filesize>3</filesize>") && text.contains("<rusage>"));
}
