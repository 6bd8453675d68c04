//! What the user reads: lines to standard error, answers to standard output.

use std::io::Write;

use proto::control::{Level, Notice};
use proto::text::Text;

use super::settings::Settings;

/// A line to standard error. If that is gone there is no one to tell.
pub fn line(text: &str) {
    // In one piece: programs of the user's may write there too.
    let _ = std::io::stderr().write_all(format!("{}\n", Text::cut(text).escaped()).as_bytes());
}

/// An answer to standard output.
pub fn out(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A notice of a role, if the settings let it through.
pub fn notice(notice: &Notice, settings: &Settings) {
    at(notice.level, notice.text.as_str(), settings);
}

/// A line under the program's name, if the settings let its level through.
pub fn at(level: Level, text: &str, settings: &Settings) {
    let shown = match level {
        Level::Error => true,
        Level::Warning => settings.debug >= 1 && !settings.quiet,
        Level::Detail => settings.debug >= 10,
    };
    if shown {
        always(text, settings);
    }
}

/// A line under the program's name.
pub fn always(text: &str, settings: &Settings) {
    line(&format!("{}: {text}", settings.name));
}
