//! The options of the command line, defined once: for the parser, the help, the man page and completions.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser, ValueParser};
use clap::{Arg, ArgAction, Command, value_parser};

use super::super::settings::Wait;
use super::number;

/// How a command line looks.
pub const USAGE: &str = "tcpflow [options] [-r FILE]... [-i INTERFACE] [-o DIR] [expression]";

/// The default of `-T`, tcpflow's own.
pub const TEMPLATE: &str = "%A.%a-%B.%b%V%v%C%c";

/// The most descriptors that `-f` can ask for: the kernel's own bound for a process, fs.nr_open.
const MOST_OPEN_FILES: u64 = 1_048_576;

/// Every option, in tcpflow's letters, each with a long name too.
pub fn definition() -> Command {
    Command::new("tcpflow")
        .version(env!("CARGO_PKG_VERSION"))
        .about("capture TCP traffic and write each direction of each connection to a file of its own")
        .override_usage(USAGE)
        .disable_version_flag(true)
        .disable_help_flag(true)
        // Of an option that is repeated the last one counts, as with getopt.
        .args_override_self(true)
        .next_help_heading("Input")
        .args(input())
        .next_help_heading("Output")
        .args(output())
        .next_help_heading("Console")
        .args(console())
        .next_help_heading("Scanners")
        .args(scanners())
        .next_help_heading("Privileges")
        .args(privileges())
        .next_help_heading("Other")
        .args(others())
}

fn input() -> Vec<Arg> {
    vec![
        named("read", 'r', "FILE")
            .action(ArgAction::Append)
            .help("Read packets from a savefile; - is standard input; may be repeated"),
        named("finish", 'R', "FILE")
            .action(ArgAction::Append)
            .help("Read packets from a savefile, after all others, only to complete flows that exist"),
        flag("files", 'l').help("The operands are savefiles to read, not a filter expression"),
        valued("interface", 'i', "INTERFACE").help("Capture on this interface; any is all of them"),
        Arg::new("list-interfaces")
            .long("list-interfaces")
            .action(ArgAction::SetTrue)
            .help("List the interfaces that can be captured on"),
        long("wait-interface", "SECONDS")
            .value_parser(ValueParser::new(wait))
            .help(
                "Wait until the interface is there and up: so long at most, or forever; exit with 75 if it goes away",
            ),
        flag("no-promiscuous", 'p').help("Do not put the interface into promiscuous mode"),
        valued("max-skip", 'm', "BYTES")
            .value_parser(number_in(0..=u64::MAX))
            .default_value("16777216")
            .help("How far ahead a segment may lie before it starts a new flow"),
        long("filter", "EXPRESSION")
            .help("Filter expression; one that is made of operands takes its place"),
        flag("no-purge", 'P').help("Keep closed flows in memory: accepted, and what is done anyway"),
        Arg::new("operands")
            .value_name("expression")
            .num_args(0..)
            .value_parser(value_parser!(OsString))
            .help("Filter expression, as in pcap-filter(7); with -l the savefiles to read"),
    ]
}

fn output() -> Vec<Arg> {
    vec![
        path("output", 'o', "DIR")
            .default_value(".")
            .help("Directory for flow files and report; made if missing"),
        path("report", 'X', "FILE").help("Where the DFXML report goes, if not into the output directory"),
        valued("template", 'T', "TEMPLATE")
            .action(ArgAction::Append)
            .default_value(TEMPLATE)
            .help("How flow files are named; -hh lists what can be in it"),
        valued("format", 'F', "LETTERS")
            .action(ArgAction::Append)
            .help("How flow files are named, by letters; -hh lists them; may be repeated"),
        valued("max-bytes", 'b', "BYTES")
            .value_parser(number_in(0..=u64::MAX))
            .help("Keep at most so many bytes of each flow"),
        valued("max-open-files", 'f', "N")
            .value_parser(number_in(1..=MOST_OPEN_FILES))
            .default_value("900")
            .help("Keep at most so many flow files open"),
        flag("index", 'I').help("Write beside each flow file FLOW.findx: when each byte range came"),
        flag("packets", 'K').help("Keep the packets of each flow, as FLOW.pcap, in place of its payload"),
        path("write", 'w', "FILE").help("Write packets that were not processed to this savefile"),
        long("rotate", "TIME|SIZE").action(ArgAction::Append).help(
            "Begin a new subdirectory, with a report of its own, after so much time (s, m, h, d) or so many \
             bytes (K, M, G, T), or both, and at SIGUSR2",
        ),
        long("keep", "TIME").help("Remove subdirectories of --rotate that were finished longer ago"),
        long("keep-size", "SIZE").help("Remove the oldest subdirectories while all take more than this"),
        long("min-free", "N%|SIZE").help(
            "Remove the oldest subdirectories while less of the disk is free; when none is left, count packets \
             without storing them",
        ),
        long_path("events", "FILE")
            .help("Tell of flows as they come and go, in lines of JSON; - is standard output"),
        long_path("metrics", "FILE")
            .help("Write counters to this file, for Prometheus, every 15 seconds and in the end"),
    ]
}

