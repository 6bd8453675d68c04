//! A role that was taken over: in its place, between the real processes, a puppet is started that confines itself
//! as the role does and then says what a script has it say, legal or not.
//!
//! Here is the script and how it is written; `src/bin/puppet.rs` performs it.

use policy::manifest::Ring;
use proto::limits::ALIGNMENT;
use serde::{Deserialize, Serialize};

/// What a puppet does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Script {
    /// Whether it confines itself before it says that it has.
    pub confined: bool,
    /// What it says before it says that it is ready.
    pub early: Vec<Line>,
    /// What it says once the run has begun.
    pub lines: Vec<Line>,
    /// Whether its last word is that its work is done; else it just ends.
    pub done: bool,
    /// The sequence number of the next datagram of messages.
    pub sequence: u64,
}

/// One datagram.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Line {
    /// On the data channel to the next role.
    Data {
        /// Its bytes.
        bytes: Vec<u8>,
        /// How many descriptors go along.
        descriptors: usize,
    },
    /// On the control channel to `tcpflow`.
    Control(Vec<u8>),
    /// That so many slots of shared memory were emptied.
    Emptied {
        /// The counter to say it by, of those in the manifest.
        counter: i32,
        /// How many.
        slots: u64,
    },
}

impl Default for Script {
    fn default() -> Self {
        Self { confined: true, early: Vec::new(), lines: Vec::new(), done: true, sequence: 0 }
    }
}

impl Script {
    /// Says messages with their payload in one datagram. Nothing is checked.
    #[must_use]
    pub fn say<M: Serialize>(self, messages: &[(M, &[u8])]) -> Self {
        let headers: Vec<u8> = messages.iter().flat_map(|(message, _)| coded(message)).collect();
        let payload: Vec<u8> = messages.iter().flat_map(|(_, payload)| payload.to_vec()).collect();
        self.headers(&headers, &payload)
    }

    /// The same with headers that are coded already.
    #[must_use]
    pub fn headers(mut self, headers: &[u8], payload: &[u8]) -> Self {
        let datagram = datagram(self.sequence, headers, payload);
        self.sequence += 1;
        self.raw(datagram)
    }

    /// Says any bytes.
    #[must_use]
    pub fn raw(self, bytes: Vec<u8>) -> Self {
        self.line(Line::Data { bytes, descriptors: 0 })
    }

    /// Says any bytes, with so many descriptors.
    #[must_use]
    pub fn with_descriptors(self, bytes: Vec<u8>, descriptors: usize) -> Self {
        self.line(Line::Data { bytes, descriptors })
    }

    /// Says something to `tcpflow`.
    #[must_use]
    pub fn tell<M: Serialize>(self, message: &M) -> Self {
        self.line(Line::Control(coded(message)))
    }

    /// Hands so many slots of a ring back to whoever fills it.
    #[must_use]
    pub fn hand_back(self, ring: Ring, slots: u64) -> Self {
        self.line(Line::Emptied { counter: ring.emptied, slots })
    }

    fn line(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }
}

/// A datagram of the data channels, framed as `proto::batch` has it.
#[must_use]
pub fn datagram(sequence: u64, headers: &[u8], payload: &[u8]) -> Vec<u8> {
    claiming(0, sequence, headers, payload)
}

/// The same, which says that so many bytes of payload are beside it.
#[must_use]
pub fn claiming(beside: u32, sequence: u64, headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(headers.len()).unwrap();
    let framing = [&length.to_le_bytes()[..], &beside.to_le_bytes(), &sequence.to_le_bytes()].concat();
    let mut datagram = [&framing, headers].concat();
    datagram.resize(datagram.len().next_multiple_of(ALIGNMENT), 0);
    [&datagram, payload].concat()
}

/// A message as it is coded.
#[must_use]
pub fn coded<M: Serialize>(message: &M) -> Vec<u8> {
    postcard::to_allocvec(message).unwrap()
}

/// A coded message with one of its texts replaced by one that its type would not hold.
#[must_use]
pub fn with_text(coded: &[u8], text: &str, other: &[u8]) -> Vec<u8> {
    let old = [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let at = coded.windows(old.len()).position(|window| window == old).expect("the text");
    let new = postcard::to_allocvec(&other.len()).unwrap();
    [&coded[..at], &new, other, &coded[at + old.len()..]].concat()
}
