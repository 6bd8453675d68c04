//! Bodies of HTTP messages beside what else is told of their flows.

mod support;

use proto::flow::FromReassembler;
use proto::plan::{ReassemblerPlan, Wanted};

use crate::support::{Capture, ETHERNET, HTTP, client, plan, server};

const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: one with a name that makes it long\r\nContent-Length: 40\r\n\r\nten bytes.";

/// With bodies stored.
fn storing() -> ReassemblerPlan {
    ReassemblerPlan { wanted: Wanted { http: Some(HTTP), ..plan().wanted }, ..plan() }
}

/// What is told of bodies and of where bytes are, in words.
#[allow(clippy::wildcard_enum_match_arm, reason = "nothing else is looked at")]
fn told(messages: &[(FromReassembler, Vec<u8>)]) -> Vec<String> {
    let told = messages.iter().filter_map(|(message, payload)| match message {
        FromReassembler::Data(span) => Some(format!("data {}+{}", span.offset, span.length)),
        FromReassembler::Shift { by, .. } => Some(format!("shift {by}")),
        FromReassembler::BodyOpen(open) => Some(format!("body at {}", open.offset)),
        FromReassembler::BodyBytes { .. } => Some(format!("bytes {}", payload.len())),
        FromReassembler::BodyClose { .. } => Some("body over".to_owned()),
        FromReassembler::Close(_) => Some("close".to_owned()),
        _ => None,
    });
    told.collect()
}

#[test]
fn segments_that_follow_each_other_are_read_together() {
    let mut capture = Capture::new(&storing(), ETHERNET);
    capture.tcp(&server(500, "S", b"")).tcp(&server(501, "P", RESPONSE));
    for number in 0..3 {
        let seq = 501 + u32::try_from(RESPONSE.len()).unwrap() + number * 10;
        capture.tcp(&server(seq, "P", b"ten bytes."));
    }
    let head = RESPONSE.len() - 10;
    let length = RESPONSE.len();
    let messages = capture.finish();
    assert_eq!(
        told(&messages),
        [
            &[format!("data 0+{length}")][..],
            &[0, 10, 20].map(|more| format!("data {}+10", length + more)),
            &[format!("body at {head}"), "bytes 40".to_owned(), "body over".to_owned(), "close".to_owned()],
        ]
        .concat()
    );
}

#[test]
fn a_body_is_where_it_was_when_the_stream_turns_out_to_begin_earlier() {
    let mut capture = Capture::new(&storing(), ETHERNET);
    capture.tcp(&server(501, "P", RESPONSE)).tcp(&server(497, "P", b"more"));
    let head = RESPONSE.len() - 10;
    let messages = capture.finish();
    let expected = [
        format!("data 0+{}", RESPONSE.len()),
        format!("body at {head}"),
        "bytes 10".to_owned(),
        "shift 4".to_owned(),
        "data 0+4".to_owned(),
        "body over".to_owned(),
        "close".to_owned(),
    ];
    assert_eq!(told(&messages), expected);
}

#[test]
fn requests_are_read_before_what_answers_them() {
    let mut capture = Capture::new(&storing(), ETHERNET);
    capture.tcp(&client(100, "S", b"")).tcp(&server(500, "S", b""));
    capture.tcp(&client(101, "P", b"HEAD / HTTP/1.1\r\n")).tcp(&client(118, "P", b"\r\n"));
    capture.tcp(&server(501, "P", &RESPONSE[..RESPONSE.len() - 10]));
    capture.tcp(&server(501 + u32::try_from(RESPONSE.len()).unwrap() - 10, "P", RESPONSE));
    let bodies = told(&capture.finish()).into_iter().filter(|line| line.starts_with("body at")).count();
    assert_eq!(bodies, 1, "the answer to HEAD has none");
}
