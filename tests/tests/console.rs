//! What is printed on standard output: formats, order, limits, and who may print meanwhile.

use std::io::Read;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use tcpflow_tests::capture::{ETHERNET, Packet, pcap};
use tcpflow_tests::cases;
use tcpflow_tests::conversation::{Conversation, Flags, Link, Side};
use tcpflow_tests::lab::{INTERFACE, Lab};
use tcpflow_tests::report::assert_conserved;
use tcpflow_tests::run::{Bench, Outcome, kept_captures};
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Case, Need};

const REQUEST: &str = "192.000.002.001.01000-192.000.002.002.00080";
const REPLY: &str = "192.000.002.002.00080-192.000.002.001.01000";

fn main() -> ExitCode {
    let mut all = cases![
        each_piece_has_its_name,
        names_can_be_left_out,
        what_a_terminal_would_obey_is_a_dot,
        hexadecimal_has_its_layout,
        json_has_its_keys,
        colours_tell_directions_apart,
        so_many_bytes_of_a_flow_and_no_more,
        names_are_those_that_files_would_have,
    ];
    all.extend(cases![&[Need::Ours("it prints segments as they arrive")];
        disorder_is_printed_in_order, arrival_order_can_be_asked_for,
        what_the_receiver_has_is_not_waited_for, what_never_came_is_told]);
    all.extend(cases![&[Need::Ours("it takes both out of the name")]; json_is_right_whatever_the_name]);
    all.extend(cases![&[Need::Ours("it writes a report")];
        nothing_is_made_but_what_is_asked_for, the_sums_add_up]);
    all.extend(cases![&[Need::Root, Need::Ours("it writes a report")]; anyone_may_print_anywhere]);
    all.extend(cases![&[Need::Ours("it prints names as they are")]; a_name_gives_a_terminal_no_orders]);
    all.extend(cases![&[Need::Ours("it ends by SIGPIPE, and heeds no other error")];
        a_reader_that_leaves_ends_the_run, a_full_disk_ends_the_run, where_nothing_can_be_printed_nothing_is_done,
        a_pipe_that_does_not_block_is_waited_for,
        a_reader_that_sleeps_keeps_nobody, two_signals_at_once_are_one]);
    all.extend(cases![&[Need::Ours("it reads a pipe in blocks")]; what_comes_is_printed_at_once]);
    all.extend(cases![&[Need::Ours("Debian builds it without semaphores")];
        a_semaphore_keeps_others_of_its_kind_out, a_semaphore_that_cannot_be_is_refused]);
    all.extend(cases![&[Need::Root, Need::Ours("Debian builds it without semaphores")];
        a_semaphore_needs_a_place_to_be]);
    all.extend(cases![&[Need::Program("python3"), Need::Ours("Debian builds it without semaphores")];
        a_semaphore_is_shared_with_any_program, a_dead_holder_is_not_waited_for_forever]);
    all.extend(
        cases![&[Need::Namespaces, Need::Program("python3"), Need::Ours("it prints in arrival order")];
        live_a_hole_is_waited_for_a_second],
    );
    all.extend(agreement());
    suite::main(all)
}

