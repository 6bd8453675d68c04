//! Live capture, as root: two namespaces, a real HTTP server, curl, and `tcpflow` between them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::User;
use policy::manifest;
use tcpflow_tests::lab::{self, CLIENT, INTERFACE, Lab, SERVER, body};
use tcpflow_tests::process::Process;
use tcpflow_tests::report::Element;
use tcpflow_tests::run::{Bench, Running};
use tcpflow_tests::suite::{self, Case, Need};

/// What is transferred: more than any buffer on the way holds.
const TRANSFER: usize = 20 << 20;

/// How soon a run that is told to end must have ended.
const AT_ONCE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let needs = [Need::Namespaces, Need::Program("curl"), Need::Program("python3"), Need::Program("ss")];
    let ours = [&needs[..], &[Need::Ours("it cannot write where -U asks, and is one process")]].concat();
    let mut all = Vec::new();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let name = format!("a_transfer_is_recorded_until_{}", signal.as_str().to_lowercase());
        all.push(Case::new(name, &ours, move || a_transfer_is_recorded(signal)));
    }
    for victim in ROLES {
        let name = format!("{}_killed_ends_all", victim.replace('-', "_"));
        all.push(Case::new(name, &ours, move || a_role_killed_ends_all(victim)));
    }
    all.push(Case::new("every_role_is_confined_while_it_runs", &ours, every_role_is_confined));
    all.push(Case::new("a_filter_is_the_kernels", &ours, a_filter_is_applied));
    all.push(Case::new("the_interface_is_not_made_promiscuous_with_p", &ours, promiscuous_unless_told));
    suite::main(all)
}

const ROLES: [&str; 3] = ["tcpflow-capture", "tcpflow-reassembler", "tcpflow-writer"];

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

    /// As in the README: `tcpflow -i IF -U nobody -o out`, with its roles at work.
    fn capture(&self, more: &[&str]) -> Running {
        let line = [&["-i", INTERFACE, "-U", "nobody", "-o", "out"], more].concat();
        let mut running = self.bench.run(&line).after(&self.lab.at_server()).start();
        running.wait_for(&format!("listening on {INTERFACE}"));
        running.wait_until("three roles", |running| running.roles().len() == ROLES.len());
        running
    }

    fn transfer(&self) {
        assert!(self.lab.fetch("random") == self.content, "curl got something else than was served");
    }

    /// The flow from the server, of those that were recorded.
    fn reply(&self) -> (String, tcpflow_tests::tree::File) {
        let flows = self.bench.flows("out");
        let names: Vec<&String> = flows.keys().collect();
        assert_eq!(flows.len(), 2, "{names:?}");
        let prefix = "192.000.002.001.00080-";
        flows.into_iter().find(|(name, _)| name.starts_with(prefix)).unwrap()
    }
}

fn nobody() -> u32 {
    User::from_name("nobody").unwrap().expect("a user nobody").uid.as_raw()
}

fn a_transfer_is_recorded(signal: Signal) {
    let scene = Scene::new();
    let running = scene.capture(&[]);
    scene.transfer();
    // Nothing of the connection is on its way any more, but all of it may still be in the kernel's ring.
    running.signal(signal);
    let told = Instant::now();
    let _ = running.wait().expect(0).says("terminating orderly");
    assert!(told.elapsed() < 5 * AT_ONCE, "{:?}", told.elapsed());
    let (name, file) = scene.reply();
    assert!(body(&file.bytes) == scene.content, "{name} differs from what was transferred");
    assert_eq!((file.uid, file.mode), (nobody(), 0o644), "{name}");
    for (name, file) in scene.bench.tree("out") {
        assert_eq!((file.uid, file.mode), (nobody(), 0o644), "{name}");
    }
    check_report(&scene.bench.report("out/report.xml"), &file.bytes);
}

fn check_report(report: &Element, reply: &[u8]) {
    assert!(report.all("interrupted").is_empty(), "stopped in order");
    let kernel = report.one("kernel");
    assert_eq!(kernel.number("dropped"), 0, "loss: {kernel:?}");
    assert!(kernel.number("received") >= report.one("total_packets").count(), "{kernel:?}");
    tcpflow_tests::report::assert_conserved(report);
    let flow = report.all("tcpflow").into_iter().find(|flow| flow.get("srcport") == Some("80")).unwrap();
    assert_eq!((flow.get("src_ipn"), flow.get("dst_ipn")), (Some(SERVER), Some(CLIENT)));
    let sizes: Vec<u64> = report.all("filesize").iter().map(|size| size.count()).collect();
    assert!(sizes.contains(&u64::try_from(reply.len()).unwrap()), "{sizes:?}");
}

