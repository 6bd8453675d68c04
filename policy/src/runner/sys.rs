//! The system calls of the runner that need `unsafe`, each with what it requires and why that holds.
//!
//! The closures below run in a child between fork and exec. The runner has one thread, so that the child may
//! allocate: no other thread can have held the allocator's lock.
#![allow(unsafe_code, reason = "system calls that no crate wraps; each states why it is sound")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use policy::manifest::IGNORED_SIGNALS;
use policy::sandbox::plugin::{INTERPRETER, Plugin};

use super::driver::unusable;

/// Has a program of the user's begin as the user's programs do: with the standard descriptors only, and no
/// signal ignored. It ends when the runner does, however that comes about.
pub fn begin_clean(command: &mut Command) {
    // SAFETY: the closure makes async-signal-safe calls only and does not allocate.
    unsafe { command.pre_exec(|| clean(3)) };
}

/// Has a plugin's process confined, and then exec `interpreter` with `arguments`, whatever program the
/// command names; it has the standard descriptors and `answers`. If that fails it answers why, as the
/// interpreter would.
pub fn begin_confined(
    command: &mut Command,
    mut plugin: Plugin,
    interpreter: OwnedFd,
    arguments: Vec<CString>,
    answers: RawFd,
) {
    let begin = move || {
        let why = attempt(&mut plugin, &interpreter, &arguments, answers);
        let message = unusable(&why);
        // SAFETY: the message is live and as long as is said; a number that is not open makes the call fail.
        let _ = unsafe { libc::write(answers, message.as_ptr().cast(), message.len()) };
        // SAFETY: ends this child at once, as is right between fork and exec.
        unsafe { libc::_exit(1) }
    };
    // SAFETY: see above: the child is a copy of a process with one thread, and so may allocate.
    unsafe { command.pre_exec(begin) };
}

/// Confines this child and execs; comes back only if that fails, with the reason.
fn attempt(plugin: &mut Plugin, interpreter: &OwnedFd, arguments: &[CString], answers: RawFd) -> String {
    let prepared = libc::c_uint::try_from(answers).map_err(|_| Errno::EBADF.into()).and_then(|last| {
        clean(last.saturating_add(1))?;
        // SAFETY: takes numbers only. No one owns INTERPRETER in this child; it is gone with the exec.
        Errno::result(unsafe { libc::dup3(interpreter.as_raw_fd(), INTERPRETER, libc::O_CLOEXEC) })?;
        Ok::<(), io::Error>(())
    });
    if let Err(e) = prepared {
        return e.to_string();
    }
    if let Err(why) = plugin.enter() {
        return why;
    }
    let mut pointers: Vec<*const libc::c_char> = arguments.iter().map(|a| a.as_ptr()).collect();
    pointers.push(std::ptr::null());
    let environment: [*const libc::c_char; 1] = [std::ptr::null()];
    // SAFETY: the path is a static C string; both lists are live, made of live C strings, and end in null.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            INTERPRETER,
            c"".as_ptr(),
            pointers.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    format!("cannot be executed: {}", io::Error::last_os_error())
}

/// Signals as a shell would have them, descriptors from `first_closed` closed on exec, the parent's death
/// followed.
fn clean(first_closed: libc::c_uint) -> io::Result<()> {
    for signal in IGNORED_SIGNALS {
        // SAFETY: takes numbers only.
        if unsafe { libc::signal(signal, libc::SIG_DFL) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    let flags = i32::try_from(libc::CLOSE_RANGE_CLOEXEC).map_err(|_| Errno::EINVAL)?;
    // SAFETY: takes numbers only, and with this flag closes nothing.
    Errno::result(unsafe { libc::close_range(first_closed, libc::c_uint::MAX, flags) })?;
    // SAFETY: this prctl takes numbers only.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) })?;
    Ok(())
}
