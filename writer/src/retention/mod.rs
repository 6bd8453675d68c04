//! The oldest directories are removed (`--keep`, `--keep-size`, `--min-free`) by a thread of its own, so that however
//! much there is to remove, nothing waits for it.
//!
//! What it may remove: a directory in the output directory that bears the name of a time and the mark in it, is on the
//! same file system, and is not in use. `tcpflow` lets no second run rotate there, so that what is not in use here is
//! finished. Everything is reached beneath the output directory and through no symbolic link.

mod listing;
mod remove;
mod shelf;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::statfs::fstatfs;
use proto::control::Level;
use proto::plan::{Retention, Room};

use crate::directory::Directory;
use shelf::Shelf;

/// How often to look how much room is left, and how old everything is.
const LOOK: Duration = Duration::from_millis(250);
/// How long the end of the run waits for what is due to be removed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Lines that wait to be told.
const MAX_NOTICES: usize = 64;
/// The thread's stack, in bytes: a directory that is looked through takes a few hundred for each level.
const STACK: usize = 256 * 1024;

/// The thread.
#[derive(Debug)]
pub struct Keeper(Arc<Between>);

/// What lies between it and the one that writes.
#[derive(Debug)]
struct Between {
    state: Mutex<State>,
    /// Something has changed for the thread.
    changed: Condvar,
    /// The thread has begun, or has done what was due.
    done: Condvar,
    /// Whether less of the disk is free than is to be left.
    full: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct State {
    begun: bool,
    /// Directories that are in use, or about to be made.
    in_use: Vec<String>,
    /// How often there was something new, and how often when the thread last had removed all that was due.
    changes: (u64, u64),
    /// Bytes in the directory that is in use.
    volume: u64,
    notices: Vec<(Level, String)>,
}

impl Keeper {
    /// Begins the thread, which waits for the first directory; none if the system has none to give.
    pub fn begin(directory: Arc<Directory>, plan: Retention) -> Option<Self> {
        let between = Arc::new(Between {
            state: Mutex::default(),
            changed: Condvar::new(),
            done: Condvar::new(),
            full: Arc::default(),
        });
        let worker = Worker { between: Arc::clone(&between), directory, plan, shelf: Shelf::default() };
        // It is never waited for: it ends with the process.
        let _: thread::JoinHandle<()> = thread::Builder::new()
            .name("retention".to_owned())
            .stack_size(STACK)
            .spawn(|| worker.work())
            .ok()?;
        // Once it says so, the calls by which a thread begins are behind it.
        drop(between.done.wait_while(between.state(), |state| !state.begun));
        Some(Self(between))
    }

    /// Whether less of the disk is free than is to be left.
    pub fn full(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0.full)
    }

    /// A directory of this name may be made now.
    pub fn spare(&self, name: &str) {
        self.0.state().in_use.push(name.to_owned());
    }

    /// These are in use from now on, and no others.
    pub fn use_only<'n>(&self, names: impl Iterator<Item = &'n str>) {
        let mut state = self.0.state();
        state.in_use = names.map(str::to_owned).collect();
        state.changes.0 = state.changes.0.saturating_add(1);
        state.volume = 0;
        self.0.changed.notify_one();
    }

    /// So many bytes are in the directory that is in use.
    pub fn holds(&self, volume: u64) {
        self.0.state().volume = volume;
    }

    /// Waits until all is removed that is due, or for as long as the end of a run may wait.
    pub fn settle(&self) {
        let mut state = self.0.state();
        if state.changes.0 == 0 {
            return;
        }
        state.changes.0 = state.changes.0.saturating_add(1);
        self.0.changed.notify_one();
        let behind = |state: &mut State| state.changes.1 < state.changes.0;
        drop(self.0.done.wait_timeout_while(state, PATIENCE, behind));
    }

    /// What the user is to be told.
    pub fn notices(&self) -> Vec<(Level, String)> {
        std::mem::take(&mut self.0.state().notices)
    }
}

impl Between {
    /// A panic ends the process, so that what a mutex guards is never left half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, level: Level, text: String) {
        let notices = &mut self.state().notices;
        if notices.len() < MAX_NOTICES {
            notices.push((level, text));
        }
    }
}

/// What the thread has.
struct Worker {
    between: Arc<Between>,
    directory: Arc<Directory>,
    plan: Retention,
    shelf: Shelf,
}

