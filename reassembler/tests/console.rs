//! What is printed: each flow in order and once, or as segments arrive.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test that fails loudly is a test that works"
)]

mod support;

use proptest::prelude::*;
use proto::flow::FromReassembler;
use proto::plan::{Order, ReassemblerPlan, Wanted};
use support::{Capture, ETHERNET, HTTP, Tcp, client, plan, server};

fn printing(order: Order) -> ReassemblerPlan {
    let plan = plan();
    ReassemblerPlan { wanted: Wanted { data: false, console: Some(order), ..plan.wanted }, ..plan }
}

/// What is printed of all flows; a gap as its length in brackets.
fn shown(messages: &[(FromReassembler, Vec<u8>)]) -> String {
    let mut shown = String::new();
    for (message, payload) in messages {
        match message {
            FromReassembler::Print(_) => shown.push_str(std::str::from_utf8(payload).unwrap()),
            FromReassembler::Gap { length, .. } => shown.push_str(&format!("[{length}]")),
            FromReassembler::Open(_) | FromReassembler::Close(_) | FromReassembler::Empty(_) => {}
            FromReassembler::End(totals) => assert_eq!(totals.stored, 0),
            other => panic!("not asked for: {other:?}"),
        }
    }
    shown
}

fn run(plan: &ReassemblerPlan, segments: &[Tcp]) -> String {
    let mut capture = Capture::new(plan, ETHERNET);
    for segment in segments {
        capture.tcp(segment);
    }
    shown(&capture.finish())
}

#[test]
fn a_stream_is_printed_in_order_and_once() {
    let segments = [
        client(100, "S", b""),
        client(104, "P", b"def"),
        client(101, "P", b"abc"),
        client(101, "P", b"abc"),
        client(102, "P", b"bcdefgh"),
    ];
    assert_eq!(run(&printing(Order::Stream), &segments), "abcdefgh");
    assert_eq!(run(&printing(Order::Arrival), &segments), "defabcabcbcdefgh");
}

#[test]
fn with_http_bodies_are_printed_instead_of_what_was_sent() {
    let plan = printing(Order::Stream);
    let plan = ReassemblerPlan { wanted: Wanted { http: Some(HTTP), ..plan.wanted }, ..plan };
    let head =
        "HTTP/1.1 200 OK\r\nServer: one with a name that makes it long\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    let sent = [head.as_bytes(), body.as_bytes()].concat();
    let segments = [
        client(100, "S", b""),
        client(101, "P", b"GET / HTTP/1.1\r\n\r\n"),
        server(500, "S", b""),
        server(501 + 110, "P", &sent[110..]),
        server(501, "P", &sent[..110]),
    ];
    assert_eq!(run(&plan, &segments), format!("GET / HTTP/1.1\r\n\r\n{head}hello world"));
}

#[test]
fn a_hole_that_the_receiver_does_not_have_is_none() {
    let mut capture = Capture::new(&printing(Order::Stream), ETHERNET);
    capture.tcp(&client(100, "S", b"")).tcp(&server(500, "S", b"").ack(101));
    capture.tcp(&client(104, "P", b"def"));
    capture.tcp(&server(501, "", b"").ack(101));
    assert_eq!(shown(capture.said()), "", "the receiver waits for it, too");
    capture.tcp(&server(501, "R", b"").ack(107).port(40_001));
    assert_eq!(shown(capture.said()), "", "another connection");
    capture.tcp(&server(501, "", b"").ack(107));
    assert_eq!(shown(capture.said()), "[3]def");
    capture.tcp(&client(101, "P", b"abc"));
    assert_eq!(shown(&capture.finish()), "[3]def", "what comes after its gap comes too late");
}

#[test]
fn live_a_hole_holds_up_nothing_for_longer_than_a_second() {
    let plan = ReassemblerPlan { patience: Some(1), ..printing(Order::Stream) };
    let mut capture = Capture::new(&plan, ETHERNET);
    capture.at(1000).tcp(&client(100, "S", b"")).tcp(&client(104, "P", b"def"));
    assert_eq!(shown(capture.said()), "");
    capture.tick(1002);
    assert_eq!(shown(capture.said()), "[3]def");
    capture.at(1003).tcp(&client(110, "P", b"jkl"));
    // Any frame is a clock.
    capture.at(1005).tcp(&client(1, "P", b"other").port(40_001));
    assert_eq!(shown(&capture.finish()), "[3]def[3]jklother");
}

#[test]
fn what_was_cut_off_or_never_came_is_a_gap() {
    let mut capture = Capture::new(&printing(Order::Stream), ETHERNET);
    let cut = client(101, "P", b"abcdefgh").frame();
    capture.tcp(&client(100, "S", b"")).raw(&cut, cut.len() - 5);
    assert_eq!(shown(capture.said()), "abc[5]");
    capture.tcp(&client(109, "P", b"i")).tcp(&client(113, "P", b"m"));
    let last = client(114, "P", b"nop").frame();
    capture.raw(&last, last.len() - 2);
    assert_eq!(shown(&capture.finish()), "abc[5]i[3]mn[2]");
}

#[test]
fn a_flow_without_syn_begins_where_it_is_first_seen() {
    let segments = [client(200, "P", b"def"), client(197, "P", b"abc"), client(203, "P", b"ghi")];
    assert_eq!(run(&printing(Order::Stream), &segments), "defghi");
    assert_eq!(run(&printing(Order::Arrival), &segments), "defabcghi");
}

#[test]
fn a_flow_that_is_evicted_is_printed_first() {
    // Of what is held back, and of flows, there is room for a few.
    let plan = ReassemblerPlan { max_memory: 16_384, ..printing(Order::Stream) };
    let mut segments = Vec::new();
    for port in 1..50 {
        segments.push(client(100, "P", b"a").port(port));
        segments.push(client(102, "P", b"c").port(port));
    }
    let shown = run(&plan, &segments);
    assert_eq!((shown.matches('a').count(), shown.matches("[1]c").count()), (49, 49), "{shown}");
}

proptest! {
    /// Files and console have the same bytes, and the console's gaps are the files' holes.
    #[test]
    fn the_console_shows_what_files_hold(
        pieces in prop::collection::vec((0..2000_u32, 0..300_usize), 1..40),
        isn: u32,
    ) {
        let mut plan = printing(Order::Stream);
        plan.wanted.data = true;
        let mut capture = Capture::new(&plan, ETHERNET);
        capture.tcp(&client(isn, "S", b""));
        for (offset, length) in pieces {
            let bytes: Vec<u8> = (offset..).take(length).map(|at| (at % 251) as u8).collect();
            capture.tcp(&client(isn.wrapping_add(1 + offset), "P", &bytes));
        }
        let (mut file, mut console): (Vec<Option<u8>>, Vec<Option<u8>>) = (Vec::new(), Vec::new());
        for (message, payload) in capture.finish() {
            match message {
                FromReassembler::Data(span) => {
                    let (start, end) = (span.offset as usize, span.end().unwrap() as usize);
                    file.resize(file.len().max(end), None);
                    for (place, byte) in file[start..end].iter_mut().zip(payload) {
                        *place = Some(byte);
                    }
                }
                FromReassembler::Print(span) => {
                    prop_assert_eq!(span.offset as usize, console.len());
                    console.extend(payload.into_iter().map(Some));
                }
                FromReassembler::Gap { offset, length, .. } => {
                    prop_assert_eq!(offset as usize, console.len());
                    console.resize(console.len() + length as usize, None);
                }
                _ => {}
            }
        }
        prop_assert_eq!(file, console);
    }
}
