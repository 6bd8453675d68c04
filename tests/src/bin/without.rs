//! Runs a command in a world where some system calls fail: what a hardened program meets on an old
//! kernel, in a container, or under somebody else's filter.
//!
//! `without NAME=ERRNO... -- COMMAND [ARGUMENT...]`; `NAME:N=ERRNO` lets the call fail only when its first
//! argument is N. With 0 for ERRNO the call does nothing and says that all went well.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// The calls by which a process confines itself.
const CALLS: [(&str, i64); 10] = [
    ("capset", libc::SYS_capset),
    ("landlock_create_ruleset", libc::SYS_landlock_create_ruleset),
    ("landlock_restrict_self", libc::SYS_landlock_restrict_self),
    ("pivot_root", libc::SYS_pivot_root),
    ("prctl", libc::SYS_prctl),
    ("prlimit64", libc::SYS_prlimit64),
    ("seccomp", libc::SYS_seccomp),
    ("setgroups", libc::SYS_setgroups),
    ("setresuid", libc::SYS_setresuid),
    ("unshare", libc::SYS_unshare),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut parts = words.splitn(2, |word| word == "--");
    let (Some(failures), Some([program, arguments @ ..])) = (parts.next(), parts.next()) else {
        eprintln!("usage: without NAME[:FIRST]=ERRNO... -- COMMAND [ARGUMENT...]");
        return ExitCode::from(2);
    };
    // All are made before any is in force: what they deny may be what the next one needs.
    let filters: Vec<BpfProgram> = failures.iter().map(|failure| filter(failure)).collect();
    for filter in filters.iter().rev() {
        seccompiler::apply_filter(filter).expect("seccomp");
    }
    let error = Command::new(program).args(arguments).exec();
    eprintln!("{program}: {error}");
    ExitCode::from(127)
}

/// A filter that lets one call fail and every other pass.
fn filter(failure: &str) -> BpfProgram {
    let (call, errno) = failure.split_once('=').expect("NAME=ERRNO");
    let errno = match errno {
        "EPERM" => 1,
        "EINVAL" => 22,
        "ENOSYS" => 38,
        number => number.parse().expect("EINVAL, EPERM, ENOSYS or a number"),
    };
    let (name, first) = call.split_once(':').map_or((call, None), |(name, first)| (name, Some(first)));
    let (_, number) = CALLS.into_iter().find(|(known, _)| *known == name).expect("a call known here");
    let rules = first.map(|first| {
        let first = first.parse().expect("the first argument is a number");
        let is_first = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, first);
        SeccompRule::new(vec![is_first.expect("an index below six")]).expect("one condition")
    });
    let machine = std::env::consts::ARCH.try_into().expect("an architecture that has seccomp");
    SeccompFilter::new(
        BTreeMap::from([(number, rules.into_iter().collect())]),
        SeccompAction::Allow,
        SeccompAction::Errno(errno),
        machine,
    )
    .and_then(TryInto::try_into)
    .expect("a filter")
}
