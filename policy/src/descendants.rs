//! All processes that descend from this one, found in /proc and ended.
//!
//! A process that leaves its process group or session stays a descendant, because this one is made the
//! reaper of what its children leave behind.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

/// How long to go on ending what does not end, or what makes more of itself.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often to look again.
const PAUSE: Duration = Duration::from_millis(2);

/// Makes this process the parent of what its children leave behind.
pub fn adopt_orphans() -> Result<(), Errno> {
    prctl::set_child_subreaper(true)
}

/// Ends every descendant, and waits until none is left; whether that is so.
pub fn end_all() -> bool {
    let deadline = Instant::now().checked_add(PATIENCE);
    loop {
        reap();
        let left = all();
        if left.is_empty() {
            return true;
        }
        for pid in left {
            // It may have ended meanwhile.
            let _ = kill(pid, Signal::SIGKILL);
        }
        if deadline.is_none_or(|deadline| Instant::now() >= deadline) {
            return false;
        }
        sleep(PAUSE);
    }
}

/// Collects what has ended.
fn reap() {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Every descendant that has not ended.
fn all() -> Vec<Pid> {
    let parents = parents();
    let mut found = vec![getpid()];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next = next.saturating_add(1);
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        // A table read while it changes could show a circle.
        if next > parents.len().saturating_add(1) {
            break;
        }
    }
    found.split_off(1)
}

/// Each process that has not ended, and its parent.
fn parents() -> Vec<(Pid, Pid)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers.filter_map(|pid| Some((Pid::from_raw(pid), parent(pid)?))).collect()
}

fn parent(pid: i32) -> Option<Pid> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parent_in(&String::from_utf8_lossy(&text)).map(Pid::from_raw)
}

/// The parent's number in a line of proc_pid_stat(5): the name before it may hold anything, a parenthesis
/// included. None of a zombie.
fn parent_in(line: &str) -> Option<i32> {
    let (_, rest) = line.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.next()?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_a_parent() {
        assert_eq!(parent_in("7 (a) R 1 (b) S 42 7 7 0 -1"), Some(42));
        assert_eq!(parent_in("7 (sh) Z 42 7 7 0 -1"), None);
        assert_eq!(parent_in("7"), None);
    }
}
