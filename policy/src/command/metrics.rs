//! `--metrics`: what the roles have counted, as text that Prometheus reads (its exposition format, version 0.0.4), in a
//! file that is never there by half: another one is written beside it and takes its place.
//!
//! It is written by `tcpflow`, which holds no capability by then, as the user that the writer is.

use std::fmt::{Display, Write as _};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, SysconfVar, Uid, UnlinkatFlags, setfsgid, setfsuid, sysconf, unlinkat};
use proto::plan::Identity;

use super::counters::{Counters, Reasons};
use super::error::Error;
use super::settings::{Input, Settings};

/// How often the file is written.
const EVERY: Duration = Duration::from_secs(15);

/// What a file is made with, less umask.
const MODE: Mode = Mode::from_bits_truncate(0o666);

/// Where the file is.
#[derive(Debug)]
pub struct Place {
    /// Its directory.
    pub directory: OwnedFd,
    /// Its name in there.
    pub name: String,
    /// Its name as the user gave it.
    pub shown: String,
    /// Whose it is, and who is allowed to write there; none: who started the run.
    pub user: Option<Identity>,
}

/// The file, and when it is to be written.
#[derive(Debug)]
pub struct Metrics {
    place: Place,
    /// What stands in every sample beside its own labels.
    interface: Option<String>,
    started: Duration,
    /// When the roles last said how far they are, all of them.
    counted: Duration,
    due: Instant,
    /// The round that was asked for, if it is not answered yet.
    asked: Option<u64>,
    /// Whether it could not be written at some time.
    failed: bool,
    /// Why, if nobody was told yet.
    untold: Option<Errno>,
}

/// A process of the run, by its name.
pub type Named = (String, u32);

impl Metrics {
    /// Writes the file for the first time, with nothing counted: if that cannot be, the run does not begin.
    pub fn begin(place: Place, settings: &Settings, processes: &[Named]) -> Result<Self, Error> {
        let interface = match &settings.input {
            Input::Live { interface, .. } => interface.clone(),
            Input::Savefiles(_) => None,
        };
        let (started, begun) = (now(), Instant::now());
        let due = begun.checked_add(EVERY).unwrap_or(begun);
        let metrics = Self {
            place,
            interface,
            started,
            counted: started,
            due,
            asked: None,
            failed: false,
            untold: None,
        };
        let text = metrics.text(&Counters::of(settings.workers), processes);
        let cannot = |errno: Errno| {
            let user = Uid::effective();
            let user = metrics.place.user.map_or(user, |user| Uid::from_raw(user.uid));
            Error::Told(format!("cannot write {} as user {user}: {}", metrics.place.shown, errno.desc()))
        };
        metrics.place.write(&text).map_err(cannot)?;
        Ok(metrics)
    }

    /// When something is next to be done.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// If it is time: whether the roles are to be asked. What was not answered since the last time is written as far as
    /// it is known: a role that stands still must not keep what the others say from being seen.
    pub fn is_due(&mut self, counters: &Counters, processes: &[Named]) -> bool {
        if Instant::now() < self.due {
            return false;
        }
        self.due = Instant::now().checked_add(EVERY).unwrap_or(self.due);
        if self.asked.is_some() {
            self.write(counters, processes);
        }
        self.asked = Some(counters.begun().saturating_add(1));
        true
    }

    /// A role has said how far it is: writes the file once all have.
    pub fn heard(&mut self, counters: &Counters, processes: &[Named]) {
        if self.asked.is_some_and(|asked| counters.answered() >= asked) {
            self.asked = None;
            self.counted = now();
            self.write(counters, processes);
        }
    }

    /// Writes the file for the last time; whether it could be written always.
    pub fn finish(&mut self, counters: &Counters) -> bool {
        self.counted = now();
        self.write(counters, &[]);
        !self.failed
    }

    /// What the user is to be told, once.
    pub fn complaint(&mut self) -> Option<String> {
        let errno = self.untold.take()?;
        Some(format!("cannot write {}: {}", self.place.shown, errno.desc()))
    }

