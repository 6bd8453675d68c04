//! What happens when something dies, fills up, stands still or vanishes: the others end in time, what was stored stays
//! as it was sent, the report is well-formed and says so, and the exit status is not 0.
//!
//! `TCPFLOW_ROUNDS` sets how often a role dies at a random moment.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tcpflow_tests::capture::{ETHERNET, PCAP_HEADER, Packet, pcap};
use tcpflow_tests::cases;
use tcpflow_tests::conversation::{Conversation, Side};
use tcpflow_tests::lab::{self, INTERFACE, Lab};
use tcpflow_tests::process::Process;
use tcpflow_tests::report::{Element, assert_conserved, set_aside};
use tcpflow_tests::run::{Bench, Outcome, Running};
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Case, Need};

/// How soon after a death all others must be gone.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Flows of the traffic here, and the bytes of a segment.
const FLOWS: usize = 20;
const SEGMENT: usize = 1000;
/// The client's port in the first of them; the others count up.
const PORT: u16 = 1000;

const ROLES: [&str; 3] = ["tcpflow-capture", "tcpflow-reassembler", "tcpflow-writer"];

fn main() -> ExitCode {
    let ours = Need::Ours("it is one process, and does not go on");
    let mut all = cases![&[ours];
        a_role_that_dies_at_any_moment_ends_all,
        a_writer_that_dies_while_all_wait_for_it_ends_all,
        a_writer_that_stands_still_loses_nothing,
        a_savefile_that_shrinks_is_told,
        a_savefile_that_grows_is_read_to_its_end,
        a_directory_that_vanishes_is_told,
        a_slow_reader_gets_everything,
    ];
    all.extend(cases![&[ours, Need::Root]; a_directory_that_becomes_read_only_is_told]);
    all.extend(cases![&[ours, Need::Root, Need::Program("unshare")];
        a_disk_that_fills_up_costs_only_what_does_not_fit,
    ]);
    all.extend(cases![&[ours, Need::Program("prlimit")];
        a_limit_on_files_costs_only_what_is_beyond,
        few_descriptors_are_enough,
        few_descriptors_are_enough_for_all_there_is,
    ]);
    let live = [ours, Need::Namespaces, Need::Program("curl"), Need::Program("python3"), Need::Program("ss")];
    for (name, fate) in [("is_removed", Fate::Removed), ("is_renamed", Fate::Renamed)] {
        let name = format!("an_interface_that_{name}_ends_the_run");
        all.push(Case::new(name, &live, move || an_interface_that_changes(fate)));
    }
    all.extend(cases![&live;
        an_interface_that_goes_down_is_waited_for,
        a_writer_that_stands_still_loses_nothing_that_the_ring_can_hold,
        what_the_ring_cannot_hold_is_told,
    ]);
    suite::main(all)
}

/// What a flow sends.
fn content(flow: usize, range: Range<usize>) -> Vec<u8> {
    range.map(|offset| u8::try_from((offset / 7 + flow) % 251).unwrap()).collect()
}

/// Flows side by side, of so many segments each, that nobody ends.
fn packets(segments: usize) -> Vec<Packet> {
    let mut flows: Vec<Conversation> = (0..FLOWS)
        .map(|flow| Conversation {
            client: ([192, 0, 2, 1].into(), PORT + u16::try_from(flow).unwrap()),
            ..Conversation::default()
        })
        .collect();
    let mut packets = Vec::new();
    for start in (0..segments).map(|number| number * SEGMENT) {
        for (flow, talk) in flows.iter_mut().enumerate() {
            if start == 0 {
                talk.open();
            }
            talk.data(Side::Client, start, &content(flow, start..start + SEGMENT));
            packets.append(&mut talk.packets);
        }
    }
    packets
}

/// More than all buffers hold between standard input and the writer.
static TRAFFIC: LazyLock<Arc<Vec<u8>>> = LazyLock::new(|| Arc::new(pcap(ETHERNET, &packets(2000))));

