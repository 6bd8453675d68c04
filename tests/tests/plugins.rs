//! `-e python`: what a plugin is given, where its result goes, and what it cannot do.

use std::process::ExitCode;
use std::time::Duration;

use tcpflow_tests::capture::{ETHERNET, pcap};
use tcpflow_tests::cases;
use tcpflow_tests::conversation::Conversation;
use tcpflow_tests::report::Element;
use tcpflow_tests::run::{Bench, Outcome};
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Case, Need};

/// Python is where a plugin's is looked for first.
const PYTHON: Need = Need::Program("python3");

fn main() -> ExitCode {
    let mut all = cases![&[PYTHON];
        the_sample_describes_flows,
        results_are_escaped_and_bounded,
        the_order_is_that_of_the_flows,
        a_plugin_is_given_the_bytes_up_to_its_limit,
        what_cannot_be_loaded_ends_the_run_before_it_begins,
        all_scanners_include_python_only_if_it_is_configured,
        what_is_told_is_bounded,
        a_plugin_sees_three_streams_and_no_environment,
        commands_and_a_plugin_go_together,
        a_result_costs_no_flow_when_the_run_is_ended,
    ];
    all.extend(misdeeds());
    all.extend(cases![&[PYTHON, Need::Root]; a_plugin_runs_as_the_user]);
    suite::main(all)
}

/// A module with everything that a plugin should not do.
const MODULE: &str = r#"
import os, sys, time
SECRET = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "secret")
def loops(flow):
    while True: pass
def sleeps(flow): time.sleep(1000)
def forks(flow): os.fork()
def threads(flow):
    import threading
    threading.Thread(target=print).start()
def connects(flow):
    import socket
    socket.create_connection(("127.0.0.1", 1))
def opens_a_socket(flow):
    import socket
    socket.socket(socket.AF_UNIX)
def writes(flow): open(os.path.join(os.path.dirname(__file__), "written"), "w").write("x")
def removes(flow): os.remove(__file__)
def reads(flow): return open(SECRET).read()
def lists(flow): return repr(os.listdir(os.path.dirname(SECRET)))
def prints(flow):
    for _ in range(1024): print("x" * (1 << 20))
def writes_to_the_channel(flow):
    for _ in range(1024): os.write(3, b"T\xff\xff\0\0" + b"x" * (1 << 20))
def claims_too_much(flow): os.write(3, b"T\xff\xff\xff\x7f")
def raises(flow): raise ValueError("of <this>\n& that")
def exits(flow): os._exit(3)
def leaves(flow): sys.exit(4)
def closes(flow):
    os.close(3)
    time.sleep(1000)
def kills(flow): os.kill(os.getppid(), 9)
def executes(flow): os.execv("/bin/sh", ["sh", "-c", "touch /tmp/executed"])
def executes_itself(flow): os.execv(sys.executable, [sys.executable, "-c", "print(1)"])
def spawns(flow):
    import subprocess
    subprocess.run(["true"])
def eats(flow): return str(len(b"x" * (4 << 30)))
def recurses(flow): return recurses(flow)
def counts(flow): return 5

def returns(flow): return "y" * (100 << 20)
def odd(flow): return "a\x00\x1b[2J</tcpflow:result>]]>&<b> \ud800 \uffff é\n"
def raw(flow): return b"\xff\xfeab"
def nothing(flow): return None
def length(flow): return str(len(flow))
def echo(flow): return flow.decode()
def slow_echo(flow):
    time.sleep(0.02)
    return flow.decode()
def streams(flow):
    found = []
    for number in range(1024):
        try: os.fstat(number)
        except OSError: continue
        found.append(number)
    return "%r %r %r" % (found, sorted(set(os.environ) - {"LC_CTYPE"}), type(flow).__name__)
def user(flow): return str(os.getuid())
"#;

/// A bench with this many conversations, and the module.
fn bench_of(conversations: u16) -> Bench {
    let talk = |number| {
        let talk =
            Conversation { client: ([192, 0, 2, 1].into(), 20_000 + number), ..Conversation::default() };
        talk.exchange(format!("request {number}").as_bytes(), format!("reply {number}").as_bytes()).packets
    };
    let packets: Vec<_> = (0..conversations).flat_map(talk).collect();
    Bench::of(Subject::Ours)
        .file("in.pcap", &pcap(ETHERNET, &packets))
        .file("secret", b"a secret")
        .folder("plugins", 0o755)
        .file("plugins/module.py", MODULE.as_bytes())
}

