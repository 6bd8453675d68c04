//! `-S workers=2`: two captures share an interface, two reassemblers have each a part of the connections, one writer
//! hears both. What is stored is what one would have stored, and what is counted adds up over both.
//!
//! Which of two had a connection is seen by its session number, which is even of the first and odd of the second.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use etherparse::Ipv4Header;
use nix::sys::signal::Signal;
use policy::manifest;
use proto::flow::{FlowId, FlowOpen, FromReassembler, Rotation};
use proto::limits::MAX_DATAGRAM;
use proto::time::Timestamp;
use tcpflow_tests::conversation::{Conversation, Side};
use tcpflow_tests::lab::{INTERFACE, Lab, SERVER};
use tcpflow_tests::process::Process;
use tcpflow_tests::puppet::{Script, claiming, coded};
use tcpflow_tests::report::{Element, assert_conserved};
use tcpflow_tests::run::{Bench, Outcome, Running};
use tcpflow_tests::said::{close, data, end, open, totals};
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Case, Need};

/// How soon a run that is told to end must have ended.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What tells of the run whose connection it was, of which flow, and in which direction.
const TEMPLATE: &str = "%S/%A.%a-%B.%b";

fn main() -> ExitCode {
    let mut all = tcpflow_tests::cases![&[Need::Namespaces];
        many_connections_are_whole_each_in_one_pair,
        flows_go_on_through_directories,
        rotations_that_come_at_once_are_as_many_for_both,
        a_run_that_ends_under_traffic_begins_no_flow_twice,
        both_answer_how_far_they_are,
        each_process_is_confined_and_named,
        an_interface_that_goes_ends_both_and_is_waited_for_again,
        a_reassembler_that_lies_is_named_and_harms_no_flow_of_another,
        nobody_is_another_by_numbers,
        what_is_not_of_its_turn_is_refused,
    ];
    for (executable, number) in [(CAPTURE, 2), (CAPTURE, 1), (REASSEMBLER, 2)] {
        let name = format!("{executable}_{number}_killed_ends_all").replace('-', "_");
        all.push(Case::new(name, &[Need::Namespaces], move || one_killed_ends_all(executable, number)));
    }
    let python = [Need::Namespaces, Need::Program("python3")];
    all.extend(tcpflow_tests::cases![&python; fragments_are_stored_where_their_addresses_lead]);
    all.extend(tcpflow_tests::cases![options_that_cannot_be_are_refused]);
    suite::main(all)
}

const CAPTURE: &str = "tcpflow-capture";
const REASSEMBLER: &str = "tcpflow-reassembler";
const WRITER: &str = "tcpflow-writer";

/// A lab, and a bench that runs are made on.
struct Scene {
    lab: Lab,
    bench: Bench,
}

impl Scene {
    fn new() -> Self {
        Self { lab: Lab::new(), bench: Bench::of(Subject::Ours) }
    }

    /// Two pairs and a writer, at work.
    fn capture(&self, more: &[&str]) -> Running {
        let line = ["-i", INTERFACE, "-U", "nobody", "-o", "out", "-T", TEMPLATE, "-S", "workers=2"];
        let mut running = self.bench.run(&[&line[..], more].concat()).after(&self.lab.at_server()).start();
        running.wait_for(&format!("listening on {INTERFACE}"));
        running.wait_until("five roles", |running| running.roles().len() == 5);
        running
    }

    /// A connection: the client's end and the server's.
    fn connect(&self, listener: &TcpListener) -> (TcpStream, TcpStream) {
        let client = self.lab.as_client(|| TcpStream::connect((SERVER, 80)).unwrap());
        (client, listener.accept().unwrap().0)
    }

