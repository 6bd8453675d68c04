//! What a hostile reassembler says to the writer, each with the reason for which it is refused.

use proto::body::{BodyEnding, Extension};
use proto::flow::{Arrival, Count, FlowId, FromReassembler, Medium, Missing, MissingRun, RawPacket, Span};
use proto::frame::Dropped;
use proto::limits::{MAX_DATAGRAM, MAX_HEADERS, MAX_PAYLOAD};
use proto::text::Text;
use proto::time::Timestamp;
use proto::traffic::{Network, Prefix, Share};
use tcpflow_tests::puppet::{Script, claiming, coded, datagram, with_text};

use super::reassembler::{Act, alone, body, close, closing, data, empty, end, open, totals};
use super::rings;

/// All of it.
pub fn all() -> Vec<Act> {
    let parts = [order(), lengths(), numbers(), framing(), beside(), coding(), unasked(), names()];
    parts.into_iter().flatten().collect()
}

fn packet(captured: u32) -> RawPacket {
    RawPacket { time: Timestamp::default(), captured, original: u32::MAX }
}

fn dropped(frames: u64) -> FromReassembler {
    FromReassembler::Dropped(Dropped { time: Timestamp::default(), frames })
}

/// A message that needs four bytes of payload.
fn more() -> Vec<u8> {
    coded(&data(0, 4, b"more"))
}

/// Messages that are legal, but not there.
fn order() -> Vec<Act> {
    vec![
        Act::new("data_of_an_unknown_flow", "flow that is not open", |s| s.say(&[(data(7, 0, b"x"), b"x")])),
        Act::new("data_of_a_closed_flow", "flow that is not open", |s| {
            s.say(&[(close(0, 4), &b""[..]), (data(0, 4, b"x"), b"x")])
        }),
        Act::new("data_of_the_last_flow_number_there_is", "flow that is not open", |s| {
            s.say(&[(data(u64::MAX, 0, b"x"), b"x")])
        }),
        Act::new("a_flow_opened_twice", "flow numbered out of order", |s| alone(s, open(0))),
        Act::new("a_flow_opened_again", "flow numbered out of order", |s| {
            s.say(&[(close(0, 4), b""), (open(0), b"")])
        }),
        Act::new("an_empty_flow_of_an_open_ones_number", "flow numbered out of order", |s| {
            alone(s, empty(0))
        }),
        Act::new("a_flow_number_skipped", "flow numbered out of order", |s| alone(s, open(2))),
        Act::new("the_last_flow_number_there_is", "flow numbered out of order", |s| alone(s, open(u64::MAX))),
        Act::new("a_flow_closed_twice", "flow that is not open", |s| {
            s.say(&[(close(0, 4), b""), (close(0, 4), b"")])
        }),
        Act::new("the_end_with_flows_open", "the end, with flows open", |s| alone(s, end(1, 4))),
        Act::new("the_end_twice", "a message after the end", |s| {
            alone(alone(alone(s, close(0, 4)), end(1, 4)), end(1, 4))
        }),
        Act::new("a_flow_after_the_end", "a message after the end", |s| {
            alone(s.say(&[(close(0, 4), b""), (end(1, 4), b"")]), open(1))
        }),
        Act::new("totals_of_flows_that_never_were", "totals that do not add up", |s| {
            s.say(&[(close(0, 4), b""), (end(2, 4), b"")])
        }),
        Act::new("totals_of_bytes_that_never_came", "totals that do not add up", |s| {
            s.say(&[(close(0, 4), b""), (end(1, u64::MAX), b"")])
        }),
        Act::new("a_flow_closed_around_an_open_body", "with a body open", |s| {
            s.say(&[(FromReassembler::BodyOpen(body(1)), b""), (close(0, 4), b"")])
        })
        .asked(&["-e", "http"]),
        Act::new("bytes_of_no_body", "a body that is not open", |s| {
            s.say(&[(FromReassembler::BodyBytes { flow: FlowId(0), length: 1 }, b"x")])
        })
        .asked(&["-e", "http"]),
        Act::new("a_body_closed_twice", "a body that is not open", |s| {
            let closed = FromReassembler::BodyClose { flow: FlowId(0), ending: BodyEnding::Complete };
            s.say(&[(FromReassembler::BodyOpen(body(1)), b""), (closed.clone(), b""), (closed, b"")])
        })
        .asked(&["-e", "http"]),
        Act::new("bodies_out_of_order", "bodies out of order", |s| {
            s.say(&[(FromReassembler::BodyOpen(body(2)), b""), (FromReassembler::BodyOpen(body(3)), b"")])
        })
        .asked(&["-e", "http"]),
        Act::new("a_network_with_flows_open", "counts of a run with flows open", |s| {
            alone(s, FromReassembler::OtherNetworks(1))
        })
        .asked(&["-e", "wifiviz"]),
    ]
}

