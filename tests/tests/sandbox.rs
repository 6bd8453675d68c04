//! What `--sandbox` promises: a layer that is required and cannot be had ends the run before the first
//! packet and is named; `best-effort` goes on and says so; `--sandbox-report` tells what is in force.

use std::process::ExitCode;

use nix::sys::signal::Signal;
use policy::manifest;
use tcpflow_tests::capture::{ETHERNET, pcap};
use tcpflow_tests::cases;
use tcpflow_tests::confinement::{self, Told};
use tcpflow_tests::conversation::Conversation;
use tcpflow_tests::run::{Bench, Outcome, SANITIZER};
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Case, Need};

const ROLES: [&str; 3] = ["tcpflow-capture", "tcpflow-reassembler", "tcpflow-writer"];

/// `PR_SET_NO_NEW_PRIVS`, `PR_SET_SECCOMP`.
const NO_NEW_PRIVS: &str = "prctl:38=EPERM";

/// To be refused limits.
const LIMITS: Need = Need::NoSanitizer("it asks for limits itself, and ends if it may not");

fn main() -> ExitCode {
    let mut all = cases![
        the_report_tells_what_is_in_force,
        the_xml_report_tells_it_too,
        best_effort_goes_on_without_landlock_and_says_so,
        best_effort_uses_what_there_is,
        namespaces_are_entered_where_the_system_allows_them,
        off_is_off,
        an_unknown_mode_is_refused,
        the_default_goes_on_without_what_not_every_system_has,
        every_thread_is_confined,
        the_runner_is_attested_and_leaves_programs_their_files,
        the_runner_is_only_there_when_it_has_work,
        the_runner_has_the_descriptors_of_its_manifest,
    ];
    all.extend(cases![&[Need::Program("python3")];
        best_effort_runs_a_plugin_without_landlock,
        a_plugin_is_refused_without_landlock,
    ]);
    all.extend(cases![&[Need::Sanitizer]; what_the_sanitizer_finds_in_a_role_is_told]);
    all.extend(cases![&[Need::Root];
        strict_goes_on_with_every_layer,
        only_the_sender_can_write_to_what_two_share,
    ]);
    all.extend(refusals());
    suite::main(all)
}

fn bench() -> Bench {
    let packets = Conversation::default().exchange(b"hello world\n", b"reply\n").packets;
    Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &packets))
}

/// A run for which these calls fail.
fn without(bench: &Bench, failures: &[&str], more: &[&str]) -> Outcome {
    let line = [&["-r", "in.pcap", "-o", "out"], more].concat();
    bench.run(&line).after(&confinement::without(failures)).finish()
}

/// A layer that cannot be had.
struct Refusal {
    name: &'static str,
    failure: &'static str,
    /// The word by which the refusal names it.
    word: &'static str,
    /// The mode in which it is one.
    mode: &'static str,
    needs: &'static [Need],
}

