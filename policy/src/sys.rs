//! The system calls that need `unsafe`, each with what it requires and why that holds.
#![allow(unsafe_code, reason = "system calls that no crate wraps; each states why it is sound")]

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Takes ownership of a descriptor that this process was started with.
///
/// The caller asks once for each number of its manifest, before anything else is opened.
pub fn adopt(fd: RawFd) -> std::io::Result<OwnedFd> {
    // SAFETY: F_GETFD takes no pointer and fails with EBADF on a number that is not open.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open (just checked), and by the manifest nothing else in this process
    // owns it: every other descriptor is opened later, and so has another number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
