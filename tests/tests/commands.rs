//! `tcp_cmd` and `tcp_alert_fd`: what runs on finished files, when, as whom, with what; and what of it is
//! bounded.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tcpflow_tests::capture::{ETHERNET, Packet, pcap};
use tcpflow_tests::cases;
use tcpflow_tests::conversation::{Conversation, Side};
use tcpflow_tests::process::Process;
use tcpflow_tests::run::{Bench, Outcome, Running};
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Need};

fn main() -> ExitCode {
    let mut all = cases![
        each_finished_file_has_its_command,
        a_flow_without_a_file_has_none,
        alerts_come_in_order,
        bodies_have_commands_and_alerts_of_their_own,
        one_descriptor_takes_lines_whole,
        a_name_is_never_shell,
        a_name_is_no_option,
        a_command_can_find_the_file,
        ten_at_once_and_no_more,
        a_command_that_hangs_is_ended,
        what_fails_is_told_and_counted,
        output_is_whole_and_bounded,
        output_stays_out_of_a_report_on_standard_output,
        a_command_has_three_descriptors_and_no_privilege,
        signals_are_as_a_shell_has_them,
        what_no_program_needs_is_refused,
        nothing_is_left_behind,
        the_environment_is_the_users,
        a_signal_ends_commands_after_a_while,
        the_death_of_the_command_ends_commands,
        the_death_of_the_runner_ends_commands,
        a_reader_that_is_gone_is_told,
        a_reader_that_is_slow_costs_seconds,
        what_cannot_work_is_refused,
    ];
    all.extend(cases![&[Need::Root]; commands_run_as_the_user, commands_run_for_an_ordinary_user]);
    all.extend(cases![&[Need::Original]; alerts_are_the_originals]);
    suite::main(all)
}

/// How soon after the end of tcpflow nothing may be left of it.
const AT_ONCE: Duration = Duration::from_secs(1);

/// This many conversations, two flows each, one after the other.
fn conversations(count: u16) -> Vec<Packet> {
    let talk = |number| {
        let talk =
            Conversation { client: ([192, 0, 2, 1].into(), 20_000 + number), ..Conversation::default() };
        talk.exchange(b"hello\n", b"reply\n").packets
    };
    (0..count).flat_map(talk).collect()
}

fn bench_of(count: u16) -> Bench {
    Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &conversations(count)))
}

fn run(bench: &Bench, settings: &[&str]) -> Outcome {
    let mut line = vec!["-r", "in.pcap", "-o", "out"];
    line.extend(settings);
    bench.run(&line).finish()
}

/// The names of all flows, as commands get them.
fn paths(bench: &Bench) -> Vec<String> {
    bench.flows("out").keys().map(|name| format!("out/{name}")).collect()
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

fn each_finished_file_has_its_command() {
    let bench = bench_of(20);
    // Each sees its whole file: it is finished.
    let outcome = run(&bench, &["-S", "tcp_cmd=x=-c; wc $x"]).expect(0);
    let expected: Vec<String> = paths(&bench).iter().map(|path| format!("6 {path}")).collect();
    assert_eq!(expected.len(), 40);
    assert_eq!(sorted(&outcome.stdout), expected);
}

fn a_flow_without_a_file_has_none() {
    let mut talk = Conversation::default();
    talk.open();
    talk.data(Side::Client, 0, b"one way");
    let bench = Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &talk.packets));
    let outcome = run(&bench, &["-S", "tcp_cmd=echo"]).expect(0);
    assert_eq!(outcome.stdout.lines().count(), 1, "{}", outcome.stdout);
}

/// A run by a shell that opens descriptor 7 first.
fn alerts(bench: &Bench, settings: &str) -> String {
    let line = "exec \"$0\" -r in.pcap -o out $EXTRA \"$@\" 7>alerts".replace("$EXTRA", settings);
    let _ = bench.run(&["-S", "tcp_alert_fd=7"]).after(&["sh", "-c", &line]).finish().expect(0);
    std::fs::read_to_string(bench.path().join("alerts")).unwrap()
}

