//! What the processes of tcpflow say to each other: message types, framing and limits.
//!
//! Bytes only: nothing here opens, reads or sends. A receiver takes every datagram for hostile, so
//! each type refuses, while it is decoded, what its sender had no business to say.
#![forbid(unsafe_code)]

pub mod batch;
pub mod body;
pub mod compact;
pub mod control;
pub mod flow;
pub mod frame;
pub mod limits;
pub mod pages;
pub mod plan;
pub mod runner;
pub mod template;
pub mod text;
pub mod time;
pub mod traffic;

mod error;

pub use error::Breach;

use flow::Span;

/// A message that travels in a [`batch`], with its payload beside it.
pub trait Message: serde::Serialize + serde::de::DeserializeOwned {
    /// Bytes of payload that belong to this message.
    fn payload_len(&self) -> u32;

    /// Refuses values that the type allows and the protocol does not.
    fn check(&self) -> Result<(), Breach>;

    /// The byte range that it is, where it is nothing else: two that follow each other in a batch and in their flow are sent
    /// as one.
    fn range(&self) -> Option<Span> {
        None
    }

    /// The message that a byte range is, where [`Self::range`] has any.
    fn of_range(_range: Span) -> Option<Self> {
        None
    }

    /// Whether its header may be too large to stand beside others: it then goes in a batch of its own.
    fn is_large(&self) -> bool {
        false
    }
}
