//! The command: from a command line to confined processes, and to an exit status.

mod arrival;
mod attest;
mod cli;
mod config;
mod counters;
mod error;
mod identity;
mod interfaces;
mod launch;
mod metrics;
mod nothing;
mod output;
mod plans;
mod process;
mod programs;
mod progress;
mod rotation;
mod service;
mod settings;
mod signals;
mod supervise;
mod sys;
mod tell;

use std::process::ExitCode;

use cli::Request;
use error::Error;
use identity::Identities;
use metrics::Metrics;
use proto::control::Level;
use service::Service;
use settings::Settings;
use signals::{Caught, Signals};

/// The program's name, for what goes wrong before the command line has given another.
const NAME: &str = "tcpflow";

/// Runs tcpflow and gives its exit status: 0 if all went well, 1 if something failed, 2 for a command line
/// that cannot be understood.
pub fn run() -> ExitCode {
    let (name, outcome) = match cli::parse(std::env::args_os(), config::read) {
        Ok(Request::Run(settings)) => (settings.name.clone(), follow(&settings)),
        Ok(Request::ListInterfaces) => {
            let listed = interfaces::list().and_then(|text| tell::out(&text));
            (NAME.into(), listed)
        }
        Ok(Request::Show(text)) => (NAME.into(), tell::out(&text)),
        Err(error) => (NAME.into(), Err(error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(line) = error.line(&name) {
                tell::error(&line);
            }
            ExitCode::from(error.status())
        }
    }
}

/// One whole run.
fn follow(settings: &Settings) -> Result<(), Error> {
    for remark in &settings.remarks {
        tell::line(remark);
    }
    sys::settle_signals().map_err(Error::Signals)?;
    sys::close_on_exec_from_3().map_err(Error::Descriptors)?;
    let inherited = programs::Descriptors::inherited(&settings.programs)?;
    let signals =
        Caught { end: Signals::that_end()?, ask: Signals::that_ask()?, rotate: Signals::that_rotate()? };
    let mut service = Service::from_environment(settings);
    if !arrival::wait(settings, &signals, &mut service)? {
        return Ok(());
    }
    let identities = Identities::of(settings)?;
    let mut places = output::prepare(settings, &identities)?;
    let _lock = output::lock(settings, &places)?;
    tell::at(Level::Detail, concat!("TCPFLOW version ", env!("CARGO_PKG_VERSION")), settings);
    // Whose the output directory is may have changed whom the writer becomes.
    let identities = Identities { writer: places.writer, ..identities };
    let (read, metrics) = (places.have_readers(), places.metrics.take());
    let mut roles = launch::start(settings, &identities, places, inherited)?;
    let metrics = match begin(&mut roles, settings, &identities, metrics) {
        Ok(metrics) => metrics,
        Err(error) => {
            roles.dismiss();
            return Err(error);
        }
    };
    supervise::until_the_end(roles, &signals, settings, (service, read, metrics))
}

/// Sees that every role is confined, gives up what is left of privilege, and gives the word to start. Metrics are
/// written for the first time before that, as they will be later.
fn begin(
    roles: &mut launch::Roles,
    settings: &Settings,
    identities: &Identities,
    metrics: Option<metrics::Place>,
) -> Result<Option<Metrics>, Error> {
    let states = attest::all(roles, settings, identities)?;
    identity::relinquish(identities)?;
    if settings.sandbox_report {
        tell::out(&attest::json(&states))?;
    }
    let named = roles.named();
    let metrics = metrics.map(|place| Metrics::begin(place, settings, &named)).transpose()?;
    roles.begin(&states)?;
    Ok(metrics)
}