fn run(bench: &Bench, function: &str, more: &[&str]) -> Outcome {
    let function = format!("py_function={function}");
    let mut line = vec!["-r", "in.pcap", "-o", "out", "-e", "python", "-S", "py_path=plugins"];
    line.extend(["-S", "py_module=module", "-S", &function]);
    line.extend(more);
    bench.run(&line).finish()
}

fn results(report: &Element) -> Vec<&Element> {
    report.all("tcpflow:result")
}

/// Each function that misbehaves, and the words by which it is told. It costs each flow its result and nothing
/// else.
fn misdeeds() -> Vec<Case> {
    const NONE: &str = "Function not implemented";
    let rows: [(&str, &str); 24] = [
        ("loops", "computed for more than 1 s"),
        ("sleeps", "did not return within 2 s"),
        ("forks", NONE),
        ("threads", "can't start new thread"),
        ("connects", NONE),
        ("opens_a_socket", NONE),
        ("writes", NONE),
        ("removes", NONE),
        ("reads", "Permission denied"),
        ("lists", "Permission denied"),
        ("prints", "printed more than 1 MiB"),
        ("writes_to_the_channel", "broke the protocol"),
        ("claims_too_much", "broke the protocol"),
        ("raises", "raised ValueError: of <this>"),
        ("exits", "ended with status 3"),
        ("leaves", "raised SystemExit: 4"),
        ("closes", "closed its channel"),
        ("kills", NONE),
        ("executes", NONE),
        ("executes_itself", NONE),
        ("spawns", NONE),
        ("eats", "MemoryError"),
        ("recurses", "RecursionError"),
        ("counts", "returned int, not a string"),
    ];
    let case = |(function, words): (&'static str, &'static str)| {
        Case::new(format!("a_plugin_that_{function}"), &[PYTHON], move || misdeed(function, words))
    };
    rows.into_iter().map(case).collect()
}

fn misdeed(function: &str, words: &str) {
    let bench = bench_of(1);
    // What computes is to be stopped by that limit, however slow the machine is.
    let timeout = if function == "loops" { "py_timeout=60" } else { "py_timeout=2" };
    let outcome = run(&bench, function, &["-S", timeout, "-S", "py_cpu=1"]).expect(0);
    let told = outcome.stderr.lines().filter(|line| line.contains("tcpflow: python: out/"));
    let told: Vec<&str> = told.collect();
    assert_eq!(told.len(), 2, "once for each flow: {}", outcome.stderr);
    assert!(told.iter().all(|line| line.contains(words)), "{words:?}: {}", outcome.stderr);
    let outcome = outcome.says("flows without a result of the plugin: 2");
    assert!(outcome.took < Duration::from_secs(20), "{:?}", outcome.took);
    assert_eq!(bench.flows("out").len(), 2, "both flows are stored");
    let report = bench.report("out/report.xml");
    assert_eq!(report.all("fileobject").len(), 2);
    for result in results(&report) {
        assert!(result.get("failed").unwrap().contains(words), "{result:?}");
        assert_eq!(result.text, "");
    }
    assert_eq!(results(&report).len(), 2);
    assert!(!bench.path().join("plugins/written").exists());
    assert!(bench.path().join("plugins/module.py").exists());
}

fn the_sample_describes_flows() {
    let packaging = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/python");
    let mut talk = Conversation::default();
    talk = talk.exchange(b"GET /a<b HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n");
    let bench = Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &talk.packets));
    let path = format!("py_path={packaging}");
    let line = ["-S", &path, "-S", "py_module=sample", "-S", "py_function=describe"];
    let arguments = [&["-r", "in.pcap", "-o", "out", "-e", "python"], &line[..]].concat();
    let _ = bench.run(&arguments).finish().expect(0);
    let text = std::fs::read_to_string(bench.path().join("out/report.xml")).unwrap();
    assert!(text.contains("xmlns:tcpflow='http://afflib.org/tcpflow/'"), "the namespace is declared");
    let report = bench.report("out/report.xml");
    let texts: Vec<&str> = results(&report).iter().map(|result| result.text.as_str()).collect();
    assert_eq!(texts.len(), 2);
    assert!(texts.iter().all(|text| text.starts_with("sha256 ") && text.len() >= 71), "{texts:?}");
    assert_eq!(texts.iter().filter(|text| text.ends_with("\nGET /a<b")).count(), 1, "{texts:?}");
    for result in results(&report) {
        let named = ["scanner", "path", "module", "function"].map(|name| result.get(name).unwrap());
        assert_eq!(named, ["python", packaging, "sample", "describe"]);
    }
}

