//! `--metrics`: what is counted, in a file for Prometheus that is whole whenever it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::process::ExitCode;

use nix::sys::signal::Signal;
use nix::unistd::User;
use tcpflow_tests::capture::{ETHERNET, Packet, pcap};
use tcpflow_tests::cases;
use tcpflow_tests::conversation::{Conversation, START, Side};
use tcpflow_tests::lab::{self, INTERFACE};
use tcpflow_tests::report::Element;
use tcpflow_tests::run::Bench;
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Need};

fn main() -> ExitCode {
    let mut all = cases![
        the_file_says_what_the_report_says,
        the_file_is_whole_and_follows_the_run,
        what_is_no_file_is_left_as_it_is,
        a_place_that_goes_is_told_and_the_run_goes_on,
    ];
    all.extend(
        cases![&[Need::Root]; it_is_written_as_the_user_of_the_writer, who_may_not_write_does_not_begin],
    );
    all.extend(cases![&[Need::Namespaces, Need::Program("python3"), Need::Program("curl")];
        live_counts_have_their_interface_and_the_drops]);
    suite::main(all)
}

/// A sample's name and labels, in order.
type Series = (String, Vec<(String, String)>);

/// The samples of a file, which has to be of the format to the letter (version 0.0.4, which is stricter than what is
/// read): each family once, its HELP, its TYPE and then its samples, no series twice, counters that end in `_total`.
#[derive(Debug, PartialEq)]
struct Samples(BTreeMap<Series, f64>);

impl Samples {
    #[track_caller]
    fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line is cut: {text:?}");
        let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
        let (mut helped, mut family) = (None, None);
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(!help.is_empty() && families.insert(name.to_owned()), "{line}");
                (helped, family) = (Some(name.to_owned()), None);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(helped.take().as_deref(), Some(name), "{line}");
                assert!(matches!(kind, "counter" | "gauge"), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                family = Some((name.to_owned(), kind == "counter"));
            } else {
                let (series, value) = sample(line);
                let (name, is_counter) = family.as_ref().unwrap_or_else(|| panic!("no TYPE before {line}"));
                assert_eq!(&series.0, name, "{line}");
                assert!(!is_counter || (value >= 0.0 && value.fract() == 0.0), "{line}");
                assert!(samples.insert(series, value).is_none(), "twice: {line}");
            }
        }
        Self(samples)
    }

    #[track_caller]
    fn read(bench: &Bench, path: &str) -> Self {
        Self::parse(&std::fs::read_to_string(bench.path().join(path)).unwrap())
    }

    /// The value of a series without labels but that of the interface.
    #[track_caller]
    fn get(&self, name: &str) -> u64 {
        self.sum(name, 1)
    }

    /// The sum over all labels of a family with as many series.
    #[track_caller]
    fn sum(&self, name: &str, series: usize) -> u64 {
        let all = self.of(name);
        assert_eq!(all.len(), series, "{name} in {self:#?}");
        all.into_iter().map(|(_, value)| number(*value)).sum()
    }

    fn of(&self, name: &str) -> Vec<(&Vec<(String, String)>, &f64)> {
        let name = format!("tcpflow_{name}");
        self.0
            .iter()
            .filter(|((known, _), _)| *known == name)
            .map(|((_, labels), value)| (labels, value))
            .collect()
    }

    /// A family that has one label each, by its value.
    fn by(&self, name: &str, label: &str) -> BTreeMap<String, u64> {
        let only = |labels: &Vec<(String, String)>| match &labels[..] {
            [(known, value)] if known == label => value.clone(),
            other => panic!("{name}: {other:?}"),
        };
        self.of(name).into_iter().map(|(labels, value)| (only(labels), number(*value))).collect()
    }
}

fn number(value: f64) -> u64 {
    assert!(value >= 0.0 && value.fract() == 0.0, "{value}");
    value.to_string().parse().unwrap()
}

/// `name{label="value",...} number`.
#[track_caller]
fn sample(line: &str) -> (Series, f64) {
    let is_name = |text: &str, more: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || more.contains(c);
        !text.is_empty() && text.chars().all(known) && !text.starts_with(|c: char| c.is_ascii_digit())
    };
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line}"));
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name, ":"), "{line}");
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, quoted) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(label, "") && !label.starts_with("__"), "{line}");
            let (value, after) = unquoted(quoted).unwrap_or_else(|| panic!("{line}"));
            labels.push((label.to_owned(), value));
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    ((name.to_owned(), labels), value.parse().unwrap_or_else(|e| panic!("{line}: {e}")))
}

/// What stands before the closing quote, and what after it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    loop {
        match chars.next()? {
            (at, '"') => return Some((value, &text[at + 1..])),
            (_, '\\') => value.push(match chars.next()?.1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            (_, c) => value.push(c),
        }
    }
}

