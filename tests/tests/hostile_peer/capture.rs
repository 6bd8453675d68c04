//! A hostile capture process drives the reassembler.

use proto::frame::{CaptureEnd, Dropped, Ending, Frame, FromCapture, Rotate};
use proto::limits::{MAX_DATAGRAM, MAX_INTERFACES};
use proto::text::Text;
use proto::time::Timestamp;
use tcpflow_tests::conversation::Conversation;
use tcpflow_tests::puppet::{Script, claiming, coded, datagram, with_text};
use tcpflow_tests::report::assert_conserved;
use tcpflow_tests::suite::Case;

use super::rings;
use super::stage::{self, Act, act};

const ROLE: &str = "tcpflow-capture";

/// Ethernet.
const LINK: u32 = 1;

pub fn cases() -> Vec<Case> {
    let acts = order().into_iter().chain(values()).chain(framing()).chain(rings::more_than_any_slot());
    let case = |act: Act| Case::new(format!("reassembler_refuses_{}", act.name), &[], move || perform(&act));
    let mut cases: Vec<Case> = acts.map(case).collect();
    cases.extend(tcpflow_tests::cases![
        reassembler_refuses_a_frame_before_any_input,
        reassembler_refuses_an_interface_before_any_input,
        reassembler_lives_with_the_most_extreme_times,
        reassembler_lives_with_every_link_type_and_any_frame,
        reassembler_shows_no_escape_of_an_input_name,
    ]);
    cases
}

/// After one whole connection.
fn perform(act: &Act) {
    let bench = stage::bench(ROLE, &(act.says)(connection(begun(Script::default()))));
    let report = stage::refused(&bench, stage::run(&bench, &[]), act.reason);
    let flows = bench.flows("out");
    let kept: Vec<&[u8]> = flows.values().map(|file| &file.bytes[..]).collect();
    assert_eq!(kept, [b"request", &b"reply"[..]], "what came before is kept");
    let told = &report.one("interrupted").text;
    assert!(told.contains("ended without saying why"), "{told}");
}

fn begun(script: Script) -> Script {
    let input = FromCapture::Input { name: Text::cut("made up"), completing: false };
    let interface = FromCapture::Interface { link_type: LINK, snap_length: 65_535, nanoseconds: false };
    script.say(&[(input, &b""[..]), (interface, b"")])
}

fn connection(mut script: Script) -> Script {
    for packet in Conversation::default().exchange(b"request", b"reply").packets {
        let time = Timestamp::new(1_600_000_000, 0);
        script = script.say(&[(frame(0, time, &packet.bytes), &packet.bytes[..])]);
    }
    script
}

fn frame(interface: u32, time: Timestamp, bytes: &[u8]) -> FromCapture {
    let captured = u32::try_from(bytes.len()).unwrap();
    FromCapture::Frame(Frame { interface, time, captured, original: captured })
}

fn end(frames: u64) -> FromCapture {
    let ending = Ending::Complete;
    FromCapture::End(CaptureEnd {
        ending,
        frames_read: frames,
        frames_filtered: 0,
        kernel: None,
        savefile_drops: None,
    })
}

fn alone(script: Script, message: FromCapture) -> Script {
    script.say(&[(message, b"")])
}

fn order() -> Vec<Act> {
    vec![
        act("the_end_twice", "a message after the end", |s| alone(alone(s, end(6)), end(6))),
        act("a_frame_after_the_end", "a message after the end", |s| {
            alone(alone(s, end(6)), frame(0, Timestamp::default(), b""))
        }),
        act("an_input_after_the_end", "a message after the end", |s| begun(alone(s, end(6)))),
        act("a_count_after_the_end", "a message after the end", |s| {
            alone(alone(s, end(6)), FromCapture::Count)
        }),
        act("a_rotation_nobody_asked_for", "a rotation that the plan does not ask for", |s| {
            let rotate = Rotate { now: Timestamp::default(), frames_filtered: 0, kernel: None };
            alone(s, FromCapture::Rotate(rotate))
        }),
        act("drops_that_it_did_not_ask_for", "drops that the plan does not ask for", |s| {
            alone(s, FromCapture::Dropped(Dropped { time: Timestamp::default(), frames: 1 }))
        }),
        act("a_frame_of_an_interface_not_told_of", "interface that was not told of", |s| {
            alone(s, frame(1, Timestamp::default(), b""))
        }),
        act("a_frame_of_an_interface_of_the_input_before", "interface that was not told of", |s| {
            let input = FromCapture::Input { name: Text::default(), completing: true };
            s.say(&[(input, b""), (frame(0, Timestamp::default(), b""), b"")])
        }),
        act("that_the_end_did_not_come", "tcpflow-capture ended without saying why", |s| s),
    ]
}

