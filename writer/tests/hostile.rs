//! A reassembler that was taken over, or died, and a directory that was prepared for harm.
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

use std::os::unix::fs::symlink;

use proto::body::{BodyEnding, BodyOpen, Extension};
use proto::control::FromRole;
use proto::flow::{FlowId, FromReassembler};
use proto::plan::WriterPlan;
use rig::{Rig, arrival, close, medium, open, packet, plan, span, well_formed};

#[test]
fn what_the_plan_does_not_ask_for_is_refused() {
    const WHY: &str = "does not ask for";
    refused(WHY, |rig| {
        rig.put(&FromReassembler::Print(span(0, 0, b"x")), b"x");
    });
    refused(WHY, |rig| {
        rig.put(&FromReassembler::Gap { flow: FlowId(0), offset: 0, length: 1 }, b"");
    });
    refused(WHY, |rig| {
        rig.put(&arrival(0, 0, 4), b"");
    });
    refused(WHY, |rig| {
        rig.put(&medium(1), b"");
    });
    refused(WHY, |rig| {
        rig.put(&FromReassembler::Packet { flow: FlowId(0), packet: packet(b"abcd") }, b"abcd");
    });
    refused(WHY, |rig| {
        rig.put(&FromReassembler::Unprocessed(packet(b"abcd")), b"abcd");
    });
    refused("do not add up", |rig| {
        let mut totals = rig.totals();
        totals.unprocessed += 1;
        rig.put(&close(0, 4), b"").put(&FromReassembler::End(Box::new(totals)), b"");
    });
}

#[test]
fn packets_need_a_link_and_a_flow() {
    let mut packets = plan();
    packets.store = false;
    packets.packets = true;
    let message = |flow| FromReassembler::Packet { flow: FlowId(flow), packet: packet(b"abcd") };
    let mut rig = Rig::start(packets.clone());
    rig.put(&open(0), b"").put(&message(0), b"abcd");
    rig.finish().expect_failed("a link that was not told of");
    let mut rig = Rig::start(packets);
    rig.put(&open(0), b"").put(&medium(1), b"").put(&message(1), b"abcd");
    rig.finish().expect_failed("not open");
}

/// What one hostile run sends after an honest flow.
fn refused(reason: &str, send: impl Fn(&mut Rig)) {
    let mut rig = Rig::start(plan());
    rig.put(&open(0), b"").data(0, 0, b"kept");
    send(&mut rig);
    rig.finish().expect_failed(reason);
    assert_eq!(rig.read("010.000.000.001.01000-010.000.000.002.00080"), b"kept");
}

#[test]
fn a_pipe_in_place_of_the_report_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let pipe = place.path().join("report.xml");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _reader = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    let mut rig = Rig::spawn(place.path(), None, plan(), None);
    let Some(FromRole::Failed(text)) = rig.receive() else { panic!("not refused") };
    assert_eq!(text.as_str(), "cannot create out/report.xml: Illegal seek");
}

#[test]
fn messages_out_of_order_are_refused() {
    refused("not open", |rig| {
        rig.data(7, 0, b"x");
    });
    refused("not open", |rig| {
        rig.put(&close(0, 4), b"").data(0, 4, b"x");
    });
    refused("not open", |rig| {
        rig.put(&FromReassembler::Shift { flow: FlowId(9), by: 1 }, b"");
    });
    refused("not open", |rig| {
        rig.put(&FromReassembler::Compare(span(9, 0, b"x")), b"x");
    });
    refused("numbered out of order", |rig| {
        rig.put(&open(0), b"");
    });
    refused("numbered out of order", |rig| {
        rig.put(&open(5), b"");
    });
    refused("with flows open", |rig| {
        rig.end();
    });
    refused("after the end", |rig| {
        rig.put(&close(0, 4), b"").end().put(&open(1), b"");
    });
    refused("do not add up", |rig| {
        let mut totals = rig.totals();
        totals.stored += 1;
        rig.put(&close(0, 4), b"").put(&FromReassembler::End(Box::new(totals)), b"");
    });
}

fn body(number: u64) -> FromReassembler {
    let extension = Extension::try_from("txt").unwrap();
    FromReassembler::BodyOpen(BodyOpen { flow: FlowId(0), number, offset: 2, extension, request: false })
}

