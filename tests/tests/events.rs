//! `--events`: what is told of flows as they come and go, held to its schema and to what runs leave behind.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tcpflow_tests::capture::{ETHERNET, Packet, Precision, pcap, pcap_as};
use tcpflow_tests::cases;
use tcpflow_tests::conversation::{Conversation, Link, START, Side};
use tcpflow_tests::lab::{self, INTERFACE};
use tcpflow_tests::run::{Bench, Outcome};
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Need};

const REQUEST: &str = "192.000.002.001.01000-192.000.002.002.00080";
const REPLY: &str = "192.000.002.002.00080-192.000.002.001.01000";

fn main() -> ExitCode {
    let mut all = cases![
        a_connection_is_told_of,
        what_is_missing_is_told_before_the_end,
        lines_are_ascii_whatever_the_name_is,
        a_flow_is_opened_before_it_is_closed_and_each_once,
        standard_output_is_theirs_alone,
        two_kinds_of_output_are_not_mixed,
        what_commands_print_stays_out_of_them,
        a_slow_reader_gets_every_line,
        a_reader_that_goes_costs_lines_and_nothing_else,
        a_run_that_breaks_off_says_so,
        lines_come_as_flows_do,
        a_flow_goes_on_in_the_next_directory,
    ];
    all.extend(cases![&[Need::Program("jsonschema")]; every_line_is_of_the_schema, the_schema_refuses_what_it_does_not_have]);
    all.extend(cases![&[Need::Root]; the_file_belongs_to_the_user_of_the_writer, a_full_disk_cuts_no_line]);
    all.extend(cases![&[Need::Namespaces, Need::Program("python3"), Need::Program("curl")]; drops_are_told_while_they_happen]);
    suite::main(all)
}

fn bench(packets: &[Packet]) -> Bench {
    Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, packets))
}

fn run(bench: &Bench, options: &[&str]) -> Outcome {
    bench.run(&[&["-r", "in.pcap", "-o", "out", "--events", "ev.json"], options].concat()).finish()
}

/// Every line of some text, which has to be whole.
#[track_caller]
fn parsed(text: &str) -> Vec<Value> {
    assert!(text.ends_with('\n') && text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')), "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
}

#[track_caller]
fn lines(bench: &Bench) -> Vec<Value> {
    parsed(&std::fs::read_to_string(bench.path().join("ev.json")).unwrap())
}

fn kind(line: &Value) -> &str {
    line["event"].as_str().unwrap()
}

/// Lines of one kind.
fn of<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| kind(line) == event).collect()
}

/// Both directions of a connection: a head each, what is known in the end, and a summary.
fn a_connection_is_told_of() {
    let mut talk = Conversation::default();
    talk.clock += 789;
    let packets = talk.exchange(b"hello", b"reply!").packets;
    let file = pcap_as(tcpflow_tests::capture::Order::Big, Precision::Nano, ETHERNET, &packets);
    let bench = Bench::of(Subject::Ours).file("in.pcap", &file);
    let _ = run(&bench, &["-e", "md5"]).expect(0);
    // The identifier was made of these ends by another program.
    let head = |flow: u64, from: &str, from_port: u16, to: &str, to_port: u16, start: &str| {
        json!({
            "schema": 1, "flow": flow, "session": 0, "community_id": "1:zmad2/0QCKfhO8J8Pgw2si2qnnE=",
            "protocol": "tcp", "src_ip": from, "src_port": from_port, "dst_ip": to, "dst_port": to_port,
            "vlan": null, "initiator": flow == 0, "start": format!("2020-09-13T12:26:{start}.123456789Z"),
        })
    };
    let heads = [
        head(0, "192.0.2.1", 1000, "192.0.2.2", 80, "40"),
        head(1, "192.0.2.2", 80, "192.0.2.1", 1000, "41"),
    ];
    let with = |head: &Value, more: Value| {
        let mut line = head.clone();
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line
    };
    let opened = heads.iter().map(|head| with(head, json!({"event": "opened"})));
    let closed = |flow: usize, second: &str, files: [&str; 2], size: u64, md5: &str| {
        let more = json!({
            "event": "closed", "end": format!("2020-09-13T12:26:{second}.123456789Z"), "ending": "fin",
            "file": format!("out/{}", files[0]), "peer_file": format!("out/{}", files[1]),
            "begins": 0, "size": size, "stored": size, "missing": 0, "cut": 0, "gaps": 0, "packets": 3,
            "out_of_order": 0, "violations": 0, "conflicting": 0, "truncated": null, "digests": {"MD5": md5},
        });
        with(&heads[flow], more)
    };
    let summary = json!({
        "schema": 1, "event": "summary", "ending": "complete", "reason": null, "flows": 2, "files": 2,
        "frames": {"captured": 6, "filtered": 0, "decoded": 6, "set_aside": {}},
        "bytes": {"captured": 11, "stored": 11, "set_aside": {}},
        "kernel": null, "savefile_dropped": null, "events_lost": 0,
    });
    let expected: Vec<Value> = opened
        .chain([
            closed(0, "44", [REQUEST, REPLY], 5, "5d41402abc4b2a76b9719d911017c592"),
            closed(1, "45", [REPLY, REQUEST], 6, "de54f60af7b388580e75caa3ff8b6bbe"),
            summary,
        ])
        .collect();
    assert_eq!(lines(&bench), expected);
}

