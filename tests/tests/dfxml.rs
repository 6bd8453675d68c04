//! `-S dfxml=strict`: a report that is valid by the schema of DFXML, whatever the run, and says what the other one says.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nix::sys::signal::Signal;
use tcpflow_tests::capture::{ETHERNET, Packet, pcap, pcapng_of};
use tcpflow_tests::cases;
use tcpflow_tests::conversation::{Conversation, Link, START, Side};
use tcpflow_tests::lab::{self, INTERFACE};
use tcpflow_tests::report::{Element, assert_conserved};
use tcpflow_tests::run::Bench;
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Need};
use tempfile::TempDir;

const LINT: Need = Need::Program("xmllint");

fn main() -> ExitCode {
    let mut all = cases![both_reports_say_the_same, what_is_not_a_layout_is_refused];
    all.extend(cases![&[LINT];
        reports_of_all_kinds_are_valid,
        a_report_is_valid_while_it_is_written_and_when_the_run_breaks_off,
    ]);
    all.extend(cases![&[LINT, Need::Program("python3")]; what_a_plugin_returns_is_valid]);
    all.extend(cases![&[LINT, Need::Root]; a_report_on_a_full_disk_is_valid]);
    all.extend(cases![&[LINT, Need::Namespaces, Need::Program("python3"), Need::Program("curl")];
        a_report_of_a_live_capture_is_valid]);
    suite::main(all)
}

/// Reports that were gathered.
struct Gathered(TempDir, Vec<PathBuf>);

impl Gathered {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), Vec::new())
    }

    /// Keeps a report as it is now.
    fn take(&mut self, bench: &Bench, path: &str) {
        let kept = self.0.path().join(format!("{}.xml", self.1.len()));
        std::fs::copy(bench.path().join(path), &kept).unwrap();
        self.1.push(kept);
    }

    /// Sees that all are valid.
    #[track_caller]
    fn are_valid(&self) {
        assert!(!self.1.is_empty());
        if let Err(words) = valid(&self.1) {
            panic!("{words}");
        }
    }
}

/// Whether all of these documents are of the schema; without the network, for all that it imports is beside it.
fn valid(documents: &[PathBuf]) -> Result<(), String> {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("dfxml/dfxml.xsd");
    let mut command = Command::new("xmllint");
    command.args(["--noout", "--nonet", "--huge", "--schema"]).arg(schema).args(documents);
    let said = command.output().unwrap();
    if said.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said.stderr).into_owned()) }
}

fn run(bench: &Bench, options: &[&str], code: i32) {
    let line = [&["-r", "in.pcap", "-o", "out", "-S", "dfxml=strict"], options].concat();
    let _ = bench.run(&line).finish().expect(code);
}

/// What makes all elements that there are of flows: holes, what was cut off, copies that differ, endings, VLANs, bodies.
fn packets() -> Vec<Packet> {
    let mut holes = Conversation::default();
    holes.open();
    holes.data(Side::Client, 5, b"fgh");
    holes.data(Side::Client, 9, b"jk");
    holes.data(Side::Client, 5, b"fgX");
    holes.data(Side::Client, 11, b"lmno");
    holes.packets.last_mut().unwrap().bytes.truncate(14 + 20 + 20 + 1);
    let ends = |port| Conversation { client: ([192, 0, 2, 3].into(), port), ..Conversation::default() };
    let mut reset = ends(1);
    reset.open();
    reset.data(Side::Client, 0, b"x");
    reset.data(Side::Client, 1 << 20, b"y");
    reset.rst(Side::Client, (1 << 20) + 1);
    let web = Conversation { link: Link::Ethernet(vec![(0x8100, 0x6007)]), ..ends(2) };
    let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 900\r\n\r\ncut";
    let mut packets = [holes.packets, reset.packets].concat();
    packets.extend(web.exchange(b"GET / HTTP/1.1\r\n\r\n", answer).packets);
    packets.extend(Conversation::v6().exchange(b"six", b"SIX").packets);
    packets.push(Packet::whole(START, vec![0xff; 60]));
    packets
}

/// Beacons of networks whose names are nothing that XML could hold.
fn beacons() -> Vec<u8> {
    let beacon = |ssid: &[u8]| {
        let length = u8::try_from(ssid.len()).unwrap();
        let mac = [2, 0, 0, 0, 0, 1];
        let frame = [&[0x80, 0, 0, 0][..], &[0xff; 6], &mac, &mac, &[0; 14], &[0, length], ssid].concat();
        Packet::whole(START, [&[0, 0, 9, 0, 2, 0, 0, 0, 0][..], &frame].concat())
    };
    let names = [&b"<&'\">]]>"[..], "caf\u{e9}\u{ffff}".as_bytes(), b"\xff\0\n\x1b[2J", b""];
    pcap(127, &names.map(beacon))
}