fn results_are_escaped_and_bounded() {
    for (function, expected) in [
        ("odd", Some("a\u{fffd}\u{fffd}[2J</tcpflow:result>]]>&<b> ? \u{fffd} é\n")),
        ("raw", Some("\u{fffd}\u{fffd}ab")),
        ("nothing", None),
    ] {
        let bench = bench_of(1);
        let _ = run(&bench, function, &[]).expect(0);
        let report = bench.report("out/report.xml");
        let texts: Vec<&str> = results(&report).iter().map(|result| result.text.as_str()).collect();
        assert_eq!(texts, vec![expected; 2].into_iter().flatten().collect::<Vec<_>>(), "{function}");
    }
    let bench = bench_of(1);
    let _ = run(&bench, "returns", &[]).expect(0);
    let report = bench.report("out/report.xml");
    for result in results(&report) {
        assert_eq!((result.text.len(), result.get("truncated")), (64 << 10, Some("yes")));
    }
    assert_eq!(results(&report).len(), 2);
}

/// Each result is with its own flow, and the report the same each time.
fn the_order_is_that_of_the_flows() {
    let bench = bench_of(40);
    let _ = run(&bench, "slow_echo", &[]).expect(0);
    let report = bench.report("out/report.xml");
    let flows = bench.flows("out");
    let mut names = Vec::new();
    for object in report.all("fileobject") {
        let name = &object.one("filename").text;
        let bytes = &flows[name.strip_prefix("out/").unwrap()].bytes;
        assert_eq!(object.one("tcpflow:result").text.as_bytes(), &bytes[..]);
        names.push(name.clone());
    }
    assert_eq!(names.len(), 80);
    let plain = bench_of(40);
    let _ = plain.run(&["-r", "in.pcap", "-o", "out"]).finish().expect(0);
    let report = plain.report("out/report.xml");
    let without: Vec<String> = report.all("filename").iter().map(|name| name.text.clone()).collect();
    assert_eq!(names, without, "a plugin changes no order");
}

fn a_plugin_is_given_the_bytes_up_to_its_limit() {
    let bytes = vec![b'x'; 3_000_000];
    let mut talk = Conversation::default();
    talk.open();
    for (number, piece) in bytes.chunks(1000).enumerate() {
        talk.data(tcpflow_tests::conversation::Side::Client, number * 1000, piece);
    }
    let make = || bench_of(0).file("in.pcap", &pcap(ETHERNET, &talk.packets));
    for (limit, expected, given) in [
        ("py_max_bytes=67108864", "3000000", None),
        ("py_max_bytes=1000001", "1000001", Some("1000001")),
        ("py_max_bytes=3000000", "3000000", None),
    ] {
        let bench = make();
        let _ = run(&bench, "length", &["-S", limit]).expect(0);
        let report = bench.report("out/report.xml");
        let result = report.one("tcpflow:result");
        assert_eq!((result.text.as_str(), result.get("given")), (expected, given), "{limit}");
    }
}

fn what_cannot_be_loaded_ends_the_run_before_it_begins() {
    let bench = bench_of(1)
        .file("plugins/broken.py", b"def f(:")
        .file("plugins/hangs.py", b"import time\ntime.sleep(1000)")
        .file("plugins/dies.py", b"import os\nos._exit(9)");
    for (module, function, words) in [
        ("nosuch", "f", "No module named 'nosuch'"),
        ("module", "nosuch", "has no attribute 'nosuch'"),
        ("module", "SECRET", "cannot be called"),
        ("broken", "f", "SyntaxError"),
        ("hangs", "f", "not loaded within 1 s"),
        ("dies", "f", "ended with status 9"),
    ] {
        let settings = [format!("py_module={module}"), format!("py_function={function}")];
        let mut line = vec!["-r", "in.pcap", "-o", "out", "-e", "python", "-S", "py_path=plugins"];
        line.extend(settings.iter().flat_map(|setting| ["-S", setting.as_str()]));
        line.extend(["-S", "py_timeout=1"]);
        let outcome = bench.run(&line).finish().expect(1).says(words);
        assert!(outcome.stderr.contains("-e python"), "{}", outcome.stderr);
        assert!(bench.flows("out").is_empty(), "{module}: not before the first packet");
    }
    let lacking = ["-r", "in.pcap", "-o", "out", "-e", "python", "-S", "py_path=plugins"];
    let _ = bench.run(&lacking).finish().expect(1).says("-S py_module=, -S py_function=");
    let missing = ["-S", "py_path=nosuch", "-S", "py_module=m", "-S", "py_function=f"];
    let arguments = [&lacking[..6], &missing[..]].concat();
    let _ = bench.run(&arguments).finish().expect(1).says("nosuch: No such file");
}

