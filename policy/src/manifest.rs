//! The roles, and the descriptors and ignored signals that each is started with: these and no others.

use std::os::fd::RawFd;

use proto::limits::MAX_WORKERS;

/// What a role ignores from its first instruction: the signals by which a user ends a capture, on which
/// `tcpflow` alone acts, and SIGXFSZ, as `tcpflow` does.
pub const IGNORED_SIGNALS: [libc::c_int; 6] =
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2, libc::SIGXFSZ];

/// A process of tcpflow beside the command itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `tcpflow-capture` on an interface: one packet socket.
    CaptureLive,
    /// `tcpflow-capture` on savefiles: their descriptors, never a packet socket.
    CaptureFiles,
    /// `tcpflow-reassembler`.
    Reassembler,
    /// `tcpflow-writer`.
    Writer,
    /// `tcpflow-writer` that removes the oldest of its directories (`--keep`, `--keep-size`, `--min-free`).
    WriterRetaining,
    /// `tcpflow-writer` that hears several reassemblers (`-S workers`).
    WriterOfSeveral,
    /// Both of these.
    WriterOfSeveralRetaining,
    /// `tcpflow-runner`, which runs the user's own programs.
    Runner,
}

impl Role {
    /// The writer of a run: whether it removes directories, and how many reassemblers it hears.
    #[must_use]
    pub fn writer(retains: bool, workers: u32) -> Self {
        match (retains, workers > 1) {
            (false, false) => Self::Writer,
            (true, false) => Self::WriterRetaining,
            (false, true) => Self::WriterOfSeveral,
            (true, true) => Self::WriterOfSeveralRetaining,
        }
    }

    /// Whether it captures.
    #[must_use]
    pub fn captures(self) -> bool {
        match self {
            Self::CaptureLive | Self::CaptureFiles => true,
            Self::Reassembler
            | Self::Writer
            | Self::WriterRetaining
            | Self::WriterOfSeveral
            | Self::WriterOfSeveralRetaining
            | Self::Runner => false,
        }
    }

    /// Whether it removes what it made.
    #[must_use]
    pub fn removes(self) -> bool {
        match self {
            Self::WriterRetaining | Self::WriterOfSeveralRetaining => true,
            Self::CaptureLive
            | Self::CaptureFiles
            | Self::Reassembler
            | Self::Writer
            | Self::WriterOfSeveral
            | Self::Runner => false,
        }
    }

    /// The name of its executable.
    #[must_use]
    pub fn executable(self) -> &'static str {
        match self {
            Self::CaptureLive | Self::CaptureFiles => "tcpflow-capture",
            Self::Reassembler => "tcpflow-reassembler",
            Self::Writer | Self::WriterRetaining | Self::WriterOfSeveral | Self::WriterOfSeveralRetaining => {
                "tcpflow-writer"
            }
            Self::Runner => "tcpflow-runner",
        }
    }

    /// What it is called in a run: its executable, and which of several it is, from 1.
    #[must_use]
    pub fn name(self, worker: Option<u32>) -> String {
        let executable = self.executable();
        worker.map_or_else(|| executable.to_owned(), |worker| format!("{executable} {worker}"))
    }

    /// Whether it starts programs of the user's: these inherit what it is confined by, and could not work
    /// without files, the network or processes.
    #[must_use]
    pub fn runs_programs(self) -> bool {
        match self {
            Self::Runner => true,
            Self::CaptureLive
            | Self::CaptureFiles
            | Self::Reassembler
            | Self::Writer
            | Self::WriterRetaining
            | Self::WriterOfSeveral
            | Self::WriterOfSeveralRetaining => false,
        }
    }

    /// Whether it has the output directory.
    #[must_use]
    pub fn writes(self) -> bool {
        match self {
            Self::Writer | Self::WriterRetaining | Self::WriterOfSeveral | Self::WriterOfSeveralRetaining => {
                true
            }
            Self::CaptureLive | Self::CaptureFiles | Self::Reassembler | Self::Runner => false,
        }
    }
}

/// Where two roles find memory that they share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ring {
    /// The memory, until it is mapped.
    pub memory: RawFd,
    /// How many of its slots were emptied.
    pub emptied: RawFd,
}

/// Control channel to `tcpflow` (every role).
pub const CONTROL: RawFd = 3;
/// Data channel from the role before (reassembler, writer, runner).
pub const DATA_IN: RawFd = 4;
/// Data channel to the next role (capture, reassembler).
pub const DATA_OUT: RawFd = 5;
/// The output directory (writer; runner with a plugin).
pub const OUTPUT: RawFd = 6;
/// A report outside the output directory, where `-X` names one (writer).
pub const REPORT: RawFd = 7;
/// Standard output, where flows are printed (writer).
pub const CONSOLE: RawFd = 8;
/// The savefile that `-w` names (writer).
pub const UNPROCESSED: RawFd = 9;
/// Data channel to the runner (writer).
pub const RUNNER: RawFd = 10;
/// Data channel of a plugin's answers (from the runner to the writer).
pub const ANSWERS: RawFd = 11;
/// What `tcp_alert_fd` names (runner).
pub const FLOW_ALERTS: RawFd = 12;
/// What `http_alert_fd` names (runner).
pub const BODY_ALERTS: RawFd = 13;
/// Standard output, for what commands print (runner).
pub const COMMAND_OUTPUT: RawFd = 14;
/// Standard error, for the same (runner).
pub const COMMAND_ERRORS: RawFd = 15;
/// Where `--events` goes (writer).
pub const EVENTS: RawFd = 16;
/// What capture fills with frames for the reassembler (both).
pub const FRAMES: Ring = Ring { memory: 17, emptied: 18 };
/// What a reassembler fills with what flows and bodies hold for the writer (both; of several, the first).
pub const FLOWS: Ring = Ring { memory: 19, emptied: 20 };
/// Data channels from reassemblers beyond the first, one after the other (writer).
pub const FURTHER_DATA_IN: RawFd = 32;
/// The memory that these fill, in the same order (writer).
pub const FURTHER_MEMORY: RawFd = 48;
/// Its counters (writer).
pub const FURTHER_EMPTIED: RawFd = 64;

/// What so many reassemblers are heard by, in their order: data channels and memory (writer).
pub fn heard(workers: u32) -> impl Iterator<Item = (RawFd, Ring)> {
    let rings = (FURTHER_MEMORY..).zip(FURTHER_EMPTIED..).map(|(memory, emptied)| Ring { memory, emptied });
    let further = (FURTHER_DATA_IN..).zip(rings).zip(1..workers.min(MAX_WORKERS));
    std::iter::once((DATA_IN, FLOWS)).chain(further.map(|(numbers, _)| numbers))
}
