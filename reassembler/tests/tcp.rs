//! What senders, receivers, mirrors and attackers do with TCP: a row each, with the exact bytes of every file and
//! every count.
#![allow(clippy::unwrap_used, reason = "a test that fails loudly is a test that works")]

mod support;

use proto::flow::FlowEnding::{self, Fin, MaxHole, Open, Reset, Reused, Skipped};
use proto::plan::ReassemblerPlan;
use support::{Capture, ETHERNET, Flow, Output, Tcp, client, plan, run, server};

/// What one flow is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expected {
    file: Vec<u8>,
    ending: FlowEnding,
    violations: u64,
    out_of_order: u64,
    missing: u64,
    /// Bytes sent twice that differ from the first copy.
    conflicts: u64,
    shifts: u64,
}

/// A flow of which there is nothing to say but its bytes.
fn flow(file: &[u8], ending: FlowEnding) -> Expected {
    let file = file.to_vec();
    Expected { file, ending, violations: 0, out_of_order: 0, missing: 0, conflicts: 0, shifts: 0 }
}

impl Expected {
    fn of(flow: &Flow) -> Self {
        let close = flow.close.as_ref().unwrap();
        Self {
            file: flow.file(),
            ending: close.ending,
            violations: close.violations,
            out_of_order: close.out_of_order,
            missing: close.missing,
            conflicts: flow.conflicts,
            shifts: flow.shifts,
        }
    }
}

/// A case: its name, what is captured, the flows in the order of their first packets, and payload set aside.
struct Row {
    name: &'static str,
    segments: Vec<Tcp>,
    flows: Vec<Expected>,
    aside: Vec<(&'static str, u64)>,
}

fn row(name: &'static str, segments: Vec<Tcp>, flows: &[Expected], aside: &[(&'static str, u64)]) -> Row {
    Row { name, segments, flows: flows.to_vec(), aside: aside.to_vec() }
}

/// A handshake: the client's stream begins at 101, the server's at 501.
fn opened(segments: &[Tcp]) -> Vec<Tcp> {
    let handshake = [client(100, "S", b""), server(500, "S", b"").ack(101), client(101, "", b"").ack(501)];
    [&handshake, segments].concat()
}

fn check(row: &Row, output: &Output) {
    let flows: Vec<Expected> = output.flows.iter().map(Expected::of).collect();
    assert_eq!(flows, row.flows, "{}", row.name);
    let aside: Vec<(&str, u64)> =
        output.totals.payload_aside.iter().map(|count| (count.reason.as_str(), count.count)).collect();
    assert_eq!(aside, row.aside, "{}", row.name);
    let read: usize = row.segments.iter().map(|segment| segment.payload.len()).sum();
    assert_eq!(output.totals.payload, u64::try_from(read).unwrap(), "{}", row.name);
}

fn check_all(plan: &ReassemblerPlan, rows: &[Row]) {
    for row in rows {
        check(row, &run(plan, &row.segments));
    }
}

fn silent() -> Expected {
    flow(b"", Open)
}

#[test]
fn retransmissions() {
    let abc = client(101, "", b"abc");
    let again = |file: &[u8]| Expected { out_of_order: 1, ..flow(file, Open) };
    check_all(
        &plan(),
        &[
            row(
                "a retransmission",
                opened(&[abc.clone(), abc.clone(), client(104, "", b"def")]),
                &[again(b"abcdef"), silent()],
                &[("retransmission", 3)],
            ),
            row(
                "a conflicting retransmission: the first copy wins, each byte that differs counts",
                opened(&[abc.clone(), client(101, "", b"aXYdef")]),
                &[Expected { conflicts: 2, ..again(b"abcdef") }, silent()],
                &[("retransmission", 3)],
            ),
            row(
                "a conflicting copy that comes first, out of order",
                opened(&[client(102, "", b"XYd"), client(101, "", b"abc")]),
                &[Expected { conflicts: 2, ..again(b"aXYd") }, silent()],
                &[("retransmission", 2)],
            ),
        ],
    );
}