/// Where each file is opened and where closed, by line; each once, in this order.
fn told(alerts: &str) -> BTreeMap<String, (usize, usize)> {
    let mut opened = BTreeMap::new();
    let mut told = BTreeMap::new();
    for (number, line) in alerts.lines().enumerate() {
        match line.split_once('\t').unwrap_or_else(|| panic!("{line:?}")) {
            ("open", path) => assert!(opened.insert(path.to_owned(), number).is_none(), "{path}: twice"),
            ("close", path) => {
                let begun = opened[path];
                assert!(told.insert(path.to_owned(), (begun, number)).is_none(), "{path}: twice");
            }
            (other, _) => panic!("{other:?}"),
        }
    }
    assert_eq!(opened.len(), told.len(), "each that was opened is closed");
    told
}

fn bodies_have_commands_and_alerts_of_their_own() {
    let mut conversation = Conversation::default();
    conversation.open();
    let reply = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n{}",
        "x".repeat(100)
    );
    conversation.data(Side::Client, 0, b"GET / HTTP/1.1\r\n\r\n");
    conversation.data(Side::Server, 0, reply.as_bytes());
    let bench = Bench::new().file("in.pcap", &pcap(ETHERNET, &conversation.packets));
    let body = "out/192.000.002.002.00080-192.000.002.001.01000-HTTPBODY-001.txt";
    let line = "exec \"$0\" -r in.pcap -o out -e http \"$@\" 7>alerts";
    let settings = ["-S", "http_alert_fd=7", "-S", "http_cmd=wc -c"];
    let outcome = bench.run(&settings).after(&["sh", "-c", line]).finish().expect(0);
    assert_eq!(outcome.stdout, format!("100 {body}\n"));
    let told = std::fs::read_to_string(bench.path().join("alerts")).unwrap();
    assert_eq!(told, format!("open\t{body}\nclose\t{body}\n"));
}

fn alerts_come_in_order() {
    let bench = bench_of(20);
    let told = told(&alerts(&bench, "-f 3"));
    assert_eq!(told.into_keys().collect::<Vec<_>>(), paths(&bench));
}

/// The same lines as tcpflow 1.6.1 writes; the order of those that close together is its hash table's.
fn alerts_are_the_originals() {
    let ours = bench_of(20);
    let theirs = Bench::of(Subject::Theirs).file("in.pcap", &pcap(ETHERNET, &conversations(20)));
    let (ours, theirs) = (alerts(&ours, ""), alerts(&theirs, ""));
    assert_eq!(sorted(&ours), sorted(&theirs));
    assert_eq!(told(&ours).len(), told(&theirs).len());
}

fn one_descriptor_takes_lines_whole() {
    let bench = bench_of(300);
    // A pipe of one page, whose reader takes its time.
    let line = "{ \"$0\" -r in.pcap -o out \"$@\" 7>&3 3>&- | cat >&2; } 3>&1 | { sleep 0.3; cat >alerts; }";
    let _ = bench.run(&["-S", "tcp_alert_fd=7"]).after(&["sh", "-c", line]).finish().expect(0);
    let text = std::fs::read_to_string(bench.path().join("alerts")).unwrap();
    assert_eq!(told(&text).len(), 600);
}

fn a_name_is_never_shell() {
    let bench = bench_of(1);
    let template = "a b'c\"d\n$(touch hacked)`touch hacked`;touch hacked;%a&|<>*?\\%A";
    let outcome = run(&bench, &["-T", template, "-S", "tcp_cmd=printf %s\\\\000"]).expect(0);
    let mut got: Vec<&str> = outcome.stdout.split_terminator('\0').collect();
    got.sort_unstable();
    assert_eq!(got, paths(&bench));
    assert_eq!(got.len(), 2);
    assert!(got[0].contains("$(touch hacked)"), "{got:?}");
    assert!(!bench.path().join("hacked").exists());
}

fn a_name_is_no_option() {
    let bench = bench_of(1);
    let outcome = bench.run(&["-r", "in.pcap", "-T", "-n%a", "-S", "tcp_cmd=cat"]).finish().expect(0);
    assert_eq!(sorted(&outcome.stdout), ["hello", "reply"]);
}

