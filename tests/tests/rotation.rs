//! Output in directories, one after the other (`--rotate`): by time, by size, by SIGUSR2, of savefiles and of an
//! interface. Each has a report that is whole and adds up by itself, and a flow that goes on through several of them is
//! the parts put together.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tcpflow_tests::capture::{ETHERNET, Packet, pcap, read_pcap};
use tcpflow_tests::conversation::{Conversation, START, Side};
use tcpflow_tests::lab::{INTERFACE, Lab, SERVER};
use tcpflow_tests::report::{Element, assert_conserved, set_aside};
use tcpflow_tests::run::Bench;
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Need};

/// The flow of the client.
const FLOW: &str = "192.000.002.001.01000-192.000.002.002.00080";
/// The mark of a directory.
const MARK: &str = ".tcpflow";

fn main() -> ExitCode {
    let mut all = tcpflow_tests::cases![
        a_flow_goes_on_through_directories_of_a_size,
        savefiles_are_divided_by_the_times_of_their_packets,
        short_flows_are_each_in_one_directory,
        everything_beside_a_flow_is_divided_with_it,
        packets_are_divided,
        an_http_body_goes_on,
        late_bytes_are_counted,
        what_is_not_stored_is_not_counted_as_full,
        a_report_elsewhere_is_of_the_whole_run,
        usr2_rotates_at_once,
        usr2_without_rotation_changes_nothing,
        only_one_run_rotates_in_a_directory,
        names_that_are_taken_are_left_alone,
        a_directory_that_cannot_be_made_costs_nothing,
        options_that_cannot_be_are_refused,
    ];
    all.extend(tcpflow_tests::cases![&[Need::Namespaces]; an_interface_is_divided_by_the_clock]);
    suite::main(all)
}

/// The directories beneath the output directory, in the order of their names, and the files in each.
fn directories(bench: &Bench, output: &str) -> Vec<(String, BTreeMap<String, Vec<u8>>)> {
    let mut found: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    for (path, file) in bench.tree(output) {
        let (directory, name) = path.split_once('/').unwrap_or_else(|| panic!("{path} is in no directory"));
        found.entry(directory.to_owned()).or_default().insert(name.to_owned(), file.bytes);
    }
    for (name, files) in &mut found {
        assert_eq!(files.remove(MARK), Some(Vec::new()), "{name} is marked");
    }
    found.into_iter().collect()
}

/// The reports of all directories.
fn reports(bench: &Bench, output: &str) -> Vec<Element> {
    let names: Vec<String> = directories(bench, output).into_iter().map(|(name, _)| name).collect();
    bench.reports_of(output, &names)
}

/// The parts of a file, put together.
fn joined(directories: &[(String, BTreeMap<String, Vec<u8>>)], name: &str) -> Vec<u8> {
    directories.iter().filter_map(|(_, files)| files.get(name)).flatten().copied().collect()
}

/// Bytes that tell where they belong.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at.wrapping_mul(2_654_435_761) >> 16 & 0xff).unwrap()).collect()
}

/// A client that sends this in pieces, a second each.
fn upload(bytes: &[u8], piece: usize) -> Conversation {
    let mut talk = Conversation::default();
    talk.open();
    for (number, part) in bytes.chunks(piece).enumerate() {
        talk.data(Side::Client, number * piece, part);
    }
    talk.fin(Side::Client, bytes.len());
    talk
}

fn number(count: usize) -> u64 {
    count.try_into().unwrap()
}

fn bench(packets: &[Packet]) -> Bench {
    Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, packets))
}

/// The entry of a flow in a report, by its source port.
fn entry(report: &Element, port: u64) -> Option<&Element> {
    report.all("tcpflow").into_iter().find(|flow| flow.number("srcport") == port)
}

/// Sees that each part begins where the one before it ended; gives the lengths of the parts.
fn follow(reports: &[Element], port: u64) -> Vec<u64> {
    let (mut offset, mut lengths) = (0, Vec::new());
    let (last, before) = reports.split_last().unwrap();
    for report in before {
        let flow = entry(report, port).unwrap();
        let begins = flow.get("continues").map_or(0, |_| flow.number("continues"));
        let ends = flow.number("continued");
        assert_eq!((begins, flow.get("ending")), (offset, Some("continued")), "{flow:?}");
        lengths.push(ends - begins);
        offset = ends;
    }
    let flow = entry(last, port).unwrap();
    assert_eq!((flow.number("continues"), flow.get("continued"), flow.get("ending")), (offset, None, None));
    lengths
}

