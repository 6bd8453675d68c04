//! Captures of real tunnels: made by the kernel, recorded by tcpdump, and read by `tcpflow` as savefiles.
//!
//! A kernel that has no such device counts as one that cannot be asked.

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, ExitCode};

use tcpflow_tests::capture::{ETHERNET, Order, pcapng};
use tcpflow_tests::conversation::Conversation;
use tcpflow_tests::lab::{self, Ends, INTERFACE, Lab, SERVER, WIRE, WIRE_V6, body};
use tcpflow_tests::report::{Element, assert_conserved, set_aside};
use tcpflow_tests::run::Bench;
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Case, Need};

/// Addresses within tunnels, and within tunnels that have another within them.
const INNER: Ends = ("198.51.100.1", "198.51.100.2");
const INNER_V6: Ends = ("2001:db8:7::1", "2001:db8:7::2");
const MIDDLE: Ends = ("203.0.113.1", "203.0.113.2");

/// What is transferred.
const TRANSFER: usize = 300_000;

const NEEDS: [Need; 4] =
    [Need::Namespaces, Need::Program("curl"), Need::Program("python3"), Need::Program("tcpdump")];
const OURS: Need = Need::Ours("it opens no tunnel and knows no Linux cooked capture of version 2");

/// A device that carries packets in others.
struct Tunnel {
    name: &'static str,
    /// For `ip link add`.
    words: &'static str,
    /// A second one within it.
    within: Option<&'static str>,
    /// The addresses outside.
    outer: Ends,
    /// The addresses inside that are used.
    inner: Ends,
}

const fn tunnel(name: &'static str, words: &'static str) -> Tunnel {
    Tunnel { name, words, within: None, outer: WIRE, inner: INNER }
}

const TUNNELS: [Tunnel; 16] = [
    tunnel("vxlan", "type vxlan id 42 dstport 4789 local {local} remote {remote}"),
    tunnel("vxlan_on_linux_port", "type vxlan id 42 dstport 8472 local {local} remote {remote}"),
    Tunnel {
        outer: WIRE_V6,
        ..tunnel("vxlan_over_ipv6", "type vxlan id 42 dstport 4789 local {local} remote {remote}")
    },
    Tunnel {
        inner: INNER_V6,
        ..tunnel("vxlan_of_ipv6", "type vxlan id 42 dstport 4789 local {local} remote {remote}")
    },
    tunnel("geneve", "type geneve id 42 remote {remote}"),
    tunnel("gre", "type gre local {local} remote {remote} csum"),
    tunnel("gre_with_key", "type gre local {local} remote {remote} key 7 seq"),
    tunnel("gretap", "type gretap local {local} remote {remote} key 7"),
    tunnel("erspan_ii", "type erspan seq key 7 local {local} remote {remote} erspan_ver 1 erspan 5"),
    tunnel(
        "erspan_iii",
        "type erspan seq key 7 local {local} remote {remote} erspan_ver 2 erspan_dir ingress",
    ),
    tunnel("4in4", "type ipip local {local} remote {remote}"),
    Tunnel { inner: INNER_V6, ..tunnel("6in4", "type sit local {local} remote {remote}") },
    Tunnel { outer: WIRE_V6, ..tunnel("4in6", "type ip6tnl mode any local {local} remote {remote}") },
    tunnel("vlan", "link wire0 type vlan id 5"),
    tunnel("provider_vlan", "link wire0 type vlan proto 802.1ad id 5"),
    Tunnel {
        within: Some("link tunnel0 type vlan id 6"),
        ..tunnel("qinq", "link wire0 type vlan proto 802.1ad id 5")
    },
];

fn main() -> ExitCode {
    let mut all: Vec<Case> = Vec::new();
    for tunnel in TUNNELS {
        let needs = [&NEEDS[..], &[OURS, Need::Device(tunnel.words)]].concat();
        all.push(Case::new(tunnel.name, &needs, move || through(&tunnel)));
    }
    let ours = [&NEEDS[..], &[OURS]].concat();
    let with = |words| [&ours[..], &[Need::Device(words)]].concat();
    all.push(Case::new("vxlan_in_vxlan", &with(NESTED.words), || through(&NESTED)));
    all.push(Case::new("vxlan_in_fragments", &with(TUNNELS[0].words), in_fragments));
    all.push(Case::new("without_decap_the_outer_packets_are_no_tcp", &with(TUNNELS[0].words), shut));
    all.push(Case::new("what_the_snap_length_cut_off_is_told", &ours, cut_by_the_snap_length));
    let with_tools = [&ours[..], &[Need::Program("mergecap"), Need::Program("editcap")]].concat();
    all.push(Case::new("files_of_wiresharks_tools", &with_tools, files_of_other_tools));
    let with_dumpcap = [&ours[..], &[Need::Program("dumpcap")]].concat();
    all.push(Case::new("dumpcap_says_what_it_lost", &with_dumpcap, dumpcap_says_what_it_lost));
    all.push(Case::new("losses_of_a_recorder_are_told", &[OURS], losses_of_a_recorder_are_told));
    suite::main(all)
}