fn every_role_is_confined() {
    let scene = Scene::new();
    let running = scene.capture(&[]);
    let roles = running.roles();
    let names: Vec<&str> = roles.iter().map(|role| role.executable.as_str()).collect();
    for name in ROLES {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    for role in &roles {
        check_confinement(role);
    }
    let command = Process { pid: running.pid(), executable: "tcpflow".into() };
    check_powerless(&command);
    running.signal(Signal::SIGINT);
    let _ = running.wait().expect(0);
}

/// No capability in any set, and no way to get one.
fn check_powerless(process: &Process) {
    let status = process.status();
    let name = &process.executable;
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status[set].trim_start_matches('0'), "", "{name}: {set}");
    }
    assert_eq!(status["NoNewPrivs"], "1", "{name}");
}

fn check_confinement(role: &Process) {
    let name = &role.executable;
    check_powerless(role);
    let status = role.status();
    assert_eq!(status["Seccomp"], "2", "{name}");
    assert_eq!(status["Uid"], [nobody().to_string().as_str(); 4].join("\t"), "{name}");
    assert_eq!(status["Groups"], "", "{name}");
    assert_eq!(role.environment(), b"", "{name}");
    let root = role.root();
    if name == "tcpflow-writer" {
        assert!(root.iter().all(|entry| entry == "report.xml"), "{name}: {root:?}");
    } else {
        assert!(root.is_empty(), "{name}: {root:?}");
    }
    let me = Process { pid: i32::try_from(std::process::id()).unwrap(), executable: "me".into() };
    for kind in ["mnt", "net", "ipc", "uts", "cgroup"] {
        assert_ne!(role.namespace(kind), me.namespace(kind), "{name}: {kind}");
    }
    check_descriptors(name, &role.descriptors());
}

/// Exactly the descriptors of the manifest, beside the standard ones, which lead nowhere.
fn check_descriptors(name: &str, open: &BTreeMap<i32, PathBuf>) {
    // Channels, counters of what is shared, and others.
    let (channels, counters, own): (&[i32], usize, usize) = match name {
        // The packet socket.
        "tcpflow-capture" => (&[manifest::CONTROL, manifest::DATA_OUT], 1, 1),
        "tcpflow-reassembler" => (&[manifest::CONTROL, manifest::DATA_IN, manifest::DATA_OUT], 2, 0),
        // The output directory and the report, but no flow yet.
        "tcpflow-writer" => (&[manifest::CONTROL, manifest::DATA_IN], 1, 2),
        other => panic!("{other} is not a role"),
    };
    for number in 0..=2 {
        let leads = &open[&number];
        assert!(leads.ends_with("null"), "{name}: {number} is {}", leads.display());
    }
    for number in channels {
        assert!(is_socket(&open[number]), "{name}: {number} is {}", open[number].display());
    }
    assert_eq!(open.len(), 3 + channels.len() + counters + own, "{name}: {open:?}");
    let found = open.values().filter(|leads| leads.ends_with("anon_inode:[eventfd]")).count();
    assert_eq!(found, counters, "{name}: {open:?}");
    let sockets = open.values().filter(|leads| is_socket(leads)).count();
    let packet_sockets = usize::from(name == "tcpflow-capture");
    assert_eq!(sockets, channels.len() + packet_sockets, "{name}: {open:?}");
}

fn is_socket(leads: &Path) -> bool {
    leads.to_string_lossy().starts_with("socket:")
}

fn a_role_killed_ends_all(victim: &str) {
    let scene = Scene::new();
    let running = scene.capture(&[]);
    scene.transfer();
    std::thread::sleep(Duration::from_millis(500));
    let roles = running.roles();
    roles.iter().find(|role| role.executable == victim).unwrap_or_else(|| panic!("{roles:?}")).kill();
    let killed = Instant::now();
    let outcome = running.wait();
    assert!(killed.elapsed() < AT_ONCE, "{:?}", killed.elapsed());
    assert_ne!(outcome.code(), 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains(victim), "the reason names it: {}", outcome.stderr);
    assert!(!roles.iter().any(Process::is_alive), "orphans of {roles:?}");
    let (name, file) = scene.reply();
    assert!(body(&file.bytes) == scene.content, "{name} is not kept whole");
    let report = scene.bench.report("out/report.xml");
    assert_eq!(report.all("interrupted").len(), 1, "marked");
}

fn a_filter_is_applied() {
    let scene = Scene::new();
    let running = scene.capture(&["src", "port", "80"]);
    scene.transfer();
    running.signal(Signal::SIGINT);
    let _ = running.wait().expect(0);
    let flows = scene.bench.flows("out");
    let names: Vec<&String> = flows.keys().collect();
    assert!(names.len() == 1 && names[0].starts_with("192.000.002.001.00080-"), "{names:?}");
}

/// The kernel's own count of who wants the interface promiscuous.
fn promiscuous_unless_told() {
    for (more, expected) in [(&[][..], 1), (&["-p"], 0)] {
        let scene = Scene::new();
        let running = scene.capture(more);
        assert_eq!(scene.lab.promiscuity(), expected, "{more:?}");
        running.signal(Signal::SIGINT);
        let _ = running.wait().expect(0);
        assert_eq!(scene.lab.promiscuity(), 0, "{more:?}, afterwards");
    }
}