/// Both programs, byte for byte: every format alone and with whatever changes it.
fn agreement() -> Vec<Case> {
    let tagged = Conversation { link: Link::Ethernet(vec![(0x8100, 42)]), ..Conversation::default() };
    let captures = [
        ("exchange", exchange(b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n\x1b[2J\xff")),
        ("vlan", pcap(ETHERNET, &tagged.exchange(b"hello", b"reply").packets)),
        ("sizes", sizes()),
        ("headless", exchange_without_syn()),
        ("v6", pcap(ETHERNET, &Conversation::v6().exchange(b"hello", b"reply").packets)),
        ("http", std::fs::read(kept_captures().join("http.pcap")).unwrap()),
    ];
    let mut all = Vec::new();
    for (name, capture) in captures {
        for (format, options) in [
            ("text", &[][..]),
            ("strip", &["-s"]),
            ("binary", &["-B"]),
            ("hex", &["-D"]),
            ("json", &["-J"]),
            ("binary_and_strip", &["-B", "-s"]),
            ("hex_and_json", &["-D", "-J"]),
            ("hex_and_binary", &["-D", "-B"]),
        ] {
            // It makes nonsense of what is not IPv4.
            if format == "json" && matches!(name, "v6" | "http") {
                continue;
            }
            let capture = capture.clone();
            all.push(Case::new(format!("agrees_on_{name}_in_{format}"), &[Need::Original], move || {
                agree(&capture, options);
            }));
        }
    }
    all
}

fn agree(capture: &[u8], format: &[&str]) {
    let with: [&[&str]; 9] = [
        &[],
        &["-0"],
        &["-g"],
        &["-0", "-g"],
        &["-b", "6"],
        &["-b", "40", "-g"],
        &["-b", "0"],
        &["-o", "out"],
        &["-T", "x%N/%S.%#-%E-%e_%V%v"],
    ];
    for mode in ["-c", "-C"] {
        for more in with {
            // It reads addresses out of the name, and this one holds none, or more.
            if format == ["-J"] && matches!(more, ["-o" | "-T", _]) {
                continue;
            }
            let line = [&["-r", "in.pcap", mode], format, more].concat();
            let [ours, theirs] = [Subject::Ours, Subject::Theirs].map(|subject| {
                Bench::of(subject).file("in.pcap", capture).run(&line).finish().expect(0).output
            });
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert!(ours == theirs, "{line:?}:\n{}\n{}", text(&ours), text(&theirs));
        }
    }
}

fn exchange(request: &[u8], reply: &[u8]) -> Vec<u8> {
    pcap(ETHERNET, &Conversation::default().exchange(request, reply).packets)
}

fn exchange_without_syn() -> Vec<u8> {
    let mut talk = Conversation::default();
    talk.data(Side::Client, 0, b"hello");
    talk.data(Side::Server, 0, b"reply");
    pcap(ETHERNET, &talk.packets)
}

/// Every length up to two lines and a bit, and every byte.
fn sizes() -> Vec<u8> {
    let mut talk = Conversation::default();
    talk.open();
    let mut offset = 0;
    for length in 1..70_usize {
        let bytes: Vec<u8> = (0..length).map(|at| u8::try_from((at * 7 + length) % 256).unwrap()).collect();
        talk.data(Side::Client, offset, &bytes);
        offset += length;
    }
    pcap(ETHERNET, &talk.packets)
}

/// A connection whose client sends these pieces, each at its offset.
fn pieces(pieces: &[(usize, &[u8])]) -> Vec<Packet> {
    let mut talk = Conversation::default();
    talk.open();
    for (offset, bytes) in pieces {
        talk.data(Side::Client, *offset, bytes);
    }
    talk.packets
}

fn run(capture: &[u8], options: &[&str]) -> Outcome {
    Bench::new().file("in.pcap", capture).run(&[&["-r", "in.pcap"], options].concat()).finish().expect(0)
}

fn each_piece_has_its_name() {
    let capture = exchange(b"hello", b"reply");
    assert_eq!(run(&capture, &["-c"]).stdout, format!("{REQUEST}: hello\n{REPLY}: reply\n"));
    assert_eq!(run(&capture, &["-c", "-0"]).stdout, format!("{REQUEST}: hello{REPLY}: reply"));
}

fn names_can_be_left_out() {
    assert_eq!(run(&exchange(b"hello", b"reply"), &["-C"]).stdout, "hello\nreply\n");
    assert_eq!(run(&exchange(b"hello", b"reply"), &["-C0"]).stdout, "helloreply");
}

fn what_a_terminal_would_obey_is_a_dot() {
    let capture = exchange(b"\x1b[2J\r\n\t\x7f\x9b", b"");
    assert_eq!(run(&capture, &["-C"]).stdout, ".[2J\r\n...\n");
    assert_eq!(run(&capture, &["-CB"]).output, b"\x1b[2J\r\n\t\x7f\x9b\n");
}

fn hexadecimal_has_its_layout() {
    let capture = exchange(&[b'a'; 35], b"reply");
    let digits = "6161 ".repeat(16);
    let text = "a".repeat(32);
    let expected = format!(
        "{REQUEST}: \n0000: {digits} {text}\n0020: {:80} aaa\n\n{REPLY}: \n0000: 7265 706c 79 reply\n\n",
        "6161 61"
    );
    assert_eq!(run(&capture, &["-cD"]).stdout, expected);
}

fn json_has_its_keys() {
    let expected = concat!(
        r#"{"src_host":"192.0.2.1","src_port":1000,"dst_host":"192.0.2.2","dst_port":80,"payload": [0,97,255]}"#,
        "\n"
    );
    assert_eq!(run(&exchange(b"\0a\xff", b""), &["-cJ"]).stdout, expected);
}

fn json_is_right_whatever_the_name() {
    let v6 = pcap(ETHERNET, &Conversation::v6().exchange(b"a", b"").packets);
    let ends = r#""src_host":"2001:db8::1","src_port":1000,"dst_host":"2001:db8::2","dst_port":80"#;
    let expected = format!("{{{ends},\"payload\": [97]}}\n");
    for template in ["%A.%a-%B.%b%V%v%C%c", "x%N", "%B/%A\u{1b}"] {
        assert_eq!(run(&v6, &["-cJ", "-T", template, "-o", "a.b-c"]).stdout, expected);
    }
}

fn colours_tell_directions_apart() {
    let shown = run(&exchange(b"hello", b"reply"), &["-Cg"]).stdout;
    assert_eq!(shown, "\u{1b}[0;34mhello\u{1b}[0m\n\u{1b}[0;31mreply\u{1b}[0m\n");
}

fn so_many_bytes_of_a_flow_and_no_more() {
    let capture = pcap(ETHERNET, &pieces(&[(0, b"abcd"), (4, b"efgh"), (8, b"ijkl")]));
    assert_eq!(run(&capture, &["-C", "-b", "6"]).stdout, "abcd\nef\n");
    assert_eq!(run(&capture, &["-C", "-b", "4"]).stdout, "abcd\n");
    assert_eq!(run(&capture, &["-C", "-b", "0"]).stdout, "");
}

/// As if none were there: the counter stays at 0.
fn names_are_those_that_files_would_have() {
    let bench = Bench::new().file("in.pcap", &exchange(b"hello", b""));
    let _ = bench.run(&["-r", "in.pcap", "-o", "out"]).finish().expect(0);
    let shown = bench.run(&["-r", "in.pcap", "-o", "out", "-c"]).finish().expect(0).stdout;
    assert_eq!(shown, format!("out/{REQUEST}: hello\n"));
    let shown = bench.run(&["-r", "in.pcap", "-T", "%N/%S-%#", "-c"]).finish().expect(0).stdout;
    assert_eq!(shown, "000/00000000000000000000-0: hello\n");
}

fn disorder() -> Vec<u8> {
    pcap(ETHERNET, &pieces(&[(3, b"def"), (0, b"abc"), (0, b"abc"), (1, b"bcdefgh")]))
}

fn disorder_is_printed_in_order() {
    assert_eq!(run(&disorder(), &["-C0"]).stdout, "abcdefgh");
    assert_eq!(run(&disorder(), &["-C0", "-b", "5"]).stdout, "abcde");
    let outcome = run(&pcap(ETHERNET, &pieces(&[(1, b"bc"), (0, b"a"), (3, b"d")])), &["-C"]);
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("a\nbc\nd\n", ""));
}

fn arrival_order_can_be_asked_for() {
    let theirs = "def\nabc\nabc\nbcdefgh\n";
    assert_eq!(run(&disorder(), &["-C", "-S", "console=arrival"]).stdout, theirs);
}

/// A segment of the server that acknowledges so many bytes.
fn acknowledgment(talk: &mut Conversation, bytes: u32) {
    talk.segment(Side::Server, 501, Flags::default(), &[]);
    // Ethernet, IPv4, and 8 bytes of TCP before the acknowledgment number.
    let number = talk.initial.0.wrapping_add(1).wrapping_add(bytes).to_be_bytes();
    talk.packets.last_mut().unwrap().bytes[14 + 20 + 8..][..4].copy_from_slice(&number);
}

fn what_the_receiver_has_is_not_waited_for() {
    let mut talk = Conversation::default();
    talk.open();
    talk.data(Side::Client, 3, b"def");
    acknowledgment(&mut talk, 0);
    talk.data(Side::Client, 6, b"ghi");
    acknowledgment(&mut talk, 6);
    talk.data(Side::Client, 0, b"abc");
    let outcome =
        run(&pcap(ETHERNET, &talk.packets), &["-C"]).says(&format!("{REQUEST}: [3 bytes missing]\n"));
    assert_eq!(outcome.stdout, "def\nghi\n");
}

fn what_never_came_is_told() {
    let capture = pcap(ETHERNET, &pieces(&[(0, b"abc"), (8, b"ijk"), (12, b"m")]));
    let outcome = run(&capture, &["-c"])
        .says(&format!("{REQUEST}: [5 bytes missing]\n"))
        .says(&format!("{REQUEST}: [1 byte missing]\n"));
    assert_eq!(outcome.stdout, format!("{REQUEST}: abc\n{REQUEST}: ijk\n{REQUEST}: m\n"));
    assert_eq!(run(&capture, &["-c", "-q"]).stderr, "");
    let cut: Vec<Packet> =
        pieces(&[(0, b"abcdef"), (6, b"ghijkl")]).into_iter().map(|packet| packet.cut(14 + 40 + 2)).collect();
    let outcome = run(&pcap(ETHERNET, &cut), &["-C0"]).says("[4 bytes missing]");
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.lines().count()), ("abgh", 2));
    let many: Vec<(usize, &[u8])> = (0..150).map(|number| (number * 2 + 1, &b"x"[..])).collect();
    let outcome = run(&pcap(ETHERNET, &pieces(&many)), &["-C0"]).says("[bytes missing in 50 more places]");
    assert_eq!((outcome.stdout.len(), outcome.stderr.lines().count()), (150, 101));
}

