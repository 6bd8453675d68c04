//! tcpflow as a service: it says how it goes to whoever supervises it, and stops saying that it lives when a role
//! hangs; it waits for an interface and for its return; it is configured by files; the unit that comes with it is
//! one that systemd understands and finds tight.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use tcpflow_tests::capture::{ETHERNET, pcap};
use tcpflow_tests::cases;
use tcpflow_tests::conversation::{Conversation, Side};
use tcpflow_tests::lab::{INTERFACE, Lab};
use tcpflow_tests::run::{Bench, Running};
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Need};

/// How long the watchdog of these tests waits, in microseconds, and a good while more than that.
const WATCHDOG: &str = "WATCHDOG_USEC=600000";
const LONG_ENOUGH: Duration = Duration::from_secs(2);

/// The roles of a run without programs.
const ROLES: [&str; 3] = ["tcpflow-capture", "tcpflow-reassembler", "tcpflow-writer"];

fn main() -> ExitCode {
    let mut all = cases![
        a_run_says_when_it_is_ready_and_how_far_it_is,
        an_abstract_socket_will_do,
        a_socket_that_is_not_there_is_told_and_does_no_harm,
        the_watchdog_is_fed_only_while_questions_pass_through_all_roles,
        another_ones_watchdog_is_not_fed,
        what_the_manager_says_reaches_no_one_else,
        a_reload_is_over_when_there_is_another_directory,
        a_reload_without_rotation_is_over_at_once,
        the_journal_gets_levels,
        a_configuration_is_a_command_line,
        what_is_wrong_with_a_configuration_is_said_of_its_line,
        a_file_that_is_no_configuration_is_refused,
        the_configurations_that_come_with_it_are_right,
    ];
    all.extend(cases![&[Need::Root]; a_run_that_gave_up_its_privileges_goes_on_saying_so]);
    all.extend(cases![&[Need::Namespaces];
        a_live_reload_is_over_when_there_is_another_directory,
        an_interface_is_waited_for_and_its_going_is_no_failure,
        an_interface_that_does_not_come_is_given_up,
    ]);
    all.extend(
        cases![&[Need::Root, Need::Program("unshare")]; a_role_is_seen_where_proc_shows_only_ones_own],
    );
    all.extend(cases![&[Need::Program("systemd-analyze")]; systemd_understands_the_unit, the_unit_is_tight]);
    suite::main(all)
}

/// Whoever supervises: what it hears, and what it has to say to be heard.
struct Manager {
    socket: UnixDatagram,
    variable: String,
    heard: Vec<String>,
}

impl Manager {
    fn new(bench: &Bench) -> Self {
        let path = bench.path().join("notify");
        let address = SocketAddr::from_pathname(&path).unwrap();
        Self::at(&address, &path.display().to_string())
    }

    fn at(address: &SocketAddr, name: &str) -> Self {
        let socket = UnixDatagram::bind_addr(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, variable: format!("NOTIFY_SOCKET={name}"), heard: Vec::new() }
    }

    /// A run that is supervised, with more in its environment, on a pipe that stays open.
    fn supervises(&self, bench: &Bench, environment: &[&str], more: &[&str]) -> Running {
        let arguments = [&["-r", "-", "-o", "out"], more].concat();
        let before = [&["env", &self.variable], environment].concat();
        bench.run(&arguments).after(&before).start()
    }

