//! Which scanners run: `-a`, `-e`, `-E` and `-x`, in the order in which they stand.

use clap::ArgMatches;

use super::super::error::Error;
use super::in_order;

/// A scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scanner {
    /// Digests of flow files.
    Md5,
    /// Bodies of HTTP messages.
    Http,
    /// A page of charts.
    Netviz,
    /// Names of wireless networks.
    Wifiviz,
    /// A function of the user's, in Python.
    Python,
    /// Flows at all; the only one that is on by itself.
    Tcpdemux,
}

/// What is known of a scanner before it runs.
pub struct Known {
    /// Which.
    pub scanner: Scanner,
    /// Its name, for `-e`, `-E` and `-x`.
    pub name: &'static str,
    /// What it does, in a few words.
    pub help: &'static str,
    /// More of it, for `-H`.
    pub details: &'static str,
    /// Whether it runs unless told not to.
    pub by_default: bool,
}

/// Every scanner.
pub const KNOWN: &[Known] = &[
    Known {
        scanner: Scanner::Md5,
        name: "md5",
        help: "Digests of each flow file, in the report",
        details: "Made of the whole file when the flow ends; the report has a hashdigest element for each. \
                  -S hash says which digests.",
        by_default: false,
    },
    Known {
        scanner: Scanner::Http,
        name: "http",
        help: "Bodies of HTTP responses, each in a file of its own",
        details: "Named after the flow file, FLOW-HTTPBODY-NNN and an extension by content type, with \
                  chunks joined and compression undone (-Z leaves it).",
        by_default: false,
    },
    Known {
        scanner: Scanner::Netviz,
        name: "netviz",
        help: "A page of charts: report.pdf",
        details: "Traffic over time by port, and the addresses and ports with the most of it, in the output \
                  directory.",
        by_default: false,
    },
    Known {
        scanner: Scanner::Wifiviz,
        name: "wifiviz",
        help: "Names of wireless networks, in the report",
        details: "Of captures of 802.11 frames: each SSID with the station that announces it and how often.",
        by_default: false,
    },
    Known {
        scanner: Scanner::Python,
        name: "python",
        help: "A function of yours called with each flow; its result in the report",
        details: "Python 3, confined in a process of its own. -S py_path, py_module and py_function say \
                  what it is; -a includes it only where they do.",
        by_default: false,
    },
    Known {
        scanner: Scanner::Tcpdemux,
        name: "tcpdemux",
        help: "Flows and their files",
        details: "Puts the streams together. Without it packets are only counted, and no flow is in the \
                  report or in a file.",
        by_default: true,
    },
];

/// The scanners that run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanners {
    on: Vec<Scanner>,
    /// Those that were enabled by their names.
    named: Vec<Scanner>,
    /// Whether one was asked for by `-e` or `-a`, which with tcpflow turns post-processing on.
    pub post_processing: bool,
}

impl Scanners {
    /// Reads the options in their order.
    pub fn read(matches: &ArgMatches) -> Result<Self, Error> {
        let by_default = KNOWN.iter().filter(|known| known.by_default).map(|known| known.scanner);
        let mut scanners = Self { on: by_default.collect(), named: Vec::new(), post_processing: false };
        for (id, name) in in_order(matches, &["all", "enable", "only", "disable"]) {
            scanners.step(id, name)?;
        }
        Ok(scanners)
    }

    fn step(&mut self, id: &str, name: &str) -> Result<(), Error> {
        let named = named(name)?;
        if id != "disable" && name != "all" {
            self.named.extend(&named);
        }
        match id {
            "disable" => self.on.retain(|scanner| !named.contains(scanner)),
            "only" => self.on = named,
            _ => {
                self.post_processing = true;
                self.on.extend(named);
            }
        }
        Ok(())
    }

    /// Whether a scanner was enabled by its name, not only with all others.
    pub fn asks_for(&self, scanner: Scanner) -> bool {
        self.named.contains(&scanner)
    }

    /// Whether a scanner runs.
    pub fn runs(&self, scanner: Scanner) -> bool {
        self.on.contains(&scanner)
    }
}

/// The scanners that a name stands for.
fn named(name: &str) -> Result<Vec<Scanner>, Error> {
    let found: Vec<Scanner> =
        KNOWN.iter().filter(|known| known.name == name || name == "all").map(|known| known.scanner).collect();
    if found.is_empty() {
        return Err(Error::Plain(format!("Invalid scanner name '{name}'")));
    }
    Ok(found)
}
