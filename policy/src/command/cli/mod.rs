//! The command line, in tcpflow's own shape: what it may say, what that means, and what is said about it.
//!
//! Reading goes through three hands: `getopt` takes the shape off, clap reads values as `options` defines
//! them, and what is here and in `naming`, `scanner` and `set` makes settings of them. Nothing here touches
//! a file, not even one of `--config`, which the caller reads: a command line that cannot be is refused before
//! anything is done.

pub mod config;
mod getopt;
pub mod help;
pub mod naming;
mod number;
pub mod options;
mod programs;
mod refusal;
mod rotation;
pub mod scanner;
pub mod set;
mod workers;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use clap::parser::ValueSource;
use proto::control::Savefile;
use proto::plan::{ChartPlan, ConsoleFormat, ConsolePlan, Digest, HttpPlan, NetworkPlan, Order, SandboxMode};

use super::error::Error;
use super::settings::{Events, Input, Settings, Wait};
use naming::Naming;
use refusal::{refusal, refuse_empty};
use scanner::{Scanner, Scanners};
use set::Set;

/// The least that `-S max_hole` is by itself, however small `-m`.
const MIN_MAX_HOLE: u64 = 64 << 20;

/// What tcpflow says to `-A`, in its words.
const DEPRECATED: &str = "-AH has been deprecated. Just use -a";

/// What the command line asks for.
#[derive(Debug)]
pub enum Request {
    /// A run.
    Run(Box<Settings>),
    /// Only the names of interfaces on standard output.
    ListInterfaces,
    /// Only a text on standard output: help or version.
    Show(String),
}

/// Reads the command line, and before it what `read` finds in the configuration files that it names.
pub fn parse(
    arguments: impl Iterator<Item = OsString>,
    read: impl Fn(&Path) -> Result<Vec<u8>, Error>,
) -> Result<Request, Error> {
    let arguments: Vec<OsString> = arguments.collect();
    let line =
        getopt::normalize(&options::definition(), arguments.iter().skip(1).cloned()).map_err(Error::Usage)?;
    let mut matches = matched(line.iter().cloned())?;
    if let Some(answer) = answer(&matches) {
        return Ok(answer);
    }
    if let Some(files) = matches.get_many::<PathBuf>("config") {
        let mut whole = Vec::new();
        for path in files {
            whole.extend(config::read(path, &read(path)?)?);
        }
        matches = matched(whole.into_iter().chain(line))?;
    }
    let line = arguments.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let settings = settings(&matches, line)?;
    workers::check(&settings)?;
    Ok(Request::Run(Box::new(settings)))
}

/// What clap makes of options in their one shape.
fn matched(line: impl IntoIterator<Item = OsString>) -> Result<ArgMatches, Error> {
    let program = std::iter::once(OsString::from("tcpflow"));
    let matches = options::definition().try_get_matches_from(program.chain(line));
    matches.map_err(|error| Error::Usage(refusal(&error)))
}

/// What is asked for that is no run.
fn answer(matches: &ArgMatches) -> Option<Request> {
    if matches.get_flag("version") {
        return Some(Request::Show(format!("TCPFLOW {}\n", env!("CARGO_PKG_VERSION"))));
    }
    match (matches.get_flag("scanner-help"), matches.get_count("help")) {
        (true, _) => return Some(Request::Show(help::scanners())),
        (false, 0) => {}
        (false, 1) => return Some(Request::Show(help::usage())),
        (false, _) => return Some(Request::Show(help::usage() + &help::more())),
    }
    matches.get_flag("list-interfaces").then_some(Request::ListInterfaces)
}

