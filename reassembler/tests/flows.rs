//! When flows begin and end, and what happens to segments that are not as they should be.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails loudly is a test that works"
)]

mod support;

use proto::flow::{FlowEnding, FromReassembler};
use proto::plan::{Overlap, ReassemblerPlan, RotationPlan};
use proto::time::Timestamp;
use support::{Capture, ETHERNET, MIB, Tcp, client, plan, run, server};

/// A handshake: the client's stream begins at 101, the server's at 501.
fn handshake() -> Vec<Tcp> {
    vec![client(100, "S", b""), server(500, "S", b"").ack(101), client(101, "", b"").ack(501)]
}

fn after_handshake(segments: &[Tcp]) -> Vec<Tcp> {
    [handshake(), segments.to_vec()].concat()
}

fn endings(output: &support::Output) -> Vec<FlowEnding> {
    output.flows.iter().map(support::Flow::ending).collect()
}

#[test]
fn a_connection_becomes_two_flows_of_one_session() {
    let output = run(
        &plan(),
        &after_handshake(&[
            client(101, "P", b"hello").ack(501),
            server(501, "P", b"worldly").ack(106),
            client(106, "F", b"").ack(508),
            server(508, "F", b"").ack(107),
            client(107, "", b"").ack(509),
        ]),
    );
    assert_eq!(output.files(), [&b"hello"[..], b"worldly"]);
    assert_eq!(endings(&output), [FlowEnding::Fin, FlowEnding::Fin]);
    let [ours, theirs] = &output.flows[..] else { panic!("two flows") };
    assert_eq!(ours.open.session, theirs.open.session);
    assert!(ours.open.client && !theirs.open.client);
    let close = ours.close.as_ref().unwrap();
    // The last acknowledgment comes after the close, and is counted with no flow.
    assert_eq!((close.packets, close.length, close.captured), (4, 4 * 54 + 5, None));
    assert_eq!((close.out_of_order, close.violations, close.missing), (0, 0, 0));
    assert_eq!((output.totals.max_open_flows, output.totals.open_flows_at_end), (2, 0));
}

#[test]
fn only_a_syn_or_payload_opens_a_flow() {
    for flags in ["", "F", "R"] {
        assert!(run(&plan(), &[client(1, flags, b"")]).flows.is_empty(), "{flags}");
    }
    assert_eq!(run(&plan(), &[client(1, "S", b"")]).files(), [b""]);
    assert_eq!(run(&plan(), &[client(1, "", b"x")]).files(), [b"x"]);
}

#[test]
fn data_on_the_syn_is_the_beginning_and_a_violation() {
    let output = run(&plan(), &[client(100, "S", b"abc"), client(104, "", b"def")]);
    assert_eq!(output.files(), [b"abcdef"]);
    assert_eq!(output.flows[0].close.as_ref().unwrap().violations, 1);
}

#[test]
fn a_fin_with_data_ends_a_flow_once_all_is_there() {
    let segments =
        [client(104, "F", b"def"), client(101, "", b"abc"), client(101, "", b"abc"), client(108, "", b"")];
    let output = run(&plan(), &after_handshake(&segments));
    assert_eq!(output.files(), [&b"abcdef"[..], b""]);
    assert_eq!(endings(&output), [FlowEnding::Fin, FlowEnding::Open]);
    assert_eq!(output.payload_aside("after_close"), 3);
    assert_eq!(output.flows[0].close.as_ref().unwrap().packets, 4);
}

#[test]
fn a_fin_beyond_a_hole_waits() {
    let output = run(&plan(), &after_handshake(&[client(101, "", b"abc"), client(110, "F", b"")]));
    assert_eq!(output.flows[0].file(), b"abc");
    assert_eq!(output.flows[0].ending(), FlowEnding::Open);
}

#[test]
fn data_after_the_close_begins_a_flow_of_its_own() {
    let segments = [client(101, "F", b"abc"), client(104, "", b"def")];
    assert_eq!(run(&plan(), &after_handshake(&segments)).files(), [&b"abc"[..], b"", b"def"]);
}

