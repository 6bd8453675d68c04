//! What the capture process tells the reassembler.

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_FRAME, MAX_INTERFACES};
use crate::text::Text;
use crate::time::Timestamp;
use crate::{Breach, Message, compact};

/// A message from the capture process. Order: `Input`, its `Interface`s and `Frame`s as they come,
/// further inputs, at last `End`; a `Tick`, `Dropped`, `Count` or `Rotate` anywhere before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromCapture {
    /// A savefile or an interface begins; interfaces are numbered anew from 0.
    Input {
        /// As the user named it.
        name: Text,
        /// Whether it only completes flows that exist already (`-R`).
        completing: bool,
    },
    /// The next interface of this input. A classic savefile has one, a pcapng may have many.
    Interface {
        /// The `DLT_`/`LINKTYPE_` number of what follows.
        link_type: u32,
        /// The most bytes of a frame that were kept, 0 if not known.
        snap_length: u32,
        /// Whether its times are finer than microseconds.
        nanoseconds: bool,
    },
    /// One frame; its captured bytes are the payload.
    Frame(Frame),
    /// Nothing was captured for a second or more; the time now. Live captures only.
    Tick(Timestamp),
    /// The kernel has dropped frames. Live captures only, where the plan asks for it, and at most once a second.
    Dropped(Dropped),
    /// `tcpflow` wants to know how far everyone is: each role answers over its control channel and
    /// passes the question on.
    Count,
    /// Output goes on in another directory (`--rotate`): what was captured before this belongs to the old one.
    Rotate(Rotate),
    /// The last message of all.
    End(CaptureEnd),
}

/// A captured frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Index of its interface within the input.
    #[serde(with = "compact::word")]
    pub interface: u32,
    /// When it was captured.
    pub time: Timestamp,
    /// Bytes captured: the payload.
    #[serde(with = "compact::word")]
    pub captured: u32,
    /// Bytes that the frame had on the wire.
    #[serde(with = "compact::word")]
    pub original: u32,
}

/// When output is to go on in another directory, and what was counted until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotate {
    /// The time now.
    pub now: Timestamp,
    /// Frames so far that the filter expression did not let through.
    pub frames_filtered: u64,
    /// What the kernel says of a live capture so far.
    pub kernel: Option<KernelCounts>,
}

/// What the kernel has dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// When that was seen.
    pub time: Timestamp,
    /// Frames dropped so far in all: more each time.
    pub frames: u64,
}

/// How a capture ended and what it counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureEnd {
    /// Why it ended.
    pub ending: Ending,
    /// Frames read from the savefiles or the ring.
    pub frames_read: u64,
    /// Of these, frames that the filter expression did not let through.
    pub frames_filtered: u64,
    /// What the kernel says of a live capture.
    pub kernel: Option<KernelCounts>,
    /// What savefiles say of frames that were lost when they were recorded, if they do.
    pub savefile_drops: Option<SavefileDrops>,
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// All input was read.
    Complete,
    /// The user asked by a signal.
    Stopped,
    /// Something failed; the reason.
    Interrupted(Text),
}

/// `struct tpacket_stats` summed over the run, packet(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KernelCounts {
    /// Frames that passed the kernel's filter, dropped ones included.
    pub received: u64,
    /// Frames dropped because the ring was full.
    pub dropped: u64,
}

/// Counts of those who recorded savefiles, summed over all interfaces of which any is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SavefileDrops {
    /// Frames that the interfaces received.
    pub received: u64,
    /// Frames that the interfaces dropped.
    pub by_interface: u64,
    /// Frames that the operating system dropped.
    pub by_system: u64,
    /// Frames lost between two packets, by the packets' own account.
    pub between: u64,
    /// Frames lost in all: for each interface by the account that knows of more.
    pub dropped: u64,
}

impl CaptureEnd {
    /// Both, of two captures of one run: what failed is why it ended, else what the user asked for.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            ending: match (self.ending, other.ending) {
                (Ending::Interrupted(why), _) | (_, Ending::Interrupted(why)) => Ending::Interrupted(why),
                (Ending::Stopped, _) | (_, Ending::Stopped) => Ending::Stopped,
                (Ending::Complete, Ending::Complete) => Ending::Complete,
            },
            frames_read: self.frames_read.saturating_add(other.frames_read),
            frames_filtered: self.frames_filtered.saturating_add(other.frames_filtered),
            kernel: both(self.kernel, other.kernel, KernelCounts::and),
            savefile_drops: both(self.savefile_drops, other.savefile_drops, SavefileDrops::and),
        }
    }
}

fn both<T>(one: Option<T>, other: Option<T>, and: impl FnOnce(T, T) -> T) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(and(one, other)),
        (one, other) => one.or(other),
    }
}

impl KernelCounts {
    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            received: self.received.saturating_add(other.received),
            dropped: self.dropped.saturating_add(other.dropped),
        }
    }

    /// What came to this since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            received: self.received.saturating_sub(earlier.received),
            dropped: self.dropped.saturating_sub(earlier.dropped),
        }
    }
}

impl SavefileDrops {
    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            received: self.received.saturating_add(other.received),
            by_interface: self.by_interface.saturating_add(other.by_interface),
            by_system: self.by_system.saturating_add(other.by_system),
            between: self.between.saturating_add(other.between),
            dropped: self.dropped.saturating_add(other.dropped),
        }
    }
}

impl Message for FromCapture {
    fn payload_len(&self) -> u32 {
        match self {
            Self::Frame(frame) => frame.captured,
            Self::Input { .. }
            | Self::Interface { .. }
            | Self::Tick(_)
            | Self::Dropped(_)
            | Self::Count
            | Self::Rotate(_)
            | Self::End(_) => 0,
        }
    }

    fn check(&self) -> Result<(), Breach> {
        let Self::Frame(frame) = self else { return Ok(()) };
        let captured = usize::try_from(frame.captured).unwrap_or(usize::MAX);
        if captured > MAX_FRAME {
            return Err(Breach::TooLong { what: "frame", length: captured, limit: MAX_FRAME });
        }
        if frame.interface >= MAX_INTERFACES {
            return Err(Breach::Forbidden("interface number out of range"));
        }
        Ok(())
    }
}