fn values() -> Vec<Act> {
    vec![
        act("a_frame_longer_than_any", "frame of 262145 bytes", |s| {
            let time = Timestamp::default();
            let long = Frame { interface: 0, time, captured: 262_145, original: 262_145 };
            alone(s, FromCapture::Frame(long))
        }),
        act("a_frame_of_the_greatest_length", "frame of 4294967295 bytes", |s| {
            let time = Timestamp::default();
            let long = Frame { interface: 0, time, captured: u32::MAX, original: u32::MAX };
            s.say(&[(FromCapture::Frame(long), b"x")])
        }),
        act("the_last_interface_number_there_is", "interface number out of range", |s| {
            alone(s, frame(u32::MAX, Timestamp::default(), b""))
        }),
        act("more_interfaces_than_there_may_be", "interfaces", |mut s| {
            let interface = FromCapture::Interface { link_type: LINK, snap_length: 0, nanoseconds: true };
            for _ in 0..MAX_INTERFACES / 1024 {
                s = s.say(&vec![(interface.clone(), &b""[..]); 1024]);
            }
            s
        }),
        act("a_time_with_more_than_a_second_in_it", "undecodable", |s| {
            let time = Timestamp::new(7, 999_999_999);
            let legal = coded(&FromCapture::Tick(time));
            let old = 999_999_999_u32.to_le_bytes();
            assert!(legal.ends_with(&old));
            let second = 1_000_000_000_u32.to_le_bytes();
            s.headers(&[&legal[..legal.len() - old.len()], &second].concat(), b"")
        }),
        act("a_name_longer_than_any", "undecodable", |s| {
            let legal = coded(&FromCapture::Input { name: Text::cut("name"), completing: false });
            s.headers(&with_text(&legal, "name", &[b'x'; 4097]), b"")
        }),
        act("a_name_that_is_not_utf_8", "undecodable", |s| {
            let legal = coded(&FromCapture::Input { name: Text::cut("name"), completing: false });
            s.headers(&with_text(&legal, "name", b"\xff\xfe\xfd"), b"")
        }),
    ]
}

fn framing() -> Vec<Act> {
    fn empty() -> Vec<u8> {
        coded(&frame(0, Timestamp::default(), b""))
    }
    vec![
        act("a_datagram_again", "datagram 0 where 7 was due", |s| s.raw(datagram(0, &empty(), b""))),
        act("the_last_sequence_number_there_is", "datagram 18446744073709551615 where 7", |s| {
            s.raw(datagram(u64::MAX, &empty(), b""))
        }),
        act("a_datagram_longer_than_any", "datagram longer than any may be", |s| {
            s.raw(vec![0; MAX_DATAGRAM + 1])
        }),
        act("headers_of_the_greatest_length", "headers of 4294967295 bytes", |s| {
            let mut datagram = datagram(7, &empty(), b"");
            datagram[..4].fill(0xff);
            s.raw(datagram)
        }),
        act("padding_with_something_in_it", "padding that is not empty", |s| {
            let mut datagram = datagram(7, &empty(), b"");
            *datagram.last_mut().unwrap() = 1;
            s.raw(datagram)
        }),
        act("payload_that_nothing_speaks_of", "4 trailing bytes", |s| s.headers(&empty(), b"more")),
        act("payload_that_did_not_come", "claims 4 bytes of payload, 3 are left", |s| {
            s.headers(&coded(&frame(0, Timestamp::default(), b"more")), b"mor")
        }),
        act("payload_beside_that_nothing_speaks_of", "5 trailing bytes", |s| {
            s.raw(claiming(5, 7, &empty(), b""))
        }),
        act("less_payload_beside_than_is_spoken_of", "claims 4 bytes of payload, 3 are left", |s| {
            s.raw(claiming(3, 7, &coded(&frame(0, Timestamp::default(), b"more")), b""))
        }),
        act("a_message_cut_short", "undecodable", |s| {
            let whole = empty();
            s.headers(&whole[..whole.len() - 1], b"")
        }),
        act("a_message_of_no_kind", "undecodable", |s| s.headers(&[0x63], b"")),
        act("five_descriptors", "a descriptor came where none is due", |s| {
            s.with_descriptors(datagram(7, &empty(), b""), 5)
        }),
        act("as_many_descriptors_as_there_can_be", "a descriptor came where none is due", |s| {
            s.with_descriptors(datagram(7, &empty(), b""), 253)
        }),
    ]
}