/// Where tcpflow was started, so that the name leads to the file; also with `-o .`.
fn a_command_can_find_the_file() {
    let bench = bench_of(1);
    for output in ["out", ".", "./out"] {
        let outcome = bench.run(&["-r", "in.pcap", "-o", output, "-S", "tcp_cmd=cat"]).finish().expect(0);
        assert_eq!(sorted(&outcome.stdout), ["hello", "reply"], "{output}");
    }
}

fn ten_at_once_and_no_more() {
    let bench = bench_of(15).folder("running", 0o755);
    let line = "tcp_cmd=touch running/$$; ls running | wc -l >>most; sleep 0.2; rm running/$$; true";
    let _ = run(&bench, &["-S", line]).expect(0);
    let most = std::fs::read_to_string(bench.path().join("most")).unwrap();
    let most: Vec<u32> = most.lines().map(|line| line.trim().parse().unwrap()).collect();
    assert_eq!(most.len(), 30, "each flow had its turn");
    assert_eq!(most.iter().max(), Some(&10));
}

fn a_command_that_hangs_is_ended() {
    let bench = bench_of(1);
    let outcome = run(&bench, &["-S", "tcp_cmd=sleep 4711; echo", "-S", "cmd_timeout=1"]).expect(0);
    for path in paths(&bench) {
        assert!(
            outcome.stderr.contains(&format!("tcp_cmd: {path}: did not end in time")),
            "{}",
            outcome.stderr
        );
    }
    let outcome = outcome.says("commands that did not end in time: 2");
    assert!(outcome.took < Duration::from_secs(5), "{:?}", outcome.took);
    assert!(running("4711").is_empty());
}

fn what_fails_is_told_and_counted() {
    let bench = bench_of(20);
    let outcome = run(&bench, &["-S", "tcp_cmd=exit 3; echo"]).expect(0).says("commands that failed: 40");
    assert_eq!(outcome.stderr.matches("ended with status 3").count(), 10, "{}", outcome.stderr);
    let _ = run(&bench_of(1), &["-S", "tcp_cmd=kill -9 $$; echo"]).expect(0).says("killed by signal 9");
}

fn output_is_whole_and_bounded() {
    let bench = bench_of(10);
    // Twenty commands that print at the same time, in pieces.
    let line = "tcp_cmd=for i in 1 2 3 4 5 6 7 8; do echo $$ $i; echo $$ $i >&2; sleep 0.01; done; true";
    let outcome = run(&bench, &["-S", line]).expect(0);
    for (text, stream) in [(&outcome.stdout, "stdout"), (&outcome.stderr, "stderr")] {
        let lines: Vec<&str> = text.lines().filter(|line| line.ends_with(char::is_numeric)).collect();
        assert_eq!(lines.len(), 160, "{stream}: {text}");
        for command in lines.chunks(8) {
            let (who, _) = command[0].split_once(' ').unwrap();
            let whole: Vec<String> = (1..=8).map(|i| format!("{who} {i}")).collect();
            assert_eq!(command, whole, "{stream}");
        }
    }
    let outcome = run(&bench_of(1), &["-S", "tcp_cmd=yes | head -c 5000000; true"]).expect(0);
    assert_eq!(outcome.stdout.len(), 2 << 20);
    let _ = outcome.says("printed 3951424 bytes more than 1 MiB");
}

fn output_stays_out_of_a_report_on_standard_output() {
    let bench = bench_of(1);
    let outcome =
        run(&bench, &["-X", "/dev/stdout", "-S", "tcp_cmd=printf %s%s MI NE; touch ran; true"]).expect(0);
    assert!(bench.path().join("ran").exists());
    assert!(!outcome.stdout.contains("MINE"), "{}", outcome.stdout);
    assert!(outcome.stdout.trim_end().ends_with("</dfxml>"), "{}", outcome.stdout);
}

fn a_command_has_three_descriptors_and_no_privilege() {
    let bench = bench_of(1);
    let line =
        "tcp_cmd=ls /proc/self/fd; grep -hE '^(Cap|NoNew|Seccomp:)' /proc/self/status; ulimit -c; true";
    let outcome = run(&bench, &["-S", line, "-S", "tcp_alert_fd=2"]).expect(0);
    let first: Vec<&str> = outcome.stdout.lines().take(12).collect();
    // ls has one open of its own.
    assert_eq!(first[..4], ["0", "1", "2", "3"], "{}", outcome.stdout);
    let root = nix::unistd::geteuid().is_root();
    for line in &first[4..9] {
        let empty = line.ends_with("0000000000000000") || (!root && line.starts_with("CapBnd"));
        assert!(line.starts_with("Cap") && empty, "{line}");
    }
    assert_eq!(first[9..], ["NoNewPrivs:\t1", "Seccomp:\t2", "0"], "{}", outcome.stdout);
}

