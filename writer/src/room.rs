//! Whether there is room on the disk for what comes (`--rotate`): a capture that runs for months goes on counting when
//! there is none, and storing when there is again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Less is free than `--min-free` leaves.
pub const NEARLY_FULL: &str = "nearly_full";
/// The disk has taken nothing more.
pub const DISK_FULL: &str = "disk_full";

/// How long to wait before trying again when the disk has taken nothing more.
const PAUSE: Duration = Duration::from_secs(1);

/// The room on the disk.
#[derive(Debug, Default)]
pub struct Room {
    /// Whether less is free than is to be left, where anyone looks.
    nearly_full: Option<Arc<AtomicBool>>,
    /// When to try again, since the disk has taken nothing more.
    again: Option<Instant>,
}

impl Room {
    /// With someone who looks how much is left.
    pub fn watched(nearly_full: Arc<AtomicBool>) -> Self {
        Self { nearly_full: Some(nearly_full), again: None }
    }

    /// Why nothing is to be stored now.
    pub fn lack(&self) -> Option<&'static str> {
        if self.nearly_full.as_ref().is_some_and(|full| full.load(Ordering::Relaxed)) {
            return Some(NEARLY_FULL);
        }
        self.again.is_some_and(|again| Instant::now() < again).then_some(DISK_FULL)
    }

    /// The disk has taken nothing more; whether that is news.
    pub fn strike(&mut self) -> bool {
        let is_news = self.again.is_none();
        self.again = Instant::now().checked_add(PAUSE);
        is_news
    }

    /// The disk has taken something; whether that is news.
    pub fn relieve(&mut self) -> bool {
        self.again.take_if(|again| Instant::now() >= *again).is_some()
    }
}
