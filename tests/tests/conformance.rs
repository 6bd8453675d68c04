//! Ours against the original: the same command line on the same capture, and what each leaves behind.

use std::process::ExitCode;

use tcpflow_tests::capture::{ETHERNET, Packet, pcap};
use tcpflow_tests::conversation::{Conversation, Flags, Link, START, Side};
use tcpflow_tests::report::Element;
use tcpflow_tests::run::{Bench, kept_captures};
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Case, Need};
use tcpflow_tests::tree::Tree;

fn main() -> ExitCode {
    let mut all = Vec::new();
    for (name, link_type, packets) in captures() {
        all.push(case(format!("capture_{name}"), pcap(link_type, &packets), &[]));
    }
    for entry in std::fs::read_dir(kept_captures()).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "pcap") {
            let name = path.file_stem().unwrap().to_str().unwrap().replace('-', "_");
            all.push(case(format!("kept_{name}"), std::fs::read(&path).unwrap(), &[]));
        }
    }
    let two = pcap(ETHERNET, &[exchange(1000, 0), exchange(1001, 60)].concat());
    for (name, options) in command_lines() {
        all.push(case(format!("options_{name}"), two.clone(), options));
    }
    suite::main(all)
}

fn case(name: String, capture: Vec<u8>, options: &'static [&'static str]) -> Case {
    Case::new(name, &[Need::Original], move || compare(&capture, options))
}

/// What one program made of it.
struct Made {
    code: i32,
    files: Tree,
    /// Flows as the report has them, in any order.
    flows: Vec<String>,
    packets: u64,
    total: u64,
}

fn make(subject: Subject, capture: &[u8], options: &[&str]) -> Made {
    let bench = Bench::of(subject).file("in.pcap", capture);
    let outcome = bench.run(&[&["-r", "in.pcap", "-o", "out"], options].concat()).finish();
    let report = bench.report("out/report.xml");
    let mut flows: Vec<String> = report.all("fileobject").into_iter().map(flow).collect();
    flows.sort();
    Made {
        code: outcome.code(),
        files: bench.flows("out"),
        flows,
        packets: report.one("total_packets").count(),
        total: report.one("total_flows").count(),
    }
}

fn compare(capture: &[u8], options: &[&str]) {
    let [ours, theirs] = [Subject::Ours, Subject::Theirs].map(|subject| make(subject, capture, options));
    assert_eq!(ours.code, theirs.code, "exit status");
    assert!(ours.files.keys().eq(theirs.files.keys()), "{:?}, {:?}", ours.files.keys(), theirs.files.keys());
    for (name, file) in &theirs.files {
        assert!(ours.files[name].bytes == file.bytes, "{name}: other content");
        assert_eq!((ours.files[name].mtime, ours.files[name].mode), (file.mtime, file.mode), "{name}");
    }
    assert_eq!(ours.flows, theirs.flows, "flows in the report");
    assert_eq!(ours.total, theirs.total, "total_flows");
    assert_eq!(ours.packets, theirs.packets, "total_packets");
}

/// What a fileobject says that both programs say.
fn flow(object: &Element) -> String {
    let text = |name| object.all(name).first().map_or("-", |element: &&Element| element.text.as_str());
    let flow = object.one("tcpflow");
    let attributes =
        ["startime", "endtime", "family", "src_ipn", "dst_ipn", "srcport", "dstport", "packets", "len"];
    let values: Vec<String> = attributes.iter().map(|name| format!("{name}={:?}", flow.get(name))).collect();
    format!("{} {} {}", text("filename"), text("filesize"), values.join(" "))
}

fn exchange(port: u16, later: u64) -> Vec<Packet> {
    let client = ([192, 0, 2, 1].into(), port);
    let talk = Conversation { client, clock: START + later * 1_000_000_000, ..Conversation::default() };
    talk.exchange(b"hello world\n", b"reply\n").packets
}

/// Captures of which both must make the same.
fn captures() -> Vec<(&'static str, u16, Vec<Packet>)> {
    let mut hole = Conversation::default();
    hole.open();
    hole.data(Side::Client, 0, b"abc");
    hole.data(Side::Client, 6, b"ghi");
    let mut disorder = Conversation::default();
    disorder.open();
    for offset in [3, 0, 6, 3] {
        disorder.data(Side::Server, offset, &b"abcdefghi"[offset..offset + 3]);
    }
    let mut headless = Conversation::default();
    headless.data(Side::Client, 1000, b"abcd");
    headless.data(Side::Client, 1004, b"efgh");
    let mut wrap = Conversation { initial: (u32::MAX - 2, 7), ..Conversation::default() };
    wrap.open();
    wrap.data(Side::Client, 0, b"abcd");
    wrap.data(Side::Client, 4, b"efgh");
    let mut reset = Conversation::default();
    reset.open();
    reset.data(Side::Client, 0, b"abc");
    reset.rst(Side::Client, 3);
    reset.segment(Side::Client, 70_000, Flags { syn: true, ..Flags::default() }, &[]);
    reset.segment(Side::Client, 70_001, Flags::default(), b"new");
    let mut keep_alive = Conversation::default();
    keep_alive.open();
    keep_alive.data(Side::Client, 0, b"abc");
    keep_alive.data(Side::Client, 2, b"\0");
    keep_alive.data(Side::Client, 3, b"def");
    let tagged = Conversation { link: Link::Ethernet(vec![(0x8100, 42)]), ..Conversation::default() };
    let cooked = Conversation { link: Link::LinuxSll, ..Conversation::v6() };
    vec![
        ("plain", 1, exchange(1000, 0)),
        ("two_connections", 1, [exchange(1000, 0), exchange(1001, 60)].concat()),
        ("v6", 1, Conversation::v6().exchange(b"hello", b"reply").packets),
        ("no_payload", 1, Conversation::default().exchange(b"", b"").packets),
        ("hole", 1, hole.packets),
        ("disorder", 1, disorder.packets),
        ("without_syn", 1, headless.packets),
        ("wrap", 1, wrap.packets),
        ("reset", 1, reset.packets),
        ("keep_alive", 1, keep_alive.packets),
        ("vlan", 1, tagged.exchange(b"hello", b"reply").packets),
        ("linux_sll", cooked.link.link_type(), cooked.exchange(b"hello", b"reply").packets),
    ]
}

fn command_lines() -> Vec<(&'static str, &'static [&'static str])> {
    vec![
        ("filter", &["port", "1001"]),
        ("filter_in_one_word", &["src port 80"]),
        ("max_skip", &["-m", "1000"]),
        ("quiet", &["-q"]),
        ("silent", &["-d0"]),
        ("no_promiscuous", &["-p"]),
        ("user", &["-S", "tdelta=3600"]),
    ]
}
