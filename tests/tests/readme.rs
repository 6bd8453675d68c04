//! README.md: what stands below a command is what that command prints.

use std::path::Path;
use std::process::{Command, ExitCode};

use tcpflow_tests::cases;
use tcpflow_tests::subject::built;
use tcpflow_tests::suite::{self, Need};

fn main() -> ExitCode {
    suite::main(cases![&[Need::Program("jq")]; every_output_is_what_its_command_prints])
}

/// Commands of an ordinary user and what stands below each, in the order of the text.
fn examples(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for block in text.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let before = found.len();
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => found.push((command.to_owned(), String::new())),
                None if found.len() > before => found.last_mut().unwrap().1.extend([line, "\n"]),
                // One that takes root.
                None => assert!(line.starts_with("# "), "{line}"),
            }
        }
    }
    found
}

fn every_output_is_what_its_command_prints() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let examples = examples(&std::fs::read_to_string(source.join("README.md")).unwrap());
    let place = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(source.join("tests"), place.path().join("tests")).unwrap();
    let executables = built("tcpflow").parent().unwrap().to_owned();
    let path = format!("{}:{}", executables.display(), std::env::var("PATH").unwrap());
    let mut with_output = 0;
    for (command, output) in examples {
        // What builds and installs, and what measures, is not for a test.
        if ["make ", "sudo ", "tests/bench/"].iter().any(|what| command.starts_with(what)) {
            assert_eq!(output, "");
            continue;
        }
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec 2>&1; {command}")]).current_dir(place.path());
        let said = shell.env("PATH", &path).env("LC_ALL", "C").output().unwrap();
        assert!(said.status.success(), "{command}: {}: {said:?}", said.status);
        if !output.is_empty() {
            // A savefile has lines that end as HTTP has them, where the text has not.
            let printed = String::from_utf8(said.stdout).unwrap().replace("\r\n", "\n");
            assert_eq!(printed, output, "{command}");
            with_output += 1;
        }
    }
    assert!(with_output >= 6, "{with_output}");
}
