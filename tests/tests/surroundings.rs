//! Where people run it: as an ordinary user, with a file capability, in a user namespace, in a root directory with
//! next to nothing in it, on a kernel without Landlock or namespaces, in a directory that nobody can write to.
//! What is recorded is the same everywhere, or the refusal comes before the first packet and says what is missing.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nix::sys::signal::Signal;
use tcpflow_tests::capture::{ETHERNET, pcap};
use tcpflow_tests::cases;
use tcpflow_tests::confinement::{told, without};
use tcpflow_tests::conversation::Conversation;
use tcpflow_tests::lab::{self, INTERFACE};
use tcpflow_tests::run::{Bench, Outcome, Run};
use tcpflow_tests::subject::{EXECUTABLES, Subject, copy};
use tcpflow_tests::suite::{self, Need};
use tcpflow_tests::tree::Tree;

const ROLES: usize = 3;

/// Becomes nobody, with no capability, where the command before it had to be root's.
const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"];

fn main() -> ExitCode {
    let mut all = cases![&[Need::Root];
        an_ordinary_user_reads_savefiles,
        a_kernel_without_landlock_and_namespaces_will_do_for_best_effort,
        a_directory_of_somebody_else_is_refused_and_another_will_do,
        a_file_system_that_is_read_only_is_refused_and_another_will_do,
    ];
    all.extend(cases![&[Need::Root, Need::Program("unshare")]; a_user_namespace_with_one_user_will_do]);
    all.extend(cases![&[Need::Root, Need::Program("ldd"), Need::Program("unshare")];
        a_root_without_dev_will_do,
        a_root_without_proc_and_dev_is_refused_unless_best_effort_will_do,
        an_ordinary_user_in_a_root_without_proc_and_dev,
    ]);
    let live = [Need::Namespaces, Need::Program("curl"), Need::Program("python3"), Need::Program("ss")];
    all.extend(cases![&[&live[..], &[Need::Program("setcap")]].concat();
        a_file_capability_lets_an_ordinary_user_capture,
    ]);
    all.extend(cases![&live; without_the_capability_it_is_refused]);
    suite::main(all)
}

fn bench() -> Bench {
    let packets = Conversation::default().exchange(b"hello world\n", b"reply\n").packets;
    Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &packets)).open_to_all()
}

/// What the savefile makes, whoever reads it and wherever.
fn assert_recorded(flows: &Tree) {
    let mut contents: Vec<&[u8]> = flows.values().map(|file| file.bytes.as_slice()).collect();
    contents.sort_unstable();
    assert_eq!(contents, [&b"hello world\n"[..], b"reply\n"], "{:?}", flows.keys());
}

fn assert_in_force(outcome: &Outcome, layers: &[&str]) {
    let told = told(&outcome.stdout);
    assert_eq!(told.len(), ROLES);
    for (role, entered) in told {
        for layer in layers {
            assert!(entered.contains(&((*layer).to_owned(), true)), "{role}: {layer}: {entered:?}");
        }
    }
}

/// What every kernel has that tcpflow's default runs on.
const REQUIRED: [&str; 6] = ["no_new_privs", "landlock", "seccomp", "CapEff", "CapPrm", "Uid"];

fn an_ordinary_user_reads_savefiles() {
    let bench = bench();
    let run = bench.run(&["-r", "in.pcap", "-o", "out", "--sandbox-report"]).user("nobody");
    assert_in_force(&run.finish().expect(0), &REQUIRED);
    assert_recorded(&bench.flows("out"));
    let owner = nix::unistd::User::from_name("nobody").unwrap().unwrap().uid.as_raw();
    assert!(bench.tree("out").values().all(|file| file.uid == owner));
}