fn nothing_is_made_but_what_is_asked_for() {
    let bench = Bench::new().file("in.pcap", &exchange(b"hello", b""));
    let outcome = bench.run(&["-r", "in.pcap", "-o", "missing", "-c"]).finish().expect(0);
    assert_eq!(outcome.stdout, format!("missing/{REQUEST}: hello\n"));
    assert_eq!(outcome.stderr, "");
    let names: Vec<String> = bench.tree(".").into_keys().collect();
    assert_eq!(names, ["in.pcap"]);
}

fn the_sums_add_up() {
    for order in ["stream", "arrival"] {
        let bench = Bench::new().file("in.pcap", &disorder());
        let order = format!("console={order}");
        let _ = bench.run(&["-r", "in.pcap", "-C", "-X", "rep.xml", "-S", &order]).finish().expect(0);
        assert_conserved(&bench.report("rep.xml"));
    }
}

fn anyone_may_print_anywhere() {
    let bench = Bench::new().file("in.pcap", &exchange(b"hello", b"")).mode("in.pcap", 0o644);
    let bench = bench.folder("sealed", 0o555).mode(".", 0o555);
    for output in [&[][..], &["-o", "sealed"], &["-o", "missing"]] {
        let line = [&["-r", "in.pcap", "-C"], output].concat();
        let bench =
            Bench::new().file("in.pcap", &exchange(b"hello", b"")).folder("sealed", 0o555).mode(".", 0o555);
        assert_eq!(bench.run(&line).user("nobody").finish().expect(0).stdout, "hello\n");
    }
    assert_eq!(bench.run(&["-r", "in.pcap", "-U", "nobody", "-C"]).finish().expect(0).stdout, "hello\n");
}

