//! What the user reads: lines to standard error, answers to standard output.
//!
//! Where standard error is the journal, each line has a level before it as the journal reads it,
//! sd-daemon(3): `<4>` and the line.

use std::io::{Write, stderr, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::LazyLock;

use nix::sys::stat::fstat;
use proto::control::{Level, Notice};
use proto::text::Text;

use super::error::Error;
use super::settings::Settings;
use super::sys;

/// Levels of syslog(3).
#[derive(Debug, Clone, Copy)]
enum Priority {
    Error,
    Warning,
    Info,
    Debug,
}

/// Whether standard error is the journal, as systemd.exec(5) says it is to be found out: a process may have
/// inherited the variable and another standard error.
static JOURNAL: LazyLock<bool> = LazyLock::new(|| {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    fstat(stderr()).is_ok_and(|status| stream == format!("{}:{}", status.st_dev, status.st_ino))
});

/// Whether what is said goes to the journal.
pub fn is_journal() -> bool {
    *JOURNAL
}

/// A line to standard error. If that is gone there is no one to tell.
pub fn line(text: &str) {
    print(Priority::Info, text);
}

/// Why a run failed.
pub fn error(text: &str) {
    print(Priority::Error, text);
}

fn print(priority: Priority, text: &str) {
    let text = Text::cut(text).escaped();
    let mut whole = String::new();
    for line in text.split('\n') {
        if is_journal() {
            whole.push_str(priority.mark());
        }
        whole.push_str(line);
        whole.push('\n');
    }
    // In one piece: programs of the user's may write there too.
    let _ = stderr().write_all(whole.as_bytes());
}

/// An answer to standard output.
pub fn out(text: &str) -> Result<(), Error> {
    there_is_an_output()?;
    let mut out = stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)
}

/// A descriptor of standard output, for whoever prints there.
pub fn output() -> Result<OwnedFd, Error> {
    there_is_an_output()?;
    stdout().as_fd().try_clone_to_owned().map_err(Error::Output)
}

fn there_is_an_output() -> Result<(), Error> {
    if sys::output_is_closed() { Err(Error::NoOutput) } else { Ok(()) }
}

/// A notice of a role, if the settings let it through.
pub fn notice(notice: &Notice, settings: &Settings) {
    at(notice.level, notice.text.as_str(), settings);
}

/// A line under the program's name, if the settings let its level through.
pub fn at(level: Level, text: &str, settings: &Settings) {
    let (shown, priority) = match level {
        Level::Error => (true, Priority::Error),
        Level::Warning => (settings.debug >= 1 && !settings.quiet, Priority::Warning),
        Level::Detail => (settings.debug >= 10, Priority::Debug),
    };
    if shown {
        print(priority, &named(text, settings));
    }
}

/// A line under the program's name.
pub fn always(text: &str, settings: &Settings) {
    line(&named(text, settings));
}

fn named(text: &str, settings: &Settings) -> String {
    format!("{}: {text}", settings.name)
}

impl Priority {
    /// How the journal reads it.
    fn mark(self) -> &'static str {
        match self {
            Self::Error => "<3>",
            Self::Warning => "<4>",
            Self::Info => "<6>",
            Self::Debug => "<7>",
        }
    }
}
