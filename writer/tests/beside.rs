//! Files beside flow files or in place of them, and digests, where something goes wrong.
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
use std::os::unix::fs::symlink;

use proto::control::FromRole;
use proto::flow::{FlowId, FromReassembler};
use proto::plan::{Digest, WriterPlan};
use rig::{Rig, arrival, close, medium, open, packet, plan};

const NAME: &str = "010.000.000.001.01000-010.000.000.002.00080";

fn indexed() -> WriterPlan {
    WriterPlan { index: true, ..plan() }
}

fn of_packets() -> WriterPlan {
    WriterPlan { store: false, packets: true, ..plan() }
}

fn kept(rig: &mut Rig, flow: u64, bytes: &[u8]) {
    rig.put(&FromReassembler::Packet { flow: FlowId(flow), packet: packet(bytes) }, bytes);
}

#[test]
fn an_index_is_on_the_disk_after_each_batch() {
    let mut rig = Rig::start(indexed());
    rig.put(&open(0), b"").data(0, 0, b"abc").put(&arrival(0, 0, 3), b"").flush();
    let index = rig.directory.join(format!("{NAME}.findx"));
    for _ in 0..500 {
        if fs::read(&index).is_ok_and(|text| text == b"0|1.000002|3\n") {
            rig.put(&close(0, 3), b"").end().finish().expect_done();
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("no index");
}

#[test]
fn the_counter_goes_past_an_index_that_is_there() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join(format!("{NAME}.findx")), "old").unwrap();
    symlink("/nowhere", place.path().join(format!("{NAME}c1.findx"))).unwrap();
    let mut rig = Rig::start_in(place.path(), None, indexed(), None);
    rig.put(&open(0), b"").data(0, 0, b"abc").put(&arrival(0, 0, 3), b"").put(&close(0, 3), b"");
    rig.end().finish().expect_done();
    assert_eq!(rig.read(&format!("{NAME}.findx")), b"old");
    assert_eq!(rig.read(&format!("{NAME}c2")), b"abc");
    assert_eq!(rig.read(&format!("{NAME}c2.findx")), b"0|1.000002|3\n");
}

#[test]
fn an_index_that_cannot_be_made_costs_no_flow() {
    // With what goes behind it for the index it is too long to be a name.
    let name = "x".repeat(252);
    let mut rig = Rig::start(WriterPlan { template: format!("{name}%c"), ..indexed() });
    rig.put(&open(0), b"").data(0, 0, b"abc").put(&arrival(0, 0, 3), b"").put(&close(0, 3), b"");
    let outcome = rig.end().finish();
    assert_eq!(outcome.last, Some(FromRole::Done { failed: true }));
    let told = outcome.notices.iter().filter(|line| line.starts_with("cannot store the index of"));
    assert_eq!(told.count(), 1, "{:?}", outcome.notices);
    assert!(outcome.report.contains("index_truncated='io_error'"), "{}", outcome.report);
    assert_eq!(rig.read(&name), b"abc");
}

#[test]
fn a_packet_beyond_the_snap_length_raises_it() {
    for whole_batches in [true, false] {
        let mut rig = Rig::start(WriterPlan { digests: vec![Digest::Md5], ..of_packets() });
        rig.put(&open(0), b"").put(&medium(1), b"");
        for bytes in [&b"abcd"[..], b"abcdef", b"abcde"] {
            kept(&mut rig, 0, bytes);
            if !whole_batches {
                rig.flush();
            }
        }
        let outcome = rig.put(&close(0, 0), b"").end().finish();
        outcome.expect_done();
        let file = rig.read(&format!("{NAME}.pcap"));
        assert_eq!((file.len(), &file[16..20]), (24 + 3 * 16 + 15, &[6, 0, 0, 0][..]));
        assert!(outcome.report.contains("<packets relayed='3' written='3'>"), "{}", outcome.report);
        let sum =
            std::process::Command::new("md5sum").arg(rig.directory.join(format!("{NAME}.pcap"))).output();
        let sum = String::from_utf8(sum.unwrap().stdout).unwrap();
        let element = format!("<hashdigest type='MD5'>{}</hashdigest>", sum.split(' ').next().unwrap());
        assert!(outcome.report.contains(&element), "{element} is not in {}", outcome.report);
    }
}

#[test]
fn packets_of_another_link_are_counted_and_told() {
    let mut rig = Rig::start(of_packets());
    rig.put(&open(0), b"").put(&medium(1), b"");
    kept(&mut rig, 0, b"abcd");
    rig.put(&medium(101), b"");
    kept(&mut rig, 0, b"abcd");
    kept(&mut rig, 0, b"abcd");
    let outcome = rig.put(&close(0, 0), b"").end().finish();
    outcome.expect_done();
    assert_eq!(rig.read(&format!("{NAME}.pcap")).len(), 24 + 16 + 4);
    assert!(outcome.report.contains("<aside reason='other_link_type' count='2' />"), "{}", outcome.report);
    assert!(
        outcome.notices.iter().any(|line| line.starts_with("2 packets are not in")),
        "{:?}",
        outcome.notices
    );
}

#[test]
fn a_file_that_vanished_has_no_digest_and_that_is_told() {
    let few = WriterPlan { max_open_files: 1, digests: vec![Digest::Md5], ..plan() };
    let mut rig = Rig::start(few);
    rig.put(&open(0), b"").data(0, 4, b"abc").put(&open(1), b"").data(1, 0, b"abc").flush();
    rig.put(&close(1, 3), b"").flush();
    rig.wait_for("</fileobject>");
    fs::remove_file(rig.directory.join(NAME)).unwrap();
    let outcome = rig.put(&close(0, 7), b"").end().finish();
    assert_eq!(outcome.last, Some(FromRole::Done { failed: true }));
    assert!(
        outcome.notices.iter().any(|line| line.starts_with("cannot make the digest of")),
        "{:?}",
        outcome.notices
    );
    assert_eq!(outcome.report.matches("<hashdigest").count(), 1, "{}", outcome.report);
    rig::well_formed(&outcome.report);
}

#[test]
fn a_full_disk_leaves_whole_packets() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: mounting a small tmpfs takes root");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let flags = nix::mount::MsFlags::MS_NOSUID;
    nix::mount::mount(Some("tmpfs"), place.path(), Some("tmpfs"), flags, Some("size=256k,mode=755")).unwrap();
    let mut rig = Rig::start_in(place.path(), None, of_packets(), None);
    rig.put(&open(0), b"").put(&medium(1), b"");
    let block = vec![b'x'; 1000];
    for _ in 0..600 {
        kept(&mut rig, 0, &block);
    }
    let outcome = rig.put(&close(0, 0), b"").end().finish();
    let file = fs::read(place.path().join(format!("{NAME}.pcap")));
    nix::mount::umount(place.path()).unwrap();
    assert_eq!(outcome.last, Some(FromRole::Done { failed: true }));
    let file = file.unwrap();
    assert_eq!((file.len() - 24) % 1016, 0, "no half of a packet");
    let written = (file.len() - 24) / 1016;
    assert!(
        outcome.report.contains(&format!("<packets relayed='600' written='{written}'>")),
        "{}",
        outcome.report
    );
    assert!(outcome.report.contains(&format!("<aside reason='disk_full' count='{}' />", 600 - written)));
}