fn a_name_gives_a_terminal_no_orders() {
    let shown = run(&exchange(b"hello", b""), &["-c", "-T", "\u{1b}[2J\u{9b}é%N"]).stdout;
    assert_eq!(shown, "\\u{1b}[2J\\u{9b}é000: hello\n");
}

/// More than pipes and sockets on the way hold.
fn long() -> Vec<u8> {
    let piece = [b'x'; 30_000];
    let all: Vec<(usize, &[u8])> = (0..500).map(|number| (number * piece.len(), &piece[..])).collect();
    pcap(ETHERNET, &pieces(&all))
}

fn a_reader_that_leaves_ends_the_run() {
    let bench = Bench::new().file("in.pcap", &long());
    let mut child = Command::new(Subject::Ours.executable())
        .args(["-r", "in.pcap", "-c", "-X", "rep.xml"])
        .current_dir(bench.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let outcome = child.wait_with_output().unwrap();
    assert_eq!(outcome.status.code(), Some(1));
    let told = "reportfilename: rep.xml\ntcpflow: tcpflow-writer: standard output: Broken pipe\n";
    assert_eq!(String::from_utf8(outcome.stderr).unwrap(), told);
    assert_eq!(bench.report("rep.xml").one("interrupted").text, "standard output: Broken pipe");
}

fn a_full_disk_ends_the_run() {
    let bench = Bench::new().file("in.pcap", &long());
    let outcome = Command::new(Subject::Ours.executable())
        .args(["-r", "in.pcap", "-c"])
        .current_dir(bench.path())
        .stdout(std::fs::File::options().write(true).open("/dev/full").unwrap())
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(1));
    let told = "tcpflow: tcpflow-writer: standard output: No space left on device\n";
    assert_eq!(String::from_utf8(outcome.stderr).unwrap(), told);
}