fn a_flow_goes_on_through_directories_of_a_size() {
    let sent = content(100_000);
    let bench = bench(&upload(&sent, 1000).packets);
    let outcome =
        bench.run(&["-r", "in.pcap", "-o", "out", "--rotate", "30K", "-e", "md5"]).finish().expect(0);
    let outcome = outcome.says("reportfilename: out/*/report.xml");
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    let directories = directories(&bench, "out");
    let names: Vec<&str> = directories.iter().map(|(name, _)| name.as_str()).collect();
    // By the time of the packet that was one too many.
    let expected =
        ["2020-09-13T12-26-40Z", "2020-09-13T12-27-12Z", "2020-09-13T12-27-43Z", "2020-09-13T12-28-14Z"];
    assert_eq!(names, expected);
    assert!(joined(&directories, FLOW) == sent, "the parts are not what was sent");
    let reports = reports(&bench, "out");
    assert_eq!(follow(&reports, 1000), [31_000; 3]);
    let all = |sum: &str| reports.iter().map(|report| report.one("payload").number(sum)).sum::<u64>();
    assert_eq!((all("captured"), all("written")), (100_000, 100_000));
    let packets: u64 = reports.iter().map(|report| report.one("total_packets").count()).sum();
    assert_eq!(
        packets,
        104 - 1,
        "the last is the FIN of a flow that is over with it; the server's SYN was one"
    );
    for (report, (name, files)) in reports.iter().zip(&directories) {
        let file = report.all("filename").into_iter().find(|file| file.text.ends_with(FLOW)).unwrap();
        assert_eq!(file.text, format!("out/{name}/{FLOW}"));
        assert_eq!(
            report.all("filesize").iter().map(|size| size.count()).max(),
            Some(number(files[FLOW].len()))
        );
        assert_eq!(report.all("hashdigest").len(), 1);
    }
}

fn savefiles_are_divided_by_the_times_of_their_packets() {
    let sent = content(30_000);
    let mut talk = upload(&sent, 1000);
    // Ten hours in which nothing comes.
    for packet in talk.packets.iter_mut().skip(20) {
        packet.time += 36_000 * 1_000_000_000;
    }
    let bench = bench(&talk.packets);
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "--rotate", "10s"]).finish().expect(0);
    let directories = directories(&bench, "out");
    let names: Vec<&str> = directories.iter().map(|(name, _)| name.as_str()).collect();
    let expected =
        ["2020-09-13T12-26-40Z", "2020-09-13T12-26-50Z", "2020-09-13T22-27-00Z", "2020-09-13T22-27-10Z"];
    assert_eq!(names, expected, "at multiples from the first packet on, and none without packets");
    assert!(joined(&directories, FLOW) == sent);
    assert_eq!(follow(&reports(&bench, "out"), 1000), [8000, 10_000, 10_000]);
}

/// Flows that begin and end within a directory are in that one alone, with their names by the template anew.
fn short_flows_are_each_in_one_directory() {
    let mut packets = Vec::new();
    for number in 0..200_u16 {
        // Each port again and again, so that names would need counters in one directory.
        let talk = Conversation {
            client: ([192, 0, 2, 1].into(), 1000 + number % 20),
            clock: START + u64::from(number) * 6_000_000_000,
            initial: (100 + u32::from(number) * 1_000_000, 500 + u32::from(number) * 1_000_000),
            ..Conversation::default()
        };
        packets.extend(talk.exchange(format!("request {number}").as_bytes(), b"reply").packets);
    }
    let bench = bench(&packets);
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "--rotate", "60s"]).finish().expect(0);
    let directories = directories(&bench, "out");
    assert_eq!(directories.len(), 20);
    let files =
        directories.iter().flat_map(|(_, files)| files.iter().filter(|(name, _)| name.starts_with("192.")));
    let (requests, replies): (Vec<_>, Vec<_>) = files.partition(|(_, bytes)| bytes.starts_with(b"request"));
    assert!(requests.iter().chain(&replies).all(|(name, _)| !name.contains('c')), "a counter: {requests:?}");
    let sent: Vec<Vec<u8>> = (0..200).map(|number| format!("request {number}").into_bytes()).collect();
    let mut stored: Vec<&Vec<u8>> = requests.into_iter().map(|(_, bytes)| bytes).collect();
    let mut sent: Vec<&Vec<u8>> = sent.iter().collect();
    stored.sort();
    sent.sort();
    assert_eq!(stored, sent);
    assert_eq!(replies.len(), 200);
    let flows: usize = reports(&bench, "out").iter().map(|report| report.all("fileobject").len()).sum();
    assert_eq!(flows, 400);
}