    fn write(&mut self, counters: &Counters, processes: &[Named]) {
        if let Err(errno) = self.place.write(&self.text(counters, processes)) {
            self.untold = (!self.failed).then_some(errno).or(self.untold);
            self.failed = true;
        }
    }

    fn text(&self, counters: &Counters, processes: &[Named]) -> String {
        let mut page = Page { text: String::new(), interface: self.interface.as_deref() };
        page.gauge("run_info", "The program that runs", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        page.gauge("run_start_time_seconds", "When the run began", &[], seconds(self.started));
        page.gauge(
            "counted_time_seconds",
            "When all processes were last counted",
            &[],
            seconds(self.counted),
        );
        counted(&mut page, counters);
        page.head("process_resident_memory_bytes", "gauge", "Memory of each process of the run");
        let own = ("tcpflow".to_owned(), std::process::id());
        for (name, pid) in processes.iter().chain([&own]) {
            if let Some(bytes) = resident(*pid) {
                page.sample("process_resident_memory_bytes", &[("process", name)], bytes);
            }
        }
        page.text
    }
}

/// What the roles have said.
fn counted(page: &mut Page<'_>, counters: &Counters) {
    let (captured, reassembled, written) = counters.newest();
    let closed = reassembled.flows.saturating_sub(reassembled.open);
    for (name, help, value) in [
        ("savefile_read_bytes_total", "Bytes of savefiles read, as they lie on the disk", captured.bytes),
        ("frames_captured_total", "Frames captured or read", captured.frames),
        ("frames_filtered_total", "Frames that the filter expression did not let through", captured.filtered),
        ("frames_dropped_total", "Frames that the kernel dropped", captured.dropped),
        ("frames_decoded_total", "Frames that a TCP segment was found in", reassembled.segments),
        ("flows_opened_total", "Flows that have begun", reassembled.flows),
        ("flows_closed_total", "Flows that have ended", closed),
        ("files_created_total", "Flow files made", written.files),
        ("payload_captured_bytes_total", "Payload of TCP segments", reassembled.payload),
        ("payload_stored_bytes_total", "Payload written to flow files", written.bytes),
    ] {
        page.head(name, "counter", help);
        page.sample(name, &[], value);
    }
    page.gauge("flows_open", "Flows that are open", &[], reassembled.open);
    let frames = &reassembled.frames_aside;
    page.by_reason("frames_set_aside_total", "Frames that no TCP segment was found in", [frames].into_iter());
    let payload = [&reassembled.payload_aside, &written.aside].into_iter();
    page.by_reason("payload_set_aside_bytes_total", "Payload that went into no flow file", payload);
}

/// The text.
struct Page<'a> {
    text: String,
    interface: Option<&'a str>,
}

impl Page<'_> {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to memory cannot fail.
        let _ = write!(self.text, "# HELP tcpflow_{name} {help}.\n# TYPE tcpflow_{name} {kind}\n");
    }

    fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: impl Display) {
        self.head(name, "gauge", help);
        self.sample(name, labels, value);
    }

    fn by_reason<'r>(&mut self, name: &str, help: &str, counts: impl Iterator<Item = &'r Reasons>) {
        let mut sums = Reasons::new();
        for (reason, count) in counts.flatten() {
            let sum = sums.entry(reason.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        self.head(name, "counter", help);
        for (reason, count) in sums {
            self.sample(name, &[("reason", &reason)], count);
        }
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels = self.interface.map(|name| ("interface", name)).into_iter().chain(labels.iter().copied());
        let labels: Vec<String> =
            labels.map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let _ = match labels.is_empty() {
            true => writeln!(self.text, "tcpflow_{name} {value}"),
            false => writeln!(self.text, "tcpflow_{name}{{{}}} {value}", labels.join(",")),
        };
    }
}

/// A label's value: what the format would take for its end is escaped, other control characters are replaced.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c if c.is_control() => text.push(char::REPLACEMENT_CHARACTER),
            c => text.push(c),
        }
    }
    text
}

/// Memory of a process that is there, in bytes: the second field of proc_pid_statm(5), in pages.
fn resident(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    let size = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    pages.checked_mul(u64::try_from(size).ok()?)
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn seconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis())
}