    /// Connects so many times, has each say something, and be answered.
    fn exchange(&self, connections: usize, talk: impl Fn(usize, TcpStream, TcpStream) + Sync) {
        const AT_ONCE: usize = 4;
        let listener = self.lab.as_server(|| TcpListener::bind((SERVER, 80)).unwrap());
        for first in (0..connections).step_by(AT_ONCE) {
            let pairs: Vec<_> = (first..connections.min(first + AT_ONCE))
                .map(|number| {
                    let (client, server) = self.connect(&listener);
                    (number, client, server)
                })
                .collect();
            std::thread::scope(|scope| {
                for (number, client, server) in pairs {
                    let talk = &talk;
                    scope.spawn(move || talk(number, client, server));
                }
            });
        }
    }
}

/// What is said in a connection: bytes by which each place in it is known from any other.
fn content(number: usize, side: u8, length: usize) -> Vec<u8> {
    let word = |place: usize| format!("{number:05}{}{place:010}", char::from(side)).into_bytes();
    (0..length.div_ceil(16)).flat_map(word).take(length).collect()
}

fn request(number: usize) -> Vec<u8> {
    content(number, b'q', 100 + number * 37)
}

fn reply(number: usize) -> Vec<u8> {
    content(number, b'r', 20_000 + number * 501)
}

/// One says something, the other answers, both hang up.
fn talk(number: usize, mut client: TcpStream, mut server: TcpStream) {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut heard = Vec::new();
            server.read_to_end(&mut heard).unwrap();
            assert!(heard == request(number));
            server.write_all(&reply(number)).unwrap();
        });
        client.write_all(&request(number)).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).unwrap();
        assert!(heard == reply(number));
    });
}

/// The flows by their session and their ends, whichever directory they are in.
fn sessions(tree: &BTreeMap<String, tcpflow_tests::tree::File>) -> BTreeMap<u64, Vec<(String, Vec<u8>)>> {
    let mut sessions: BTreeMap<u64, Vec<(String, Vec<u8>)>> = BTreeMap::new();
    for (path, file) in tree {
        let mut parts = path.rsplit('/');
        let (name, session) = (parts.next().unwrap(), parts.next().unwrap());
        sessions.entry(session.parse().unwrap()).or_default().push((name.to_owned(), file.bytes.clone()));
    }
    sessions
}

/// Which of the two had some of these.
fn pairs(sessions: impl Iterator<Item = u64>) -> [usize; 2] {
    let mut pairs = [0; 2];
    for session in sessions {
        pairs[usize::try_from(session % 2).unwrap()] += 1;
    }
    pairs
}

fn stop(running: Running) -> Outcome {
    running.signal(Signal::SIGINT);
    running.wait().expect(0)
}

fn many_connections_are_whole_each_in_one_pair() {
    const CONNECTIONS: usize = 200;
    let scene = Scene::new();
    let running = scene.capture(&["-w", "rest.pcap", "--events", "events.json"]);
    scene.exchange(CONNECTIONS, talk);
    let outcome = stop(running);
    let sessions = sessions(&scene.bench.flows("out"));
    assert_eq!(sessions.len(), CONNECTIONS, "{}", outcome.stderr);
    let mut found = std::collections::BTreeSet::new();
    for (session, flows) in &sessions {
        let [(one, to_server), (other, to_client)] = &flows[..] else { panic!("{session}: {flows:?}") };
        let (to_client, to_server) =
            if one.starts_with("192.000.002.001") { (to_server, to_client) } else { (to_client, to_server) };
        let (source, destination) = one.split_once('-').unwrap();
        assert_eq!(*other, format!("{destination}-{source}"), "both directions");
        let number: usize = std::str::from_utf8(&to_server[..5]).unwrap().parse().unwrap();
        assert!(*to_server == request(number) && *to_client == reply(number), "{number} is not whole");
        found.insert(number);
    }
    assert_eq!(found.len(), CONNECTIONS);
    let had = pairs(sessions.keys().copied());
    assert!(had.iter().all(|connections| *connections > CONNECTIONS / 8), "{had:?}");
    let report = scene.bench.report("out/report.xml");
    check_sums(&report, CONNECTIONS);
    check_events(&scene.bench, CONNECTIONS);
}