fn reports_of_all_kinds_are_valid() {
    let mut reports = Gathered::new();
    for options in [
        &[][..],
        &["-a", "-S", "hash=md5,sha1,sha256", "-S", "http_requests=YES"],
        &["-K", "-FM"],
        &["-I", "-b", "2"],
        &["-FX"],
        &["-x", "tcpdemux"],
        &["-w", "rest.pcap", "-e", "netviz", "-S", "netviz_histogram_dump=YES"],
        &["-S", "max_hole=0"],
        &["-S", "tcp_timeout=1", "-S", "tdelta=3155760000000"],
        &["-S", "tdelta=-3155760000000"],
        &["-S", "tcp_cmd=true"],
        &["-T", "%N\u{1f}\u{7f}<&'\"\u{fffe}\u{1f600}"],
        &["tcp port 1"],
    ] {
        let bench = Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &packets()));
        run(&bench, options, 0);
        assert_conserved(&plain(bench.report("out/report.xml")));
        reports.take(&bench, "out/report.xml");
    }
    let bench = Bench::of(Subject::Ours).file("in.pcap", &beacons());
    run(&bench, &["-e", "wifiviz"], 0);
    assert_eq!(bench.report("out/report.xml").all("tcpflow:ssid").len(), 4);
    reports.take(&bench, "out/report.xml");
    // One in each of several directories, between which flows go on.
    let bench = Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &packets()));
    run(&bench, &["-a", "--rotate", "2s"], 0);
    let rotated: Vec<String> =
        bench.tree("out").into_keys().filter(|name| name.ends_with("/report.xml")).collect();
    assert!(rotated.len() > 2, "{rotated:?}");
    rotated.iter().for_each(|name| reports.take(&bench, &format!("out/{name}")));
    // Written to a pipe; on the console, where it has to be asked for; of a savefile that is cut.
    let bench = Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &packets()));
    let line = ["-r", "in.pcap", "-o", "out", "-S", "dfxml=strict", "-X", "/dev/stdout"];
    let piped = bench.run(&line).finish().expect(0).stdout;
    std::fs::write(bench.path().join("piped.xml"), piped).unwrap();
    reports.take(&bench, "piped.xml");
    run(&bench, &["-c", "-X", "x.xml"], 0);
    reports.take(&bench, "x.xml");
    let mut cut = pcapng_of(tcpflow_tests::capture::Order::Big, &[(ETHERNET, packets())]);
    cut.pop();
    let bench = Bench::of(Subject::Ours).file("in.pcap", &cut);
    run(&bench, &[], 1);
    assert_eq!(bench.report("out/report.xml").all("tcpflow:interrupted").len(), 1);
    reports.take(&bench, "out/report.xml");
    reports.are_valid();
    // That the schema refuses something.
    let bench = Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &packets()));
    let _ = bench.run(&["-r", "in.pcap", "-o", "out"]).finish().expect(0);
    let words = valid(&[bench.path().join("out/report.xml")]).unwrap_err();
    assert!(words.contains("fails to validate"), "{words}");
}

fn a_report_is_valid_while_it_is_written_and_when_the_run_breaks_off() {
    let mut reports = Gathered::new();
    for victim in ["tcpflow-capture", "tcpflow-reassembler", "tcpflow-writer"] {
        let bench = Bench::of(Subject::Ours);
        let mut running = bench.run(&["-r", "-", "-o", "out", "-S", "dfxml=strict"]).start();
        running.write(&pcap(ETHERNET, &packets()));
        let path = bench.path().join("out/report.xml");
        // Two flows have ended by FIN.
        running.wait_until("flows in the report", |_| {
            std::fs::read_to_string(&path).is_ok_and(|text| text.contains("</fileobject>"))
        });
        reports.take(&bench, "out/report.xml");
        running.signal_role(victim, Signal::SIGKILL);
        let _ = running.wait().expect(1);
        assert_eq!(bench.report("out/report.xml").all("tcpflow:interrupted").len(), 1, "{victim}");
        reports.take(&bench, "out/report.xml");
    }
    reports.are_valid();
}

