//! The system calls of the command that need `unsafe`, each with what it requires and why that holds.
#![allow(unsafe_code, reason = "system calls that no crate wraps; each states why it is sound")]

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Marks every descriptor but the standard ones to be closed on exec, whoever opened them.
pub fn close_on_exec_from_3() -> io::Result<()> {
    let flags = i32::try_from(libc::CLOSE_RANGE_CLOEXEC).map_err(io::Error::other)?;
    // SAFETY: takes numbers only, and with this flag closes nothing.
    let result = unsafe { libc::close_range(3, libc::c_uint::MAX, flags) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The path by which this program was executed, as the kernel noted it: what there is without /proc.
pub fn executed() -> io::Result<PathBuf> {
    // SAFETY: takes a number only.
    let address = unsafe { libc::getauxval(libc::AT_EXECFN) };
    if address == 0 {
        return Err(io::ErrorKind::NotFound.into());
    }
    let path = std::ptr::with_exposed_provenance::<libc::c_char>(
        usize::try_from(address).map_err(io::Error::other)?,
    );
    // SAFETY: execve(2) put the string, which ends with a NUL, above the stack, where nothing writes and
    // nothing is ever unmapped.
    let path = unsafe { CStr::from_ptr(path) };
    Ok(OsStr::from_bytes(path.to_bytes()).into())
}

/// Has the command ignore, from its first instruction, the signals by which a user ends a capture, on which
/// `tcpflow` alone acts; and the one that comes with a file longer than the limit on files allows, which is an
/// error of that file and not the end of all.
pub fn ignore_signals(command: &mut Command) {
    let ignore = || {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGXFSZ] {
            // SAFETY: takes numbers only, and is async-signal-safe (signal-safety(7)).
            if unsafe { libc::signal(signal, libc::SIG_IGN) } == libc::SIG_ERR {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes async-signal-safe calls only and does not allocate.
    unsafe { command.pre_exec(ignore) };
}
