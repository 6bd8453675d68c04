//! Opening savefiles, before confinement; nothing is read here.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, SFlag, fstat};
use proto::control::Savefile;

/// The name that stands for standard input.
const STANDARD_INPUT: &[u8] = b"-";

/// A savefile that could be opened.
#[derive(Debug)]
pub struct Input {
    /// As the user named it, for people to read.
    pub name: String,
    /// Open for reading.
    pub file: OwnedFd,
    /// Whether it only completes flows that exist already (`-R`).
    pub completing: bool,
}

/// The savefiles of a run.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Those that could be opened, in the user's order.
    pub opened: Vec<Input>,
    /// Bytes that they have together, where each is a regular file.
    pub size: Option<u64>,
    /// The first that could not be, and why. As in tcpflow, what comes after it is not looked at.
    pub failed: Option<String>,
}

impl Inputs {
    /// Opens savefiles until one cannot be opened.
    pub fn open(savefiles: &[Savefile]) -> Self {
        raise_descriptor_limit(savefiles.len());
        let mut inputs = Self { size: Some(0), ..Self::default() };
        for Savefile { path, completing } in savefiles {
            let name = String::from_utf8_lossy(path).into_owned();
            match open_one(path) {
                Ok(file) => {
                    let size = size(&file);
                    inputs.size = inputs.size.and_then(|sum| sum.checked_add(size?));
                    inputs.opened.push(Input { name, file, completing: *completing });
                }
                Err(errno) => {
                    inputs.failed = Some(format!("{name}: {}", errno.desc()));
                    break;
                }
            }
        }
        inputs
    }
}

fn open_one(path: &[u8]) -> Result<OwnedFd, Errno> {
    if path == STANDARD_INPUT {
        let stdin = std::io::stdin();
        let copy = std::os::fd::AsFd::as_fd(&stdin).try_clone_to_owned();
        return copy.map_err(|error| error.raw_os_error().map_or(Errno::EBADF, Errno::from_raw));
    }
    open(OsStr::from_bytes(path), OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY, Mode::empty())
}

/// The size of a regular file; none of what has none, as a pipe.
fn size(file: &OwnedFd) -> Option<u64> {
    let status = fstat(file).ok()?;
    let kind = SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits());
    if kind == SFlag::S_IFREG { u64::try_from(status.st_size).ok() } else { None }
}

/// All inputs are open at once, for none can be opened later. If the limit cannot be raised, the first
/// input beyond it says so.
fn raise_descriptor_limit(inputs: usize) {
    const OTHERS: u64 = 64;
    let wanted = u64::try_from(inputs).unwrap_or(u64::MAX).saturating_add(OTHERS);
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < wanted
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard);
    }
}