fn what_a_plugin_returns_is_valid() {
    let module = "def hostile(flow): return '<x>]]>&\\x00\\x1b\\uffff\\ud800' * 9000\ndef fails(flow): raise Exception('<&')\n";
    let mut reports = Gathered::new();
    for (function, found) in [("hostile", "truncated"), ("fails", "failed")] {
        let bench = Bench::of(Subject::Ours)
            .file("in.pcap", &pcap(ETHERNET, &packets()))
            .folder("py", 0o755)
            .file("py/it.py", module.as_bytes());
        let function = format!("py_function={function}");
        run(&bench, &["-e", "python", "-S", "py_path=py", "-S", "py_module=it", "-S", &function], 0);
        let results = bench.report("out/report.xml");
        assert!(
            results.all("tcpflow:result").iter().any(|result| result.get(found).is_some()),
            "{results:?}"
        );
        reports.take(&bench, "out/report.xml");
    }
    reports.are_valid();
}

/// Flows until the disk is full: what does not fit is lacking, and the end is there.
fn a_report_on_a_full_disk_is_valid() {
    let talks = (1000..3000).flat_map(|port| {
        let talk = Conversation { client: ([192, 0, 2, 1].into(), port), ..Conversation::default() };
        talk.exchange(b"hello", b"reply").packets
    });
    let bench = Bench::of(Subject::Ours)
        .file("in.pcap", &pcap(ETHERNET, &talks.collect::<Vec<_>>()))
        .folder("out", 0o755);
    let script = "mount -t tmpfs -o size=512k none out && \"$@\"; code=$?; cp out/report.xml .; exit $code";
    let words = ["unshare", "--mount", "sh", "-c", script, "sh"];
    let line = ["-r", "in.pcap", "-o", "out", "-S", "dfxml=strict", "-FX"];
    let _ = bench.run(&line).after(&words).finish().expect(1).says("No space left on device");
    assert_eq!(bench.report("report.xml").all("tcpflow:lacking").len(), 1);
    let mut reports = Gathered::new();
    reports.take(&bench, "report.xml");
    reports.are_valid();
}

fn a_report_of_a_live_capture_is_valid() {
    let (lab, bench, content) = lab::serving(1 << 20);
    let line = ["-i", INTERFACE, "-U", "nobody", "-o", "out", "-S", "dfxml=strict"];
    let mut running = bench.run(&line).after(&lab.at_server()).start();
    running.wait_for(&format!("listening on {INTERFACE}"));
    assert_eq!(lab.fetch("random"), content);
    running.signal(Signal::SIGINT);
    let _ = running.wait().expect(0);
    assert_eq!(bench.report("out/report.xml").all("tcpflow:kernel").len(), 1);
    let mut reports = Gathered::new();
    reports.take(&bench, "out/report.xml");
    reports.are_valid();
}

/// A strict report with the names of the other.
fn plain(mut element: Element) -> Element {
    if element.name != "tcpflow:result" {
        element.name = element.name.trim_start_matches("tcpflow:").to_owned();
    }
    element.children = element.children.into_iter().map(plain).collect();
    element
}

/// What a report says: each element that has no others in it, in an order that does not depend on the layout.
fn said(report: &Element) -> Vec<String> {
    // What no two runs have in common, what the layout is, and what says how the run was called.
    const APART: [&str; 8] =
        ["rusage", "sandbox", "metadata", "configuration", "command_line", "start_time", "summary", "dfxml"];
    fn walk(element: &Element, said: &mut Vec<String>) {
        let layout = ["dfxml", "configuration", "summary"].contains(&element.name.as_str());
        if APART.contains(&element.name.as_str()) && !layout {
            return;
        }
        if !layout {
            said.push(format!("{} {:?} {:?}", element.name, element.attributes, element.text.trim()));
        }
        element.children.iter().for_each(|child| walk(child, said));
    }
    let mut all = Vec::new();
    walk(report, &mut all);
    all.sort();
    all
}

fn both_reports_say_the_same() {
    for options in [&["-a", "-S", "hash=md5,sha256"][..], &["-K"], &["-b", "2", "-S", "tdelta=-7"]] {
        let bench = Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &packets()));
        let line = [&["-r", "in.pcap", "-o", "out"], options].concat();
        let _ = bench.run(&line).finish().expect(0);
        let other = said(&bench.report("out/report.xml"));
        std::fs::remove_dir_all(bench.path().join("out")).unwrap();
        run(&bench, options, 0);
        let strict = bench.report("out/report.xml");
        assert_eq!(strict.name, "dfxml");
        assert_eq!(said(&plain(strict)), other, "{options:?}");
        assert!(other.len() > 50, "{}", other.len());
    }
}

fn what_is_not_a_layout_is_refused() {
    let bench = Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &packets()));
    let line = ["-r", "in.pcap", "-o", "out", "-S", "dfxml=loose"];
    let _ = bench.run(&line).finish().expect(1).says("dfxml=loose: tcpflow or strict");
}
