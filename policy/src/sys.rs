//! The system calls that need `unsafe`, each with what it requires and why that holds.
#![allow(unsafe_code, reason = "system calls that no crate wraps; each states why it is sound")]

use std::ffi::{CString, c_void};
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// Takes ownership of a descriptor that this process was started with.
///
/// The caller asks once for each number of its manifest, before anything else is opened.
pub fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD takes no pointer and fails with EBADF on a number that is not open.
    check(unsafe { libc::fcntl(fd, libc::F_GETFD) })?;
    // SAFETY: the descriptor is open (just checked), and by the manifest nothing else in this process
    // owns it: every other descriptor is opened later, and so has another number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A second descriptor for what `fd` has open.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes no pointer and fails with EBADF on a number that is not open.
    let copy = check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) })?;
    // SAFETY: the kernel has just made this descriptor, so nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Makes descriptor 2 one for what descriptor 1 has open.
pub fn standard_error_to_output() -> io::Result<()> {
    // SAFETY: both are open descriptors or the call fails; nothing in this process owns number 2, the
    // standard library only borrows it.
    check(unsafe { libc::dup2(libc::STDOUT_FILENO, libc::STDERR_FILENO) }).map(drop)
}

/// Makes descriptor `fd`, which the manifest has as a directory, one for the directory `path`.
pub fn replace_directory(fd: RawFd, path: &str) -> io::Result<()> {
    let directory = File::open(path)?;
    // SAFETY: both numbers are open descriptors or the call fails. Whoever owns `fd` goes on owning it: it
    // stays open throughout and stays a descriptor of the same directory, reached through another mount.
    check(unsafe { libc::dup3(directory.as_raw_fd(), fd, libc::O_CLOEXEC) }).map(drop)
}

/// Numbers of linux/mount.h that the libc crate has not for every C library.
mod mount_h {
    pub const OPEN_TREE_CLONE: u32 = 0x1;
    pub const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x4;
    pub const MOUNT_ATTR_NOSUID: u64 = 0x2;
    pub const MOUNT_ATTR_NODEV: u64 = 0x4;
    pub const MOUNT_ATTR_NOEXEC: u64 = 0x8;
}

/// `struct mount_attr` of linux/mount.h.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// A detached copy of the mount that the working directory is on, with that directory as its root:
/// nosuid, nodev and noexec. open_tree(2), mount_setattr(2).
pub fn clone_working_directory() -> Result<OwnedFd, Errno> {
    // OPEN_TREE_CLOEXEC is O_CLOEXEC.
    let close = u32::try_from(libc::O_CLOEXEC).map_err(|_| Errno::EINVAL)?;
    let flags = mount_h::OPEN_TREE_CLONE | close;
    // SAFETY: the path is a static C string, the other arguments are numbers.
    let tree = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, c".".as_ptr(), flags) };
    let tree = i32::try_from(Errno::result(tree)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor, so nothing else owns it.
    let tree = unsafe { OwnedFd::from_raw_fd(tree) };
    let attributes = MountAttr {
        set: mount_h::MOUNT_ATTR_NOSUID | mount_h::MOUNT_ATTR_NODEV | mount_h::MOUNT_ATTR_NOEXEC,
        clear: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the path is a static C string, and `attributes` is live and of the size given.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    })?;
    Ok(tree)
}