fn settings(matches: &ArgMatches, command_line: String) -> Result<Settings, Error> {
    refuse_empty(matches)?;
    let set = Set::read(matches)?;
    let scanners = Scanners::read(matches)?;
    let user = text(matches, "relinquish-privileges");
    let chroot = chroot(matches, user.as_deref())?;
    let naming = Naming::read(matches)?;
    check_post_processing(&scanners, &naming)?;
    let packets = matches.get_flag("packets");
    // With `-K` tcpflow stores packets and prints nothing, whatever else it is told.
    let console = if packets { None } else { console(matches) };
    // Neither packets nor what is printed as it arrives is read in order.
    let streams = !packets && (console.is_none() || set.console == Order::Stream);
    let report = matches.get_one::<PathBuf>("report").cloned();
    let max_skip: u64 = number(matches, "max-skip").unwrap_or_default();
    let store = naming.store && console.is_none() && !packets;
    // On the console nothing is made that was not asked for.
    let report_enabled = set.report_enabled && (console.is_none() || report.is_some());
    let programs = programs::read(&set, &scanners, store, report_enabled)?;
    Ok(Settings {
        input: input(matches, &set)?,
        filter: expression(matches),
        output: matches.get_one::<PathBuf>("output").cloned().unwrap_or_default(),
        report_enabled,
        strict_report: set.strict_report,
        report,
        template: naming.template,
        demultiplex: scanners.runs(Scanner::Tcpdemux),
        store,
        packets,
        index: matches.get_flag("index") && naming.store && console.is_none() && !packets,
        unprocessed: matches.get_one::<PathBuf>("write").cloned(),
        events: events(matches, console.is_some())?,
        metrics: matches.get_one::<PathBuf>("metrics").cloned(),
        digests: digests(naming.digest || scanners.runs(Scanner::Md5), &set),
        charts: charts(&scanners, &set, console.is_some()),
        http: (streams && scanners.runs(Scanner::Http)).then(|| http(matches, &set, console.is_some())),
        console,
        console_order: set.console,
        max_bytes: number(matches, "max-bytes"),
        max_open_files: number(matches, "max-open-files").unwrap_or_default(),
        max_skip,
        max_hole: set.max_hole.unwrap_or(max_skip.saturating_mul(4).max(MIN_MAX_HOLE)),
        overlap: set.overlap,
        time_delta: set.time_delta,
        tcp_timeout: set.tcp_timeout,
        max_memory: set.max_memory,
        workers: set.workers,
        tunnels: set.tunnels,
        separation: set.separation,
        user,
        chroot,
        remarks: if matches.contains_id("all-deprecated") { vec![DEPRECATED] } else { Vec::new() },
        debug: debug(matches),
        quiet: matches.get_flag("quiet"),
        sandbox: sandbox(matches),
        sandbox_report: matches.get_flag("sandbox-report"),
        programs,
        command_line,
        networks: networks(&scanners, &set),
        rotation: rotation::read(matches)?,
        name: set.name,
    })
}

fn check_post_processing(scanners: &Scanners, naming: &Naming) -> Result<(), Error> {
    if scanners.post_processing && !naming.store {
        return Err(Error::Plain("ERROR: post_processing currently requires storing output.".into()));
    }
    Ok(())
}

fn chroot(matches: &ArgMatches, user: Option<&str>) -> Result<Option<PathBuf>, Error> {
    match (matches.get_one::<PathBuf>("chroot"), user) {
        (Some(_), None) => Err(Error::Told("-z option requires -U option".into())),
        (directory, _) => Ok(directory.cloned()),
    }
}

fn networks(scanners: &Scanners, set: &Set) -> Option<NetworkPlan> {
    scanners.runs(Scanner::Wifiviz).then_some(NetworkPlan { check_sequence: set.check_sequence })
}

/// What netviz is to do. On the console no file is made that was not asked for by name.
fn charts(scanners: &Scanners, set: &Set, console: bool) -> Option<ChartPlan> {
    let wanted = scanners.runs(Scanner::Netviz) && (!console || scanners.asks_for(Scanner::Netviz));
    wanted.then_some(ChartPlan { addresses: set.chart_addresses, dump: set.chart_dump })
}

/// What the http scanner is to do, which reads streams in order.
fn http(matches: &ArgMatches, set: &Set, console: bool) -> HttpPlan {
    HttpPlan {
        decompress: !matches.get_flag("no-decompress"),
        requests: set.http_requests,
        max_body: set.http_max_body.map(|megabytes| megabytes << 20),
        // The console counts what it prints by itself.
        max_bytes: if console { None } else { number(matches, "max-bytes") },
    }
}

