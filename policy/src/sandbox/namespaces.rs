//! Namespaces: unshare(2), with a user namespace of its own where the process is not root.

use std::fs;

use nix::sched::{CloneFlags, unshare as unshare_flags};
use nix::unistd::{getegid, geteuid};
use proto::plan::Identity;

/// Leaves the mount, network, IPC, host name and control group namespaces that the user lives in.
///
/// Root has the capability for it; anyone else enters a user namespace first, in which he keeps his
/// own number, so that files he makes are his. Where the system forbids those, this layer is missing.
pub fn unshare(identity: Option<Identity>) -> Result<String, String> {
    let flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    if identity.is_some() {
        unshare_flags(flags).map_err(|e| format!("unshare: {e}"))?;
        return Ok("mount, network, ipc, uts, cgroup".into());
    }
    let (uid, gid) = (geteuid(), getegid());
    unshare_flags(CloneFlags::CLONE_NEWUSER | flags).map_err(|e| format!("unshare: {e}"))?;
    map("setgroups", "deny")?;
    map("uid_map", &format!("{uid} {uid} 1"))?;
    map("gid_map", &format!("{gid} {gid} 1"))?;
    Ok("user, mount, network, ipc, uts, cgroup".into())
}

fn map(file: &str, line: &str) -> Result<(), String> {
    fs::write(format!("/proc/self/{file}"), line).map_err(|e| format!("{file}: {e}"))
}