/// Each layer made impossible in turn.
fn refusals() -> Vec<Case> {
    let row = |name, failure, word| Refusal { name, failure, word, mode: "require", needs: &[] };
    let as_root = |name, failure, word| Refusal { needs: &[Need::Root], ..row(name, failure, word) };
    let strict = |name, failure, word| Refusal { mode: "strict", ..row(name, failure, word) };
    // Privileges are dropped whatever the mode.
    let whatever = |name, failure, word| Refusal { mode: "best-effort", ..row(name, failure, word) };
    let rows = [
        row("landlock_unknown_to_the_kernel", "landlock_create_ruleset=ENOSYS", "landlock"),
        row("landlock_denied", "landlock_restrict_self=EPERM", "landlock"),
        row("seccomp_denied", "seccomp=EPERM", "seccomp"),
        row("seccomp_unknown_to_the_kernel", "seccomp=ENOSYS", "seccomp"),
        row("no_new_privs_denied", NO_NEW_PRIVS, "no_new_privs"),
        Refusal { needs: &[LIMITS], ..row("limits_denied", "prlimit64=EPERM", "resource limits") },
        as_root("setresuid_denied", "setresuid=EPERM", "setresuid"),
        as_root("setgroups_denied", "setgroups=EPERM", "setgroups"),
        whatever("capset_denied", "capset=EPERM", "capabilities"),
        // Of tcpflow itself.
        whatever("no_new_privs_denied_to_the_command", NO_NEW_PRIVS, "no_new_privs"),
        whatever("a_parent_that_does_not_take_it_along", "prctl:1=EPERM", "parent death signal"),
        whatever("to_be_traced", "prctl:4=EPERM", "no core, no tracer"),
        // What a role does not notice is seen from outside.
        as_root("capabilities_that_stay", "capset=0", "CapPrm"),
        as_root("a_user_that_stays", "setresuid=0", "Uid"),
        as_root("groups_that_stay", "setgroups=0", "Groups"),
        strict("namespaces_denied", "unshare=EPERM", "namespaces"),
        strict("namespaces_unknown_to_the_kernel", "unshare=ENOSYS", "namespaces"),
        strict("pivot_root_denied", "pivot_root=EPERM", "empty root: pivot_root"),
        strict("pivot_root_unknown_to_the_kernel", "pivot_root=ENOSYS", "empty root: pivot_root"),
        strict("writable_and_executable_memory", "prctl:65=EINVAL", "memory-deny-write-execute"),
        strict("landlock_denied_where_all_is_required", "landlock_restrict_self=EPERM", "landlock"),
    ];
    rows.into_iter()
        .map(|row| Case::new(format!("refuses_{}", row.name), row.needs, move || is_refused(&row)))
        .collect()
}

fn is_refused(row: &Refusal) {
    // Where whoever stays root can write as well.
    let bench = bench().folder("out", 0o777);
    let mode = format!("--sandbox={}", row.mode);
    let mut line = vec![mode.as_str()];
    let mut before = confinement::without(&[row.failure]);
    if nix::unistd::geteuid().is_root() {
        line.extend(["-U", "nobody"]);
        // With a group to give up.
        before.splice(0..0, ["setpriv", "--groups=4"].map(str::to_owned));
    }
    let line = [&["-r", "in.pcap", "-o", "out"], &line[..]].concat();
    let outcome = bench.run(&line).after(&before).finish().expect(1);
    assert!(outcome.stderr.contains(row.word), "{} is not named: {}", row.word, outcome.stderr);
    assert!(bench.flows("out").is_empty(), "not before the first packet");
}

/// What the default goes without, `strict` does not, and where all is there it goes on.
fn strict_goes_on_with_every_layer() {
    let usual = bench().run(&["-r", "in.pcap", "-o", "out", "--sandbox-report"]).finish().expect(0);
    let missing = told(&usual).into_iter().flat_map(|(_, layers)| layers).find(|(_, in_force)| !in_force);
    let bench = bench();
    let line = ["-r", "in.pcap", "-o", "out", "--sandbox=strict", "--sandbox-report"];
    let outcome = bench.run(&line).finish();
    if let Some((layer, _)) = missing {
        // An old kernel: that is said, and nothing is recorded.
        let _ = outcome.expect(1).says(&layer);
        return;
    }
    let outcome = outcome.expect(0);
    for (role, layers) in told(&outcome) {
        for layer in ["namespaces", "empty root", "memory-deny-write-execute"] {
            assert!(layers.contains(&(layer.to_owned(), true)), "{role}: {layer}: {layers:?}");
        }
        assert!(layers.iter().all(|(_, in_force)| *in_force), "{role}: {layers:?}");
    }
    assert_eq!(bench.flows("out").len(), 2);
}

/// The same layers, one at a time, under the default.
fn the_default_goes_on_without_what_not_every_system_has() {
    for (failure, missing) in [
        ("pivot_root=EPERM", "empty root"),
        ("unshare=ENOSYS", "namespaces"),
        ("prctl:65=EINVAL", "memory-deny-write-execute"),
    ] {
        let bench = bench();
        let outcome = without(&bench, &[failure], &["--sandbox-report"]).expect(0);
        for (role, layers) in told(&outcome) {
            assert!(layers.contains(&(missing.to_owned(), false)), "{role}: {layers:?}");
        }
        assert_eq!(bench.flows("out").len(), 2);
    }
}