/// Sees that each file is a beginning of what its flow sent; how many bytes they are together.
#[track_caller]
fn assert_beginnings(bench: &Bench, directory: &str) -> usize {
    let flows = bench.flows(directory);
    let lengths = flows.iter().map(|(name, file)| {
        let port: u16 = name[16..21].parse().unwrap_or_else(|e| panic!("{name}: {e}"));
        let sent = content(usize::from(port - PORT), 0..file.bytes.len());
        assert!(file.bytes == sent, "{name} is not what was sent");
        file.bytes.len()
    });
    lengths.sum()
}

/// A report that says that the run broke off.
#[track_caller]
fn assert_marked(report: &Element) {
    assert_eq!(report.all("interrupted").len(), 1, "{report:?}");
}

/// Numbers that are another each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// How a role comes to its end.
#[derive(Debug, Clone, Copy)]
enum Death {
    Killed,
    /// As by a panic, of which the kernel knows nothing else.
    Aborted,
    /// It was stopped a moment before.
    StoppedAndKilled,
    /// Another role is stopped, and hears nothing of it.
    KilledBesideAStopped,
}

/// A role dies at any moment from the first on: before it is confined, while it starts, while packets flow.
fn a_role_that_dies_at_any_moment_ends_all() {
    let rounds = std::env::var("TCPFLOW_ROUNDS").map_or(60, |text| text.parse().unwrap());
    let seed = RandomState::new().hash_one(0) | 1;
    let mut dice = Dice(seed);
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let deaths = [Death::Killed, Death::Aborted, Death::StoppedAndKilled, Death::KilledBesideAStopped];
        let death = deaths[usize::try_from(dice.below(4)).unwrap()];
        let victim = usize::try_from(dice.below(3)).unwrap();
        let moment = Duration::from_micros(dice.below(400_000));
        let what = format!("seed {seed}, round {round}: {} {death:?} after {moment:?}", ROLES[victim]);
        slowest = slowest.max(die(victim, death, moment, &what));
    }
    println!("{rounds} rounds, all gone after {slowest:?} at most");
}

/// One round; how long it took until all were gone.
fn die(victim: usize, death: Death, moment: Duration, what: &str) -> Duration {
    let bench = Bench::new();
    let mut group = Group::start(&bench);
    let role = group.role(ROLES[victim]);
    std::thread::sleep(moment);
    let send = |role: &Process, signal| kill(Pid::from_raw(role.pid), signal).unwrap();
    match death {
        Death::Killed => send(&role, Signal::SIGKILL),
        Death::Aborted => send(&role, Signal::SIGABRT),
        Death::StoppedAndKilled => {
            send(&role, Signal::SIGSTOP);
            std::thread::sleep(moment / 10);
            send(&role, Signal::SIGKILL);
        }
        Death::KilledBesideAStopped => {
            send(&group.role(ROLES[(victim + 1) % 3]), Signal::SIGSTOP);
            send(&role, Signal::SIGKILL);
        }
    }
    let died = Instant::now();
    let (code, said) = group.finish();
    let took = died.elapsed();
    assert!(took < 3 * AT_ONCE, "{what}: {took:?}");
    assert!(!group.is_alive(), "{what}: orphans");
    assert_eq!(code, Some(1), "{what}: {said}");
    assert!(said.contains(ROLES[victim]), "{what}: {said}");
    assert_beginnings(&bench, "out");
    // It is begun in one write, right after it is made.
    if std::fs::metadata(bench.path().join("out/report.xml")).is_ok_and(|report| report.len() > 0) {
        assert_marked(&bench.report("out/report.xml"));
    }
    took
}

/// A run in a process group of its own, with traffic that does not end on its standard input.
struct Group {
    child: Child,
}

impl Group {
    fn start(bench: &Bench) -> Self {
        let mut child = Command::new(Subject::Ours.executable())
            .args(["-r", "-", "-o", "out"])
            .current_dir(bench.path())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let traffic = Arc::clone(&TRAFFIC);
        let pid = child.id();
        std::thread::spawn(move || {
            // It fails when the reader is gone; else the pipe stays open as long as anyone is there.
            if stdin.write_all(&traffic).is_ok() {
                while alive(pid) {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        });
        Self { child }
    }

    /// A role of it, as soon as that is there.
    fn role(&self, executable: &str) -> Process {
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            let roles = Process::children_of(i32::try_from(self.child.id()).unwrap());
            if let Some(role) = roles.into_iter().find(|role| role.executable == executable) {
                return role;
            }
            assert!(Instant::now() < limit, "no {executable}");
        }
    }

    fn finish(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }

    /// Whether any process of the group still runs.
    fn is_alive(&self) -> bool {
        alive(self.child.id())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Only if a test has failed is anything left.
        let _ = kill(Pid::from_raw(-i32::try_from(self.child.id()).unwrap()), Signal::SIGKILL);
    }
}

/// Whether a process of this group runs: a zombie does not.
fn alive(group: u32) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let (state, own) = (fields.next().unwrap_or("Z"), fields.nth(1));
        state != "Z" && state != "X" && own == Some(&group.to_string())
    })
}

