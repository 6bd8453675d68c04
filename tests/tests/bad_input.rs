//! Input and command lines that cannot be right: tcpflow's words, its exit status, and what was read
//! before is kept.
//!
//! The words are the original's: `TCPFLOW_UNDER_TEST=theirs` holds it to the same table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tcpflow_tests::capture::{ETHERNET, PCAP_HEADER, PCAP_RECORD, pcap};
use tcpflow_tests::cases;
use tcpflow_tests::conversation::{Conversation, START};
use tcpflow_tests::report::Element;
use tcpflow_tests::run::Bench;
use tcpflow_tests::suite::{self, Case, Need};

/// A link type that stands for nothing (`LINKTYPE_USER0`).
const UNKNOWN_LINK_TYPE: u16 = 147;

/// The octets of Ethernet, IPv4 and TCP headers without options.
const HEADERS: usize = 54;

fn main() -> ExitCode {
    let rows = savefiles().into_iter().chain(captures()).chain(command_lines()).chain(output());
    let mut all: Vec<Case> = rows.map(Row::case).collect();
    all.extend(cases![&[Need::Ours("it leaves its report open")]; a_run_that_cannot_begin_closes_its_report]);
    suite::main(all)
}

/// One thing that cannot be right.
struct Row {
    name: &'static str,
    line: &'static [&'static str],
    /// What stderr says.
    words: &'static [&'static str],
    code: i32,
    /// How many flow files are in `out` afterwards.
    flows: usize,
    /// Whether nothing at all may have been made or changed.
    untouched: bool,
    user: Option<&'static str>,
    needs: Vec<Need>,
}

impl Row {
    fn new(name: &'static str, line: &'static [&'static str], words: &'static [&'static str]) -> Self {
        Self { name, line, words, code: 1, flows: 0, untouched: false, user: None, needs: Vec::new() }
    }

    fn keeps(self, flows: usize) -> Self {
        Self { flows, ..self }
    }

    /// Refused before anything is made: no directory, no file, and none is emptied.
    fn before_all(self) -> Self {
        Self { untouched: true, ..self }
    }

    fn exits(self, code: i32) -> Self {
        Self { code, ..self }
    }

    fn by_nobody(mut self) -> Self {
        self.needs.push(Need::Root);
        Self { user: Some("nobody"), ..self }
    }

    fn needs(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    fn case(self) -> Case {
        let needs = self.needs.clone();
        Case::new(self.name, &needs, move || self.check())
    }

    fn check(&self) {
        let bench = bench();
        let before = everything(&bench.path());
        let mut run = bench.run(self.line);
        if let Some(user) = self.user {
            run = run.user(user);
        }
        let outcome = run.finish();
        assert_eq!(outcome.code(), self.code, "exit status; stderr: {}", outcome.stderr);
        for words in self.words {
            assert!(outcome.stderr.contains(words), "{words:?} is not in stderr: {}", outcome.stderr);
        }
        if self.untouched && Need::Ours("it makes its report first").unmet().is_none() {
            assert!(everything(&bench.path()) == before, "something was made or changed");
        }
        assert_eq!(bench.flows("out").len(), self.flows, "{:?}", bench.flows("out").keys());
        if Need::Ours("it leaves its report open").unmet().is_none() {
            for (name, file) in bench.tree(".").iter().filter(|(name, _)| name.ends_with(".xml")) {
                Element::parse(&file.bytes).unwrap_or_else(|reason| panic!("{name}: {reason}"));
            }
        }
    }
}

/// Files and directories beneath a directory, and what is in the files.
fn everything(directory: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything(&path));
        }
        let content = path.is_file().then(|| std::fs::read(&path).unwrap());
        found.insert(path, content);
    }
    found
}

/// A directory that everyone may write to, with every kind of bad savefile in it, and two good ones.
fn bench() -> Bench {
    let good = pcap(ETHERNET, &Conversation::default().exchange(b"hello world\n", b"reply\n").packets);
    let later = Conversation {
        client: ([192, 0, 2, 1].into(), 1001),
        clock: START + 1_000_000_000_000,
        ..Conversation::default()
    };
    let good2 = pcap(ETHERNET, &later.exchange(b"hello again\n", b"reply\n").packets);
    let unknown = pcap(UNKNOWN_LINK_TYPE, &Conversation::default().exchange(b"x", b"y").packets);
    let mut huge = good.clone();
    huge[PCAP_HEADER + 8..PCAP_HEADER + 12].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    let garbage: Vec<u8> =
        (0..4096_u32).map(|i| i.wrapping_mul(37).wrapping_add(11).to_le_bytes()[0]).collect();
    Bench::new()
        .open_to_all()
        .file("good", &good)
        .file("good2", &good2)
        .file("empty", b"")
        .file("header-cut", &good[..10])
        .file("header-only", &good[..PCAP_HEADER])
        .file("record-cut", &good[..good.len() - 20])
        .file("record-header-cut", &good[..PCAP_HEADER + PCAP_RECORD + HEADERS + 7])
        .file("record-huge", &huge)
        .file("garbage", &garbage)
        .file("unknown-link", &unknown)
        .file("secret", &good)
        .mode("secret", 0o600)
        .folder("closed", 0o755)
        .folder("open", 0o777)
}

