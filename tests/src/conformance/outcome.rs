//! What runs leave behind, as lines of text: what each said and how it ended, and every file with its mode,
//! time, size and content.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use md5::{Digest, Md5};

use super::case::Case;
use super::report::Mask;
use super::{inputs, pcap, report};
use crate::report::Element;
use crate::run::{Bench, Outcome};
use crate::subject::Subject;
use crate::tree::File;

/// Longer content is told by its digest.
const LONGEST_SHOWN: usize = 400;
/// A file that was changed so lately has its time of the run, not of a packet.
const LATELY: Duration = Duration::from_secs(86_400);

/// Runs a case and tells what came of it.
#[must_use]
pub fn of(subject: Subject, case: &Case) -> String {
    let mut bench = Bench::of(subject);
    let mut given: Vec<String> = Vec::new();
    for (name, bytes) in inputs::named_in(case) {
        bench = bench.file(&name, &bytes);
        given.push(name);
    }
    for name in &case.folders {
        bench = bench.folder(name, 0o755);
    }
    for (name, text) in &case.files {
        bench = bench.file(name, text.as_bytes());
    }
    let mut text = String::new();
    for line in &case.runs {
        let words = shlex::split(line).unwrap_or_else(|| panic!("{line}: a quote is left open"));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let input = case.stdin.as_deref().map(|name| inputs::get(name).unwrap()).unwrap_or_default();
        let outcome = bench.run(&words).stdin(input).finish();
        text.push_str(&format!("$ tcpflow {line}\n"));
        run(&outcome, case, &mut text);
    }
    directories(&bench.path(), "", &mut text);
    for (name, file) in bench.tree(".") {
        if !given.contains(&name) && case.files.get(&name).is_none_or(|text| text.as_bytes() != file.bytes) {
            self::file(&name, &file, case, &mut text);
        }
    }
    text
}

fn run(outcome: &Outcome, case: &Case, text: &mut String) {
    text.push_str(&format!("{}\n", outcome.ending()));
    if !case.masks(Mask::Help) {
        said("stdout", &outcome.output, text);
    }
    if !case.masks(Mask::Chatter) {
        said("stderr", &strip(&outcome.stderr, case), text);
    }
}

/// Line by line, where it is short.
fn said(stream: &str, bytes: &[u8], text: &mut String) {
    if bytes.len() > 4 * LONGEST_SHOWN {
        text.push_str(&format!("{stream} {}\n", digest(bytes)));
        return;
    }
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        text.push_str(&format!("{stream} \"{}\"\n", line.escape_ascii()));
    }
}

/// Without what belongs to one process or machine: where the program lies, its number, addresses of memory,
/// and the limit on descriptors.
fn strip(stderr: &str, case: &Case) -> Vec<u8> {
    let mut text = String::new();
    for line in stderr.split_inclusive('\n') {
        if line.starts_with("reportfilename: ") && case.masks(Mask::Report) {
            continue;
        }
        let mut line = line.to_owned();
        for (before, digits) in [("tcpflow[", 10), ("tcp=0x", 16), ("changing max_fds from ", 10)] {
            if let Some((head, rest)) = line.split_once(before) {
                let rest = rest.trim_start_matches(|c: char| c.is_digit(digits));
                line = format!("{head}{before}*{rest}");
            }
        }
        text.push_str(without_directory(&line));
    }
    text.into_bytes()
}

/// The original names itself as it was started.
fn without_directory(line: &str) -> &str {
    let Some(rest) = line.strip_prefix('/') else { return line };
    let name = rest.split([':', '[']).next().unwrap_or_default();
    match name.strip_suffix("/tcpflow") {
        Some(directory) => &rest[directory.len() + 1..],
        None => line,
    }
}

fn directories(directory: &Path, prefix: &str, text: &mut String) {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let sorted: BTreeMap<String, _> =
        entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path())).collect();
    for (name, path) in sorted {
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            let name = format!("{prefix}{name}/");
            text.push_str(&format!("folder {name} {:03o}\n", metadata.mode() & 0o7777));
            directories(&path, &name, text);
        }
    }
}

fn file(name: &str, file: &File, case: &Case, text: &mut String) {
    let head = format!("{name} {:03o} {}", file.mode, time(file.mtime));
    if file.bytes.starts_with(b"<?xml") {
        if case.masks(Mask::Report) {
            return;
        }
        match Element::parse(&file.bytes) {
            Ok(document) => {
                text.push_str(&format!("report {head}\n{}", report::lines(&document, case)));
            }
            Err(_) => text.push_str(&format!("report {head} is not well-formed\n")),
        }
    } else if let Some(lines) = pcap::lines(&file.bytes) {
        text.push_str(&format!("capture {head}\n{lines}"));
    } else if file.bytes.starts_with(b"%PDF") {
        text.push_str(&format!("file {head} is a PDF\n"));
    } else if file.bytes.len() <= LONGEST_SHOWN {
        text.push_str(&format!("file {head} \"{}\"\n", file.bytes.escape_ascii()));
    } else {
        text.push_str(&format!("file {head} {}\n", digest(&file.bytes)));
    }
}

fn time(nanoseconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let then = u64::try_from(nanoseconds).map(Duration::from_nanos).unwrap_or_default();
    if now.abs_diff(then) < LATELY {
        return "now".to_owned();
    }
    format!("{}.{:09}", nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000))
}

pub(super) fn digest(bytes: &[u8]) -> String {
    let sum: String = Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} bytes {sum}", bytes.len())
}