/// Those before it wait for room in the memory that they share, and not where anything is sent.
fn a_writer_that_dies_while_all_wait_for_it_ends_all() {
    let bench = Bench::new().file("in.pcap", &TRAFFIC);
    let mut running = bench.run(&["-r", "in.pcap", "-o", "out"]).start();
    running.wait_until("a flow", |_| !bench.flows("out").is_empty());
    let roles = running.roles();
    running.signal_role("tcpflow-writer", Signal::SIGSTOP);
    // Until all buffers are full.
    std::thread::sleep(AT_ONCE / 2);
    running.signal_role("tcpflow-writer", Signal::SIGKILL);
    let died = Instant::now();
    let _ = running.wait().expect(1).says("tcpflow-writer was killed by signal 9 (SIGKILL)");
    assert!(died.elapsed() < 3 * AT_ONCE, "{:?}", died.elapsed());
    assert!(!roles.iter().any(Process::is_alive), "orphans of {roles:?}");
    let stored = assert_beginnings(&bench, "out");
    assert!(stored < FLOWS * 2000 * SEGMENT, "it had all");
    assert_marked(&bench.report("out/report.xml"));
}

/// A run on a savefile whose writer is stopped when it has written something, and let go on after `meanwhile`.
fn with_a_stop(bench: &Bench, line: &[&str], meanwhile: impl FnOnce()) -> Outcome {
    let mut running = bench.run(line).start();
    running.wait_until("a flow", |_| !bench.flows("out").is_empty());
    running.signal_role("tcpflow-writer", Signal::SIGSTOP);
    // Until all buffers are full.
    std::thread::sleep(AT_ONCE / 2);
    meanwhile();
    std::thread::sleep(AT_ONCE / 2);
    running.signal_role("tcpflow-writer", Signal::SIGCONT);
    running.wait()
}

fn a_writer_that_stands_still_loses_nothing() {
    let bench = Bench::new().file("in.pcap", &TRAFFIC);
    let _ = with_a_stop(&bench, &["-r", "in.pcap", "-o", "out"], || {}).expect(0);
    assert_eq!(assert_beginnings(&bench, "out"), FLOWS * 2000 * SEGMENT);
    assert_conserved(&bench.report("out/report.xml"));
}

/// It ends in the middle of a record, and all before that is kept.
fn a_savefile_that_shrinks_is_told() {
    let bench = Bench::new().file("in.pcap", &TRAFFIC);
    let length = u64::try_from(TRAFFIC.len() - TRAFFIC.len() / 8).unwrap();
    let file = File::options().write(true).open(bench.path().join("in.pcap")).unwrap();
    let outcome = with_a_stop(&bench, &["-r", "in.pcap", "-o", "out"], || file.set_len(length).unwrap());
    let _ = outcome.expect(1).says("tcpflow: in.pcap: truncated dump file");
    let stored = assert_beginnings(&bench, "out");
    assert!(stored > FLOWS * 1700 * SEGMENT && stored < FLOWS * 1800 * SEGMENT, "{stored}");
    assert_conserved(&bench.report("out/report.xml"));
}

fn a_savefile_that_grows_is_read_to_its_end() {
    let half = PCAP_HEADER + (TRAFFIC.len() - PCAP_HEADER) / 2;
    let bench = Bench::new().file("in.pcap", &TRAFFIC[..half]);
    let mut file = File::options().append(true).open(bench.path().join("in.pcap")).unwrap();
    let line = ["-r", "in.pcap", "-o", "out"];
    let _ = with_a_stop(&bench, &line, || file.write_all(&TRAFFIC[half..]).unwrap()).expect(0);
    assert_eq!(assert_beginnings(&bench, "out"), FLOWS * 2000 * SEGMENT);
}

