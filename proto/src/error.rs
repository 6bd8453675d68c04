//! The one way in which a peer can fail: by breaking the protocol.

/// A breach of the protocol by the process at the other end of a channel. It ends the run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// A datagram is shorter than its own framing.
    #[error("datagram of {0} bytes is shorter than its framing")]
    Short(usize),
    /// A datagram or a part of it is longer than [`crate::limits`] allows.
    #[error("{what} of {length} bytes, over the limit of {limit}")]
    TooLong {
        /// Which part.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The most it may be.
        limit: usize,
    },
    /// Datagrams were lost, repeated or reordered.
    #[error("datagram {got} where {expected} was due")]
    Sequence {
        /// The sequence number that was due.
        expected: u64,
        /// The one that came.
        got: u64,
    },
    /// A message could not be decoded.
    #[error("undecodable message: {0}")]
    Undecodable(#[from] postcard::Error),
    /// Bytes were left over after the last message.
    #[error("{0} trailing bytes")]
    Trailing(usize),
    /// A message claims more payload than its datagram carries.
    #[error("message claims {claimed} bytes of payload, {left} are left")]
    Payload {
        /// What the message claims.
        claimed: u32,
        /// What the datagram still has.
        left: usize,
    },
    /// A value or an order of messages that the protocol does not allow.
    #[error("{0}")]
    Forbidden(&'static str),
}