/// Whichever process is how far when one of them gives up.
fn a_run_that_cannot_begin_closes_its_report() {
    let bench = bench();
    for round in 0..20 {
        let directory = format!("out{round}");
        let _ = bench.run(&["-r", "good", "-o", &directory, "port", "zzz"]).finish().expect(1);
        let report = bench.report(&format!("{directory}/report.xml"));
        assert_eq!(report.all("interrupted").len(), 1, "round {round}");
    }
    let _ = bench.run(&["-r", "good", "-o", "out", "-X", "x.xml", "port", "zzz"]).finish().expect(1);
    assert_eq!(bench.report("x.xml").all("interrupted").len(), 1);
}

fn savefiles() -> Vec<Row> {
    let missing = &["tcpflow: nosuch: No such file or directory"];
    let denied = &["tcpflow: secret: Permission denied"];
    let empty = &["truncated dump file; tried to read 4 file header bytes, only got 0"];
    let header = &["truncated dump file; tried to read"];
    let cut = &["tcpflow: record-cut: truncated dump file; tried to read 54 captured bytes, only got 34"];
    let cut_header =
        &["tcpflow: record-header-cut: truncated dump file; tried to read 16 header bytes, only got 7"];
    let huge = &["tcpflow: record-huge: invalid packet capture length 2147483647, bigger than"];
    let link = &["unknown datalink type 147 on interface unknown-link"];
    vec![
        Row::new("missing", &["-r", "nosuch", "-o", "out"], missing),
        Row::new("missing_after_good", &["-r", "good", "-r", "nosuch", "-o", "out"], missing).keeps(2),
        Row::new("missing_quietly", &["-qd0", "-r", "nosuch", "-o", "out"], missing),
        Row::new("unreadable", &["-r", "secret", "-o", "out"], denied).by_nobody(),
        Row::new("unreadable_after_good", &["-r", "good", "-r", "secret", "-o", "out"], denied)
            .by_nobody()
            .keeps(2),
        Row::new("a_directory", &["-r", "open", "-o", "out"], &["Is a directory"]),
        Row::new("empty", &["-r", "empty", "-o", "out"], empty),
        Row::new("empty_after_good", &["-r", "good", "-r", "empty", "-o", "out"], empty).keeps(2),
        Row::new("header_cut", &["-r", "header-cut", "-o", "out"], header),
        Row::new("header_only_is_no_error", &["-r", "header-only", "-o", "out"], &[]).exits(0),
        Row::new("record_cut", &["-r", "record-cut", "-o", "out"], cut).keeps(2),
        Row::new("record_cut_then_good", &["-r", "record-cut", "-r", "good2", "-o", "out"], cut).keeps(4),
        Row::new("record_header_cut", &["-r", "record-header-cut", "-o", "out"], cut_header),
        Row::new("record_huge", &["-r", "record-huge", "-o", "out"], huge),
        Row::new("record_huge_then_good", &["-r", "record-huge", "-r", "good2", "-o", "out"], huge).keeps(2),
        Row::new("garbage", &["-r", "garbage", "-o", "out"], &["unknown file format"]),
        Row::new(
            "garbage_after_good",
            &["-r", "good", "-r", "garbage", "-o", "out"],
            &["unknown file format"],
        )
        .keeps(2),
        Row::new("unknown_link_type", &["-r", "unknown-link", "-o", "out"], link),
        Row::new("unknown_link_type_after_good", &["-r", "good", "-r", "unknown-link", "-o", "out"], link)
            .keeps(2),
    ]
}

fn captures() -> Vec<Row> {
    let no_device = &["tcpflow: nosuch0: No such device exists"];
    let not_allowed = &["tcpflow: lo: You don't have permission to perform this capture on that device"];
    let expression = &["can't parse filter expression: syntax error"];
    vec![
        Row::new("no_such_interface", &["-i", "nosuch0", "-o", "out"], no_device).needs(Need::Root),
        Row::new("interface_without_privilege", &["-i", "lo", "-o", "out"], not_allowed).by_nobody(),
        Row::new("bad_filter", &["-r", "good", "-o", "out", "not", "a", "filter"], expression),
        Row::new("bad_name_in_filter", &["-r", "good", "-o", "out", "port", "zzz"], &["unknown port 'zzz'"]),
        Row::new(
            "bad_filter_on_an_interface",
            &["-i", "lo", "-o", "out", "port", "zzz"],
            &["unknown port 'zzz'"],
        )
        .needs(Need::Root),
    ]
}