fn a_kernel_without_landlock_and_namespaces_will_do_for_best_effort() {
    for user in [&[][..], &AS_NOBODY] {
        let bench = bench();
        let mut before = without(&["landlock_create_ruleset=ENOSYS", "unshare=EPERM"]);
        before.extend(user.iter().map(|word| (*word).to_owned()));
        let line = ["-r", "in.pcap", "-o", "out", "--sandbox-report", "--sandbox=best-effort"];
        let run = bench.run(&line).program(bench.installed()).after(&before);
        assert_in_force(&run.finish().expect(0), &["no_new_privs", "seccomp", "CapEff", "CapPrm"]);
        assert_recorded(&bench.flows("out"));
    }
}

/// As `unshare -r` makes one: its root is an ordinary user outside, and there is no one else to become.
fn a_user_namespace_with_one_user_will_do() {
    let bench = bench();
    let before = [&AS_NOBODY[..], &["unshare", "-U", "-r"]].concat();
    let line = ["-r", "in.pcap", "-o", "out", "--sandbox-report"];
    let run = bench.run(&line).program(bench.installed()).after(&before);
    assert_in_force(&run.finish().expect(0), &REQUIRED);
    assert_recorded(&bench.flows("out"));
}

fn a_directory_of_somebody_else_is_refused_and_another_will_do() {
    let bench = bench().mode(".", 0o755).folder("mine", 0o777);
    let program = bench.installed();
    let run = |line: &[&str]| bench.run(line).program(&program).after(&AS_NOBODY).finish();
    let _ = run(&["-r", "in.pcap"]).expect(1).says("cannot write into .: Permission denied");
    let _ = run(&["-r", "in.pcap", "-o", "new"]).expect(1).says("cannot create new: Permission denied");
    assert_eq!(bench.tree(".").keys().collect::<Vec<_>>(), ["in.pcap"]);
    let _ = run(&["-r", "in.pcap", "-o", "mine"]).expect(0);
    assert_recorded(&bench.flows("mine"));
}

fn a_file_system_that_is_read_only_is_refused_and_another_will_do() {
    let bench = bench();
    let elsewhere = Bench::new();
    let sealed = "mount --bind . . && mount -o remount,bind,ro . && cd \"$PWD\" && exec \"$@\"";
    let before = ["unshare", "-m", "sh", "-c", sealed, "sh"];
    let run = |line: &[&str]| bench.run(line).after(&before).finish();
    let _ = run(&["-r", "in.pcap"]).expect(1).says("cannot write into .: Read-only file system");
    let _ = run(&["-r", "in.pcap", "-o", "new"]).expect(1).says("cannot create new: Read-only file system");
    assert_eq!(bench.tree(".").keys().collect::<Vec<_>>(), ["in.pcap"]);
    let place = elsewhere.path().join("out");
    let _ = run(&["-r", "in.pcap", "-o", place.to_str().unwrap()]).expect(0);
    assert_recorded(&elsewhere.flows("out"));
}

/// A root directory with the executables, the libraries they need, a savefile, and nothing else.
struct Bare {
    bench: Bench,
}

impl Bare {
    fn new() -> Self {
        let bench = bench().folder("root", 0o755);
        let root = bench.path().join("root");
        let bin = bench.installed();
        for name in EXECUTABLES {
            let executable = bin.with_file_name(name);
            copy_into(&root, &executable, &Path::new("/bin").join(name));
            libraries(&executable).iter().for_each(|library| copy_into(&root, library, library));
        }
        for empty in ["proc", "work"] {
            std::fs::create_dir(root.join(empty)).unwrap();
        }
        let bench = bench.mode("root/work", 0o777);
        copy_into(&root, &bench.path().join("in.pcap"), Path::new("/in.pcap"));
        Self { bench }
    }

    /// A run in it: what comes before has the directory for its last word.
    fn run(&self, before: &[&str], more: &[&str]) -> Run<'_> {
        let line = [&["-r", "in.pcap", "-o", "work/out", "--sandbox-report"], more].concat();
        self.bench.run(&line).program("/bin/tcpflow").after(&[before, &["root"]].concat())
    }

    fn flows(&self) -> Tree {
        self.bench.flows("root/work/out")
    }
}