fn signals_are_as_a_shell_has_them() {
    let bench = bench_of(1);
    let outcome = run(&bench, &["-S", "tcp_cmd=grep -hE '^Sig(Ign|Blk)' /proc/self/status; true"]).expect(0);
    for line in outcome.stdout.lines() {
        let (_, bits) = line.split_once('\t').unwrap();
        // The C library keeps numbers 32 and 33 for itself, and this may have been started with them ignored.
        assert_eq!(u64::from_str_radix(bits, 16).unwrap() & 0x7fff_ffff, 0, "{line}");
    }
    assert_eq!(outcome.stdout.lines().count(), 4);
}

/// The list of system calls is inherited.
fn what_no_program_needs_is_refused() {
    let bench = bench_of(1);
    let line = "tcp_cmd=unshare -Ur true && echo UNSHARED; true";
    let outcome = run(&bench, &["-S", line]).expect(0);
    assert!(!outcome.stdout.contains("UNSHARED"));
    assert!(outcome.stderr.contains("Operation not permitted"), "{}", outcome.stderr);
}

/// Every process with this word on its command line, tcpflow and shells that tell of it aside.
fn running(word: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        if words.first() == Some(&b"sleep".as_slice()) && words.contains(&word.as_bytes()) {
            found.push(pid);
        }
    }
    found
}