fn console() -> Vec<Arg> {
    vec![
        flag("console", 'c').help("Print payload on standard output, store nothing"),
        flag("console-only", 'C').help("The same, without the name of the flow before it"),
        flag("binary", 'B').help("With -c or -C: print payload as it is"),
        flag("hex", 'D').help("With -c or -C: print payload in hexadecimal; goes before -J and -B"),
        flag("json", 'J').help("With -c or -C: print payload as JSON, an object a piece; goes before -B"),
        flag("color", 'g').help("With -c or -C: print the two directions in different colours"),
        flag("no-newline", '0').help("With -c or -C: print no newline after each piece"),
        flag("strip", 's').help("Print a dot for what cannot be printed: what is done anyway"),
        valued("lock", 'L', "NAME").help(
            "Hold this POSIX named semaphore while printing, for programs that share a standard output",
        ),
    ]
}

fn scanners() -> Vec<Arg> {
    vec![
        flag("all", 'a').help("Enable all scanners"),
        valued("all-deprecated", 'A', "LETTER")
            .action(ArgAction::Append)
            .help("Accepted, and does nothing but to say so: use -a"),
        valued("enable", 'e', "SCANNER")
            .action(ArgAction::Append)
            .help("Enable a scanner; -H describes them"),
        valued("only", 'E', "SCANNER")
            .action(ArgAction::Append)
            .help("Enable a scanner, and disable all others"),
        valued("disable", 'x', "SCANNER").action(ArgAction::Append).help("Disable a scanner"),
        flag("no-decompress", 'Z').help("Leave HTTP bodies compressed"),
        valued("set", 'S', "NAME=VALUE").action(ArgAction::Append).help("Set a parameter; -hh lists them"),
    ]
}

fn privileges() -> Vec<Arg> {
    vec![
        valued("relinquish-privileges", 'U', "USER")
            .help("Become this user, to whom the files belong: a name or uid[:gid]"),
        path("chroot", 'z', "DIR").help("Output and report are inside this directory (with -U)"),
        Arg::new("sandbox")
            .long("sandbox")
            .value_name("MODE")
            .value_parser(["require", "strict", "best-effort", "off"])
            .default_value("require")
            .help(
                "What to do when a layer of confinement cannot be had: require, strict, best-effort or off",
            ),
        Arg::new("sandbox-report")
            .long("sandbox-report")
            .action(ArgAction::SetTrue)
            .help("Print what is in force in each process, as JSON"),
    ]
}

fn others() -> Vec<Arg> {
    vec![
        long_path("config", "FILE")
            .action(ArgAction::Append)
            .help("Read options from a file, as if they stood before all others; see tcpflow.conf(5)"),
        flag("quiet", 'q').help("No warnings, no progress"),
        valued("debug", 'd', "N")
            .value_parser(number_in(0..=u64::from(u32::MAX)))
            .default_value("1")
            .overrides_with("verbose")
            .help("How much to say: 0 errors only, 1 warnings too, 10 what goes on"),
        flag("verbose", 'v').overrides_with("debug").help("Say what goes on: the same as -d 10"),
        flag("version", 'V').help("Print the version"),
        flag("help", 'h').action(ArgAction::Count).help("Print this help; -hh prints more"),
        flag("scanner-help", 'H').help("Print what each scanner does"),
    ]
}

fn flag(name: &'static str, letter: char) -> Arg {
    Arg::new(name).short(letter).long(name).action(ArgAction::SetTrue)
}

fn valued(name: &'static str, letter: char, value: &'static str) -> Arg {
    Arg::new(name).short(letter).long(name).value_name(value)
}

/// An option that the original does not have, and that takes none of its letters.
fn long(name: &'static str, value: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value)
}

/// A file of any name; clap's own parser, so that completion knows it for one.
fn named(name: &'static str, letter: char, value: &'static str) -> Arg {
    valued(name, letter, value).value_parser(OsStringValueParser::new()).value_hint(clap::ValueHint::FilePath)
}

fn path(name: &'static str, letter: char, value: &'static str) -> Arg {
    let hint = if value == "DIR" { clap::ValueHint::DirPath } else { clap::ValueHint::FilePath };
    valued(name, letter, value).value_parser(OsStringValueParser::new().map(PathBuf::from)).value_hint(hint)
}

/// A file, by an option that has no letter.
fn long_path(name: &'static str, value: &'static str) -> Arg {
    let path = OsStringValueParser::new().map(PathBuf::from);
    long(name, value).value_parser(path).value_hint(clap::ValueHint::FilePath)
}

fn number_in(range: RangeInclusive<u64>) -> ValueParser {
    ValueParser::new(move |text: &str| number::within(text, &range))
}

/// A time to wait.
fn wait(text: &str) -> Result<Wait, String> {
    if text == "forever" {
        return Ok(Wait::Forever);
    }
    number::within(text, &(0..=u32::MAX)).map(Wait::Seconds).map_err(|why| format!("{why}, or forever"))
}

/// The option that a letter stands for.
pub fn by_letter(definition: &Command, letter: char) -> Option<&Arg> {
    definition.get_arguments().find(|arg| arg.get_short() == Some(letter))
}

/// Whether an option has a value.
pub fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}