/// What one hostile run sends of bodies after an honest flow and the beginning of a body.
fn body_refused(reason: &str, send: impl Fn(&mut Rig)) {
    let mut rig = Rig::start(WriterPlan { bodies: true, ..plan() });
    let bytes = FromReassembler::BodyBytes { flow: FlowId(0), length: 4 };
    rig.put(&open(0), b"").data(0, 0, b"kept").put(&body(3), b"").put(&bytes, b"body");
    send(&mut rig);
    rig.finish().expect_failed(reason);
    assert_eq!(rig.read("010.000.000.001.01000-010.000.000.002.00080-HTTPBODY-003.txt"), b"body");
}

#[test]
fn bodies_out_of_order_are_refused() {
    let over = FromReassembler::BodyClose { flow: FlowId(0), ending: BodyEnding::Complete };
    let bytes = FromReassembler::BodyBytes { flow: FlowId(0), length: 1 };
    refused("does not ask for", |rig| {
        rig.put(&body(1), b"");
    });
    body_refused("bodies out of order", |rig| {
        rig.put(&body(4), b"");
    });
    body_refused("bodies out of order", |rig| {
        rig.put(&over, b"").put(&body(3), b"");
    });
    body_refused("body that is not open", |rig| {
        rig.put(&over, b"").put(&bytes, b"x");
    });
    body_refused("body that is not open", |rig| {
        rig.put(&over, b"").put(&over, b"");
    });
    body_refused("with a body open", |rig| {
        rig.put(&close(0, 4), b"");
    });
    body_refused("longer than any file", |rig| {
        rig.put(&FromReassembler::BodyHole { flow: FlowId(0), length: i64::MAX as u64 }, b"");
    });
    body_refused("do not add up", |rig| {
        rig.put(&over, b"").put(&close(0, 4), b"").end();
    });
}

#[test]
fn lengths_past_any_file_are_refused() {
    refused("longer than any file", |rig| {
        rig.put(&close(0, u64::MAX), b"");
    });
    refused("past the end of any file", |rig| {
        rig.put(&FromReassembler::Shift { flow: FlowId(0), by: i64::MAX as u64 }, b"");
    });
}

#[test]
fn datagrams_replayed_cut_or_with_descriptors_are_refused() {
    refused("where 1 was due", |rig| {
        rig.flush();
        let mut again = proto::batch::Outgoing::default();
        again.push(&close(0, 4), b"").unwrap();
        let replayed = again.parts().unwrap().concat();
        rig.raw(&replayed, &[]);
    });
    refused("shorter", |rig| rig.flush().raw(b"abc", &[]));
    refused("descriptor", |rig| {
        rig.put(&close(0, 4), b"").flush();
        let datagram = rig.end().batch.parts().unwrap().concat();
        rig.raw(&datagram, &[0]);
        rig.batch.advance();
    });
}

#[test]
fn an_end_without_a_word_is_told_and_marked() {
    refused("tcpflow-reassembler ended without saying why", |_| {});
    let mut rig = Rig::start(plan());
    rig.finish().expect_failed("ended without saying why");
}

#[test]
fn the_report_is_whole_when_the_writer_is_killed() {
    let mut rig = Rig::start(plan());
    well_formed(&rig.report());
    for number in 0..2000 {
        rig.put(&open(number), b"").data(number, 0, b"abc").put(&close(number, 3), b"");
    }
    rig.flush();
    rig.wait_for("srcport='2999'");
    rig.kill();
    let outcome = rig.finish();
    well_formed(&outcome.report);
    assert!(outcome.report.contains("<interrupted>tcpflow-writer ended"), "{}", outcome.report);
}

#[test]
fn a_link_in_place_of_the_report_is_not_followed() {
    let place = tempfile::tempdir().unwrap();
    let victim = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(victim.path(), "precious").unwrap();
    symlink(victim.path(), place.path().join("report.xml")).unwrap();
    let mut rig = Rig::spawn(place.path(), None, plan(), None);
    let Some(FromRole::Failed(reason)) = rig.receive() else { panic!("it went on") };
    assert!(reason.as_str().contains("cannot create out/report.xml"), "{reason}");
    assert_eq!(std::fs::read(victim.path()).unwrap(), b"precious");
    rig.kill();
}

#[test]
fn a_directory_that_the_user_cannot_write_is_refused_at_once() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: becoming another user takes root");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let mut nobody = plan();
    nobody.confinement.identity = Some(proto::plan::Identity { uid: 65534, gid: 65534 });
    let mut rig = Rig::spawn(place.path(), None, nobody, None);
    let Some(FromRole::Failed(reason)) = rig.receive() else { panic!("it went on") };
    assert_eq!(reason.as_str(), "cannot write into out: Permission denied");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    rig.kill();
}
