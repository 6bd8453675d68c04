//! Resource limits: what stands behind a role's own bounds, setrlimit(2).

use nix::sys::resource::{Resource, setrlimit};
use proto::plan::Limits;

/// RLIMIT_NOFILE of a role that opens nothing: 0, 1 and 2 are taken, so that no descriptor is to be had, and
/// poll(2), which refuses to wait for more descriptors than this, can still wait for three.
const NOTHING_NEW: u64 = 3;

/// Sets the limits, soft and hard, and with them no core dump and no further process.
pub fn set(limits: Limits) -> Result<String, String> {
    let open_files = limits.open_files.unwrap_or(NOTHING_NEW);
    let mut rows = vec![
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NPROC, 0),
        (Resource::RLIMIT_MEMLOCK, 0),
        // Descriptors that are open stay open: this bounds new ones.
        (Resource::RLIMIT_NOFILE, open_files),
    ];
    rows.extend(limits.address_space.map(|bytes| (Resource::RLIMIT_AS, bytes)));
    rows.extend(limits.file_size.map(|bytes| (Resource::RLIMIT_FSIZE, bytes)));
    for (resource, value) in rows {
        // A limit that is lower already stays.
        let (_, hard) = nix::sys::resource::getrlimit(resource).map_err(|e| format!("{resource:?}: {e}"))?;
        let value = value.min(hard);
        setrlimit(resource, value, value).map_err(|e| format!("{resource:?}: {e}"))?;
    }
    Ok(format!("open files {open_files}"))
}