/// Lengths and offsets that no file has, and numbers of things that there cannot be.
fn lengths() -> Vec<Act> {
    const PAST: &str = "past the end of any file";
    vec![
        Act::new("data_at_the_last_offset_there_is", PAST, |s| s.say(&[(data(0, u64::MAX, b"x"), b"x")])),
        Act::new("data_that_ends_after_any_file", PAST, |s| {
            s.say(&[(data(0, u64::try_from(i64::MAX).unwrap(), b"x"), b"x")])
        }),
        Act::new("data_longer_than_a_batch", "byte range of 4294967295 bytes", |s| {
            let span = Span { flow: FlowId(0), offset: 0, length: u32::MAX };
            s.say(&[(FromReassembler::Data(span), b"x")])
        }),
        Act::new("a_retransmission_at_the_last_offset", PAST, |s| {
            let span = Span { flow: FlowId(0), offset: u64::MAX, length: 1 };
            s.say(&[(FromReassembler::Compare(span), b"x")])
        }),
        Act::new("a_flow_of_the_greatest_size", "flow longer than any file", |s| {
            alone(s, close(0, u64::MAX))
        }),
        Act::new("a_shift_by_the_greatest_number", "shift past the end of any file", |s| {
            alone(s, FromReassembler::Shift { flow: FlowId(0), by: u64::MAX })
        }),
        Act::new("shifts_that_add_up", "shift past the end of any file", |s| {
            let shift = |by| (FromReassembler::Shift { flow: FlowId(0), by }, &b""[..]);
            s.say(&[shift(5), shift(u64::try_from(i64::MAX).unwrap() - 4)])
        }),
        Act::new("an_arrival_at_the_last_offset", PAST, |s| {
            let time = Timestamp::new(i64::MAX, 0);
            let arrival = Arrival { flow: FlowId(0), offset: u64::MAX, length: u32::MAX, time };
            alone(s, FromReassembler::Arrival(arrival))
        })
        .asked(&["-I"]),
        Act::new("a_hole_of_the_greatest_length", "body longer than any file", |s| {
            let hole = FromReassembler::BodyHole { flow: FlowId(0), length: u64::MAX };
            s.say(&[(FromReassembler::BodyOpen(body(1)), b""), (hole, b"")])
        })
        .asked(&["-e", "http"]),
    ]
}

/// More of something than there can be.
fn numbers() -> Vec<Act> {
    vec![
        Act::new("a_packet_longer_than_any", "packet of 262145 bytes", |s| {
            alone(s, FromReassembler::Unprocessed(packet(262_145)))
        })
        .asked(&["-w", "out/rest.pcap"]),
        Act::new("drops_that_do_not_grow", "drops that do not grow", |s| {
            s.say(&[(dropped(7), b""), (dropped(7), b"")])
        })
        .asked(&["--events", "out/ev.json"]),
        Act::new("more_missing_ranges_than_are_listed", "more missing ranges", |s| {
            let run = MissingRun { offset: 0, length: u64::MAX, cut: u64::MAX };
            let mut closing = closing(0, 4);
            closing.missing_runs = Missing { count: u64::MAX, first: vec![run; 17] };
            alone(s, FromReassembler::Close(Box::new(closing)))
        }),
        Act::new("more_reasons_than_there_are", "too many reasons", |s| {
            let mut totals = totals(1, 4);
            totals.frames_aside = vec![Count { reason: Text::cut("x"), count: u64::MAX }; 257];
            s.say(&[(close(0, 4), b""), (FromReassembler::End(Box::new(totals)), b"")])
        }),
        Act::new("a_network_with_a_name_too_long", "SSID of 33 bytes", |s| {
            let network = Network { mac: [0; 6], ssid: vec![b'x'; 33], count: 1 };
            s.say(&[(close(0, 4), b""), (FromReassembler::Network(Box::new(network)), b"")])
        })
        .asked(&["-e", "wifiviz"]),
        Act::new("a_list_that_claims_to_be_endless", "undecodable", |s| {
            let network = Network { mac: [0; 6], ssid: b"endless".to_vec(), count: 1 };
            let coded = coded(&FromReassembler::Network(Box::new(network)));
            let at = coded.windows(8).position(|window| window == b"\x07endless").unwrap();
            let greatest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
            s.headers(&[&coded[..at], &greatest, b"endless"].concat(), b"")
        })
        .asked(&["-e", "wifiviz"]),
    ]
}

