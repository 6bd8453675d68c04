//! The runner's work, from the plan to the last word.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use policy::channel::{self, Receiver, Sender};
use policy::manifest::{BODY_ALERTS, COMMAND_ERRORS, COMMAND_OUTPUT, DATA_IN, DATA_OUT, FLOW_ALERTS, OUTPUT};
use policy::role::{Control, Done};
use policy::{Role, descendants, sandbox};
use proto::plan::{Plan, PythonPlan, RunnerPlan};
use signal_hook::consts::{SIGCHLD, SIGTERM};

use super::capture::set_nonblocking;
use super::command::Commands;
use super::driver::Recipe;
use super::error::Error;
use super::outlet::Outlet;
use super::python::Python;
use super::watch::{Outlets, Watch};

/// How long a reader of alerts may take none.
const ALERT_PATIENCE: Duration = Duration::from_secs(10);
/// How long a reader of what commands print may take none: it may be someone with a pager.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(60);

/// Takes what the plan names, gives up what programs are not to have, and runs them until there is nothing
/// left to run them on.
pub fn run(control: &Control) -> Result<Done, Error> {
    let (Plan::Runner(plan), _) = control.plan()? else { return Err(Error::Plan) };
    let messages = Receiver::adopt(DATA_IN)?;
    let outlets = outlets(&plan)?;
    let (wake, woken) = UnixStream::pair().map_err(|e| Error::System("socket", e))?;
    for signal in [SIGCHLD, SIGTERM] {
        let end = woken.try_clone().map_err(|e| Error::System("socket", e))?;
        signal_hook::low_level::pipe::register(signal, end).map_err(|e| Error::System("signals", e))?;
    }
    drop(woken);
    wake.set_nonblocking(true).map_err(|e| Error::System("socket", e))?;
    // A session of its own has no terminal, which programs could put words into.
    nix::unistd::setsid().map_err(|e| Error::System("setsid", e.into()))?;
    descendants::adopt_orphans().map_err(|e| Error::System("prctl", e.into()))?;
    let answers = plan.python.is_some().then(|| Sender::adopt(DATA_OUT)).transpose()?;
    if let Some(answers) = &answers {
        set_nonblocking(answers).map_err(|e| Error::System("fcntl", e.into()))?;
    }
    let directory = plan.python.is_some().then(|| policy::adopt(OUTPUT)).transpose();
    let directory = directory.map_err(|e| channel::Error::Missing(OUTPUT, e))?;

    let layers = sandbox::enter(Role::Runner, &plan.confinement, None)?;
    let python = match (&plan.python, directory) {
        (Some(python), Some(directory)) => Some(loaded(&plan, python, directory)?),
        (Some(_) | None, _) => None,
    };
    let mut watch = Watch::new(control, messages, wake, Commands::new(&plan), outlets, python, answers);
    let ended = match control.ready(layers) {
        Ok(_) => watch.until_the_end(),
        Err(channel::Error::Gone) => Ok(()),
        Err(e) => Err(e.into()),
    };
    descendants::end_all();
    ended.map(|()| Done::Fully)
}

fn outlets(plan: &RunnerPlan) -> Result<Outlets, Error> {
    let adopt =
        |wanted: bool, fd, name, patience| wanted.then(|| Outlet::adopt(fd, name, patience)).transpose();
    Ok(Outlets {
        flows: adopt(plan.flow_alerts, FLOW_ALERTS, "tcp_alert_fd", ALERT_PATIENCE)?,
        bodies: adopt(plan.body_alerts, BODY_ALERTS, "http_alert_fd", ALERT_PATIENCE)?,
        output: adopt(plan.pass_output, COMMAND_OUTPUT, "standard output of commands", OUTPUT_PATIENCE)?,
        errors: adopt(plan.pass_output, COMMAND_ERRORS, "standard error of commands", OUTPUT_PATIENCE)?,
    })
}

/// A plugin whose function was found: one that is not there ends the run before it begins.
fn loaded(plan: &RunnerPlan, python: &PythonPlan, directory: std::os::fd::OwnedFd) -> Result<Python, Error> {
    let path = plan.environment.iter().find(|(name, _)| name == b"PATH");
    let path = path.map(|(_, value)| OsStr::from_bytes(value));
    let recipe = Recipe::new(python, plan.confinement.mode, path).map_err(Error::Python)?;
    let mut loading = Python::new(python.clone(), plan.prefix.clone(), recipe, directory);
    loading.start().map_err(Error::Python)?;
    let named = |why| {
        let plugin = &python.plugin;
        Error::Python(format!("{}.{} in {}: {why}", plugin.module, plugin.function, plugin.path))
    };
    while !loading.is_loaded(Instant::now()).map_err(named)? {
        let Some(process) = loading.process() else { continue };
        let pipes = [process.answers.pipe(), process.printed.pipe()];
        let mut fds: Vec<PollFd<'_>> =
            pipes.into_iter().flatten().map(|pipe| PollFd::new(pipe, PollFlags::POLLIN)).collect();
        // Interrupted or not, the deadline is looked at again.
        let _ = poll(&mut fds, PollTimeout::from(100_u8));
    }
    Ok(loading)
}
