//! Attestation: what each role is, read from outside, before it sees the first packet.
//!
//! A role that says it is confined is not believed: the kernel is asked, through /proc/PID/task/TID/status.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{geteuid, getgid, getuid};
use proto::control::{FromRole, Layer, RoleState};
use proto::plan::Identity;
use proto::text::Text;
use serde::Serialize;

use super::error::Error;
use super::identity::Identities;
use super::launch::Roles;
use super::process::{Heard, Process, reason};
use super::settings::Settings;
use super::tell;

/// How long roles may take to open what they need and to confine themselves.
const PATIENCE: Duration = Duration::from_secs(30);

/// The five capability sets of /proc/PID/status.
const CAPABILITIES: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

/// Waits until every role says it is confined, and sees that it is.
pub fn all(roles: &mut Roles, settings: &Settings, identities: &Identities) -> Result<Vec<RoleState>, Error> {
    let deadline = Instant::now().checked_add(PATIENCE).unwrap_or_else(Instant::now);
    let mut claims: Vec<Option<Vec<Layer>>> = roles.processes.iter().map(|_| None).collect();
    while claims.iter().any(Option::is_none) {
        if let Some(index) = next_announced(roles, &claims, deadline)? {
            note(roles, &mut claims, index, settings)?;
        }
    }
    let claims = claims.into_iter().map(Option::unwrap_or_default);
    let attest = |(process, layers): (&Process, _)| {
        attest(process, layers, settings, identities.becomes(process.role))
    };
    roles.processes.iter().zip(claims).map(attest).collect()
}

/// The index of a role that has something to say. One that is ready has not, but it may die while another is waited
/// for: that is told whatever is asked for.
fn next_announced(
    roles: &Roles,
    claims: &[Option<Vec<Layer>>],
    deadline: Instant,
) -> Result<Option<usize>, Error> {
    let asked = |claim: &Option<_>| if claim.is_none() { PollFlags::POLLIN } else { PollFlags::empty() };
    let rows = roles.processes.iter().zip(claims);
    let mut fds: Vec<PollFd<'_>> =
        rows.map(|(process, claim)| PollFd::new(process.as_fd(), asked(claim))).collect();
    let left = deadline.saturating_duration_since(Instant::now());
    match poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
        Ok(0) => Err(Error::Told("a role does not answer".into())),
        Ok(_) => Ok(fds.iter().position(|fd| fd.any().unwrap_or(true))),
        Err(Errno::EINTR) => Ok(None),
        Err(e) => Err(Error::Told(format!("poll: {e}"))),
    }
}

/// Takes down what a role says while it gets ready.
fn note(
    roles: &mut Roles,
    claims: &mut [Option<Vec<Layer>>],
    index: usize,
    settings: &Settings,
) -> Result<(), Error> {
    let Some(process) = roles.processes.get_mut(index) else { return Ok(()) };
    match process.hear()? {
        Heard::Message(FromRole::Ready(layers)) => {
            if let Some(claim @ None) = claims.get_mut(index) {
                *claim = Some(layers);
            }
        }
        Heard::Message(FromRole::Notice(notice)) => tell::notice(&notice, settings),
        Heard::Message(FromRole::Failed(text)) => return Err(Error::Told(text.as_str().to_owned())),
        Heard::Message(FromRole::Group(number)) => return roles.join(index, number),
        Heard::Message(FromRole::Done { .. } | FromRole::Counts(_)) => {
            return Err(process.breach(proto::Breach::Forbidden("done before the start")));
        }
        Heard::Closed => {
            let soon = Instant::now().checked_add(Duration::from_secs(1)).unwrap_or_else(Instant::now);
            let how =
                process.wait_until(soon).and_then(reason).unwrap_or_else(|| "closed its channel".into());
            return Err(Error::Start { role: process.name(), reason: how });
        }
    }
    Ok(())
}

/// Looks at one role from outside.
fn attest(
    process: &Process,
    mut layers: Vec<Layer>,
    settings: &Settings,
    identity: Option<Identity>,
) -> Result<RoleState, Error> {
    let unconfined = |layer, seen: String| Error::Unconfined { role: process.name(), layer, seen };
    let threads = match threads(process.pid()) {
        Err(why) if settings.sandbox.requires() => {
            let why = format!("{why}: nothing is known of it without /proc");
            return Err(unconfined("attestation", why));
        }
        threads => threads.unwrap_or_else(|_| vec![String::new()]),
    };
    for check in of_all(threads.iter().map(|status| checks(status, identity))) {
        if !check.holds && settings.sandbox.requires() {
            return Err(unconfined(check.name, check.seen));
        }
        let detail = Text::cut(&format!("seen by tcpflow: {}", check.seen));
        layers.push(Layer { name: Text::cut(check.name), in_force: check.holds, detail });
    }
    Ok(RoleState { role: Text::cut(&process.name()), pid: process.pid(), layers })
}

