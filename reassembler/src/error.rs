//! Why the reassembler cannot go on.

use proto::Breach;

/// Why the reassembler cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A channel failed.
    #[error(transparent)]
    Channel(#[from] policy::channel::Error),
    /// The process could not be confined.
    #[error(transparent)]
    Sandbox(#[from] policy::sandbox::Error),
    /// The capture process broke the protocol.
    #[error("protocol breach by tcpflow-capture: {0}")]
    Breach(#[from] Breach),
    /// The capture process is gone and gave no reason.
    #[error("tcpflow-capture ended without saying why")]
    CaptureVanished,
    /// The sums do not add up: something was counted twice or not at all.
    #[error("internal error: {what}: {came} came in, {left} are accounted for")]
    Conservation {
        /// What was counted.
        what: &'static str,
        /// How many came.
        came: u64,
        /// How many were sent on or set aside.
        left: u64,
    },
}
