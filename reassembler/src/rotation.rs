//! When output goes on in another directory (`--rotate`).
//!
//! The size is counted here and not by the writer, and the times of savefiles are those of their packets, so that the
//! same input is always divided alike. The clock of a live capture is not looked at here: capture says when.

use proto::frame::{CaptureEnd, Ending, KernelCounts, Rotate};
use proto::plan::RotationPlan;
use proto::time::Timestamp;

/// When the next directory is due.
#[derive(Debug)]
pub struct Rotation {
    plan: RotationPlan,
    /// When the time of the present directory began; none before the first.
    begun: Option<Timestamp>,
    /// When, by the times of packets, the next is due, in seconds.
    due: Option<i64>,
    /// Bytes that were stored before the present directory.
    stored: u64,
    /// What capture said last of frames that did not come here.
    filtered: u64,
    kernel: Option<KernelCounts>,
}

impl Rotation {
    /// Before the first directory.
    #[must_use]
    pub fn new(plan: RotationPlan) -> Self {
        Self { plan, begun: None, due: None, stored: 0, filtered: 0, kernel: None }
    }

    /// Where the first directory is due before anything comes, or though nothing came: its time.
    pub fn begin(&mut self, whatever_comes: bool) -> Option<Timestamp> {
        let begins = self.begun.is_none() && (whatever_comes || !self.plan.by_packets);
        begins.then(|| self.start(self.plan.start))
    }

    /// Where a directory is due before a packet of this time: the time of that directory.
    pub fn before(&mut self, now: Timestamp) -> Option<Timestamp> {
        let Some(begun) = self.begun else {
            self.due = self.plan.every.map(|every| now.seconds().saturating_add(every.into()));
            return Some(self.start(now));
        };
        let (every, due) = (i64::from(self.plan.every?), self.due?);
        let late = now.seconds().checked_sub(due).filter(|late| *late >= 0)?;
        // Where nothing came for longer than that, no directory is made of it.
        let latest = due.saturating_add(late.checked_div(every)?.saturating_mul(every));
        self.due = Some(latest.saturating_add(every));
        Some(self.start(Timestamp::new(latest, begun.nanoseconds()).max(begun)))
    }

    /// Where a directory is due after a packet of this time, when `stored` bytes were to be stored in all: its time.
    pub fn after(&mut self, now: Timestamp, stored: u64) -> Option<Timestamp> {
        let begun = self.begun?;
        let full = stored.saturating_sub(self.stored) >= self.plan.size?;
        full.then(|| self.start(now.max(begun)))
    }

    /// Capture says that a directory is due: its time. `last` is that of the last packet.
    pub fn now(&mut self, rotate: &Rotate, last: Option<Timestamp>) -> Option<Timestamp> {
        (self.filtered, self.kernel) = (rotate.frames_filtered, rotate.kernel);
        let begun = self.begun?;
        let now = if self.plan.by_packets { last? } else { rotate.now };
        Some(self.start(now.max(begun)))
    }

    /// Whether each directory has a report of its own.
    #[must_use]
    pub fn reports(&self) -> bool {
        self.plan.reports
    }

    /// Whether there is a directory.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    fn start(&mut self, start: Timestamp) -> Timestamp {
        self.begun = Some(start);
        start
    }

    /// So many bytes were to be stored before the directory that begins.
    pub fn begin_at(&mut self, stored: u64) {
        self.stored = stored;
    }

    /// What is known of the capture when so many frames are accounted for here. One that waits for others, as
    /// fragments do, counts when it is known what it is.
    #[must_use]
    pub fn capture(&self, frames: u64) -> CaptureEnd {
        CaptureEnd {
            ending: Ending::Complete,
            frames_read: frames.saturating_add(self.filtered),
            frames_filtered: self.filtered,
            kernel: self.kernel,
            savefile_drops: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::new(seconds, 500)
    }

    fn rotation(size: Option<u64>, every: Option<u32>, by_packets: bool) -> Rotation {
        Rotation::new(RotationPlan { size, every, by_packets, start: at(7), max_bytes: None, reports: true })
    }

    #[test]
    fn savefiles_are_divided_by_the_times_of_packets_from_the_first_on() {
        let mut rotation = rotation(None, Some(10), true);
        assert_eq!(rotation.begin(false), None);
        let made = [100, 99, 109, 110, 119, 90, 155, 160].map(|seconds| rotation.before(at(seconds)));
        assert_eq!(
            made,
            [Some(at(100)), None, None, Some(at(110)), None, None, Some(at(150)), Some(at(160))]
        );
        assert_eq!(rotation.begin(true), None);
        assert!(rotation.before(Timestamp::new(i64::MAX, 0)).is_some());
        assert_eq!(rotation.before(Timestamp::new(i64::MIN, 0)), None);
    }

    #[test]
    fn an_interface_begins_with_the_run_and_an_empty_savefile_at_its_end() {
        assert_eq!(rotation(None, None, false).begin(false), Some(at(7)));
        assert_eq!(rotation(None, None, true).begin(true), Some(at(7)));
    }

    #[test]
    fn a_full_directory_is_followed_by_one_that_is_no_older() {
        let mut rotation = rotation(Some(1000), Some(10), true);
        assert_eq!(rotation.after(at(100), 5000), None, "not begun");
        assert_eq!(rotation.before(at(100)), Some(at(100)));
        assert_eq!(rotation.after(at(101), 999), None);
        assert_eq!(rotation.after(at(90), 1000), Some(at(100)));
        rotation.begin_at(1000);
        assert_eq!(rotation.after(at(102), 1999), None);
        assert_eq!(rotation.before(at(110)), Some(at(110)), "what was full moves no time");
    }

    #[test]
    fn capture_says_when_and_what_the_kernel_lost() {
        let mut rotation = rotation(None, None, false);
        let kernel = Some(KernelCounts { received: 9, dropped: 2 });
        let rotate = Rotate { now: at(50), frames_filtered: 3, kernel };
        assert_eq!(rotation.now(&rotate, None), None, "not begun");
        assert_eq!(rotation.begin(false), Some(at(7)));
        assert_eq!(rotation.now(&rotate, None), Some(at(50)));
        let CaptureEnd { frames_read, frames_filtered, kernel: known, .. } = rotation.capture(4);
        assert_eq!((frames_read, frames_filtered, known), (7, 3, kernel));
    }
}
