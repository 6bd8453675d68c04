//! What `-h`, `-hh` and `-H` print, made of the definitions that the parser reads by.

use std::fmt::Display;

use clap::{Arg, Command};
use proto::limits::MAX_FRAME;
use proto::template::{LETTERS, MAX_TEMPLATE};
use textwrap::{Options, WordSplitter, fill};

use super::options::{USAGE, definition};
use super::{naming, scanner, set};

/// Columns of a terminal that every user has.
const WIDTH: usize = 80;
/// Where what an option does begins.
const COLUMN: usize = 28;

/// `-h`.
pub fn usage() -> String {
    let definition = definition();
    let mut text = format!("Usage: {USAGE}\n");
    for heading in headings(&definition) {
        text.push_str(&format!("\n{heading}:\n"));
        for arg in definition.get_arguments().filter(|arg| arg.get_help_heading() == Some(heading)) {
            text.push_str(&option(arg));
        }
    }
    text
}

/// What `-hh` prints after that.
pub fn more() -> String {
    let mut text =
        String::from("\nLetters of -F (each changes the template as the one before it left it):\n");
    for known in naming::LETTERS {
        text.push_str(&row(&format!("  -F{}", known.letter), known.help));
    }
    text.push_str("\nTemplates for -T (/ begins a directory):\n");
    for (letter, _, help) in LETTERS {
        text.push_str(&row(&format!("  %{letter}"), help));
    }
    text.push_str(&row("  %%", "%"));
    text.push_str("\nParameters for -S, with their defaults:\n");
    for known in set::known() {
        text.push_str(&row(&format!("  {}={}", known.name, known.default), known.help));
    }
    text.push_str("\nScanners for -e, -E and -x (all stands for each of them):\n");
    for known in scanner::KNOWN {
        let when = if known.by_default { "; on unless disabled" } else { "" };
        text.push_str(&row(&format!("  {}", known.name), format!("{}{when}", known.help)));
    }
    text.push_str("\nLimits:\n");
    text.push_str(&row("  frame", format!("{MAX_FRAME} bytes")));
    text.push_str(&row("  template", format!("{MAX_TEMPLATE} bytes")));
    text
}

/// `-H`.
pub fn scanners() -> String {
    let mut text = String::new();
    for known in scanner::KNOWN {
        let when = if known.by_default { "on; -x disables it" } else { "off; -e enables it" };
        text.push_str(&format!("{} ({when})\n", known.name));
        let indented = Options::new(WIDTH).initial_indent("  ").subsequent_indent("  ");
        text.push_str(&fill(&format!("{}. {}", known.help, known.details), indented));
        text.push_str("\n\n");
    }
    text.push_str("Parameters of scanners are set by -S; -hh lists them.\n");
    text
}

fn headings(definition: &Command) -> Vec<&str> {
    let mut headings: Vec<&str> = Vec::new();
    for heading in definition.get_arguments().filter_map(Arg::get_help_heading) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    headings
}

fn option(arg: &Arg) -> String {
    let value = arg.get_value_names().filter(|_| arg.get_action().takes_values());
    let value = value.and_then(<[_]>::first).map(|name| format!(" {name}")).unwrap_or_default();
    let names = match (arg.get_short(), arg.get_long()) {
        (Some(letter), Some(name)) => format!("  -{letter}, --{name}{value}"),
        (None, Some(name)) => format!("      --{name}{value}"),
        (_, None) => format!(" {value}"),
    };
    let default = match arg.get_default_values() {
        [only] if arg.get_action().takes_values() => format!(" [default: {}]", only.to_string_lossy()),
        _ => String::new(),
    };
    row(&names, format!("{}{default}", arg.get_help().map(ToString::to_string).unwrap_or_default()))
}

/// A name and what it means: beside it if there is room, else on the lines below.
fn row(name: &str, help: impl Display) -> String {
    let margin = " ".repeat(COLUMN);
    let below = name.len() > COLUMN.saturating_sub(2);
    let first = if below { margin.clone() } else { format!("{name:COLUMN$}") };
    // Names and numbers are not taken apart.
    let options = Options::new(WIDTH)
        .initial_indent(&first)
        .subsequent_indent(&margin)
        .word_splitter(WordSplitter::NoHyphenation);
    let text = fill(&help.to_string(), options);
    if below { format!("{name}\n{text}\n") } else { format!("{text}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_fits_a_terminal() {
        for text in [usage(), more(), scanners()] {
            for line in text.lines() {
                assert!(line.chars().count() <= WIDTH, "{line}");
                assert_eq!(line.trim_end(), line);
            }
        }
    }

    #[test]
    fn every_option_has_its_line() {
        let text = usage();
        for arg in definition().get_arguments() {
            let Some(name) = arg.get_long() else { continue };
            // What stands before the words; one option's may speak of another.
            let names = text.lines().filter_map(|line| line.trim_start().split("  ").next());
            let found =
                names.filter(|names| names.split_whitespace().any(|word| word == format!("--{name}")));
            assert_eq!(found.count(), 1, "--{name}");
            assert!(arg.get_help().is_some(), "--{name}");
        }
    }
}