/// Datagrams that are not what they say.
fn framing() -> Vec<Act> {
    vec![
        Act::new("a_datagram_again", "datagram 0 where 1 was due", |s| {
            s.raw(datagram(0, &coded(&close(0, 4)), b""))
        }),
        Act::new("a_datagram_of_later", "datagram 2 where 1 was due", |s| {
            s.raw(datagram(2, &coded(&close(0, 4)), b""))
        }),
        Act::new("the_last_sequence_number_there_is", "datagram 18446744073709551615 where 1", |s| {
            s.raw(datagram(u64::MAX, &coded(&close(0, 4)), b""))
        }),
        Act::new("headers_of_the_greatest_length", "headers of 4294967295 bytes", |s| {
            let mut datagram = datagram(1, &more(), b"more");
            datagram[..4].fill(0xff);
            s.raw(datagram)
        }),
        Act::new("headers_longer_than_the_datagram", "shorter than its framing", |s| {
            let mut datagram = datagram(1, &more(), b"more");
            datagram[0] = 0xff;
            s.raw(datagram)
        }),
        Act::new("headers_over_the_limit", "headers of 65537 bytes", |s| {
            s.headers(&vec![0; MAX_HEADERS + 1], b"")
        }),
        Act::new("payload_over_the_limit", "payload of 262145 bytes", |s| {
            s.headers(&more(), &vec![0; MAX_PAYLOAD + 1])
        }),
        Act::new("padding_with_something_in_it", "padding that is not empty", |s| {
            let mut datagram = datagram(1, &more(), b"more");
            let before = datagram.len() - 5;
            datagram[before] = 1;
            s.raw(datagram)
        }),
        Act::new("no_padding", "shorter than its framing", |s| {
            let mut datagram = datagram(1, &more(), b"");
            datagram.pop();
            s.raw(datagram)
        }),
        Act::new("a_datagram_longer_than_any", "datagram longer than any may be", |s| {
            s.raw(vec![0; MAX_DATAGRAM + 1])
        }),
        Act::new("a_datagram_of_three_bytes", "datagram of 3 bytes is shorter", |s| s.raw(vec![0; 3])),
        Act::new("a_datagram_of_nothing", "ended without saying why", |s| s.raw(Vec::new())),
    ]
}

/// Datagrams that say more or less of shared memory than is theirs.
fn beside() -> Vec<Act> {
    let mut acts = vec![
        Act::new("payload_beside_that_nothing_speaks_of", "1 trailing bytes", |s| {
            s.raw(claiming(5, 1, &more(), b""))
        }),
        Act::new("less_payload_beside_than_is_spoken_of", "claims 4 bytes of payload, 3 are left", |s| {
            s.raw(claiming(3, 1, &more(), b""))
        }),
    ];
    acts.extend(rings::more_than_any_slot().map(|act| Act::new(act.name, act.reason, act.says)));
    acts
}

/// Datagrams whose messages are not what they say.
fn coding() -> Vec<Act> {
    vec![
        Act::new("payload_that_nothing_speaks_of", "1 trailing bytes", |s| s.headers(&more(), b"more!")),
        Act::new("payload_that_did_not_come", "claims 4 bytes of payload, 3 are left", |s| {
            s.headers(&more(), b"mor")
        }),
        Act::new("a_message_cut_short", "undecodable", |s| {
            let whole = coded(&close(0, 4));
            s.headers(&whole[..whole.len() - 1], b"")
        }),
        Act::new("a_message_and_a_piece_of_another", "undecodable", |s| {
            s.headers(&[more(), coded(&open(1))[..9].to_vec()].concat(), b"more")
        }),
        Act::new("a_message_of_no_kind", "undecodable", |s| s.headers(&[0xc8, 0x01], b"")),
        Act::new("a_number_that_does_not_end", "undecodable", |s| {
            s.headers(&[&[1][..], &[0xff; 16]].concat(), b"")
        }),
        Act::new("a_descriptor", "a descriptor came where none is due", |s| {
            s.with_descriptors(datagram(1, &coded(&close(0, 4)), b""), 1)
        }),
        Act::new("five_descriptors", "a descriptor came where none is due", |s| {
            s.with_descriptors(datagram(1, &coded(&close(0, 4)), b""), 5)
        }),
        Act::new("as_many_descriptors_as_there_can_be", "a descriptor came where none is due", |s| {
            s.with_descriptors(datagram(1, &coded(&close(0, 4)), b""), 253)
        }),
    ]
}

