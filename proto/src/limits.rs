//! Hard limits on what one process accepts from another, in bytes unless a name says otherwise.
//!
//! The largest datagram has to fit a Unix socket whose send buffer was raised as far as the default
//! `net.core.wmem_max` lets an ordinary user raise it: 212,992 bytes, which the kernel doubles.

/// The largest frame relayed: libpcap's largest snap length.
pub const MAX_FRAME: usize = 262_144;

/// A batch is sent once its payload reaches this. Larger ones gain nothing measurable and cost cache.
pub const BATCH_PAYLOAD: usize = 128 * 1024;

/// The most that the headers of one batch may take.
pub const MAX_HEADERS: usize = 64 * 1024;

/// The most that the payload of one batch may take: a whole frame of the largest size.
pub const MAX_PAYLOAD: usize = MAX_FRAME;

/// The framing before headers and payload: headers' length (u32), payload beside it (u32), sequence number (u64).
pub const FRAMING: usize = 16;

/// Where payload may begin in a datagram: at a multiple of this. Any of 32 or more keeps a processor's fast way of copying
/// (`rep movsb`) from being its slowest, as it is where what it writes to lies a few bytes further in its page than what it
/// reads from.
pub const ALIGNMENT: usize = 64;

/// The largest datagram of a data channel.
pub const MAX_DATAGRAM: usize = (FRAMING + MAX_HEADERS).next_multiple_of(ALIGNMENT) + MAX_PAYLOAD;

/// The largest message of a control channel.
pub const MAX_CONTROL: usize = 128 * 1024;

/// The longest text that one process may ask another to show.
pub const MAX_TEXT: usize = 4096;

/// The longest path or expression on the command line (`PATH_MAX` and then some).
pub const MAX_ARGUMENT: usize = 65_536;

/// The longest path of a file beneath the output directory (`PATH_MAX`).
pub const MAX_PATH: usize = 4096;

/// The most text that a plugin may return for one flow.
pub const MAX_RESULT: usize = 64 * 1024;

/// Interfaces that one savefile may describe.
pub const MAX_INTERFACES: u32 = 65_536;

/// Missing byte ranges that the end of a flow lists.
pub const MAX_RUNS: usize = 16;

/// Pairs of capture and reassembler that one writer hears.
pub const MAX_WORKERS: u32 = 16;

/// Rows in a table of counts by reason.
pub const MAX_REASONS: usize = 256;
