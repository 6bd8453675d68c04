//! Hostile load: memory is bounded, every frame and every byte is accounted for, and what is given up is told. That work
//! grows as its input does is counted elsewhere (`tests/bench/instructions`), for no clock tells it of a busy machine.
//!
//! Sizes are for debug builds, and so is the memory that flows get (`-S max_memory`), so that bounds are reached all the
//! same. With `TCPFLOW_FULL_SIZE` set, floods have the size for which they were made, and memory its default.

use std::fs::File;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use policy::SANITIZED;
use tcpflow_tests::cases;
use tcpflow_tests::flood::{self, Flood};
use tcpflow_tests::report::{Outline, assert_conserved, set_aside};
use tcpflow_tests::run::{Bench, Outcome};
use tcpflow_tests::subject::built;
use tcpflow_tests::suite::{self, Case, Need};

/// What all processes of a run have of memory before any flow is there, with room for what a batch takes.
const BASE: u64 = 14 << 10;

/// Memory of flows in KiB for which `-S max_memory` stands here.
const SMALL: u64 = 4 << 10;
const DEFAULT: u64 = 256 << 10;

/// What the sanitizer has beside: of each process 256 MiB that were freed, against their use, and what it notes of all.
const SANITIZERS: u64 = if SANITIZED { 4 * (512 << 10) } else { 0 };

/// The longest that any flood of full size takes.
const LONG: Duration = Duration::from_secs(1800);

fn main() -> ExitCode {
    let ours = [Need::Ours("it takes what memory there is")];
    let mut all: Vec<Case> = rows().into_iter().map(|row| row.case(&ours)).collect();
    all.extend(cases![&ours;
        a_flood_of_syns_spares_flows_of_data,
        a_million_flows_fit_the_default_memory,
        a_savefile_that_is_a_bomb_is_read_to_its_end,
    ]);
    suite::main(all)
}

fn full_size() -> bool {
    std::env::var_os("TCPFLOW_FULL_SIZE").is_some()
}

/// How large a flood is to be.
fn size(flood: &str, small: u64) -> u64 {
    if full_size() { Flood::named(flood).size } else { small }
}

/// A flood, and what is to become of it.
struct Row {
    flood: &'static str,
    /// Its size here.
    size: u64,
    options: &'static [&'static str],
    /// Reasons of what is set aside, of frames and of payload: each must be there, and no other.
    aside: &'static [&'static str],
    /// How flows or bodies end that do not end as they should: each must be there.
    endings: &'static [&'static str],
}

impl Row {
    fn new(flood: &'static str, size: u64) -> Self {
        Self { flood, size, options: &[], aside: &[], endings: &[] }
    }

    fn with(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }

    fn sets_aside(self, aside: &'static [&'static str]) -> Self {
        Self { aside, ..self }
    }

    fn ends(self, endings: &'static [&'static str]) -> Self {
        Self { endings, ..self }
    }

    fn case(self, needs: &[Need]) -> Case {
        let name =
            format!("bounded_{}{}", self.flood.replace('-', "_"), self.options.concat().replace('-', "_"));
        Case::new(name, needs, move || self.check())
    }

    fn check(&self) {
        let bench = Bench::new();
        let measured = Measured::run(&bench, self.flood, size(self.flood, self.size), self.options);
        let outline = measured.outline(&bench);
        assert_conserved(&outline.report);
        assert_eq!(outline.report.one("total_flows").count(), outline.flows, "a flow without its entry");
        let reasons = [set_aside(&outline.report, "frames"), set_aside(&outline.report, "payload")].concat();
        let reasons: Vec<&str> = reasons.iter().map(|(reason, _)| reason.as_str()).collect();
        assert_eq!(reasons, self.aside);
        for ending in self.endings {
            assert!(outline.endings.contains_key(*ending), "no {ending} in {:?}", outline.endings);
        }
        measured.assert_memory();
    }
}

fn rows() -> Vec<Row> {
    let http = &["-e", "http"];
    vec![
        Row::new("syn", 20_000).ends(&["evicted"]),
        // Of a million files or more nothing but their number would be seen.
        Row::new("one-segment", 30_000).with(&["-c"]).sets_aside(&["console"]).ends(&["evicted"]),
        Row::new("one-segment", 8_000).with(&["-S", "max_memory=1"]).ends(&["evicted"]),
        Row::new("comb", 20_000).sets_aside(&["hole_given_up"]),
        Row::new("backwards", 20_000),
        Row::new("backwards-without-syn", 20_000).sets_aside(&["before_start"]),
        Row::new("hoard", 30_000).ends(&["evicted"]),
        Row::new("hoard", 30_000).with(&["-c"]).sets_aside(&["console"]).ends(&["evicted"]),
        Row::new("retransmissions", 20_000).sets_aside(&["retransmission"]),
        Row::new("storm", 10_000).sets_aside(&["reset_payload"]).ends(&["reset", "skipped"]),
        Row::new("reopened", 2_000),
        Row::new("clocks", 20_000),
        Row::new("clocks", 3_000).with(&["-S", "tcp_timeout=60"]).ends(&["idle"]),
        // Hundreds of flows end with one packet, and few of their files may be open.
        Row::new("clocks", 2_500).with(&["-f", "3", "-S", "tcp_timeout=60"]).ends(&["idle"]),
        Row::new("fragments-first", 5_000),
        Row::new("fragments-small", 20_000).sets_aside(&["fragment_evicted", "fragment_incomplete"]),
        Row::new("fragments-over", 20_000).sets_aside(&[
            "fragment_overlap",
            "fragment_evicted",
            "fragment_incomplete",
        ]),
        Row::new("mpls", 500).sets_aside(&["too_many_headers"]),
        Row::new("vlan", 500).sets_aside(&["too_many_headers"]),
        Row::new("ipv6-headers", 200),
        Row::new("ip-in-ip", 500).sets_aside(&["nested_too_deep"]),
        // 10 MiB that stand for 10 GiB, as they are: what is bounded is what is made of them.
        Row::new("gzip", 10_240).with(http).ends(&["capped"]),
        Row::new("gzip-members", 50_000).with(http),
        Row::new("zstd", 81_920).with(http).ends(&["capped"]),
        Row::new("zstd-windows", 4).with(&["-e", "http", "-S", "max_memory=16"]).ends(&["no_memory"]),
        Row::new("nested", 10_240).with(http).ends(&["capped"]),
        Row::new("head-line", 10_000_000).with(http),
        Row::new("head-fields", 10_000_000).with(http),
        Row::new("chunk-extension", 10_000_000).with(http),
        Row::new("trailer", 10_000_000).with(http),
        Row::new("responses", 2_000).with(http),
    ]
}