/// Mounts a detached tree over the directory `place`. move_mount(2).
pub fn attach_tree(tree: &OwnedFd, place: &str) -> Result<(), Errno> {
    let place = CString::new(place).map_err(|_| Errno::EINVAL)?;
    // SAFETY: both paths are live C strings, the other arguments are numbers.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            place.as_ptr(),
            mount_h::MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// Sets and locks the securebits under which user 0 means nothing: no capabilities by exec or by a change of
/// user, none kept, none ambient. capabilities(7).
pub fn lock_securebits() -> io::Result<()> {
    let set = libc::SECBIT_NOROOT | libc::SECBIT_NO_SETUID_FIXUP | libc::SECBIT_NO_CAP_AMBIENT_RAISE;
    let lock = libc::SECBIT_NOROOT_LOCKED
        | libc::SECBIT_NO_SETUID_FIXUP_LOCKED
        | libc::SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED
        | libc::SECBIT_KEEP_CAPS_LOCKED;
    // SAFETY: this prctl takes numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_SECUREBITS, set | lock, 0, 0, 0) }).map(drop)
}

/// Of linux/prctl.h.
const PR_SET_MDWE: libc::c_int = 65;

/// Refuses memory that is writable and executable, now or one after the other. PR_SET_MDWE, Linux 6.3.
pub fn deny_write_execute() -> io::Result<String> {
    // SAFETY: this prctl takes numbers only.
    check(unsafe { libc::prctl(PR_SET_MDWE, libc::PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) })?;
    Ok(String::new())
}

/// Memory that this process shares with another one, which may change it at any time: bytes go in and come out by
/// copying, and no reference into it is ever made.
#[derive(Debug)]
pub struct Shared {
    start: NonNull<c_void>,
    length: usize,
    writable: bool,
}

impl Shared {
    /// Maps the first `length` bytes of a file whose size is sealed. mmap(2).
    pub fn map(file: &OwnedFd, length: usize, writable: bool) -> Result<Self, Errno> {
        let pages = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        let access =
            if writable { ProtFlags::PROT_READ | ProtFlags::PROT_WRITE } else { ProtFlags::PROT_READ };
        // SAFETY: the kernel chooses the place, so that no mapping there is is replaced.
        let start = unsafe { mmap(None, pages, access, MapFlags::MAP_SHARED, file, 0) }?;
        Ok(Self { start, length, writable })
    }

    /// Copies `bytes` to `at`; none if they have no room there, or may not be written.
    pub fn write(&self, at: usize, bytes: &[u8]) -> Option<()> {
        let place = self.place(at, bytes.len()).filter(|_| self.writable)?;
        // SAFETY: the place is so many bytes within the mapping (just checked), which may be written to and lasts as long
        // as `self`; `bytes` is no part of it, since no reference into it is made.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
        Some(())
    }

    /// Copies what is at `at` into `room`; none if there is not so much.
    pub fn read(&self, at: usize, room: &mut [u8]) -> Option<()> {
        let place = self.place(at, room.len())?;
        // SAFETY: as above, the other way. The other process may write there meanwhile; the bytes are then some of each,
        // and any bytes are valid ones.
        unsafe { std::ptr::copy_nonoverlapping(place, room.as_mut_ptr(), room.len()) };
        Some(())
    }

    fn place(&self, at: usize, length: usize) -> Option<*mut u8> {
        at.checked_add(length).filter(|end| *end <= self.length)?;
        // SAFETY: `at` is within the mapping, or just behind it.
        Some(unsafe { self.start.as_ptr().cast::<u8>().add(at) })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's own, of this length, and nothing refers to it any more.
        let _ = unsafe { munmap(self.start, self.length) };
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The runtime of the address sanitizer, in builds that have it.
#[cfg(sanitized)]
pub mod sanitizer {
    use std::ffi::{CStr, c_char, c_int, c_void};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering};

    type Tell = Box<dyn Fn(&str) + Send + Sync>;

    static TELL: OnceLock<Tell> = OnceLock::new();
    static LOOK_FOR_NO_LEAKS: AtomicBool = AtomicBool::new(false);

    unsafe extern "C" {
        // Of sanitizer/common_interface_defs.h.
        fn __sanitizer_sandbox_on_notify(reserved: *mut c_void);
        // Of sanitizer/asan_interface.h.
        fn __asan_set_error_report_callback(callback: Option<unsafe extern "C" fn(*const c_char)>);
    }

    /// Has what the sanitizer finds told by `tell` too, just before it ends the process.
    pub fn tell_of_reports(tell: impl Fn(&str) + Send + Sync + 'static) {
        let _ = TELL.set(Box::new(tell));
        // SAFETY: takes a function, which is there as long as the process, of the type that the header gives.
        unsafe { __asan_set_error_report_callback(Some(report)) };
    }

    /// Has what a report needs of /proc kept now, while there is one.
    pub fn prepare_for_confinement() {
        // SAFETY: takes a pointer for which the header has no use yet, and to which the runtime does nothing.
        unsafe { __sanitizer_sandbox_on_notify(std::ptr::null_mut()) };
    }

    unsafe extern "C" fn report(text: *const c_char) {
        // SAFETY: the runtime gives a C string that is live until this returns.
        let text = unsafe { CStr::from_ptr(text) };
        if let Some(tell) = TELL.get() {
            tell(&text.to_string_lossy());
        }
    }

    /// Has no leaks looked for at the end: that is done by tracing, which this process has just forbidden.
    pub fn look_for_no_leaks() {
        LOOK_FOR_NO_LEAKS.store(true, Ordering::Relaxed);
    }

    // SAFETY: the name is of sanitizer/lsan_interface.h, which leaves it to the program to be defined, with this type.
    #[unsafe(no_mangle)]
    extern "C" fn __lsan_is_turned_off() -> c_int {
        c_int::from(LOOK_FOR_NO_LEAKS.load(Ordering::Relaxed))
    }
}