fn command_lines() -> Vec<Row> {
    let user = &["tcpflow: Couldn't find user 'nosuchuser'"];
    let chroot = &["tcpflow: -z option requires -U option"];
    let scanner = &["Invalid scanner name 'nosuch'"];
    let storing = &["ERROR: post_processing currently requires storing output."];
    let told = vec![
        Row::new("unknown_user", &["-r", "good", "-o", "out", "-U", "nosuchuser"], user),
        Row::new("unknown_user_live", &["-i", "lo", "-o", "out", "--relinquish-privileges=nosuchuser"], user),
        Row::new("empty_user", &["-r", "good", "-o", "out", "-U", ""], &["Couldn't find user ''"]),
        Row::new("chroot_without_user", &["-r", "good", "-o", "out", "-z", "."], chroot),
        Row::new("long_chroot_without_user", &["-r", "good", "-o", "out", "--chroot=."], chroot),
        Row::new("scanner_unknown", &["-r", "good", "-o", "out", "-e", "nosuch"], scanner),
        Row::new("scanner_unknown_only", &["-r", "good", "-o", "out", "-E", "nosuch"], scanner),
        Row::new("scanner_unknown_off", &["-r", "good", "-o", "out", "-x", "nosuch"], scanner),
        Row::new("post_processing_of_nothing", &["-r", "good", "-o", "out", "-FX", "-e", "md5"], storing),
        Row::new("output_empty", &["-r", "good", "-o", ""], &[]),
        Row::new("semaphore_empty", &["-r", "good", "-o", "out", "-c", "-L", ""], &[]),
    ];
    let usage = unreadable_lines().into_iter().chain(numbers());
    let usage = usage.map(|row| row.exits(2).needs(Need::Ours("it goes on, or exits 0")));
    let all = told.into_iter().chain(usage).chain(settings()).chain(names());
    all.map(Row::before_all).collect()
}

/// Lines of which it is not known what they mean.
fn unreadable_lines() -> Vec<Row> {
    vec![
        Row::new("option_unknown", &["-Q", "-r", "good", "-o", "out"], &["invalid option -- 'Q'", "Usage:"]),
        Row::new("option_unknown_in_cluster", &["-qQ", "-r", "good"], &["invalid option -- 'Q'", "Usage:"]),
        Row::new("long_option_unknown", &["--nosuch"], &["unrecognized option '--nosuch'", "Usage:"]),
        Row::new("long_option_ambiguous", &["--ver", "-r", "good"], &["'--verbose' '--version'"]),
        Row::new("long_option_with_too_much", &["--verbose=3", "-r", "good"], &["'--verbose' doesn't allow"]),
        Row::new("option_without_value", &["-o", "out", "-r"], &["requires an argument -- 'r'"]),
        Row::new("long_option_without_value", &["-r", "good", "--set"], &["'--set' requires an argument"]),
        Row::new(
            "naming_letter_unknown",
            &["-r", "good", "-o", "out", "-FkQ"],
            &["-F invalid format", "'Q'"],
        ),
    ]
}

/// Numbers that are none, or too small or too large.
fn numbers() -> Vec<Row> {
    vec![
        Row::new("skip_no_number", &["-r", "good", "-o", "out", "-m", "junk"], &["-m, ", "'junk'"]),
        Row::new("skip_negative", &["-r", "good", "-o", "out", "-m", "-1"], &["-m, ", "'-1'"]),
        Row::new("bytes_with_a_unit", &["-r", "good", "-o", "out", "-b", "5k"], &["-b, ", "'5k'"]),
        Row::new("bytes_empty", &["-r", "good", "-o", "out", "--max-bytes="], &["--max-bytes", "''"]),
        Row::new("bytes_beyond_64_bits", &["-r", "good", "-b18446744073709551616"], &["-b, ", "from 0 to"]),
        Row::new("files_none", &["-r", "good", "-o", "out", "-f", "0"], &["-f, ", "from 1 to 1048576"]),
        Row::new("files_too_many", &["-r", "good", "-f", "4294967296"], &["-f, ", "from 1 to 1048576"]),
        Row::new("debug_no_number", &["-r", "good", "-o", "out", "-d", "much"], &["-d, ", "'much'"]),
        Row::new(
            "sandbox_unknown",
            &["-r", "good", "-o", "out", "--sandbox=x"],
            &["--sandbox", "best-effort"],
        ),
    ]
}

