//! Which scanners run: `-a`, `-e`, `-E` and `-x`, in the order in which they stand.

use clap::ArgMatches;

use super::super::error::Error;

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
    /// Flows at all; the only one that is on by itself.
    Tcpdemux,
}

/// Every scanner, with what it does.
pub const ALL: [(Scanner, &str, &str); 5] = [
    (Scanner::Md5, "md5", "Digests of each flow file, in the report"),
    (Scanner::Http, "http", "Bodies of HTTP responses, each in a file of its own"),
    (Scanner::Netviz, "netviz", "A page of charts: report.pdf"),
    (Scanner::Wifiviz, "wifiviz", "Names of wireless networks, in the report"),
    (Scanner::Tcpdemux, "tcpdemux", "Flows and their files"),
];

/// The scanners that run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanners {
    on: Vec<Scanner>,
    /// Whether one was asked for, which with tcpflow turns post-processing on.
    pub post_processing: bool,
}

impl Scanners {
    /// Reads the options in their order.
    pub fn read(matches: &ArgMatches) -> Result<Self, Error> {
        let mut steps: Vec<(usize, &str, Option<&str>)> = Vec::new();
        for id in ["enable", "only", "disable"] {
            let values = matches.get_many::<String>(id).into_iter().flatten().map(String::as_str);
            let places = matches.indices_of(id).into_iter().flatten();
            steps.extend(places.zip(values).map(|(place, name)| (place, id, Some(name))));
        }
        for id in ["all", "all-deprecated"] {
            if matches.get_flag(id) {
                steps.extend(matches.indices_of(id).into_iter().flatten().map(|place| (place, "all", None)));
            }
        }
        steps.sort_unstable_by_key(|(place, ..)| *place);
        let mut scanners = Self { on: vec![Scanner::Tcpdemux], post_processing: false };
        for (_, id, name) in steps {
            scanners.step(id, name.unwrap_or("all"))?;
        }
        Ok(scanners)
    }

    fn step(&mut self, id: &str, name: &str) -> Result<(), Error> {
        let named = named(name)?;
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

    /// Whether a scanner runs.
    pub fn runs(&self, scanner: Scanner) -> bool {
        self.on.contains(&scanner)
    }
}

/// The scanners that a name stands for.
fn named(name: &str) -> Result<Vec<Scanner>, Error> {
    let found: Vec<Scanner> = ALL
        .iter()
        .filter(|(_, own, _)| *own == name || name == "all")
        .map(|(scanner, ..)| *scanner)
        .collect();
    if found.is_empty() {
        return Err(Error::Plain(format!("Invalid scanner name '{name}'")));
    }
    Ok(found)
}
