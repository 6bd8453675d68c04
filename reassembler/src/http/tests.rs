//! Whole flows, fed in pieces of any length.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::single_range_in_vec_init,
    reason = "a test that overflows fails; a list of holes may have one"
)]

use proto::body::{BodyEnding, BodyOpen};

use super::coding::tests::gzip;
use super::*;

const SERVER: FlowId = FlowId(1);
const CLIENT: FlowId = FlowId(0);

/// A body as it came out.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Found {
    number: u64,
    extension: String,
    bytes: Vec<u8>,
    ending: Option<BodyEnding>,
    offset: u64,
    request: bool,
}

#[derive(Default)]
struct Shelf(Vec<Found>, Vec<u8>);

impl Bodies for Shelf {
    fn plain(&mut self, _: FlowId, bytes: &[u8]) -> Result<(), Error> {
        self.1.extend_from_slice(bytes);
        Ok(())
    }

    fn open(&mut self, open: &BodyOpen) -> Result<(), Error> {
        self.0.push(Found {
            number: open.number,
            extension: open.extension.as_str().to_owned(),
            bytes: Vec::new(),
            ending: None,
            offset: open.offset,
            request: open.request,
        });
        Ok(())
    }

    fn bytes(&mut self, _: FlowId, bytes: &[u8]) -> Result<(), Error> {
        self.0.last_mut().unwrap().bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn hole(&mut self, _: FlowId, length: u64) -> Result<(), Error> {
        let bytes = &mut self.0.last_mut().unwrap().bytes;
        bytes.resize(bytes.len() + usize::try_from(length).unwrap(), 0);
        Ok(())
    }

    fn close(&mut self, _: FlowId, ending: BodyEnding) -> Result<(), Error> {
        assert_eq!(self.0.last_mut().unwrap().ending.replace(ending), None, "closed twice");
        Ok(())
    }
}

const PLAN: HttpPlan = HttpPlan { decompress: true, requests: false, max_body: None, max_bytes: None };

fn http(plan: HttpPlan) -> Http {
    let mut http = Http::new(plan, 64 << 20);
    http.open(CLIENT, 0, true);
    http.open(SERVER, 0, true);
    http
}

/// The bodies of a connection, the same whether pieces are read one by one or gathered; holes of the server's flow are
/// ranges that do not come.
fn read(
    plan: HttpPlan,
    requests: &[u8],
    responses: &[u8],
    step: usize,
    holes: &[std::ops::Range<usize>],
) -> Vec<Found> {
    let [one_by_one, gathered] =
        [false, true].map(|gathers| read_by(http(plan).gathering(gathers), requests, responses, step, holes));
    assert_eq!(one_by_one, gathered);
    gathered
}

fn read_by(
    mut http: Http,
    requests: &[u8],
    responses: &[u8],
    step: usize,
    holes: &[std::ops::Range<usize>],
) -> Vec<Found> {
    let mut shelf = Shelf::default();
    feed(&mut http, CLIENT, requests, step, &[], &mut shelf);
    feed(&mut http, SERVER, responses, step, holes, &mut shelf);
    http.end(SERVER, &mut shelf).unwrap();
    http.end(CLIENT, &mut shelf).unwrap();
    assert_eq!((http.held(), http.flows(), http.exchanges.len()), (0, 0, 0), "all memory is given back");
    assert!(shelf.0.iter().all(|body| body.ending.is_some()));
    shelf.0
}

fn feed(
    http: &mut Http,
    flow: FlowId,
    bytes: &[u8],
    step: usize,
    holes: &[std::ops::Range<usize>],
    shelf: &mut Shelf,
) {
    let mut at = 0;
    while at < bytes.len() {
        if let Some(hole) = holes.iter().find(|hole| hole.start == at) {
            http.gap(flow, u64::try_from(at).unwrap(), u64::try_from(hole.len()).unwrap(), shelf).unwrap();
            at = hole.end;
            continue;
        }
        let next =
            holes.iter().map(|hole| hole.start).filter(|start| *start > at).min().unwrap_or(bytes.len());
        let end = (at + step).min(next);
        http.bytes(flow, u64::try_from(at).unwrap(), &bytes[at..end], shelf).unwrap();
        at = end;
    }
}

/// The bodies, the same whatever the pieces.
fn bodies(requests: &str, responses: &[u8]) -> Vec<Found> {
    let whole = read(PLAN, requests.as_bytes(), responses, usize::MAX, &[]);
    for step in [1, 2, 7, 80, 81] {
        assert_eq!(read(PLAN, requests.as_bytes(), responses, step, &[]), whole, "pieces of {step}");
    }
    whole
}

fn summary(found: &[Found]) -> Vec<(u64, &str, BodyEnding)> {
    found
        .iter()
        .map(|body| (body.number, std::str::from_utf8(&body.bytes).unwrap(), body.ending.unwrap()))
        .collect()
}

/// Fields that bring any response above tcpflow's 80 bytes.
const FILL: &str = "Server: one that has a name long enough for any flow to be long enough\r\n";

fn response(status: &str, fields: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{FILL}{fields}\r\n{body}").into_bytes()
}

fn ok(body: &str) -> Vec<u8> {
    response("200 OK", &format!("Content-Type: text/plain\r\nContent-Length: {}\r\n", body.len()), body)
}

use BodyEnding::{BrokenCoding, BrokenFraming, Capped, Complete, Cut, Hole, NoMemory};

#[test]
fn pipelined_responses_are_numbered_with_those_that_have_no_body() {
    let flow = [
        response("100 Continue", "", ""),
        ok("one"),
        response("204 No Content", "", ""),
        ok(""),
        b"\r\n\r\n".to_vec(),
        response("304 Not Modified", "Content-Length: 100\r\n", ""),
        ok("two"),
        response("200 OK", "", "until close HTTP/1.1 200 OK\r\n\r\n"),
    ]
    .concat();
    let found = bodies("", &flow);
    assert_eq!(
        summary(&found),
        [(2, "one", Complete), (6, "two", Complete), (7, "until close HTTP/1.1 200 OK\r\n\r\n", Complete)]
    );
    assert_eq!(found[0].extension, "txt");
    let offset = usize::try_from(found[1].offset).unwrap();
    assert!(flow[offset..].starts_with(b"two"));
}

#[test]
fn a_flow_is_read_only_if_it_is_long_enough_and_begins_as_tcpflow_wants_it() {
    assert_eq!(bodies("", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), []);
    assert_eq!(bodies("", &[b" ".to_vec(), ok("abc")].concat()), []);
    assert_eq!(bodies("", &[b"\x16\x03\x01".to_vec(), ok("abc")].concat()), []);
    let exactly = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(80 - 19));
    assert_eq!(bodies("", exactly.as_bytes()).len(), 1);
    assert_eq!(bodies("", &exactly.as_bytes()[..79]), []);
}