#[test]
fn a_reset_ends_a_flow_only_inside_the_window() {
    let data = |reset: u32| {
        after_handshake(&[
            client(101, "", b"abc"),
            server(501, "", b"").ack(104),
            client(reset, "R", b""),
            client(104, "", b"def"),
        ])
    };
    // At the expected byte, and at the last byte of a window of 1000.
    for reset in [104, 1104] {
        let output = run(&plan(), &data(reset));
        assert_eq!(output.files(), [&b"abc"[..], b"", b"def"], "{reset}");
        assert_eq!(output.flows[0].ending(), FlowEnding::Reset);
    }
    for reset in [103, 1105, 104_000_000, 0] {
        let output = run(&plan(), &data(reset));
        assert_eq!(output.files(), [&b"abcdef"[..], b""], "{reset}");
        assert_eq!(output.flows[0].close.as_ref().unwrap().violations, 1);
    }
}

#[test]
fn text_on_a_reset_is_not_of_the_stream() {
    let segments = [client(101, "", b"abc"), client(104, "R", b"no such user"), client(9, "R", b"what?")];
    let output = run(&plan(), &after_handshake(&segments));
    assert_eq!(output.flows[0].file(), b"abc");
    assert_eq!(output.payload_aside("reset_payload"), 12);
    assert_eq!(output.payload_aside("after_close"), 5);
}

#[test]
fn keep_alives_are_no_data() {
    let segments =
        [client(101, "", b"abc"), client(103, "", b"\0"), client(103, "", b""), client(104, "", b"def")];
    let output = run(&plan(), &after_handshake(&segments));
    assert_eq!(output.flows[0].file(), b"abcdef");
    assert_eq!(output.flows[0].conflicts, 0);
    assert_eq!(output.payload_aside("keep_alive"), 1);
    assert_eq!(output.flows[0].close.as_ref().unwrap().out_of_order, 0);
}

#[test]
fn a_syn_again_is_the_same_connection_and_another_syn_is_another() {
    let again = [client(100, "S", b""), client(100, "S", b""), client(101, "", b"abc")];
    assert_eq!(run(&plan(), &again).files(), [b"abc"]);
    let output = run(
        &plan(),
        &after_handshake(&[
            client(101, "", b"abc"),
            client(9000, "S", b""),
            server(7000, "S", b"").ack(9001),
            client(9001, "", b"def"),
            server(7001, "", b"ghi"),
        ]),
    );
    assert_eq!(output.files(), [&b"abc"[..], b"", b"def", b"ghi"]);
    assert_eq!(
        endings(&output),
        [FlowEnding::Reused, FlowEnding::Reused, FlowEnding::Open, FlowEnding::Open]
    );
    let sessions: Vec<u64> = output.flows.iter().map(|flow| flow.open.session).collect();
    assert_eq!(sessions, [0, 0, 1, 1]);
}

#[test]
fn ports_used_again_after_a_close() {
    let first = [client(101, "F", b"abc"), server(501, "F", b"").ack(105), client(105, "", b"").ack(502)];
    let second = [client(100, "S", b""), client(9000, "S", b""), client(9001, "", b"def")];
    let output = run(&plan(), &[after_handshake(&first), second.to_vec()].concat());
    // The first SYN may be a straggler of the connection before, or the first of a third one without data.
    assert_eq!(output.files(), [&b"abc"[..], b"", b"", b"def"]);
    // Nothing but the end before it tells that this is another connection.
    let same = after_handshake(&[client(101, "F", b"def")]);
    let output = run(&plan(), &[after_handshake(&first), same].concat());
    assert_eq!(output.files(), [&b"abc"[..], b"", b"def", b""]);
}

#[test]
fn a_late_syn_finds_its_data() {
    let late = [client(101, "", b"abc"), client(100, "S", b""), client(104, "", b"def")];
    assert_eq!(run(&plan(), &late).files(), [b"abcdef"]);
    let later = [client(104, "", b"def"), client(100, "S", b""), client(101, "", b"abc")];
    let output = run(&plan(), &later);
    assert_eq!(output.files(), [b"abcdef"]);
    assert_eq!(output.flows[0].shifts, 1);
    let lost = [client(104, "", b"def"), client(100, "S", b"")];
    let output = run(&plan(), &lost);
    assert_eq!(output.files(), [b"\0\0\0def"]);
    assert_eq!(output.flows[0].close.as_ref().unwrap().missing, 3);
}

#[test]
fn what_precedes_the_syn_has_no_place() {
    let output = run(&plan(), &after_handshake(&[client(99, "", b"?!abc")]));
    assert_eq!(output.flows[0].file(), b"abc");
    assert_eq!(output.payload_aside("before_start"), 2);
    assert_eq!(output.flows[0].close.as_ref().unwrap().violations, 1);
}

