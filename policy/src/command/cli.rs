//! The command line, in tcpflow's own shape: getopt options that cluster and take glued values, options
//! after operands, and operands that make up a filter expression.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use proto::plan::{Overlap, SandboxMode, Separation};
use proto::template::Template;

use super::error::Error;
use super::settings::{Input, Settings};

/// `-T` of tcpflow 1.6.1.
const TEMPLATE: &str = "%A.%a-%B.%b%V%v%C%c";
/// `-m` of tcpflow 1.6.1.
const MAX_SKIP: u64 = 16 * 1024 * 1024;
/// `-f`: below the soft limit of 1024 descriptors that most systems set.
const MAX_OPEN_FILES: u32 = 900;
/// `-S max_memory`, MiB.
const MAX_MEMORY: u64 = 256;
/// `-S buffer_size`, MiB.
const BUFFER_SIZE: u32 = 64;
/// `-S packet-buffer-timeout`, ms, as in tcpflow 1.6.1.
const PACKET_BUFFER_TIMEOUT: u32 = 10;
/// `-d` of tcpflow 1.6.1.
const DEBUG: u32 = 1;

/// What the command line asks for.
#[derive(Debug)]
pub enum Request {
    /// A run.
    Run(Box<Settings>),
    /// Only a text on standard output: help or version.
    Show(String),
}

/// Reads the command line.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Request, Error> {
    let arguments: Vec<OsString> = arguments.collect();
    let matches = match definition().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(e) if e.kind() == ErrorKind::DisplayHelp => return Ok(Request::Show(e.to_string())),
        Err(e) => return Err(Error::Usage(format!("tcpflow: {}", shorten(&e.to_string())))),
    };
    if matches.get_flag("version") {
        return Ok(Request::Show(format!("TCPFLOW {}\n", env!("CARGO_PKG_VERSION"))));
    }
    let line = arguments.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ");
    settings(&matches, line).map(|settings| Request::Run(Box::new(settings)))
}

/// The options, once for the parser and the help.
fn definition() -> Command {
    Command::new("tcpflow")
        .about("Captures TCP traffic and writes each direction of each connection to a file of its own")
        .override_usage("tcpflow [options] [-r FILE]... [-i INTERFACE] [-o DIR] [filter expression]")
        .disable_version_flag(true)
        .args_override_self(true)
        .args(input_options())
        .args(output_options())
        .args(privilege_options())
        .arg(flag("quiet", 'q').help("No warnings"))
        .arg(
            valued("debug", 'd', "N")
                .value_parser(value_parser!(u32))
                .help("How much to say, 0 to 10 and more"),
        )
        .arg(flag("verbose", 'v').help("Say much: the same as -d 10"))
        .arg(flag("version", 'V').help("Print the version"))
        .arg(
            Arg::new("set")
                .short('S')
                .long("set")
                .value_name("NAME=VALUE")
                .action(ArgAction::Append)
                .help(format!("Set one of: {}", SETTINGS.join(", "))),
        )
        .arg(
            Arg::new("expression")
                .num_args(0..)
                .value_parser(value_parser!(String))
                .help("Filter expression, as in pcap-filter(7)"),
        )
}

fn input_options() -> [Arg; 4] {
    [
        valued("read", 'r', "FILE")
            .action(ArgAction::Append)
            .value_parser(value_parser!(OsString))
            .help("Read packets from a savefile; - is standard input; may be repeated"),
        valued("interface", 'i', "INTERFACE").help("Capture on this interface"),
        flag("no-promiscuous", 'p').help("Do not put the interface into promiscuous mode"),
        valued("max-skip", 'm', "BYTES")
            .value_parser(value_parser!(u64))
            .help("How far ahead a segment may lie before it starts a new flow [default: 16777216]"),
    ]
}

fn output_options() -> [Arg; 6] {
    [
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
            .help("Name flow files by c, t, T, k, m, g; X: store nothing"),
        valued("max-bytes", 'b', "BYTES")
            .value_parser(value_parser!(u64))
            .help("Keep at most so many bytes of each flow"),
        valued("max-open-files", 'f', "N")
            .value_parser(value_parser!(u32).range(1..))
            .help("Keep at most so many flow files open"),
    ]
}

