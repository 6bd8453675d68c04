//! A directory of its own for all output between two rotations (`--rotate`), named by when its time begins.
//!
//! A mark in it, an empty file, tells it from any other directory of such a name: what has none is never removed.
//! The mark's time is when the directory was finished.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::stat::futimens;
use nix::sys::time::TimeSpec;
use proto::time::Timestamp;

use crate::directory::Directory;
use crate::time::iso8601;

/// The mark.
pub const MARK: &str = ".tcpflow";

/// Seconds whose years have four digits.
const YEARS: (i64, i64) = (-62_167_219_200, 253_402_300_799);

/// Directories that may begin in the same second.
const SAME_SECOND: u32 = 100_000;

/// A directory that output goes into.
#[derive(Debug)]
pub struct Period {
    name: String,
    start: Timestamp,
    mark: OwnedFd,
}

impl Period {
    /// Makes the directory whose time begins at `start`. `about_to` is told each name before it is tried.
    pub fn make(
        directory: &Directory,
        start: Timestamp,
        mut about_to: impl FnMut(&str),
    ) -> Result<Self, Errno> {
        let mut result = Err(Errno::EEXIST);
        for counter in 0..SAME_SECOND {
            let name = name(start, counter);
            about_to(&name);
            result = match directory.make_new(&name) {
                Err(Errno::EEXIST) => continue,
                Err(errno) => Err(errno),
                Ok(()) => {
                    let mark = directory.create_new(&format!("{name}/{MARK}"));
                    mark.map(|mark| Self { name, start, mark })
                }
            };
            break;
        }
        result
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What goes before the names of files in it.
    pub fn prefix(&self) -> String {
        format!("{}/", self.name)
    }

    /// When its time begins.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Nothing comes into it any more.
    pub fn finish(self) {
        // Without it the directory counts as finished when it was made.
        let _ = futimens(&self.mark, &TimeSpec::UTIME_NOW, &TimeSpec::UTIME_NOW);
    }
}

/// In Coordinated Universal Time, so that names are in the order of time.
fn name(start: Timestamp, counter: u32) -> String {
    let (first, last) = YEARS;
    let time = Timestamp::new(start.seconds().clamp(first, last), 0);
    let name = iso8601(time).to_string().replace(':', "-");
    if counter == 0 { name } else { format!("{name}-{counter:03}") }
}

/// Whether something is named as a directory of these is.
pub fn is_name(name: &str) -> bool {
    const FORM: &[u8] = b"dddd-dd-ddTdd-dd-ddZ";
    let Some((time, counter)) = name.as_bytes().split_at_checked(FORM.len()) else { return false };
    let fits = |(byte, form): (&u8, &u8)| if *form == b'd' { byte.is_ascii_digit() } else { byte == form };
    let is_counter = |counter: &[u8]| match counter {
        [b'-', digits @ ..] => (3..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    time.iter().zip(FORM).all(fits) && (counter.is_empty() || is_counter(counter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_others() {
        for counter in [0, 1, 99_999] {
            assert!(is_name(&name(Timestamp::default(), counter)), "{counter}");
        }
        for other in [
            "",
            "2026",
            "2026-11-24T17-30-00",
            "2026-11-24T17:30:00Z",
            "2026-11-24T17-30-00Z-",
            "2026-11-24T17-30-00Z-01",
            "2026-11-24T17-30-00Z-000001",
            "2026-11-24T17-30-00Zx",
            "x2026-11-24T17-30-00Z",
            "2026-11-24T17-30-00Z/..",
            "２026-11-24T17-30-0",
        ] {
            assert!(!is_name(other), "{other}");
        }
    }

    #[test]
    fn names_are_times_in_the_order_of_time() {
        let at = |seconds| name(Timestamp::new(seconds, 999), 0);
        assert_eq!(at(1_795_541_400), "2026-11-24T17-30-00Z");
        assert_eq!(
            (at(i64::MIN).as_str(), at(i64::MAX).as_str()),
            ("0000-01-01T00-00-00Z", "9999-12-31T23-59-59Z")
        );
        let sorted = [at(0), name(Timestamp::new(0, 0), 1), name(Timestamp::new(0, 0), 10), at(1)];
        assert!(sorted.is_sorted(), "{sorted:?}");
    }

    #[test]
    fn a_name_that_is_taken_is_not_touched() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::new(std::fs::File::open(place.path()).unwrap().into());
        std::os::unix::fs::symlink("/nowhere", place.path().join("1970-01-01T00-00-00Z")).unwrap();
        std::fs::write(place.path().join("1970-01-01T00-00-00Z-001"), "").unwrap();
        let mut tried = Vec::new();
        let made =
            Period::make(&directory, Timestamp::default(), |name| tried.push(name.to_owned())).unwrap();
        assert_eq!(tried.len(), 3);
        assert_eq!(made.name(), "1970-01-01T00-00-00Z-002");
        made.finish();
        assert!(place.path().join("1970-01-01T00-00-00Z-002").join(MARK).is_file());
    }
}
