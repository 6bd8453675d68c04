//! The calls that need `unsafe`, each with what it requires and why that holds.
#![allow(unsafe_code, reason = "calls that no crate wraps; each states why it is sound")]

use std::ffi::CString;
use std::ptr::NonNull;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libc::{c_uint, sem_t, timespec};
use nix::errno::Errno;

/// Has all threads share one heap, mallopt(3): one of its own would be had by calls that confined threads may
/// not make.
pub fn one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes two numbers, and no other thread is there yet. Should it be refused there are more heaps,
    // which costs the process its life where it is confined, but nothing else.
    let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// A POSIX named semaphore, sem_overview(7).
pub struct Semaphore(NonNull<sem_t>);

impl Semaphore {
    /// Opens a semaphore, made with the value 1 if there is none of this name.
    pub fn open(name: &str) -> Result<Self, Errno> {
        let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
        let (mode, value): (c_uint, c_uint) = (0o777, 1);
        // SAFETY: the name is a live C string, and the two further arguments are there that O_CREAT calls for,
        // of the types that sem_open(3) reads.
        let semaphore = unsafe { libc::sem_open(name.as_ptr(), libc::O_CREAT, mode, value) };
        if semaphore == libc::SEM_FAILED {
            return Err(Errno::last());
        }
        NonNull::new(semaphore).map(Self).ok_or(Errno::EINVAL)
    }

    /// Takes the semaphore, or gives up after `patience`.
    pub fn wait(&self, patience: Duration) -> Result<(), Errno> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let until = now.saturating_add(patience);
        let until = timespec {
            tv_sec: i64::try_from(until.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: until.subsec_nanos().into(),
        };
        loop {
            // SAFETY: sem_open gave the semaphore, nothing closes it, and `until` is live and initialised.
            let result = unsafe { libc::sem_timedwait(self.0.as_ptr(), &raw const until) };
            match Errno::result(result) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Gives the semaphore back.
    pub fn post(&self) {
        // SAFETY: sem_open gave the semaphore, and nothing closes it. It fails only where other programs have
        // given it back two thousand million times too often.
        let _ = unsafe { libc::sem_post(self.0.as_ptr()) };
    }
}