fn everything_beside_a_flow_is_divided_with_it() {
    let sent = content(9000);
    let bench = bench(&upload(&sent, 1000).packets);
    let line = ["-r", "in.pcap", "-o", "out", "--rotate", "4K", "-I", "-e", "netviz", "-e", "wifiviz", "-Fk"];
    let _ = bench.run(&line).finish().expect(0);
    let directories = directories(&bench, "out");
    assert_eq!(directories.len(), 2);
    for (name, files) in &directories {
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        let flow = format!("000/{FLOW}");
        assert_eq!(names, [&flow, &format!("{flow}.findx"), "report.pdf", "report.xml"], "{name}");
        assert!(files["report.pdf"].starts_with(b"%PDF"));
    }
    let index = |number: usize| {
        let (_, files) = &directories[number];
        String::from_utf8(files[&format!("000/{FLOW}.findx")].clone()).unwrap()
    };
    assert!(index(1).starts_with("0|1600000007.123456|1000\n1000|"), "{}", index(1));
    assert_eq!((index(0).lines().count(), index(1).lines().count()), (5, 4));
    let _ = reports(&bench, "out");
}

fn packets_are_divided() {
    let sent = content(9000);
    let talk = upload(&sent, 1000);
    let bench = bench(&talk.packets);
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "--rotate", "4K", "-K"]).finish().expect(0);
    let directories = directories(&bench, "out");
    assert!(directories.len() > 1);
    let name = format!("{FLOW}.pcap");
    let parts = directories.iter().filter_map(|(_, files)| files.get(&name));
    let packets: Vec<Packet> = parts.flat_map(|part| read_pcap(part).packets).collect();
    // All but the server's SYN, with microseconds.
    let mut expected = talk.packets.clone();
    expected.remove(1);
    assert_eq!(packets, expected);
    let kept: u64 = reports(&bench, "out")
        .iter()
        .flat_map(|report| report.all("packets"))
        .map(|packets| packets.number("written"))
        .sum();
    assert_eq!(kept, number(talk.packets.len()));
}

fn an_http_body_goes_on() {
    let body = content(9000);
    let mut talk = Conversation::default();
    talk.open();
    talk.data(Side::Client, 0, b"GET / HTTP/1.1\r\n\r\n");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let reply = [head.as_bytes(), &body].concat();
    for (number, part) in reply.chunks(1000).enumerate() {
        talk.data(Side::Server, number * 1000, part);
    }
    talk.fin(Side::Server, reply.len());
    let bench = bench(&talk.packets);
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "--rotate", "5K", "-e", "http"]).finish().expect(0);
    let directories = directories(&bench, "out");
    let flow = "192.000.002.002.00080-192.000.002.001.01000";
    assert!(directories.len() > 2, "{directories:?}");
    assert!(joined(&directories, flow) == reply);
    assert!(joined(&directories, &format!("{flow}-HTTPBODY-001")) == body, "the parts are not the body");
    let reports = reports(&bench, "out");
    let runs: Vec<&Element> = reports.iter().flat_map(|report| report.all("byte_run")).collect();
    let endings: Vec<Option<&str>> = runs.iter().map(|run| run.get("ending")).collect();
    let (last, before) = endings.split_last().unwrap();
    assert!(before.iter().all(|ending| *ending == Some("continued")) && last.is_none(), "{endings:?}");
    let sizes = runs.iter().map(|run| run.one("filesize").count());
    let begins: Vec<u64> = sizes.scan(0, |sum, size| Some(std::mem::replace(sum, *sum + size))).collect();
    for (run, begins) in runs.iter().zip(begins).skip(1) {
        assert_eq!(run.number("continues"), begins);
    }
}