/// What the kernel says of each thread of a process: credentials and filters are a thread's own.
fn threads(pid: u32) -> Result<Vec<String>, String> {
    let path = format!("/proc/{pid}/task");
    let read = |thread: std::io::Result<fs::DirEntry>| fs::read_to_string(thread?.path().join("status"));
    let threads: std::io::Result<Vec<String>> =
        fs::read_dir(&path).and_then(|threads| threads.map(read).collect());
    match threads {
        Ok(threads) if threads.is_empty() => Err(format!("{path}: empty")),
        threads => threads.map_err(|e| format!("{path}: {e}")),
    }
}

/// What holds of all threads; where it does not hold of one, what was seen there.
fn of_all(threads: impl Iterator<Item = Vec<Check>>) -> Vec<Check> {
    let worse = |a: Check, b: Check| if a.holds { b } else { a };
    let both = |a: Vec<Check>, b: Vec<Check>| a.into_iter().zip(b).map(|(a, b)| worse(a, b)).collect();
    threads.reduce(both).unwrap_or_default()
}

/// Something that was looked for in /proc/PID/task/TID/status.
struct Check {
    name: &'static str,
    holds: bool,
    seen: String,
}

fn checks(status: &str, identity: Option<Identity>) -> Vec<Check> {
    let seen: BTreeMap<&str, &str> =
        status.lines().filter_map(|line| line.split_once(':')).map(|(k, v)| (k, v.trim())).collect();
    let get = |key: &str| seen.get(key).copied().unwrap_or("not known");
    let mut checks = vec![
        Check { name: "seccomp filter", holds: get("Seccomp") == "2", seen: get("Seccomp").into() },
        Check { name: "NoNewPrivs", holds: get("NoNewPrivs") == "1", seen: get("NoNewPrivs").into() },
    ];
    for name in CAPABILITIES {
        let value = get(name);
        // Without CAP_SETPCAP an ordinary user cannot empty the bounding set; no_new_privs makes it moot.
        let excused = name == "CapBnd" && !geteuid().is_root();
        let empty = !value.is_empty() && value.chars().all(|digit| digit == '0');
        checks.push(Check { name, holds: empty || excused, seen: value.into() });
    }
    let Identity { uid, gid } =
        identity.unwrap_or_else(|| Identity { uid: getuid().as_raw(), gid: getgid().as_raw() });
    for (name, due) in [("Uid", uid), ("Gid", gid)] {
        // Real, effective, saved, and that of the file system.
        let mut numbers = get(name).split_whitespace().map(str::parse::<u32>);
        let holds = seen.contains_key(name) && numbers.all(|number| number == Ok(due));
        checks.push(Check { name, holds, seen: get(name).replace('\t', " ") });
    }
    // Who is not root cannot leave his groups.
    let holds = identity.is_none() || get("Groups").is_empty();
    checks.push(Check { name: "Groups", holds, seen: get("Groups").into() });
    checks
}

/// A role's state as `--sandbox-report` shows it.
#[derive(Serialize)]
struct Shown<'a> {
    role: &'a str,
    pid: u32,
    layers: Vec<ShownLayer<'a>>,
}

#[derive(Serialize)]
struct ShownLayer<'a> {
    name: &'a str,
    in_force: bool,
    detail: &'a str,
}

/// What is in force in each role, as JSON. Where a role's own words have control characters that JSON allows (DEL
/// and those from U+0080 on, to which terminals listen too), they are escaped.
pub fn json(states: &[RoleState]) -> String {
    let shown: Vec<Shown<'_>> = states
        .iter()
        .map(|state| Shown {
            role: state.role.as_str(),
            pid: state.pid,
            layers: state
                .layers
                .iter()
                .map(|layer| ShownLayer {
                    name: layer.name.as_str(),
                    in_force: layer.in_force,
                    detail: layer.detail.as_str(),
                })
                .collect(),
        })
        .collect();
    let coded = serde_json::to_string_pretty(&shown).unwrap_or_default();
    let mut text = String::with_capacity(coded.len());
    for c in coded.chars() {
        if c.is_control() && c != '\n' {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text.push('\n');
    text
}