/// New flows after the directory has become something else than it was: three are stored before that.
fn with_a_change(bench: &Bench, user: Option<&'static str>, change: impl FnOnce()) -> Outcome {
    let packets = packets(1);
    // Two SYNs and a segment of each flow.
    let (first, rest) = packets.split_at(3 * 3);
    let mut run = bench.run(&["-r", "-", "-o", "out", "-X", "report.xml"]);
    if let Some(user) = user {
        run = run.user(user);
    }
    let mut running = run.start();
    running.write(&pcap(ETHERNET, first));
    running.wait_until("three flows", |_| {
        bench.flows("out").values().filter(|file| file.bytes.len() == SEGMENT).count() == 3
    });
    change();
    running.write(&pcap(ETHERNET, rest)[PCAP_HEADER..]);
    running.end_input();
    running.wait()
}

fn a_directory_that_vanishes_is_told() {
    let bench = Bench::new();
    let outcome = with_a_change(&bench, None, || std::fs::remove_dir_all(bench.path().join("out")).unwrap());
    let _ = outcome.expect(1).says("17 flows could not be stored in full");
    let report = bench.report("report.xml");
    assert_conserved(&report);
    assert_eq!(set_aside(&report, "payload"), [("io_error".to_owned(), 17_000)]);
}

fn a_directory_that_becomes_read_only_is_told() {
    let bench = Bench::new().open_to_all().folder("out", 0o777);
    let outcome = with_a_change(&bench, Some("nobody"), || {
        use std::os::unix::fs::PermissionsExt;
        let closed = PermissionsExt::from_mode(0o555);
        std::fs::set_permissions(bench.path().join("out"), closed).unwrap();
    });
    let _ = outcome.expect(1).says("Permission denied").says("17 flows could not be stored in full");
    assert_eq!(assert_beginnings(&bench, "out"), 3 * SEGMENT);
    let report = bench.report("report.xml");
    assert_conserved(&report);
    assert_eq!(set_aside(&report, "payload"), [("not_permitted".to_owned(), 17_000)]);
}

/// A run that writes into a file system of 1 MiB, in a mount namespace of its own; what is there in the end is copied
/// out of it.
fn on_a_small_disk(bench: &Bench, more: &[&str]) -> Outcome {
    let script = "mount -t tmpfs -o size=1m none out && \"$@\"; code=$?; cp -r out copied; exit $code";
    let words = ["unshare", "--mount", "sh", "-c", script, "sh"];
    let line = [&["-r", "in.pcap", "-o", "out"], more].concat();
    bench.run(&line).after(&words).finish().expect(1).says("No space left on device")
}

/// The report is beside the flows, or on a disk that has room for it.
fn a_disk_that_fills_up_costs_only_what_does_not_fit() {
    for (more, place) in [(&[][..], "copied/report.xml"), (&["-X", "report.xml"], "report.xml")] {
        let bench = Bench::new().folder("out", 0o755).file("in.pcap", &pcap(ETHERNET, &packets(100)));
        let outcome = on_a_small_disk(&bench, more);
        let stored = assert_beginnings(&bench, "copied");
        assert!(stored > 700 << 10, "{stored} bytes of 1 MiB: {}", outcome.stderr);
        let report = bench.report(place);
        assert_conserved(&report);
        let payload = report.one("payload");
        assert_eq!(payload.number("captured"), u64::try_from(FLOWS * 100 * SEGMENT).unwrap());
        let aside: Vec<String> =
            set_aside(&report, "payload").into_iter().map(|(reason, _)| reason).collect();
        assert_eq!(aside, ["disk_full"]);
        let marked = report.all("tcpflow");
        let marked = marked.iter().filter(|flow| flow.get("truncated") == Some("disk_full")).count();
        if more.is_empty() {
            assert_eq!(report.all("lacking").len(), 1, "what of the report itself did not fit");
        } else {
            let _ = outcome.says(&format!("{marked} flows could not be stored in full"));
            assert!(marked > 0);
        }
    }
}

