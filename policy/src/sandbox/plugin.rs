//! The confinement of a plugin's process, inside that of the runner: it reads its modules and computes.
//!
//! Made ready in the runner; entered by the child between fork and exec, since nothing the interpreter runs
//! is to be trusted with it.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};
use nix::sys::resource::Resource;
use proto::plan::SandboxMode;
use seccompiler::sock_filter;

use super::{landlock::NEWEST, limits, seccomp};

/// The interpreter's descriptor when it is started, as its list of system calls has it: out of reach of the
/// limit on descriptors, so that no other can take its place.
pub const INTERPRETER: std::os::fd::RawFd = 200;

/// What the process may open at once.
const OPEN_FILES: u64 = 64;

/// A confinement that is to be entered.
pub struct Plugin {
    mode: SandboxMode,
    memory: u64,
    rules: Option<RulesetCreated>,
    calls: Vec<sock_filter>,
}

impl Plugin {
    /// One that leaves what is beneath `readable` to be read, and this many bytes of memory.
    pub fn prepare(mode: SandboxMode, readable: &[PathBuf], memory: u64) -> Result<Self, String> {
        let rules = match mode {
            SandboxMode::Off => None,
            SandboxMode::BestEffort => rules(readable).ok(),
            SandboxMode::Strict | SandboxMode::Require => Some(rules(readable)?),
        };
        Ok(Self { mode, memory, rules, calls: seccomp::python()? })
    }

    /// Enters it, for good. `Self` is spent: nothing is left to enter again.
    pub fn enter(&mut self) -> Result<(), String> {
        for (resource, value) in [
            (Resource::RLIMIT_AS, self.memory),
            (Resource::RLIMIT_FSIZE, 0),
            (Resource::RLIMIT_NPROC, 0),
            (Resource::RLIMIT_MEMLOCK, 0),
            (Resource::RLIMIT_NOFILE, OPEN_FILES),
        ] {
            limits::lower(resource, value)?;
        }
        if let Some(rules) = self.rules.take() {
            let status = rules.restrict_self().map_err(|e| format!("landlock: {e}"))?;
            if status.ruleset == RulesetStatus::NotEnforced && self.mode.requires() {
                return Err("landlock: not supported by this kernel".into());
            }
        }
        match self.mode {
            SandboxMode::Off => Ok(()),
            SandboxMode::BestEffort => {
                // What cannot be had is gone without.
                let _ = seccompiler::apply_filter(&self.calls);
                Ok(())
            }
            SandboxMode::Strict | SandboxMode::Require => {
                seccompiler::apply_filter(&self.calls).map_err(|e| format!("seccomp: {e}"))
            }
        }
    }
}

/// Reading beneath these places, and executing: the loader and the interpreter are programs too, and that no
/// other is started is for the list of system calls to see to.
fn rules(readable: &[PathBuf]) -> Result<RulesetCreated, String> {
    let rights: BitFlags<AccessFs> = AccessFs::from_read(ABI::V1);
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|r| r.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|r| r.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .and_then(|r| r.add_rules(path_beneath_rules(readable, rights)))
        .map_err(|e| format!("landlock: {e}"))
}