fn told(outcome: &Outcome) -> Vec<Told> {
    confinement::told(&outcome.stdout)
}

fn the_report_tells_what_is_in_force() {
    let bench = bench();
    let outcome = bench.run(&["-r", "in.pcap", "-o", "out", "--sandbox-report"]).finish().expect(0);
    let told = told(&outcome);
    let roles: Vec<&str> = told.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!(roles, ROLES);
    for (role, layers) in &told {
        for required in ["no_new_privs", "landlock", "seccomp"] {
            assert!(layers.contains(&(required.to_owned(), true)), "{role}: {required}: {layers:?}");
        }
        // What the kernel said, as the command read it from outside.
        for seen in ["NoNewPrivs", "seccomp filter", "CapEff", "CapPrm"] {
            assert!(layers.contains(&(seen.to_owned(), true)), "{role}: {seen}: {layers:?}");
        }
    }
    assert_eq!(bench.flows("out").len(), 2, "and the run goes on");
}

fn the_xml_report_tells_it_too() {
    let bench = bench();
    let _ = bench.run(&["-r", "in.pcap", "-o", "out"]).finish().expect(0);
    let report = bench.report("out/report.xml");
    let sandbox = report.one("sandbox");
    for role in ROLES {
        let told = format!("{sandbox:?}");
        assert!(told.contains(role), "{role}: {told}");
    }
}

fn best_effort_goes_on_without_landlock_and_says_so() {
    let bench = bench();
    let more = ["--sandbox=best-effort", "--sandbox-report"];
    let outcome = without(&bench, &["landlock_create_ruleset=ENOSYS"], &more).expect(0);
    for (role, layers) in told(&outcome) {
        assert!(layers.contains(&("landlock".to_owned(), false)), "{role}: {layers:?}");
        assert!(layers.contains(&("seccomp".to_owned(), true)), "{role}: {layers:?}");
    }
    assert_eq!(bench.flows("out").len(), 2);
    let report = bench.report("out/report.xml");
    assert!(format!("{:?}", report.one("sandbox")).contains("landlock"));
}

fn best_effort_uses_what_there_is() {
    let bench = bench();
    let more = ["--sandbox=best-effort", "--sandbox-report"];
    let outcome = without(&bench, &["unshare=EPERM"], &more).expect(0);
    for (role, layers) in told(&outcome) {
        assert!(layers.contains(&("namespaces".to_owned(), false)), "{role}: {layers:?}");
        assert!(layers.contains(&("landlock".to_owned(), true)), "{role}: {layers:?}");
    }
    assert_eq!(bench.flows("out").len(), 2);
}

/// The one layer that the default does without: a container may forbid it, and all others hold without it.
fn namespaces_are_entered_where_the_system_allows_them() {
    let bench = bench();
    let outcome = without(&bench, &["unshare=EPERM"], &["--sandbox-report"]).expect(0);
    for (role, layers) in told(&outcome) {
        assert!(layers.contains(&("namespaces".to_owned(), false)), "{role}: {layers:?}");
        for layer in ["landlock", "seccomp", "NoNewPrivs"] {
            assert!(layers.contains(&(layer.to_owned(), true)), "{role}: {layer}: {layers:?}");
        }
    }
    assert_eq!(bench.flows("out").len(), 2);
}

fn off_is_off() {
    let bench = bench();
    let outcome =
        bench.run(&["-r", "in.pcap", "-o", "out", "--sandbox=off", "--sandbox-report"]).finish().expect(0);
    for (role, layers) in told(&outcome) {
        assert!(!layers.contains(&("seccomp filter".to_owned(), true)), "{role}: {layers:?}");
    }
    assert_eq!(bench.flows("out").len(), 2);
}