impl Place {
    /// Puts the text where it belongs, at once.
    fn write(&self, text: &str) -> Result<(), Errno> {
        let before = self.user.map(|user| {
            // Neither can be refused: both are those that this process has as its real ones. What they were is given
            // back. The user of the process is left as it is, for the roles' death depends on it.
            (setfsgid(Gid::from_raw(user.gid)), setfsuid(Uid::from_raw(user.uid)))
        });
        let written = self.replace(text);
        if let Some((group, user)) = before {
            setfsuid(user);
            setfsgid(group);
        }
        written
    }

    fn replace(&self, text: &str) -> Result<(), Errno> {
        let beside = format!(".{}.new", self.name);
        let remove = || unlinkat(&self.directory, beside.as_str(), UnlinkatFlags::NoRemoveDir);
        // Of a run that was killed.
        match remove() {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(&self.directory, beside.as_str(), flags, MODE)?);
        let written = file
            .write_all(text.as_bytes())
            .map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)))
            .and_then(|()| renameat(&self.directory, beside.as_str(), &self.directory, self.name.as_str()));
        if written.is_err() {
            // What is told is why it could not be written.
            let _ = remove();
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::control::Counts;

    #[test]
    fn no_label_ends_its_line() {
        let mut page = Page { text: String::new(), interface: Some("eth\"0") };
        page.sample("x", &[("reason", "a\\\"b\nc\u{1b}\u{9b}d")], 1);
        let expected = "tcpflow_x{interface=\"eth\\\"0\",reason=\"a\\\\\\\"b\\nc\u{fffd}\u{fffd}d\"} 1\n";
        assert_eq!(page.text, expected);
    }

    #[test]
    fn a_file_takes_the_place_of_another_and_leaves_nothing_beside() {
        let directory = std::env::temp_dir().join(format!("tcpflow-metrics-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        std::os::unix::fs::symlink("/nowhere", directory.join(".m.new")).unwrap();
        let place = Place {
            directory: File::open(&directory).unwrap().into(),
            name: "m".to_owned(),
            shown: "m".to_owned(),
            user: None,
        };
        for text in ["one\n", "two\n"] {
            assert_eq!(place.write(text), Ok(()));
            assert_eq!(std::fs::read_to_string(directory.join("m")).unwrap(), text);
            assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
        }
        // Where the other cannot be made, the one that is there stays.
        std::fs::create_dir(directory.join(".m.new")).unwrap();
        assert_eq!(place.write("three\n"), Err(Errno::EISDIR));
        assert_eq!(std::fs::read_to_string(directory.join("m")).unwrap(), "two\n");
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(place.write("three\n"), Err(Errno::ENOENT));
    }

    #[test]
    fn a_role_that_stands_still_does_not_keep_the_others_from_being_seen() {
        let directory = std::env::temp_dir().join(format!("tcpflow-still-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let place = Place {
            directory: File::open(&directory).unwrap().into(),
            name: "m".to_owned(),
            shown: "m".to_owned(),
            user: None,
        };
        let (zero, due) = (Duration::ZERO, Instant::now());
        let mut metrics = Metrics {
            place,
            interface: None,
            started: zero,
            counted: zero,
            due,
            asked: None,
            failed: false,
            untold: None,
        };
        let (mut counters, is_there) = (Counters::of(1), || directory.join("m").exists());
        assert!(metrics.is_due(&counters, &[]) && !metrics.is_due(&counters, &[]));
        let capture = Counts::Capture { bytes: 0, of: None, frames: 23, filtered: 0, dropped: 0 };
        counters.take(0, &capture);
        metrics.heard(&counters, &[]);
        assert!(!is_there(), "the others have not answered");
        metrics.due = Instant::now();
        assert!(metrics.is_due(&counters, &[]) && is_there());
        let text = std::fs::read_to_string(directory.join("m")).unwrap();
        assert!(text.contains("\ntcpflow_frames_captured_total 23\n"), "{text}");
        assert!(text.contains("\ntcpflow_counted_time_seconds 0.000\n"), "they were not all counted: {text}");
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn the_memory_of_a_process_is_more_than_none() {
        assert!(resident(std::process::id()).unwrap() > 100_000);
    }
}