/// Two connections, copies, and what is no TCP.
fn packets() -> Vec<Packet> {
    let mut talk = Conversation::default();
    talk.open();
    talk.data(Side::Client, 0, b"request");
    talk.data(Side::Client, 0, b"request");
    talk.data(Side::Server, 0, b"reply");
    let other = Conversation { client: ([192, 0, 2, 3].into(), 1000), ..Conversation::default() };
    let mut packets = [talk.packets, other.exchange(b"hello", b"world!").packets].concat();
    packets.push(Packet::whole(START, [&[2; 12][..], &[8, 6], &[0; 28]].concat()));
    packets
}

fn aside(report: &Element, of: &str) -> BTreeMap<String, u64> {
    let rows = report.one(of).all("aside");
    rows.iter().map(|row| (row.get("reason").unwrap().to_owned(), row.number("count"))).collect()
}

fn the_file_says_what_the_report_says() {
    let bench = Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &packets()));
    for options in [&[][..], &["-b", "3"], &["-FX"], &["not host 192.0.2.3"]] {
        let line = [&["-r", "in.pcap", "-o", "out", "--metrics", "m.prom"], options].concat();
        let _ = bench.run(&line).finish().expect(0);
        let (samples, report) = (Samples::read(&bench, "m.prom"), bench.report("out/report.xml"));
        let frames = report.one("frames");
        for (name, attribute) in [("captured", "captured"), ("filtered", "filtered"), ("decoded", "decoded")]
        {
            assert_eq!(samples.get(&format!("frames_{name}_total")), frames.number(attribute), "{options:?}");
        }
        assert_eq!(samples.by("frames_set_aside_total", "reason"), aside(&report, "frames"));
        let payload = report.one("payload");
        assert_eq!(samples.get("payload_captured_bytes_total"), payload.number("captured"));
        assert_eq!(samples.get("payload_stored_bytes_total"), payload.number("written"));
        assert_eq!(samples.by("payload_set_aside_bytes_total", "reason"), aside(&report, "payload"));
        let flows = report.one("total_flows").count();
        let counted =
            ["flows_opened_total", "flows_closed_total", "flows_open"].map(|name| samples.get(name));
        assert_eq!(counted, [flows, flows, 0]);
        let files = report.all("filename").len();
        assert_eq!(samples.get("files_created_total"), u64::try_from(files).unwrap());
        assert_eq!(samples.get("frames_dropped_total"), 0);
        let length = std::fs::metadata(bench.path().join("in.pcap")).unwrap().len();
        assert_eq!(samples.get("savefile_read_bytes_total"), length);
        let version = samples.by("run_info", "version");
        assert_eq!(version, BTreeMap::from([(report.one("version").text.clone(), 1)]));
    }
    // Nothing is left beside it.
    let names: Vec<String> = bench.tree(".").into_keys().filter(|name| !name.starts_with("out/")).collect();
    assert_eq!(names, ["in.pcap", "m.prom"]);
}

/// The first is there before the first packet, one with what came after 15 seconds; whoever looks finds it whole.
fn the_file_is_whole_and_follows_the_run() {
    let bench = Bench::of(Subject::Ours);
    let mut running = bench.run(&["-r", "-", "-o", "out", "--metrics", "m.prom"]).start();
    let path = bench.path().join("m.prom");
    running.wait_until("the first", |_| path.exists());
    let first = Samples::read(&bench, "m.prom");
    assert_eq!(first.get("frames_captured_total"), 0);
    let memory = first.by("process_resident_memory_bytes", "process");
    let processes = ["tcpflow", "tcpflow-capture", "tcpflow-reassembler", "tcpflow-writer"];
    assert_eq!(memory.keys().collect::<Vec<_>>(), processes);
    assert!(memory.values().all(|bytes| (100_000..1 << 30).contains(bytes)), "{memory:?}");
    running.write(&pcap(ETHERNET, &packets()));
    let mut looks = 0;
    running.wait_until("the next", |_| {
        looks += 1;
        Samples::read(&bench, "m.prom").get("frames_captured_total") > 0
    });
    assert!(looks > 10, "{looks}");
    let next = Samples::read(&bench, "m.prom");
    // Two of four flows ended by FIN.
    let counted = ["flows_opened_total", "flows_closed_total", "flows_open"].map(|name| next.get(name));
    assert_eq!(counted, [4, 2, 2]);
    assert_eq!(next.get("payload_stored_bytes_total"), 7 + 5 + 5 + 6);
    assert!(next.of("counted_time_seconds")[0].1 > first.of("counted_time_seconds")[0].1);
    running.end_input();
    let _ = running.wait().expect(0);
    assert_eq!(Samples::read(&bench, "m.prom").get("flows_open"), 0);
}