/// A hole of the first part that fills when its directory is finished already.
fn late_bytes_are_counted() {
    let sent = content(10_000);
    let mut talk = Conversation::default();
    talk.open();
    for number in [0, 2, 3, 4, 5, 1, 6, 7, 8, 9] {
        talk.data(Side::Client, number * 1000, &sent[number * 1000..][..1000]);
    }
    // A copy, and one that spans the end of the first part.
    talk.data(Side::Client, 500, &sent[500..2500]);
    talk.data(Side::Client, 5500, &sent[5500..6500]);
    talk.fin(Side::Client, sent.len());
    let bench = bench(&talk.packets);
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "--rotate", "4K"]).finish().expect(0);
    let directories = directories(&bench, "out");
    let mut expected = sent.clone();
    expected[1000..2000].fill(0);
    assert!(joined(&directories, FLOW) == expected, "all but what came late, in its place");
    let reports = reports(&bench, "out");
    let first = reports[0].one("missing_runs").one("byte_run");
    assert_eq!((first.number("file_offset"), first.number("len")), (1000, 1000));
    let missing: Vec<Option<&str>> =
        reports.iter().map(|report| entry(report, 1000).unwrap().get("missing")).collect();
    assert_eq!(missing[0], Some("1000"));
    assert!(missing[1..].iter().all(Option::is_none), "{missing:?}");
    let aside: Vec<u64> = reports
        .iter()
        .flat_map(|report| set_aside(report, "payload"))
        .filter(|(reason, _)| reason == "before_rotation")
        .map(|(_, count)| count)
        .collect();
    assert_eq!(aside, [1000]);
    assert_eq!(entry(&reports[1], 1000).unwrap().number("before_rotation"), 1000);
}

fn what_is_not_stored_is_not_counted_as_full() {
    let bench = bench(&upload(&content(50_000), 1000).packets);
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "-b", "5000", "--rotate", "4K"]).finish().expect(0);
    let directories = directories(&bench, "out");
    let files: Vec<Option<usize>> =
        directories.iter().map(|(_, files)| files.get(FLOW).map(Vec::len)).collect();
    assert_eq!(files, [Some(5000), None], "beyond the limit there is nothing to make a file for");
    let _ = reports(&bench, "out");
}

fn a_report_elsewhere_is_of_the_whole_run() {
    let sent = content(9000);
    let bench = bench(&upload(&sent, 1000).packets);
    let line = ["-r", "in.pcap", "-o", "out", "-X", "all.xml", "--rotate", "4K", "-e", "wifiviz"];
    let _ = bench.run(&line).finish().expect(0);
    let directories = directories(&bench, "out");
    assert!(directories.iter().all(|(_, files)| files.keys().eq([FLOW])), "{directories:?}");
    assert!(joined(&directories, FLOW) == sent);
    let report = bench.report("all.xml");
    assert_conserved(&report);
    let parts = report.all("tcpflow").into_iter().filter(|flow| flow.number("srcport") == 1000);
    assert_eq!(parts.count(), 2);
    assert_eq!((report.one("payload").number("written"), report.all("rotation").len()), (9000, 0));
}