    /// What was said since the last time.
    fn news(&mut self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let mut news = Vec::new();
        while let Ok(length) = self.socket.recv(&mut buffer) {
            news.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        self.heard.extend(news.iter().cloned());
        news
    }

    /// Waits until this was said.
    fn hears(&mut self, running: &mut Running, words: &str) {
        running.wait_until(words, |_| {
            self.news();
            self.heard.iter().any(|message| message.contains(words))
        });
    }

    /// How often it was said that the run lives, within this time from now on.
    fn signs_of_life(&mut self, within: Duration) -> usize {
        self.news();
        std::thread::sleep(within);
        self.news().iter().filter(|message| message.lines().any(|line| line == "WATCHDOG=1")).count()
    }
}

/// A capture of one flow of 3000 bytes that is still open.
fn open_flow() -> Vec<u8> {
    let mut talk = Conversation::default();
    talk.open();
    for number in 0..3 {
        talk.data(Side::Client, number * 1000, &[b'x'; 1000]);
    }
    pcap(ETHERNET, &talk.packets)
}

fn ours() -> Bench {
    Bench::of(Subject::Ours)
}

/// Ready once, before anything else; then how far it is; in the end that it ends.
fn says_how_it_goes(bench: &Bench, manager: &mut Manager, more: &[&str]) {
    let mut running = manager.supervises(bench, &[WATCHDOG], more);
    manager.hears(&mut running, "READY=1\n");
    assert!(manager.heard[0].starts_with("READY=1\n"), "{:?}", manager.heard);
    running.write(&open_flow());
    manager.hears(&mut running, "STATUS=5 packets, 2 flows, 2 open, 0 packets dropped");
    running.signal(Signal::SIGTERM);
    let _ = running.wait().expect(0);
    manager.news();
    let count = |words| manager.heard.iter().filter(|message| message.contains(words)).count();
    assert_eq!((count("READY=1"), count("STOPPING=1")), (1, 1), "{:?}", manager.heard);
}

fn a_run_says_when_it_is_ready_and_how_far_it_is() {
    let bench = ours();
    says_how_it_goes(&bench, &mut Manager::new(&bench), &[]);
}

fn a_run_that_gave_up_its_privileges_goes_on_saying_so() {
    let bench = ours().open_to_all();
    says_how_it_goes(&bench, &mut Manager::new(&bench), &["-U", "nobody"]);
}

fn an_abstract_socket_will_do() {
    let name = format!("tcpflow-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    says_how_it_goes(&ours(), &mut Manager::at(&address, &format!("@{name}")), &[]);
}

fn a_socket_that_is_not_there_is_told_and_does_no_harm() {
    for name in ["/nonexistent", "@tcpflow-test-nobody", "vsock:2:1", ""] {
        let bench = ours();
        let variable = format!("NOTIFY_SOCKET={name}");
        let run = bench.run(&["-r", "-", "-o", "out"]).after(&["env", &variable]).stdin(open_flow());
        let _ = run.finish().expect(0).says("tcpflow: NOTIFY_SOCKET: ");
        assert_eq!(bench.flows("out").len(), 1);
    }
}

fn the_watchdog_is_fed_only_while_questions_pass_through_all_roles() {
    let bench = ours();
    let mut manager = Manager::new(&bench);
    let mut running = manager.supervises(&bench, &[WATCHDOG], &[]);
    manager.hears(&mut running, "READY=1");
    for role in ROLES {
        assert!(manager.signs_of_life(LONG_ENOUGH) > 2, "before {role} is stopped: {:?}", manager.heard);
        running.signal_role(role, Signal::SIGSTOP);
        // What was on its way when it was stopped.
        manager.signs_of_life(LONG_ENOUGH / 4);
        assert_eq!(manager.signs_of_life(LONG_ENOUGH), 0, "{role} is stopped: {:?}", manager.heard);
        running.signal_role(role, Signal::SIGCONT);
    }
    assert!(manager.signs_of_life(LONG_ENOUGH) > 2, "{:?}", manager.heard);
    running.signal(Signal::SIGTERM);
    let _ = running.wait().expect(0);
}

/// The period is then that of the status, which is much longer.
fn another_ones_watchdog_is_not_fed() {
    let bench = ours();
    let mut manager = Manager::new(&bench);
    let mut running = manager.supervises(&bench, &["WATCHDOG_PID=1", WATCHDOG], &[]);
    manager.hears(&mut running, "READY=1");
    assert_eq!(manager.signs_of_life(LONG_ENOUGH), 0, "{:?}", manager.heard);
    running.signal(Signal::SIGTERM);
    let _ = running.wait().expect(0);
}

fn what_the_manager_says_reaches_no_one_else() {
    let bench = ours();
    let mut manager = Manager::new(&bench);
    let command = "tcp_cmd=env > environment #";
    let mut running = manager.supervises(&bench, &[WATCHDOG, "KEPT=yes"], &["-S", command]);
    manager.hears(&mut running, "READY=1");
    for role in running.roles() {
        assert_eq!(role.environment(), b"", "{}", role.executable);
        let sockets = role.descriptors().into_values().filter(|path| path.starts_with("socket:"));
        assert!(sockets.count() <= 4, "only channels: {:?}", role.descriptors());
    }
    running.write(&open_flow());
    running.end_input();
    let _ = running.wait().expect(0);
    let environment = std::fs::read_to_string(bench.path().join("environment")).unwrap();
    assert!(environment.contains("KEPT=yes\n"), "{environment}");
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
        assert!(!environment.contains(name), "{environment}");
    }
}

/// What `Type=notify-reload` takes for an answer: which word of the manager's it is to, by its time, and later that it is done.
fn reload(manager: &mut Manager, running: &mut Running) {
    let now = || Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap()).as_micros();
    manager.news();
    manager.heard.clear();
    let before = now();
    running.signal(Signal::SIGUSR2);
    manager.hears(running, "RELOADING=1\nMONOTONIC_USEC=");
    let begun = manager.heard.iter().find_map(|message| message.split_once("MONOTONIC_USEC="));
    let begun: u128 = begun.unwrap().1.parse().unwrap();
    assert!((before..=now()).contains(&begun), "{before} {begun}");
}

