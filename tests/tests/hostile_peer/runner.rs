//! A hostile runner answers the writer.

use proto::limits::{MAX_DATAGRAM, MAX_RESULT};
use proto::runner::{Answer, Outcome};
use tcpflow_tests::puppet::{Script, claiming, coded, datagram};
use tcpflow_tests::suite::Case;

use super::stage::{self, Act, act};

const ROLE: &str = "tcpflow-runner";

const PLUGIN: [&str; 8] = ["-e", "python", "-S", "py_path=.", "-S", "py_module=m", "-S", "py_function=f"];

pub fn cases() -> Vec<Case> {
    let case = |act: Act| {
        Case::new(format!("writer_refuses_from_the_runner_{}", act.name), &[], move || perform(&act))
    };
    let mut cases: Vec<Case> = acts().into_iter().map(case).collect();
    cases.extend(tcpflow_tests::cases![
        a_runner_that_ends_ends_the_run_in_order,
        writer_escapes_what_a_runner_answers,
        writer_takes_no_answer_that_was_not_asked_for,
    ]);
    cases
}

/// After one right answer; two are due.
fn perform(act: &Act) {
    let first = answer(0, Outcome::Text { cut: false }, b"first");
    let bench = stage::bench(ROLE, &(act.says)(Script::default().say(&[(first, &b"first"[..])])));
    let report = stage::refused(&bench, stage::run(&bench, &PLUGIN), act.reason);
    assert_eq!(report.all("tcpflow:result")[0].text, "first", "what came before is kept");
    assert_eq!(report.all("fileobject").len(), 2, "flows are told of all the same");
    assert_eq!(bench.flows("out").len(), 2);
}

fn answer(number: u64, outcome: Outcome, text: &[u8]) -> Answer {
    Answer { number, outcome, given: None, length: u32::try_from(text.len()).unwrap() }
}

fn text(number: u64, text: &[u8]) -> Answer {
    answer(number, Outcome::Text { cut: false }, text)
}

fn acts() -> Vec<Act> {
    vec![
        act("an_answer_twice", "answer out of order", |s| s.say(&[(text(0, b"x"), b"x")])),
        act("an_answer_too_soon", "answer out of order", |s| s.say(&[(text(2, b"x"), b"x")])),
        act("the_last_answer_there_is", "answer out of order", |s| s.say(&[(text(u64::MAX, b"x"), b"x")])),
        act("an_answer_that_is_no_text", "answer that is not text", |s| {
            s.say(&[(text(1, b"\xff"), b"\xff")])
        }),
        act("an_answer_longer_than_any", "result of 65537 bytes", |s| {
            let long = vec![b'x'; MAX_RESULT + 1];
            s.say(&[(text(1, &long), &long[..])])
        }),
        act("an_answer_of_the_greatest_length", "result of 4294967295 bytes", |s| {
            let long = Answer { length: u32::MAX, ..text(1, b"") };
            s.say(&[(long, b"x")])
        }),
        act("nothing_with_text", "nothing, with text", |s| {
            s.say(&[(answer(1, Outcome::Nothing, b"x"), b"x")])
        }),
        act("an_answer_that_did_not_come", "claims 4 bytes of payload, 3 are left", |s| {
            s.say(&[(text(1, b"four"), b"fou")])
        }),
        act("a_datagram_again", "datagram 0 where 1 was due", |s| {
            s.raw(datagram(0, &coded(&text(1, b"x")), b"x"))
        }),
        act("a_message_of_no_kind", "undecodable", |s| s.headers(&[1, 0x63], b"")),
        act("payload_beside", "payload in memory that is not shared", |s| {
            s.raw(claiming(1, 1, &coded(&text(1, b"x")), b""))
        }),
        act("a_datagram_longer_than_any", "datagram longer than any", |s| s.raw(vec![0; MAX_DATAGRAM + 1])),
        act("five_descriptors", "a descriptor came where none is due", |s| {
            s.with_descriptors(datagram(1, &coded(&text(1, b"x")), b"x"), 5)
        }),
    ]
}

/// The run ends, for programs that were to see every flow would not.
fn a_runner_that_ends_ends_the_run_in_order() {
    let bench = stage::bench(ROLE, &Script { done: false, ..Script::default() });
    let outcome = stage::run(&bench, &PLUGIN).expect(1).says("tcpflow-runner ended without saying why");
    stage::untouched(&bench);
    let report = bench.report("out/report.xml");
    assert_eq!(report.all("fileobject").len(), bench.flows("out").len(), "{}", outcome.stderr);
}

/// Any text at all: the report stays well-formed.
fn writer_escapes_what_a_runner_answers() {
    let any: String =
        (0..0x300_u32).chain([0x2028, 0xfffe, 0xffff, 0x1_ffff]).filter_map(char::from_u32).collect();
    let any = format!("]]>{any}</fileobject></dfxml>");
    let script = Script::default().say(&[(text(0, any.as_bytes()), any.as_bytes())]);
    let script = script.say(&[(answer(1, Outcome::Failed, any.as_bytes()), any.as_bytes())]);
    let bench = stage::bench(ROLE, &script);
    let outcome = stage::run(&bench, &PLUGIN).expect(0);
    let report = bench.report("out/report.xml");
    let results = report.all("tcpflow:result");
    assert_eq!(results.len(), 2, "{}", outcome.stderr);
    assert!(results[0].text.starts_with("]]>"), "{:?}", results[0]);
    assert!(results[0].text.ends_with("</fileobject></dfxml>"), "{:?}", results[0]);
    assert!(results[1].get("failed").unwrap().contains("</dfxml>"), "{:?}", results[1]);
}

/// More answers than calls: no flow gets what belongs to another, and nothing is kept of the rest.
fn writer_takes_no_answer_that_was_not_asked_for() {
    let mut script = Script::default();
    for number in 0..2000 {
        script = script.say(&[(text(number, b"x"), b"x")]);
    }
    let bench = stage::bench(ROLE, &script);
    let outcome = stage::run(&bench, &PLUGIN);
    stage::untouched(&bench);
    assert_eq!(bench.report("out/report.xml").all("tcpflow:result").len(), 2, "{}", outcome.stderr);
}