fn reassembler_refuses_a_frame_before_any_input() {
    let script = alone(Script::default(), frame(0, Timestamp::default(), b""));
    let bench = stage::bench(ROLE, &script);
    stage::refused(&bench, stage::run(&bench, &[]), "an input was due");
}

fn reassembler_refuses_an_interface_before_any_input() {
    let interface = FromCapture::Interface { link_type: LINK, snap_length: 1, nanoseconds: false };
    let bench = stage::bench(ROLE, &alone(Script::default(), interface));
    stage::refused(&bench, stage::run(&bench, &[]), "an input was due");
}

/// Times from one end to the other and back: nothing is lost, nothing is endless.
fn reassembler_lives_with_the_most_extreme_times() {
    let times = [0, i64::MAX, i64::MIN, i64::MAX, -1, i64::MIN, 0];
    let mut script = begun(Script::default());
    let mut frames = 0;
    for packet in Conversation::default().exchange(b"request", b"reply").packets {
        for seconds in times {
            let time = Timestamp::new(seconds, 999_999_999);
            let tick = FromCapture::Tick(Timestamp::new(seconds, 0));
            script = script.say(&[(frame(0, time, &packet.bytes), &packet.bytes[..]), (tick, b"")]);
            frames += 1;
        }
    }
    let bench = stage::bench(ROLE, &alone(script, end(frames)));
    let outcome = stage::run(&bench, &["-e", "netviz"]);
    stage::untouched(&bench);
    let report = bench.report("out/report.xml");
    assert_conserved(&report);
    let flows = bench.flows("out");
    assert!(flows.values().any(|file| file.bytes == b"request"), "{flows:?}: {}", outcome.stderr);
}

/// Frames of nothing, of zeros and of ones, of every link type up to 300 and at the far end.
fn reassembler_lives_with_every_link_type_and_any_frame() {
    let mut script = Script::default();
    let mut frames = 0;
    for link_type in (0..300).chain([u32::MAX]) {
        let input = FromCapture::Input { name: Text::cut("made up"), completing: false };
        let interface = FromCapture::Interface { link_type, snap_length: 0, nanoseconds: true };
        script = script.say(&[(input, &b""[..]), (interface, b"")]);
        for bytes in [&b""[..], &[0; 100], &[0xff; 100], &[0x45; 2000]] {
            script = script.say(&[(frame(0, Timestamp::default(), bytes), bytes)]);
            frames += 1;
        }
    }
    let bench = stage::bench(ROLE, &alone(script, end(frames)));
    // Of most nothing is understood, which is told.
    let outcome = stage::run(&bench, &[]).expect(1);
    stage::untouched(&bench);
    let report = bench.report("out/report.xml");
    assert_eq!(report.one("frames").number("relayed"), frames, "{}", outcome.stderr);
    assert_conserved(&report);
}

fn reassembler_shows_no_escape_of_an_input_name() {
    let name = Text::cut("\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\0\r\n<&\"'>");
    let input = FromCapture::Input { name, completing: false };
    let interface = FromCapture::Interface { link_type: 299, snap_length: 0, nanoseconds: false };
    let script = Script::default().say(&[
        (input, b""),
        (interface, b""),
        (frame(0, Timestamp::default(), b""), b""),
        (end(1), b""),
    ]);
    let bench = stage::bench(ROLE, &script);
    let outcome = stage::run(&bench, &["-e", "netviz"]).expect(1).says("unknown datalink type 299");
    assert!(!outcome.stderr.chars().any(|c| c.is_control() && c != '\n'), "{:?}", outcome.stderr);
    let _ = bench.report("out/report.xml");
}
