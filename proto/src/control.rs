//! What `tcpflow` and a role say to each other over the role's control channel, one message a datagram.

use serde::{Deserialize, Serialize};

use crate::Breach;
use crate::flow::Count;
use crate::limits::MAX_CONTROL;
use crate::plan::Plan;
use crate::text::Text;
use crate::time::Timestamp;

/// From `tcpflow` to a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToRole {
    /// The first message: what the role is to do.
    Plan(Box<Plan>),
    /// A savefile to read, after the plan; one message each, for their number is not bounded.
    Input(Savefile),
    /// There are no further inputs; take what you need and confine yourself.
    Confine,
    /// All roles are confined: begin.
    Start(Start),
    /// Say how far you are, and have the others say it (to the capture process only).
    Count,
    /// Have output go on in another directory (to the capture process only).
    Rotate,
    /// End in order (to the capture process); begin nothing more, and the second time end what runs (to the
    /// runner). The time now: where several capture, what comes later is nobody's.
    Stop(Timestamp),
}

/// The word to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// What is in force in all roles, for the report.
    pub states: Vec<RoleState>,
    /// The time now: where several capture, what came earlier is nobody's.
    pub at: Timestamp,
}

/// A savefile to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Savefile {
    /// Its path as the user named it; `-` is standard input.
    pub path: Vec<u8>,
    /// Whether it only completes flows that exist already (`-R`).
    pub completing: bool,
}

/// From a role to `tcpflow`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromRole {
    /// The group of packet sockets that was begun, for the others to join.
    Group(u16),
    /// The role has confined itself, with these layers.
    Ready(Vec<Layer>),
    /// Something for the user to read.
    Notice(Notice),
    /// How far the role is, because it was asked.
    Counts(Counts),
    /// The role has done its work.
    Done {
        /// Whether an input could not be read in full, or something could not be stored.
        failed: bool,
    },
    /// The role cannot go on.
    Failed(Text),
}

/// How far a role is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Counts {
    /// The capture process.
    Capture {
        /// Bytes read of the savefiles, as they lie on the disk.
        bytes: u64,
        /// How many there are, where every savefile is a file whose length is known.
        of: Option<u64>,
        /// Frames read.
        frames: u64,
        /// Frames that the filter expression did not let through.
        filtered: u64,
        /// Frames that the kernel dropped so far.
        dropped: u64,
    },
    /// The reassembler.
    Reassembler {
        /// TCP segments so far.
        segments: u64,
        /// Flows so far.
        flows: u64,
        /// Flows open now.
        open: u64,
        /// Frames set aside so far, by reason.
        frames_aside: Vec<Count>,
        /// Payload bytes so far.
        payload: u64,
        /// Payload bytes that the writer does not get, by reason.
        payload_aside: Vec<Count>,
    },
    /// The writer.
    Writer {
        /// Payload bytes written.
        written: u64,
        /// Flow files made.
        files: u64,
        /// Payload bytes that were not written, by reason.
        aside: Vec<Count>,
    },
}

/// A line for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// How much it matters.
    pub level: Level,
    /// The line, without newline and without the program's name.
    pub text: Text,
}

/// How much a notice matters. `-d N` shows those of level N and below; `-q` hides warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// An input or an output failed; always shown.
    Error,
    /// Something the user should know; shown unless `-q` or `-d 0`.
    Warning,
    /// What goes on; shown from `-d 10` (`-v`).
    Detail,
}

/// A layer of confinement that a role says it entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name: `seccomp`, `landlock`, `no_new_privs`, `network namespace`.
    pub name: Text,
    /// Whether it is in force.
    pub in_force: bool,
    /// What is known beyond that: an ABI version, the reason why it is not in force.
    pub detail: Text,
}

/// What is in force in one role: what it says, and what `tcpflow` saw from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleState {
    /// The executable's name.
    pub role: Text,
    /// Its process.
    pub pid: u32,
    /// Its layers.
    pub layers: Vec<Layer>,
}

/// Codes a control message.
pub fn encode<M: Serialize>(message: &M) -> Result<Vec<u8>, Breach> {
    let coded = postcard::to_allocvec(message)?;
    if coded.len() > MAX_CONTROL {
        return Err(Breach::TooLong { what: "control message", length: coded.len(), limit: MAX_CONTROL });
    }
    Ok(coded)
}

/// Decodes a control message, which must fill its datagram.
pub fn decode<M: serde::de::DeserializeOwned>(datagram: &[u8]) -> Result<M, Breach> {
    if datagram.len() > MAX_CONTROL {
        return Err(Breach::TooLong { what: "control message", length: datagram.len(), limit: MAX_CONTROL });
    }
    let (message, rest) = postcard::take_from_bytes(datagram)?;
    if rest.is_empty() { Ok(message) } else { Err(Breach::Trailing(rest.len())) }
}