const NESTED: Tunnel = Tunnel {
    within: Some("type vxlan id 43 dstport 4789 local {local} remote {remote}"),
    ..tunnel("vxlan_in_vxlan", "type vxlan id 42 dstport 4789 local {local} remote {remote}")
};

/// A lab whose server has a file of random bytes.
struct Scene {
    lab: Lab,
    bench: Bench,
    content: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let (lab, bench, content) = lab::serving(TRANSFER);
        Self { lab, bench, content }
    }

    /// Records a transfer on the wire and on all interfaces.
    fn record(&self, server: &str, more: &[&str]) {
        let recordings = ["any", INTERFACE].map(|interface| {
            let file = self.bench.path().join(format!("{interface}.pcap"));
            self.lab.record(interface, more, &file)
        });
        assert!(self.lab.fetch_from(server, "random") == self.content, "curl got something else");
        for recording in recordings {
            recording.stop();
        }
    }

    /// Reads a file and gives the report.
    fn read(&self, file: &str, more: &[&str]) -> Element {
        let _ = std::fs::remove_dir_all(self.bench.path().join("out"));
        let _ = self.bench.run(&[&["-r", file, "-o", "out"], more].concat()).finish().expect(0);
        let report = self.bench.report("out/report.xml");
        assert_conserved(&report);
        report
    }

    /// Sees that exactly what was served from this address was recorded, once or, with tunnels looked at from
    /// both their ends, as often.
    fn check(&self, file: &str, server: &str) -> Element {
        let report = self.read(file, &[]);
        let flows = self.bench.flows("out");
        let name = format!("{}.00080-", padded(server));
        let replies: Vec<_> = flows.iter().filter(|(flow, _)| flow.starts_with(&name)).collect();
        assert!(!replies.is_empty(), "{file}: none of {:?} is {name}", flows.keys());
        for (flow, reply) in &replies {
            assert!(body(&reply.bytes) == self.content, "{file}: {flow} differs");
        }
        assert_eq!(flows.len(), 2 * replies.len(), "{file}: as many requests: {:?}", flows.keys());
        report
    }
}

/// An address as it is in names.
fn padded(address: &str) -> String {
    match address.parse().unwrap() {
        IpAddr::V4(v4) => v4.octets().map(|octet| format!("{octet:03}")).join("."),
        IpAddr::V6(v6) => v6.to_string(),
    }
}

fn count(report: &Element, reason: &str) -> u64 {
    set_aside(report, "frames").iter().filter(|(is, _)| is == reason).map(|(_, count)| count).sum()
}

/// Bytes that the snap length cut off of all flows.
fn cut(report: &Element) -> u64 {
    report.all("tcpflow").iter().filter_map(|flow| flow.get("cut")?.parse::<u64>().ok()).sum()
}

fn through(tunnel: &Tunnel) {
    let scene = Scene::new();
    match tunnel.within {
        None => scene.lab.join("tunnel0", tunnel.words, tunnel.outer, &[INNER, INNER_V6]),
        Some(within) => {
            scene.lab.join("tunnel0", tunnel.words, tunnel.outer, &[MIDDLE]);
            scene.lab.join("tunnel1", within, MIDDLE, &[INNER, INNER_V6]);
        }
    }
    scene.record(tunnel.inner.0, &[]);
    let _ = scene.check("any.pcap", tunnel.inner.0);
    let report = scene.check(&format!("{INTERFACE}.pcap"), tunnel.inner.0);
    assert_eq!(report.one("total_flows").count(), 2, "on the wire each byte is once");
}

