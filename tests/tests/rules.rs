//! Every rule of every list of system calls is one that some run needs: what the processes of these runs call, once
//! they are confined, is recorded, and a rule for which there is no call is one to be taken out.
//!
//! A run that needs a new rule is to be added here with it.

use std::process::ExitCode;

use tcpflow_tests::suite;

fn main() -> ExitCode {
    #[cfg(target_arch = "x86_64")]
    let cases = rules::cases();
    // Registers and lists are each machine's own.
    #[cfg(not(target_arch = "x86_64"))]
    let cases = vec![suite::Case::new("rules", &[suite::Need::Tracing], || {})];
    suite::main(cases)
}

#[cfg(target_arch = "x86_64")]
mod rules {
    use std::collections::BTreeSet;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::process::{Child, Command, Stdio};
    use std::thread::JoinHandle;
    use std::time::{Duration, Instant};

    use etherparse::{IpNumber, Ipv4Header};
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use nix::pty::{Winsize, openpty};
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use tcpflow_tests::calls::{List, number_of};
    use tcpflow_tests::capture::{ETHERNET, Packet, pcap};
    use tcpflow_tests::cases;
    use tcpflow_tests::conversation::{Conversation, Side};
    use tcpflow_tests::held::packet_socket;
    use tcpflow_tests::lab::{INTERFACE, Lab, SERVER, WIRE_V6};
    use tcpflow_tests::process::Process;
    use tcpflow_tests::recorder::{Call, HALT, Recording, record};
    use tcpflow_tests::run::Bench;
    use tcpflow_tests::subject::Subject;
    use tcpflow_tests::suite::{Case, Need};

    const CAPTURE: &str = "tcpflow-capture";
    const REASSEMBLER: &str = "tcpflow-reassembler";
    const WRITER: &str = "tcpflow-writer";

    pub fn cases() -> Vec<Case> {
        // Its allocator does without some of the calls of the C library's.
        let plain = Need::NoSanitizer("its allocator is another one, with calls of its own");
        let needs = [Need::Root, Need::Tracing, Need::Program("python3"), plain];
        let mut all = cases![&needs[..3]; a_plugin_needs_every_rule];
        all.extend(cases![&needs; files_need_every_rule]);
        all.extend(cases![&[Need::Root, Need::Tracing, plain]; retention_needs_every_rule]);
        let live = [Need::Namespaces, Need::Tracing, plain];
        all.extend(cases![&live; live_needs_every_rule, several_reassemblers_need_every_rule]);
        all
    }