fn assert_gone(word: &str) {
    let limit = Instant::now() + AT_ONCE;
    while !running(word).is_empty() {
        assert!(Instant::now() < limit, "orphans: {:?}", running(word));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn nothing_is_left_behind() {
    let bench = bench_of(1);
    let line = "tcp_cmd=sleep 4801 & setsid sleep 4801 & (setsid sh -c 'sleep 4801 & sleep 4801' &) ; echo";
    let outcome = run(&bench, &["-S", line]).expect(0);
    assert_eq!(outcome.stdout.lines().count(), 2);
    assert!(running("4801").is_empty(), "at the end of tcpflow nothing is left");
}

fn the_environment_is_the_users() {
    let bench = bench_of(1);
    let before = ["env", "MINE=a b\nc", "HOME=/my/home"];
    let line = "tcp_cmd=printf '%s|%s|%s\\n' \"$MINE\" \"$HOME\" \"$(pwd)\"; true";
    let outcome = bench.run(&["-r", "in.pcap", "-o", "out", "-S", line]).after(&before).finish().expect(0);
    let expected = format!("a b\nc|/my/home|{}\n", bench.path().display());
    assert_eq!(outcome.stdout, expected.repeat(2));
}

fn commands_run_as_the_user() {
    let bench = bench_of(1).open_to_all();
    let line = "tcp_cmd=id -un; id -Gn; echo $HOME $MINE; cat";
    let arguments = ["-U", "nobody", "-r", "in.pcap", "-o", "out", "-S", line];
    let outcome = bench.run(&arguments).after(&["env", "MINE=no"]).finish().expect(0);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines[..2], ["nobody", "nogroup"], "{}", outcome.stdout);
    assert!(!lines[2].contains("no ") && !lines[2].ends_with(" no"), "{}", lines[2]);
    assert!(["hello", "reply"].contains(&lines[3]), "and it can read the file: {}", lines[3]);
}

fn commands_run_for_an_ordinary_user() {
    let bench = bench_of(1).open_to_all();
    let line = ["-r", "in.pcap", "-o", "out", "-S", "tcp_cmd=id -un; setsid sleep 4804 & cat"];
    let outcome = bench.run(&line).user("nobody").finish().expect(0);
    assert_eq!(sorted(&outcome.stdout), ["hello", "nobody", "nobody", "reply"], "{}", outcome.stderr);
    assert!(running("4804").is_empty());
}

/// A run on a pipe that stays open, with commands that sleep.
fn sleeping(bench: &Bench, word: &str, line: &str) -> Running {
    let command = format!("tcp_cmd={line}");
    let mut running_now = bench.run(&["-r", "-", "-o", "out", "-S", &command]).start();
    running_now.write(&pcap(ETHERNET, &conversations(1)));
    running_now.wait_until("commands", |_| running(word).len() == 4);
    running_now
}

fn a_signal_ends_commands_after_a_while() {
    let bench = Bench::of(Subject::Ours);
    let run = sleeping(&bench, "4902", "sleep 4902 & setsid sleep 4902 & wait; echo");
    let sent = Instant::now();
    run.signal(Signal::SIGTERM);
    let outcome = run.wait().expect(0).says("did not end in time");
    let took = sent.elapsed();
    assert!(took > Duration::from_secs(2), "commands have a while: {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}: {}", outcome.stderr);
    assert_gone("4902");
}

fn the_death_of_the_command_ends_commands() {
    let bench = Bench::of(Subject::Ours);
    let run = sleeping(&bench, "4903", "sleep 4903 & setsid sleep 4903 & wait; echo");
    run.signal(Signal::SIGKILL);
    assert_gone("4903");
}

fn the_death_of_the_runner_ends_commands() {
    let bench = Bench::of(Subject::Ours);
    let run = sleeping(&bench, "4904", "sleep 4904 & setsid sleep 4904 & wait; echo");
    let roles = run.roles();
    let is_runner = |role: &&Process| role.executable == "tcpflow-runner";
    roles.iter().find(is_runner).unwrap_or_else(|| panic!("{roles:?}")).kill();
    let killed = Instant::now();
    let outcome = run.wait();
    assert!(killed.elapsed() < AT_ONCE, "{:?}", killed.elapsed());
    assert_ne!(outcome.code(), 0);
    assert!(outcome.stderr.contains("tcpflow-runner was killed by signal 9"), "{}", outcome.stderr);
    assert_gone("4904");
}

fn a_reader_that_is_gone_is_told() {
    let bench = bench_of(50);
    let line = "\"$0\" -r in.pcap -o out \"$@\" 7>&1 >&2 | true";
    let outcome = bench.run(&["-S", "tcp_alert_fd=7"]).after(&["sh", "-c", line]).finish();
    assert!(outcome.stderr.contains("tcp_alert_fd: Broken pipe"), "{}", outcome.stderr);
    assert_eq!(bench.flows("out").len(), 100, "and the run goes on");
}

fn a_reader_that_is_slow_costs_seconds() {
    let bench = bench_of(2000);
    // A reader that holds the pipe open and never reads.
    let line = "{ \"$0\" -r in.pcap -o out \"$@\" 7>&1 >&2; touch done; } | \
                { while [ ! -e done ]; do sleep 0.1; done; }";
    let outcome = bench.run(&["-S", "tcp_alert_fd=7"]).after(&["sh", "-c", line]).finish();
    assert!(outcome.stderr.contains("tcp_alert_fd: nothing was read for 10 s"), "{}", outcome.stderr);
    assert!(outcome.took < Duration::from_secs(30), "{:?}", outcome.took);
    assert_eq!(bench.flows("out").len(), 4000, "and everything is stored");
}

fn what_cannot_work_is_refused() {
    let bench = bench_of(1);
    for (settings, words) in [
        (&["-S", "tcp_alert_fd=93"][..], "tcp_alert_fd=93: no such descriptor is open"),
        (&["-S", "tcp_alert_fd=-1"], "tcp_alert_fd=-1"),
        (&["-S", "tcp_alert_fd=x"], "tcp_alert_fd=x"),
        (&["-S", "tcp_alert_fd=0"], "not open for writing"),
        (&["-S", "tcp_cmd="], "Invalid paramter: tcp_cmd="),
        (&["-c", "-S", "tcp_cmd=echo"], "need flow files"),
        (&["-S", "http_cmd=echo"], "need -e http"),
        (&["-S", "cmd_timeout=soon"], "cmd_timeout=soon"),
    ] {
        let outcome = run(&bench, settings).expect(1).says(words);
        assert!(!bench.path().join("out").exists(), "{settings:?}: {}", outcome.stderr);
    }
}
