//! Where packets come from: compressed savefiles, several of them in the order that options give them, files
//! that only root can read, and interfaces.

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tcpflow_tests::capture::{ETHERNET, Order, Packet, pcap, pcapng};
use tcpflow_tests::conversation::Conversation;
use tcpflow_tests::lab::{CLIENT, INTERFACE, Lab, SERVER};
use tcpflow_tests::run::{Bench, Running};
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Case, Need};
use tcpflow_tests::{cases, report};

const REQUEST: &str = "192.000.002.001.01000-192.000.002.002.00080";
const REPLY: &str = "192.000.002.002.00080-192.000.002.001.01000";

/// Programs that compress, and how they name what they make.
const COMPRESSORS: [(&str, &[&str], &str); 6] = [
    ("gzip", &["-c"], "gz"),
    ("bzip2", &["-c"], "bz2"),
    ("xz", &["-c"], "xz"),
    ("xz", &["-c", "--format=lzma"], "lzma"),
    ("zstd", &["-q", "-c"], "zst"),
    ("zip", &["-q"], "zip"),
];

fn main() -> ExitCode {
    let mut all = Vec::new();
    for (program, arguments, suffix) in COMPRESSORS {
        let with = move |name: &str, needs: &[Need], test: fn(&[u8], &str)| {
            let needs = [&[Need::Program(program)], needs].concat();
            let test = move || test(&compressed(program, arguments, &capture()), suffix);
            Case::new(format!("{suffix}_{name}"), &needs, test)
        };
        let ours = [Need::Ours("it goes by the name, and knows no zst")];
        let named = if suffix == "zst" { &ours[..] } else { &[] };
        all.push(with("is_read", named, a_compressed_file_is_read));
        all.push(with("is_known_by_its_content", &ours, its_name_does_not_matter));
        all.push(with("keeps_what_comes_before_a_cut", &ours, what_comes_before_a_cut_is_kept));
    }
    all.extend(cases![
        operands_are_savefiles_after_those_of_r,
        the_first_that_is_missing_is_the_last_looked_at,
        r_is_read_before_completing_files,
        completing_files_begin_no_flow,
        a_fifo_is_a_savefile,
        what_is_no_file_is_told,
    ]);
    let ours = Need::Ours("it opens inputs after it dropped privileges, or goes by names");
    all.extend(
        cases![&[Need::Root, ours]; files_that_only_root_can_read_are_read, inputs_are_outside_the_chroot],
    );
    all.extend(
        cases![&[ours, Need::Program("gzip"), Need::Program("zip")]; a_compressed_file_in_an_archive_is_read],
    );
    let live = [Need::Namespaces, Need::Program("python3"), Need::Program("ss"), Need::Program("curl")];
    let live = [&live[..], &[Need::Ours("it takes what libpcap lists first, and does not close idle flows")]];
    all.extend(cases![&live.concat();
        without_a_name_the_first_interface_is_taken,
        any_is_all_interfaces,
        an_idle_flow_ends_by_the_clock,
        interfaces_are_listed,
    ]);
    suite::main(all)
}

fn packets() -> Vec<Packet> {
    Conversation::default().exchange(b"hello world\n", b"reply\n").packets
}

fn capture() -> Vec<u8> {
    pcap(ETHERNET, &packets())
}