    /// The calls of one process over several runs.
    fn of<'a>(recordings: &'a [Recording], name: &'a str) -> BTreeSet<Call> {
        let calls = recordings.iter().filter_map(|recording| recording.get(name)).flatten();
        calls.copied().collect()
    }

    /// Rules that none of these runs needs, and what does.
    const ELSEWHERE: [(&str, &str, &str); 8] = [
        (
            "capture-live",
            "brk",
            "how much of the heap is left when confinement begins is not for a run to choose",
        ),
        ("capture-live", "mmap", "where the heap has no more room to grow"),
        ("capture-live", "mremap", "a long frame that goes by the socket, where no memory can be shared"),
        (
            "writer",
            "futex: the heap's lock",
            "whether two threads want it at once is not for a run to choose",
        ),
        ("python", "fstat", "C libraries before 2.33 and after 2.38"),
        ("python", "stat", "C libraries before 2.33"),
        ("python", "lstat", "C libraries before 2.33"),
        ("python", "dup", "Python before 3.10"),
    ];

    /// Rules of a list that none of these calls is by, in words.
    fn unneeded(name: &str, packet: Option<u64>, calls: &BTreeSet<Call>) -> Vec<String> {
        unneeded_of(name, &List::read(name, packet), calls)
    }

    fn unneeded_of(name: &str, list: &List, calls: &BTreeSet<Call>) -> Vec<String> {
        assert!(!calls.is_empty(), "{name}: no call was recorded");
        let is_debug_build = cfg!(debug_assertions) && std::env::var_os("TCPFLOW_BIN").is_none();
        let is_excused = |call: &str, comment: &str| {
            let of_debug_builds = comment.starts_with("debug builds") && !is_debug_build;
            let rule = format!("{call}: {comment}");
            let is_known = |known: &str| known == call || known.contains(':') && rule.starts_with(known);
            of_debug_builds || ELSEWHERE.iter().any(|(list, known, _)| *list == name && is_known(known))
        };
        let unneeded = list.rules.iter().filter(|rule| {
            let is_met = calls.iter().any(|(number, arguments)| rule.covers(*number, *arguments));
            !is_met && !is_excused(&rule.name, &rule.comment)
        });
        unneeded.map(|rule| format!("{name}: {}: {}", rule.name, rule.comment)).collect()
    }

    /// Both directions, out of order, with a copy that differs, and an end after bytes that did not come; a packet that
    /// is no TCP.
    fn capture() -> Vec<u8> {
        let mut talk = Conversation::default();
        talk.open();
        let piece = [b'x'; 1400];
        for number in (0..500).rev().chain(0..1000) {
            talk.data(Side::Client, number * piece.len(), &piece);
        }
        talk.data(Side::Client, 0, &[b'y'; 1400]);
        // By turns, so that what belongs together in a file does not lie together in a batch.
        for number in 0..8 {
            talk.data(Side::Server, number * piece.len(), &piece);
            talk.data(Side::Client, (1000 + number) * piece.len(), &piece);
        }
        talk.fin(Side::Server, 20_000);
        let mut packets = talk.packets;
        packets.push(Packet::whole(packets[0].time, vec![0xff; 60]));
        // Enough flows that memory of them is taken and given back.
        for port in 2000..2400 {
            let talk = Conversation { client: ([192, 0, 2, 1].into(), port), ..Conversation::default() };
            packets.extend(talk.exchange(&[b'q'; 700], &[b'r'; 1400]).packets);
        }
        packets.extend((0..400).map(fragment));
        pcap(ETHERNET, &packets)
    }

    /// The first half of a datagram, of which the rest never comes.
    fn fragment(number: u16) -> Packet {
        let (source, destination) = ([192, 0, 2, 1], [192, 0, 2, 2]);
        let mut header = Ipv4Header::new(1400, 64, IpNumber::TCP, source, destination).unwrap();
        (header.identification, header.more_fragments) = (number, true);
        let mut frame = vec![0; 12];
        frame.extend([8, 0]);
        header.write(&mut frame).unwrap();
        frame.resize(frame.len() + 1400, 0);
        Packet::whole(0, frame)
    }

    fn files_need_every_rule() {
        let recordings =
            [stored(), printed(), on_a_terminal(), into_a_slow_pipe(), shared(), with_a_plugin()].concat();
        let mut missing = unneeded("capture-files", None, &of(&recordings, CAPTURE));
        missing.extend(unneeded("reassembler", None, &of(&recordings, REASSEMBLER)));
        missing.extend(unneeded("writer", None, &of(&recordings, WRITER)));
        assert!(missing.is_empty(), "no run needs these rules:\n{}", missing.join("\n"));
    }

    /// All that is written: flow files in directories, digests, a report into a pipe, a savefile of the rest, and events.
    fn stored() -> Vec<Recording> {
        let bench = Bench::of(Subject::Ours);
        let names = ["-w", "rest.pcap", "-X", "/dev/stdout", "--events", "ev.json"];
        let line = [&["-r", "-", "-o", "out", "-T", "%a/%A", "-e", "md5"][..], &names].concat();
        let mut running = bench.run(&line).after(&HALT).start();
        let recording = record(running.pid(), false);
        let bytes = capture();
        running.write(&bytes[..1000]);
        running.wait_until("capture to wait", |running| {
            running.roles().iter().any(|role| role.executable == CAPTURE && waits_in("poll", role.pid))
        });
        running.roles().iter().for_each(|role| stop_and_continue(role.pid));
        running.write(&bytes[1000..]);
        running.end_input();
        let outcome = running.wait().expect(0);
        assert!(outcome.stdout.contains("</dfxml>"), "{}", outcome.stdout);
        vec![recording.join().unwrap()]
    }

    /// Directories within directories go, by size, and it is looked how much room there is.
    fn retention_needs_every_rule() {
        let bench = Bench::of(Subject::Ours).file("in.pcap", &long(20));
        let line = ["-r", "in.pcap", "-o", "out", "--rotate", "5s", "-T", "%a/%A"];
        let _ = bench.run(&line).finish().expect(0);
        let more = ["--keep-size", "1K", "--min-free", "1K", "--keep", "1d"];
        let mut child = halted(&bench, &[&line[..], &more].concat()).spawn().unwrap();
        let recording = recorded(&child, false);
        assert!(child.wait().unwrap().success());
        let recording = [recording.join().unwrap()];
        let missing =
            unneeded_of("writer-retaining", &List::read_own("writer-retaining"), &of(&recording, WRITER));
        assert!(missing.is_empty(), "no run needs these rules:\n{}", missing.join("\n"));
    }

    /// All that is printed and drawn, in the order of streams, of a savefile that is compressed.
    fn printed() -> Vec<Recording> {
        let mut talk = Conversation::default();
        talk.open();
        for number in (1..3000).rev() {
            talk.data(Side::Client, number * 700, &[b'x'; 700]);
        }
        talk.data(Side::Client, 0, b"GET / HTTP/1.1\r\n\r\n");
        let mut packets = talk.packets;
        for port in 2000..4000 {
            let mut talk = Conversation { client: ([192, 0, 2, 1].into(), port), ..Conversation::default() };
            talk.open();
            talk.data(Side::Client, 5, b"after a hole");
            packets.extend(talk.packets);
        }
        let mut coder = GzEncoder::new(Vec::new(), Compression::fast());
        coder.write_all(&pcap(ETHERNET, &packets)).unwrap();
        let bench = Bench::of(Subject::Ours).file("in.pcap.gz", &coder.finish().unwrap());
        let mut child = halted(&bench, &["-r", "in.pcap.gz", "-o", "out", "-a", "-I", "-K", "-c", "-D"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let recording = recorded(&child, true);
        assert!(child.wait().unwrap().success());
        vec![recording.join().unwrap()]
    }

    /// A run of ours that waits to be recorded.
    fn halted(bench: &Bench, arguments: &[&str]) -> Command {
        let mut command = Command::new(HALT[0]);
        command.args(&HALT[1..]).arg(Subject::Ours.executable()).args(arguments).current_dir(bench.path());
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn recorded(child: &Child, with_vdso: bool) -> JoinHandle<Recording> {
        record(i32::try_from(child.id()).unwrap(), with_vdso)
    }

    /// How far reading is, by a clock that the kernel has to be asked for; a savefile with records as long as they may be.
    fn on_a_terminal() -> Vec<Recording> {
        let mut packets = vec![Packet::whole(0, vec![0xff; 262_144])];
        packets.extend((0..50).map(|_| Packet::whole(0, vec![0xff; 60])));
        let bench = Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &packets));
        let size = Winsize { ws_row: 24, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = openpty(&size, None).unwrap();
        let mut command = halted(&bench, &["-r", "in.pcap", "-r", "in.pcap", "-o", "out"]);
        let mut child = command.stderr(Stdio::from(terminal.slave)).spawn().unwrap();
        let recording = recorded(&child, false);
        assert!(child.wait().unwrap().success());
        vec![recording.join().unwrap()]
    }

    /// Pieces of more than a pipe takes at once, on a standard output that does not block; and more of them than fit into
    /// the memory before the writer.
    fn into_a_slow_pipe() -> Vec<Recording> {
        let bench = Bench::of(Subject::Ours).file("in.pcap", &long(200));
        let (mut reader, pipe) = std::io::pipe().unwrap();
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let mut child = halted(&bench, &["-r", "in.pcap", "-c", "-D"]).stdout(pipe).spawn().unwrap();
        let recording = recorded(&child, true);
        let writer = wait_for_writer(&child, "poll", |pid| waits_in("poll", pid));
        stop_and_continue(writer);
        let waits = |role: &Process| role.executable == REASSEMBLER && waits_in("poll", role.pid);
        let is_it = |role: &Process| waits(role).then_some(role.pid);
        stop_and_continue(wait_for(&child, "a reassembler that waits for the writer", is_it));
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert!(child.wait().unwrap().success());
        vec![recording.join().unwrap()]
    }

    /// So many segments of 30,000 bytes.
    fn long(segments: usize) -> Vec<u8> {
        let mut talk = Conversation::default();
        talk.open();
        for number in 0..segments {
            talk.data(Side::Client, number * 30_000, &[b'x'; 30_000]);
        }
        pcap(ETHERNET, &talk.packets)
    }

    fn wait_for_writer(child: &Child, what: &str, waits: impl Fn(i32) -> bool) -> i32 {
        wait_for(child, what, |role| (role.executable == WRITER && waits(role.pid)).then_some(role.pid))
    }

    /// Waits until something is found of one of the roles.
    fn wait_for(child: &Child, what: &str, find: impl Fn(&Process) -> Option<i32>) -> i32 {
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            let roles = Process::children_of(i32::try_from(child.id()).unwrap());
            if let Some(found) = roles.iter().find_map(&find) {
                return found;
            }
            assert!(Instant::now() < limit, "{what}: not in time: {roles:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Two runs with one semaphore: one holds it while nobody reads what it prints, the other waits for it.
    fn shared() -> Vec<Recording> {
        let lock = format!("tcpflow-test-rules-{}", std::process::id());
        let bench = Bench::of(Subject::Ours).file("in.pcap", &long(20));
        let (mut reader, pipe) = std::io::pipe().unwrap();
        let start = || {
            let mut command = halted(&bench, &["-r", "in.pcap", "-C", "-L", &lock]);
            command.stdout(pipe.try_clone().unwrap()).spawn().unwrap()
        };
        let mut first = start();
        let mut recordings = vec![recorded(&first, true)];
        wait_for_writer(&first, "write", |pid| waits_in("write", pid));
        let mut second = start();
        recordings.push(recorded(&second, true));
        stop_and_continue(wait_for_writer(&second, "a semaphore", waits_for_semaphore));
        drop(pipe);
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert!(first.wait().unwrap().success() && second.wait().unwrap().success());
        std::fs::remove_file(format!("/dev/shm/sem.{lock}")).unwrap();
        recordings.into_iter().map(|recording| recording.join().unwrap()).collect()
    }

    /// What a plugin may do: its modules, its memory, the time, what it runs on, and printing. What may not be is an
    /// exception to it.
    const PLUGIN: &[u8] = br#"
import bz2, collections, ctypes, datetime, decimal, faulthandler, gzip, hashlib, json, lzma, os, platform, random, re, resource
import signal, struct, sys, threading, time, zlib

HERE = os.path.dirname(__file__)
OWN = open(__file__, "rb")
LOCK = threading.Lock()
LOCK.acquire()
ALARMS = []
signal.signal(signal.SIGALRM, lambda *_: ALARMS.append(1))
ACTS = """
time.time(); time.monotonic(); time.sleep(0.001); time.perf_counter()
time.clock_getres(time.CLOCK_MONOTONIC)
os.times()
os.getpid(); os.getppid(); os.getuid(); os.geteuid(); os.getgid(); os.getegid(); threading.get_native_id()
os.uname()
os.sched_yield()
os.sched_getaffinity(0)
os.cpu_count()
os.getrandom(8)
resource.getrusage(resource.RUSAGE_SELF)
resource.getrlimit(resource.RLIMIT_AS)
os.listdir(HERE)
os.stat(HERE)
os.lstat(HERE)
os.access(HERE, os.R_OK)
os.access(HERE, os.R_OK, effective_ids=True)
os.readlink(HERE)
os.getcwd()
os.pread(OWN.fileno(), 4, 0)
os.posix_fadvise(OWN.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
OWN.seek(1)
OWN.isatty()
os.set_inheritable(OWN.fileno(), False)
os.dup(OWN.fileno())
signal.pthread_sigmask(signal.SIG_BLOCK, [])
platform.libc_ver()
bytearray(1 << 20).extend(bytes(1 << 24))
faulthandler.enable()
while not ALARMS: LOCK.acquire(timeout=5)
"x".join(str(n) for n in range(1 << 20))
print("out"); print("err", file=sys.stderr); sys.stdout.flush()
"""

def f(flow):
    for act in ACTS.splitlines():
        try: exec(act)
        except OSError: pass
    return str(len(flow))

def leaves(flow): os._exit(0)
"#;

    /// With a program for each file and a function for each flow, which is disturbed.
    fn with_a_plugin() -> Vec<Recording> {
        ["f", "leaves"].map(with_function).into()
    }

    fn with_function(name: &str) -> Recording {
        let bench = Bench::of(Subject::Ours).folder("plugins", 0o755).file("plugins/m.py", PLUGIN);
        let bench = bench.file("in.pcap", &long(20));
        let function = format!("py_function={name}");
        let own = [
            "-e",
            "python",
            "-S",
            "py_path=plugins",
            "-S",
            "py_module=m",
            "-S",
            &function,
            "-S",
            "py_timeout=60",
        ];
        let line = [&["-r", "in.pcap", "-o", "out", "-S", "tcp_cmd=true"], &own[..]].concat();
        let mut child = halted(&bench, &line).spawn().unwrap();
        let recording = recorded(&child, false);
        if name == "f" {
            let plugin = wait_for(&child, "a plugin that waits", |role| {
                let below = Process::children_of(role.pid).into_iter();
                below.filter(catches_alarms).map(|process| process.pid).find(|pid| waits_in("futex", *pid))
            });
            stop_and_continue(plugin);
            kill(Pid::from_raw(plugin), Signal::SIGALRM).unwrap();
        }
        assert!(child.wait().unwrap().success());
        let failed = bench.report("out/report.xml").one("tcpflow:result").get("failed").is_some();
        assert_eq!(failed, name == "leaves");
        recording.join().unwrap()
    }

    /// Whether the plugin's module is loaded, which sets a handler.
    fn catches_alarms(process: &Process) -> bool {
        const ALARM: u64 = 1 << 13;
        let caught =
            process.status_if_alive().map(|status| u64::from_str_radix(&status["SigCgt"], 16).unwrap());
        caught.is_some_and(|caught| caught & ALARM != 0)
    }

    fn a_plugin_needs_every_rule() {
        let recordings = with_a_plugin();
        let missing = unneeded("python", None, &of(&recordings, "plugin"));
        assert!(missing.is_empty(), "no run needs these rules:\n{}", missing.join("\n"));
    }

    /// Frames, and an interface that goes down and comes back.
    fn live_needs_every_rule() {
        let lab = Lab::new();
        let bench = Bench::of(Subject::Ours);
        let run = bench.run(&["-i", INTERFACE, "-o", "out"]);
        let mut running = run.after(&[&lab.at_server()[..], &HALT].concat()).start();
        let recording = record(running.pid(), false);
        running.wait_for("listening on");
        running.wait_until("roles", |running| running.roles().len() == 3);
        let capture = running.roles().into_iter().find(|role| role.executable == CAPTURE).unwrap();
        let packet = packet_socket(&capture);
        // Frames of more than a batch is made for (BIG TCP).
        lab.set(INTERFACE, &["gso_max_size", "250000", "gro_max_size", "250000"]);
        transfer(&lab, WIRE_V6.0);
        running.wait_until("capture to wait", |_| waits_in("poll", capture.pid));
        stop_and_continue(capture.pid);
        lab.set(INTERFACE, &["down"]);
        lab.set(INTERFACE, &["up"]);
        transfer(&lab, SERVER);
        running.signal(Signal::SIGINT);
        let _ = running.wait().expect(0);
        let recording = [recording.join().unwrap()];
        let missing = unneeded("capture-live", packet, &of(&recording, CAPTURE));
        assert!(missing.is_empty(), "no run needs these rules:\n{}", missing.join("\n"));
    }

    fn several_reassemblers_need_every_rule() {
        let lab = Lab::new();
        let bench = Bench::of(Subject::Ours);
        let run = bench.run(&["-i", INTERFACE, "-o", "out", "-S", "workers=2", "-T", "%S/%A.%a-%B.%b"]);
        let mut running = run.after(&[&lab.at_server()[..], &HALT].concat()).start();
        let recording = record(running.pid(), false);
        running.wait_for("listening on");
        // Which of both has a connection is the kernel's choice; those of the second have odd numbers.
        let is_of_the_second = |name: &String| {
            name.split('/').next().unwrap().parse::<u64>().is_ok_and(|session| session % 2 == 1)
        };
        for transfers in 0.. {
            if bench.flows("out").keys().any(is_of_the_second) {
                break;
            }
            assert!(transfers < 40, "the second pair has none of {transfers} connections");
            transfer(&lab, SERVER);
        }
        running.signal(Signal::SIGINT);
        let _ = running.wait().expect(0);
        let recording = [recording.join().unwrap()];
        let list = List::read_own("writer-of-several");
        let missing = unneeded_of("writer-of-several", &list, &of(&recording, WRITER));
        assert!(missing.is_empty(), "no run needs these rules:\n{}", missing.join("\n"));
    }

    /// More than a batch holds, in frames as long as offload makes them.
    fn transfer(lab: &Lab, server: &str) {
        let listener = lab.as_server(|| TcpListener::bind((server, 9)).unwrap());
        let mut sender = lab.as_client(|| TcpStream::connect((server, 9)).unwrap());
        let (mut receiver, _) = listener.accept().unwrap();
        let sent = std::thread::spawn(move || sender.write_all(&vec![b'x'; 8 << 20]).unwrap());
        let mut received = Vec::new();
        receiver.read_to_end(&mut received).unwrap();
        sent.join().unwrap();
        assert_eq!(received.len(), 8 << 20);
    }

    /// Whether a process waits in this call, and does not only stand still there for the recorder.
    fn waits_in(call: &str, pid: i32) -> bool {
        waits_in_one(pid, |number, _| number == number_of(call))
    }

    /// Whether it waits for something that it shares with other programs, and not for a thread of its own.
    fn waits_for_semaphore(pid: i32) -> bool {
        let private = u64::try_from(libc::FUTEX_PRIVATE_FLAG).unwrap();
        waits_in_one(pid, |number, arguments| number == number_of("futex") && arguments[1] & private == 0)
    }

    fn waits_in_one(pid: i32, is_meant: impl Fn(u64, &[u64]) -> bool) -> bool {
        let process = Process { pid, executable: String::new() };
        let sleeps = || process.status_if_alive().is_some_and(|status| status["State"].starts_with('S'));
        let is_in_it = || {
            let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
            let mut words = call.split(' ');
            // Of a process that runs there is but a word.
            let Some(number) = words.next().and_then(|number| number.parse().ok()) else { return false };
            let hex = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
            is_meant(number, &words.map_while(hex).collect::<Vec<_>>())
        };
        sleeps() && is_in_it() && sleeps()
    }

    /// Stops a process and lets it go on, so often that it was in the call that it waits in.
    fn stop_and_continue(pid: i32) {
        (0..20).for_each(|_| stop_and_continue_once(pid));
    }

    fn stop_and_continue_once(pid: i32) {
        const STOPPING: u64 = 1 << 18;
        kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
        // Else the second signal would only take the first one back.
        let process = Process { pid, executable: String::new() };
        while u64::from_str_radix(&process.status()["ShdPnd"], 16).unwrap() & STOPPING != 0 {
            std::thread::yield_now();
        }
        kill(Pid::from_raw(pid), Signal::SIGCONT).unwrap();
    }
}
