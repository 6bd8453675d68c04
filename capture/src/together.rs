//! When several captures share an interface, and what of it is the run's.
//!
//! The kernel gives each connection to one socket of the group, by a hash of its addresses and ports and the number of
//! sockets: a connection moves when one joins or leaves. What comes before all have joined, and what comes when the first
//! may have left, would be a part of some connection to whoever has not the rest of it, and a flow of its own. So the
//! run is what comes from the time of the word to start, before which all have joined, until the time of the word to stop,
//! which are the same for all.

use std::time::{Duration, Instant};

use proto::time::Timestamp;

/// How long a frame that came before the start may lie in the ring: a clock that is set back must not have the run wait
/// for the time that it was.
const OLD: Duration = Duration::from_secs(1);

/// When the run is, for one capture of several.
#[derive(Debug, Default)]
pub struct Together {
    begun: Option<(Timestamp, Instant)>,
    until: Option<Timestamp>,
}

impl Together {
    /// All have joined.
    pub fn begin(&mut self, at: Timestamp) {
        self.begun = Some((at, Instant::now()));
    }

    /// One of them may leave after this time.
    pub fn end(&mut self, at: Timestamp) {
        self.until.get_or_insert(at);
    }

    /// Whether a frame of this time is the run's.
    #[must_use]
    pub fn has(&self, time: Timestamp) -> bool {
        let comes_after = match self.begun {
            Some((begun, _)) if time >= begun => true,
            Some((_, at)) => at.elapsed() > OLD,
            None => false,
        };
        comes_after && self.until.is_none_or(|until| time <= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::new(seconds, 0)
    }

    #[test]
    fn what_comes_before_all_are_there_or_after_one_may_leave_is_nobodys() {
        let mut together = Together::default();
        assert!(!together.has(at(5)));
        together.begin(at(5));
        assert_eq!([4, 5, 9].map(|seconds| together.has(at(seconds))), [false, true, true]);
        together.end(at(7));
        together.end(at(9));
        assert_eq!([4, 5, 7, 8].map(|seconds| together.has(at(seconds))), [false, true, true, false]);
    }

    #[test]
    fn a_clock_that_is_set_back_ends_no_run() {
        let mut together = Together::default();
        together.begin(at(5));
        together.begun = Some((at(5), Instant::now().checked_sub(2 * OLD).unwrap()));
        assert!(together.has(at(1)));
    }
}