impl Worker {
    fn work(mut self) {
        let mut seen = 0;
        {
            let mut state = self.between.state();
            state.begun = true;
            self.between.done.notify_one();
            drop(self.between.changed.wait_while(state, |state| state.changes.0 == 0));
        }
        loop {
            let state = self.between.state();
            let idle = |state: &mut State| state.changes.0 == seen;
            let waited = self.between.changed.wait_timeout_while(state, LOOK, idle);
            let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            let changes = state.changes.0;
            let in_use = state.in_use.clone();
            drop(state);
            if changes != seen {
                let sizes = self.plan.size.is_some();
                if let Err(errno) = self.shelf.look(&self.directory, &in_use, sizes) {
                    let text = format!("cannot look for old directories: {}", errno.desc());
                    self.between.tell(Level::Error, text);
                }
            }
            while self.remove_oldest() {}
            self.see_to_room();
            seen = changes;
            self.between.state().changes.1 = changes;
            self.between.done.notify_one();
        }
    }

    /// Removes the oldest directory if that is due; false if it is not.
    fn remove_oldest(&mut self) -> bool {
        let Some((name, why)) = self.due() else { return false };
        // It may have been made since the shelf was looked at.
        if self.between.state().in_use.contains(&name) {
            self.shelf.forget(&name);
            return true;
        }
        match remove::tree(&self.directory, &name) {
            Ok(()) => {
                self.shelf.forget(&name);
                self.between.tell(Level::Detail, format!("removed {name} ({why})"));
            }
            Err(errno) => {
                self.shelf.give_up(&name);
                let text = format!("cannot remove {name}, which stays ({why}): {}", errno.desc());
                self.between.tell(Level::Error, text);
            }
        }
        true
    }

    /// The directory that is to go next, and by which option.
    fn due(&self) -> Option<(String, &'static str)> {
        let (name, finished) = self.shelf.oldest()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let is_old = |age: u32| now.saturating_sub(finished.seconds()) > i64::from(age);
        let all = self.shelf.size().saturating_add(self.between.state().volume);
        let why = if self.plan.age.is_some_and(is_old) {
            "--keep"
        } else if self.plan.size.is_some_and(|size| all > size) {
            "--keep-size"
        } else if self.lack().is_some_and(|lack| lack > 0) {
            "--min-free"
        } else {
            return None;
        };
        Some((name.to_owned(), why))
    }

    /// Lets nothing be stored while there is too little room, though nothing is left to be removed.
    fn see_to_room(&self) {
        let Some(lack) = self.lack() else { return };
        let is_full = self.between.full.load(Ordering::Relaxed);
        if !is_full && lack > 0 {
            self.between.full.store(true, Ordering::Relaxed);
            let text = "the disk is nearly full (--min-free): until there is room, packets are counted and not stored";
            self.between.tell(Level::Error, text.to_owned());
        } else if is_full && lack.saturating_add(self.margin()) <= 0 {
            self.between.full.store(false, Ordering::Relaxed);
            self.between.tell(Level::Error, "there is room again: packets are stored".to_owned());
        }
    }

    /// How many bytes less are free than there should be; what cannot be told is as it should be.
    fn lack(&self) -> Option<i64> {
        let (free, wanted) = self.room().ok()??;
        let number = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        Some(number(wanted).saturating_sub(number(free)))
    }

    /// So that storing does not stop and go on with every file: that much more has to be free for it to go on.
    fn margin(&self) -> i64 {
        let wanted = self.room().ok().flatten().map_or(0, |(_, wanted)| wanted);
        i64::try_from(wanted / 16).unwrap_or(i64::MAX)
    }

    /// Bytes that are free, and those that should be.
    fn room(&self) -> Result<Option<(u64, u64)>, Errno> {
        let Some(free) = self.plan.free else { return Ok(None) };
        let disk = fstatfs(&*self.directory)?;
        let block = u64::try_from(disk.block_size()).unwrap_or(0);
        let wanted = match free {
            Room::Bytes(bytes) => bytes,
            Room::Percent(percent) => {
                disk.blocks().saturating_mul(percent.into()).div_euclid(100).saturating_mul(block)
            }
        };
        Ok(Some((disk.blocks_available().saturating_mul(block), wanted)))
    }
}