fn a_reload_is_over_when_there_is_another_directory() {
    let bench = ours();
    let mut manager = Manager::new(&bench);
    let mut running = manager.supervises(&bench, &[], &["--rotate", "1d"]);
    running.write(&open_flow());
    manager.hears(&mut running, "READY=1");
    let directories = || std::fs::read_dir(bench.path().join("out")).map_or(0, Iterator::count);
    running.wait_until("the first directory", |_| directories() == 1);
    for number in 2..4 {
        // What is asked for cannot be done for a while, and is not said to be.
        running.signal_role("tcpflow-writer", Signal::SIGSTOP);
        reload(&mut manager, &mut running);
        std::thread::sleep(LONG_ENOUGH / 4);
        manager.news();
        assert!(!manager.heard.iter().any(|message| message.contains("READY=1")), "{:?}", manager.heard);
        running.signal_role("tcpflow-writer", Signal::SIGCONT);
        manager.hears(&mut running, "READY=1");
        assert_eq!(directories(), number);
    }
    running.signal(Signal::SIGTERM);
    let _ = running.wait().expect(0);
    let count = manager.heard.iter().filter(|message| message.contains("READY=1")).count();
    assert_eq!(count, 1, "{:?}", manager.heard);
}

fn a_reload_without_rotation_is_over_at_once() {
    let bench = ours();
    let mut manager = Manager::new(&bench);
    let mut running = manager.supervises(&bench, &[], &[]);
    manager.hears(&mut running, "READY=1");
    reload(&mut manager, &mut running);
    manager.hears(&mut running, "READY=1");
    running.signal(Signal::SIGTERM);
    let _ = running.wait().expect(0).says("SIGUSR2: there is nothing to rotate without --rotate");
}

/// Errors are errors, warnings are warnings and news are news; where standard error is something else, nothing is
/// put before them.
fn the_journal_gets_levels() {
    let whole = open_flow();
    let bench = ours().file("cut.pcap", &whole[..whole.len() - 100]);
    let run = |stream: &str| {
        let script = format!("export JOURNAL_STREAM={stream}; exec \"$@\"");
        let arguments = ["-v", "-S", "debug-prefix=a\nb", "-r", "cut.pcap", "-o", "out"];
        bench.run(&arguments).after(&["sh", "-c", &script, "sh"]).finish().expect(1).stderr
    };
    let said = run("$(stat -Lc %d:%i /proc/self/fd/2)");
    for line in said.lines() {
        let level = line.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        assert!(level.is_some_and(|(level, _)| ["3", "4", "6", "7"].contains(&level)), "{said}");
    }
    for words in ["<6>reportfilename: ", "<7>b: TCPFLOW version ", "<3>b: cut.pcap: "] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let plain = run("1:1");
    assert!(!plain.contains('<') && plain.contains("\nb: cut.pcap: "), "{plain}");
}