/// A run, and what it took.
struct Measured {
    outcome: Outcome,
    /// KiB.
    memory: u64,
    /// KiB that flows may have.
    allowed: u64,
}

impl Measured {
    /// With as little memory as the size allows for.
    fn run(bench: &Bench, flood: &str, size: u64, options: &[&str]) -> Self {
        let allowed = if full_size() { DEFAULT } else { SMALL };
        let flood = Flood::named(flood);
        let small = format!("max_memory={}", allowed >> 10);
        let line = [&["-q", "-r", "-", "-o", "out", "-X", "report.xml", "-S", &small], options].concat();
        Self::of(bench, &line, allowed, move |stdin| flood.write(size, stdin))
    }

    fn of(
        bench: &Bench,
        line: &[&str],
        allowed: u64,
        feed: impl FnOnce(&mut dyn Write) -> std::io::Result<()> + Send + 'static,
    ) -> Self {
        let measured = built("measured");
        let run = bench.run(line).after(&[measured.to_str().unwrap(), "taken"]).feed(feed);
        let outcome = run.within(if full_size() { LONG } else { LONG / 10 }).finish().expect(0);
        let taken = std::fs::read_to_string(bench.path().join("taken")).unwrap();
        Self { outcome, memory: taken.trim().parse().unwrap(), allowed }
    }

    fn outline(&self, bench: &Bench) -> Outline {
        assert!(!self.outcome.stderr.contains("interrupted"), "{}", self.outcome.stderr);
        let outline = Outline::read(&bench.path().join("report.xml"));
        assert!(outline.report.all("interrupted").is_empty());
        outline
    }

    /// The writer knows something of each flow too, so that flows take up to twice what they may.
    fn assert_memory(&self) {
        let most = BASE + SANITIZERS + 2 * self.allowed;
        assert!(self.memory <= most, "{} KiB, and {most} KiB are allowed", self.memory);
    }
}

/// However many connections are only begun: one that is in use is not cut into two, and all roles together need less
/// than the flows alone may have.
fn a_flood_of_syns_spares_flows_of_data() {
    let bench = Bench::new();
    let size = size("syn", 30_000);
    let measured = Measured::run(&bench, "syn", size, &[]);
    let outline = measured.outline(&bench);
    assert_conserved(&outline.report);
    assert_eq!(outline.flows, size);
    let flows = bench.flows("out");
    assert_eq!(flows.len(), 1, "{:?}", flows.keys());
    let bytes = &flows.values().next().unwrap().bytes;
    assert_eq!(bytes.len(), usize::try_from((size - 1) / 100).unwrap());
    assert!(measured.memory < BASE + SANITIZERS + measured.allowed, "{} KiB", measured.memory);
}

/// A million in 256 MiB, or as many in proportion.
fn a_million_flows_fit_the_default_memory() {
    let bench = Bench::new();
    let size = if full_size() { 1_000_000 } else { 1_000_000 * SMALL / DEFAULT };
    let outline = Measured::run(&bench, "one-segment", size, &["-FX"]).outline(&bench);
    assert_conserved(&outline.report);
    assert_eq!(outline.flows, size);
    assert!(!outline.endings.contains_key("evicted"), "{:?}", outline.endings);
}

/// What a savefile's compression stands for is read piece by piece.
fn a_savefile_that_is_a_bomb_is_read_to_its_end() {
    let bench = Bench::new();
    let size = if full_size() { 1024 } else { 16 };
    let file = File::create(bench.path().join("bomb.gz")).unwrap();
    flood::compressed_zeros(size, &mut std::io::BufWriter::new(file)).unwrap();
    let line = ["-q", "-r", "bomb.gz", "-o", "out", "-X", "report.xml"];
    let measured = Measured::of(&bench, &line, SMALL, |_| Ok(()));
    let report = measured.outline(&bench).report;
    assert_conserved(&report);
    // A record of no bytes is 16 zeros.
    assert_eq!(report.one("frames").number("captured"), size << 16);
    assert!(measured.memory < BASE + SANITIZERS, "{} KiB", measured.memory);
}
