//! A hostile reassembler drives the writer.

use proto::body::{BodyOpen, Extension};
use proto::flow::{EmptyFlow, FlowClose, FlowEnding, FlowId, FromReassembler, Missing, MissingRun};
use proto::time::Timestamp;
use tcpflow_tests::puppet::Script;
pub use tcpflow_tests::said::{close, closing, data, end, open, totals};
use tcpflow_tests::suite::{Case, Need};

use super::{acts, stage};

pub const ROLE: &str = "tcpflow-reassembler";

/// What the first flow of each script has, and keeps.
const KEPT: &[u8] = b"kept";

/// What one script is for.
pub struct Act {
    name: &'static str,
    /// What the run is asked for.
    options: &'static [&'static str],
    /// What the reason holds.
    reason: &'static str,
    /// What the puppet says after it has said something legal.
    says: fn(Script) -> Script,
}

impl Act {
    pub const fn new(name: &'static str, reason: &'static str, says: fn(Script) -> Script) -> Self {
        Self { name, options: &[], reason, says }
    }

    pub const fn asked(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }

    fn script(&self) -> Script {
        (self.says)(Script::default().say(&[(open(0), b""), (data(0, 0, KEPT), KEPT)]))
    }

    fn perform(&self) {
        let bench = stage::bench(ROLE, &self.script());
        let report = stage::refused(&bench, stage::run(&bench, self.options), self.reason);
        let told = &report.one("interrupted").text;
        assert!(told.contains(self.reason), "the report: {told}");
        let flows = bench.flows("out");
        assert!(
            flows.values().any(|file| file.bytes.windows(4).any(|bytes| bytes == KEPT)),
            "what came before: {flows:?}"
        );
    }
}

pub fn cases() -> Vec<Case> {
    let case = |act: Act| Case::new(format!("writer_refuses_{}", act.name), &[], move || act.perform());
    let mut cases: Vec<Case> = acts::all().into_iter().map(case).collect();
    cases.extend(tcpflow_tests::cases![
        writer_makes_names_of_the_most_extreme_fields_inside,
        writer_takes_no_more_than_it_may_have_of_legal_messages,
        writer_closes_the_report_when_its_peer_says_nothing,
    ]);
    cases.extend(tcpflow_tests::cases![&[Need::Root, Need::Program("find")];
        writer_puts_nothing_anywhere_else_on_any_file_system,
    ]);
    cases
}

pub fn empty(flow: u64) -> FromReassembler {
    let FromReassembler::Open(open) = open(flow) else { unreachable!("a flow that opens") };
    let (end, ending) = (open.start, FlowEnding::Evicted);
    let flow = EmptyFlow { open, end, packets: 1, length: 1, captured: None, violations: 0, ending };
    FromReassembler::Empty(Box::new(flow))
}

pub fn body(number: u64) -> BodyOpen {
    let extension = Extension::try_from("html").unwrap();
    BodyOpen { flow: FlowId(0), number, offset: 0, extension, request: false }
}

/// A message alone, without payload.
pub fn alone(script: Script, message: FromReassembler) -> Script {
    script.say(&[(message, b"")])
}

/// All that a name can be made of, at its ends: the names stay beneath the output directory and can be told apart.
fn writer_makes_names_of_the_most_extreme_fields_inside() {
    const LETTERS: &str = "%A/%a/%B/%b/%E/%e/%V/x%v/%T/%t/%S/%G/%M/%K/%N/%#/%%/x%C%c";
    let addresses: [std::net::IpAddr; 4] = [
        [0; 4].into(),
        [255; 4].into(),
        std::net::Ipv6Addr::from([0xff; 16]).into(),
        std::net::Ipv4Addr::new(1, 2, 3, 4).to_ipv6_mapped().into(),
    ];
    let times = [i64::MIN, -1, 0, i64::MAX];
    let mut script = Script::default();
    let mut flow = 0;
    for address in addresses {
        for time in times {
            let FromReassembler::Open(mut opened) = open(flow) else { unreachable!("a flow that opens") };
            opened.key.source = address;
            opened.key.source_port = u16::MAX;
            opened.session = u64::MAX;
            opened.vlan = Some(u16::MAX);
            opened.source_mac = Some([0xff; 6]);
            opened.start = Timestamp::new(time, 999_999_999);
            script = script.say(&[
                (FromReassembler::Open(opened), &b""[..]),
                (data(flow, 0, KEPT), KEPT),
                (close(flow, 4), b""),
            ]);
            flow += 1;
        }
    }
    let bench = stage::bench(ROLE, &alone(script, end(flow, flow * 4)));
    let outcome = stage::run(&bench, &["-T", LETTERS]);
    stage::untouched(&bench);
    let _ = bench.report("out/report.xml");
    let flows = bench.flows("out");
    assert_eq!(flows.len(), 16, "{}: {flows:?}", outcome.stderr);
    for (name, file) in flows {
        assert!(name.bytes().all(|c| c.is_ascii_alphanumeric() || b":./-%".contains(&c)), "{name}");
        assert_eq!(file.bytes, KEPT);
    }
}

/// Everything that is legal and makes the writer remember something, many times.
fn writer_takes_no_more_than_it_may_have_of_legal_messages() {
    const FLOWS: u64 = 30_000;
    let run = MissingRun { offset: u64::MAX, length: u64::MAX, cut: u64::MAX };
    let missing_runs = Missing { count: u64::MAX, first: vec![run; 16] };
    let closed = |flow| FlowClose { missing_runs: missing_runs.clone(), ..closing(flow, 0) };
    let mut script = Script::default();
    for first in (0..FLOWS).step_by(100) {
        let opened: Vec<_> = (first..first + 100).map(|flow| (open(flow), &b""[..])).collect();
        script = script.say(&opened);
    }
    for first in (0..FLOWS).step_by(100) {
        let close = |flow| FromReassembler::Close(Box::new(closed(flow)));
        let closes: Vec<_> = (first..first + 100).map(|flow| (close(flow), &b""[..])).collect();
        script = script.say(&closes);
    }
    let bench = stage::bench(ROLE, &alone(script, end(FLOWS, 0)));
    let outcome = stage::run(&bench, &[]).expect(0);
    stage::untouched(&bench);
    let told = bench.report("out/report.xml").all("fileobject").len();
    assert_eq!(told, usize::try_from(FLOWS).unwrap(), "{}", outcome.stderr);
}

fn writer_closes_the_report_when_its_peer_says_nothing() {
    let script = Script { done: false, ..Script::default() };
    let bench = stage::bench(ROLE, &script);
    let outcome = stage::run(&bench, &[]);
    let report = stage::refused(&bench, outcome, "tcpflow-reassembler ended without saying why");
    assert!(report.one("interrupted").text.contains("ended without saying why"));
}

/// All acts again, one after the other, and then a look everywhere.
fn writer_puts_nothing_anywhere_else_on_any_file_system() {
    let mut benches = Vec::new();
    for act in acts::all() {
        let bench = stage::bench(ROLE, &act.script());
        let _ = stage::run(&bench, act.options);
        benches.push(bench);
    }
    let made: usize = benches.iter().map(|bench| bench.flows("out").len()).sum();
    assert!(made >= benches.len(), "the acts made nothing");
    let strays = stage::strays("010.066.066.");
    assert!(strays.is_empty(), "{strays:?}");
}