/// As `ulimit -f` sets it: it comes with a signal.
fn a_limit_on_files_costs_only_what_is_beyond() {
    let bench = Bench::new().file("in.pcap", &pcap(ETHERNET, &packets(100)));
    let line = ["-r", "in.pcap", "-o", "out", "-X", "report.xml"];
    let outcome = bench.run(&line).after(&["prlimit", "--fsize=65536"]).finish().expect(1);
    let _ = outcome.says("File too large").says("20 flows could not be stored in full");
    let stored = assert_beginnings(&bench, "out");
    assert!((1..=FLOWS * 65536).contains(&stored), "{stored}");
    let report = bench.report("report.xml");
    assert_conserved(&report);
    let flows = report.all("tcpflow").into_iter();
    assert_eq!(flows.filter(|flow| flow.get("truncated") == Some("file_too_large")).count(), FLOWS);
}

/// Fewer than flows, and than `-f` allows; down to where none is left for memory that is shared, and below.
fn few_descriptors_are_enough() {
    let line = ["-r", "in.pcap", "-o", "out", "-I"];
    for limit in [24, 28, 32, 40, 47, 48] {
        stores_all_with_descriptors(limit, &line, "out/report.xml");
    }
}

/// The same of a run that has open all there is.
fn few_descriptors_are_enough_for_all_there_is() {
    let files = ["-w", "w.pcap", "-X", "report.xml", "--events", "ev.json", "--metrics", "m.prom"];
    let programs = ["-S", "tcp_cmd=true", "-S", "tcp_alert_fd=2", "-S", "http_alert_fd=2", "-e", "http"];
    let line = [&["-r", "in.pcap", "-o", "out"], &files[..], &programs].concat();
    for limit in [40, 47, 48] {
        stores_all_with_descriptors(limit, &line, "report.xml");
    }
}

fn stores_all_with_descriptors(limit: u32, line: &[&str], report: &str) {
    let bench = Bench::new().file("in.pcap", &pcap(ETHERNET, &packets(100)));
    let nofile = format!("--nofile={limit}");
    let _ = bench.run(line).after(&["prlimit", &nofile]).finish().expect(0);
    let mut flows = bench.flows("out");
    flows.retain(|name, _| !name.ends_with(".findx"));
    assert_eq!(flows.len(), FLOWS, "{limit}");
    assert!(flows.values().all(|file| file.bytes.len() == 100 * SEGMENT), "{limit}");
    assert_conserved(&bench.report(report));
}