/// The tunnel's packets are as long as the wire's, so that those around them are longer and come in parts.
fn in_fragments() {
    let scene = Scene::new();
    scene.lab.join("tunnel0", TUNNELS[0].words, WIRE, &[INNER]);
    scene.lab.set("tunnel0", &["mtu", "1500"]);
    scene.record(INNER.0, &[]);
    let report = scene.check(&format!("{INTERFACE}.pcap"), INNER.0);
    assert!(count(&report, "fragment_reassembled") > 0, "{:?}", set_aside(&report, "frames"));
}

fn shut() {
    let scene = Scene::new();
    scene.lab.join("tunnel0", TUNNELS[0].words, WIRE, &[INNER]);
    scene.record(INNER.0, &[]);
    let report = scene.read(&format!("{INTERFACE}.pcap"), &["-S", "decap=no"]);
    assert!(scene.bench.flows("out").is_empty());
    assert!(count(&report, "not_tcp") > 0, "{:?}", set_aside(&report, "frames"));
}

fn cut_by_the_snap_length() {
    let scene = Scene::new();
    scene.record(SERVER, &["-s", "96"]);
    let report = scene.read(&format!("{INTERFACE}.pcap"), &[]);
    let written = report.one("payload").number("written");
    let sizes: u64 = report.all("filesize").iter().map(|size| size.count()).sum();
    assert!(cut(&report) > 200_000, "nearly all of it: {report:?}");
    // Every byte that was sent was either captured or is told of; a file ends with its last captured byte.
    assert!(written + cut(&report) > u64::try_from(TRANSFER).unwrap(), "{written} {report:?}");
    assert!((written..=written + cut(&report)).contains(&sizes), "{written} {sizes} {report:?}");
}

/// One recording in every format and precision of other people's writers.
fn files_of_other_tools() {
    let scene = Scene::new();
    scene.record(SERVER, &[]);
    let at = |file: &str| scene.bench.path().join(file);
    let run = |program: &str, options: &[&str], files: &[&Path]| {
        let output = Command::new(program).args(options).args(files).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let (wire, any) = (at(&format!("{INTERFACE}.pcap")), at("any.pcap"));
    for format in ["pcapng", "nsecpcap", "modpcap"] {
        run("editcap", &["-F", format], &[&wire, &at(format)]);
        let _ = scene.check(format, SERVER);
    }
    // Two link types in one file, which is why it is a pcapng: each frame is there twice.
    run("mergecap", &["-F", "pcapng", "-w"], &[&at("merged"), &wire, &any]);
    let report = scene.check("merged", SERVER);
    assert_eq!(report.one("total_flows").count(), 2, "the same connection");
    // The snap length of the interface is the file's now, and each frame is shorter.
    run("editcap", &["-F", "pcapng", "-s", "96"], &[&wire, &at("cut")]);
    let report = scene.read("cut", &[]);
    assert!(cut(&report) > 200_000, "{report:?}");
}

fn dumpcap_says_what_it_lost() {
    let scene = Scene::new();
    let recording = scene.lab.record_with_dumpcap(INTERFACE, &scene.bench.path().join("dumpcap"));
    assert!(scene.lab.fetch("random") == scene.content, "curl got something else");
    recording.stop();
    let report = scene.check("dumpcap", SERVER);
    let drops = report.one("savefile_drops");
    assert_eq!(drops.number("dropped"), 0, "{drops:?}");
    assert!(drops.number("received") >= report.one("total_packets").count(), "{drops:?}");
}

/// Statistics of an interface that received 12 packets and lost 3, as a block of a pcapng.
const LOSSES: [u8; 52] = [
    5, 0, 0, 0, 52, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 8, 0, 12, 0, 0, 0, 0, 0, 0, 0, 7, 0,
    8, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 52, 0, 0, 0,
];

fn losses_of_a_recorder_are_told() {
    let packets = Conversation::default().exchange(b"request", b"reply").packets;
    let file = [pcapng(Order::Little, ETHERNET, &packets), LOSSES.to_vec()].concat();
    let bench = Bench::of(Subject::Ours).file("in", &file);
    let run = bench.run(&["-r", "in", "-o", "out"]).finish().expect(0);
    let _ = run.says("in: 3 packets were dropped when it was recorded");
    assert_eq!(bench.flows("out").len(), 2);
    let report = bench.report("out/report.xml");
    let drops = report.one("savefile_drops");
    assert_eq!((drops.number("received"), drops.number("dropped"), drops.number("by_system")), (12, 3, 3));
}