/// What was not asked for.
fn unasked() -> Vec<Act> {
    const WHY: &str = "does not ask for";
    vec![
        Act::new("drops_without_events", WHY, |s| alone(s, dropped(1))),
        Act::new("printing_without_console", WHY, |s| {
            let span = Span { flow: FlowId(0), offset: 0, length: 1 };
            s.say(&[(FromReassembler::Print(span), b"x")])
        }),
        Act::new("gaps_without_console", WHY, |s| {
            alone(s, FromReassembler::Gap { flow: FlowId(0), offset: u64::MAX, length: u64::MAX })
        }),
        Act::new("arrivals_without_index", WHY, |s| {
            let time = Timestamp::default();
            alone(s, FromReassembler::Arrival(Arrival { flow: FlowId(0), offset: 0, length: 1, time }))
        }),
        Act::new("packets_that_are_not_kept", WHY, |s| {
            s.say(&[(FromReassembler::Packet { flow: FlowId(0), packet: packet(1) }, b"x")])
        }),
        Act::new("frames_that_are_not_kept", WHY, |s| {
            s.say(&[(FromReassembler::Unprocessed(packet(1)), b"x")])
        }),
        Act::new("a_link_that_nothing_is_kept_of", WHY, |s| {
            let medium = Medium { link_type: u32::MAX, snap_length: u32::MAX, nanoseconds: true };
            alone(s, FromReassembler::Medium(medium))
        }),
        Act::new("bodies_that_are_not_kept", WHY, |s| alone(s, FromReassembler::BodyOpen(body(1)))),
        Act::new("networks_that_are_not_told", WHY, |s| {
            s.say(&[(close(0, 4), b""), (FromReassembler::OtherNetworks(u64::MAX), b"")])
        }),
        Act::new("shares_that_are_not_told", WHY, |s| {
            let prefix = Prefix { address: [10, 66, 66, 3].into(), length: 32 };
            let share = Share { sent: true, prefix, bytes: u64::MAX };
            s.say(&[(close(0, 4), b""), (FromReassembler::Share(Box::new(share)), b"")])
        }),
        Act::new("a_frame_of_a_link_not_told_of", "a link that was not told of", |s| {
            s.say(&[(FromReassembler::Unprocessed(packet(1)), b"x")])
        })
        .asked(&["-w", "out/rest.pcap"]),
    ]
}

/// The one text of the reassembler's that a name is made of: what the name of a body ends in.
fn names() -> Vec<Act> {
    fn ending(script: Script, extension: &[u8]) -> Script {
        let legal = coded(&FromReassembler::BodyOpen(body(1)));
        script.headers(&with_text(&legal, "html", extension), b"")
    }
    let acts = vec![
        Act::new("a_name_that_goes_up", "undecodable", |s| ending(s, b"x/../../../x")),
        Act::new("a_name_from_the_root", "undecodable", |s| ending(s, b"/etc/cron.d/x")),
        Act::new("a_name_of_dots", "undecodable", |s| ending(s, b"..")),
        Act::new("a_name_with_a_nul", "undecodable", |s| ending(s, b"a\0b")),
        Act::new("a_name_of_5_kb", "undecodable", |s| ending(s, &[b'x'; 5 << 10])),
        Act::new("a_name_one_letter_too_long", "undecodable", |s| ending(s, &[b'x'; Extension::MAX + 1])),
        Act::new("a_name_that_is_not_utf_8", "undecodable", |s| ending(s, b"\xff\xfe")),
        Act::new("a_name_with_an_escape", "undecodable", |s| ending(s, b"\x1b[2J")),
    ];
    acts.into_iter().map(|act| act.asked(&["-e", "http"])).collect()
}
