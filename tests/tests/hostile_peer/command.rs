//! A hostile role speaks to `tcpflow`, and so to the user.

use proto::control::{Counts, FromRole, Layer, Level, Notice};
use proto::flow::Count;
use proto::limits::MAX_CONTROL;
use proto::text::Text;
use tcpflow_tests::puppet::{Line, Script, coded, with_text};
use tcpflow_tests::suite::Case;

use super::{reassembler, stage};

/// What no terminal may be sent: C0, DEL, C1, and what turns a line of text round.
const ESCAPES: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\r\u{7f}\0\u{8}";

struct Act {
    name: &'static str,
    reason: &'static str,
    script: fn() -> Script,
}

const fn act(name: &'static str, reason: &'static str, script: fn() -> Script) -> Act {
    Act { name, reason, script }
}

pub fn cases() -> Vec<Case> {
    let case = |act: Act| Case::new(format!("tcpflow_refuses_{}", act.name), &[], move || perform(&act));
    let mut cases: Vec<Case> = acts().into_iter().map(case).collect();
    cases.extend(tcpflow_tests::cases![
        tcpflow_shows_no_escape_that_a_role_says,
        tcpflow_shows_no_escape_of_a_reason,
        tcpflow_takes_counts_that_nobody_asked_for,
        tcpflow_writes_no_escape_of_a_layer_into_its_reports,
    ]);
    cases
}

fn perform(act: &Act) {
    let bench = stage::bench(reassembler::ROLE, &(act.script)());
    let outcome = stage::run(&bench, &[]).expect(1).says("tcpflow-reassembler").says(act.reason);
    stage::untouched(&bench);
    assert!(bench.flows("out").is_empty());
    if bench.path().join("out/report.xml").exists() {
        assert_eq!(bench.report("out/report.xml").all("interrupted").len(), 1, "{}", outcome.stderr);
    }
}

fn early(message: &FromRole) -> Script {
    Script { early: vec![Line::Control(coded(message))], ..Script::default() }
}

fn control(bytes: Vec<u8>) -> Script {
    Script { lines: vec![Line::Control(bytes)], ..Script::default() }
}

fn counts() -> FromRole {
    let many = vec![Count { reason: Text::cut("\u{1b}[2J\"\n"), count: u64::MAX }; 500];
    FromRole::Counts(Counts::Reassembler {
        segments: u64::MAX,
        flows: u64::MAX,
        open: u64::MAX,
        frames_aside: many.clone(),
        payload: u64::MAX,
        payload_aside: many,
    })
}

fn notice(text: &str) -> FromRole {
    FromRole::Notice(Notice { level: Level::Error, text: Text::cut(text) })
}

fn acts() -> Vec<Act> {
    vec![
        act("a_role_that_says_it_is_confined_and_is_not", "is not confined: seccomp filter: 0", || Script {
            confined: false,
            ..Script::default()
        }),
        act("done_before_the_start", "done before the start", || early(&FromRole::Done { failed: false })),
        act("counts_before_the_start", "done before the start", || early(&counts())),
        act("ready_after_the_start", "ready after the start", || {
            Script::default().tell(&FromRole::Ready(Vec::new()))
        }),
        act("a_role_that_ends_without_a_word", "ended without saying why", || Script {
            done: false,
            ..Script::default()
        }),
        act("a_message_of_no_kind", "undecodable", || control(vec![0x63; 3])),
        act("a_message_of_no_kind_before_the_start", "undecodable", || Script {
            early: vec![Line::Control(vec![0x63; 3])],
            ..Script::default()
        }),
        act("a_message_and_more", "1 trailing bytes", || control([coded(&notice("x")), vec![0]].concat())),
        act("a_message_longer_than_any", "longer than any may be", || control(vec![0; MAX_CONTROL + 1])),
        act("a_text_longer_than_any", "undecodable", || {
            control(with_text(&coded(&notice("text")), "text", &[b'x'; 4097]))
        }),
        act("a_text_that_is_not_utf_8", "undecodable", || {
            control(with_text(&coded(&notice("text")), "text", b"\xff\xfe"))
        }),
    ]
}

#[track_caller]
fn assert_harmless(shown: &str) {
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
}

fn tcpflow_shows_no_escape_that_a_role_says() {
    let script = Script { early: early(&notice(ESCAPES)).early, ..Script::default().tell(&notice(ESCAPES)) };
    let bench = stage::bench(reassembler::ROLE, &script);
    let outcome = stage::run(&bench, &[]).expect(1);
    assert_eq!(outcome.stderr.matches("\\u{1b}[2J").count(), 2, "it is shown, escaped: {}", outcome.stderr);
    assert_harmless(&outcome.stderr);
    assert_harmless(&outcome.stdout);
}

fn tcpflow_shows_no_escape_of_a_reason() {
    for script in [
        early(&FromRole::Failed(Text::cut(ESCAPES))),
        Script::default().tell(&FromRole::Failed(Text::cut(ESCAPES))),
    ] {
        let bench = stage::bench(reassembler::ROLE, &script);
        let outcome = stage::run(&bench, &[]).expect(1).says("\\u{1b}[2J");
        assert_harmless(&outcome.stderr);
    }
}

/// They are shown to nobody, and the run goes its way.
fn tcpflow_takes_counts_that_nobody_asked_for() {
    let script = Script::default().tell(&counts()).tell(&counts());
    let end = proto::flow::FromReassembler::End(Box::new(reassembler::totals(0, 0)));
    let bench = stage::bench(reassembler::ROLE, &script.say(&[(end, b"")]));
    let outcome = stage::run(&bench, &[]).expect(0);
    assert!(!outcome.stderr.contains("18446744073709551615"), "{}", outcome.stderr);
}

fn tcpflow_writes_no_escape_of_a_layer_into_its_reports() {
    let text = Text::cut(&format!("{ESCAPES}</sandbox>]]>\u{fffe}"));
    let layer = Layer { name: text.clone(), in_force: true, detail: text };
    let bench = stage::bench(reassembler::ROLE, &early(&FromRole::Ready(vec![layer; 3])));
    let outcome = stage::run(&bench, &["--sandbox-report"]);
    assert_harmless(&outcome.stdout);
    assert_harmless(&outcome.stderr);
    let told: serde_json::Value = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|e| panic!("{e}: {} {}", outcome.stdout, outcome.stderr));
    assert!(told.to_string().contains("owned"), "{told}");
    let report = bench.report("out/report.xml");
    assert!(format!("{report:?}").contains("</sandbox>"), "{report:?}");
}
