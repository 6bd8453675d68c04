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
pub mod plan;
pub mod runner;
pub mod template;
pub mod text;
pub mod time;
pub mod traffic;

mod error;

pub use error::Breach;

/// A message that travels in a [`batch`], with its payload beside it.
pub trait Message: serde::Serialize + serde::de::DeserializeOwned {
    /// Bytes of payload that belong to this message.
    fn payload_len(&self) -> u32;

    /// Refuses values that the type allows and the protocol does not.
    fn check(&self) -> Result<(), Breach>;

    /// Whether its header may be too large to stand beside others: it then goes in a batch of its own.
    fn is_large(&self) -> bool {
        false
    }
}