/// Savefiles, if any option or operand names one, else an interface.
fn input(matches: &ArgMatches, set: &Set) -> Result<Input, Error> {
    let named = |id| matches.get_many::<OsString>(id).into_iter().flatten();
    let operands = matches.get_flag("files").then(|| named("operands")).into_iter().flatten();
    let savefile =
        |path: &OsString, completing| Savefile { path: path.as_encoded_bytes().to_vec(), completing };
    let mut files: Vec<Savefile> = named("read").chain(operands).map(|path| savefile(path, false)).collect();
    files.extend(named("finish").map(|path| savefile(path, true)));
    if !files.is_empty() {
        return Ok(Input::Savefiles(files));
    }
    let (interface, wait) = (text(matches, "interface"), matches.get_one::<Wait>("wait-interface").copied());
    if wait.is_some() && interface.is_none() {
        return Err(Error::Usage("--wait-interface: which? -i says so".into()));
    }
    Ok(Input::Live {
        interface,
        wait,
        promiscuous: !matches.get_flag("no-promiscuous"),
        buffer_size: set.buffer_size,
        packet_buffer_timeout: set.packet_buffer_timeout,
    })
}

/// The filter expression: the operands, if they are not savefiles, else what `--filter` says.
fn expression(matches: &ArgMatches) -> Option<String> {
    let operands = matches.get_many::<OsString>("operands").filter(|_| !matches.get_flag("files"));
    let words = |operands: clap::parser::ValuesRef<'_, OsString>| {
        operands.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    };
    operands.map(words).or_else(|| text(matches, "filter"))
}

fn console(matches: &ArgMatches) -> Option<ConsolePlan> {
    let flag = |name| matches.get_flag(name);
    if !flag("console") && !flag("console-only") {
        return None;
    }
    let format = if flag("hex") {
        ConsoleFormat::Hex
    } else if flag("json") {
        ConsoleFormat::Json
    } else if flag("binary") {
        ConsoleFormat::Binary
    } else {
        ConsoleFormat::Text
    };
    Some(ConsolePlan {
        format,
        names: !flag("console-only") && !flag("json"),
        newline: !flag("no-newline"),
        color: flag("color"),
        semaphore: text(matches, "lock"),
    })
}

/// Where events go. Standard output has room for one kind of thing.
fn events(matches: &ArgMatches, console: bool) -> Result<Option<Events>, Error> {
    let Some(path) = matches.get_one::<PathBuf>("events") else { return Ok(None) };
    if path.as_os_str() != "-" {
        return Ok(Some(Events::File(path.clone())));
    }
    if console || matches.get_flag("sandbox-report") {
        let other = if console { "-c and -C" } else { "--sandbox-report" };
        return Err(Error::Usage(format!("--events=-: {other} print on standard output too")));
    }
    Ok(Some(Events::Output))
}

fn digests(wanted: bool, set: &Set) -> Vec<Digest> {
    if wanted { set.digests.clone() } else { Vec::new() }
}

fn debug(matches: &ArgMatches) -> u32 {
    if matches.get_flag("verbose") { 10 } else { number(matches, "debug").unwrap_or_default() }
}

fn sandbox(matches: &ArgMatches) -> SandboxMode {
    match text(matches, "sandbox").as_deref() {
        Some("strict") => SandboxMode::Strict,
        Some("best-effort") => SandboxMode::BestEffort,
        Some("off") => SandboxMode::Off,
        Some(_) | None => SandboxMode::Require,
    }
}

fn text(matches: &ArgMatches, name: &str) -> Option<String> {
    matches.get_one::<String>(name).cloned()
}

/// A number that its option's definition has kept in the range of `T`.
fn number<T: TryFrom<u64>>(matches: &ArgMatches, name: &str) -> Option<T> {
    matches.get_one::<u64>(name).and_then(|number| T::try_from(*number).ok())
}

/// Values and flags of these options, each with its name, in the order in which they stand.
fn in_order<'a>(matches: &'a ArgMatches, ids: &[&'static str]) -> Vec<(&'static str, &'a str)> {
    let mut found: Vec<(usize, &'static str, &'a str)> = Vec::new();
    for &id in ids {
        if matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let places = matches.indices_of(id).into_iter().flatten();
        match matches.try_get_many::<String>(id) {
            Ok(values) => {
                let values = values.into_iter().flatten();
                found.extend(places.zip(values).map(|(place, value)| (place, id, value.as_str())));
            }
            // A flag has no value; its name stands for it.
            Err(_) => found.extend(places.map(|place| (place, id, id))),
        }
    }
    found.sort_unstable_by_key(|(place, ..)| *place);
    found.into_iter().map(|(_, id, value)| (id, value)).collect()
}

#[cfg(test)]
mod tests;
