//! When output of a live capture is to go on in another directory (`--rotate 1h`): by the system's clock, from the
//! start of the run on, whether packets come or not. Savefiles are divided by the times of their packets instead.

use std::time::{Duration, SystemTime};

use super::settings::{Input, Settings};

/// How long to wait at most before the clock is looked at again, for it may be set.
const LOOK: Duration = Duration::from_secs(30);

/// When the next directory is due.
#[derive(Debug)]
pub struct Schedule {
    every: Duration,
    next: SystemTime,
}

impl Schedule {
    /// From now on, if the settings ask for it.
    pub fn of(settings: &Settings) -> Option<Self> {
        let every = match settings.input {
            Input::Live { .. } => settings.rotation.as_ref()?.every?,
            Input::Savefiles(_) => return None,
        };
        Self::from(SystemTime::now(), Duration::from_secs(every.into()))
    }

    fn from(now: SystemTime, every: Duration) -> Option<Self> {
        Some(Self { every, next: now.checked_add(every)? })
    }

    /// How long to wait before asking again.
    pub fn wait(&self) -> Duration {
        self.next.duration_since(SystemTime::now()).unwrap_or_default().min(LOOK)
    }

    /// Whether one is due; the next one is then due a multiple of the time after the start.
    pub fn is_due(&mut self) -> bool {
        self.is_due_at(SystemTime::now())
    }

    fn is_due_at(&mut self, now: SystemTime) -> bool {
        match now.duration_since(self.next) {
            Ok(late) => {
                let over = late.as_nanos().checked_rem(self.every.as_nanos()).unwrap_or_default();
                let left =
                    self.every.saturating_sub(Duration::from_nanos(u64::try_from(over).unwrap_or_default()));
                self.next = now.checked_add(left).unwrap_or(self.next);
                true
            }
            // A clock that was set back by more than that would have nothing happen for as long.
            Err(early) if early.duration() > self.every => {
                self.next = now.checked_add(self.every).unwrap_or(self.next);
                false
            }
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_begin_at_multiples_whatever_the_clock_does() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut schedule = Schedule::from(at(100), Duration::from_secs(10)).unwrap();
        let due: Vec<u64> = [109, 110, 111, 119, 121, 129, 130, 165, 169, 170]
            .into_iter()
            .filter(|now| schedule.is_due_at(at(*now)))
            .collect();
        assert_eq!(due, [110, 121, 130, 165, 170]);
        assert!(!schedule.is_due_at(at(50)), "set back");
        assert!(!schedule.is_due_at(at(59)));
        assert!(schedule.is_due_at(at(60)));
    }
}
