//! Resource limits: what stands behind a role's own bounds, setrlimit(2).

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use proto::plan::Limits;

use crate::manifest::Role;

/// RLIMIT_NOFILE of a role that opens nothing: 0, 1 and 2 are taken, so that no descriptor is to be had, and
/// poll(2), which refuses to wait for more descriptors than this, can still wait for three.
const NOTHING_NEW: u64 = 3;

/// Sets the limits, soft and hard, and with them no core dump and no further process; for one that runs
/// programs no core dump only.
pub fn set(role: Role, limits: Limits) -> Result<String, String> {
    if role.runs_programs() {
        lower(Resource::RLIMIT_CORE, 0)?;
        return Ok("no core dumps".into());
    }
    let open_files = limits.open_files.unwrap_or(NOTHING_NEW);
    let mut rows = vec![
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NPROC, 0),
        (Resource::RLIMIT_MEMLOCK, 0),
        // Descriptors that are open stay open: this bounds new ones.
        (Resource::RLIMIT_NOFILE, open_files),
    ];
    // Of the address space the sanitizer takes terabytes, for what it notes of each byte.
    let address_space = limits.address_space.filter(|_| !cfg!(sanitized));
    rows.extend(address_space.map(|bytes| (Resource::RLIMIT_AS, bytes)));
    rows.extend(limits.file_size.map(|bytes| (Resource::RLIMIT_FSIZE, bytes)));
    for (resource, value) in rows {
        lower(resource, value)?;
    }
    Ok(format!("open files {open_files}"))
}

/// Sets one limit; one that is lower already stays.
pub(super) fn lower(resource: Resource, value: u64) -> Result<(), String> {
    let (_, hard) = getrlimit(resource).map_err(|e| format!("{resource:?}: {e}"))?;
    let value = value.min(hard);
    setrlimit(resource, value, value).map_err(|e| format!("{resource:?}: {e}"))
}
