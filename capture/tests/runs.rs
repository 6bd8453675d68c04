//! Runs over several inputs: which are read, what is filtered, how a run ends before its input does.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails, as it should")]

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};

use common::files::Order::Little;
use common::files::*;
use common::{Outcome, Role, begin, plan, run, run_bytes};
use proto::control::{Counts, FromRole, ToRole};
use proto::frame::Ending;
use proto::plan::{CapturePlan, Plan, Source};
use proto::time::Timestamp;

const DONE: FromRole = FromRole::Done { failed: false };
const DONE_IN_PART: FromRole = FromRole::Done { failed: true };

fn classic(link_type: u32, frames: &[&[u8]]) -> Vec<u8> {
    let records: Vec<u8> = frames.iter().flat_map(|frame| record(Little, (1, 0), frame)).collect();
    [Header { link_type, ..HEADER }.bytes(), records].concat()
}

/// Runs over savefiles of these names and bytes; a name without bytes is not made. Gives notices with
/// the directory taken out.
fn run_files(files: &[(&str, Option<&[u8]>)], filter: Option<&str>) -> Outcome {
    let directory = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| directory.path().join(name)).collect();
    for (path, (_, bytes)) in paths.iter().zip(files) {
        if let Some(bytes) = bytes {
            std::fs::write(path, bytes).unwrap();
        }
    }
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let mut outcome = run(&paths, filter);
    let prefix = format!("{}/", directory.path().display());
    for notice in &mut outcome.notices {
        *notice = notice.replace(&prefix, "");
    }
    outcome
}

#[test]
fn inputs_are_read_in_their_order() {
    let (one, two) = (classic(1, &[b"one"]), classic(101, &[b"two"]));
    let outcome = run_files(&[("b", Some(&one)), ("a", Some(&two)), ("b", Some(&one))], None);
    assert_eq!(outcome.last, DONE);
    assert_eq!(outcome.relayed.inputs.len(), 3);
    assert_eq!(outcome.relayed.interfaces.iter().map(|(link, _)| *link).collect::<Vec<_>>(), [1, 101, 1]);
    assert_eq!(outcome.payloads(), [b"one", b"two", b"one"]);
}

#[test]
fn an_input_that_breaks_is_not_the_last() {
    let mut cut = classic(1, &[b"one", b"lost"]);
    cut.pop();
    let outcome = run_files(&[("cut", Some(&cut)), ("good", Some(&classic(1, &[b"two"])))], None);
    let words = "cut: truncated dump file; tried to read 4 captured bytes, only got 3";
    assert_eq!(outcome.notices, [words]);
    assert_eq!(outcome.payloads(), [b"one", b"two"]);
    assert_eq!(outcome.last, DONE_IN_PART);
    assert!(matches!(&outcome.end().ending, Ending::Interrupted(reason) if reason.as_str().ends_with(words)));
}

#[test]
fn an_input_that_cannot_be_opened_is_the_last() {
    let good = classic(1, &[b"one"]);
    let missing = ("missing", None);
    let empty = ("empty", Some(&b""[..]));
    let unknown_bytes = classic(147, &[b"what"]);
    let unknown = ("unknown", Some(unknown_bytes.as_slice()));
    for (input, words) in [
        (missing, "missing: No such file or directory"),
        (empty, "truncated dump file; tried to read 4 file header bytes, only got 0"),
        (unknown, "sorry - unknown datalink type 147 on interface unknown"),
    ] {
        let outcome = run_files(&[("good", Some(&good)), input, ("after", Some(&good))], None);
        assert_eq!(outcome.notices, [words]);
        assert_eq!(outcome.payloads(), [b"one"]);
        assert_eq!(outcome.last, DONE_IN_PART);
    }
}

