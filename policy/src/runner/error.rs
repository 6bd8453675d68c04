//! Why the runner's work cannot go on. What concerns one command or one call only is told and counted.

use proto::Breach;

/// Ends the run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The control or a data channel failed.
    #[error(transparent)]
    Channel(#[from] policy::channel::Error),
    /// The sandbox could not be entered.
    #[error(transparent)]
    Sandbox(#[from] policy::sandbox::Error),
    /// The plan is another role's.
    #[error("the plan is for another process")]
    Plan,
    /// The kernel refused something that has to be.
    #[error("{0}: {1}")]
    System(&'static str, std::io::Error),
    /// The plugin cannot be had.
    #[error("-e python: {0}")]
    Python(String),
}

impl From<Breach> for Error {
    fn from(breach: Breach) -> Self {
        Self::Channel(breach.into())
    }
}