#[test]
fn a_segment_beyond_max_skip_begins_another_flow() {
    let plan = ReassemblerPlan { max_skip: 50, ..plan() };
    let within = [client(101, "", b"abc"), client(154, "", b"far")];
    assert_eq!(run(&plan, &after_handshake(&within)).flows.len(), 2);
    let beyond = [client(101, "", b"abc"), client(155, "", b"far"), client(104, "", b"back")];
    let output = run(&plan, &after_handshake(&beyond));
    assert_eq!(output.files(), [&b"abc"[..], b"", b"far", b"back"]);
    assert_eq!(output.flows[0].ending(), FlowEnding::Skipped);
    assert_eq!(output.flows[2].ending(), FlowEnding::Skipped);
}

#[test]
fn disorder_is_counted_as_tcpflow_counts_it() {
    let counted = |segments: &[Tcp]| {
        run(&plan(), &after_handshake(segments)).flows[0].close.as_ref().unwrap().out_of_order
    };
    let (abc, def, ghi) = (client(101, "", b"abc"), client(104, "", b"def"), client(107, "", b"ghi"));
    assert_eq!(counted(&[abc.clone(), def.clone(), ghi.clone()]), 0);
    assert_eq!(counted(&[def.clone(), abc.clone(), ghi.clone()]), 1);
    assert_eq!(counted(&[abc.clone(), abc.clone(), def.clone(), def.clone(), ghi]), 2);
}

#[test]
fn a_stream_may_be_longer_than_the_sequence_space() {
    // Segments of one byte, each a little less than max_skip after the one before.
    const STEP: u32 = (16 << 20) - 2;
    let plan = ReassemblerPlan { max_hole: u64::MAX, ..plan() };
    let mut capture = Capture::new(&plan, ETHERNET);
    capture.tcp(&client(u32::MAX, "S", b""));
    let mut seq = 0_u32;
    for _ in 0..600 {
        capture.tcp(&client(seq, "", b"x"));
        seq = seq.wrapping_add(STEP);
    }
    let messages = capture.end_without_file();
    assert_eq!(messages, 599 * u64::from(STEP) + 1);
    assert!(messages > 2 << 32);
}

#[test]
fn idle_flows_are_closed() {
    let plan = ReassemblerPlan { tcp_timeout: 10, ..plan() };
    let mut capture = Capture::new(&plan, ETHERNET);
    capture.at(1000).tcp(&client(100, "S", b"")).tcp(&client(101, "", b"abc"));
    capture.at(1011).tcp(&client(5, "", b"x").port(2)).at(1012).tcp(&client(104, "", b"def"));
    let output = capture.end();
    assert_eq!(output.files(), [&b"abc"[..], b"x", b"def"]);
    assert_eq!(output.flows[0].ending(), FlowEnding::Idle);
}

#[test]
fn a_flood_of_syns_drives_out_no_flow_with_data() {
    let plan = ReassemblerPlan { max_memory: MIB, ..plan() };
    let mut capture = Capture::new(&plan, ETHERNET);
    capture.tcp(&client(100, "S", b"").port(1)).tcp(&client(101, "", b"abc").port(1));
    for port in 2..20_000 {
        capture.tcp(&client(u32::from(port), "S", b"").port(port));
    }
    capture.tcp(&client(104, "", b"def").port(1));
    let output = capture.end();
    assert_eq!(output.flows.len(), 19_999);
    assert_eq!(output.flows[0].file(), b"abcdef");
    assert_eq!(output.flows[1].ending(), FlowEnding::Evicted);
    assert!(output.totals.max_open_flows < 200, "{}", output.totals.max_open_flows);
}

#[test]
fn the_flow_silent_the_longest_is_evicted_and_loses_nothing_that_came() {
    let plan = ReassemblerPlan { max_memory: MIB, ..plan() };
    let mut capture = Capture::new(&plan, ETHERNET);
    for port in 1..=20_000 {
        capture.tcp(&client(1, "", b"abc").port(port));
        capture.tcp(&client(4, "", b"def").port(1));
    }
    let output = capture.end();
    assert_eq!(output.flows.len(), 20_000);
    assert!(output.flows[1..].iter().all(|flow| flow.file() == b"abc"));
    assert_eq!(output.flows[0].ending(), FlowEnding::Open);
    assert_eq!(output.flows[1].ending(), FlowEnding::Evicted);
    assert_eq!(output.totals.stored, 3 * 20_000 + 3);
    assert!(output.totals.max_open_flows < 8000);
}

