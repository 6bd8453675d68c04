//! Why the writer's work cannot go on. What concerns one flow only is counted instead.

use nix::errno::Errno;
use proto::Breach;
use proto::template;

/// Ends the run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The control or the data channel failed.
    #[error(transparent)]
    Channel(#[from] policy::channel::Error),
    /// The sandbox could not be entered.
    #[error(transparent)]
    Sandbox(#[from] policy::sandbox::Error),
    /// The plan is another role's.
    #[error("the plan is for another process")]
    Plan,
    /// The template cannot be used.
    #[error("Invalid filename_template: {0}: {1}")]
    Template(String, template::Error),
    /// The directory cannot be written by the user that the writer became.
    #[error("cannot write into {name}: {}", errno.desc())]
    Directory {
        /// The directory, as the user named it.
        name: String,
        /// What the kernel said.
        errno: Errno,
    },
    /// The system has no thread to give, by which the oldest directories would be removed.
    #[error("no thread for --keep, --keep-size or --min-free")]
    Thread,
    /// The report cannot be made.
    #[error("cannot create {name}: {}", errno.desc())]
    Report {
        /// Its file.
        name: String,
        /// What the kernel said.
        errno: Errno,
    },
    /// The semaphore of `-L` cannot be had.
    #[error("cannot open semaphore {name}: {}", errno.desc())]
    Semaphore {
        /// Its name.
        name: String,
        /// What the system said; ENOSYS where no file system for shared memory is mounted.
        errno: Errno,
    },
    /// Flows cannot be printed.
    #[error("standard output: {}", .0.desc())]
    Console(Errno),
    /// Another process could not begin, or this one was not confined as it has to be.
    #[error("the run ended before it began")]
    NotBegun,
    /// A reassembler died.
    #[error("{name} ended without saying why")]
    Unfinished {
        /// Which.
        name: String,
    },
    /// One of several reassemblers broke the protocol.
    #[error("{name}: protocol breach: {breach}")]
    Worker {
        /// Which.
        name: String,
        /// What it said.
        breach: Breach,
    },
}

impl From<Breach> for Error {
    fn from(breach: Breach) -> Self {
        Self::Channel(breach.into())
    }
}
