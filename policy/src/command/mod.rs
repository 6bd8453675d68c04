//! The command: from a command line to three confined processes, and to an exit status.

mod attest;
mod cli;
mod error;
mod identity;
mod interfaces;
mod launch;
mod output;
mod plans;
mod process;
mod settings;
mod signals;
mod supervise;
mod sys;
mod tell;

use std::process::ExitCode;

use cli::Request;
use error::Error;
use proto::control::Level;
use proto::plan::Identity;
use settings::Settings;

/// Runs tcpflow and gives its exit status: 0 if all went well, 1 if something failed, 2 for a command line
/// that cannot be understood.
pub fn run() -> ExitCode {
    let outcome = match cli::parse(std::env::args_os()) {
        Ok(Request::Run(settings)) => follow(&settings),
        Ok(Request::ListInterfaces) => {
            interfaces::list().and_then(|text| tell::out(&text).map_err(Error::Output))
        }
        Ok(Request::Show(text)) => tell::out(&text).map_err(Error::Output),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(line) = error.line() {
                tell::line(&line);
            }
            ExitCode::from(error.status())
        }
    }
}

/// One whole run.
fn follow(settings: &Settings) -> Result<(), Error> {
    sys::close_on_exec_from_3().map_err(Error::Descriptors)?;
    let signals = signals::Signals::catch()?;
    let identities = identity::Identities::of(settings)?;
    let places = output::prepare(settings, &identities)?;
    tell::at(Level::Detail, concat!("TCPFLOW version ", env!("CARGO_PKG_VERSION")), settings);
    let writer = places.writer;
    let mut roles = launch::start(settings, &identities, places)?;
    let begun = begin(&mut roles, settings, &identities, writer);
    if let Err(error) = begun {
        roles.dismiss();
        return Err(error);
    }
    supervise::until_the_end(roles, &signals, settings)
}

/// Sees that every role is confined, gives up what is left of privilege, and gives the word to start.
fn begin(
    roles: &mut launch::Roles,
    settings: &Settings,
    identities: &identity::Identities,
    writer: Option<Identity>,
) -> Result<(), Error> {
    let states = attest::all(roles, settings)?;
    identity::relinquish(identities, writer)?;
    if settings.sandbox_report {
        tell::out(&attest::json(&states)).map_err(Error::Output)?;
    }
    roles.begin(&states)
}
