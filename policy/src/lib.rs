//! What each process of tcpflow is and may do.
//!
//! A role calls [`role::main`], reads its plan, takes what the plan names, passes through the one narrow
//! door [`sandbox::enter`], and then speaks over its [`channel`]s only. `tcpflow` itself, the command that
//! starts the roles and watches over them, is this crate's binary.

pub mod beneath;
pub mod channel;
pub mod descendants;
pub mod manifest;
pub mod ring;
pub mod role;
pub mod sandbox;

mod clock;
mod sys;

/// Whether this build has the address sanitizer in it, and for its sake a few calls on each list and no limit on the
/// address space: one for tests (`build.rs`).
pub const SANITIZED: bool = cfg!(sanitized);

pub use clock::now;
pub use manifest::Role;
pub use sys::{adopt, duplicate};