/// What a program makes of bytes that it gets on its standard input.
fn compressed(program: &str, arguments: &[&str], bytes: &[u8]) -> Vec<u8> {
    let directory = Bench::new().file("bytes", bytes);
    let stdin = std::fs::File::open(directory.path().join("bytes")).unwrap();
    // Unlike the others it has to be told where from and where to.
    let last: &[&str] = if program == "zip" { &["-", "-"] } else { &[] };
    let output = Command::new(program).args(arguments).args(last).stdin(stdin).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[track_caller]
fn assert_flows(bench: &Bench, expected: &[(&str, &str)]) {
    let flows = bench.flows("out");
    let found: Vec<(&str, &str)> =
        flows.iter().map(|(name, file)| (name.as_str(), std::str::from_utf8(&file.bytes).unwrap())).collect();
    assert_eq!(found, expected);
}

const WHOLE: [(&str, &str); 2] = [(REQUEST, "hello world\n"), (REPLY, "reply\n")];

fn a_compressed_file_is_read(bytes: &[u8], suffix: &str) {
    let name = format!("in.pcap.{suffix}");
    let bench = Bench::new().file(&name, bytes);
    let _ = bench.run(&["-r", &name, "-o", "out"]).finish().expect(0);
    assert_flows(&bench, &WHOLE);
}

fn its_name_does_not_matter(bytes: &[u8], _: &str) {
    let bench = Bench::new().file("in.pcap", bytes);
    let _ = bench.run(&["-r", "in.pcap", "-o", "out"]).finish().expect(0);
    assert_flows(&bench, &WHOLE);
    let bench = Bench::new();
    let _ = bench.run(&["-r", "-", "-o", "out"]).stdin(bytes.to_vec()).finish().expect(0);
    assert_flows(&bench, &WHOLE);
}

fn what_comes_before_a_cut_is_kept(bytes: &[u8], suffix: &str) {
    // Behind the data stand at least a checksum or an end; an archive's directory is not needed.
    let end = if suffix == "zip" { bytes.windows(4).position(|four| four == b"PK\x01\x02") } else { None };
    let end = end.unwrap_or(bytes.len());
    let bench = Bench::new().file("cut", &bytes[..end - 1]).file("good", &second());
    let run = bench.run(&["-r", "cut", "-r", "good", "-o", "out"]).finish().expect(1);
    assert!(
        run.stderr.contains("tcpflow: cut: ") && run.stderr.contains(": unexpected end of file"),
        "{}",
        run.stderr
    );
    let flows = bench.flows("out");
    // bzip2 gives a block back whole or not at all: nothing was opened then, and that ends the run.
    if flows.is_empty() {
        assert_eq!(suffix, "bz2", "{}", run.stderr);
        return;
    }
    assert!(flows.contains_key(REQUEST), "{:?}", flows.keys());
    assert!(flows.contains_key(&REQUEST.replace("01000", "01001")), "the next input is read");
    let report = bench.report("out/report.xml");
    assert_eq!(report.all("interrupted").len(), 1);
    report::assert_conserved(&report);
}

/// Another connection's capture, as a pcapng.
fn second() -> Vec<u8> {
    let talk = Conversation { client: ([192, 0, 2, 1].into(), 1001), ..Conversation::default() };
    pcapng(Order::Little, ETHERNET, &talk.exchange(b"second\n", b"").packets)
}

fn a_compressed_file_in_an_archive_is_read() {
    let gzip = compressed("gzip", &["-c"], &second());
    let bench = Bench::new().file("in", &compressed("zip", &["-q"], &gzip));
    let _ = bench.run(&["-r", "in", "-o", "out"]).finish().expect(0);
    assert_flows(&bench, &[(&REQUEST.replace("01000", "01001"), "second\n")]);
}

/// The connection cut in two between request and reply, each half a savefile.
fn halves() -> Bench {
    let packets = packets();
    let (first, rest) = packets.split_at(3);
    Bench::new()
        .file("first", &pcap(ETHERNET, first))
        .file("rest", &pcap(ETHERNET, rest))
        .file("all", &capture())
}

fn operands_are_savefiles_after_those_of_r() {
    let bench = halves();
    let _ = bench.run(&["-o", "out", "-l", "first", "rest"]).finish().expect(0);
    assert_flows(&bench, &WHOLE);
    let bench = halves();
    // What -r names comes first, wherever it stands.
    let run = bench.run(&["-o", "out", "-l", "missing", "rest", "-r", "first"]).finish().expect(1);
    let _ = run.says("tcpflow: missing: No such file or directory");
    assert_flows(&bench, &WHOLE[..1]);
}

fn the_first_that_is_missing_is_the_last_looked_at() {
    for (line, flows) in [
        (&["-r", "first", "-r", "missing", "-r", "rest"][..], &WHOLE[..1]),
        (&["-l", "first", "missing", "rest"], &WHOLE[..1]),
        (&["-r", "missing", "-R", "all"], &[]),
        (&["-r", "first", "-R", "missing", "-R", "rest"], &WHOLE[..1]),
        (&["-r", "all", "-R", "missing"], &WHOLE),
        (&["-R", "missing"], &[]),
    ] {
        let bench = halves();
        let run = bench.run(&[&["-o", "out"], line].concat()).finish().expect(1);
        let _ = run.says("tcpflow: missing: No such file or directory");
        assert_flows(&bench, flows);
    }
}

fn r_is_read_before_completing_files() {
    for line in [["-r", "first", "-R", "rest"], ["-R", "rest", "-r", "first"]] {
        let bench = halves();
        let _ = bench.run(&[&["-o", "out"], &line[..]].concat()).finish().expect(0);
        assert_flows(&bench, &WHOLE);
    }
}

fn completing_files_begin_no_flow() {
    let bench = halves().file("second", &second());
    let _ = bench.run(&["-o", "out", "-R", "first", "-R", "rest"]).finish().expect(0);
    assert_flows(&bench, &[]);
    let bench = halves().file("second", &second());
    let _ = bench.run(&["-o", "out", "-r", "first", "-R", "second", "-R", "rest"]).finish().expect(0);
    assert_flows(&bench, &WHOLE);
}

fn a_fifo_is_a_savefile() {
    let bench = Bench::new();
    let fifo = bench.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let writer = std::thread::spawn(move || std::fs::write(fifo, capture()).unwrap());
    let _ = bench.run(&["-r", "fifo", "-o", "out"]).finish().expect(0);
    writer.join().unwrap();
    assert_flows(&bench, &WHOLE);
}

fn what_is_no_file_is_told() {
    for (path, words) in [
        (".", "tcpflow: error reading dump file: Is a directory"),
        ("/dev/null", "tcpflow: truncated dump file; tried to read 4 file header bytes, only got 0"),
        ("empty", "tcpflow: truncated dump file; tried to read 4 file header bytes, only got 0"),
        ("/dev/zero", "tcpflow: unknown file format"),
    ] {
        let bench = Bench::new().file("empty", b"");
        let _ = bench.run(&["-r", path, "-o", "out"]).finish().expect(1).says(words);
        assert_flows(&bench, &[]);
    }
}

fn files_that_only_root_can_read_are_read() {
    for user in ["nobody", "65534", "65534:65534"] {
        for line in
            [["-r", "first", "-R", "rest"], ["-r", "first", "-r", "rest"], ["-r", "first", "-l", "rest"]]
        {
            let bench = halves().mode("first", 0o600).mode("rest", 0o600);
            let _ = bench.run(&[&["-U", user, "-o", "out"], &line[..]].concat()).finish().expect(0);
            assert_flows(&bench, &WHOLE);
            assert!(bench.flows("out").values().all(|file| file.uid == 65_534));
        }
    }
}

fn inputs_are_outside_the_chroot() {
    let bench = halves().folder("cage", 0o777);
    let absolute = bench.path().join("rest").into_os_string().into_string().unwrap();
    let line = [
        "-z", "cage", "-U", "nobody", "-r", "first", "-R", &absolute, "-o", "/flows", "-X", "r.xml", "-w",
        "/w.pcap",
    ];
    let _ = bench.run(&line).finish().expect(0).says("reportfilename: cage/r.xml");
    let names: Vec<String> = bench.tree("cage").into_keys().collect();
    assert_eq!(
        names,
        [format!("flows/{REQUEST}"), format!("flows/{REPLY}"), "r.xml".into(), "w.pcap".into()]
    );
    let line = ["-z", "cage", "-U", "nobody", "-o", "again", "-l", "first", &absolute];
    let _ = bench.run(&line).finish().expect(0);
    assert_eq!(bench.flows("cage/again").len(), 2);
}

fn start(bench: &Bench, lab: &Lab, line: &[&str], name: &str) -> Running {
    let mut running = bench.run(line).after(&lab.at_server()).start();
    running.wait_for(&format!("listening on {name}"));
    running.wait_until("three roles", |running| running.roles().len() == 3);
    running
}

fn without_a_name_the_first_interface_is_taken() {
    let (bench, lab) = (Bench::of(Subject::Ours), Lab::new());
    // The loopback is up too, and so is all that libpcap makes up.
    let running = start(&bench, &lab, &["-o", "out"], INTERFACE);
    running.signal(Signal::SIGINT);
    let _ = running.wait().expect(0);
}

fn any_is_all_interfaces() {
    let (bench, mut lab) =
        (Bench::of(Subject::Ours).folder("served", 0o755).file("served/f", b"file"), Lab::new());
    lab.serve(&bench.path().join("served"));
    let running = start(&bench, &lab, &["-i", "any", "-o", "out"], "any");
    assert_eq!(lab.fetch("f"), b"file");
    std::thread::sleep(Duration::from_millis(300));
    running.signal(Signal::SIGINT);
    let _ = running.wait().expect(0);
    let flows = bench.flows("out");
    assert_eq!(flows.len(), 2, "{:?}", flows.keys());
    assert!(
        flows
            .iter()
            .any(|(name, file)| name.starts_with("192.000.002.001.00080-") && file.bytes.ends_with(b"file"))
    );
}

/// A flow of which nothing comes any more, on an interface where nothing else comes.
fn an_idle_flow_ends_by_the_clock() {
    let (bench, mut lab) = (Bench::of(Subject::Ours).folder("served", 0o755), Lab::new());
    lab.serve(&bench.path().join("served"));
    let mut running = start(&bench, &lab, &["-i", INTERFACE, "-o", "out", "-S", "tcp_timeout=1"], INTERFACE);
    let talk = format!(
        "import socket, time\ns = socket.create_connection(('{SERVER}', 80))\ns.sendall(b'GE')\ntime.sleep(60)"
    );
    let mut client = lab.at_client("python3").args(["-c", &talk]).stdin(Stdio::null()).spawn().unwrap();
    let path = bench.path().join("out/report.xml");
    running.wait_until("the flow is reported while it is open", |_| {
        std::fs::read_to_string(&path).is_ok_and(|text| text.contains(&format!("src_ipn='{CLIENT}'")))
    });
    client.kill().unwrap();
    let _ = client.wait();
    running.signal(Signal::SIGINT);
    let _ = running.wait().expect(0);
}

fn interfaces_are_listed() {
    let (bench, lab) = (Bench::of(Subject::Ours), Lab::new());
    let run = bench.run(&["--list-interfaces"]).after(&lab.at_server()).finish().expect(0);
    let lines: Vec<Vec<&str>> = run.stdout.lines().map(|line| line.split('\t').collect()).collect();
    let [lo, wire, any] = &lines[..] else { panic!("{}", run.stdout) };
    assert_eq!(lo[..], ["lo", "up, loopback", "127.0.0.1 ::1"]);
    assert_eq!(wire[..2], [INTERFACE, "up"]);
    assert!(
        wire[2].split(' ').any(|address| address == SERVER) && wire[2].contains("2001:db8::1"),
        "{wire:?}"
    );
    assert_eq!(any[..], ["any", "all interfaces"]);
    assert_eq!(run.stderr, "");
    let _ = bench.run(&["--list-interfaces"]).user("nobody").finish().expect(0);
    assert!(bench.tree(".").keys().all(|name| !name.contains("report")));
}