#[test]
fn probes_and_urgent_data() {
    let abc = client(101, "", b"abc");
    check_all(
        &plan(),
        &[
            row(
                "a keep-alive without a byte",
                opened(&[abc.clone(), client(103, "", b"").ack(501), server(501, "", b"").ack(104)]),
                &[flow(b"abc", Open), silent()],
                &[],
            ),
            row(
                "a keep-alive with a garbage byte",
                opened(&[
                    abc.clone(),
                    client(103, "", b"\0"),
                    client(103, "", b"\0"),
                    client(104, "", b"def"),
                ]),
                &[flow(b"abcdef", Open), silent()],
                &[("keep_alive", 2)],
            ),
            row(
                "a keep-alive before any data",
                opened(&[client(100, "", b"\0"), abc.clone()]),
                &[flow(b"abc", Open), silent()],
                &[("keep_alive", 1)],
            ),
            row(
                "zero-window probes: the byte is the next one, sent until it is taken",
                opened(&[
                    abc.clone(),
                    server(501, "", b"").ack(104).window(0),
                    client(104, "", b"d"),
                    server(501, "", b"").ack(104).window(0),
                    client(104, "", b"d"),
                    server(501, "", b"").ack(104).window(1000),
                    client(104, "", b"def"),
                ]),
                // The second probe is told from a keep-alive by nothing but what it repeats.
                &[Expected { out_of_order: 1, ..flow(b"abcdef", Open) }, silent()],
                &[("keep_alive", 1), ("retransmission", 1)],
            ),
            row(
                "urgent data stays in line",
                opened(&[abc, client(104, "U", b"!"), client(105, "", b"def")]),
                &[flow(b"abc!def", Open), silent()],
                &[],
            ),
        ],
    );
}

/// Cookies of TCP Fast Open as RFC 7413 has them, and as the experiment before it had.
const COOKIE: [u8; 12] = [34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0];
const OLD_COOKIE: [u8; 12] = [254, 12, 0xf9, 0x89, 1, 2, 3, 4, 5, 6, 7, 8];
/// What asks for a cookie is none.
const NO_COOKIE: [u8; 4] = [34, 2, 1, 0];
/// Another experiment.
const NOT_FAST_OPEN: [u8; 12] = [254, 12, 0xe2, 0xd4, 1, 2, 3, 4, 5, 6, 7, 8];
/// Options that do not end where they say.
const BROKEN: [u8; 4] = [1, 34, 10, 1];

#[test]
fn data_on_a_syn() {
    let on_syn = |options: &[u8]| {
        vec![
            client(100, "S", b"abc").options(options),
            server(500, "S", b"").ack(104),
            client(104, "", b"def").ack(501),
        ]
    };
    let lawful = [flow(b"abcdef", Open), silent()];
    let unlawful = [Expected { violations: 1, ..flow(b"abcdef", Open) }, silent()];
    check_all(
        &plan(),
        &[
            row("data on the SYN", on_syn(&[]), &unlawful, &[]),
            row("Fast Open", on_syn(&COOKIE), &lawful, &[]),
            row("Fast Open, experimental", on_syn(&OLD_COOKIE), &lawful, &[]),
            row("a Fast Open cookie is asked for", on_syn(&NO_COOKIE), &unlawful, &[]),
            row("another experiment", on_syn(&NOT_FAST_OPEN), &unlawful, &[]),
            row("broken options", on_syn(&BROKEN), &unlawful, &[]),
            row(
                "Fast Open refused: the data comes again",
                vec![
                    client(100, "S", b"abc").options(&COOKIE),
                    server(500, "S", b"").ack(101),
                    client(101, "", b"abcdef").ack(501),
                ],
                &[Expected { out_of_order: 1, ..flow(b"abcdef", Open) }, silent()],
                &[("retransmission", 3)],
            ),
            row(
                "a cookie is none without a SYN, and harms nothing",
                opened(&[client(101, "", b"abc").options(&COOKIE)]),
                &[flow(b"abc", Open), silent()],
                &[],
            ),
        ],
    );
}

