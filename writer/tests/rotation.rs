//! Directories one after the other: what a reassembler may say of them, and what it may not.
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

use proto::control::FromRole;
use proto::flow::{FlowEnding, FlowId, FromReassembler, Rotation, Totals};
use proto::frame::Ending;
use proto::plan::WriterPlan;
use proto::time::Timestamp;
use rig::{Rig, close, open, plan, span};

const NAME: &str = "010.000.000.001.01000-010.000.000.002.00080";
const FIRST: &str = "2020-09-13T12-26-40Z";
const SECOND: &str = "2020-09-13T12-26-41Z";

fn rotating() -> WriterPlan {
    WriterPlan { rotates: true, ..plan() }
}

fn rotate(number: i64, totals: Totals) -> FromReassembler {
    let start = Timestamp::new(1_600_000_000 + number, 0);
    FromReassembler::Rotate(Box::new(Rotation { start, totals }))
}

fn first() -> FromReassembler {
    rotate(0, Totals::unknown(Ending::Complete))
}

fn continued(flow: u64, size: u64) -> FromReassembler {
    let FromReassembler::Close(mut part) = close(flow, size) else { panic!() };
    part.ending = FlowEnding::Continued;
    FromReassembler::Close(part)
}

/// Two directories, a flow in both with so many bytes in the first, and this said in the second.
fn divided(bytes: &[u8], say: impl Fn(&mut Rig)) -> Rig {
    let mut rig = Rig::start(rotating());
    rig.put(&first(), b"").put(&open(0), b"").data(0, 0, bytes);
    rig.put(&continued(0, bytes.len() as u64), b"");
    let totals = rig.totals();
    rig.put(&rotate(1, totals), b"");
    say(&mut rig);
    rig
}

fn read(rig: &Rig, directory: &str) -> Vec<u8> {
    rig.read(&format!("{directory}/{NAME}"))
}

#[test]
fn what_is_before_a_part_moves_it_and_is_not_in_it() {
    let mut rig = divided(b"abcdef", |rig| {
        rig.data(0, 6, b"ghi");
        rig.put(&FromReassembler::Compare(span(0, 4, b"efgX")), b"efgX");
        rig.put(&FromReassembler::Shift { flow: FlowId(0), by: 3 }, b"");
        rig.data(0, 0, b"xyz").data(0, 12, b"jkl").put(&close(0, 17), b"");
    });
    rig.end().finish().expect_done();
    assert_eq!((read(&rig, FIRST), read(&rig, SECOND)), (b"abcdef".to_vec(), b"ghijkl\0\0".to_vec()));
    let report = String::from_utf8(rig.read(&format!("{SECOND}/report.xml"))).unwrap();
    let flow = "conflicting='1' continues='9' before_rotation='3' />";
    assert!(
        report.contains(flow) && report.contains("<aside reason='before_rotation' count='3' />"),
        "{report}"
    );
    assert!(report.contains("<filesize>8</filesize>"), "{report}");
}

#[test]
fn a_flow_that_is_silent_in_a_directory_has_no_file_there() {
    let mut rig = divided(b"abc", |rig| {
        let totals = rig.totals();
        rig.put(&rotate(2, totals), b"").data(0, 3, b"d").put(&close(0, 4), b"");
    });
    rig.end().finish().expect_done();
    assert_eq!(rig.read(&format!("2020-09-13T12-26-42Z/{NAME}")), b"d");
    assert!(!rig.directory.join(SECOND).join(NAME).exists());
}

#[test]
fn a_reassembler_that_ends_leaves_every_report_closed() {
    let mut rig = divided(b"abc", |rig| {
        rig.data(0, 3, b"d").flush();
    });
    rig.finish().expect_failed("ended without saying why");
    assert_eq!((read(&rig, FIRST), read(&rig, SECOND)), (b"abc".to_vec(), b"d".to_vec()));
    for (directory, interrupted) in [(FIRST, false), (SECOND, true)] {
        let report = String::from_utf8(rig.read(&format!("{directory}/report.xml"))).unwrap();
        rig::well_formed(&report);
        assert_eq!(report.contains("<interrupted>"), interrupted, "{report}");
    }
}

#[test]
fn what_a_plan_without_rotation_does_not_ask_for_is_refused() {
    for message in [first(), continued(0, 4)] {
        let mut rig = Rig::start(plan());
        rig.put(&open(0), b"").data(0, 0, b"kept").put(&message, b"");
        rig.finish().expect_failed("does not ask for");
        assert_eq!(rig.read(NAME), b"kept");
    }
}

#[test]
fn nothing_lies_outside_of_a_directory() {
    let totals = FromReassembler::End(Box::new(Totals::unknown(Ending::Complete)));
    for message in [open(0), totals] {
        let mut rig = Rig::start(rotating());
        rig.put(&message, b"");
        let outcome = rig.finish();
        let Some(FromRole::Failed(reason)) = &outcome.last else { panic!("{:?}", outcome.last) };
        assert!(reason.as_str().contains("no directory was told for"), "{reason}");
        assert_eq!(std::fs::read_dir(&rig.directory).unwrap().count(), 0);
    }
}

#[test]
fn a_directory_is_not_left_with_files_open_or_sums_that_are_wrong() {
    let refused = |reason: &str, say: &dyn Fn(&mut Rig)| {
        let mut rig = divided(b"kept", |rig| say(rig));
        rig.finish().expect_failed(reason);
        assert_eq!(read(&rig, FIRST), b"kept");
        assert!(!rig.directory.join("2020-09-13T12-26-42Z").exists());
    };
    refused("with files open", &|rig| {
        rig.data(0, 4, b"more");
        let totals = rig.totals();
        rig.put(&rotate(2, totals), b"");
    });
    refused("do not add up", &|rig| {
        let totals = Totals { stored: 5, ..rig.totals() };
        rig.put(&rotate(2, totals), b"");
    });
}
