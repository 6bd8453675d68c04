//! The line that shows, on a terminal, how far the reading of savefiles is.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::counters::Counters;
use super::settings::{Input, Settings};

/// How long the run takes at least before there is a line: who would have read it?
const BEFORE: Duration = Duration::from_millis(300);

/// Where the length of all that is read is known.
const OF_KNOWN: &str = "{bytes} of {total_bytes} ({percent} %), {msg}, {bytes_per_sec}, {eta} left";
/// Where it is not: standard input, a pipe.
const OF_UNKNOWN: &str = "{bytes}, {msg}, {bytes_per_sec}";

/// The line, or none.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
}

/// Whether there is to be a line: savefiles are read, someone is there to see it, and nothing else is printed
/// in the same place.
pub fn is_wanted(settings: &Settings) -> bool {
    let savefiles = matches!(settings.input, Input::Savefiles(_));
    let garbles = settings.console.is_some() && std::io::stdout().is_terminal();
    savefiles && !settings.quiet && settings.debug > 0 && !garbles && std::io::stderr().is_terminal()
}

impl Progress {
    /// A line that is not shown yet, if there is to be one.
    pub fn new(settings: &Settings) -> Self {
        // Drawn to nowhere until there is something to show.
        let bar = || ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self { bar: is_wanted(settings).then(bar) }
    }

    /// Shows what the roles have said last.
    pub fn show(&self, counters: &Counters) {
        let Some(bar) = self.bar.as_ref().filter(|bar| bar.elapsed() >= BEFORE) else { return };
        let (captured, reassembled, _) = counters.newest();
        let begins = !is_shown(bar);
        if bar.length() != captured.of || begins {
            let template = if captured.of.is_some() { OF_KNOWN } else { OF_UNKNOWN };
            // Both templates are right; a style that is not would leave the default one.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            if let Some(of) = captured.of {
                bar.set_length(of);
            }
        }
        let (frames, flows) = (HumanCount(captured.frames), HumanCount(reassembled.flows));
        bar.set_message(format!("{frames} packets, {flows} flows"));
        bar.set_position(captured.bytes);
        if begins {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.tick();
        }
    }

    /// Does what writes to the terminal while the line is out of the way.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match self.bar.as_ref().filter(|bar| is_shown(bar)) {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Takes the line away.
    pub fn end(&self) {
        if let Some(bar) = self.bar.as_ref().filter(|bar| is_shown(bar)) {
            bar.finish_and_clear();
        }
    }
}

/// A line has its message from the first time that it is shown.
fn is_shown(bar: &ProgressBar) -> bool {
    !bar.message().is_empty()
}
