//! The command line, in tcpflow's own shape: getopt options that cluster and take glued values, options
//! after operands, and operands that make up a filter expression.

mod naming;
mod options;
mod scanner;
mod set;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgMatches;
use proto::control::Savefile;
use proto::plan::{ConsoleFormat, ConsolePlan, HttpPlan, Order, SandboxMode};

use super::error::Error;
use super::settings::{Input, Settings};
use naming::Naming;
use scanner::{Scanner, Scanners};
use set::Set;

/// `-m` of tcpflow 1.6.1.
const MAX_SKIP: u64 = 16 * 1024 * 1024;
/// `-f`: below the soft limit of 1024 descriptors that most systems set.
const MAX_OPEN_FILES: u32 = 900;
/// `-d` of tcpflow 1.6.1.
const DEBUG: u32 = 1;

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

/// Reads the command line.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Request, Error> {
    let arguments: Vec<OsString> = arguments.collect();
    let matches = options::definition()
        .try_get_matches_from(&arguments)
        .map_err(|e| Error::Usage(format!("tcpflow: {}", shorten(&e.to_string()))))?;
    match matches.get_count("help") {
        0 => {}
        1 => return Ok(Request::Show(help())),
        _ => return Ok(Request::Show(format!("{}{}", help(), set::help()))),
    }
    if matches.get_flag("version") {
        return Ok(Request::Show(format!("TCPFLOW {}\n", env!("CARGO_PKG_VERSION"))));
    }
    if matches.get_flag("list-interfaces") {
        return Ok(Request::ListInterfaces);
    }
    let line = arguments.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ");
    settings(&matches, line).map(|settings| Request::Run(Box::new(settings)))
}

fn help() -> String {
    options::definition().render_help().to_string()
}

fn settings(matches: &ArgMatches, command_line: String) -> Result<Settings, Error> {
    let set = Set::read(matches)?;
    let scanners = Scanners::read(matches)?;
    let user = text(matches, "relinquish-privileges");
    let chroot = matches.get_one::<PathBuf>("chroot").cloned();
    if chroot.is_some() && user.is_none() {
        return Err(Error::Told("-z option requires -U option".into()));
    }
    let naming = Naming::read(matches)?;
    if scanners.post_processing && !naming.store {
        return Err(Error::Plain("ERROR: post_processing currently requires storing output.".into()));
    }
    let packets = matches.get_flag("packets");
    // As in tcpflow: where packets are kept, nothing is printed.
    let console = if packets { None } else { console(matches) };
    let digest = naming.digest || scanners.runs(Scanner::Md5);
    let max_bytes = number(matches, "max-bytes");
    // Neither packets nor what is printed as it arrives is read in order.
    let in_order = !packets && (console.is_none() || set.console == Order::Stream);
    let http = (scanners.runs(Scanner::Http) && in_order).then_some(HttpPlan {
        decompress: !matches.get_flag("no-decompress"),
        requests: set.http_requests,
        max_body: set.http_max_body.map(|megabytes| megabytes << 20),
        // The console counts what it prints by itself.
        max_bytes: if console.is_some() { None } else { max_bytes },
    });
    let report = matches.get_one::<PathBuf>("report").cloned();
    let debug = if matches.get_flag("verbose") { 10 } else { number(matches, "debug").unwrap_or(DEBUG) };
    let max_skip = number(matches, "max-skip").unwrap_or(MAX_SKIP);
    Ok(Settings {
        input: input(matches, &set),
        filter: expression(matches),
        output: matches.get_one::<PathBuf>("output").cloned().unwrap_or_default(),
        // On the console nothing is made that was not asked for.
        report_enabled: set.report_enabled && (console.is_none() || report.is_some()),
        report,
        template: naming.template,
        demultiplex: scanners.runs(Scanner::Tcpdemux),
        store: naming.store && console.is_none() && !packets,
        packets,
        index: matches.get_flag("index") && naming.store && console.is_none() && !packets,
        unprocessed: matches.get_one::<PathBuf>("write").cloned(),
        digests: if digest { set.digests } else { Vec::new() },
        console,
        console_order: set.console,
        http,
        max_bytes,
        max_open_files: number(matches, "max-open-files").unwrap_or(MAX_OPEN_FILES),
        max_skip,
        max_hole: set.max_hole.unwrap_or(max_skip.max(MAX_SKIP).saturating_mul(4)),
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

/// Savefiles, if any option or operand names one, else an interface.
fn input(matches: &ArgMatches, set: &Set) -> Input {
    let named = |id| matches.get_many::<OsString>(id).into_iter().flatten();
    let operands = matches.get_flag("files").then(|| named("operands")).into_iter().flatten();
    let savefile =
        |path: &OsString, completing| Savefile { path: path.as_encoded_bytes().to_vec(), completing };
    let mut files: Vec<Savefile> = named("read").chain(operands).map(|path| savefile(path, false)).collect();
    files.extend(named("finish").map(|path| savefile(path, true)));
    if !files.is_empty() {
        return Input::Savefiles(files);
    }
    Input::Live {
        interface: text(matches, "interface"),
        promiscuous: !matches.get_flag("no-promiscuous"),
        buffer_size: set.buffer_size,
        packet_buffer_timeout: set.packet_buffer_timeout,
    }
}

fn expression(matches: &ArgMatches) -> Option<String> {
    if matches.get_flag("files") {
        return None;
    }
    let words = matches.get_many::<OsString>("operands")?.map(|word| word.to_string_lossy());
    Some(words.collect::<Vec<_>>().join(" "))
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

fn sandbox(matches: &ArgMatches) -> SandboxMode {
    match text(matches, "sandbox").as_deref() {
        Some("best-effort") => SandboxMode::BestEffort,
        Some("off") => SandboxMode::Off,
        Some(_) | None => SandboxMode::Require,
    }
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
