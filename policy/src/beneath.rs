//! Opening beneath a directory, by openat2(2), without following a symbolic link.

use std::os::fd::{AsFd, OwnedFd};

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

/// How often to ask again when the kernel was interrupted, or could not tell that a path stayed beneath
/// because something was renamed meanwhile.
const ATTEMPTS: usize = 64;

/// How a path is followed: beneath, and without a symbolic link anywhere in it.
const STAY: ResolveFlag = ResolveFlag::RESOLVE_BENEATH
    .union(ResolveFlag::RESOLVE_NO_SYMLINKS)
    .union(ResolveFlag::RESOLVE_NO_MAGICLINKS);

/// Opens `path` beneath `directory`, without a symbolic link anywhere in it.
pub fn open(
    directory: impl AsFd,
    path: &(impl NixPath + ?Sized),
    flags: OFlag,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    open_by(directory, path, flags, mode, STAY)
}

/// Opens a directory likewise, if it is on the same file system.
pub fn open_directory(
    directory: impl AsFd,
    path: &(impl NixPath + ?Sized),
    flags: OFlag,
) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlag::O_DIRECTORY;
    open_by(directory, path, flags, Mode::empty(), STAY | ResolveFlag::RESOLVE_NO_XDEV)
}

fn open_by(
    directory: impl AsFd,
    path: &(impl NixPath + ?Sized),
    flags: OFlag,
    mode: Mode,
    stay: ResolveFlag,
) -> Result<OwnedFd, Errno> {
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
