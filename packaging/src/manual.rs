//! tcpflow(1): the text of `tcpflow.1.in`, and in the places that it names what the definitions say.

use std::io::{Result, Write};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use proto::template::LETTERS;

use crate::cli::{naming, options, scanner, set};

/// The page as it was written by hand.
const PAGE: &str = include_str!("../tcpflow.1.in");

/// Writes the page.
pub fn write(to: &mut dyn Write) -> Result<()> {
    let man = Man::new(options::definition());
    write_title(&man, to)?;
    for line in PAGE.lines() {
        match line {
            "@OPTIONS@" => write_options(&man, to)?,
            "@TEMPLATES@" => {
                let letters =
                    LETTERS.iter().map(|(letter, _, help)| (format!("%{letter}"), (*help).to_owned()));
                write_rows(letters.chain([("%%".to_owned(), "a percent sign".to_owned())]), to)?;
            }
            "@LETTERS@" => {
                let letters = naming::LETTERS.iter();
                write_rows(letters.map(|known| (format!("-F{}", known.letter), known.help.to_owned())), to)?;
            }
            "@PARAMETERS@" => {
                let rows = set::known().map(|known| {
                    let help = format!("{} [default: {}]", known.help, known.default);
                    (format!("-S {}", known.name), help)
                });
                write_rows(rows, to)?;
            }
            "@SCANNERS@" => {
                let rows = scanner::KNOWN.iter();
                let rows =
                    rows.map(|known| (known.name.to_owned(), format!("{}. {}", known.help, known.details)));
                write_rows(rows, to)?;
            }
            // What is about the page and not of it.
            comment if comment.starts_with(".\\\"") => {}
            text => writeln!(to, "{text}")?,
        }
    }
    Ok(())
}

/// When the words of the page last changed, so that the page is the same whenever it is made.
const DATE: &str = "2026-11-24";

/// The title.
fn write_title(man: &Man, to: &mut dyn Write) -> Result<()> {
    let mut title = Vec::new();
    man.render_title(&mut title)?;
    for line in String::from_utf8_lossy(&title).lines() {
        if line.starts_with(".TH ") {
            writeln!(to, ".TH TCPFLOW 1 {DATE} \"tcpflow {}\" \"User Commands\"", env!("CARGO_PKG_VERSION"))?;
        } else {
            writeln!(to, "{line}")?;
        }
    }
    Ok(())
}

/// The options, under the headings of the help as sections of one section.
fn write_options(man: &Man, to: &mut dyn Write) -> Result<()> {
    let mut section = Vec::new();
    man.render_options_section(&mut section)?;
    writeln!(to, ".SH OPTIONS")?;
    // The generator breaks lines around the list of an option's values, where an empty line does that already.
    for line in String::from_utf8_lossy(&section).lines().filter(|line| !matches!(*line, ".br" | "")) {
        match line.strip_prefix(".SH ") {
            Some(heading) => {
                let (first, rest) = heading.split_at_checked(1).unwrap_or((heading, ""));
                writeln!(to, ".SS {first}{}", rest.to_lowercase())?;
            }
            None => writeln!(to, "{line}")?,
        }
    }
    Ok(())
}

/// Names and what they mean.
fn write_rows(rows: impl Iterator<Item = (String, String)>, to: &mut dyn Write) -> Result<()> {
    let mut page = Roff::new();
    for (name, meaning) in rows {
        page.control("TP", []).text([bold(name)]).text([roman(meaning)]);
    }
    to.write_all(page.to_roff().as_bytes())
}
