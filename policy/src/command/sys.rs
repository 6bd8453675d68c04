//! The system calls of the command that need `unsafe`, each with what it requires and why that holds.
#![allow(unsafe_code, reason = "system calls that no crate wraps; each states why it is sound")]

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use policy::manifest::IGNORED_SIGNALS;

static OUTPUT_IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// What the C library calls before main, and so before Rust's runtime puts /dev/null where a standard descriptor is
/// closed: what is printed would be lost there without a word.
// SAFETY: the section is an array of pointers to functions of the C calling convention, of which this is one; those that
// it is given arguments for may take none.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = look_at_output;

extern "C" fn look_at_output() {
    // SAFETY: F_GETFD takes no pointer and fails with EBADF on a number that is not open.
    let closed = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } < 0;
    OUTPUT_IS_CLOSED.store(closed, Ordering::Relaxed);
}

/// Whether this program was started without a standard output.
pub fn output_is_closed() -> bool {
    OUTPUT_IS_CLOSED.load(Ordering::Relaxed)
}

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

/// Signals as this program needs them, whoever started it: none blocked; SIGCHLD not ignored, for the kernel would
/// then keep from us how children end; SIGXFSZ ignored, so that a limit on the size of files reads as a full disk.
pub fn settle_signals() -> io::Result<()> {
    nix::sys::signal::SigSet::empty().thread_set_mask()?;
    for (signal, how) in [(libc::SIGCHLD, libc::SIG_DFL), (libc::SIGXFSZ, libc::SIG_IGN)] {
        // SAFETY: takes numbers only; neither way of taking a signal runs code of ours.
        if unsafe { libc::signal(signal, how) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// All signals, signal(7).
const SIGNALS: std::ops::RangeInclusive<libc::c_int> = 1..=64;

/// Has the command begin with the signals of a role ignored, and no others, whatever is ignored here.
pub fn ignore_signals(command: &mut Command) {
    let ignore = || {
        for signal in SIGNALS {
            let ignored = IGNORED_SIGNALS.contains(&signal);
            let how = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
            // SAFETY: takes numbers only, and is async-signal-safe (signal-safety(7)).
            let before = unsafe { libc::signal(signal, how) };
            // The default of SIGKILL and SIGSTOP, and of two that are the C library's own, cannot be set.
            if before == libc::SIG_ERR && ignored {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes async-signal-safe calls only and does not allocate.
    unsafe { command.pre_exec(ignore) };
}

/// What an interface is, netdevice(7): asked of a socket of any kind.
pub fn interface_flags(name: &str) -> Result<InterfaceFlags, Errno> {
    let socket = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let mut ifr_name: [libc::c_char; libc::IFNAMSIZ] = [0; libc::IFNAMSIZ];
    // A name that does not fit, with a NUL after it, is nobody's.
    let (room, _) = ifr_name.split_at_mut(libc::IFNAMSIZ.saturating_sub(1));
    if name.len() > room.len() {
        return Err(Errno::ENODEV);
    }
    for (to, from) in room.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    let mut request = libc::ifreq { ifr_name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: 0 } };
    // SAFETY: the kernel reads and writes no more than a `struct ifreq`, which this is, for the time of the call.
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) })?;
    // SAFETY: any bytes are a number, and all of them were set, by us or by the kernel.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    Ok(InterfaceFlags::from_bits_truncate(i32::from(flags) & 0xffff))
}
