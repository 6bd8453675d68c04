//! The runner's share of a run: the descriptors that the user named, the environment of his programs, its
//! plan, and what the writer is to tell it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{stderr, stdout};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::fstat;
use nix::unistd::{Uid, User, getuid};
use policy::manifest;
use proto::plan::{Confinement, Limits, Notify, RunnerPlan, Told, Variable};

use super::error::Error;
use super::output::{Places, name_in_report};
use super::service;
use super::settings::{Programs, Settings};

/// The most that the environment may take of a message, in bytes.
const MAX_ENVIRONMENT: usize = 64 * 1024;
/// Where programs are looked for by one who is not the user that started tcpflow.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// What holds for whoever runs programs at this terminal.
const SHARED: [&str; 4] = ["LANG", "LANGUAGE", "TERM", "TZ"];
/// What the writer waits for an answer beyond all that an answer may take.
const SLACK: Duration = Duration::from_secs(30);

/// Descriptors of the user's that go to the runner.
#[derive(Debug, Default)]
pub struct Descriptors {
    flow_alerts: Option<OwnedFd>,
    body_alerts: Option<OwnedFd>,
}

impl Descriptors {
    /// Takes those that `-S` names. To be called before anything is opened: its number could be one of these.
    pub fn inherited(programs: &Programs) -> Result<Self, Error> {
        let take = |name, number: Option<RawFd>| number.map(|number| inherited(name, number)).transpose();
        Ok(Self {
            flow_alerts: take("tcp_alert_fd", programs.flow_alerts)?,
            body_alerts: take("http_alert_fd", programs.body_alerts)?,
        })
    }

    /// Each with its number in the runner; with `output` what commands print goes where tcpflow's own goes.
    pub fn for_the_runner(self, output: bool) -> std::io::Result<Vec<(OwnedFd, RawFd)>> {
        let mut all = Vec::new();
        all.extend(self.flow_alerts.map(|fd| (fd, manifest::FLOW_ALERTS)));
        all.extend(self.body_alerts.map(|fd| (fd, manifest::BODY_ALERTS)));
        if output {
            all.push((stdout().as_fd().try_clone_to_owned()?, manifest::COMMAND_OUTPUT));
            all.push((stderr().as_fd().try_clone_to_owned()?, manifest::COMMAND_ERRORS));
        }
        Ok(all)
    }
}

fn inherited(name: &str, number: RawFd) -> Result<OwnedFd, Error> {
    let refused = |why: &dyn std::fmt::Display| Error::Told(format!("-S {name}={number}: {why}"));
    let fd = policy::duplicate(number).map_err(|_| refused(&"no such descriptor is open"))?;
    let flags = fcntl(&fd, FcntlArg::F_GETFL).map(OFlag::from_bits_retain).map_err(|e| refused(&e.desc()))?;
    if flags & OFlag::O_ACCMODE == OFlag::O_RDONLY || flags.contains(OFlag::O_PATH) {
        return Err(refused(&"is not open for writing"));
    }
    Ok(fd)
}

/// The runner's plan.
pub fn plan(settings: &Settings, places: &Places) -> Result<RunnerPlan, Error> {
    let programs = &settings.programs;
    let limits = Limits { address_space: None, open_files: None, file_size: None };
    Ok(RunnerPlan {
        confinement: Confinement { mode: settings.sandbox, identity: places.writer, limits },
        prefix: prefix(settings),
        flow_command: programs.flow_command.clone(),
        body_command: programs.body_command.clone(),
        command_timeout: programs.command_timeout,
        flow_alerts: programs.flow_alerts.is_some(),
        body_alerts: programs.body_alerts.is_some(),
        pass_output: passes_output(settings, places),
        environment: environment(settings, places)?,
        python: programs.python.clone(),
    })
}

/// Whether what commands print may go where tcpflow's own output goes: not into the middle of flows or of a
/// report there.
pub fn passes_output(settings: &Settings, places: &Places) -> bool {
    let events = places.events.as_ref().map(|events| &events.file);
    let ours = [places.report.as_ref(), places.unprocessed.as_ref(), events];
    settings.console.is_none() && !ours.into_iter().flatten().any(is_standard_stream)
}

fn is_standard_stream(file: &File) -> bool {
    let identity = |fd: &dyn Fn() -> nix::Result<nix::sys::stat::FileStat>| {
        fd().ok().map(|status| (status.st_dev, status.st_ino))
    };
    let this = identity(&|| fstat(file));
    this.is_some() && (this == identity(&|| fstat(stdout())) || this == identity(&|| fstat(stderr())))
}

/// What the writer tells the runner.
pub fn notify(programs: &Programs) -> Option<Notify> {
    let told = |command: bool, alerts: bool| Told { opened: alerts, finished: alerts || command };
    let flow_command = programs.flow_command.is_some() || programs.python.is_some();
    programs.any().then(|| Notify {
        flows: told(flow_command, programs.flow_alerts.is_some()),
        bodies: told(programs.body_command.is_some(), programs.body_alerts.is_some()),
        plugin: programs.python.as_ref().map(|python| python.plugin.clone()),
    })
}

/// How long the writer waits for the plugin's next answer: it may stand behind another call, the start of a
/// process, and a command that has to end first. None: for ever, as long as the runner is there.
pub fn patience(programs: &Programs) -> Option<Duration> {
    let commands = programs.flow_command.is_some() || programs.body_command.is_some();
    if commands && programs.command_timeout == 0 {
        return None;
    }
    let python = programs.python.as_ref().map_or(0, |python| python.timeout.saturating_mul(3));
    let command = if commands { programs.command_timeout } else { 0 };
    Duration::from_secs(python.saturating_add(command)).checked_add(SLACK)
}

/// What stands before names, so that a program that stands where tcpflow was started finds the file.
fn prefix(settings: &Settings) -> Vec<u8> {
    let output = name_in_report(settings);
    let base = settings.chroot.as_ref().map(|base| [base.as_os_str().as_bytes(), b"/"].concat());
    match (base, output.as_slice()) {
        (None, b".") => Vec::new(),
        (base, output) => [base.unwrap_or_default().as_slice(), output, b"/"].concat(),
    }
}

/// The environment of the user's programs: his own, or where they run as another user a clean one of that user.
fn environment(settings: &Settings, places: &Places) -> Result<Vec<Variable>, Error> {
    let mut variables: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    variables.retain(|name, _| !service::VARIABLES.iter().any(|own| name == own));
    let another = places.writer.filter(|writer| writer.uid != getuid().as_raw());
    if let Some(writer) = another.or(places.writer.filter(|_| settings.user.is_some())) {
        variables.retain(|name, _| {
            SHARED.iter().any(|shared| name == shared) || name.as_bytes().starts_with(b"LC_")
        });
        variables.insert("PATH".into(), PATH.into());
        if let Ok(Some(user)) = User::from_uid(Uid::from_raw(writer.uid)) {
            variables.insert("HOME".into(), user.dir.into());
            variables.insert("SHELL".into(), user.shell.into());
            variables.insert("USER".into(), user.name.clone().into());
            variables.insert("LOGNAME".into(), user.name.into());
        }
    }
    let size: usize = variables.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
    if size > MAX_ENVIRONMENT {
        return Err(Error::Told(format!(
            "the environment takes {size} bytes, more than the {MAX_ENVIRONMENT} that can be given to commands"
        )));
    }
    Ok(variables.into_iter().map(|(name, value)| (name.into_vec(), value.into_vec())).collect())
}