fn privilege_options() -> [Arg; 4] {
    [
        valued("relinquish-privileges", 'U', "USER")
            .value_name("USER")
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

fn flag(name: &'static str, letter: char) -> Arg {
    Arg::new(name).short(letter).long(name).action(ArgAction::SetTrue)
}

fn valued(name: &'static str, letter: char, value: &'static str) -> Arg {
    Arg::new(name).short(letter).long(name).value_name(value).allow_hyphen_values(true)
}

/// The names that `-S` knows.
const SETTINGS: [&str; 9] = [
    "tdelta",
    "tcp_timeout",
    "overlap",
    "max_memory",
    "decap",
    "flow_key",
    "buffer_size",
    "packet-buffer-timeout",
    "enable_report",
];

fn settings(matches: &ArgMatches, command_line: String) -> Result<Settings, Error> {
    let set = Set::read(matches)?;
    let user = text(matches, "relinquish-privileges");
    let chroot = matches.get_one::<PathBuf>("chroot").cloned();
    if chroot.is_some() && user.is_none() {
        return Err(Error::Told("-z option requires -U option".into()));
    }
    let (template, store) = template(matches)?;
    let debug = if matches.get_flag("verbose") { 10 } else { number(matches, "debug").unwrap_or(DEBUG) };
    Ok(Settings {
        input: input(matches, &set),
        filter: expression(matches),
        output: matches.get_one::<PathBuf>("output").cloned().unwrap_or_default(),
        report: matches.get_one::<PathBuf>("report").cloned(),
        report_enabled: set.report_enabled,
        template,
        store,
        max_bytes: number(matches, "max-bytes"),
        max_open_files: number(matches, "max-open-files").unwrap_or(MAX_OPEN_FILES),
        max_skip: number(matches, "max-skip").unwrap_or(MAX_SKIP),
        overlap: set.overlap,
        time_delta: set.time_delta,
        tcp_timeout: set.tcp_timeout,
        max_memory: set.max_memory,
        tunnels: set.tunnels,
        separation: set.separation,
        user,
        chroot,
        debug,
        quiet: matches.get_flag("quiet"),
        sandbox: sandbox(matches),
        sandbox_report: matches.get_flag("sandbox-report"),
        command_line,
    })
}

fn input(matches: &ArgMatches, set: &Set) -> Input {
    match matches.get_many::<OsString>("read") {
        Some(files) => Input::Savefiles(files.cloned().collect()),
        None => Input::Live {
            interface: text(matches, "interface"),
            promiscuous: !matches.get_flag("no-promiscuous"),
            buffer_size: set.buffer_size,
            packet_buffer_timeout: set.packet_buffer_timeout,
        },
    }
}

fn expression(matches: &ArgMatches) -> Option<String> {
    let words: Vec<String> = matches.get_many::<String>("expression")?.cloned().collect();
    Some(words.join(" "))
}

fn sandbox(matches: &ArgMatches) -> SandboxMode {
    match text(matches, "sandbox").as_deref() {
        Some("best-effort") => SandboxMode::BestEffort,
        Some("off") => SandboxMode::Off,
        Some(_) | None => SandboxMode::Require,
    }
}

/// The template that `-T` and `-F` make together, and whether anything is stored.
fn template(matches: &ArgMatches) -> Result<(String, bool), Error> {
    let mut template = text(matches, "template").unwrap_or_else(|| TEMPLATE.to_owned());
    let mut store = true;
    for letter in matches.get_many::<String>("format").into_iter().flatten().flat_map(|text| text.chars()) {
        match letter {
            'c' => template = template.replace("%c", "%C"),
            't' => template.insert_str(0, "%tT"),
            'T' => template.insert_str(0, "%T"),
            'k' => template.insert_str(0, "%K/"),
            'm' => template.insert_str(0, "%M000-%M999/%M%K/"),
            'g' => template.insert_str(0, "%G000000-%G999999/%G%M000-%G%M999/%G%M%K/"),
            'X' => store = false,
            other => {
                let text = format!("-F invalid format specification '{other}'");
                return Err(Error::Usage(format!("tcpflow: {text}")));
            }
        }
    }
    Template::parse(&template)
        .map_err(|e| Error::Told(format!("Invalid filename_template: {template}: {e}")))?;
    Ok((template, store))
}

fn text(matches: &ArgMatches, name: &str) -> Option<String> {
    matches.get_one::<String>(name).cloned()
}

fn number<T: Copy + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Option<T> {
    matches.get_one::<T>(name).copied()
}

/// clap's message without its own prefix and without the advice after the first blank line.
fn shorten(message: &str) -> String {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let first = message.split("\n\n").next().unwrap_or(message);
    format!(
        "{first}\nusage: tcpflow [options] [-r FILE]... [-i INTERFACE] [-o DIR] [filter expression]; more with -h"
    )
}

/// What `-S` set.
#[derive(Debug)]
struct Set {
    time_delta: i64,
    tcp_timeout: u64,
    overlap: Overlap,
    max_memory: u64,
    tunnels: bool,
    separation: Separation,
    buffer_size: u32,
    packet_buffer_timeout: u32,
    report_enabled: bool,
}

impl Set {
    fn read(matches: &ArgMatches) -> Result<Self, Error> {
        let mut set = Self {
            time_delta: 0,
            tcp_timeout: 0,
            overlap: Overlap::First,
            max_memory: MAX_MEMORY,
            tunnels: true,
            separation: Separation::Tunnel,
            buffer_size: BUFFER_SIZE,
            packet_buffer_timeout: PACKET_BUFFER_TIMEOUT,
            report_enabled: true,
        };
        for assignment in matches.get_many::<String>("set").into_iter().flatten() {
            // tcpflow's own spelling, which scripts may look for.
            let bad = || Error::Plain(format!("Invalid paramter: {assignment}"));
            let (name, value) = assignment.split_once('=').ok_or_else(bad)?;
            if value.contains('=') {
                return Err(bad());
            }
            set.assign(name, value)?;
        }
        Ok(set)
    }

    fn assign(&mut self, name: &str, value: &str) -> Result<(), Error> {
        match name {
            "tdelta" => self.time_delta = parsed(name, value)?,
            "tcp_timeout" => self.tcp_timeout = parsed(name, value)?,
            "overlap" => self.overlap = overlap(value)?,
            "max_memory" => self.max_memory = within(name, value, 1..=1_048_576)?,
            "decap" => self.tunnels = decap(value)?,
            "flow_key" => self.separation = separation(value)?,
            "buffer_size" => self.buffer_size = within(name, value, 1..=2047)?,
            "packet-buffer-timeout" => self.packet_buffer_timeout = within(name, value, 1..=60_000)?,
            // As tcpflow reads it: these say no, everything else yes.
            "enable_report" => self.report_enabled = !value.starts_with(['N', 'n', 'F', 'f', '0']),
            unknown => {
                let known = SETTINGS.join(", ");
                return Err(Error::Told(format!("-S {unknown}: unknown name; known are {known}")));
            }
        }
        Ok(())
    }
}

fn overlap(value: &str) -> Result<Overlap, Error> {
    match value {
        "first" => Ok(Overlap::First),
        "last" => Ok(Overlap::Last),
        other => Err(Error::Told(format!("-S overlap={other}: first or last"))),
    }
}

fn decap(value: &str) -> Result<bool, Error> {
    match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        other => Err(Error::Told(format!("-S decap={other}: yes or no"))),
    }
}

fn separation(value: &str) -> Result<Separation, Error> {
    match value {
        "addresses" => Ok(Separation::Addresses),
        "tunnel" => Ok(Separation::Tunnel),
        "vlan" => Ok(Separation::Vlan),
        other => Err(Error::Told(format!("-S flow_key={other}: addresses, tunnel or vlan"))),
    }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, value: &str) -> Result<T, Error> {
    value.parse().map_err(|e| Error::Told(format!("-S {name}={value}: {e}")))
}

fn within<T>(name: &str, value: &str, range: std::ops::RangeInclusive<T>) -> Result<T, Error>
where
    T: std::str::FromStr<Err: std::fmt::Display> + PartialOrd + std::fmt::Display,
{
    let number = parsed(name, value)?;
    if range.contains(&number) {
        return Ok(number);
    }
    Err(Error::Told(format!("-S {name}={value}: {} to {}", range.start(), range.end())))
}