/// What both counted is in one report, and adds up.
fn check_sums(report: &Element, connections: usize) {
    assert_conserved(report);
    assert!(report.all("interrupted").is_empty(), "stopped in order");
    let sent: usize = (0..connections).map(|number| request(number).len() + reply(number).len()).sum();
    let payload = report.one("payload");
    assert_eq!(payload.number("written"), u64::try_from(sent).unwrap(), "{payload:?}");
    assert_eq!(report.all("tcpflow").len(), 2 * connections);
    let kernel = report.one("kernel");
    assert_eq!(kernel.number("dropped"), 0, "{kernel:?}");
    assert!(kernel.number("received") >= report.one("frames").number("captured"), "{kernel:?}");
}

/// Each flow begins and ends once, and names the other direction of it, which is of its pair.
fn check_events(bench: &Bench, connections: usize) {
    let text = String::from_utf8(std::fs::read(bench.path().join("events.json")).unwrap()).unwrap();
    let mut ends = BTreeMap::<String, usize>::new();
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        *ends.entry(event["event"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    let of_flows = ends.values().filter(|count| **count == 2 * connections).count();
    assert_eq!(of_flows, 2, "{ends:?}");
}

/// Connections that say something now and then until they are told to stop, each from its own thread.
fn flows_go_on_through_directories() {
    const CONNECTIONS: usize = 12;
    const PIECES: usize = 30;
    let scene = Scene::new();
    let mut running = scene.capture(&["--rotate", "1s", "-T", "%A.%a-%B.%b", "tcp", "port", "80"]);
    let listener = scene.lab.as_server(|| TcpListener::bind((SERVER, 80)).unwrap());
    let mut pairs: Vec<_> = (0..CONNECTIONS).map(|_| scene.connect(&listener)).collect();
    for piece in 0..PIECES {
        for (number, (client, server)) in pairs.iter_mut().enumerate() {
            for (side, stream) in [(b'c', &mut *client), (b's', &mut *server)] {
                let piece = content(number, side, PIECES * 3200)[piece * 3200..][..3200].to_vec();
                stream.write_all(&piece).unwrap();
            }
            for stream in [client, server] {
                stream.read_exact(&mut [0; 3200]).unwrap();
            }
        }
        if piece == PIECES / 2 {
            running.signal(Signal::SIGUSR2);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(pairs);
    let so_far = directories(&scene.bench).len();
    assert!(so_far >= 3, "{so_far} directories in three seconds");
    running.wait_until("directories without packets", |_| directories(&scene.bench).len() > so_far + 1);
    let _ = stop(running);
    let mut whole = BTreeMap::<String, Vec<u8>>::new();
    for directory in directories(&scene.bench) {
        for (name, file) in scene.bench.flows(&format!("out/{directory}")) {
            if name.starts_with("192.") {
                whole.entry(name).or_default().extend(file.bytes);
            }
        }
    }
    assert_eq!(whole.len(), 2 * CONNECTIONS, "{:?}", whole.keys());
    for (name, bytes) in whole {
        let number: usize = std::str::from_utf8(&bytes[..5]).unwrap().parse().unwrap();
        assert!(bytes == content(number, bytes[5], PIECES * 3200), "{name} is not the parts put together");
    }
    let written: u64 =
        reports(&scene.bench).iter().map(|report| report.one("payload").number("written")).sum();
    assert_eq!(written, u64::try_from(2 * CONNECTIONS * PIECES * 3200).unwrap());
}

fn directories(bench: &Bench) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(bench.path().join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "report.xml")
        .collect();
    names.sort();
    names
}

/// The reports of all directories.
fn reports(bench: &Bench) -> Vec<Element> {
    bench.reports_of("out", &directories(bench))
}

/// One capture is told of two rotations while it drains for the first, the other when it has time: both make two.
fn rotations_that_come_at_once_are_as_many_for_both() {
    let scene = Scene::new();
    // What the kernel holds back is waited for as long, twice.
    let line = ["--rotate", "1d", "-S", "packet-buffer-timeout=300"];
    let mut running = scene.capture(&line);
    let slow = role(&running, CAPTURE, 2);
    slow.signal(Signal::SIGSTOP);
    for number in 0..2 {
        running.signal(Signal::SIGUSR2);
        // So that it is not the same signal; what comes of it waits for the one that stands still.
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(directories(&scene.bench).len(), 1, "{number}");
    }
    slow.signal(Signal::SIGCONT);
    running.wait_until("directories", |_| directories(&scene.bench).len() == 3);
    // Nothing waits any more.
    scene.exchange(8, talk);
    wait_for_answer(&mut running, " segments, 16 flows, ");
    let _ = stop(running);
    let reports = reports(&scene.bench);
    assert_eq!(reports.len(), 3);
    assert_eq!(reports[2].all("tcpflow").len(), 16);
}

/// Asks all how far they are until they say this: what the kernel holds back was not captured yet.
fn wait_for_answer(running: &mut Running, words: &str) {
    running.wait_until(words, |running| {
        running.signal(Signal::SIGUSR1);
        std::thread::sleep(Duration::from_millis(50));
        running.said().contains(words)
    });
}

/// Which of several processes that have the same executable.
fn role(running: &Running, executable: &str, number: u32) -> Process {
    let roles = running.roles();
    let found = roles.iter().find(|role| {
        let line = std::fs::read(format!("/proc/{}/cmdline", role.pid)).unwrap();
        role.executable == executable && line.ends_with(format!("\0{number}\0").as_bytes())
    });
    found.unwrap_or_else(|| panic!("no {executable} {number} in {roles:?}")).clone()
}

/// Of two captures the one that stands still hears of the end late, when the other is gone and all frames are its own:
/// it takes none that came after the word.
fn a_run_that_ends_under_traffic_begins_no_flow_twice() {
    const CONNECTIONS: usize = 8;
    let scene = Scene::new();
    let running = scene.capture(&[]);
    let slow = role(&running, CAPTURE, 2);
    let listener = scene.lab.as_server(|| TcpListener::bind((SERVER, 80)).unwrap());
    let mut ends: Vec<_> = (0..CONNECTIONS).map(|_| scene.connect(&listener)).collect();
    let mut say = |words: &[u8]| {
        for (client, server) in &mut ends {
            client.write_all(words).unwrap();
            server.read_exact(&mut vec![0; words.len()]).unwrap();
        }
    };
    say(b"before");
    slow.signal(Signal::SIGSTOP);
    let other = role(&running, CAPTURE, 1);
    running.signal(Signal::SIGINT);
    let limit = Instant::now() + 20 * AT_ONCE;
    while other.is_alive() {
        assert!(Instant::now() < limit, "the other capture does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    // Whoever is left gets all of it.
    say(b"after");
    slow.signal(Signal::SIGCONT);
    let _ = running.wait().expect(0);
    let sessions = sessions(&scene.bench.flows("out"));
    let had = pairs(sessions.keys().copied());
    assert!(had.iter().all(|connections| *connections > 0), "{had:?}");
    let stored: Vec<&[u8]> = sessions.values().flatten().map(|(_, bytes)| bytes.as_slice()).collect();
    assert_eq!(stored, [b"before"; CONNECTIONS]);
}

/// SIGUSR1, and metrics, in which no sample is there twice.
fn both_answer_how_far_they_are() {
    const CONNECTIONS: usize = 20;
    let scene = Scene::new();
    let mut running = scene.capture(&["--metrics", "out/m.prom", "tcp", "port", "80"]);
    scene.exchange(CONNECTIONS, talk);
    wait_for_answer(&mut running, &format!(" {} flows, 0 open, ", 2 * CONNECTIONS));
    let first = String::from_utf8(std::fs::read(scene.bench.path().join("out/m.prom")).unwrap()).unwrap();
    for process in [&format!("{CAPTURE} 1")[..], &format!("{CAPTURE} 2"), &format!("{REASSEMBLER} 2"), WRITER]
    {
        assert!(first.contains(&format!("process=\"{process}\"")), "{process}: {first}");
    }
    let names: Vec<&str> =
        first.lines().filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name).collect();
    let once: std::collections::BTreeSet<&&str> = names.iter().collect();
    assert_eq!(names.len(), once.len(), "{first}");
    let _ = stop(running);
    let last = String::from_utf8(std::fs::read(scene.bench.path().join("out/m.prom")).unwrap()).unwrap();
    let captured = scene.bench.report("out/report.xml").one("frames").number("captured");
    assert!(
        last.contains(&format!("frames_captured_total{{interface=\"{INTERFACE}\"}} {captured}\n")),
        "{last}"
    );
}

fn each_process_is_confined_and_named() {
    let scene = Scene::new();
    let mut running = scene.capture(&["--sandbox-report"]);
    running.wait_for_confined(5);
    let shown = running.printed();
    let states: serde_json::Value = serde_json::from_str(&shown).unwrap_or_else(|e| panic!("{e}: {shown}"));
    let mut names: Vec<&str> =
        states.as_array().unwrap().iter().map(|state| state["role"].as_str().unwrap()).collect();
    names.sort_unstable();
    let due = [
        "tcpflow-capture 1",
        "tcpflow-capture 2",
        "tcpflow-reassembler 1",
        "tcpflow-reassembler 2",
        "tcpflow-writer",
    ];
    assert_eq!(names, due);
    for state in states.as_array().unwrap() {
        for due in ["seccomp", "seccomp filter", "landlock", "NoNewPrivs", "CapEff"] {
            let layers = state["layers"].as_array().unwrap();
            let layer = layers.iter().find(|layer| layer["name"] == due);
            assert_eq!(layer.unwrap()["in_force"], true, "{due} of {}", state["role"]);
        }
    }
    for (executable, number) in [(CAPTURE, 1), (CAPTURE, 2), (REASSEMBLER, 1), (REASSEMBLER, 2)] {
        let _ = role(&running, executable, number);
    }
    hears_both(&running);
    let _ = stop(running);
    let report = scene.bench.report("out/report.xml");
    assert_eq!(report.all("kernel").len(), 1);
}

/// The writer has a data channel and a counter for each reassembler, and the memory mapped.
fn hears_both(running: &Running) {
    let roles = running.roles();
    let writer = roles.iter().find(|role| role.executable == WRITER).unwrap();
    let open = writer.descriptors();
    for (channel, ring) in manifest::heard(2) {
        for (number, due) in [(channel, "socket:"), (ring.emptied, "anon_inode:[eventfd]")] {
            assert!(open[&number].to_string_lossy().starts_with(due), "{number}: {open:?}");
        }
        assert!(!open.contains_key(&ring.memory), "{}: {open:?}", ring.memory);
    }
    let access: Vec<String> = writer.shared_memory().into_iter().map(|(_, access)| access).collect();
    assert_eq!(access, ["r--s"; 2]);
}

fn one_killed_ends_all(executable: &str, number: u32) {
    let scene = Scene::new();
    let running = scene.capture(&[]);
    scene.exchange(8, talk);
    std::thread::sleep(AT_ONCE / 2);
    let roles = running.roles();
    role(&running, executable, number).kill();
    let killed = Instant::now();
    let outcome = running.wait().says(&format!("{executable} {number} was killed by signal 9 (SIGKILL)"));
    assert!(killed.elapsed() < AT_ONCE, "{:?}", killed.elapsed());
    assert_ne!(outcome.code(), 0, "{}", outcome.stderr);
    assert!(!roles.iter().any(Process::is_alive), "orphans of {roles:?}");
    let sessions = sessions(&scene.bench.flows("out"));
    assert_eq!(sessions.len(), 8, "what came before is kept: {}", outcome.stderr);
    assert_eq!(scene.bench.report("out/report.xml").all("interrupted").len(), 1, "marked");
}

fn an_interface_that_goes_ends_both_and_is_waited_for_again() {
    let scene = Scene::new();
    let running = scene.capture(&["--wait-interface", "0"]);
    scene.exchange(8, talk);
    std::thread::sleep(AT_ONCE / 2);
    scene.lab.set_at_server(&["delete", INTERFACE]);
    let outcome = running.wait().expect(75).says(&format!("{INTERFACE} went away"));
    let report = scene.bench.report("out/report.xml");
    assert_conserved(&report);
    let told = &report.one("interrupted").text;
    assert!(told.contains(&format!("{INTERFACE}: ")), "{told}: {}", outcome.stderr);
    assert_eq!(sessions(&scene.bench.flows("out")).len(), 8, "{}", outcome.stderr);
}

/// A writer between puppets that play both reassemblers. Captures are real.
fn puppets(first: Script, second: Script, more: &[&str]) -> (Scene, Outcome) {
    let bench = Bench::of(Subject::Ours).played_by_number(REASSEMBLER, &[first, second]);
    let scene = Scene { lab: Lab::new(), bench };
    let line = ["-i", INTERFACE, "-U", "nobody", "-o", "out", "-T", TEMPLATE, "-S", "workers=2"];
    let mut running = scene.bench.run(&[&line[..], more].concat()).after(&scene.lab.at_server()).start();
    running.wait_for("listening on");
    // Whatever is said is said by then or under way, and what nobody says has no other end.
    running.signal(Signal::SIGINT);
    let outcome = running.wait();
    (scene, outcome)
}

/// Output goes on in the directory of this second.
fn rotate(second: i64, flows: u64, stored: u64) -> FromReassembler {
    let start = Timestamp::new(1_600_000_000 + second, 0);
    FromReassembler::Rotate(Box::new(Rotation { start, totals: totals(flows, stored) }))
}

/// One flow, from its beginning to its end.
fn with_a_flow(script: Script) -> Script {
    script.say(&[(open(0), &b""[..]), (data(0, 0, b"kept"), b"kept"), (close(0, 4), b"")])
}

fn alone(script: Script, message: FromReassembler) -> Script {
    script.say(&[(message, b"")])
}

/// Says that so many bytes of shared memory belong to a message that speaks of none.
fn beside(script: Script, payload: u32) -> Script {
    let datagram = claiming(payload, script.sequence, &coded(&open(1)), b"");
    script.raw(datagram)
}

/// The liar lies once both have come to their second directory, and so behind the flow of the other.
fn a_reassembler_that_lies_is_named_and_harms_no_flow_of_another() {
    type Lie = fn(Script) -> Script;
    let lies: [(&str, Lie); 8] = [
        ("flow that is not open", |s| alone(s, data(0, 4, b""))),
        ("flow that is not open", |s| alone(s, data(1, 0, b""))),
        ("flow numbered out of order", |s| alone(s, open(3))),
        ("a number that no flow can have", |s| alone(s, data(u64::MAX / 2 + 1, 0, b""))),
        ("totals that do not add up", |s| alone(s, end(2, 8))),
        ("payload of 4294967295 bytes", |s| beside(s, u32::MAX)),
        ("1 trailing bytes", |s| beside(s, 1)),
        ("datagram longer than any may be", |s| s.raw(vec![0; MAX_DATAGRAM + 1])),
    ];
    for (reason, lie) in lies {
        let begun = Script::default().say(&[(rotate(0, 0, 0), b"")]);
        let first = with_a_flow(begun.clone()).say(&[(rotate(1, 1, 4), b"")]);
        let second = lie(with_a_flow(begun.say(&[(rotate(1, 0, 0), b"")])));
        let (scene, outcome) = puppets(first, second, &["--rotate", "1d", "-X", "all.xml"]);
        let words = format!("{WRITER}: {REASSEMBLER} 2: protocol breach: {reason}");
        let outcome = outcome.expect(1).says(&words);
        let sessions = sessions(&flows_in_directories(&scene.bench));
        assert_eq!(sessions.keys().copied().collect::<Vec<_>>(), [0, 1], "{}", outcome.stderr);
        assert!(sessions.values().flatten().all(|(_, bytes)| bytes == b"kept"), "{sessions:?}");
        let report = scene.bench.report("all.xml");
        let told = &report.one("interrupted").text;
        assert!(told.contains(reason), "{told}");
    }
}

/// The flows without what marks directories.
fn flows_in_directories(bench: &Bench) -> BTreeMap<String, tcpflow_tests::tree::File> {
    let mut flows = bench.flows("out");
    flows.retain(|path, _| !path.ends_with(".tcpflow"));
    flows
}

/// The same numbers of both, open at once: neither writes into a flow of the other, whatever it is called.
fn nobody_is_another_by_numbers() {
    let says = |words: &'static [u8]| {
        let script = Script::default().say(&[(open(0), &b""[..]), (open_as(1, u64::MAX / 4), b"")]);
        let script = script.say(&[(data(0, 0, words), words), (data(1, 0, words), words)]);
        script.say(&[(close(0, 4), b""), (close(1, 4), b""), (end(2, 8), b"")])
    };
    let (scene, outcome) = puppets(says(b"four"), says(b"five"), &[]);
    let outcome = outcome.expect(0);
    let sessions = sessions(&scene.bench.flows("out"));
    assert_eq!(sessions.len(), 4, "{}", outcome.stderr);
    for (session, flows) in sessions {
        let due: &[u8] = if session % 2 == 0 { b"four" } else { b"five" };
        assert!(flows.iter().all(|(_, bytes)| bytes == due), "{session}: {flows:?}");
    }
    assert_eq!(scene.bench.report("out/report.xml").one("payload").number("written"), 16);
}

fn open_as(flow: u64, session: u64) -> FromReassembler {
    let FromReassembler::Open(opened) = open(flow) else { unreachable!("a flow that opens") };
    FromReassembler::Open(FlowOpen { flow: FlowId(flow), session, ..opened })
}

/// What one may not say while the other has not said his part, or at all.
fn what_is_not_of_its_turn_is_refused() {
    let begun = || Script::default().say(&[(rotate(0, 0, 0), b"")]);
    let with_file = begun().say(&[(open(0), &b""[..]), (data(0, 0, b"kept"), b"kept")]);
    for (first, second, reason) in [
        (begun(), Script::default().say(&[(open(0), b"")]), "output that no directory was told for"),
        (begun(), begun().say(&[(open(0), b""), (end(1, 0), b"")]), "the end, with flows open"),
        (begun(), with_file.say(&[(rotate(1, 1, 4), b"")]), "a rotation with files open"),
        (begun(), Script::default().say(&[(rotate(0, 7, 0), b"")]), "totals that do not add up"),
        // The first never says that he goes on.
        (
            Script::default(),
            Script::default().say(&[(rotate(0, 0, 0), b""), (open(0), b"")]),
            "a message behind a rotation",
        ),
    ] {
        let (_scene, outcome) = puppets(first, second, &["--rotate", "1d"]);
        let _ = outcome.expect(1).says(&format!("{REASSEMBLER} 2: protocol breach: {reason}"));
    }
}

/// The halves of datagrams go where their addresses lead, the rest of their flows by ports too: each byte is stored once.
fn fragments_are_stored_where_their_addresses_lead() {
    const FLOWS: u16 = 16;
    let scene = Scene::new();
    let running = scene.capture(&["net", "198.51.100.0/24"]);
    let (mut frames, mut pieces) = (Vec::new(), Vec::new());
    for number in 0..FLOWS {
        let mut talk = Conversation {
            client: ([198, 51, 100, 1].into(), 2000 + number),
            server: ([198, 51, 100, 2].into(), 80),
            ..Conversation::default()
        };
        talk.open();
        let whole = content(number.into(), b'w', 400);
        let halves = content(number.into(), b'h', 800);
        talk.data(Side::Client, 0, &whole);
        talk.data(Side::Client, whole.len(), &halves);
        let last = talk.packets.pop().unwrap();
        frames.extend(talk.packets.into_iter().map(|packet| packet.bytes));
        frames.extend(in_halves(&last.bytes, number));
        pieces.extend([whole, halves]);
    }
    inject(&scene.lab, &frames);
    std::thread::sleep(AT_ONCE / 2);
    let outcome = stop(running);
    let report = scene.bench.report("out/report.xml");
    assert_conserved(&report);
    let flows = scene.bench.flows("out");
    for piece in &pieces {
        let holds = flows.values().filter(|file| file.bytes.windows(piece.len()).any(|bytes| bytes == piece));
        assert_eq!(holds.count(), 1, "{}: {}", String::from_utf8_lossy(&piece[..16]), outcome.stderr);
    }
    let written = report.one("payload").number("written");
    assert_eq!(written, u64::try_from(pieces.iter().map(Vec::len).sum::<usize>()).unwrap());
    // By their ports flows are of both pairs, by their addresses all halves of one: some are not with their flow.
    let of_both = flows.len();
    assert!(of_both > usize::from(FLOWS) && of_both < 2 * usize::from(FLOWS), "{of_both} files");
}

/// A frame with an IPv4 packet, as two fragments.
fn in_halves(frame: &[u8], identification: u16) -> [Vec<u8>; 2] {
    let (link, packet) = frame.split_at(14);
    let (header, payload) = Ipv4Header::from_slice(packet).unwrap();
    let (first, second) = payload.split_at(payload.len() / 16 * 8);
    [(first, 0, true), (second, first.len(), false)].map(|(part, offset, more)| {
        let mut header = header.clone();
        header.identification = identification;
        header.more_fragments = more;
        header.dont_fragment = false;
        header.fragment_offset = u16::try_from(offset / 8).unwrap().try_into().unwrap();
        header.set_payload_len(part.len()).unwrap();
        header.header_checksum = header.calc_header_checksum();
        let mut frame = link.to_vec();
        header.write(&mut frame).unwrap();
        frame.extend(part);
        frame
    })
}

/// Puts frames on the wire at the client's end.
fn inject(lab: &Lab, frames: &[Vec<u8>]) {
    let script = format!(
        "import socket, sys\ns = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\ns.bind(('{INTERFACE}', 0))\n\
         for line in sys.stdin: s.send(bytes.fromhex(line))"
    );
    let mut child = lab.at_client("python3").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for frame in frames {
        let line: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(stdin, "{line}").unwrap();
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

fn options_that_cannot_be_are_refused() {
    let bench = Bench::of(Subject::Ours);
    for (more, words) in [
        (&["-r", "in.pcap"][..], "-S workers=2: savefiles are read in their order, by one"),
        (&["-i", "lo", "-e", "netviz"], "-S workers=2: netviz counts the traffic as a whole"),
        (&["-i", "lo", "--rotate", "1G"], "-S workers=2: --rotate by size"),
    ] {
        let outcome = bench.run(&[&["-S", "workers=2", "-o", "out"], more].concat()).finish();
        let _ = outcome.expect(2).says(words);
        assert!(!bench.path().join("out").exists(), "nothing was made");
    }
}
