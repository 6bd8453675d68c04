//! Why a run failed, in tcpflow's words where it has words.

use proto::Breach;

use super::cli::options::USAGE;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line cannot be understood; why.
    #[error("{0}")]
    Usage(String),
    /// A configuration file cannot be.
    #[error("{place}: {why}")]
    Configuration {
        /// Its name, and the number of the line.
        place: String,
        /// Why not.
        why: String,
    },
    /// An option has a value that cannot be; tcpflow says so without its name before it.
    #[error("{0}")]
    Plain(String),
    /// Something that cannot be done.
    #[error("{0}")]
    Told(String),
    /// A user that does not exist.
    #[error("Couldn't find user '{0}'")]
    User(String),
    /// Descriptors that were inherited could not be put in order.
    #[error("inherited descriptors: {0}")]
    Descriptors(std::io::Error),
    /// Standard output failed.
    #[error("standard output: {0}")]
    Output(std::io::Error),
    /// There is none.
    #[error("standard output is closed")]
    NoOutput,
    /// Signals could not be caught.
    #[error("signals: {0}")]
    Signals(std::io::Error),
    /// A role could not be started.
    #[error("cannot start {role}: {reason}")]
    Start {
        /// Its name.
        role: String,
        /// Why not.
        reason: String,
    },
    /// A role is not confined as it has to be.
    #[error("{role} is not confined: {layer}: {seen}")]
    Unconfined {
        /// Its name.
        role: String,
        /// What is missing.
        layer: &'static str,
        /// What was seen instead.
        seen: String,
    },
    /// A role said something it had no business to say.
    #[error("{role}: protocol breach: {breach}")]
    Breach {
        /// Its name.
        role: String,
        /// What it said.
        breach: Breach,
    },
    /// The interface that the run waited for is not there any more.
    #[error("{0} went away")]
    Gone(String),
    /// The user was told already, as it happened.
    #[error("")]
    AlreadyTold,
}

impl Error {
    /// The line to show, if there is one left to show, from a program that is called `name`.
    pub fn line(&self, name: &str) -> Option<String> {
        match self {
            Self::AlreadyTold => None,
            Self::Plain(text) => Some(text.clone()),
            Self::Usage(why) => Some(format!("tcpflow: {why}\nUsage: {USAGE}; more with -h")),
            Self::Configuration { .. }
            | Self::Gone(_)
            | Self::Told(_)
            | Self::User(_)
            | Self::Descriptors(_)
            | Self::Output(_)
            | Self::NoOutput
            | Self::Signals(_)
            | Self::Start { .. }
            | Self::Unconfined { .. }
            | Self::Breach { .. } => Some(format!("{name}: {self}")),
        }
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        if matches!(self, Self::Usage(_) | Self::Configuration { .. }) {
            return 2;
        }
        // EX_TEMPFAIL of sysexits(3).
        if matches!(self, Self::Gone(_)) { 75 } else { 1 }
    }
}