/// A reader slower than everything before it, over a pipe of the least size.
fn a_slow_reader_gets_everything() {
    let bench = Bench::new().file("in.pcap", &pcap(ETHERNET, &packets(10)));
    let (mut reader, writer) = std::io::pipe().unwrap();
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    let mut command = Command::new(Subject::Ours.executable());
    command.args(["-r", "in.pcap", "-B", "-C"]).current_dir(bench.path()).stdout(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    let (mut all, mut piece) = (Vec::new(), [0; 1000]);
    while let length @ 1.. = reader.read(&mut piece).unwrap() {
        all.extend_from_slice(&piece[..length]);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(all.len() >= FLOWS * 10 * SEGMENT, "{}", all.len());
}

/// What becomes of an interface.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Removed,
    Renamed,
}

/// A live run as in the README.
fn listening(bench: &Bench, lab: &Lab, more: &[&str]) -> Running {
    let line = [&["-i", INTERFACE, "-U", "nobody", "-o", "out"], more].concat();
    let mut running = bench.run(&line).after(&lab.at_server()).start();
    running.wait_for(&format!("listening on {INTERFACE}"));
    running
}

/// Whether a flow ends with this.
fn stored(bench: &Bench, content: &[u8]) -> bool {
    bench.flows("out").values().any(|file| file.bytes.ends_with(content))
}

/// What was captured before is kept, and the user is told what happened.
fn an_interface_that_changes(fate: Fate) {
    let (lab, bench, content) = lab::serving(1 << 20);
    let mut running = listening(&bench, &lab, &[]);
    assert_eq!(lab.fetch("random"), content);
    running.wait_until("the transfer", |_| stored(&bench, &content));
    match fate {
        Fate::Removed => lab.set_at_server(&["delete", INTERFACE]),
        Fate::Renamed => {
            // One that is up keeps its name on older kernels.
            lab.set_at_server(&["set", INTERFACE, "down"]);
            lab.set_at_server(&["set", INTERFACE, "name", "other0"]);
            lab.set_at_server(&["set", "other0", "up"]);
        }
    }
    let outcome = running.wait().expect(1).says(INTERFACE);
    assert!(stored(&bench, &content), "{}", outcome.stderr);
    let report = bench.report("out/report.xml");
    assert_marked(&report);
    assert_conserved(&report);
}

/// As with libpcap's other programs: it may come up again, and what comes then is captured too.
fn an_interface_that_goes_down_is_waited_for() {
    let (lab, bench, content) = lab::serving(1 << 20);
    let mut running = listening(&bench, &lab, &[]);
    let transferred = |bench: &Bench, times| {
        bench.flows("out").values().filter(|file| file.bytes.ends_with(&content)).count() == times
    };
    for times in 1..=3 {
        assert_eq!(lab.fetch("random"), content);
        running.wait_until("the transfer", |_| transferred(&bench, times));
        lab.set_at_server(&["set", INTERFACE, "down"]);
        // Longer than capture sleeps when nothing comes.
        std::thread::sleep(2 * AT_ONCE);
        lab.set_at_server(&["set", INTERFACE, "up"]);
    }
    running.signal(Signal::SIGINT);
    let _ = running.wait().expect(0);
    let report = bench.report("out/report.xml");
    assert!(report.all("interrupted").is_empty());
    assert_conserved(&report);
}

/// As when a disk is slow for a second.
fn a_writer_that_stands_still_loses_nothing_that_the_ring_can_hold() {
    let (lab, bench, content) = lab::serving(4 << 20);
    let running = listening(&bench, &lab, &[]);
    std::thread::scope(|scope| {
        let fetched = scope.spawn(|| lab.fetch_slowly("random", "2M"));
        std::thread::sleep(AT_ONCE / 2);
        running.signal_role("tcpflow-writer", Signal::SIGSTOP);
        std::thread::sleep(AT_ONCE);
        running.signal_role("tcpflow-writer", Signal::SIGCONT);
        assert_eq!(fetched.join().unwrap(), content);
    });
    running.signal(Signal::SIGINT);
    let outcome = running.wait().expect(0);
    assert!(!outcome.stderr.contains("packets"), "{}", outcome.stderr);
    let report = bench.report("out/report.xml");
    assert!(stored(&bench, &content), "{}", outcome.stderr);
    assert_eq!(report.one("kernel").number("dropped"), 0);
    assert_conserved(&report);
}

/// With the smallest ring, and far more than fits into it and all buffers behind it.
fn what_the_ring_cannot_hold_is_told() {
    let (lab, bench, content) = lab::serving(64 << 20);
    let mut running = listening(&bench, &lab, &["-S", "buffer_size=1"]);
    running.signal_role("tcpflow-writer", Signal::SIGSTOP);
    assert_eq!(lab.fetch("random"), content);
    running.signal_role("tcpflow-writer", Signal::SIGCONT);
    running.wait_for("the kernel drops packets");
    running.signal(Signal::SIGINT);
    let outcome = running.wait().expect(0);
    let report = bench.report("out/report.xml");
    assert_conserved(&report);
    let dropped = report.one("kernel").number("dropped");
    assert!(dropped > 0);
    let _ = outcome.says(&format!("{dropped} packets were dropped by the kernel"));
    // The kernel counts on between the last look into the ring and the one at its counters.
    let received = report.one("kernel").number("received");
    let accounted = report.one("frames").number("captured") + dropped;
    assert!(
        (accounted..=accounted + 2).contains(&received),
        "{received} received, {accounted} captured or dropped"
    );
    // No byte is another than was sent, whatever is missing.
    let flows = bench.flows("out");
    let reply = flows.values().max_by_key(|file| file.bytes.len()).unwrap();
    let body = lab::body(&reply.bytes);
    assert!(!body.is_empty());
    assert!(body.iter().zip(&content).all(|(stored, sent)| *stored == *sent || *stored == 0));
}