/// `-S` that says nothing, or nothing that can be.
fn settings() -> Vec<Row> {
    let told = |name, line, words| Row::new(name, line, words).needs(Need::Ours("it takes any"));
    vec![
        Row::new(
            "setting_without_value",
            &["-r", "good", "-o", "out", "-S", "foo"],
            &["Invalid paramter: foo"],
        ),
        Row::new("setting_empty", &["-r", "good", "-S", "tdelta="], &["Invalid paramter: tdelta="]),
        Row::new("setting_with_two", &["-r", "good", "-S", "foo=1=2"], &["Invalid paramter: foo=1=2"]),
        told("setting_unknown", &["-r", "good", "-o", "out", "-S", "foo=1"], &["-S foo: unknown name"]),
        told("setting_nameless", &["-r", "good", "-o", "out", "-S", "=1"], &["-S : unknown name"]),
        told("tdelta_no_number", &["-r", "good", "-S", "tdelta=1h"], &["-S tdelta=1h: not a whole number"]),
        told("timeout_negative", &["-r", "good", "-S", "tcp_timeout=-1"], &["-S tcp_timeout=-1: not a"]),
        told("memory_of_none", &["-r", "good", "-S", "max_memory=0"], &["-S max_memory=0: ", "1 to 1048576"]),
        told("overlap_unknown", &["-r", "good", "-S", "overlap=both"], &["-S overlap=both: first or last"]),
        told("digest_unknown", &["-r", "good", "-S", "hash=md5,md6"], &["-S hash=md6: md5, sha1 or sha256"]),
    ]
}

/// More than a template may have.
const LONG: &str = match std::str::from_utf8(&[b'x'; 1025]) {
    Ok(text) => text,
    Err(_) => panic!(),
};

/// Names that no file can have, or may not.
fn names() -> Vec<Row> {
    let template =
        |name, line, words| Row::new(name, line, words).needs(Need::Ours("it finds out at the first flow"));
    let empty = |name, line, words| Row::new(name, line, words).needs(Need::Ours("it goes on without"));
    vec![
        Row::new(
            "template_letter",
            &["-r", "good", "-o", "out", "-T", "%A%Q"],
            &["Invalid filename_template: "],
        ),
        template("template_up", &["-r", "good", "-T", "../%A"], &["-T: ", "leaves the output directory"]),
        template("template_up_within", &["-r", "good", "-T", "a/../%A"], &["-T: ", "leaves the output"]),
        template("template_absolute", &["-r", "good", "-T", "/tmp/%A"], &["-T: ", "leaves the output"]),
        template("template_that_ends", &["-r", "good", "-T", "%c%"], &["-T: ", "unknown character: %"]),
        template("template_empty", &["-r", "good", "-T", ""], &["-T: ", "empty name"]),
        template("template_too_long", &["-r", "good", "-T", LONG], &["-T: ", "no file can have"]),
        empty("input_empty", &["-r", "", "-o", "out"], &["-r: empty name"]),
        empty("completing_input_empty", &["-r", "good", "-R", "", "-o", "out"], &["-R: empty name"]),
        empty("interface_empty", &["-i", "", "-o", "out"], &["-i: empty name"]),
        empty("report_empty", &["-r", "good", "-o", "out", "-X", ""], &["-X: empty name"]),
        empty("unprocessed_empty", &["-r", "good", "-o", "out", "-w", ""], &["-w: empty name"]),
    ]
}

fn output() -> Vec<Row> {
    let taken = Need::Ours("it finds out at the first flow");
    vec![
        Row::new("output_is_a_file", &["-r", "good", "-o", "empty"], &["outdir is not a directory: empty"]),
        Row::new(
            "output_without_parents",
            &["-r", "good", "-o", "a/b/c"],
            &["cannot create a/b/c: No such file or directory"],
        ),
        Row::new(
            "output_not_to_be_made",
            &["-r", "good", "-o", "closed/out"],
            &["cannot create closed/out: Permission denied"],
        )
        .by_nobody(),
        Row::new("output_not_writable", &["-r", "good", "-o", "closed"], &["closed", "ermission denied"])
            .by_nobody(),
        Row::new("output_not_writable_to_user", &["-r", "good", "-o", "closed", "-U", "nobody"], &["closed"])
            .needs(Need::Root)
            .needs(taken),
        Row::new(
            "report_without_directory",
            &["-r", "good", "-o", "out", "-X", "no/x.xml"],
            &["no/x.xml: No such file or directory"],
        ),
    ]
}
