//! The options of the command line, defined once: for the parser, the help, the man page and completions.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};

/// Every option, in tcpflow's letters, each with a long name too.
pub fn definition() -> Command {
    Command::new("tcpflow")
        .about("Captures TCP traffic and writes each direction of each connection to a file of its own")
        .override_usage("tcpflow [options] [-r FILE]... [-i INTERFACE] [-o DIR] [filter expression]")
        .disable_version_flag(true)
        .disable_help_flag(true)
        .args_override_self(true)
        .args(input())
        .args(output())
        .args(console())
        .args(scanners())
        .args(privileges())
        .args(talk())
        .arg(
            Arg::new("operands")
                .value_name("expression")
                .num_args(0..)
                .value_parser(value_parser!(OsString))
                .help("Filter expression, as in pcap-filter(7); with -l the savefiles to read"),
        )
}

fn input() -> Vec<Arg> {
    vec![
        valued("read", 'r', "FILE")
            .action(ArgAction::Append)
            .value_parser(value_parser!(OsString))
            .help("Read packets from a savefile; - is standard input; may be repeated"),
        valued("finish", 'R', "FILE")
            .action(ArgAction::Append)
            .value_parser(value_parser!(OsString))
            .help("Read packets from a savefile, after all others, only to complete flows that exist"),
        flag("files", 'l').help("The operands are savefiles to read, not a filter expression"),
        valued("interface", 'i', "INTERFACE").help("Capture on this interface; any is all of them"),
        Arg::new("list-interfaces")
            .long("list-interfaces")
            .action(ArgAction::SetTrue)
            .help("List the interfaces that can be captured on"),
        flag("no-promiscuous", 'p').help("Do not put the interface into promiscuous mode"),
        valued("max-skip", 'm', "BYTES")
            .value_parser(value_parser!(u64))
            .help("How far ahead a segment may lie before it starts a new flow [default: 16777216]"),
        flag("no-purge", 'P').help("Keep closed flows in memory: accepted, and what is done anyway"),
    ]
}

fn output() -> Vec<Arg> {
    vec![
        valued("output", 'o', "DIR")
            .value_parser(value_parser!(PathBuf))
            .default_value(".")
            .help("Directory for flow files and report; made if missing"),
        valued("report", 'X', "FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Where the DFXML report goes"),
        valued("template", 'T', "TEMPLATE").help("How flow files are named"),
        valued("format", 'F', "LETTERS")
            .action(ArgAction::Append)
            .help("Name flow files by c, t, T, k, m, g; M: MD5 in the report; X: store nothing"),
        valued("max-bytes", 'b', "BYTES")
            .value_parser(value_parser!(u64))
            .help("Keep at most so many bytes of each flow"),
        valued("max-open-files", 'f', "N")
            .value_parser(value_parser!(u32).range(1..))
            .help("Keep at most so many flow files open"),
        flag("index", 'I').help("Write beside each flow file FLOW.findx: when each byte range came"),
        flag("packets", 'K').help("Keep the packets of each flow, as FLOW.pcap, in place of its payload"),
        valued("write", 'w', "FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Write packets that were not processed to this savefile"),
    ]
}

fn console() -> Vec<Arg> {
    vec![
        flag("console", 'c').help("Print payload on standard output, store nothing"),
        flag("console-only", 'C').help("The same, without the name of the flow before it"),
        flag("binary", 'B').help("Print payload as it is"),
        flag("hex", 'D').help("Print payload in hexadecimal"),
        flag("json", 'J').help("Print payload as JSON, an object for each piece"),
        flag("color", 'g').help("Print the two directions in different colours"),
        flag("no-newline", '0').help("Print no newline after each piece"),
        flag("strip", 's').help("Print a dot for what cannot be printed: what is done anyway"),
        valued("lock", 'L', "NAME").help(
            "Hold this POSIX named semaphore while printing, for programs that share a standard output",
        ),
    ]
}

fn scanners() -> Vec<Arg> {
    vec![
        flag("all", 'a').help("Enable all scanners"),
        flag("all-deprecated", 'A').hide(true),
        valued("enable", 'e', "SCANNER").action(ArgAction::Append).help("Enable a scanner"),
        valued("only", 'E', "SCANNER")
            .action(ArgAction::Append)
            .help("Enable a scanner, and disable all others"),
        valued("disable", 'x', "SCANNER").action(ArgAction::Append).help("Disable a scanner"),
        flag("no-decompress", 'Z').help("Leave HTTP bodies compressed"),
        Arg::new("set")
            .short('S')
            .long("set")
            .value_name("NAME=VALUE")
            .allow_hyphen_values(true)
            .action(ArgAction::Append)
            .help("Set a parameter; -hh lists them"),
    ]
}

fn privileges() -> Vec<Arg> {
    vec![
        valued("relinquish-privileges", 'U', "USER")
            .help("Become this user, to whom the files belong: a name or uid[:gid]"),
        valued("chroot", 'z', "DIR")
            .value_parser(value_parser!(PathBuf))
            .help("Output and report are inside this directory (with -U)"),
        Arg::new("sandbox")
            .long("sandbox")
            .value_name("MODE")
            .value_parser(["require", "best-effort", "off"])
            .default_value("require")
            .help("What to do when a layer of confinement cannot be had"),
        Arg::new("sandbox-report")
            .long("sandbox-report")
            .action(ArgAction::SetTrue)
            .help("Print what is in force in each process, as JSON"),
    ]
}

fn talk() -> Vec<Arg> {
    vec![
        flag("quiet", 'q').help("No warnings, no progress"),
        valued("debug", 'd', "N").value_parser(value_parser!(u32)).help("How much to say, 0 to 10 and more"),
        flag("verbose", 'v').help("Say much: the same as -d 10"),
        flag("version", 'V').help("Print the version"),
        flag("help", 'h').action(ArgAction::Count).help("Print this help; -hh prints more"),
        flag("scanner-help", 'H').help("Print what each scanner does"),
    ]
}

fn flag(name: &'static str, letter: char) -> Arg {
    Arg::new(name).short(letter).long(name).action(ArgAction::SetTrue)
}

fn valued(name: &'static str, letter: char, value: &'static str) -> Arg {
    Arg::new(name).short(letter).long(name).value_name(value).allow_hyphen_values(true)
}