#[test]
fn ends() {
    let abc = client(101, "", b"abc");
    let acknowledged = server(501, "", b"").ack(104);
    let reset_at = |number: u32| opened(&[abc.clone(), acknowledged.clone(), client(number, "R", b"")]);
    let heeded = [flow(b"abc", Reset), silent()];
    let ignored = [Expected { violations: 1, ..flow(b"abc", Open) }, silent()];
    check_all(
        &plan(),
        &[
            row("FIN with data", opened(&[client(101, "F", b"abc")]), &[flow(b"abc", Fin), silent()], &[]),
            row(
                "FIN with data before what it follows",
                opened(&[client(104, "F", b"def"), abc.clone()]),
                &[Expected { out_of_order: 1, ..flow(b"abcdef", Fin) }, silent()],
                &[],
            ),
            row(
                "FIN again, and its data",
                opened(&[client(101, "F", b"abc"), client(101, "F", b"abc"), client(104, "F", b"")]),
                &[flow(b"abc", Fin), silent()],
                &[("after_close", 3)],
            ),
            row(
                "data after FIN is another flow",
                opened(&[client(101, "F", b"abc"), client(105, "", b"def")]),
                &[flow(b"abc", Fin), silent(), flow(b"def", Open)],
                &[],
            ),
            row(
                "half-closed: the other side goes on",
                opened(&[
                    client(101, "F", b"abc"),
                    server(501, "", b"one").ack(105),
                    server(504, "F", b"two"),
                ]),
                &[flow(b"abc", Fin), flow(b"onetwo", Fin)],
                &[],
            ),
            row("RST at the next byte", reset_at(104), &heeded, &[]),
            row("RST at the end of the window", reset_at(1104), &heeded, &[]),
            row("RST beyond the window", reset_at(1105), &ignored, &[]),
            row("RST before the window", reset_at(103), &ignored, &[]),
            row(
                "RST beyond an unscaled window, within the scaled one",
                vec![
                    client(100, "S", b"").options(&[1, 3, 3, 7]),
                    // What is not known does not hide what comes after it.
                    server(500, "S", b"")
                        .ack(101)
                        .options(&[19, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 7, 0, 0, 0]),
                    client(101, "", b"abc").ack(501),
                    server(501, "", b"").ack(104),
                    client(50_000, "R", b""),
                ],
                &heeded,
                &[],
            ),
        ],
    );
}

#[test]
fn beginnings() {
    let syn = client(100, "S", b"");
    check_all(
        &plan(),
        &[
            row(
                "a retransmitted SYN",
                vec![
                    syn.clone(),
                    syn.clone(),
                    server(500, "S", b"").ack(101),
                    client(101, "", b"abc").ack(501),
                ],
                &[flow(b"abc", Open), silent()],
                &[],
            ),
            row(
                "a SYN that is retransmitted after data",
                opened(&[client(101, "", b"abc"), syn.clone(), client(104, "", b"def")]),
                &[flow(b"abcdef", Open), silent()],
                &[],
            ),
            row(
                "a SYN/ACK that is retransmitted after data",
                opened(&[
                    server(501, "", b"abc").ack(101),
                    server(500, "S", b"").ack(101),
                    server(504, "", b"def").ack(101),
                ]),
                &[silent(), flow(b"abcdef", Open)],
                &[],
            ),
            row(
                "simultaneous open",
                vec![
                    syn.clone(),
                    server(500, "S", b""),
                    client(100, "S", b"").ack(501),
                    server(500, "S", b"").ack(101),
                    client(101, "", b"abc").ack(501),
                    server(501, "", b"def").ack(104),
                ],
                &[flow(b"abc", Open), flow(b"def", Open)],
                &[],
            ),
        ],
    );
}

#[test]
fn captures_that_lack_something() {
    check_all(
        &plan(),
        &[
            row(
                "only one side was captured",
                vec![
                    client(100, "S", b""),
                    client(101, "", b"abc").ack(501),
                    client(104, "F", b"def").ack(601),
                ],
                &[flow(b"abcdef", Fin)],
                &[],
            ),
            row(
                "only one side was captured, from the middle, to a reset",
                vec![client(101, "", b"abc").ack(501), client(104, "R", b"").ack(601)],
                &[flow(b"abc", Reset)],
                &[],
            ),
            row(
                "no SYN, and the data comes backwards",
                vec![client(107, "", b"ghi"), client(104, "", b"def"), client(101, "", b"abc")],
                &[Expected { out_of_order: 2, shifts: 2, ..flow(b"abcdefghi", Open) }],
                &[],
            ),
            row(
                "no SYN, the data comes backwards, and a part of it never",
                vec![client(107, "", b"ghi"), client(101, "", b"abc")],
                &[Expected { out_of_order: 1, shifts: 1, missing: 3, ..flow(b"abc\0\0\0ghi", Open) }],
                &[],
            ),
        ],
    );
}