#[test]
fn answers_are_paired_with_requests() {
    let requests = "GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\nPOST /3 HTTP/1.1\r\nContent-Length: 4\r\n\r\nHEADHEAD /4 HTTP/1.1\r\n\r\nCONNECT a:1 HTTP/1.1\r\n\r\n";
    let flow = [
        ok("one"),
        response("100 Continue", "", ""),
        response("200 OK", "Content-Length: 10\r\n", ""),
        ok("three"),
        response("200 OK", "Transfer-Encoding: chunked\r\n", ""),
        response("200 Established", "", ""),
        ok("in the tunnel"),
    ]
    .concat();
    assert_eq!(summary(&bodies(requests, &flow)), [(1, "one", Complete), (4, "three", Complete)]);
}

#[test]
fn an_upgrade_ends_it() {
    let flow = [response("101 Switching Protocols", "Upgrade: websocket\r\n", ""), ok("frames")].concat();
    assert_eq!(bodies("", &flow), []);
}

#[test]
fn lengths_win_and_lose_as_the_standard_has_it() {
    let chunked = "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n";
    let flow = [
        response("200 OK", chunked, "5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"),
        response("200 OK", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
        response("200 OK", "Content-Length: 5\r\nContent-Length: 6\r\n", "lost?"),
        ok("found"),
    ]
    .concat();
    assert_eq!(
        summary(&bodies("", &flow)),
        [(1, "hello", Complete), (2, "hello", Complete), (4, "found", Complete)]
    );
}

#[test]
fn after_something_broken_comes_the_next_that_can_be_found() {
    let flow = [
        ok("one"),
        b"garbage HTTP/1. HTTP/1.1 2\n".to_vec(),
        ok("two"),
        response("200 OK", "Transfer-Encoding: chunked\r\n", "3\r\nabcdef"),
        ok("three"),
        b"HTTP/1.1 200 OK\r\n".to_vec(),
        vec![b'x'; 100_000],
        ok("four"),
    ]
    .concat();
    assert_eq!(
        summary(&bodies("", &flow)),
        [
            (1, "one", Complete),
            (2, "two", Complete),
            (3, "abc", BrokenFraming),
            (4, "three", Complete),
            (5, "four", Complete)
        ]
    );
}

#[test]
fn a_flow_that_ends_too_early_cuts_its_body() {
    let mut flow = ok("one and more");
    flow.truncate(flow.len() - 3);
    assert_eq!(summary(&bodies("", &flow)), [(1, "one and m", Cut)]);
    let chunked = response("200 OK", "Transfer-Encoding: chunked\r\n", "ff\r\nabc");
    assert_eq!(summary(&bodies("", &chunked)), [(1, "abc", Cut)]);
    let mut coded = response("200 OK", "Content-Encoding: gzip\r\n", "");
    coded.extend_from_slice(&gzip(b"text")[..20]);
    assert_eq!(bodies("", &coded)[0].ending, Some(Cut));
}

#[test]
fn codings_are_undone_unless_they_are_not_to_be() {
    let coded = gzip(b"text");
    let fields = format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", coded.len());
    let flow = [response("200 OK", &fields, ""), coded.clone(), ok("next")].concat();
    assert_eq!(summary(&bodies("", &flow)), [(1, "text", Complete), (2, "next", Complete)]);
    let raw = read(HttpPlan { decompress: false, ..PLAN }, b"", &flow, 10, &[]);
    assert_eq!(raw[0].bytes, coded);
    let broken = [response("200 OK", &fields.replace("gzip", "br"), ""), coded, ok("next")].concat();
    assert_eq!(summary(&bodies("", &broken)), [(1, "", BrokenCoding), (2, "next", Complete)]);
}

#[test]
fn a_body_is_capped() {
    let plan = HttpPlan { max_body: Some(10), ..PLAN };
    let coded = gzip(&[b'x'; 100]);
    let fields = format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", coded.len());
    let flow =
        [ok("ten bytes!"), ok("ten bytes and more"), response("200 OK", &fields, ""), coded, ok("next")]
            .concat();
    for step in [1, 50, 10_000] {
        assert_eq!(
            summary(&read(plan, b"", &flow, step, &[])),
            [
                (1, "ten bytes!", Complete),
                (2, "ten bytes ", Capped),
                (3, "xxxxxxxxxx", Capped),
                (4, "next", Complete)
            ]
        );
    }
}

#[test]
fn no_more_of_a_flow_is_read_than_is_kept_of_it() {
    let flow = ok("0123456789");
    let plan = HttpPlan { max_bytes: u64::try_from(flow.len() - 4).ok(), ..PLAN };
    assert_eq!(summary(&read(plan, b"", &flow, 7, &[])), [(1, "012345", Cut)]);
}

#[test]
fn holes_are_zeros_where_they_can_be() {
    let one = ok("0123456789");
    let at = one.len() - 10;
    let flow = [one.clone(), ok("next")].concat();
    let inside = read(PLAN, b"", &flow, 1000, &[at + 2..at + 5]);
    assert_eq!(summary(&inside), [(1, "01\0\0\x0056789", Hole), (2, "next", Complete)]);
    let to_the_end = read(PLAN, b"", &flow, 1000, &[at + 2..at + 10]);
    assert_eq!(summary(&to_the_end), [(1, "01\0\0\0\0\0\0\0\0", Hole), (2, "next", Complete)]);
    let beyond = read(PLAN, b"", &[one, ok("lost"), ok("found")].concat(), 1000, &[at + 2..at + 12]);
    assert_eq!(summary(&beyond), [(1, "01\0\0\0\0\0\0\0\0", Hole), (2, "found", Complete)]);
}

#[test]
fn a_hole_ends_what_is_coded_and_what_is_divided() {
    let coded = gzip(&(0..9999_u32).flat_map(u32::to_be_bytes).collect::<Vec<u8>>());
    let fields = format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", coded.len());
    let head = response("200 OK", &fields, "");
    let flow = [head.clone(), coded, ok("next")].concat();
    let found = read(PLAN, b"", &flow, 1000, &[head.len() + 9000..head.len() + 9001]);
    assert_eq!((found[0].ending, found[1].ending), (Some(Hole), Some(Complete)));
    assert!(found[0].bytes.len() > 4000 && found[0].bytes.starts_with(b"\0\0\0\0\0\0\0\x01"));
    let chunked = response("200 OK", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
    let at = chunked.len() - 16;
    let flow = [chunked, ok("next")].concat();
    let found = read(PLAN, b"", &flow, 1000, &[at..at + 4]);
    assert_eq!(summary(&found), [(1, "ab\0", Hole), (2, "next", Complete)]);
}

#[test]
fn bodies_of_requests_are_there_if_they_are_wanted() {
    let requests = b"POST /1 HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}PUT /2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    assert_eq!(read(PLAN, requests, b"", 10, &[]), []);
    let found = read(HttpPlan { requests: true, ..PLAN }, requests, b"", 10, &[]);
    assert_eq!(summary(&found), [(1, "{}", Complete), (2, "ab", Complete)]);
    assert!(found[0].request && found[0].extension == "json");
}

#[test]
fn memory_is_bounded_for_all() {
    let mut http = Http::new(PLAN, 200_000);
    let mut shelf = Shelf::default();
    let coded = gzip(&vec![7; 100_000]);
    for number in 0..10 {
        let (flow, head) = (FlowId(number), response("200 OK", "Content-Encoding: gzip\r\n", ""));
        http.open(flow, number, true);
        http.bytes(flow, 0, &head, &mut shelf).unwrap();
        http.bytes(flow, 1000, &coded[..20], &mut shelf).unwrap();
        assert!(http.held() <= 200_000);
    }
    for number in 0..10 {
        http.end(FlowId(number), &mut shelf).unwrap();
    }
    assert_eq!(http.held(), 0);
    assert!(shelf.0.iter().any(|body| body.ending == Some(NoMemory)));
}

#[test]
fn what_is_in_no_body_comes_as_it_was_sent() {
    let coded = gzip(b"text");
    let fields = format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", coded.len());
    let head = response("200 OK", &fields, "");
    let flow = [&head[..], &coded, b"junk ", &head, &coded, b"more junk"].concat();
    for step in [1, 100, 10_000] {
        let mut http = http(PLAN);
        let mut shelf = Shelf::default();
        feed(&mut http, SERVER, &flow, step, &[], &mut shelf);
        http.end(SERVER, &mut shelf).unwrap();
        assert_eq!(shelf.1, [&head[..], b"junk ", &head, b"more junk"].concat());
        assert_eq!(summary(&shelf.0), [(1, "text", Complete), (2, "text", Complete)]);
    }
    for other in [&b"SSH-2.0-OpenSSH_9.2p1\r\n\0\0\0"[..], b"HTTP/1.1 200 too short", b"a"] {
        let mut http = http(PLAN);
        let mut shelf = Shelf::default();
        feed(&mut http, SERVER, other, 1, &[], &mut shelf);
        http.end(SERVER, &mut shelf).unwrap();
        assert_eq!(shelf.1, other);
    }
}

#[test]
fn what_is_no_http_takes_nothing() {
    let mut http = http(PLAN);
    http.bytes(SERVER, 0, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &mut Shelf::default()).unwrap();
    http.bytes(CLIENT, 0, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", &mut Shelf::default()).unwrap();
    assert_eq!((http.flows(), http.held()), (0, 0));
}