#[test]
fn bytes_that_the_snap_length_cut_off_are_holes() {
    let mut capture = Capture::new(&plan(), ETHERNET);
    for tcp in handshake() {
        capture.tcp(&tcp);
    }
    let frame = client(101, "", b"abcdef").frame();
    capture.raw(&frame, frame.len() - 2).tcp(&client(107, "", b"ghi"));
    let frame = client(110, "F", b"jkl").frame();
    capture.raw(&frame, frame.len() - 1);
    let output = capture.end();
    assert_eq!(output.flows[0].file(), b"abcd\0\0ghijk");
    let close = output.flows[0].close.as_ref().unwrap();
    assert_eq!((close.cut, close.missing, close.ending), (3, 0, FlowEnding::Fin));
    assert_eq!(close.captured, Some(close.length - 3));
}

#[test]
fn islands_are_bounded_and_what_is_given_up_is_told() {
    let mut capture = Capture::new(&plan(), ETHERNET);
    capture.tcp(&client(0, "S", b""));
    for island in 1..=2000_u32 {
        capture.tcp(&client(1 + 4 * island, "", b"ab"));
    }
    capture.tcp(&client(3, "", b"late")).tcp(&client(1 + 4 * 2000 - 2, "", b"in time"));
    let output = capture.end();
    assert_eq!(output.payload_aside("hole_given_up"), 4);
    let flow = &output.flows[0];
    assert_eq!(&flow.file()[4 * 2000 - 4..], b"abinabime");
    assert_eq!(flow.conflicts, 2);
    assert_eq!(flow.close.as_ref().unwrap().missing, 4 + 1999 * 2 - 2);
}

#[test]
fn islands_count_as_memory() {
    let plan = ReassemblerPlan { max_memory: MIB, ..plan() };
    let mut capture = Capture::new(&plan, ETHERNET);
    for port in 1..=200 {
        capture.tcp(&client(0, "", b"a").port(port));
    }
    for island in 1..500_u32 {
        for port in 1..=200 {
            capture.tcp(&client(2 * island, "", b"a").port(port));
        }
    }
    let output = capture.end();
    assert!(output.flows.iter().any(|flow| flow.ending() == FlowEnding::Evicted));
    assert_eq!(output.totals.stored, 200 * 500);
}

#[test]
fn a_stream_sent_backwards_is_put_in_order() {
    let segments: Vec<Tcp> = (0..60_u32).rev().map(|at| client(at * 1400, "", &[at as u8; 1400])).collect();
    let output = run(&plan(), &segments);
    let expected: Vec<u8> = (0..60).flat_map(|at| [at; 1400]).collect();
    assert_eq!(output.files(), [expected]);
    assert_eq!(output.flows[0].shifts, 59);
}

#[test]
fn backwards_byte_by_byte_is_too_much_work() {
    let mut capture = Capture::new(&plan(), ETHERNET);
    capture.tcp(&client(1_000_000, "", &[7; 60_000]));
    for before in 1..200 {
        capture.tcp(&client(1_000_000 - before, "", b"xx"));
    }
    let output = capture.end();
    let shifts = output.flows[0].shifts;
    assert!((40..60).contains(&shifts), "{shifts}");
    assert!(output.payload_aside("before_start") > 100);
}

#[test]
fn only_segments_that_keep_the_rules_replace_what_is_there() {
    let plan = ReassemblerPlan { overlap: Overlap::Last, ..plan() };
    let replaced = |segment: Tcp| {
        let segments = [client(100, "S", b"abc"), client(104, "", b"def"), segment];
        run(&plan, &segments).flows[0].file()
    };
    assert_eq!(replaced(client(101, "", b"XYZ")), b"XYZdef");
    assert_eq!(replaced(client(100, "S", b"XYZ")), b"abcdef");
    assert_eq!(replaced(client(100, "", b"WXYZdefghi")), b"abcdefghi");
}