/// Payload lies in memory that two roles have, one to write and one to read, with no descriptor left of it.
fn only_the_sender_can_write_to_what_two_share() {
    let bench = bench();
    let mut running = bench.run(&["-r", "-", "-o", "out"]).start();
    running.wait_until("the report", |_| bench.path().join("out/report.xml").exists());
    running.wait_until("three roles", |running| running.roles().len() == ROLES.len());
    for role in running.roles() {
        let due: &[(&str, &str)] = match role.executable.as_str() {
            "tcpflow-capture" => &[("frames", "rw-s")],
            "tcpflow-reassembler" => &[("flows", "rw-s"), ("frames", "r--s")],
            "tcpflow-writer" => &[("flows", "r--s")],
            other => panic!("{other} is not a role"),
        };
        let due: Vec<_> = due.iter().map(|(name, access)| ((*name).into(), (*access).into())).collect();
        assert_eq!(role.shared_memory(), due, "{}", role.executable);
        let open = role.descriptors();
        let of_memory = |to: &&std::path::PathBuf| to.to_string_lossy().contains("memfd:");
        assert_eq!(open.values().find(of_memory), None, "{}", role.executable);
    }
}

/// Capabilities, filters and domains are a thread's own.
fn every_thread_is_confined() {
    let bench = bench();
    let mut running = bench.run(&["-r", "-", "-o", "out"]).start();
    running.wait_until("the report", |_| bench.path().join("out/report.xml").exists());
    // The one that has the report may have been first.
    running.wait_for_confined(ROLES.len());
    for role in running.roles() {
        let threads: Vec<_> = std::fs::read_dir(format!("/proc/{}/task", role.pid)).unwrap().collect();
        // Beside the writer's own there is the one that closes files.
        let due = if role.executable == "tcpflow-writer" { 2 } else { 1 };
        assert_eq!(threads.len(), due, "{}", role.executable);
        for thread in threads {
            let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
            let zero = "0000000000000000";
            for (name, value) in [("Seccomp", "2"), ("NoNewPrivs", "1"), ("CapEff", zero), ("CapPrm", zero)] {
                assert!(status.contains(&format!("\n{name}:\t{value}\n")), "{name}: {status}");
            }
        }
    }
}