fn copy_into(root: &Path, from: &Path, to: &Path) {
    let to = root.join(to.strip_prefix("/").unwrap());
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    copy(from, &to);
}

/// The libraries that an executable needs, the loader among them.
fn libraries(executable: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(executable).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// `-U` by number: there is no user database either.
const BY_NUMBER: [&str; 2] = ["-U", "65534:65534"];

fn a_root_without_dev_will_do() {
    let bare = Bare::new();
    let with_proc = "mount -t proc proc \"$1/proc\" && exec chroot \"$@\"";
    let run = bare.run(&["unshare", "-m", "sh", "-c", with_proc, "sh"], &BY_NUMBER);
    assert_in_force(&run.finish().expect(0), &REQUIRED);
    assert_recorded(&bare.flows());
}

/// What a role is can be read in /proc and nowhere else, and a role's own word is not enough.
fn a_root_without_proc_and_dev_is_refused_unless_best_effort_will_do() {
    let bare = Bare::new();
    let outcome = bare.run(&["chroot"], &BY_NUMBER).finish().expect(1);
    let _ = outcome.says("tcpflow-capture is not confined: attestation: /proc/").says("without /proc");
    assert!(bare.flows().is_empty());
    let more = [&BY_NUMBER[..], &["--sandbox=best-effort"]].concat();
    let outcome = bare.run(&["chroot"], &more).finish().expect(0);
    assert_in_force(
        &outcome,
        &["namespaces", "empty root", "privileges", "no_new_privs", "landlock", "seccomp"],
    );
    assert_recorded(&bare.flows());
}

fn an_ordinary_user_in_a_root_without_proc_and_dev() {
    let bare = Bare::new();
    let run = bare.run(&["chroot", "--userspec=65534:65534"], &["--sandbox=best-effort"]);
    assert_in_force(&run.finish().expect(0), &["privileges", "no_new_privs", "landlock", "seccomp"]);
    assert_recorded(&bare.flows());
}

/// What an ordinary user runs in the network namespace of a lab's server.
fn at_server_as_nobody(lab: &lab::Lab) -> Vec<&str> {
    [&lab.at_server()[..], &AS_NOBODY].concat()
}

fn a_file_capability_lets_an_ordinary_user_capture() {
    let (lab, bench, content) = lab::serving(1 << 20);
    let bench = bench.open_to_all();
    let program = bench.installed();
    let capture = program.with_file_name("tcpflow-capture");
    let set = Command::new("setcap").arg("cap_net_raw=ep").arg(&capture).status().unwrap();
    assert!(set.success(), "setcap");
    let line = ["-i", INTERFACE, "-o", "out", "--sandbox-report"];
    let mut running = bench.run(&line).program(&program).after(&at_server_as_nobody(&lab)).start();
    running.wait_for(&format!("listening on {INTERFACE}"));
    for role in running.roles() {
        let status = role.status();
        assert_eq!(status["CapEff"].trim_matches('0'), "", "{}", role.executable);
        assert_eq!(status["CapPrm"].trim_matches('0'), "", "{}", role.executable);
    }
    assert!(lab.fetch("random") == content, "curl got something else than was served");
    running.signal(Signal::SIGINT);
    assert_in_force(&running.wait().expect(0), &REQUIRED);
    let flows = bench.flows("out");
    let reply = flows.iter().find(|(name, _)| name.starts_with("192.000.002.001.00080-")).unwrap().1;
    assert!(lab::body(&reply.bytes) == content, "something else was recorded than was served");
}

fn without_the_capability_it_is_refused() {
    let (lab, bench, _) = lab::serving(1);
    let bench = bench.open_to_all();
    let program = bench.installed();
    let run = bench.run(&["-i", INTERFACE, "-o", "out"]).program(&program).after(&at_server_as_nobody(&lab));
    let _ = run.finish().expect(1).says(INTERFACE).says("permission");
    assert!(bench.flows("out").is_empty());
}
