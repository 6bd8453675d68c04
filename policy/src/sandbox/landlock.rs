//! Landlock: no right to any path, to any TCP port, to any abstract socket or foreign process; for the
//! writer files and directories beneath the output directory.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

use crate::manifest::{OUTPUT, Role};
use crate::sys;

/// The newest ABI whose rights are asked for; an older kernel gives what it has.
pub(super) const NEWEST: ABI = ABI::V7;

/// Restricts this process for good.
pub fn restrict(role: Role) -> Result<String, String> {
    let created = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|r| r.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|r| r.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .map_err(|e| e.to_string())?;
    let created = if role.writes() {
        let directory = sys::duplicate(OUTPUT).map_err(|e| e.to_string())?;
        created.add_rule(PathBeneath::new(directory, writer_rights(role))).map_err(|e| e.to_string())?
    } else {
        created
    };
    let status = created.restrict_self().map_err(|e| e.to_string())?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => Err("not supported by this kernel".into()),
        (
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced,
            LandlockStatus::Available { effective_abi, .. },
        ) => Ok(format!("ABI {effective_abi}")),
        (RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced, other) => Ok(format!("{other:?}")),
    }
}

/// Make files and directories, write them, read them back to compare and to digest; list and remove them, where that
/// is asked for.
fn writer_rights(role: Role) -> BitFlags<AccessFs> {
    let rights =
        AccessFs::MakeReg | AccessFs::MakeDir | AccessFs::WriteFile | AccessFs::ReadFile | AccessFs::Truncate;
    if role.removes() {
        rights | AccessFs::ReadDir | AccessFs::RemoveFile | AccessFs::RemoveDir
    } else {
        rights
    }
}
