//! Opening beneath a directory, by openat2(2), without following a symbolic link.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

/// How often to ask again when the kernel was interrupted, or could not tell that a path stayed beneath
/// because something was renamed meanwhile.
const ATTEMPTS: usize = 64;

/// Opens `path` beneath `directory`, without a symbolic link anywhere in it.
pub fn open(directory: impl AsFd, path: &str, flags: OFlag, mode: Mode) -> Result<OwnedFd, Errno> {
    let stay =
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).mode(mode).resolve(stay);
    let mut result = Err(Errno::EAGAIN);
    for _ in 0..ATTEMPTS {
        result = openat2(&directory, path, how);
        if !matches!(result, Err(Errno::EINTR | Errno::EAGAIN)) {
            break;
        }
    }
    result
}