fn usr2_rotates_at_once() {
    let sent = content(6000);
    let bytes = pcap(ETHERNET, &upload(&sent, 1000).packets);
    // The header, two SYNs, and then a packet of a kilobyte each.
    let (record, first) = (16 + 14 + 40 + 1000, 24 + 2 * (16 + 14 + 40));
    let bench = Bench::of(Subject::Ours);
    mkfifo(&bench.path().join("fifo"), Mode::S_IRWXU).unwrap();
    let mut running = bench.run(&["-r", "fifo", "-o", "out", "--rotate", "1d"]).start();
    let mut fifo = OpenOptions::new().write(true).open(bench.path().join("fifo")).unwrap();
    let mut start = 0;
    for number in 1..=3 {
        let end = first + number * 2 * record;
        fifo.write_all(&bytes[start..end]).unwrap();
        start = end;
        let stored = || {
            directories(&bench, "out")
                .iter()
                .map(|(_, files)| files.get(FLOW).map_or(0, Vec::len))
                .sum::<usize>()
        };
        running.wait_until("all that was written", |_| {
            bench.path().join("out").exists() && stored() == number * 2000
        });
        running.signal(Signal::SIGUSR2);
        running.wait_until("another directory", |_| directories(&bench, "out").len() == number + 1);
    }
    fifo.write_all(&bytes[start..]).unwrap();
    drop(fifo);
    let _ = running.wait().expect(0);
    let directories = directories(&bench, "out");
    assert!(joined(&directories, FLOW) == sent);
    let reports = reports(&bench, "out");
    assert_eq!(follow(&reports, 1000), [2000; 3]);
}

fn usr2_without_rotation_changes_nothing() {
    let bench = Bench::of(Subject::Ours);
    mkfifo(&bench.path().join("fifo"), Mode::S_IRWXU).unwrap();
    let mut running = bench.run(&["-r", "fifo", "-o", "out"]).start();
    let mut fifo = OpenOptions::new().write(true).open(bench.path().join("fifo")).unwrap();
    fifo.write_all(&pcap(ETHERNET, &upload(b"x", 1).packets)).unwrap();
    running.wait_until("the flow", |_| bench.flows("out").len() == 1);
    running.signal(Signal::SIGUSR2);
    running.wait_for("SIGUSR2: there is nothing to rotate without --rotate");
    drop(fifo);
    let _ = running.wait().expect(0);
    assert_eq!(bench.tree("out").len(), 2);
}

/// Directories of another run are not this one's to name or to finish.
fn only_one_run_rotates_in_a_directory() {
    let bench = bench(&upload(b"x", 1).packets);
    mkfifo(&bench.path().join("fifo"), Mode::S_IRWXU).unwrap();
    let mut running = bench.run(&["-r", "fifo", "-o", "out", "--rotate", "1h"]).start();
    let mut fifo = OpenOptions::new().write(true).open(bench.path().join("fifo")).unwrap();
    running.wait_for("reportfilename");
    running.wait_until("its roles", |running| running.roles().len() == 3);
    let line = ["-r", "in.pcap", "-o", "out", "--rotate", "1h"];
    let _ = bench.run(&line).finish().expect(1).says("out: another tcpflow rotates there");
    let _ = bench.run(&["-r", "in.pcap", "-o", "out"]).finish().expect(0);
    fifo.write_all(&std::fs::read(bench.path().join("in.pcap")).unwrap()).unwrap();
    drop(fifo);
    let _ = running.wait().expect(0);
    let _ = bench.run(&line).finish().expect(0);
}

fn names_that_are_taken_are_left_alone() {
    let bench = bench(&upload(&content(6000), 1000).packets).folder("out", 0o755);
    let taken = bench.path().join("out/2020-09-13T12-26-40Z");
    std::fs::write(&taken, "precious").unwrap();
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "--rotate", "1d"]).finish().expect(0);
    assert_eq!(std::fs::read(&taken).unwrap(), b"precious");
    std::fs::remove_file(&taken).unwrap();
    let directories = directories(&bench, "out");
    assert_eq!(directories.len(), 1);
    assert_eq!(directories[0].0, "2020-09-13T12-26-40Z-001");
}

