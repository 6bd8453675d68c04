//! The manual pages and the completions: well-formed, and of the same options as the help.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode};

use tcpflow_tests::cases;
use tcpflow_tests::run::Bench;
use tcpflow_tests::subject::{Subject, built};
use tcpflow_tests::suite::{self, Need};
use tempfile::TempDir;

const PAGE: &str = "share/man/man1/tcpflow.1";
const CONFIGURATION: &str = "share/man/man5/tcpflow.conf.5";

fn main() -> ExitCode {
    let mut all = cases![
        the_page_has_the_options_of_the_help,
        the_page_has_what_the_long_help_lists,
        the_page_of_files_has_what_may_be_in_one,
    ];
    all.extend(cases![&[Need::Program("groff")]; the_pages_render_without_a_warning]);
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
    text_of(PAGE)
}

fn text_of(page: &str) -> String {
    std::fs::read_to_string(docs().path().join(page)).unwrap()
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

/// What it lists is taken, and what the help has beyond that is refused for being there.
fn the_page_of_files_has_what_may_be_in_one() {
    let page = text_of(CONFIGURATION).replace("\\-", "-");
    let (_, section) = page.split_once(".SH OPTIONS").unwrap();
    let section = section.split(".SH ").next().unwrap();
    let tags = section.split(".TP\n").skip(1).map(|rest| rest.lines().next().unwrap());
    let tags: Vec<&str> = tags.map(|tag| tag.trim_start_matches("\\fB").trim_end_matches("\\fR")).collect();
    let help = help("-h");
    let names = help.split_whitespace().filter_map(|word| word.strip_prefix("--"));
    let names: BTreeSet<&str> = names.map(|name| name.trim_end_matches([',', ';'])).collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        let tag = tags.iter().find(|tag| tag.split(' ').next() == Some(name));
        // What would have a value lacks it; what has none has one.
        let line =
            if tag.is_some_and(|tag| tag.contains(' ')) { name.to_owned() } else { format!("{name} x") };
        let bench = Bench::of(Subject::Ours).file("x.conf", line.as_bytes());
        let refused = bench.run(&["--config", "x.conf"]).finish().expect(2).stderr;
        let why = match tag {
            Some(tag) if tag.contains(' ') => "requires an argument",
            Some(_) => "doesn't allow an argument",
            None => "is for the command line only",
        };
        assert_eq!(refused, format!("tcpflow: x.conf:1: option '{name}' {why}\n"));
    }
}

fn the_pages_render_without_a_warning() {
    let docs = docs();
    for (device, page) in
        ["utf8", "ascii"].into_iter().flat_map(|device| [(device, PAGE), (device, CONFIGURATION)])
    {
        let made = Command::new("groff")
            .args(["-man", "-ww", "-b", "-z", "-T", device])
            .arg(docs.path().join(page))
            .output()
            .unwrap();
        assert!(made.status.success() && made.stderr.is_empty(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}

fn mandoc_finds_nothing_wrong() {
    let docs = docs();
    for page in [PAGE, CONFIGURATION] {
        let lint = ["-T", "lint", "-W", "warning"];
        let made = Command::new("mandoc").args(lint).arg(docs.path().join(page)).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    }
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