#[test]
fn how_far_reading_is_is_told_where_that_is_wanted() {
    let frame = vec![0; 1000];
    let file = classic(1, &vec![&frame[..]; 1000]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("input");
    std::fs::write(&path, &file).unwrap();
    let Plan::Capture(capture) = plan(Source::Savefiles, None) else { panic!("of capture") };
    for progress in [true, false] {
        let plan = Plan::Capture(CapturePlan { progress, ..capture.clone() });
        let role = Role::start(plan, &[path.clone(), path.clone()], Stdio::null());
        begin(&role);
        let outcome = role.finish();
        assert_eq!(outcome.last, DONE);
        // And once in the end.
        assert_eq!(outcome.counts.len(), outcome.relayed.asked + 1);
        assert_eq!(outcome.relayed.asked > 0, progress);
        let whole = 2 * u64::try_from(file.len()).unwrap();
        for counts in outcome.counts {
            let Counts::Capture { bytes, of, .. } = counts else { panic!("{counts:?}") };
            assert!(bytes <= whole && of == Some(whole), "{bytes} of {of:?}");
        }
    }
}

#[test]
fn what_was_read_is_counted_when_it_is_asked_for() {
    let mut role = Role::start(plan(Source::Savefiles, None), &["-".into()], Stdio::piped());
    begin(&role);
    let file = classic(1, &[b"one", b"two"]);
    role.child.stdin.as_ref().unwrap().write_all(&file).unwrap();
    while role.frames() < 2 {
        assert!(role.receive());
    }
    role.tell(&ToRole::Count);
    let bytes = u64::try_from(file.len()).unwrap();
    let due = Counts::Capture { bytes, of: None, frames: 2, filtered: 0, dropped: 0 };
    assert_eq!(role.hear(), FromRole::Counts(due));
    drop(role.child.stdin.take());
    assert_eq!(role.finish().last, DONE);
}

#[test]
fn a_rotation_comes_after_what_was_read_before_it() {
    let mut role = Role::start(plan(Source::Savefiles, Some("tcp")), &["-".into()], Stdio::piped());
    begin(&role);
    let (web, other) = (tcp_frame(80, b"GET"), vec![0xff; 60]);
    let file = classic(1, &[&web, &other, &web]);
    let (first, rest) = file.split_at(file.len() - web.len() - 16);
    role.child.stdin.as_ref().unwrap().write_all(first).unwrap();
    while role.frames() < 1 {
        assert!(role.receive());
    }
    role.tell(&ToRole::Rotate);
    while role.rotations() < 1 {
        assert!(role.receive());
    }
    role.child.stdin.as_ref().unwrap().write_all(rest).unwrap();
    drop(role.child.stdin.take());
    let outcome = role.finish();
    assert_eq!((outcome.last, outcome.relayed.frames.len()), (DONE, 2));
    let [(rotate, frames)] = outcome.relayed.rotated[..] else { panic!("{:?}", outcome.relayed.rotated) };
    assert_eq!((frames, rotate.frames_filtered, rotate.kernel), (1, 1, None));
}

#[test]
fn a_directory_is_no_savefile() {
    let outcome = run(&[Path::new("/")], None);
    assert_eq!(outcome.notices, ["error reading dump file: Is a directory"]);
    assert_eq!(outcome.last, DONE_IN_PART);
}

#[test]
fn the_filter_sees_captured_and_original_length() {
    let (web, mail) = (tcp_frame(80, b"GET"), tcp_frame(25, b"HELO"));
    let outcome = run_bytes(&classic(1, &[&web, &mail, &web]), Some("tcp port 80"));
    assert_eq!(outcome.last, DONE);
    assert_eq!(outcome.payloads(), [&web, &web]);
    assert_eq!((outcome.end().frames_read, outcome.end().frames_filtered), (3, 1));

    let cut = [record_header(Little, (1, 0), 40, 1000), web[..40].to_vec()].concat();
    let file = [HEADER.bytes(), cut, record(Little, (1, 0), &web)].concat();
    let outcome = run_bytes(&file, Some("greater 1000"));
    assert_eq!(outcome.payloads(), [&web[..40]], "by the length that it had, not by what is left of it");
    let outcome = run_bytes(&file, Some("tcp[100] = 0 or tcp port 80"));
    assert_eq!(outcome.payloads().len(), 0, "no byte past the captured ones is looked at");
}

#[test]
fn the_filter_fits_the_link_type_of_each_input() {
    let web = tcp_frame(80, b"GET");
    let ethernet = classic(1, &[&web]);
    let raw = classic(101, &[&web[14..]]);
    let files = [("ethernet", Some(ethernet.as_slice())), ("raw", Some(raw.as_slice()))];
    assert_eq!(run_files(&files, Some("tcp port 80")).payloads(), [&web[..], &web[14..]]);
    let outcome = run_files(&files, Some("ether host 02:02:02:02:02:02"));
    assert_eq!(outcome.payloads(), [&web]);
    assert!(outcome.notices[0].starts_with("ethernet addresses supported only on"), "{:?}", outcome.notices);
    assert_eq!(outcome.last, DONE_IN_PART);
}

#[test]
fn an_expression_without_meaning_ends_the_run_before_anything_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("input");
    std::fs::write(&path, classic(1, &[b"one"])).unwrap();
    let role = Role::start(plan(Source::Savefiles, Some("tcp prot 80")), &[path], Stdio::null());
    let outcome = role.finish();
    let FromRole::Failed(words) = &outcome.last else { panic!("{:?}", outcome.last) };
    assert_eq!(words.as_str(), "can't parse filter expression: syntax error");
    assert!(outcome.relayed.inputs.is_empty());
}

fn reading_stdin(filter: Option<&str>) -> (Role, ChildStdin) {
    let mut role = Role::start(plan(Source::Savefiles, filter), &["-".into()], Stdio::piped());
    let stdin = role.child.stdin.take().unwrap();
    begin(&role);
    (role, stdin)
}

#[test]
fn standard_input_is_relayed_as_it_comes() {
    let (mut role, mut stdin) = reading_stdin(None);
    let file = classic(1, &[b"one", b"two"]);
    for (bytes, frames) in [(&file[..30], 0), (&file[30..43], 1), (&file[43..], 2)] {
        stdin.write_all(bytes).unwrap();
        while role.frames() < frames {
            assert!(role.receive(), "a frame waits for more input to come");
        }
    }
    drop(stdin);
    let outcome = role.finish();
    assert_eq!(outcome.last, DONE);
    assert_eq!(outcome.payloads(), [b"one", b"two"]);
    assert_eq!(outcome.relayed.inputs, ["-"]);
}

#[test]
fn a_stop_ends_a_wait_for_standard_input() {
    let (mut role, mut stdin) = reading_stdin(None);
    stdin.write_all(&classic(1, &[b"one"])).unwrap();
    while role.frames() < 1 {
        assert!(role.receive());
    }
    role.tell(&ToRole::Stop(Timestamp::default()));
    let outcome = role.finish();
    drop(stdin);
    assert_eq!(outcome.last, DONE);
    assert_eq!(outcome.end().ending, Ending::Stopped);
    assert_eq!(outcome.end().frames_read, 1);
}

#[test]
fn the_end_of_tcpflow_ends_the_role() {
    let (role, stdin) = reading_stdin(None);
    let mut child = role.abandon();
    assert!(!child.wait().unwrap().success());
    drop(stdin);
}

#[test]
fn more_inputs_than_descriptors_were_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("input");
    std::fs::write(&path, classic(1, &[b"one"])).unwrap();
    let inputs = vec![path.as_path(); 1500];
    let outcome = run(&inputs, None);
    assert_eq!(outcome.last, DONE);
    assert_eq!(outcome.relayed.frames.len(), 1500);
}
