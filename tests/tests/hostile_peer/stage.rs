//! What all acts have in common: the run, and what must hold after it.

use std::process::Command;
use std::time::Duration;

use nix::unistd::geteuid;
use tcpflow_tests::capture::{ETHERNET, pcap};
use tcpflow_tests::conversation::Conversation;
use tcpflow_tests::process::Process;
use tcpflow_tests::puppet::Script;
use tcpflow_tests::report::Element;
use tcpflow_tests::run::{Bench, Outcome};
use tcpflow_tests::subject::Subject;

/// A user that nobody is, so that whatever he owns was made here.
pub const USER: &str = "1954321:1954321";

/// The most memory that a role may ever have had, in KiB: what the reassembler may take, and a program.
const MEMORY: u64 = 320 << 10;

/// What lies beside the output directory, for anybody to write, and must stay as it is.
const CANARY: &[u8] = b"not yours";

/// What a puppet says that is refused.
pub struct Act {
    pub name: &'static str,
    pub reason: &'static str,
    /// Adds it to what the puppet has said before.
    pub says: fn(Script) -> Script,
}

pub const fn act(name: &'static str, reason: &'static str, says: fn(Script) -> Script) -> Act {
    Act { name, reason, says }
}

/// A bench with a savefile, something beside the output directory that is easily harmed, and a puppet.
pub fn bench(role: &str, script: &Script) -> Bench {
    let packets = Conversation::default().exchange(b"hello world\n", b"reply\n").packets;
    Bench::of(Subject::Ours)
        .file("in.pcap", &pcap(ETHERNET, &packets))
        .open_to_all()
        .folder("beside", 0o777)
        .file("beside/canary", CANARY)
        .mode("beside/canary", 0o666)
        .played(role, script)
}

/// Runs it, as root with a user of his own for all roles, and sees that each role's memory is bounded.
pub fn run(bench: &Bench, options: &[&str]) -> Outcome {
    let mut line = vec!["-r", "in.pcap", "-o", "out"];
    if geteuid().is_root() {
        line.extend(["-U", USER]);
    }
    line.extend(options);
    let running = bench.run(&line).start();
    let command = Process { pid: running.pid(), executable: "tcpflow".to_owned() };
    let watch = std::thread::spawn(move || {
        let mut most = 0;
        while command.is_alive() {
            let roles = Process::children_of(command.pid);
            most = roles.iter().filter_map(Process::peak_memory).fold(most, u64::max);
            std::thread::sleep(Duration::from_millis(10));
        }
        most
    });
    let outcome = running.wait();
    let most = watch.join().unwrap();
    assert!(most < MEMORY, "a role had {most} KiB");
    outcome
}

/// Sees that a run failed for this reason and that nothing is where it should not be; gives the report.
#[track_caller]
pub fn refused(bench: &Bench, outcome: Outcome, reason: &str) -> Element {
    let outcome = outcome.expect(1).says(reason);
    untouched(bench);
    let report = bench.report("out/report.xml");
    assert_eq!(report.all("interrupted").len(), 1, "{report:?}: {}", outcome.stderr);
    report
}

/// Sees that nothing lies beside the output directory that was not there before.
#[track_caller]
pub fn untouched(bench: &Bench) {
    let beside = bench.tree("beside");
    let names: Vec<&str> = beside.keys().map(String::as_str).collect();
    assert_eq!(names, ["canary"]);
    assert_eq!(beside["canary"].bytes, CANARY);
    let mut here: Vec<_> =
        std::fs::read_dir(bench.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    here.retain(|name| !["in.pcap", "beside", "out"].iter().any(|known| name == known));
    assert!(here.is_empty(), "{here:?}");
}

/// Whatever on any real file system belongs to [`USER`] or has `token` in its name, but for what is on a bench.
pub fn strays(token: &str) -> Vec<String> {
    let (user, _) = USER.split_once(':').unwrap();
    let token = format!("*{token}*");
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let real = ["/dev/", "tmpfs", "overlay"];
    let mut roots: Vec<&str> = mounts
        .lines()
        .filter(|line| real.iter().any(|start| line.starts_with(start)))
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    roots.push("/");
    roots.sort_unstable();
    roots.dedup();
    let found = Command::new("find")
        .args(&roots)
        .args(["-xdev", "(", "-uid", user, "-o", "-name", &token, ")", "-print"])
        .output()
        .unwrap();
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    // Beneath the work of other cases, which go on meanwhile, each of them looks itself.
    let bench = std::env::temp_dir().join("tcpflow-test-").into_os_string().into_string().unwrap();
    found.lines().filter(|line| !line.starts_with(&bench)).map(str::to_owned).collect()
}