/// Splits an Ethernet frame of IPv4 in fragments with this much payload each.
fn fragments(frame: &[u8], size: usize, id: u8) -> Vec<Vec<u8>> {
    let (headers, payload) = frame.split_at(34);
    let parts = payload.chunks(size).enumerate().map(|(number, part)| {
        let mut headers = headers.to_vec();
        let place = u16::try_from(number * size / 8).unwrap();
        let more = if (number + 1) * size < payload.len() { 0x2000 } else { 0 };
        headers[16..18].copy_from_slice(&u16::try_from(20 + part.len()).unwrap().to_be_bytes());
        headers[18..20].copy_from_slice(&[0, id]);
        headers[20..22].copy_from_slice(&(place | more).to_be_bytes());
        [headers, part.to_vec()].concat()
    });
    parts.collect()
}

#[test]
fn fragments_become_segments_and_every_frame_is_accounted_for() {
    let payload: Vec<u8> = (0..200).collect();
    let whole = client(101, "P", &payload).frame();
    let half = client(301, "FP", b"the beginning of it only").frame();
    let mut capture = Capture::new(&plan(), ETHERNET);
    capture.tcp(&client(100, "S", b""));
    for fragment in fragments(&whole, 48, 1).into_iter().rev() {
        capture.raw(&fragment, fragment.len());
    }
    let first = &fragments(&half, 32, 2)[0];
    capture.raw(first, first.len());
    let output = capture.end();
    assert_eq!(output.files(), [[&payload[..], b"the beginnin"].concat()]);
    assert_eq!(output.flows[0].ending(), FlowEnding::Open, "the FIN is where the datagram would end");
    assert_eq!((output.totals.frames, output.totals.segments), (7, 3));
    assert_eq!(output.frames_aside("fragment_reassembled"), 4);
}

#[test]
fn a_beginning_is_used_when_the_time_of_its_datagram_is_over() {
    let parts = fragments(&client(101, "P", &[7; 100]).frame(), 40, 1);
    let mut capture = Capture::new(&plan(), ETHERNET);
    capture.raw(&parts[0], parts[0].len()).raw(&parts[2], parts[2].len());
    let later = client(50, "S", b"").port(7);
    capture.at(1_000_100).tcp(&later).raw(&parts[1], parts[1].len());
    let output = capture.end();
    assert_eq!(output.files(), [vec![7; 20], vec![]]);
    assert_eq!(output.frames_aside("fragment_timeout"), 1);
    assert_eq!(output.frames_aside("fragment_incomplete"), 1);
}

/// Everything is counted anew where output goes on in another directory.
#[test]
fn parts_of_flows_are_told_of_by_themselves() {
    let plan = ReassemblerPlan {
        rotation: Some(RotationPlan {
            size: Some(20),
            every: None,
            by_packets: true,
            start: Timestamp::default(),
            max_bytes: None,
            reports: true,
        }),
        ..plan()
    };
    let mut capture = Capture::new(&plan, ETHERNET);
    let payload = |length: usize| vec![b'x'; length];
    for segment in [
        client(100, "S", b""),
        // A hole of four, and one of three behind the first part.
        client(101, "", &payload(8)),
        client(113, "", &payload(12)),
        client(128, "", &payload(6)),
        client(109, "", &payload(2)),
        client(134, "F", b""),
    ] {
        capture.tcp(&segment);
    }
    let messages = capture.finish();
    let closes: Vec<_> = messages
        .iter()
        .filter_map(
            |(message, _)| if let FromReassembler::Close(close) = message { Some(close) } else { None },
        )
        .collect();
    let told = |number: usize| {
        let close = closes[number];
        let runs: Vec<_> = close.missing_runs.first.iter().map(|run| (run.offset, run.length)).collect();
        (close.ending, close.size, close.packets, close.missing, close.missing_runs.count, runs)
    };
    assert_eq!(closes.len(), 2);
    assert_eq!(told(0), (FlowEnding::Continued, 24, 3, 4, 1, vec![(8, 4)]));
    assert_eq!(told(1), (FlowEnding::Open, 33, 3, 3, 1, vec![(24, 3)]));
    let rotations: Vec<_> = messages
        .iter()
        .filter_map(|(message, _)| {
            let FromReassembler::Rotate(rotation) = message else { return None };
            Some((rotation.start.seconds(), rotation.totals.stored))
        })
        .collect();
    assert_eq!(rotations, [(1_000_000, 0), (1_000_002, 20)]);
}