/// What the runner is confined by, its programs inherit: so it has no root of its own and no Landlock, and
/// says so by not claiming them.
fn the_runner_is_attested_and_leaves_programs_their_files() {
    let bench = bench();
    let arguments = ["-r", "in.pcap", "-o", "out", "--sandbox-report", "-S", "tcp_cmd=true"];
    let outcome = bench.run(&arguments).finish().expect(0);
    let told = told(&outcome);
    let (role, layers) = told.last().unwrap();
    assert_eq!((told.len(), role.as_str()), (4, "tcpflow-runner"));
    let seen = ["seccomp filter", "NoNewPrivs", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    for layer in ["privileges", "no_new_privs", "seccomp", "resource limits"].iter().chain(&seen) {
        assert!(layers.contains(&((*layer).to_owned(), true)), "{layer}: {layers:?}");
    }
    for layer in ["landlock", "namespaces", "empty root", "memory-deny-write-execute"] {
        assert!(!layers.iter().any(|(name, _)| name == layer), "{layer}: {layers:?}");
    }
}

fn the_runner_is_only_there_when_it_has_work() {
    let bench = bench();
    let settings = ["-a", "-S", "cmd_timeout=5", "-S", "py_timeout=5", "--sandbox-report"];
    let outcome = bench.run(&[&["-r", "in.pcap", "-o", "out"], &settings[..]].concat()).finish().expect(0);
    let roles: Vec<String> = told(&outcome).into_iter().map(|(role, _)| role).collect();
    assert_eq!(roles, ROLES);
}

fn the_runner_has_the_descriptors_of_its_manifest() {
    let bench = bench();
    let line = ["-r", "-", "-o", "out", "-S", "tcp_cmd=true", "-S", "tcp_alert_fd=2"];
    let mut running = bench.run(&line).start();
    running.wait_for_confined(4);
    // It starts with tcpflow's standard error, and is silent once it is confined.
    running.wait_until("a runner that is silent", |running| {
        let runner = running.roles().into_iter().find(|role| role.executable == "tcpflow-runner");
        runner.is_some_and(|runner| runner.descriptors().get(&2).is_some_and(|path| path.ends_with("null")))
    });
    let roles = running.roles();
    let runner = roles.iter().find(|role| role.executable == "tcpflow-runner").unwrap();
    let open = runner.descriptors();
    assert!([0, 1, 2].iter().all(|number| open[number].ends_with("null")), "{open:?}");
    let lead = |number: i32, to: &str| {
        let leads = open.get(&number).unwrap_or_else(|| panic!("{number}: {open:?}"));
        assert!(leads.to_string_lossy().starts_with(to), "{number}: {open:?}");
    };
    let channels = [manifest::CONTROL, manifest::DATA_IN];
    channels.iter().for_each(|number| lead(*number, "socket:"));
    let outlets = [manifest::COMMAND_OUTPUT, manifest::COMMAND_ERRORS, manifest::FLOW_ALERTS];
    // Each was opened anew, for writing without waiting, or is where the manifest has it.
    assert_eq!(
        open.values().filter(|leads| leads.to_string_lossy().starts_with("pipe:")).count(),
        outlets.len()
    );
    // The standard three, the manifest's, and what signals wake it by: one end to read, one for each signal.
    assert_eq!(open.len(), 3 + channels.len() + outlets.len() + 3, "{open:?}");
    assert_eq!(runner.environment(), b"");
    let session = std::fs::read_to_string(format!("/proc/{}/stat", runner.pid)).unwrap();
    let (_, fields) = session.rsplit_once(") ").unwrap();
    assert_eq!(fields.split(' ').nth(3), Some(runner.pid.to_string().as_str()), "a session of its own");
}

/// A plugin that returns what it can read of a file beside its directory.
fn with_plugin() -> Bench {
    let plugin = b"def f(flow):\n    return open('in.pcap', 'rb').read(4).hex()\n";
    bench().folder("plugins", 0o755).file("plugins/m.py", plugin)
}

const PLUGIN: [&str; 8] =
    ["-e", "python", "-S", "py_path=plugins", "-S", "py_module=m", "-S", "py_function=f"];

fn best_effort_runs_a_plugin_without_landlock() {
    let bench = with_plugin();
    let more = [&["--sandbox=best-effort"], &PLUGIN[..]].concat();
    let _ = without(&bench, &["landlock_create_ruleset=ENOSYS"], &more).expect(0);
    let report = bench.report("out/report.xml");
    assert_eq!(report.all("tcpflow:result").len(), 2);
    let text = &report.all("tcpflow:result")[0].text;
    assert_eq!(text, "d4c3b2a1", "without Landlock it can read what its user can");
}

fn a_plugin_is_refused_without_landlock() {
    let bench = with_plugin();
    let outcome = without(&bench, &["landlock_restrict_self=EPERM"], &PLUGIN).expect(1);
    assert!(outcome.stderr.contains("landlock"), "{}", outcome.stderr);
    let bench = with_plugin();
    let _ = bench.run(&[&["-r", "in.pcap", "-o", "out"], &PLUGIN[..]].concat()).finish().expect(0);
    let report = bench.report("out/report.xml");
    let refused = report.all("tcpflow:result")[0].get("failed").unwrap().to_owned();
    assert!(refused.contains("Permission denied"), "{refused}");
}

fn an_unknown_mode_is_refused() {
    let outcome = bench().run(&["-r", "in.pcap", "-o", "out", "--sandbox=please"]).finish().expect(2);
    assert!(outcome.stderr.contains("please"), "{}", outcome.stderr);
}

/// A fault in a role that is confined, and whose standard error leads nowhere.
fn what_the_sanitizer_finds_in_a_role_is_told() {
    for name in ROLES {
        let bench = bench();
        let mut running = bench.run(&["-r", "-", "-o", "out"]).start();
        running.wait_for_confined(ROLES.len());
        running.signal_role(name, Signal::SIGSEGV);
        let outcome = running.end().expect(1);
        let told =
            outcome.stderr.contains(&format!("tcpflow: {name}: ====")) && outcome.stderr.contains(SANITIZER);
        assert!(told, "{name}: {}", outcome.stderr);
    }
}
