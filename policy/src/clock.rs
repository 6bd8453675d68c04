//! The system's clock, as messages between processes have it.

use std::time::{SystemTime, UNIX_EPOCH};

use proto::time::Timestamp;

/// What time it is.
#[must_use]
pub fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(i64::try_from(now.as_secs()).unwrap_or(i64::MAX), now.subsec_nanos())
}
