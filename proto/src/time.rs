//! Points in time as captures record them.

use serde::{Deserialize, Serialize};

use crate::{Breach, compact};

/// Nanoseconds in a second.
pub const NANOSECONDS: u32 = 1_000_000_000;

/// A point in time: seconds since 1970-01-01 UTC and nanoseconds within that second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "Coded", into = "Coded")]
pub struct Timestamp {
    seconds: i64,
    nanoseconds: u32,
}

/// A point in time as it is coded.
#[derive(Serialize, Deserialize)]
struct Coded {
    #[serde(with = "compact::long")]
    seconds: u64,
    #[serde(with = "compact::word")]
    nanoseconds: u32,
}

impl Timestamp {
    /// A point in time; `nanoseconds` of a second or more carry over, as hostile savefiles have them.
    #[must_use]
    pub fn new(seconds: i64, nanoseconds: u32) -> Self {
        let carry = i64::from(nanoseconds.checked_div(NANOSECONDS).unwrap_or_default());
        let nanoseconds = nanoseconds.checked_rem(NANOSECONDS).unwrap_or_default();
        Self { seconds: seconds.saturating_add(carry), nanoseconds }
    }

    /// Seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds within the second, below 1,000,000,000.
    #[must_use]
    pub fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// This time, `seconds` later.
    #[must_use]
    pub fn shifted(self, seconds: i64) -> Self {
        Self { seconds: self.seconds.saturating_add(seconds), ..self }
    }
}

impl TryFrom<Coded> for Timestamp {
    type Error = Breach;

    fn try_from(Coded { seconds, nanoseconds }: Coded) -> Result<Self, Breach> {
        if nanoseconds >= NANOSECONDS {
            return Err(Breach::Forbidden("nanoseconds of a second or more"));
        }
        Ok(Self { seconds: seconds.cast_signed(), nanoseconds })
    }
}

impl From<Timestamp> for Coded {
    fn from(time: Timestamp) -> Self {
        Self { seconds: time.seconds.cast_unsigned(), nanoseconds: time.nanoseconds }
    }
}
