//! The one door into confinement: [`enter`]. The order of its steps is the order in which a role gives
//! things up, and each step is a file of its own here.

mod filesystem;
mod landlock;
mod limits;
mod namespaces;
pub mod plugin;
mod privileges;
mod seccomp;

use std::os::fd::RawFd;

use proto::control::Layer;
use proto::plan::{Confinement, SandboxMode};
use proto::text::Text;

use crate::manifest::Role;
use crate::sys;

pub use privileges::relinquish;

/// The layer that comes last, see [`hide`].
const HIDDEN: &str = "no core, no tracer";

/// Why a role could not be confined.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A layer that is required cannot be had.
    #[error("cannot enter the sandbox: {layer}: {reason}")]
    Layer {
        /// Which.
        layer: &'static str,
        /// Why not.
        reason: String,
    },
}

impl Error {
    fn layer(layer: &'static str, reason: impl ToString) -> Self {
        Self::Layer { layer, reason: reason.to_string() }
    }
}

/// Lets no one of the same user trace this process or read its memory, and leaves no core. To be called with the word
/// to start and not before: `tcpflow` first looks at this process in /proc, where it could not see it any more if
/// it is no more than another user and /proc shows to each only what is his (`hidepid`).
pub fn hide() -> Result<(), Error> {
    privileges::hide().map_err(|e| Error::layer(HIDDEN, e))
}

/// Gives up everything that `role` does not need, for good. Must be called while the process has one
/// thread (capabilities are per thread); descriptors that are open stay open.
///
/// A role that runs programs keeps the namespaces and files of its user, and only gives up privileges and the
/// calls of its list: the programs inherit whatever it is confined by.
///
/// `packet` is the packet socket of a live capture, which its system-call policy names.
pub fn enter(role: Role, confinement: &Confinement, packet: Option<RawFd>) -> Result<Vec<Layer>, Error> {
    give_up(role, confinement, packet, || {})
}

/// The same for a role that has threads. `begin` begins them when all is given up that a thread inherits from
/// the one that began it; it must wait until they are where they call the kernel for their work only. The calls
/// by which threads are made are on no list.
pub fn enter_with_threads(
    role: Role,
    confinement: &Confinement,
    begin: impl FnOnce(),
) -> Result<Vec<Layer>, Error> {
    give_up(role, confinement, None, begin)
}

fn give_up(
    role: Role,
    confinement: &Confinement,
    packet: Option<RawFd>,
    begin_threads: impl FnOnce(),
) -> Result<Vec<Layer>, Error> {
    #[cfg(sanitized)]
    sys::sanitizer::prepare_for_confinement();
    let parent = nix::unistd::getppid();
    let mut entered = Entered { mode: confinement.mode, layers: Vec::new() };
    let enclosed = confinement.mode != SandboxMode::Off && !role.runs_programs();
    if enclosed {
        filesystem::stand_in_output(role).map_err(|e| Error::layer("output directory", e))?;
        let unshared = entered.optional("namespaces", namespaces::unshare(confinement.identity))?;
        if unshared {
            let root = filesystem::replace_root(role);
            entered.optional("empty root", root)?;
        }
    }
    entered.privilege("privileges", privileges::drop_to(confinement.identity))?;
    entered.privilege("parent death signal", privileges::tie_to(parent, role))?;
    entered.note(HIDDEN, Ok("with the word to start".into()));
    entered.privilege("silent standard error", privileges::silence())?;
    if confinement.mode != SandboxMode::Off {
        entered.required("no_new_privs", privileges::no_new_privs())?;
        if enclosed {
            let denied = sys::deny_write_execute().map_err(|e| e.to_string());
            entered.optional("memory-deny-write-execute", denied)?;
            entered.required("landlock", landlock::restrict(role))?;
        }
    }
    begin_threads();
    if confinement.mode != SandboxMode::Off {
        // After the last descriptor was opened: the limit on those may be none at all.
        entered.required("resource limits", limits::set(role, confinement.limits))?;
        entered.required("seccomp", seccomp::load(role, packet))?;
    }
    Ok(entered.layers)
}

/// The layers entered so far, and what to do about those that cannot be.
struct Entered {
    mode: SandboxMode,
    layers: Vec<Layer>,
}

/// What a step says: what is known of the layer that is now in force, or why it is not.
type Step = Result<String, String>;

impl Entered {
    /// A layer that ends the run when missing, unless the user asked for best effort.
    fn required(&mut self, name: &'static str, step: Step) -> Result<(), Error> {
        match step {
            Err(reason) if self.mode.requires() => Err(Error::layer(name, reason)),
            step => {
                self.note(name, step);
                Ok(())
            }
        }
    }

    /// A layer that not every system allows; whether it is in force. It ends the run when missing only where
    /// the user asked for every layer.
    fn optional(&mut self, name: &'static str, step: Step) -> Result<bool, Error> {
        match step {
            Err(reason) if self.mode == SandboxMode::Strict => Err(Error::layer(name, reason)),
            step => {
                let in_force = step.is_ok();
                self.note(name, step);
                Ok(in_force)
            }
        }
    }

    /// Dropping privileges is no matter of effort: it is done whatever the mode.
    fn privilege(&mut self, name: &'static str, step: Step) -> Result<(), Error> {
        match step {
            Ok(detail) => {
                self.note(name, Ok(detail));
                Ok(())
            }
            Err(reason) => Err(Error::layer(name, reason)),
        }
    }

    fn note(&mut self, name: &'static str, step: Step) {
        let in_force = step.is_ok();
        let (Ok(detail) | Err(detail)) = step;
        self.layers.push(Layer { name: Text::cut(name), in_force, detail: Text::cut(&detail) });
    }
}
