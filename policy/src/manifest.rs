//! The roles and the descriptors that each is started with: these and no others.

use std::os::fd::RawFd;

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
}

impl Role {
    /// The name of its executable.
    #[must_use]
    pub fn executable(self) -> &'static str {
        match self {
            Self::CaptureLive | Self::CaptureFiles => "tcpflow-capture",
            Self::Reassembler => "tcpflow-reassembler",
            Self::Writer => "tcpflow-writer",
        }
    }
}

/// Control channel to `tcpflow` (every role).
pub const CONTROL: RawFd = 3;
/// Data channel from the role before (reassembler, writer).
pub const DATA_IN: RawFd = 4;
/// Data channel to the next role (capture, reassembler).
pub const DATA_OUT: RawFd = 5;
/// The output directory (writer).
pub const OUTPUT: RawFd = 6;
/// A report outside the output directory, where `-X` names one (writer).
pub const REPORT: RawFd = 7;
/// Standard output, where flows are printed (writer).
pub const CONSOLE: RawFd = 8;
/// The savefile that `-w` names (writer).
pub const UNPROCESSED: RawFd = 9;