#[test]
fn ports_used_again() {
    let first = [client(101, "", b"abc"), server(501, "", b"ABC")];
    let again = |ours: u32, theirs: u32| {
        opened(
            &[
                &first[..],
                &[
                    client(ours, "S", b""),
                    server(theirs, "S", b"").ack(ours + 1),
                    client(ours + 1, "", b"def"),
                    server(theirs + 1, "", b"DEF"),
                ],
            ]
            .concat(),
        )
    };
    let expected = [flow(b"abc", Reused), flow(b"ABC", Reused), flow(b"def", Open), flow(b"DEF", Open)];
    check_all(
        &plan(),
        &[
            row("far sequence numbers", again(3_000_000_000, 2_000_000_000), &expected, &[]),
            row("near sequence numbers, ahead", again(150, 550), &expected, &[]),
            row("near sequence numbers, behind", again(50, 450), &expected, &[]),
            row(
                "after a close, near: what repeats the stream before is told from what does not",
                opened(&[
                    client(101, "F", b"abc"),
                    client(101, "", b"abc"),
                    client(102, "S", b""),
                    client(103, "", b"def"),
                ]),
                &[flow(b"abc", Fin), silent(), flow(b"def", Open)],
                &[("after_close", 3)],
            ),
        ],
    );
}

#[test]
fn a_mirror_that_shows_every_packet_twice() {
    let once = opened(&[
        client(101, "", b"abc").ack(501),
        server(501, "", b"one").ack(104),
        client(104, "F", b"def").ack(504),
        server(504, "F", b"two").ack(108),
        client(108, "", b"").ack(508),
    ]);
    let twice: Vec<Tcp> = once.iter().flat_map(|segment| [segment.clone(), segment.clone()]).collect();
    let counted = |file: &[u8]| Expected { out_of_order: 1, ..flow(file, Fin) };
    let flows = [counted(b"abcdef"), counted(b"onetwo")];
    let aside = [("retransmission", 6), ("after_close", 6)];
    check_all(&plan(), &[row("every packet twice", twice, &flows, &aside)]);
    // The two sides of a mirror one after the other, as when two files are merged badly: the connection
    // begins anew with its SYN.
    let after: Vec<Tcp> = [once.clone(), once].concat();
    let flows = [flow(b"abcdef", Fin), flow(b"onetwo", Fin)];
    check_all(&plan(), &[row("the whole twice", after, &[&flows[..], &flows].concat(), &[])]);
}

#[test]
fn holes_up_to_max_skip() {
    let plan = ReassemblerPlan { max_skip: 50, ..plan() };
    let hole = |number: u32| opened(&[client(101, "", b"abc"), client(number, "", b"def")]);
    let within = [b"abc", &[0; 50][..], b"def"].concat();
    check_all(
        &plan,
        &[
            row("as far as -m", hole(154), &[Expected { missing: 50, ..flow(&within, Open) }, silent()], &[]),
            row("one byte beyond", hole(155), &[flow(b"abc", Skipped), silent(), flow(b"def", Open)], &[]),
            row(
                "as far as -m, backwards",
                opened(&[client(101, "", &[7; 60]), client(111, "", &[7; 50])]),
                &[Expected { out_of_order: 1, ..flow(&[7; 60], Open) }, silent()],
                &[("retransmission", 50)],
            ),
            row(
                "one byte beyond, backwards",
                opened(&[client(101, "", &[7; 60]), client(110, "", b"x")]),
                &[flow(&[7; 60], Skipped), silent(), flow(b"x", Open)],
                &[],
            ),
        ],
    );
}