fn a_configuration_is_a_command_line() {
    let text = "# comment\nread in.pcap\noutput = out\nformat k\nset enable_report=NO\nfilter tcp port 1\n";
    let bench = ours().file("in.pcap", &open_flow()).file("a.conf", text.as_bytes());
    let bench = bench.file("b.conf", b"set enable_report=YES\nmax-bytes 10\n");
    let _ = bench.run(&["--config", "a.conf"]).finish().expect(0);
    assert!(!bench.path().join("out/report.xml").exists(), "the file's parameter");
    assert_eq!(bench.flows("out").len(), 0, "the file's filter");
    let line = ["--config", "a.conf", "--config", "b.conf", "tcp"];
    let _ = bench.run(&line).finish().expect(0);
    let flows = bench.flows("out");
    let (name, file) = flows.first_key_value().unwrap();
    assert!(name.starts_with("000/"), "the first file's format: {name}");
    assert_eq!(file.bytes.len(), 10, "the second file's limit");
    assert!(bench.path().join("out/report.xml").exists(), "the second file's parameter");
    let _ =
        bench.run(&["-b5", "-o", "other", "tcp", "--config=a.conf", "--config=b.conf"]).finish().expect(0);
    assert!(bench.flows("other").values().all(|file| file.bytes.len() == 5), "the command line counts");
    assert_eq!(bench.flows("other").len(), 1);
}

fn what_is_wrong_with_a_configuration_is_said_of_its_line() {
    for (text, words) in [
        ("quiet\n\nnosuch 1\n", "3: unrecognized option 'nosuch'"),
        ("max-bytes many", "1: -b, --max-bytes BYTES: 'many': not a whole number from 0 to "),
        ("quiet yes", "1: option 'quiet' doesn't allow an argument"),
        ("\noutput", "2: option 'output' requires an argument"),
        ("config b.conf", "1: option 'config' is for the command line only"),
        ("set tcp_timeout=soon", "1: -S tcp_timeout=soon: not a whole number from 0 to "),
        ("template /etc/%A", "1: -T: Invalid filename_template: /etc/%A: "),
    ] {
        let bench = ours().file("in.pcap", &open_flow()).file("a.conf", text.as_bytes());
        let outcome = bench.run(&["--config", "a.conf", "-r", "in.pcap", "-o", "out"]).finish().expect(2);
        let line = outcome.stderr.lines().next().unwrap();
        assert!(line.starts_with(&format!("tcpflow: a.conf:{words}")), "{text:?}: {line}");
        assert!(!bench.path().join("out").exists(), "nothing is done");
    }
}

fn a_file_that_is_no_configuration_is_refused() {
    let bench = ours().file("long.conf", &vec![b'\n'; (1 << 20) + 1]).folder("directory", 0o755);
    for (name, words) in [
        ("missing.conf", "missing.conf: No such file or directory"),
        ("directory", "directory: Is a directory"),
        ("long.conf", "long.conf: longer than 1048576 bytes"),
        ("/dev/zero", "/dev/zero: longer than 1048576 bytes"),
        ("/proc/self/exe", "/proc/self/exe: longer than 1048576 bytes"),
    ] {
        let outcome = bench.run(&["--config", name]).finish().expect(2);
        assert_eq!(outcome.stderr, format!("tcpflow: {words}\n"));
    }
}

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(name)
}

/// What is commented out in the example is right as well, each line by itself.
fn the_configurations_that_come_with_it_are_right() {
    let example = std::fs::read_to_string(packaging("etc/example.conf")).unwrap();
    let is_line = |line: &&str| line.starts_with(|first: char| first.is_ascii_lowercase());
    let commented: Vec<&str> =
        example.lines().filter_map(|line| line.strip_prefix('#')).filter(is_line).collect();
    assert!(commented.len() > 5, "{commented:?}");
    let bench = ours().file("in.pcap", &open_flow());
    let (service, example) = (packaging("share/service.conf"), packaging("etc/example.conf"));
    let (service, example) = (service.to_str().unwrap(), example.to_str().unwrap());
    for (number, line) in commented.into_iter().enumerate() {
        let name = format!("{number}.conf");
        std::fs::write(bench.path().join(&name), line).unwrap();
        let configs = ["--config", service, "--config", example, "--config", &name];
        let out = format!("out{number}");
        let _ = bench.run(&[&configs[..], &["-r", "in.pcap", "-o", &out]].concat()).finish().expect(0);
    }
}