/// A hole, a copy that differs, and an end that the snap length cut off; nobody closes.
fn disorder() -> Vec<Packet> {
    let mut talk = Conversation::default();
    talk.open();
    talk.data(Side::Client, 0, b"abc");
    talk.data(Side::Client, 5, b"fgh");
    talk.data(Side::Client, 0, b"abX");
    talk.data(Side::Client, 8, b"ijkl");
    talk.packets.last_mut().unwrap().bytes.truncate(14 + 20 + 20 + 1);
    talk.packets
}

fn what_is_missing_is_told_before_the_end() {
    let bench = bench(&disorder());
    let _ = run(&bench, &[]).expect(0);
    let lines = lines(&bench);
    let kinds: Vec<(&str, Option<u64>)> =
        lines.iter().map(|line| (kind(line), line["flow"].as_u64())).collect();
    let expected = [("opened", 0), ("opened", 1), ("closed", 1), ("gap", 0), ("gap", 0), ("closed", 0)];
    assert_eq!(kinds[..6], expected.map(|(event, flow)| (event, Some(flow))));
    let gaps: Vec<_> = of(&lines, "gap")
        .iter()
        .map(|gap| ["offset", "length", "cut"].map(|field| gap[field].as_u64().unwrap()))
        .collect();
    assert_eq!(gaps, [[3, 2, 0], [9, 3, 3]]);
    let closed = &lines[5];
    let fields = ["size", "stored", "missing", "cut", "gaps", "violations", "conflicting"];
    assert_eq!(fields.map(|field| closed[field].as_u64().unwrap()), [9, 9, 2, 3, 2, 1, 1]);
    assert_eq!((&closed["ending"], &closed["peer_file"]), (&json!("open"), &Value::Null));
    assert_eq!((&lines[2]["file"], &lines[2]["peer_file"]), (&Value::Null, &json!(format!("out/{REQUEST}"))));
}

