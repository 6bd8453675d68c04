//! Why capture could not be done at all.

use nix::errno::Errno;
use policy::{channel, sandbox};

/// Why this process cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A channel failed.
    #[error(transparent)]
    Channel(#[from] channel::Error),
    /// Confinement failed.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    /// The plan is for another role.
    #[error("a plan for another role came")]
    WrongPlan,
    /// The filter expression does not compile; libpcap's words.
    #[error("{0}")]
    Filter(String),
    /// The interface cannot be opened; libpcap's words.
    #[error("{0}")]
    Interface(String),
    /// Waiting for input failed.
    #[error("cannot wait for input: {0}")]
    Poll(Errno),
}