/// What the kernel still holds is read before another directory is begun, and that takes a while.
fn a_live_reload_is_over_when_there_is_another_directory() {
    let (lab, bench) = (Lab::new(), ours());
    let mut manager = Manager::new(&bench);
    let before = [&lab.at_server()[..], &["env", &manager.variable]].concat();
    let mut running = bench.run(&["-i", INTERFACE, "--rotate", "1d", "-o", "out"]).after(&before).start();
    manager.hears(&mut running, "READY=1");
    let directories = || std::fs::read_dir(bench.path().join("out")).unwrap().count();
    for number in 2..6 {
        reload(&mut manager, &mut running);
        manager.hears(&mut running, "READY=1");
        assert_eq!(directories(), number);
    }
    running.signal(Signal::SIGTERM);
    let _ = running.wait().expect(0);
}

fn an_interface_is_waited_for_and_its_going_is_no_failure() {
    let (lab, bench) = (Lab::new(), ours());
    let mut manager = Manager::new(&bench);
    let variable = manager.variable.clone();
    let before = [&lab.at_server()[..], &["env", &variable, WATCHDOG]].concat();
    let line = ["-i", "later0", "--wait-interface", "forever", "-o", "out"];
    let mut running = bench.run(&line).after(&before).start();
    manager.hears(&mut running, "READY=1\nWATCHDOG=1\nSTATUS=waiting for later0");
    running.wait_for("tcpflow: waiting for later0\n");
    assert!(manager.signs_of_life(LONG_ENOUGH) > 1, "{:?}", manager.heard);
    assert!(running.roles().is_empty() && !bench.path().join("out").exists(), "nothing is opened yet");
    reload(&mut manager, &mut running);
    manager.hears(&mut running, "READY=1");
    lab.set_at_server(&["add", "later0", "type", "veth", "peer", "name", "later1"]);
    manager.signs_of_life(LONG_ENOUGH);
    assert!(running.roles().is_empty(), "it is down");
    lab.set_at_server(&["set", "later0", "up"]);
    running.wait_for("listening on later0");
    manager.hears(&mut running, "STATUS=0 packets");
    lab.set_at_server(&["delete", "later0"]);
    let _ = running.wait().expect(75).says("tcpflow: later0 went away\n");
    let _ = bench.report("out/report.xml");
    // Its end may be asked for as well, and is no failure either.
    let mut running = bench.run(&line).after(&before).start();
    running.wait_for("tcpflow: waiting for later0\n");
    running.signal(Signal::SIGTERM);
    let _ = running.wait().expect(0);
}

fn an_interface_that_does_not_come_is_given_up() {
    let (lab, bench) = (Lab::new(), ours());
    let line = ["-i", "later0", "--wait-interface", "1", "-o", "out"];
    let begun = Instant::now();
    let _ = bench
        .run(&line)
        .after(&lab.at_server())
        .finish()
        .expect(1)
        .says("later0: not there, or down, after 1 s");
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(!bench.path().join("out").exists());
}

/// As on hosts that mount it so, and in the service. Whoever is not root cannot see there what hides from him.
fn a_role_is_seen_where_proc_shows_only_ones_own() {
    let bench = ours().open_to_all().file("in.pcap", &open_flow());
    let program = bench.installed();
    let script = "mount -t proc -o hidepid=invisible proc /proc && exec setpriv --reuid 65534 --regid 65534 \
                  --clear-groups \"$@\"";
    let before = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", script, "sh"];
    let run = bench.run(&["-r", "in.pcap", "-o", "out"]).program(program).after(&before);
    let _ = run.finish().expect(0);
    assert_eq!(bench.flows("out").len(), 1);
}

fn unit() -> PathBuf {
    packaging("systemd/tcpflow@.service")
}

fn analyzed(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("systemd-analyze").args(arguments).arg(unit()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// Where there is no `/usr/bin/tcpflow` it says that too, and of other units it may say anything.
fn systemd_understands_the_unit() {
    let (_, said) = analyzed(&["--man=no", "verify"]);
    let of_this = said.lines().filter(|line| line.contains("tcpflow@"));
    let wrong: Vec<&str> = of_this.filter(|line| !line.contains("is not executable")).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// At most 1.4 by the measure of systemd 252; each version has one of its own.
fn the_unit_is_tight() {
    let version = Command::new("systemd-analyze").arg("--version").output().unwrap().stdout;
    let threshold = if version.starts_with(b"systemd 252 ") { "14" } else { "20" };
    let threshold = format!("--threshold={threshold}");
    let (tight, said) = analyzed(&["security", "--offline=true", "--no-pager", &threshold]);
    assert!(tight && said.contains("exposure level"), "{said}");
}