fn what_is_no_file_is_left_as_it_is() {
    let bench = Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &packets())).folder("place", 0o755);
    nix::unistd::mkfifo(&bench.path().join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    symlink("in.pcap", bench.path().join("link")).unwrap();
    for (path, words) in [
        ("place", "place: is there and is no file"),
        ("fifo", "fifo: is there and is no file"),
        ("link", "link: is there and is no file"),
        ("no/such", "no/such: No such file"),
        ("in.pcap/m", "in.pcap/m: Not a directory"),
        ("..", "..: no name of a file"),
        ("", "--metrics: empty name"),
    ] {
        let outcome = bench.run(&["-r", "in.pcap", "-o", "out", "--metrics", path]).finish().expect(1);
        let _ = outcome.says(words);
        assert!(bench.flows("out").is_empty(), "{path}");
    }
    assert!(std::fs::symlink_metadata(bench.path().join("fifo")).unwrap().file_type().is_fifo());
    assert!(std::fs::symlink_metadata(bench.path().join("link")).unwrap().is_symlink());
    assert!(bench.tree("place").is_empty());
}

fn a_place_that_goes_is_told_and_the_run_goes_on() {
    let bench = Bench::of(Subject::Ours).folder("place", 0o755);
    let mut running = bench.run(&["-r", "-", "-o", "out", "--metrics", "place/m"]).start();
    let place = bench.path().join("place");
    running.wait_until("the first", |_| place.join("m").exists());
    std::fs::remove_dir_all(&place).unwrap();
    running.write(&pcap(ETHERNET, &packets()));
    running.end_input();
    let outcome = running.wait().expect(1);
    assert_eq!(outcome.stderr.matches("cannot write place/m: No such file").count(), 1, "{}", outcome.stderr);
    assert_eq!(bench.flows("out").len(), 4);
    assert!(bench.report("out/report.xml").all("interrupted").is_empty());
}

/// Also where `tcpflow` runs as another user than the writer while packets flow.
fn it_is_written_as_the_user_of_the_writer() {
    let nobody = User::from_name("nobody").unwrap().unwrap().uid.as_raw();
    for (options, owner) in [(&[][..], 0), (&["-U", "nobody"], nobody)] {
        let bench =
            Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &packets())).folder("place", 0o755);
        std::os::unix::fs::chown(bench.path().join("place"), Some(owner), None).unwrap();
        let line = [&["-r", "in.pcap", "--metrics", "place/m", "-o", "out"], options].concat();
        let bench = bench.open_to_all();
        let _ = bench.run(&line).finish().expect(0);
        let file = &bench.tree("place")["m"];
        assert_eq!((file.uid, file.mode), (owner, 0o644));
        assert_eq!(Samples::read(&bench, "place/m").get("flows_opened_total"), 4);
    }
}

fn who_may_not_write_does_not_begin() {
    let bench = Bench::of(Subject::Ours)
        .file("in.pcap", &pcap(ETHERNET, &packets()))
        .folder("place", 0o755)
        .file("place/m", b"before\n")
        .open_to_all();
    let line = ["-r", "in.pcap", "--metrics", "place/m", "-o", "out", "-U", "nobody"];
    let nobody = User::from_name("nobody").unwrap().unwrap().uid;
    let words = format!("cannot write place/m as user {nobody}: Permission denied");
    let _ = bench.run(&line).finish().expect(1).says(&words);
    assert!(bench.flows("out").is_empty(), "nothing was read");
    assert_eq!(bench.tree("place")["m"].bytes, b"before\n");
}

fn live_counts_have_their_interface_and_the_drops() {
    let (lab, bench, content) = lab::serving(64 << 20);
    let line =
        ["-i", INTERFACE, "-U", "nobody", "-o", "out", "-S", "buffer_size=1", "--metrics", "out/m.prom"];
    let mut running = bench.run(&line).after(&lab.at_server()).start();
    running.wait_for(&format!("listening on {INTERFACE}"));
    running.signal_role("tcpflow-writer", Signal::SIGSTOP);
    assert_eq!(lab.fetch("random"), content);
    running.signal_role("tcpflow-writer", Signal::SIGCONT);
    running.wait_for("the kernel drops packets");
    running.signal(Signal::SIGINT);
    let _ = running.wait().expect(0);
    let (samples, report) = (Samples::read(&bench, "out/m.prom"), bench.report("out/report.xml"));
    assert_eq!(samples.get("frames_dropped_total"), report.one("kernel").number("dropped"));
    assert_eq!(samples.get("frames_captured_total"), report.one("frames").number("captured"));
    let interface = ("interface".to_owned(), INTERFACE.to_owned());
    assert!(samples.0.keys().all(|(_, labels)| labels.first() == Some(&interface)), "{samples:?}");
}
