//! What a process inherits, every role starts without: its descriptors, environment, signals, limits, mounts,
//! namespaces, users and capabilities are those that the manifest and the plan give it, and no others, however
//! `tcpflow` itself was started. Where that cannot be had the run is refused, and the reason told.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use policy::SANITIZED;
use policy::manifest::{
    CONSOLE, CONTROL, DATA_IN, DATA_OUT, EVENTS, FLOWS, FRAMES, OUTPUT, REPORT, RUNNER, UNPROCESSED,
};
use tcpflow_tests::capture::{ETHERNET, pcap};
use tcpflow_tests::conversation::{Conversation, Side};
use tcpflow_tests::lab::{INTERFACE, Lab};
use tcpflow_tests::process::Process;
use tcpflow_tests::run::{Bench, Running};
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Case, Need};

/// Connections that are open at once.
const CONNECTIONS: u16 = 20;

/// 32 and 33, which the C library has for itself and lets nobody set.
const C_LIBRARY: u64 = 0b11 << 31;

/// A user that nobody is.
const USER: &str = "1954321:1954322";

/// What to put before the command, so that it inherits something.
struct Heir {
    name: &'static str,
    before: &'static [&'static str],
    /// How the run has to go.
    fares: Fares,
}

#[derive(Clone, Copy)]
enum Fares {
    /// As ever, with files of this mode.
    Well(u32),
    /// It stores what can be, tells this of the rest, and fails.
    InPart(&'static str),
    /// It does not begin, and tells this.
    Refused(&'static str),
}

const WELL: Fares = Fares::Well(0o644);

fn main() -> ExitCode {
    let heirs = descriptors().into_iter().chain(environment()).chain(signals()).chain(limits()).chain(rest());
    let mut cases: Vec<Case> = heirs.map(case).collect();
    cases.extend(tcpflow_tests::cases![&[Need::Root];
        roles_of_an_ordinary_user_have_what_their_manifest_says,
        roles_of_a_run_with_retention_have_what_their_manifest_says,
        every_descriptor_of_the_writer_is_one_that_the_command_line_asks_for,
        programs_of_the_user_begin_without_what_was_ignored_or_blocked,
    ]);
    cases.extend(tcpflow_tests::cases![&[Need::Root];
        blocked_signals_end_a_run_all_the_same,
        a_runner_has_what_its_manifest_says,
    ]);
    cases.extend(tcpflow_tests::cases![&[Need::Namespaces];
        roles_of_a_live_capture_have_what_their_manifest_says,
    ]);
    suite::main(cases)
}

fn case(heir: Heir) -> Case {
    let program = heir.before.first().map_or("env", |program| *program);
    let mut needs = vec![Need::Root, Need::Program(program)];
    match heir.name {
        "a_stack_of_100_kb" => needs.push(Need::NoSanitizer("one of its frames can be larger")),
        "address_space_for_no_library" => {
            needs.push(Need::NoSanitizer("it does not start without terabytes"))
        }
        _ => {}
    }
    Case::new(heir.name, &needs, move || inherits(&heir))
}

fn descriptors() -> Vec<Heir> {
    /// The shell that can name a descriptor above 9.
    macro_rules! shell {
        ($words:expr) => {
            &["bash", "-c", concat!($words, "; exec \"$@\""), "bash"]
        };
    }
    let row = |name, before| Heir { name, before, fares: WELL };
    vec![
        row("nothing", &["env"]),
        row("a_descriptor_of_shadow", shell!("exec 251</etc/shadow")),
        row(
            "a_descriptor_where_each_of_the_manifest_is",
            shell!("for n in {3..20}; do eval \"exec $n</etc/shadow\"; done"),
        ),
        row("a_descriptor_of_the_root_directory", shell!("exec 9</ 10</proc 11</etc")),
        row("a_socket_pair_s_place_taken_for_writing", shell!("exec 3>/dev/null 4>/dev/null 5>/dev/null")),
        row("hundreds_of_descriptors", shell!("for n in {20..400}; do eval \"exec $n</etc/passwd\"; done")),
        row("no_standard_input", shell!("exec 0<&-")),
        row("no_standard_output", shell!("exec 1>&-")),
        row("no_standard_error", shell!("exec 2>&-")),
        row("neither_input_nor_output", shell!("exec 0<&- 1>&-")),
        row("no_standard_descriptor_at_all", shell!("exec 0<&- 1>&- 2>&-")),
        row("no_standard_descriptor_but_one_of_shadow", shell!("exec 251</etc/shadow 0<&- 1>&- 2>&-")),
        row("standard_descriptors_of_shadow", shell!("exec 0</etc/shadow")),
    ]
}

fn environment() -> Vec<Heir> {
    let row = |name, before| Heir { name, before, fares: WELL };
    vec![
        row("no_environment", &["env", "-i"]),
        row(
            "variables_of_the_loader",
            &["env", "LD_LIBRARY_PATH=/nowhere", "LD_BIND_NOW=1", "LD_DEBUG_OUTPUT=/nowhere/x"],
        ),
        row("a_library_to_preload", &["env", "LD_PRELOAD=/nowhere/evil.so"]),
        row("a_library_to_audit", &["env", "LD_AUDIT=/nowhere/evil.so"]),
        row("variables_of_rust", &["env", "RUST_BACKTRACE=full", "RUST_LOG=trace", "RUST_MIN_STACK=1"]),
        row(
            "variables_of_the_c_library",
            &[
                "env",
                "TMPDIR=/nowhere",
                "GCONV_PATH=/nowhere",
                "LOCPATH=/nowhere",
                "NLSPATH=/nowhere",
                "HOSTALIASES=/etc/shadow",
                "RES_OPTIONS=x",
                "MALLOC_ARENA_MAX=1",
                "MALLOC_PERTURB_=165",
                "MALLOC_CHECK_=3",
                "GLIBC_TUNABLES=glibc.malloc.check=3",
            ],
        ),
        row(
            "an_environment_of_a_megabyte",
            &[
                "bash",
                "-c",
                "for n in {1..10}; do export BIG$n=$(head -c 100000 /dev/zero | tr '\\0' x); done; exec \"$@\"",
                "bash",
            ],
        ),
    ]
}

fn signals() -> Vec<Heir> {
    let row = |name, before| Heir { name, before, fares: WELL };
    vec![
        row("children_ignored", &["env", "--ignore-signal=CHLD"]),
        row("pipes_ignored", &["env", "--ignore-signal=PIPE"]),
        row("ends_ignored", &["env", "--ignore-signal=TERM", "--ignore-signal=INT", "--ignore-signal=HUP"]),
        row("files_too_large_ignored", &["env", "--ignore-signal=XFSZ"]),
        row("everything_ignored", &["env", "--ignore-signal"]),
        row("children_blocked", &["env", "--block-signal=CHLD"]),
        row("everything_blocked", &["env", "--block-signal"]),
        row("everything_ignored_and_blocked", &["env", "--ignore-signal", "--block-signal"]),
    ]
}

fn limits() -> Vec<Heir> {
    const OPEN: &str = "Too many open files";
    let row = |name, before, fares| Heir { name, before, fares };
    vec![
        row("4_open_files", &["prlimit", "--nofile=4:4"], Fares::Refused(OPEN)),
        row("10_open_files", &["prlimit", "--nofile=10:10"], Fares::Refused(OPEN)),
        row("16_open_files", &["prlimit", "--nofile=16:16"], Fares::Refused(OPEN)),
        row("48_open_files", &["prlimit", "--nofile=48:48"], WELL),
        row(
            "files_of_nothing",
            &["prlimit", "--fsize=0:0"],
            Fares::Refused("cannot create out/report.xml: File too large"),
        ),
        row(
            "files_of_20_kb",
            &["prlimit", "--fsize=20480:20480"],
            Fares::Refused("cannot create out/report.xml: File too large"),
        ),
        row("files_of_100_kb", &["prlimit", "--fsize=102400:102400"], Fares::InPart("File too large")),
        row(
            "address_space_for_no_library",
            &["prlimit", "--as=8000000:8000000"],
            Fares::Refused("cannot start tcpflow-capture"),
        ),
        row("no_locked_memory", &["prlimit", "--memlock=0:0"], WELL),
        row("no_processes", &["prlimit", "--nproc=0:0"], WELL),
        row("no_queued_signals", &["prlimit", "--sigpending=0:0"], WELL),
        row("a_stack_of_100_kb", &["prlimit", "--stack=102400:102400"], WELL),
        row("endless_core_dumps", &["prlimit", "--core=unlimited:unlimited"], WELL),
    ]
}

fn rest() -> Vec<Heir> {
    let row = |name, before, fares| Heir { name, before, fares };
    vec![
        row("umask_of_nothing", &["bash", "-c", "umask 0; exec \"$@\"", "bash"], Fares::Well(0o666)),
        row(
            "umask_of_everything",
            &["bash", "-c", "umask 0777; exec \"$@\"", "bash"],
            Fares::Refused("cannot write into out: Permission denied"),
        ),
        row("umask_of_others", &["bash", "-c", "umask 027; exec \"$@\"", "bash"], Fares::Well(0o640)),
        row("a_session_of_its_own", &["setsid", "-w"], WELL),
        row(
            "a_working_directory_that_is_gone",
            &["bash", "-c", "d=$(mktemp -d); w=$PWD; cd $d; rmdir $d; cd $w; exec \"$@\"", "bash"],
            WELL,
        ),
        row(
            "capabilities_to_hand_on",
            &["setpriv", "--inh-caps=+net_raw,+sys_admin", "--ambient-caps=+net_raw"],
            WELL,
        ),
        row(
            "no_capability_to_shed_others",
            &["setpriv", "--bounding-set=-setpcap"],
            Fares::Refused("is not confined: CapBnd"),
        ),
        row("no_new_privileges", &["setpriv", "--no-new-privs"], WELL),
        row("supplementary_groups", &["setpriv", "--groups=0,4,27,100"], WELL),
        row("the_parent_s_death_told", &["setpriv", "--pdeathsig=TERM"], WELL),
        row(
            "nobody_to_spare",
            &["bash", "-c", "echo 1000 > /proc/self/oom_score_adj; exec \"$@\"", "bash"],
            WELL,
        ),
        row("idle_priority", &["nice", "-n", "19"], WELL),
    ]
}

/// A capture of connections that are all open at once; the first one's client sends 200 kB.
fn open_connections() -> Vec<u8> {
    let mut packets = Vec::new();
    for number in 0..CONNECTIONS {
        let client = ([192, 0, 2, 1].into(), 1000 + number);
        let mut talk = Conversation { client, ..Conversation::default() };
        talk.open();
        talk.data(Side::Client, 0, b"request");
        talk.data(Side::Server, 0, b"reply");
        if number == 0 {
            (0..200).for_each(|part| talk.data(Side::Client, 7 + part * 1000, &[b'x'; 1000]));
        }
        packets.extend(talk.packets);
    }
    pcap(ETHERNET, &packets)
}

fn bench() -> Bench {
    let bench = Bench::of(Subject::Ours);
    mkfifo(&bench.path().join("fifo"), Mode::S_IRWXU | Mode::S_IRWXG | Mode::S_IRWXO).unwrap();
    bench
}

/// An input that has not ended.
struct Input(File);

impl Input {
    /// Opens the pipe that the run is to read. For reading too, so that it waits for nobody.
    fn of(bench: &Bench) -> Self {
        Self(OpenOptions::new().read(true).write(true).open(bench.path().join("fifo")).unwrap())
    }

    /// Writes the capture, without waiting for a reader that may never come.
    fn feed(&self) {
        let mut pipe = self.0.try_clone().unwrap();
        std::thread::spawn(move || pipe.write_all(&open_connections()).unwrap());
    }
}

fn inherits(heir: &Heir) {
    let bench = bench();
    let input = Input::of(&bench);
    let line = ["-r", "fifo", "-o", "out", "-U", USER];
    let mut running = bench.run(&line).after(heir.before).start();
    match heir.fares {
        Fares::Refused(why) => {
            let _ = running.wait().expect(1).says(why);
            assert!(bench.flows("out").is_empty(), "half of a run");
            let report = bench.path().join("out/report.xml");
            // If there is one at all it is whole, and marked.
            if std::fs::metadata(&report).is_ok_and(|status| status.len() > 0) {
                assert_eq!(bench.report("out/report.xml").all("interrupted").len(), 1);
            }
        }
        Fares::InPart(why) => {
            input.feed();
            drop(input);
            let _ = running.wait().expect(1).says(why);
            let flows = bench.flows("out");
            assert_eq!(flows.len(), usize::from(CONNECTIONS) * 2);
            assert_eq!(
                flows.values().filter(|file| file.bytes == b"reply").count(),
                usize::from(CONNECTIONS)
            );
            assert!(bench.report("out/report.xml").all("interrupted").is_empty());
        }
        Fares::Well(mode) => {
            input.feed();
            is_as_promised(&bench, &mut running);
            drop(input);
            let _ = running.wait().expect(0);
            assert_stored(&bench, mode);
        }
    }
}

fn assert_stored(bench: &Bench, mode: u32) {
    let flows = bench.flows("out");
    assert_eq!(flows.len(), usize::from(CONNECTIONS) * 2);
    for (name, file) in &flows {
        assert!(file.bytes.starts_with(b"reply") || file.bytes.starts_with(b"request"), "{name}");
        assert_eq!((file.uid, file.mode), (1_954_321, mode), "{name}");
    }
    assert!(flows.values().any(|file| file.bytes.len() == 200_007));
    assert!(bench.report("out/report.xml").all("interrupted").is_empty());
}

/// Waits until all roles are at work, and looks at each.
fn is_as_promised(bench: &Bench, running: &mut Running) {
    let stored = || bench.flows("out").len() == usize::from(CONNECTIONS) * 2;
    running.wait_until("all flows", |_| stored());
    each_role_is_as_promised(running);
}

/// Looks at each of the three roles, and gives them.
fn each_role_is_as_promised(running: &Running) -> Vec<Process> {
    let roles = running.roles();
    assert_eq!(roles.len(), 3, "{roles:?}");
    for role in &roles {
        has_its_descriptors(role, &[]);
        has_its_signals(role);
        has_its_privileges(role, "1954321", "1954322");
        has_its_limits(role);
        has_its_place(role);
    }
    roles
}

/// What the kernel calls a counter, eventfd(2).
const EVENTFD: &str = "anon_inode:[eventfd]";

/// What the descriptors of a role lead to, those of the manifest by number. What two of them share is mapped, and its
/// descriptor closed.
fn manifest_of(executable: &str) -> BTreeMap<i32, &'static str> {
    let own: &[(i32, &'static str)] = match executable {
        "tcpflow-capture" => &[(CONTROL, "socket:"), (DATA_OUT, "socket:"), (FRAMES.emptied, EVENTFD)],
        "tcpflow-reassembler" => &[
            (CONTROL, "socket:"),
            (DATA_IN, "socket:"),
            (DATA_OUT, "socket:"),
            (FRAMES.emptied, EVENTFD),
            (FLOWS.emptied, EVENTFD),
        ],
        "tcpflow-writer" => {
            &[(CONTROL, "socket:"), (DATA_IN, "socket:"), (OUTPUT, "/"), (FLOWS.emptied, EVENTFD)]
        }
        "tcpflow-runner" => &[(CONTROL, "socket:"), (DATA_IN, "socket:")],
        other => panic!("{other} is not a role"),
    };
    let standard = (0..3).map(|number| (number, "/dev/null"));
    standard.chain(own.iter().copied()).collect()
}

/// Exactly the descriptors of the manifest, and files that the role itself opened where it may: the savefile for
/// reading, beneath the output directory flows and report. `more` are those that the command line asks for.
fn has_its_descriptors(role: &Process, more: &[(i32, &'static str)]) {
    let name = role.executable.as_str();
    let left = beyond_its_manifest(role, more);
    match (name, &left[..]) {
        ("tcpflow-reassembler", []) => {}
        ("tcpflow-capture", [(number, to)]) => {
            assert!(to.ends_with("fifo"), "{name}: {left:?}");
            assert_eq!(role.descriptor_flags(*number) & libc::O_ACCMODE, libc::O_RDONLY, "{name}");
        }
        ("tcpflow-writer", files) => {
            for (number, to) in files {
                let to = to.to_string_lossy();
                let known = ["/report.xml", "/.tcpflow"].iter().any(|name| to.ends_with(name))
                    || to.contains("/192.000.002.00");
                assert!(known, "{name}: {number} leads to {to}");
            }
        }
        _ => panic!("{name} has more than its manifest: {left:?}"),
    }
}

/// What a role has open beside its manifest and `more`, which it has to have.
fn beyond_its_manifest(role: &Process, more: &[(i32, &'static str)]) -> Vec<(i32, PathBuf)> {
    let name = role.executable.as_str();
    let mut due = manifest_of(name);
    due.extend(more.iter().copied());
    let mut open = role.descriptors();
    for (number, leads) in due {
        let to = open.remove(&number).unwrap_or_else(|| panic!("{name} has no {number}"));
        let to = to.to_string_lossy().into_owned();
        // The null device of another mount namespace is shown with or without its directory.
        let fits = match leads {
            "/dev/null" => to.ends_with("null"),
            other => to.starts_with(other),
        };
        assert!(fits, "{name}: {number} leads to {to}, and not to {leads}");
    }
    open.into_iter().collect()
}

fn has_its_signals(role: &Process) {
    let status = role.status();
    let name = &role.executable;
    let ends = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2];
    // Rust's runtime ignores SIGPIPE; nothing may end a process whose file has become too large.
    let ignored = [&ends[..], &[libc::SIGPIPE, libc::SIGXFSZ]].concat();
    let bits = |signals: &[i32]| -> u64 { signals.iter().map(|signal| 1 << (signal - 1)).sum() };
    let mask = |field: &str| u64::from_str_radix(&status[field], 16).unwrap();
    assert_eq!(mask("SigIgn") & !C_LIBRARY, bits(&ignored), "{name}");
    assert_eq!((mask("SigBlk"), mask("SigPnd"), mask("ShdPnd")), (0, 0, 0), "{name}");
    // The runtime tells a stack that overflows from other faults; the sanitizer's tells one fault more.
    let faults = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE];
    let caught = bits(if SANITIZED { &faults } else { &faults[..2] });
    assert_eq!(mask("SigCgt") & !caught & !C_LIBRARY, 0, "{name}");
}

fn has_its_privileges(role: &Process, uid: &str, gid: &str) {
    let status = role.status();
    let name = &role.executable;
    assert_eq!(status["Uid"], [uid; 4].join("\t"), "{name}");
    assert_eq!(status["Gid"], [gid; 4].join("\t"), "{name}");
    let mut sets = vec!["CapInh", "CapPrm", "CapEff", "CapAmb"];
    if uid == "1954321" {
        // An ordinary user has no capability to empty it with; no_new_privs makes it moot.
        sets.push("CapBnd");
        assert_eq!(status["Groups"], "", "{name}");
    }
    for set in sets {
        assert_eq!(status[set].trim_start_matches('0'), "", "{name}: {set}");
    }
    // The writer has one that ends files, unless programs are told of each, or nobody may have another; and one that
    // removes directories, where that is asked for.
    let most = if name == "tcpflow-writer" { 3 } else { 1 };
    let threads: u32 = status["Threads"].parse().unwrap();
    assert!((1..=most).contains(&threads), "{name}: {threads} threads");
    for (field, value) in
        [("NoNewPrivs", "1"), ("Seccomp", "2"), ("Seccomp_filters", "1"), ("TracerPid", "0")]
    {
        assert_eq!(status[field], value, "{name}: {field}");
    }
    assert_eq!(role.environment(), b"", "{name}");
}

fn has_its_limits(role: &Process) {
    let name = role.executable.as_str();
    let limits = role.limits();
    // Soft and hard.
    let is =
        |limit: &str, value: &str| assert_eq!(limits[limit], (value.into(), value.into()), "{name}: {limit}");
    for none in ["Max core file size", "Max processes", "Max locked memory"] {
        is(none, "0");
    }
    if name == "tcpflow-writer" {
        let (soft, hard) = &limits["Max open files"];
        assert_eq!(soft, hard, "{name}");
        assert!(soft.parse::<u32>().unwrap() < 1024, "{name}: {soft}");
        return;
    }
    is("Max open files", "3");
    is("Max file size", "0");
    let mebibytes = if name == "tcpflow-capture" { 128 + 512 } else { 128 + 3 * 256 };
    if !SANITIZED {
        is("Max address space", &(mebibytes << 20).to_string());
    }
}

/// Its own root with nothing in it, or the output directory; its own namespaces.
fn has_its_place(role: &Process) {
    let name = role.executable.as_str();
    let mounts = role.mounts();
    let [mount] = &mounts[..] else { panic!("{name} sees more than one mount: {mounts:?}") };
    let fields: Vec<&str> = mount.split(' ').collect();
    let options: Vec<&str> = fields[5].split(',').collect();
    assert_eq!(fields[4], "/", "{name}: {mount}");
    for option in ["nosuid", "nodev", "noexec"] {
        assert!(options.contains(&option), "{name}: {option}: {mount}");
    }
    if name == "tcpflow-writer" {
        assert!(fields[3].ends_with("/out"), "{name}: {mount}");
    } else {
        assert!(options.contains(&"ro") && mount.contains(" - tmpfs "), "{name}: {mount}");
        assert!(role.root().is_empty(), "{name}: {:?}", role.root());
    }
    let me = Process { pid: i32::try_from(std::process::id()).unwrap(), executable: "me".into() };
    for kind in ["mnt", "net", "ipc", "uts", "cgroup"] {
        assert_ne!(role.namespace(kind), me.namespace(kind), "{name}: {kind}");
    }
    assert_eq!(role.link("cwd"), PathBuf::from("/"), "{name}");
}

/// Without a privilege to begin with: the same, in a user namespace of its own.
fn roles_of_an_ordinary_user_have_what_their_manifest_says() {
    let bench = bench().open_to_all();
    let input = Input::of(&bench);
    input.feed();
    let mut running = bench.run(&["-r", "fifo", "-o", "out"]).user("nobody").start();
    running.wait_until("all flows", |_| bench.flows("out").len() == usize::from(CONNECTIONS) * 2);
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    for role in running.roles() {
        has_its_descriptors(&role, &[]);
        has_its_signals(&role);
        has_its_privileges(&role, &nobody.uid.to_string(), &nobody.gid.to_string());
        has_its_limits(&role);
    }
    drop(input);
    let _ = running.wait().expect(0);
}

/// A writer that removes directories has one more thread, and no descriptor more but the mark of the one that is in use.
fn roles_of_a_run_with_retention_have_what_their_manifest_says() {
    let bench = bench();
    let input = Input::of(&bench);
    input.feed();
    let line = ["-r", "fifo", "-o", "out", "-U", USER, "--rotate", "1d", "--keep", "1d", "--min-free", "1K"];
    let mut running = bench.run(&line).start();
    let flows = || bench.tree("out").keys().filter(|name| name.contains("/192.")).count();
    running.wait_until("all flows", |_| flows() == usize::from(CONNECTIONS) * 2);
    for role in &each_role_is_as_promised(&running) {
        let threads = if role.executable == "tcpflow-writer" { "3" } else { "1" };
        assert_eq!(role.status()["Threads"], threads, "{}", role.executable);
    }
    drop(input);
    let _ = running.wait().expect(0);
}

fn every_descriptor_of_the_writer_is_one_that_the_command_line_asks_for() {
    type Asked = (&'static [&'static str], &'static [(i32, &'static str)]);
    let lines: [Asked; 4] = [
        (&["-c"], &[(CONSOLE, "pipe:")]),
        (&["-X", "r.xml", "-w", "w.pcap"], &[(REPORT, "/"), (UNPROCESSED, "/")]),
        (&["--events", "ev.json"], &[(EVENTS, "/")]),
        (&["-S", "tcp_cmd=true"], &[(RUNNER, "socket:")]),
    ];
    for (options, more) in lines {
        let bench = bench();
        let input = Input::of(&bench);
        input.feed();
        let line = [&["-r", "fifo", "-o", "out", "-U", USER], options].concat();
        let mut running = bench.run(&line).start();
        running.wait_until("flows", |running| {
            running.printed().contains("request") || bench.flows("out").len() == usize::from(CONNECTIONS) * 2
        });
        let writer = running.roles().into_iter().find(|role| role.executable == "tcpflow-writer").unwrap();
        has_its_descriptors(&writer, more);
        for (number, name) in [(REPORT, "r.xml"), (UNPROCESSED, "w.pcap"), (EVENTS, "ev.json")] {
            if more.iter().any(|(asked, _)| *asked == number) {
                let to = &writer.descriptors()[&number];
                assert!(to.ends_with(name), "{number} leads to {}", to.display());
                assert_eq!(writer.descriptor_flags(number) & libc::O_ACCMODE, libc::O_WRONLY, "{name}");
            }
        }
        drop(input);
        let _ = running.wait().expect(0);
    }
}

/// To be started so, with a descriptor of /etc/shadow and every signal ignored and blocked.
const HOSTILE: [&str; 7] =
    ["env", "--ignore-signal", "--block-signal", "bash", "-c", "exec 251</etc/shadow; exec \"$@\"", "bash"];

/// The packet socket is all that a live capture has beside its manifest.
fn roles_of_a_live_capture_have_what_their_manifest_says() {
    let lab = Lab::new();
    let bench = Bench::of(Subject::Ours);
    let before = [&lab.at_server()[..], &HOSTILE].concat();
    let mut running = bench.run(&["-i", INTERFACE, "-o", "out", "-U", USER]).after(&before).start();
    running.wait_for(&format!("listening on {INTERFACE}"));
    running.wait_until("the report", |_| bench.path().join("out/report.xml").exists());
    let roles = running.roles();
    assert_eq!(roles.len(), 3, "{roles:?}");
    for role in &roles {
        if role.executable == "tcpflow-capture" {
            let left = beyond_its_manifest(role, &[]);
            assert!(left.len() == 1 && left[0].1.to_string_lossy().starts_with("socket:"), "{left:?}");
        } else {
            has_its_descriptors(role, &[]);
            has_its_limits(role);
        }
        has_its_signals(role);
        has_its_privileges(role, "1954321", "1954322");
        has_its_place(role);
    }
    running.signal(Signal::SIGINT);
    let _ = running.wait().expect(0);
}

/// What commands print goes to, it has opened anew, under numbers of its own; and what signals wake it by, one end to
/// read and one for each of two signals.
fn a_runner_has_what_its_manifest_says() {
    let bench = bench();
    let input = Input::of(&bench);
    let line = ["-r", "fifo", "-o", "out", "-U", USER, "-S", "tcp_cmd=true"];
    let mut running = bench.run(&line).after(&HOSTILE).start();
    running.wait_for_confined(4);
    let runner = running.roles().into_iter().find(|role| role.executable == "tcpflow-runner").unwrap();
    let left = beyond_its_manifest(&runner, &[]);
    let lead = |to| left.iter().filter(|(_, leads)| leads.to_string_lossy().starts_with(to)).count();
    assert_eq!((left.len(), lead("pipe:"), lead("socket:")), (5, 2, 3), "{left:?}");
    assert_eq!(runner.environment(), b"");
    assert_eq!(runner.status()["SigBlk"], "0000000000000000");
    input.feed();
    drop(input);
    let _ = running.wait().expect(0);
    assert_stored(&bench, 0o644);
}

fn programs_of_the_user_begin_without_what_was_ignored_or_blocked() {
    let talk = Conversation::default().exchange(b"request", b"reply");
    let bench = Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &talk.packets));
    let command = "tcp_cmd=grep -E '^Sig(Blk|Ign):' /proc/self/status; ls -l /proc/self/fd >&2; true";
    let outcome =
        bench.run(&["-r", "in.pcap", "-o", "out", "-S", command]).after(&HOSTILE).finish().expect(0);
    let masks: Vec<u64> = outcome
        .stdout
        .lines()
        .filter_map(|line| u64::from_str_radix(line.split_once(":\t")?.1, 16).ok())
        .collect();
    assert_eq!(masks.len(), 4, "{}", outcome.stdout);
    assert!(masks.iter().all(|mask| mask & !C_LIBRARY == 0), "{}", outcome.stdout);
    assert!(!outcome.stderr.contains("shadow"), "{}", outcome.stderr);
}

fn blocked_signals_end_a_run_all_the_same() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let bench = bench();
        let input = Input::of(&bench);
        input.feed();
        let before = ["env", "--ignore-signal", "--block-signal"];
        let mut running = bench.run(&["-r", "fifo", "-o", "out", "-U", USER]).after(&before).start();
        running.wait_until("all flows", |_| bench.flows("out").len() == usize::from(CONNECTIONS) * 2);
        running.signal(signal);
        let _ = running.wait().expect(0);
        assert_stored(&bench, 0o644);
    }
}
