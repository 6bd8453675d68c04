//! Signals end a run in order: what is in flight is stored, the report is closed, exit 0. SIGUSR1 asks how far
//! it is.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tcpflow_tests::capture::{ETHERNET, pcap};
use tcpflow_tests::conversation::{Conversation, Side};
use tcpflow_tests::run::{Bench, Running};
use tcpflow_tests::suite::{self, Case, Need};

/// How soon a run that is told to end must have ended.
const AT_ONCE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let signals = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
    let ends_in_order = signals.map(|signal| {
        let name = format!("{}_ends_a_pipe_in_order", signal.as_str().to_lowercase());
        Case::new(name, &[Need::Ours("its read is interrupted, and fails")], move || ends_in_order(signal))
    });
    let mut all = Vec::from(ends_in_order);
    all.extend(tcpflow_tests::cases![&[Need::Ours("it is one process")];
        the_end_of_the_command_ends_the_roles,
        a_role_that_dies_ends_all,
        usr1_prints_one_line_of_counters,
        roles_that_were_stopped_go_on,
    ]);
    all.extend(tcpflow_tests::cases![&[Need::Root, Need::Ours("it is one process")];
        roles_of_a_live_capture_that_were_stopped_go_on,
    ]);
    suite::main(all)
}

/// A capture of one flow that is still open, of this many segments of 1000 bytes.
fn open_flow(segments: usize) -> Vec<u8> {
    let mut talk = Conversation::default();
    talk.open();
    for number in 0..segments {
        talk.data(Side::Client, number * 1000, &[b'x'; 1000]);
    }
    pcap(ETHERNET, &talk.packets)
}

/// Starts a run on a pipe that stays open, with its roles at work.
fn started(bench: &Bench) -> Running {
    let mut running = bench.run(&["-r", "-", "-o", "out"]).start();
    running.write(&open_flow(300));
    running.wait_until("three roles", |running| running.roles().len() == 3);
    running.wait_until("the report", |_| bench.path().join("out/report.xml").exists());
    running
}

/// Stops each role where it waits and lets it go on, as a debugger, a suspended container or kill(1) does.
fn stop_and_go_on(running: &mut Running) {
    for role in running.roles() {
        role.signal(Signal::SIGSTOP);
        let state = |letter: char| role.status()["State"].starts_with(letter);
        running.wait_until("a stopped role", |_| state('T'));
        role.signal(Signal::SIGCONT);
        running.wait_until("a role that goes on", |_| state('S'));
    }
}

fn roles_that_were_stopped_go_on() {
    let bench = Bench::new();
    let mut running = started(&bench);
    stop_and_go_on(&mut running);
    running.signal(Signal::SIGINT);
    let _ = running.wait().expect(0);
    assert_eq!(bench.flows("out").values().next().unwrap().bytes.len(), 300_000);
}

fn roles_of_a_live_capture_that_were_stopped_go_on() {
    let bench = Bench::new();
    let mut running = bench.run(&["-i", "lo", "-p", "-o", "out"]).start();
    running.wait_for("listening on lo");
    stop_and_go_on(&mut running);
    running.signal(Signal::SIGINT);
    let _ = running.wait().expect(0);
}

/// Everything that was written into the pipe before the signal is stored, though its end never came.
fn ends_in_order(signal: Signal) {
    let bench = Bench::new();
    let running = started(&bench);
    // The pipe may still hold what was written: a signal must not overtake it by more than that.
    std::thread::sleep(Duration::from_millis(300));
    let sent = Instant::now();
    running.signal(signal);
    let _ = running.wait().expect(0);
    assert!(sent.elapsed() < AT_ONCE, "{:?}", sent.elapsed());
    let flows = bench.flows("out");
    assert_eq!(flows.len(), 1);
    let bytes = &flows.values().next().unwrap().bytes;
    assert_eq!(bytes.len(), 300_000, "bytes in flight were lost");
    assert!(bytes.iter().all(|byte| *byte == b'x'));
    let report = bench.report("out/report.xml");
    assert!(report.all("interrupted").is_empty(), "a stop that was asked for is no interruption");
    assert_eq!(report.one("total_packets").count(), 302);
}

/// A question is answered while the input is open, by all three roles, and changes nothing.
fn usr1_prints_one_line_of_counters() {
    let bench = Bench::new();
    mkfifo(&bench.path().join("fifo"), Mode::S_IRWXU).unwrap();
    let mut running = bench.run(&["-q", "-d0", "-r", "fifo", "-o", "out"]).start();
    let mut fifo = OpenOptions::new().write(true).open(bench.path().join("fifo")).unwrap();
    fifo.write_all(&open_flow(300)).unwrap();
    let stored = |bench: &Bench| bench.flows("out").values().any(|flow| flow.bytes.len() == 300_000);
    running.wait_until("all of the flow", |_| stored(&bench));
    let counters = " 302 frames, 0 dropped, 302 segments, 2 flows, 2 open, 300000 bytes written, 1 files";
    for asked in 1..=3 {
        running.signal(Signal::SIGUSR1);
        running.wait_until("an answer", |running| running.said().matches(counters).count() == asked);
    }
    drop(fifo);
    let outcome = running.wait().expect(0);
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(lines.len(), 4, "the report's name, and a line a question: {lines:?}");
    assert!(lines[1..].iter().all(|line| line.starts_with("tcpflow: ")), "{lines:?}");
}

fn the_end_of_the_command_ends_the_roles() {
    let bench = Bench::new();
    let running = started(&bench);
    let roles = running.roles();
    running.signal(Signal::SIGKILL);
    let limit = Instant::now() + AT_ONCE;
    while roles.iter().any(tcpflow_tests::process::Process::is_alive) {
        assert!(Instant::now() < limit, "orphans: {roles:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn a_role_that_dies_ends_all() {
    for victim in ["tcpflow-capture", "tcpflow-reassembler", "tcpflow-writer"] {
        let bench = Bench::new();
        let running = started(&bench);
        std::thread::sleep(Duration::from_millis(300));
        let roles = running.roles();
        roles.iter().find(|role| role.executable == victim).unwrap_or_else(|| panic!("{roles:?}")).kill();
        let killed = Instant::now();
        let outcome = running.wait();
        assert!(killed.elapsed() < AT_ONCE, "{victim}: {:?}", killed.elapsed());
        assert_ne!(outcome.code(), 0, "{victim}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(victim), "the reason names {victim}: {}", outcome.stderr);
        assert!(!roles.iter().any(tcpflow_tests::process::Process::is_alive), "{victim}: orphans");
        let flows = bench.flows("out");
        assert_eq!(flows.len(), 1, "{victim}: the flow is kept");
        assert_eq!(bench.report("out/report.xml").all("interrupted").len(), 1, "{victim}");
    }
}
