//! An output directory that someone else prepares, and goes on changing while the writer writes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::stat::Mode;
use nix::unistd::{chown, mkfifo};
use proto::flow::FromReassembler;
use tcpflow_tests::puppet::Script;
use tcpflow_tests::run::Bench;
use tcpflow_tests::subject::built;
use tcpflow_tests::suite::{Case, Need};

use super::reassembler::{ROLE, close, data, open, totals};
use super::stage::{self, USER};

/// What a planted thing is, and how the run has to take it.
struct Plant {
    name: &'static str,
    options: &'static [&'static str],
    /// What is there, relative to the output directory, and where it leads: `beside` or a file in it.
    links: &'static [(&'static str, &'static str)],
    /// What is told, and the exit status.
    told: Option<&'static str>,
}

const FLOW: &str = "010.066.066.001.00000-010.066.066.002.00080";
const BODY: &str = "010.066.066.001.00000-010.066.066.002.00080-HTTPBODY-001.html";

pub fn cases() -> Vec<Case> {
    let refused = "cannot create out/report.xml";
    let plants = [
        Plant { name: "report", options: &[], links: &[("report.xml", "canary")], told: Some(refused) },
        Plant {
            name: "report_to_nowhere",
            options: &[],
            links: &[("report.xml", "new")],
            told: Some(refused),
        },
        Plant { name: "flow", options: &[], links: &[(FLOW, "canary")], told: None },
        Plant { name: "flow_to_nowhere", options: &[], links: &[(FLOW, "new")], told: None },
        Plant {
            name: "directory",
            options: &["-T", "d/%A%C%c"],
            links: &[("d", "")],
            told: Some("cannot store a flow in full: Too many symbolic links"),
        },
        Plant {
            name: "directory_within_one",
            options: &["-T", "%B/%b/d/%A%C%c"],
            links: &[("010.066.066.002", "")],
            told: Some("cannot store a flow in full: Too many symbolic links"),
        },
        Plant { name: "index", options: &["-I"], links: &[], told: None },
        Plant { name: "body", options: &["-e", "http"], links: &[(BODY, "canary")], told: None },
        Plant { name: "charts", options: &["-e", "netviz"], links: &[("report.pdf", "canary")], told: None },
    ];
    let case = |plant: Plant| {
        Case::new(format!("writer_follows_no_planted_link_{}", plant.name), &[Need::Root], move || {
            planted(&plant)
        })
    };
    let mut cases: Vec<Case> = plants.into_iter().map(case).collect();
    cases.extend(tcpflow_tests::cases![&[Need::Root];
        writer_waits_for_no_planted_fifo,
        writer_stays_inside_while_directories_become_links,
        writer_stays_inside_without_a_root_of_its_own,
    ]);
    cases
}

/// An output directory that belongs to the writer's user.
fn bench(script: &Script) -> Bench {
    let bench = stage::bench(ROLE, script).folder("out", 0o755);
    let (user, _) = USER.split_once(':').unwrap();
    let user: u32 = user.parse().unwrap();
    chown(&bench.path().join("out"), Some(user.into()), Some(user.into())).unwrap();
    bench
}

fn flows(number: u64) -> Script {
    let mut script = Script::default();
    for flow in 0..number {
        let messages = [(open(flow), &b""[..]), (data(flow, 0, b"x"), b"x"), (close(flow, 1), b"")];
        script = script.say(&messages);
    }
    script.say(&[(FromReassembler::End(Box::new(totals(number, number))), b"")])
}

fn planted(plant: &Plant) {
    let bench = bench(&flows(2));
    let beside = bench.path().join("beside");
    for (name, target) in plant.links {
        symlink(beside.join(target), bench.path().join("out").join(name)).unwrap();
    }
    let outcome = stage::run(&bench, plant.options);
    assert_eq!(outcome.code(), i32::from(plant.told.is_some()), "{}", outcome.stderr);
    let outcome = outcome.says(plant.told.unwrap_or_default());
    stage::untouched(&bench);
    for (name, _) in plant.links {
        let link = bench.path().join("out").join(name);
        assert!(link.is_symlink(), "{name} is not what it was: {}", outcome.stderr);
    }
}

/// A pipe that nobody reads, where the report is to be: refused at once, not waited for.
fn writer_waits_for_no_planted_fifo() {
    let bench = bench(&flows(1));
    let fifo = bench.path().join("out/report.xml");
    mkfifo(&fifo, Mode::from_bits_truncate(0o666)).unwrap();
    let outcome = stage::run(&bench, &[]).expect(1);
    let _ = outcome.says("cannot create out/report.xml");
    stage::untouched(&bench);
}

/// Someone who swaps a directory and a link to another place, over and over, until told to stop.
struct Swapper {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Swapper {
    fn start(pairs: Vec<(PathBuf, PathBuf)>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut swaps = 0;
            while !told.load(Ordering::Relaxed) {
                for (one, other) in &pairs {
                    renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE).unwrap();
                    swaps += 1;
                }
            }
            swaps
        });
        Self { stop, thread }
    }

    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Runs a writer that makes files in directories which are links half of the time; what it runs after.
fn race(before: &[&str]) {
    const FLOWS: u64 = 5000;
    let bench = bench(&flows(FLOWS));
    let (out, beside) = (bench.path().join("out"), bench.path().join("beside"));
    let owned = |path: &Path| chown(path, Some(1_954_321.into()), Some(1_954_321.into())).unwrap();
    let mut pairs = Vec::new();
    for (directory, target) in [("a", beside.as_path()), ("c", Path::new("../beside"))] {
        let (directory, link) = (out.join(directory), out.join(directory).with_extension("link"));
        fs::create_dir(&directory).unwrap();
        owned(&directory);
        symlink(target, &link).unwrap();
        pairs.push((directory, link));
    }
    let swapper = Swapper::start(pairs);
    let line = ["-r", "in.pcap", "-o", "out", "-U", USER, "-T", "a/b/%N/%A.%a%C%c", "-q"];
    let outcome = bench.run(&line).after(before).finish();
    let other = ["-r", "in.pcap", "-o", "out", "-U", USER, "-T", "c/%A.%a%C%c", "-q"];
    let more = bench.run(&other).after(before).finish();
    let swaps = swapper.stop();
    assert!(swaps > 100, "{swaps} swaps are no race");
    stage::untouched(&bench);
    for outcome in [&outcome, &more] {
        // Flows whose directory was a link just then are lost, and that is told.
        assert!(outcome.code() <= 1, "{}", outcome.stderr);
    }
    let report = bench.report("out/report.xml");
    let told = report.all("fileobject").len();
    assert_eq!(told, usize::try_from(FLOWS).unwrap(), "{}", more.stderr);
}

fn writer_stays_inside_while_directories_become_links() {
    race(&[]);
}

/// The same where only Landlock and openat2(2) hold: no namespaces, so that links lead to where they say.
fn writer_stays_inside_without_a_root_of_its_own() {
    let without = built("without").into_os_string().into_string().unwrap();
    race(&[&without, "unshare=EPERM", "--"]);
}
