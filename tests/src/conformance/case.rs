//! The table of cases: `tests/conformance/cases/*.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::directory;
use super::report::Mask;

/// One command line, or several in one directory, and what is known to differ.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it is called; its recording is `recorded/NAME.txt`.
    pub name: String,
    /// The command lines, without the program, in the words of a shell. Inputs that they name lie in the
    /// working directory.
    pub runs: Vec<String>,
    /// The input that each run gets on standard input.
    pub stdin: Option<String>,
    /// Files that are there before, by name and content.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Directories that are there before.
    #[serde(default)]
    pub folders: Vec<String>,
    /// What is compared here although it is masked elsewhere.
    #[serde(default)]
    pub unmask: Vec<Mask>,
    /// What is not compared here although it is elsewhere; a table may say so for all its cases.
    #[serde(default)]
    pub mask: Vec<Mask>,
    /// The rows of DIFFERENCES.md for which ours differs.
    #[serde(default)]
    pub differs: Vec<String>,
    /// The lines of the original's outcome that ours has not (`- `), and those that it has instead (`+ `).
    #[serde(default)]
    pub difference: String,
    /// In place of a difference, all that comes of ours: it refuses what the original goes on with.
    pub instead: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    mask: Vec<Mask>,
    case: Vec<Case>,
}

impl Case {
    /// Every case of every table.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(directory().join("cases"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .collect();
        paths.sort();
        let mut all: Vec<Self> = Vec::new();
        for path in paths {
            let text = std::fs::read_to_string(&path).unwrap();
            let table: Table = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            for mut case in table.case {
                case.mask.extend(&table.mask);
                all.push(case);
            }
        }
        all
    }

    /// Whether something is masked in this case.
    #[must_use]
    pub fn masks(&self, mask: Mask) -> bool {
        !self.unmask.contains(&mask) && (mask.is_usual() || self.mask.contains(&mask))
    }

    /// The cases that ours does not pass yet, by name.
    #[must_use]
    pub fn pending() -> Vec<String> {
        let text = std::fs::read_to_string(directory().join("pending")).unwrap_or_default();
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
    }

    /// Where the original's outcome is recorded.
    #[must_use]
    pub fn recording(&self) -> PathBuf {
        directory().join("recorded").join(format!("{}.txt", self.name))
    }
}
