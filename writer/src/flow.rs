//! What the writer knows of one open flow.

use nix::errno::Errno;
use proto::flow::FlowOpen;

use crate::bodies::{Bodies, Body};
use crate::console::Shown;
use crate::digest::Digests;
use crate::savefile::Format;

/// An open flow. Small, for there may be millions.
#[derive(Debug)]
pub struct Flow {
    /// What the reassembler said when it began.
    pub open: FlowOpen,
    /// The name of its file beneath the output directory, once there is one.
    pub name: Option<Box<str>>,
    /// Whether that file is made; until then another may turn out to have the name.
    pub is_made: bool,
    /// Length of its file, in bytes.
    pub file_length: u64,
    /// The offset after its last payload byte, whether it was kept or not.
    pub stream_length: u64,
    /// Why its file is not whole.
    pub fault: Option<Fault>,
    /// Digests of its file, if they are wanted.
    pub digests: Option<Box<Digests>>,
    /// Bodies of HTTP messages that were in it.
    pub bodies: Option<Box<Bodies>>,
    /// What flows have as they are mostly asked for.
    pub rare: Option<Box<Rare>>,
}

/// What a flow has that is not as most are, or of which something else than payload in a file is asked for.
#[derive(Debug, Default)]
pub struct Rare {
    /// Retransmissions that differed from what was written.
    pub conflicts: u64,
    /// Bytes in which they differed.
    pub conflicting: u64,
    /// What was printed of it.
    pub shown: Option<Shown>,
    /// Its index, once there is one.
    pub index: Option<Index>,
    /// What its file's header says, once there is a file of packets.
    pub savefile: Option<Format>,
    /// What is particular to this part of it, if it is only a part.
    pub part: Option<Part>,
}

/// The part of a flow that lies in one of several directories (`--rotate`).
#[derive(Debug, Default)]
pub struct Part {
    /// Where in the stream it begins.
    pub begins: u64,
    /// Bytes that came for places before that.
    pub late: u64,
    /// Bytes, or packets where these are kept, that came while the disk was full.
    pub withheld: u64,
}

impl Flow {
    /// A flow of which no payload came yet.
    pub fn new(open: FlowOpen) -> Self {
        Self {
            open,
            name: None,
            is_made: false,
            file_length: 0,
            stream_length: 0,
            fault: None,
            digests: None,
            bodies: None,
            rare: None,
        }
    }

    /// What is rare of it, to be added to.
    pub fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Retransmissions that differed from what was written, and in how many bytes.
    pub fn conflicts(&self) -> (u64, u64) {
        self.rare.as_ref().map_or((0, 0), |rare| (rare.conflicts, rare.conflicting))
    }

    /// What was printed of it, if anything was.
    pub fn shown(&self) -> Option<&Shown> {
        self.rare.as_ref()?.shown.as_ref()
    }

    /// What the header of its file of packets says, if it has one.
    pub fn savefile(&self) -> Option<&Format> {
        self.rare.as_ref()?.savefile.as_ref()
    }

    /// Its index, if it has one.
    pub fn index(&self) -> Option<&Index> {
        self.rare.as_ref()?.index.as_ref()
    }

    /// The same, to be changed.
    pub fn index_mut(&mut self) -> Option<&mut Index> {
        self.rare.as_mut()?.index.as_mut()
    }

    /// What is particular to this part of it, if it is only a part.
    pub fn part(&self) -> Option<&Part> {
        self.rare.as_ref()?.part.as_ref()
    }

    /// The same, to be changed.
    pub fn part_mut(&mut self) -> Option<&mut Part> {
        self.rare.as_mut()?.part.as_mut()
    }

    /// Where in the stream its file begins.
    pub fn begins(&self) -> u64 {
        self.part().map_or(0, |part| part.begins)
    }

    /// How much of it is not in its file, for lack of room.
    pub fn withheld(&self) -> u64 {
        self.part().map_or(0, |part| part.withheld)
    }

    /// The same flow in the next directory, where nothing of it is yet; `open` is what is left of its open body.
    pub fn next_part(&self, begins: u64, open: Option<Body>) -> Self {
        let part = Part { begins: begins.max(self.stream_length), ..Part::default() };
        let bodies = self
            .bodies
            .as_ref()
            .map(|bodies| Box::new(Bodies { last: bodies.last, open, ..Bodies::default() }));
        let stream_length = part.begins;
        let rare = Some(Box::new(Rare { part: Some(part), ..Rare::default() }));
        Self { stream_length, bodies, rare, ..Self::new(self.open) }
    }
}

/// The index beside a flow file.
#[derive(Debug, Default)]
pub struct Index {
    /// Its length, in bytes.
    pub length: u64,
    /// Why it is not whole.
    pub fault: Option<Fault>,
}

/// Why a flow could not be stored in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault(pub Errno);

impl Fault {
    /// An identifier for the report.
    pub fn reason(self) -> &'static str {
        // Errno has hundreds of values; what is not told apart is an error of input or output.
        if self.0 == Errno::ENOSPC {
            "disk_full"
        } else if self.0 == Errno::EDQUOT {
            "quota"
        } else if self.0 == Errno::EFBIG {
            "file_too_large"
        } else if [Errno::EACCES, Errno::EPERM, Errno::EROFS, Errno::ELOOP, Errno::EXDEV].contains(&self.0) {
            "not_permitted"
        } else {
            "io_error"
        }
    }
}