/// What the user chose may be anything; none of it leaves its string.
fn lines_are_ascii_whatever_the_name_is() {
    let bench = bench(&Conversation::default().exchange(b"hello", b"reply").packets);
    let template = "é\u{7f}\u{85}\u{2028}\"\\{}\u{1b}[2J\t%N";
    let line = ["-r", "in.pcap", "-o", "ö'\"", "-T", template, "--events", "ev.json"];
    let _ = bench.run(&line).finish().expect(0);
    let lines = lines(&bench);
    let files: Vec<&str> = of(&lines, "closed").iter().map(|line| line["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["000", "001"].map(|number| format!("ö'\"/{}", template.replace("%N", number))));
    for file in files {
        assert!(bench.path().join(file).exists(), "{file:?}");
    }
}

/// Flows enough that batches are full and their files are closed while others begin; told as the report tells them.
fn a_flow_is_opened_before_it_is_closed_and_each_once() {
    let flows = |ports: std::ops::Range<u16>| {
        ports.flat_map(|port| {
            let talk = Conversation { client: ([192, 0, 2, 1].into(), port), ..Conversation::default() };
            talk.exchange(&[b'q'; 900], &[b'r'; 1300]).packets
        })
    };
    // With a program to be told of files, these are closed in their turn.
    for options in [&[][..], &["-S", "tcp_alert_fd=2"], &["-K"], &["-FX"]] {
        let bench = bench(&flows(1000..1400).collect::<Vec<_>>());
        let _ = run(&bench, options).expect(0);
        let lines = lines(&bench);
        let mut open = BTreeSet::new();
        let (mut opened, mut closed) = (Vec::new(), Vec::new());
        for line in &lines {
            let flow = line["flow"].as_u64();
            match kind(line) {
                "opened" => {
                    assert!(open.insert(flow.unwrap()));
                    opened.push(flow.unwrap());
                }
                "closed" => {
                    assert!(open.remove(&flow.unwrap()), "{line}");
                    closed.push((line["file"].as_str().map(str::to_owned), line["size"].as_u64().unwrap()));
                }
                "summary" => assert_eq!(flow, None),
                other => panic!("{other}"),
            }
        }
        assert_eq!((opened, open.len()), ((0..800).collect(), 0), "{options:?}");
        let report = bench.report("out/report.xml");
        let reported: Vec<_> = report
            .all("fileobject")
            .iter()
            .map(|flow| {
                (flow.all("filename").first().map(|name| name.text.clone()), flow.one("filesize").count())
            })
            .collect();
        if options == ["-K"] {
            assert_eq!(closed.len(), reported.len());
        } else {
            assert_eq!(closed, reported, "{options:?}");
        }
        assert_eq!(kind(lines.last().unwrap()), "summary");
    }
}

fn standard_output_is_theirs_alone() {
    let bench = bench(&Conversation::default().exchange(b"hello", b"reply").packets);
    let line = ["-r", "in.pcap", "-o", "out", "--events", "-"];
    let outcome = bench.run(&line).finish().expect(0);
    assert_eq!(parsed(&outcome.stdout).len(), 5);
    assert_eq!(bench.flows("out").len(), 2, "flows are stored all the same");
    for (other, words) in [
        ("-c", "-c and -C print on standard output too"),
        ("-C", "-c and -C print on standard output too"),
        ("--sandbox-report", "--sandbox-report print"),
        ("-X/dev/stdout", "the report goes to the same place"),
        ("-w/dev/stdout", "-w goes to the same place"),
    ] {
        let outcome = bench.run(&[&line[..], &[other]].concat()).finish().expect(2).says(words);
        assert_eq!(outcome.stdout, "", "{other}");
    }
}

fn two_kinds_of_output_are_not_mixed() {
    let bench = bench(&Conversation::default().exchange(b"hello", b"reply").packets);
    for (options, words) in [
        (&["-X", "x", "--events", "x"][..], "the report goes to the same place"),
        (&["-w", "x", "--events", "x"], "-w goes to the same place"),
        (&["-c", "--events", "/dev/stdout"], "payload goes to the same place"),
    ] {
        let _ =
            bench.run(&[&["-r", "in.pcap", "-o", "out"], options].concat()).finish().expect(2).says(words);
    }
    // Where nothing is kept, nothing is mixed; and a file has room for flows that are printed elsewhere.
    let nowhere = ["-r", "in.pcap", "-o", "out", "-X", "/dev/null", "--events", "/dev/null"];
    let _ = bench.run(&nowhere).finish().expect(0);
    let outcome = run(&bench, &["-C"]).expect(0);
    assert_eq!((outcome.stdout.as_str(), lines(&bench).len()), ("hello\nreply\n", 5));
    for (path, words) in [("", "--events: empty name"), ("no/such", "no/such: No such file")] {
        let _ = bench.run(&["-r", "in.pcap", "-o", "out", "--events", path]).finish().expect(1).says(words);
    }
}

fn what_commands_print_stays_out_of_them() {
    let bench = bench(&Conversation::default().exchange(b"hello", b"reply").packets);
    let line = ["-r", "in.pcap", "-o", "out", "--events", "-", "-S", "tcp_cmd=echo x; touch ran; true"];
    let outcome = bench.run(&line).finish().expect(0);
    assert_eq!(parsed(&outcome.stdout).len(), 5);
    assert!(bench.path().join("ran").exists());
}

/// So many flows, each a SYN with data that nobody answers.
fn flood(flows: u16) -> Vec<Packet> {
    let flow = |port| {
        let mut talk = Conversation { client: ([192, 0, 2, 1].into(), port), ..Conversation::default() };
        talk.data(Side::Client, 0, b"x");
        talk.packets
    };
    (1000..1000 + flows).flat_map(flow).collect()
}

/// A reader slower than everything before it, over a pipe of the least size.
fn a_slow_reader_gets_every_line() {
    let bench = bench(&flood(400));
    let (mut reader, writer) = std::io::pipe().unwrap();
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    // Whoever else has it may have made it non-blocking.
    let flags = nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_WRONLY;
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(flags)).unwrap();
    let mut command = Command::new(Subject::Ours.executable());
    let line = ["-r", "in.pcap", "-o", "out", "--events", "-"];
    command.args(line).current_dir(bench.path()).stdout(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    let (mut all, mut piece) = (Vec::new(), [0; 1000]);
    while let length @ 1.. = reader.read(&mut piece).unwrap() {
        all.extend_from_slice(&piece[..length]);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(parsed(std::str::from_utf8(&all).unwrap()).len(), 801);
}

fn a_reader_that_goes_costs_lines_and_nothing_else() {
    let bench = bench(&flood(400));
    let script = "{ \"$@\"; echo $? >code; } | head -c 10 >/dev/null; exit $(cat code)";
    let line = ["-r", "in.pcap", "-o", "out", "--events", "-"];
    let outcome = bench.run(&line).after(&["sh", "-c", script, "sh"]).finish().expect(1);
    let outcome = outcome.says("events could not be written");
    assert!(outcome.stderr.matches("cannot write events: Broken pipe").count() <= 1, "{}", outcome.stderr);
    assert_eq!(bench.flows("out").len(), 400);
    assert!(bench.report("out/report.xml").all("interrupted").is_empty());
}

/// The run as it is when a role dies: what was open is told of, and why.
fn a_run_that_breaks_off_says_so() {
    let bench = Bench::of(Subject::Ours);
    let mut running = bench.run(&["-r", "-", "-o", "out", "--events", "ev.json"]).start();
    let file = pcap(ETHERNET, &disorder());
    running.write(&file);
    let path = bench.path().join("ev.json");
    running.wait_until("both flows", |_| {
        std::fs::read_to_string(&path).is_ok_and(|text| text.lines().count() == 2)
    });
    running.signal_role("tcpflow-reassembler", Signal::SIGKILL);
    let _ = running.wait().expect(1);
    let lines = lines(&bench);
    let kinds: Vec<&str> = lines.iter().map(kind).collect();
    assert_eq!(kinds, ["opened", "opened", "closed", "closed", "summary"]);
    assert_eq!((&lines[2]["ending"], &lines[2]["end"]), (&json!("interrupted"), &Value::Null));
    let summary = &lines[4];
    assert_eq!((&summary["ending"], &summary["frames"]), (&json!("interrupted"), &Value::Null));
    assert_eq!(summary["flows"], 2);
    assert!(summary["reason"].as_str().unwrap().contains("tcpflow-reassembler"), "{summary}");
}

/// While nothing more comes: each line is there before the next packet.
fn lines_come_as_flows_do() {
    let bench = Bench::of(Subject::Ours);
    let mut running = bench.run(&["-r", "-", "-o", "out", "--events", "-"]).start();
    let packets = Conversation::default().exchange(b"hello", b"reply").packets;
    let file = pcap(ETHERNET, &packets);
    let (mut at, mut seen) = (24, 0);
    running.write(&file[..at]);
    // Opened by each SYN, closed by each FIN.
    for (packet, more) in packets.iter().zip([1, 1, 0, 0, 1, 1]) {
        let next = at + 16 + packet.bytes.len();
        running.write(&file[at..next]);
        at = next;
        seen += more;
        running.wait_until("its line", |running| running.printed().lines().count() == seen);
    }
    running.end_input();
    let outcome = running.wait().expect(0);
    assert_eq!(parsed(&outcome.stdout).len(), 5);
}

/// Each part of a flow is closed, and the last one ends it.
fn a_flow_goes_on_in_the_next_directory() {
    let bench = bench(&Conversation::default().exchange(b"hello", b"reply").packets);
    let _ = run(&bench, &["--rotate", "3s"]).expect(0);
    let lines = lines(&bench);
    let told: Vec<String> = lines
        .iter()
        .map(|line| match kind(line) {
            "rotated" => line["directory"].as_str().unwrap().to_owned(),
            "closed" => {
                let name = |field: &str| line[field].as_str().unwrap_or("-").to_owned();
                let (file, peer) = (name("file"), name("peer_file"));
                format!("{} {} {} {file} {peer}", line["flow"], line["ending"], line["begins"])
                    .replace('"', "")
            }
            other => format!("{other} {}", line["flow"]),
        })
        .collect();
    let [first, second] = ["out/2020-09-13T12-26-40Z", "out/2020-09-13T12-26-43Z"];
    let expected = [
        first.to_owned(),
        "opened 0".to_owned(),
        "opened 1".to_owned(),
        format!("1 continued 0 - {first}/{REQUEST}"),
        format!("0 continued 0 {first}/{REQUEST} -"),
        second.to_owned(),
        format!("0 fin 5 - {second}/{REPLY}"),
        format!("1 fin 0 {second}/{REPLY} {first}/{REQUEST}"),
        "summary null".to_owned(),
    ];
    assert_eq!(told, expected);
}

/// The lines of runs that differ in all that lines may have.
fn every_line_is_of_the_schema() {
    let mut packets = disorder();
    let ends = |port| Conversation { client: ([192, 0, 2, 3].into(), port), ..Conversation::default() };
    let mut reset = ends(1);
    reset.open();
    reset.data(Side::Client, 0, b"x");
    reset.rst(Side::Client, 1);
    let mut again = ends(2);
    again.open();
    again.data(Side::Client, 0, b"one");
    again.initial = (7000, 9000);
    again.open();
    again.data(Side::Client, 0, b"two");
    again.data(Side::Client, 1 << 20, b"after a hole");
    again.data(Side::Client, 1 << 25, b"far");
    let vlan = Conversation { link: Link::Ethernet(vec![(0x8100, 0x6007)]), ..ends(3) };
    packets.extend([reset.packets, again.packets, vlan.exchange(b"tag", b"ged").packets].concat());
    packets.extend(
        Conversation::v6().exchange(b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nbody").packets,
    );
    packets.push(Packet::whole(START, vec![0xff; 60]));
    let mut cut = pcap(ETHERNET, &packets);
    cut.pop();
    let every = ["-e", "md5", "-S", "hash=md5,sha1,sha256"];
    let mut all = Vec::new();
    for options in [
        &[][..],
        &every,
        &["-K"],
        &["-I", "-b", "2"],
        &["-a", "-w", "rest.pcap"],
        &["-S", "tdelta=3155760000000"],
        &["-S", "tdelta=-3155760000000"],
        &["-S", "max_hole=0"],
        &["-S", "tcp_timeout=1"],
        &["-x", "tcpdemux"],
        &["-T", "%A\u{1f}\"é%N", "-o", "ö"],
        &["tcp port 3"],
        &["--rotate", "3s"],
    ] {
        let bench = bench(&packets);
        let _ = run(&bench, options).expect(0);
        all.extend(lines(&bench));
    }
    let bench = Bench::of(Subject::Ours).file("in.pcap", &cut);
    let _ = run(&bench, &[]).expect(1);
    let lines = lines(&bench);
    assert_eq!(lines.last().unwrap()["ending"], "interrupted");
    all.extend(lines);
    let seen: BTreeSet<&str> = all.iter().map(kind).collect();
    assert_eq!(seen, BTreeSet::from(["opened", "gap", "closed", "rotated", "summary"]));
    let endings: BTreeSet<&str> =
        of(&all, "closed").iter().map(|line| line["ending"].as_str().unwrap()).collect();
    let expected = ["continued", "fin", "idle", "max_hole", "open", "reset", "reused", "skipped"];
    assert_eq!(endings, BTreeSet::from(expected));
    // A live capture's, which another test sees.
    all.push(json!({"schema": 1, "event": "drop", "time": "2020-09-13T12:26:40.123456789Z", "dropped": 1, "total": 2}));
    assert_eq!(refused(&all), "", "{} lines", all.len());
}

/// What the schema's validator says of these lines.
fn refused(lines: &[Value]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/events.schema.json");
    let mut schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    // All lines at once, in an array.
    let one = schema.as_object_mut().unwrap().remove("oneOf").unwrap();
    schema["$defs"]["one"] = json!({ "oneOf": one });
    schema["type"] = json!("array");
    schema["items"] = json!({"$ref": "#/$defs/one"});
    let place = tempfile::tempdir().unwrap();
    let [schema_path, lines_path] = ["schema", "lines"].map(|name| place.path().join(name));
    std::fs::write(&schema_path, schema.to_string()).unwrap();
    std::fs::write(&lines_path, Value::from(lines.to_vec()).to_string()).unwrap();
    let said = Command::new("jsonschema").arg("-i").args([&lines_path, &schema_path]).output().unwrap();
    let words = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    if said.status.success() { String::new() } else { format!("{words}: {}", said.status) }
}

/// That a line is of the schema says something.
fn the_schema_refuses_what_it_does_not_have() {
    let bench = bench(&Conversation::default().exchange(b"hello", b"reply").packets);
    let _ = run(&bench, &[]).expect(0);
    let lines = lines(&bench);
    assert_eq!(refused(&lines), "");
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 4] = [
        ("another version", |line| line["schema"] = json!(2)),
        ("a field more", |line| line["more"] = json!(1)),
        ("a field less", |line| drop(line.as_object_mut().unwrap().remove("end"))),
        ("a time without nanoseconds", |line| line["end"] = json!("2020-09-13T12:26:40Z")),
    ];
    for (what, change) in changes {
        let mut changed = of(&lines, "closed")[0].clone();
        change(&mut changed);
        assert_ne!(refused(&[changed]), "", "{what}");
    }
}

fn the_file_belongs_to_the_user_of_the_writer() {
    let bench = bench(&Conversation::default().exchange(b"hello", b"reply").packets).open_to_all();
    let _ = run(&bench, &["-U", "nobody"]).expect(0);
    let file = &bench.tree(".")["ev.json"];
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    assert_eq!((file.uid, file.mode), (nobody.uid.as_raw(), 0o644));
    // What was there before is gone.
    let _ = run(&bench, &["-U", "nobody"]).expect(0);
    assert_eq!(lines(&bench).len(), 5);
}

/// Events on a disk of their own, which is full soon and is not full any more in the end.
fn a_full_disk_cuts_no_line() {
    let bench = bench(&flood(500)).folder("small", 0o755);
    let script = "mount -t tmpfs -o size=64k none small && \"$@\"; code=$?; cp small/ev.json .; exit $code";
    let words = ["unshare", "--mount", "sh", "-c", script, "sh"];
    let line = ["-r", "in.pcap", "-o", "out", "--events", "small/ev.json"];
    let outcome = bench.run(&line).after(&words).finish().expect(1);
    let outcome = outcome.says("events could not be written");
    assert_eq!(outcome.stderr.matches("cannot write events: No space left").count(), 1, "{}", outcome.stderr);
    let text = std::fs::read_to_string(bench.path().join("ev.json")).unwrap();
    assert!(text.len() > 60 << 10, "{}", text.len());
    assert!(parsed(&text).iter().all(|line| kind(line) == "opened"));
    assert_eq!(bench.flows("out").len(), 500, "and every flow is stored");
    assert_eq!(bench.report("out/report.xml").all("fileobject").len(), 500);
}

/// A writer that stands still while more comes than the ring holds.
fn drops_are_told_while_they_happen() {
    let (lab, bench, content) = lab::serving(64 << 20);
    let line = ["-i", INTERFACE, "-U", "nobody", "-o", "out", "-S", "buffer_size=1", "--events", "-"];
    let mut running = bench.run(&line).after(&lab.at_server()).start();
    running.wait_for(&format!("listening on {INTERFACE}"));
    running.signal_role("tcpflow-writer", Signal::SIGSTOP);
    assert_eq!(lab.fetch("random"), content);
    running.signal_role("tcpflow-writer", Signal::SIGCONT);
    running.wait_until("the drops", |running| running.printed().contains("\"event\":\"drop\""));
    running.signal(Signal::SIGINT);
    let outcome = running.wait().expect(0);
    let lines = parsed(&outcome.stdout);
    let drops = of(&lines, "drop");
    let number = |line: &Value, field: &str| line[field].as_u64().unwrap();
    let mut sum = 0;
    for line in &drops {
        sum += number(line, "dropped");
        assert_eq!(number(line, "total"), sum, "{drops:?}");
    }
    let summary = lines.last().unwrap();
    assert_eq!((&summary["ending"], &summary["kernel"]["dropped"]), (&json!("stopped"), &json!(sum)));
    assert_eq!(sum, bench.report("out/report.xml").one("kernel").number("dropped"));
}
