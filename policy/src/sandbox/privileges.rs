//! Privileges: users, groups, capabilities, and the ties to the parent process.

use caps::CapSet;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Pid, Uid, getppid, setgroups, setresgid, setresuid};
use proto::plan::Identity;

use crate::manifest::Role;
use crate::sys;

/// Becomes `identity`, if any, and gives up every capability in every set.
pub fn drop_to(identity: Option<Identity>) -> Result<String, String> {
    let Some(Identity { uid, gid }) = identity else { return shed(|| Ok(())) };
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    setgroups(&[]).map_err(|e| format!("setgroups: {e}"))?;
    setresgid(gid, gid, gid).map_err(|e| format!("setresgid: {e}"))?;
    shed(|| setresuid(uid, uid, uid).map_err(|e| format!("setresuid: {e}")))
}

/// The same for `tcpflow` itself, which `change`s its user in a way of its own.
pub fn relinquish(change: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    shed(change)?;
    hide().map_err(|e| format!("no core, no tracer: {e}"))?;
    no_new_privs().map(drop).map_err(|e| format!("no_new_privs: {e}"))
}

/// Empties every capability set around a change of user, which needs some of them.
fn shed(change: impl FnOnce() -> Result<(), String>) -> Result<String, String> {
    let bounded = lock_securebits_and_bounding_set()?;
    change()?;
    for set in [CapSet::Effective, CapSet::Inheritable, CapSet::Permitted] {
        caps::clear(None, set).map_err(|e| format!("{set:?} capabilities: {e}"))?;
    }
    Ok(if bounded { "no capability in any set" } else { "no capability, bounding set as it was" }.into())
}

/// Whether the bounding set could be emptied; an ordinary user has no capability to do it with.
fn lock_securebits_and_bounding_set() -> Result<bool, String> {
    let able = caps::has_cap(None, CapSet::Effective, caps::Capability::CAP_SETPCAP)
        .map_err(|e| format!("capabilities: {e}"))?;
    if able {
        sys::lock_securebits().map_err(|e| format!("securebits: {e}"))?;
        caps::clear(None, CapSet::Bounding).map_err(|e| format!("bounding set: {e}"))?;
    }
    caps::clear(None, CapSet::Ambient).map_err(|e| format!("ambient set: {e}"))?;
    Ok(able)
}

/// Ties this process to its parent: it is killed when the parent ends, however that comes about.
///
/// After the change of user, which clears the setting. A parent that ended before is seen by its number.
///
/// One that runs programs is told by a signal that it can handle, for it has those to end first.
pub fn tie_to(parent: Pid, role: Role) -> Result<String, String> {
    let signal = if role.runs_programs() { Signal::SIGTERM } else { Signal::SIGKILL };
    prctl::set_pdeathsig(signal).map_err(|e| e.to_string())?;
    if getppid() == parent { Ok(signal.to_string()) } else { Err("tcpflow is gone already".into()) }
}

/// Lets no one of the same user trace this process or read its memory, and leaves no core.
pub fn hide() -> Result<(), String> {
    prctl::set_dumpable(false).map_err(|e| e.to_string())?;
    #[cfg(sanitized)]
    sys::sanitizer::look_for_no_leaks();
    Ok(())
}

/// No later exec, not that any is allowed, could gain a privilege.
pub fn no_new_privs() -> Result<String, String> {
    prctl::set_no_new_privs().map_err(|e| format!("prctl: {e}"))?;
    Ok(String::new())
}

/// Puts standard output, which leads nowhere, in the place of standard error: what a role has to say goes over
/// its control channel, where `tcpflow` takes escapes out.
pub fn silence() -> Result<String, String> {
    sys::standard_error_to_output().map_err(|e| e.to_string())?;
    Ok("the control channel speaks".into())
}
