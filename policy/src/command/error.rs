//! Why a run failed, in tcpflow's words where it has words.

use proto::Breach;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line cannot be understood; the text says it all, usage included.
    #[error("{0}")]
    Usage(String),
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
    /// Signals could not be caught.
    #[error("signals: {0}")]
    Signals(std::io::Error),
    /// A role could not be started.
    #[error("cannot start {role}: {reason}")]
    Start {
        /// Its executable.
        role: &'static str,
        /// Why not.
        reason: String,
    },
    /// A role is not confined as it has to be.
    #[error("{role} is not confined: {layer}: {seen}")]
    Unconfined {
        /// Its executable.
        role: &'static str,
        /// What is missing.
        layer: &'static str,
        /// What was seen instead.
        seen: String,
    },
    /// A role said something it had no business to say.
    #[error("{role}: protocol breach: {breach}")]
    Breach {
        /// Its executable.
        role: &'static str,
        /// What it said.
        breach: Breach,
    },
    /// The user was told already, as it happened.
    #[error("")]
    AlreadyTold,
}

impl Error {
    /// The line to show, if there is one left to show, from a program that is called `name`.
    pub fn line(&self, name: &str) -> Option<String> {
        match self {
            Self::AlreadyTold => None,
            Self::Usage(text) | Self::Plain(text) => Some(text.clone()),
            Self::Told(_)
            | Self::User(_)
            | Self::Descriptors(_)
            | Self::Output(_)
            | Self::Signals(_)
            | Self::Start { .. }
            | Self::Unconfined { .. }
            | Self::Breach { .. } => Some(format!("{name}: {self}")),
        }
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        if matches!(self, Self::Usage(_)) { 2 } else { 1 }
    }
}
