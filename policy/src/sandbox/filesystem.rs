//! The root directory: an empty, read-only one, or for the writer the output directory alone.

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, chroot, fchdir, pivot_root};

use crate::manifest::{OUTPUT, Role};
use crate::sys;

/// Directories to mount over, any of which will do: they are out of reach afterwards.
const MOUNT_POINTS: [&str; 7] = ["/proc", "/tmp", "/dev", "/sys", "/usr", "/etc", "/var"];

/// Makes the writer's output directory its working directory: the one place that unshare(2) carries over
/// into a new mount namespace, where a descriptor from the old one can no longer be bound.
pub fn stand_in_output(role: Role) -> Result<(), String> {
    if role.writes() {
        let directory = sys::duplicate(OUTPUT).map_err(|e| e.to_string())?;
        fchdir(directory).map_err(|e| e.to_string())
    } else {
        chdir("/").map_err(|e| e.to_string())
    }
}

/// Replaces the root directory of this mount namespace.
///
/// For the writer the new root is a bind of the output directory (nosuid, nodev, noexec), and its
/// descriptor of that directory is replaced by one that leads into the bind. For the others it is an
/// empty tmpfs, mounted read-only.
pub fn replace_root(role: Role) -> Result<String, String> {
    // Nothing that is mounted here may spread back to where the user lives.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .or_else(|e| if e == Errno::EINVAL { Ok(()) } else { Err(format!("private mounts: {e}")) })?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let place = if role.writes() {
        let tree =
            sys::clone_working_directory().map_err(|e| format!("bind of the output directory: {e}"))?;
        mount_somewhere(|place| sys::attach_tree(&tree, place))?
    } else {
        mount_somewhere(|place| {
            let flags = flags | MsFlags::MS_RDONLY;
            mount(Some("none"), place, Some("tmpfs"), flags, Some("size=4k,nr_inodes=1,mode=0555"))
        })?
    };
    chdir(place).map_err(|e| format!("chdir: {e}"))?;
    let how = pivot(place)?;
    if role.writes() {
        sys::replace_directory(OUTPUT, "/").map_err(|e| format!("output directory: {e}"))?;
    }
    Ok(how.into())
}

/// Makes the mount at `place`, which is the working directory, the root.
fn pivot(place: &str) -> Result<&'static str, String> {
    match pivot_root(".", ".") {
        Ok(()) => {
            umount2(".", MntFlags::MNT_DETACH).map_err(|e| format!("old root: {e}"))?;
            chdir("/").map_err(|e| format!("chdir: {e}"))?;
            Ok("pivot_root")
        }
        // The root is no mount point where this runs inside a chroot: there it is left by another.
        Err(Errno::EINVAL) => {
            chroot(place).map_err(|e| format!("chroot: {e}"))?;
            chdir("/").map_err(|e| format!("chdir: {e}"))?;
            Ok("chroot, for the root here is no mount point")
        }
        Err(e) => Err(format!("pivot_root: {e}")),
    }
}

fn mount_somewhere(attach: impl Fn(&str) -> Result<(), Errno>) -> Result<&'static str, String> {
    let mut last = Errno::ENOENT;
    for place in MOUNT_POINTS {
        match attach(place) {
            Ok(()) => return Ok(place),
            Err(e) => last = e,
        }
    }
    Err(format!("mount: {last}"))
}
