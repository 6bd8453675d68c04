//! What the runner is to run: settings that need each other, and what they need of the rest of the line.

use proto::limits::MAX_ARGUMENT;
use proto::plan::{Plugin, PythonPlan};
use proto::text::Text;

use super::super::error::Error;
use super::super::settings::Programs;
use super::scanner::{Scanner, Scanners};
use super::set::Set;

/// The programs that the settings ask for. A setting that could do nothing is refused.
pub fn read(set: &Set, scanners: &Scanners, store: bool, report: bool) -> Result<Programs, Error> {
    let programs = Programs { python: python(set, scanners)?, ..set.programs.clone() };
    let told = |text: &str| Err(Error::Told(text.to_owned()));
    if programs.of_flows() && !(store && scanners.runs(Scanner::Tcpdemux)) {
        return told("-S tcp_cmd, -S tcp_alert_fd and -e python need flow files, and this run makes none");
    }
    if programs.of_bodies() && !scanners.runs(Scanner::Http) {
        return told("-S http_cmd and -S http_alert_fd need -e http");
    }
    if programs.python.is_some() && !report {
        return told("-e python puts its results into the report, and this run makes none");
    }
    let commands = [&programs.flow_command, &programs.body_command];
    if commands.into_iter().flatten().any(|command| command.len() > MAX_ARGUMENT / 2) {
        return told("-S tcp_cmd, -S http_cmd: the command is too long");
    }
    Ok(programs)
}

fn python(set: &Set, scanners: &Scanners) -> Result<Option<PythonPlan>, Error> {
    let python = &set.python;
    let names = [("py_path", &python.path), ("py_module", &python.module), ("py_function", &python.function)];
    let any = names.iter().any(|(_, value)| value.is_some());
    if !scanners.runs(Scanner::Python) || !(scanners.asks_for(Scanner::Python) || any) {
        return Ok(None);
    }
    let lacking: Vec<String> =
        names.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| format!("-S {name}=")).collect();
    let [(_, Some(path)), (_, Some(module)), (_, Some(function))] = names else {
        return Err(Error::Told(format!("-e python needs {}", lacking.join(", "))));
    };
    let plugin = Plugin { path: Text::cut(path), module: Text::cut(module), function: Text::cut(function) };
    Ok(Some(PythonPlan {
        plugin,
        timeout: python.timeout,
        cpu: python.cpu,
        memory: python.memory << 20,
        max_bytes: python.max_bytes,
    }))
}
