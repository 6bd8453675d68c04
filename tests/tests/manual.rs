//! The manual page and the completions: well-formed, and of the same options as the help.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode};

use tcpflow_tests::cases;
use tcpflow_tests::run::Bench;
use tcpflow_tests::subject::{Subject, built};
use tcpflow_tests::suite::{self, Need};
use tempfile::TempDir;

const PAGE: &str = "share/man/man1/tcpflow.1";

fn main() -> ExitCode {
    let mut all = cases![the_page_has_the_options_of_the_help, the_page_has_what_the_long_help_lists];
    all.extend(cases![&[Need::Program("groff")]; the_page_renders_without_a_warning]);
    all.extend(cases![&[Need::Program("mandoc")]; mandoc_finds_nothing_wrong]);
    all.extend(cases![&[Need::Program("bash")]; bash_completes_options]);
    all.extend(cases![&[Need::Program("zsh")]; zsh_reads_its_completions]);
    all.extend(cases![&[Need::Program("fish")]; fish_reads_its_completions]);
    all.extend(cases![the_installed_command_links_no_generator]);
    suite::main(all)
}

/// What a package gets, in a directory of its own.
fn docs() -> TempDir {
    let directory = TempDir::with_prefix("tcpflow-docs-").unwrap();
    let made = Command::new(built("packaging")).arg(directory.path()).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    directory
}

fn page() -> String {
    std::fs::read_to_string(docs().path().join(PAGE)).unwrap()
}

fn help(option: &str) -> String {
    Bench::of(Subject::Ours).run(&[option]).finish().expect(0).stdout
}

/// Options as `-x` or `--name` at the beginning of a line, which is where each is described.
fn options<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let words = lines
        .flat_map(|line| line.split([' ', ',']).take_while(|word| word.is_empty() || word.starts_with('-')));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn the_page_has_the_options_of_the_help() {
    let help = help("--help");
    // Further right is what options do.
    let described =
        help.lines().filter(|line| line.find('-').is_some_and(|column| (2..=6).contains(&column)));
    let in_help = options(described.filter(|line| line.trim_start().starts_with('-')));
    let page = page();
    let (_, section) = page.split_once(".SH OPTIONS").unwrap();
    let section = section.split(".SH ").next().unwrap();
    // The line after .TP is what the paragraph describes.
    let described = section.split(".TP\n").skip(1).map(|rest| rest.lines().next().unwrap());
    let plain: Vec<String> = described
        .map(|line| line.replace("\\fB", "").replace("\\fR", "").replace("\\fI", "").replace("\\-", "-"))
        .collect();
    let in_page = options(plain.iter().map(String::as_str).filter(|line| line.starts_with('-')));
    assert_eq!(in_page, in_help);
    assert!(
        in_help.len() > 80 && in_help.contains("-S") && in_help.contains("--sandbox-report"),
        "{in_help:?}"
    );
}

/// Templates, letters, parameters and scanners: the first word of each line of theirs.
fn the_page_has_what_the_long_help_lists() {
    let (usage, long) = (help("-h"), help("-hh"));
    let more = long.strip_prefix(&usage).unwrap().split("\nLimits:").next().unwrap();
    let page = page().replace("\\-", "-");
    let mut names = 0;
    for line in more.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let name = line.split_whitespace().next().unwrap().split('=').next().unwrap();
        let found = [format!("\\fB{name}\\fR"), format!("\\fB-S {name}\\fR")];
        assert!(found.iter().any(|tag| page.contains(tag.as_str())), "{name}");
        names += 1;
    }
    assert!(names > 40, "{names} in {more}");
}

fn the_page_renders_without_a_warning() {
    let docs = docs();
    for device in ["utf8", "ascii"] {
        let page = docs.path().join(PAGE);
        let made = Command::new("groff")
            .args(["-man", "-ww", "-b", "-z", "-T", device])
            .arg(&page)
            .output()
            .unwrap();
        assert!(made.status.success() && made.stderr.is_empty(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}

fn mandoc_finds_nothing_wrong() {
    let docs = docs();
    let made =
        Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(docs.path().join(PAGE)).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
}

fn bash_completes_options() {
    let script = "source \"$1\" && COMP_WORDS=(tcpflow --relin) COMP_CWORD=1 && \
                  _tcpflow tcpflow --relin tcpflow && printf '%s\\n' \"${COMPREPLY[@]}\"";
    let path = docs();
    let path = path.path().join("share/bash-completion/completions/tcpflow");
    assert_eq!(shell("bash", &["-c", script, "bash"], &path), "--relinquish-privileges\n");
}

fn zsh_reads_its_completions() {
    let docs = docs();
    shell("zsh", &["-n"], &docs.path().join("share/zsh/site-functions/_tcpflow"));
}

fn fish_reads_its_completions() {
    let docs = docs();
    shell("fish", &["-n"], &docs.path().join("share/fish/vendor_completions.d/tcpflow.fish"));
}

fn shell(program: &str, arguments: &[&str], path: &Path) -> String {
    let said = Command::new(program).args(arguments).arg(path).output().unwrap();
    assert!(said.status.success() && said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

/// Completions say `_tcpflow`, manual pages `.TH`; the command itself has no use for either.
fn the_installed_command_links_no_generator() {
    let command = std::fs::read(Subject::Ours.executable()).unwrap();
    for words in ["COMPREPLY", "#compdef", ".SH OPTIONS"] {
        let found = command.windows(words.len()).any(|window| window == words.as_bytes());
        assert!(!found, "{words:?} is in the executable");
    }
}