/// A shell's `>&-`. No /dev/null that the runtime puts in its place may take what was to be read.
fn where_nothing_can_be_printed_nothing_is_done() {
    let bench = Bench::new().file("in.pcap", &long());
    for asked in ["-r in.pcap -c -X rep.xml", "-r in.pcap --events=- -o .", "--list-interfaces", "-V"] {
        let outcome = Command::new("sh")
            .args(["-c", &format!("exec \"$0\" {asked} >&-")])
            .arg(Subject::Ours.executable())
            .current_dir(bench.path())
            .output()
            .unwrap();
        assert_eq!(outcome.status.code(), Some(1), "{asked}");
        let told = String::from_utf8(outcome.stderr).unwrap();
        assert!(told.ends_with("tcpflow: standard output is closed\n"), "{asked}: {told}");
    }
    let left: Vec<_> =
        std::fs::read_dir(bench.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["in.pcap"]);
}

/// As when a shell's terminal was left non-blocking by another program.
fn a_pipe_that_does_not_block_is_waited_for() {
    let bench = Bench::new().file("in.pcap", &long());
    let (mut reader, writer) = std::io::pipe().unwrap();
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let mut command = Command::new(Subject::Ours.executable());
    command.args(["-r", "in.pcap", "-C0"]).current_dir(bench.path()).stdout(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    std::thread::sleep(Duration::from_millis(200));
    let mut all = Vec::new();
    reader.read_to_end(&mut all).unwrap();
    assert_eq!((all.len(), child.wait().unwrap().code()), (500 * 30_000, Some(0)));
}

/// As a pager that nobody scrolls.
fn a_reader_that_sleeps_keeps_nobody() {
    for signals in [1, 2] {
        let bench = Bench::new().file("in.pcap", &long());
        let (_reader, writer) = std::io::pipe().unwrap();
        let mut command = Command::new(Subject::Ours.executable());
        command.args(["-r", "in.pcap", "-C"]).current_dir(bench.path()).stdout(writer).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        std::thread::sleep(Duration::from_millis(500));
        let begun = Instant::now();
        for _ in 0..signals {
            kill(pid, Signal::SIGINT).unwrap();
            std::thread::sleep(Duration::from_millis(200));
        }
        let outcome = child.wait_with_output().unwrap();
        assert_eq!(outcome.status.code(), Some(1));
        let told = String::from_utf8(outcome.stderr).unwrap();
        assert!(told.contains("tcpflow-writer did not end and was killed"), "{told}");
        let expected = if signals == 1 { 5..7 } else { 0..2 };
        assert!(expected.contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    }
}

/// As timeout(1) sends them: to its command, and at once to the group that this is in.
fn two_signals_at_once_are_one() {
    let bench = Bench::new().file("in.pcap", &long());
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = Command::new(Subject::Ours.executable());
    command.args(["-r", "in.pcap", "-C0"]).current_dir(bench.path()).stdout(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..2 {
        kill(pid, Signal::SIGINT).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    // The reader is late, and gets all that was on its way.
    std::thread::sleep(Duration::from_millis(300));
    let mut all = Vec::new();
    reader.read_to_end(&mut all).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!all.is_empty());
}

fn what_comes_is_printed_at_once() {
    let capture = exchange(b"hello", b"reply");
    let reply = pcap(ETHERNET, &Conversation::default().exchange(b"hello", b"reply").packets[..3]).len();
    let bench = Bench::new();
    let mut running = bench.run(&["-r", "-", "-C"]).start();
    running.write(&capture[..reply]);
    running.wait_until("the request", |running| running.printed() == "hello\n");
    running.write(&capture[reply..]);
    running.wait_until("the reply", |running| running.printed() == "hello\nreply\n");
}

/// A semaphore's name, of which nothing is left afterwards.
struct Lock(String);

impl Lock {
    fn new(test: &str) -> Self {
        Self(format!("tcpflow-test-{test}-{}", std::process::id()))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(format!("/dev/shm/sem.{}", self.0));
    }
}

/// Starts a run that prints into this pipe.
fn print_into(bench: &Bench, lock: &Lock, pipe: &std::io::PipeWriter) -> std::process::Child {
    Command::new(Subject::Ours.executable())
        .args(["-r", "in.pcap", "-C", "-L", &lock.0])
        .current_dir(bench.path())
        .stdout(pipe.try_clone().unwrap())
        .spawn()
        .unwrap()
}

/// Sees that every line is one piece, of this length, and counts those of each letter.
#[track_caller]
fn assert_whole(lines: &str, length: usize, letters: &[char]) -> Vec<usize> {
    for line in lines.lines() {
        let first = line.chars().next().unwrap();
        assert!(line.len() == length && line.chars().all(|letter| letter == first), "a mixture: {line:.200}");
    }
    letters.iter().map(|letter| lines.lines().filter(|line| line.starts_with(*letter)).count()).collect()
}

fn letters(letter: u8, length: usize) -> Vec<u8> {
    let piece = vec![letter; length];
    let all: Vec<(usize, &[u8])> = (0..100).map(|number| (number * length, &piece[..])).collect();
    pcap(ETHERNET, &pieces(&all))
}

/// Pieces of more than a pipe takes at once: without the semaphore they mix.
fn a_semaphore_keeps_others_of_its_kind_out() {
    const LENGTH: usize = 40_000;
    let lock = Lock::new("kind");
    let benches = [b'a', b'b'].map(|letter| Bench::new().file("in.pcap", &letters(letter, LENGTH)));
    let (mut reader, writer) = std::io::pipe().unwrap();
    let children = benches.each_ref().map(|bench| print_into(bench, &lock, &writer));
    drop(writer);
    let mut lines = String::new();
    reader.read_to_string(&mut lines).unwrap();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(assert_whole(&lines, LENGTH, &['a', 'b']), [100, 100]);
}

fn a_semaphore_that_cannot_be_is_refused() {
    let bench = Bench::new().file("in.pcap", &exchange(b"hello", b""));
    let outcome = bench.run(&["-r", "in.pcap", "-c", "-X", "rep.xml", "-L", "a/b"]).finish().expect(1);
    let outcome = outcome.says("cannot open semaphore a/b: Invalid argument");
    assert_eq!(outcome.stdout, "");
}

fn a_semaphore_needs_a_place_to_be() {
    let bench = Bench::new().file("in.pcap", &exchange(b"hello", b""));
    let sealed = "mount -t tmpfs -o ro none /dev/shm && exec \"$@\"";
    let run = bench.run(&["-r", "in.pcap", "-c", "-L", "any"]);
    let outcome = run.after(&["unshare", "-m", "sh", "-c", sealed, "sh"]).finish().expect(1);
    assert_eq!(outcome.says("cannot open semaphore any: Read-only file system").stdout, "");
}

/// Another program with the semaphore, which it opens by sem_open(3).
fn other_program(lock: &Lock, script: &str, pipe: &std::io::PipeWriter) -> std::process::Child {
    let open = "import ctypes, os, sys, time\n\
        libc = ctypes.CDLL(None, use_errno=True)\n\
        libc.sem_open.restype = ctypes.c_void_p\n\
        lock = ctypes.c_void_p(libc.sem_open(sys.argv[1].encode(), os.O_CREAT, 0o777, 1))\n";
    Command::new("python3")
        .args(["-c", &format!("{open}{script}"), &lock.0])
        .stdin(Stdio::piped())
        .stdout(pipe.try_clone().unwrap())
        .spawn()
        .unwrap()
}

fn a_semaphore_is_shared_with_any_program() {
    const LENGTH: usize = 40_000;
    let lock = Lock::new("any");
    let bench = Bench::new().file("in.pcap", &letters(b'a', LENGTH));
    let (mut reader, writer) = std::io::pipe().unwrap();
    // Each piece in two halves, with time between them for whoever does not heed the semaphore.
    let script = "for _ in range(50):\n libc.sem_wait(lock)\n os.write(1, b'p' * 20000)\n time.sleep(0.002)\n \
        os.write(1, b'p' * 20000 + b'\\n')\n libc.sem_post(lock)\n time.sleep(0.002)\n";
    let mut other = other_program(&lock, script, &writer);
    let mut ours = print_into(&bench, &lock, &writer);
    drop(writer);
    let mut lines = String::new();
    reader.read_to_string(&mut lines).unwrap();
    assert!(other.wait().unwrap().success() && ours.wait().unwrap().success());
    assert_eq!(assert_whole(&lines, LENGTH, &['a', 'p']), [100, 50]);
}

fn a_dead_holder_is_not_waited_for_forever() {
    let lock = Lock::new("dead");
    let (_reader, writer) = std::io::pipe().unwrap();
    let mut other = other_program(&lock, "libc.sem_wait(lock)\nos._exit(0)\n", &writer);
    assert!(other.wait().unwrap().success());
    let begun = Instant::now();
    let outcome = run(&exchange(b"hello", b"reply"), &["-C", "-L", &lock.0]);
    assert_eq!(outcome.stdout, "hello\nreply\n");
    assert!((5..8).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let told = format!("tcpflow: semaphore {}: who holds it seems to be dead; going on without it\n", lock.0);
    assert_eq!(outcome.stderr, told);
}

/// Frames are sent as they are, to nobody: no host answers them.
fn live_a_hole_is_waited_for_a_second() {
    let lab = Lab::new();
    let bench = Bench::of(Subject::Ours);
    let line = ["-i", INTERFACE, "-C", "tcp"];
    let mut running = bench.run(&line).after(&lab.at_server()).start();
    running.wait_for(&format!("listening on {INTERFACE}"));
    let send = |packets: &[Packet]| {
        let frames: Vec<String> = packets
            .iter()
            .map(|packet| packet.bytes.iter().map(|byte| format!("{byte:02x}")).collect())
            .collect();
        let script = "import socket, sys\ns = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n\
            s.bind((sys.argv[1], 0))\n[s.send(bytes.fromhex(frame)) for frame in sys.argv[2:]]\n";
        let sent = lab.at_client("python3").args(["-c", script, INTERFACE]).args(frames).status().unwrap();
        assert!(sent.success());
    };
    let mut talk = Conversation::default();
    talk.open();
    talk.data(Side::Client, 0, b"abc");
    talk.data(Side::Client, 6, b"ghi");
    send(&talk.packets);
    running.wait_until("what is before the hole", |running| running.printed() == "abc\n");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(running.printed(), "abc\n");
    // Whatever comes is a clock.
    std::thread::sleep(Duration::from_millis(600));
    let mut other = Conversation { client: ([192, 0, 2, 9].into(), 9), ..Conversation::default() };
    other.open();
    send(&other.packets);
    running.wait_until("what is beyond the hole", |running| running.printed() == "abc\nghi\n");
    running.wait_for("[3 bytes missing]");
    running.signal(Signal::SIGINT);
    let _ = running.wait().expect(0);
}