/// The output directory takes nothing new any more: what is there goes on.
fn a_directory_that_cannot_be_made_costs_nothing() {
    let sent = content(6000);
    let bytes = pcap(ETHERNET, &upload(&sent, 1000).packets);
    let bench = Bench::of(Subject::Ours);
    mkfifo(&bench.path().join("fifo"), Mode::S_IRWXU).unwrap();
    let mut running = bench.run(&["-r", "fifo", "-o", "out", "-U", "nobody", "--rotate", "4K"]).start();
    let mut fifo = OpenOptions::new().write(true).open(bench.path().join("fifo")).unwrap();
    fifo.write_all(&bytes[..3000]).unwrap();
    running.wait_until("a first part", |_| {
        bench.path().join("out").exists() && !directories(&bench, "out").is_empty()
    });
    let bench = bench.mode("out", 0o555);
    fifo.write_all(&bytes[3000..]).unwrap();
    drop(fifo);
    let outcome = running.wait().expect(1);
    let outcome = outcome
        .says("cannot make another directory, so that 2020-09-13T12-26-40Z is used on: Permission denied");
    assert_eq!(outcome.stderr.matches("cannot make").count(), 1, "{}", outcome.stderr);
    let directories = directories(&bench, "out");
    let [(_, files)] = &directories[..] else { panic!("{directories:?}") };
    assert_eq!([&files[FLOW][..], &files[&format!("{FLOW}c1")]].concat(), sent);
    let report = &reports(&bench, "out")[0];
    assert_eq!(
        (report.all("tcpflow").len(), report.one("payload").number("written")),
        (4, 6000),
        "two parts of either direction"
    );
}

fn options_that_cannot_be_are_refused() {
    let bench = bench(&[]);
    let refused = |more: &[&str], words: &str| {
        let outcome = bench.run(&[&["-r", "in.pcap", "-o", "out"], more].concat()).finish().expect(2);
        assert!(outcome.says(words).stderr.contains("Usage: "));
        assert!(!bench.path().join("out").exists(), "{more:?}");
    };
    refused(&["--rotate", "1y"], "--rotate: '1y': neither a time such as 1h nor a size such as 10G");
    refused(&["--rotate", "1h", "-c"], "--rotate: with -c or -C there are no directories to rotate");
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "--rotate", "1h", "--rotate", "1G"]).finish().expect(0);
    assert_eq!(reports(&bench, "out").len(), 1, "a savefile without packets has a report all the same");
}

/// One transfer, slower than the clock: it goes on through all directories, and they go on after it.
fn an_interface_is_divided_by_the_clock() {
    let lab = Lab::new();
    let bench = Bench::of(Subject::Ours);
    let line = ["-i", INTERFACE, "-U", "nobody", "-o", "out", "--rotate", "1s", "tcp", "port", "9"];
    let mut running = bench.run(&line).after(&lab.at_server()).start();
    running.wait_for("listening on");
    running.wait_until("roles", |running| running.roles().len() == 3);
    let sent = content(4 << 20);
    let listener = lab.as_server(|| TcpListener::bind((SERVER, 9)).unwrap());
    let mut sender = lab.as_client(|| TcpStream::connect((SERVER, 9)).unwrap());
    let (mut receiver, _) = listener.accept().unwrap();
    let receiving = std::thread::spawn(move || {
        let mut received = Vec::new();
        receiver.read_to_end(&mut received).unwrap();
        received
    });
    for piece in sent.chunks(sent.len() / 40) {
        sender.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    running.signal(Signal::SIGUSR2);
    drop(sender);
    assert!(receiving.join().unwrap() == sent);
    let so_far = directories(&bench, "out").len();
    assert!(so_far >= 4, "{so_far} directories in four seconds");
    running.wait_until("directories without packets", |_| directories(&bench, "out").len() > so_far + 1);
    running.signal(Signal::SIGINT);
    let _ = running.wait().expect(0);
    let directories = directories(&bench, "out");
    let names: Vec<&String> = directories[0].1.keys().collect();
    let name = directories.iter().flat_map(|(_, files)| files.keys()).find(|name| name.ends_with(".00009"));
    let name = name.unwrap_or_else(|| panic!("{names:?}")).clone();
    assert!(joined(&directories, &name) == sent, "the parts are not what was sent");
    let reports = reports(&bench, "out");
    let written: u64 = reports.iter().map(|report| report.one("payload").number("written")).sum();
    assert_eq!(written, number(sent.len()));
    let kernel: u64 =
        reports.iter().flat_map(|report| report.all("kernel")).map(|kernel| kernel.number("received")).sum();
    let captured: u64 = reports.iter().map(|report| report.one("frames").number("captured")).sum();
    assert_eq!(kernel, captured);
}
