//! What `--sandbox` promises: a layer that is required and cannot be had ends the run before the first
//! packet and is named; `best-effort` goes on and says so; `--sandbox-report` tells what is in force.

use std::process::ExitCode;

use policy::manifest;
use serde_json::Value;
use tcpflow_tests::capture::{ETHERNET, pcap};
use tcpflow_tests::cases;
use tcpflow_tests::conversation::Conversation;
use tcpflow_tests::run::{Bench, Outcome};
use tcpflow_tests::subject::{Subject, built};
use tcpflow_tests::suite::{self, Case, Need};

const ROLES: [&str; 3] = ["tcpflow-capture", "tcpflow-reassembler", "tcpflow-writer"];

/// `PR_SET_NO_NEW_PRIVS`, `PR_SET_SECCOMP`.
const NO_NEW_PRIVS: &str = "prctl:38=EPERM";

fn main() -> ExitCode {
    let mut all = cases![
        the_report_tells_what_is_in_force,
        the_xml_report_tells_it_too,
        best_effort_goes_on_without_landlock_and_says_so,
        best_effort_uses_what_there_is,
        namespaces_are_entered_where_the_system_allows_them,
        off_is_off,
        an_unknown_mode_is_refused,
        the_runner_is_attested_and_leaves_programs_their_files,
        the_runner_is_only_there_when_it_has_work,
        the_runner_has_the_descriptors_of_its_manifest,
    ];
    all.extend(cases![&[Need::Program("python3")];
        best_effort_runs_a_plugin_without_landlock,
        a_plugin_is_refused_without_landlock,
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
    let helper = built("without").into_os_string().into_string().unwrap();
    let before = [&[helper.as_str()], failures, &["--"]].concat();
    bench.run(&[&["-r", "in.pcap", "-o", "out"], more].concat()).after(&before).finish()
}

/// Each layer made impossible in turn, and the word by which the refusal names it.
fn refusals() -> Vec<Case> {
    let rows: [(&str, &str, &str, &[Need]); 6] = [
        ("landlock_unknown_to_the_kernel", "landlock_create_ruleset=ENOSYS", "landlock", &[]),
        ("landlock_denied", "landlock_restrict_self=EPERM", "landlock", &[]),
        ("seccomp_denied", "seccomp=EPERM", "seccomp", &[]),
        ("seccomp_unknown_to_the_kernel", "seccomp=ENOSYS", "seccomp", &[]),
        ("no_new_privs_denied", NO_NEW_PRIVS, "no_new_privs", &[]),
        ("setresuid_denied", "setresuid=EPERM", "setresuid", &[Need::Root]),
    ];
    let case = |(name, failure, word, needs): (&'static str, &'static str, &'static str, &'static [Need])| {
        Case::new(format!("refuses_{name}"), needs, move || {
            let bench = bench();
            let mut line = vec![];
            if nix::unistd::geteuid().is_root() {
                line.extend(["-U", "nobody"]);
            }
            let outcome = without(&bench, &[failure], &line);
            assert_ne!(outcome.code(), 0, "{}", outcome.stderr);
            assert!(outcome.stderr.contains(word), "{word} is not named: {}", outcome.stderr);
            assert!(bench.flows("out").is_empty(), "not before the first packet");
        })
    };
    rows.into_iter().map(case).collect()
}

/// The roles of `--sandbox-report`, each with its layers by name.
fn told(outcome: &Outcome) -> Vec<(String, Vec<(String, bool)>)> {
    let told: Value =
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|e| panic!("{e}: {}", outcome.stdout));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let layers = |role: &Value| -> Vec<(String, bool)> {
        let layers = role["layers"].as_array().unwrap().iter();
        layers.map(|layer| (text(&layer["name"]), layer["in_force"].as_bool().unwrap())).collect()
    };
    told.as_array().unwrap().iter().map(|role| (text(&role["role"]), layers(role))).collect()
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
    running.wait_until("four roles", |running| running.roles().len() == 4);
    running.wait_until("the report", |_| bench.path().join("out/report.xml").exists());
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