#[test]
fn holes_up_to_max_hole() {
    // A flow may have 100 bytes of holes and 256 for each byte of its own.
    let plan = ReassemblerPlan { max_hole: 100, ..plan() };
    let syn = client(100, "S", b"");
    let file = |hole: usize, data: &[u8]| [&vec![0; hole][..], data].concat();
    check_all(
        &plan,
        &[
            row(
                "as much as may be",
                vec![syn.clone(), client(201, "", b"x")],
                &[Expected { missing: 100, ..flow(&file(100, b"x"), Open) }],
                &[],
            ),
            row(
                "one byte more",
                vec![syn.clone(), client(202, "", b"x")],
                &[flow(b"", MaxHole), flow(b"x", Open)],
                &[],
            ),
            row(
                "bytes allow for more",
                vec![syn.clone(), client(201, "", b"x"), client(202 + 256, "", b"y")],
                &[Expected { missing: 356, ..flow(&[file(100, b"x"), file(256, b"y")].concat(), Open) }],
                &[],
            ),
            row(
                "one byte more than they allow",
                vec![syn.clone(), client(201, "", b"x"), client(203 + 256, "", b"y")],
                &[Expected { missing: 100, ..flow(&file(100, b"x"), MaxHole) }, flow(b"y", Open)],
                &[],
            ),
            row(
                "a hole that was filled is none",
                vec![
                    syn.clone(),
                    client(201, "", b"x"),
                    client(101, "", &[7; 100]),
                    // 101 bytes are there: 100 + 256 * 101 may be missing.
                    client(202 + 25_956, "", b"y"),
                ],
                &[Expected {
                    missing: 25_956,
                    out_of_order: 1,
                    ..flow(&[&[7; 100], &b"x"[..], &file(25_956, b"y")].concat(), Open)
                }],
                &[],
            ),
        ],
    );
}

#[test]
fn holes_up_to_max_hole_before_all_else() {
    let plan = ReassemblerPlan { max_hole: 100, ..plan() };
    let syn = client(100, "S", b"");
    let file = |hole: usize, data: &[u8]| [&vec![0; hole][..], data].concat();
    let backwards = [client(1000, "", b"x"), client(642, "", b"yz")];
    let fits = [Expected {
        missing: 356,
        out_of_order: 1,
        shifts: 1,
        ..flow(&[b"yz", &file(356, b"x")[..]].concat(), Open)
    }];
    let not = [flow(b"x", MaxHole), flow(b"yz", Open)];
    check_all(
        &plan,
        &[
            row("backwards", backwards.to_vec(), &fits, &[]),
            row("one byte more, backwards", vec![client(1001, "", b"x"), client(642, "", b"yz")], &not, &[]),
            row(
                "a late SYN",
                vec![client(457, "", b"x"), syn.clone()],
                &[Expected { missing: 356, shifts: 1, ..flow(&file(356, b"x"), Open) }],
                &[],
            ),
            row("a SYN too late", vec![client(458, "", b"x"), syn], &[flow(b"x", MaxHole), silent()], &[]),
        ],
    );
}

#[test]
fn a_run_has_less_room_for_holes_than_its_flows_together() {
    let plan = ReassemblerPlan { max_hole: 1000, ..plan() };
    let mut capture = Capture::new(&plan, ETHERNET);
    for port in 1..=20 {
        capture.tcp(&client(0, "S", b"").port(port)).tcp(&client(1001, "", b"x").port(port));
    }
    let output = capture.end();
    // 8000 bytes, and 256 for each byte that came: ten flows, and then one for every four bytes.
    let ended = output.flows.iter().filter(|flow| flow.ending() == MaxHole).count();
    let holes: u64 = output.flows.iter().map(|flow| flow.close.as_ref().unwrap().missing).sum();
    assert_eq!(output.totals.stored, 20);
    assert_eq!(output.totals.holes.bytes, holes);
    assert_eq!(output.totals.holes.flows_ended, u64::try_from(ended).unwrap());
    assert!((8000 + 10 * 256..=8000 + 20 * 256).contains(&holes), "{holes}");
    assert_eq!(output.flows.len(), 20 + ended);
}