fn all_scanners_include_python_only_if_it_is_configured() {
    let bench = bench_of(1);
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "-a"]).finish().expect(0);
    assert!(results(&bench.report("out/report.xml")).is_empty());
    let settings = ["-S", "py_path=plugins", "-S", "py_module=module", "-S", "py_function=echo"];
    for (scanners, expected) in [(&["-a"][..], 2), (&["-a", "-x", "python"], 0), (&[], 0)] {
        let line = [&["-r", "in.pcap", "-o", "out"], scanners, &settings[..]].concat();
        let bench = bench_of(1);
        let _ = bench.run(&line).finish().expect(0);
        assert_eq!(results(&bench.report("out/report.xml")).len(), expected, "{scanners:?}");
    }
}

fn what_is_told_is_bounded() {
    let bench = bench_of(20);
    let outcome = run(&bench, "exits", &[]).expect(0).says("flows without a result of the plugin: 40");
    assert_eq!(outcome.stderr.matches("ended with status 3").count(), 10, "{}", outcome.stderr);
    assert_eq!(results(&bench.report("out/report.xml")).len(), 40);
}

fn a_plugin_sees_three_streams_and_no_environment() {
    let bench = bench_of(1);
    let _ = run(&bench, "streams", &[]).expect(0);
    let report = bench.report("out/report.xml");
    assert_eq!(results(&report)[0].text, "[0, 1, 2, 3] [] 'bytes'");
}

fn commands_and_a_plugin_go_together() {
    let bench = bench_of(40);
    let outcome = run(&bench, "echo", &["-S", "tcp_cmd=sleep 0.05; cat"]).expect(0);
    assert_eq!(outcome.stdout.matches("re").count(), 80, "{}", outcome.stdout);
    let report = bench.report("out/report.xml");
    assert!(results(&report).iter().all(|result| result.get("failed").is_none()));
    assert_eq!(results(&report).len(), 80);
    // Also where its process ends with each flow, and commands end at the same time.
    let bench = bench_of(40);
    let outcome = run(&bench, "exits", &["-S", "tcp_cmd=cat"]).expect(0);
    assert_eq!(outcome.stdout.matches("re").count(), 80, "{}", outcome.stdout);
    assert!(outcome.took < Duration::from_secs(50), "{:?}", outcome.took);
}

fn a_result_costs_no_flow_when_the_run_is_ended() {
    let bench = bench_of(40);
    let line = ["-r", "-", "-o", "out", "-e", "python", "-S", "py_path=plugins", "-S", "py_module=module"];
    let mut running = bench.run(&[&line[..], &["-S", "py_function=sleeps"]].concat()).start();
    running.write(&std::fs::read(bench.path().join("in.pcap")).unwrap());
    running.wait_until("flows", |_| bench.flows("out").len() > 8);
    let sent = std::time::Instant::now();
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let _ = running.wait().expect(0).says("the run was ended");
    assert!(sent.elapsed() < Duration::from_secs(6), "{:?}", sent.elapsed());
    let report = bench.report("out/report.xml");
    assert_eq!(report.all("fileobject").len(), 80);
    assert!(results(&report).iter().all(|result| result.get("failed").is_some()));
}

fn a_plugin_runs_as_the_user() {
    let bench = bench_of(1).open_to_all();
    let _ = run(&bench, "user", &["-U", "nobody"]).expect(0);
    let report = bench.report("out/report.xml");
    assert_eq!(results(&report)[0].text, "65534");
}
