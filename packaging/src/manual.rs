//! tcpflow(1) and tcpflow.conf(5): the texts of `tcpflow.1.in` and `tcpflow.conf.5.in`, and in the places that they
//! name what the definitions say.

use std::io::{Result, Write};

use clap::Arg;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use proto::template::LETTERS;

use crate::cli::{config, naming, options, scanner, set};
use crate::events;

/// A page.
pub struct Page {
    /// Where it goes, under the prefix of a package.
    pub place: &'static str,
    name: &'static str,
    section: u8,
    /// What readers of manuals call its section.
    title: &'static str,
    /// The page as it was written by hand.
    text: &'static str,
}

/// Every page.
pub const PAGES: [Page; 2] = [
    Page {
        place: "share/man/man1/tcpflow.1",
        name: "TCPFLOW",
        section: 1,
        title: "User Commands",
        text: include_str!("../tcpflow.1.in"),
    },
    Page {
        place: "share/man/man5/tcpflow.conf.5",
        name: "TCPFLOW.CONF",
        section: 5,
        title: "File Formats",
        text: include_str!("../tcpflow.conf.5.in"),
    },
];

/// Writes a page.
pub fn write(page: &Page, to: &mut dyn Write) -> Result<()> {
    let man = Man::new(options::definition());
    write_title(&man, page, to)?;
    for line in page.text.lines() {
        match line {
            "@OPTIONS@" => write_options(&man, to)?,
            "@CONFIGURATION@" => write_rows(configuration(), to)?,
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
            "@EVENTS@" => events::write(to)?,
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
fn write_title(man: &Man, page: &Page, to: &mut dyn Write) -> Result<()> {
    let mut title = Vec::new();
    man.render_title(&mut title)?;
    for line in String::from_utf8_lossy(&title).lines() {
        if line.starts_with(".TH ") {
            let Page { name, section, title, .. } = page;
            writeln!(
                to,
                ".TH {name} {section} {DATE} \"tcpflow {}\" \"{title}\"",
                env!("CARGO_PKG_VERSION")
            )?;
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

/// The options that a file may have, as they stand there.
fn configuration() -> impl Iterator<Item = (String, String)> {
    let row = |arg: &Arg| {
        let value = arg.get_value_names().filter(|_| options::takes_value(arg)).and_then(<[_]>::first);
        let line = [arg.get_long(), value.map(|value| value.as_str())];
        let line: Vec<&str> = line.into_iter().flatten().collect();
        (line.join(" "), arg.get_help().map(ToString::to_string).unwrap_or_default())
    };
    let definition = options::definition();
    let rows: Vec<_> = definition.get_arguments().filter(|arg| config::allows(arg)).map(row).collect();
    rows.into_iter()
}

/// Names and what they mean.
pub fn write_rows(rows: impl Iterator<Item = (String, String)>, to: &mut dyn Write) -> Result<()> {
    let mut page = Roff::new();
    for (name, meaning) in rows {
        page.control("TP", []).text([bold(name)]).text([roman(meaning)]);
    }
    to.write_all(page.to_roff().as_bytes())
}
