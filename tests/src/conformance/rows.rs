//! The rows of DIFFERENCES.md: each has an identifier in its first column, and is shown by a case, by what
//! is masked in every case, or by the test that its last table names.

use std::path::Path;

/// The heading of the table of rows that no case can show.
const ELSEWHERE: &str = "## Shown elsewhere";

/// DIFFERENCES.md, as far as it is checked.
#[derive(Debug, Default)]
pub struct Rows {
    /// The identifiers of all rows.
    pub all: Vec<String>,
    /// Rows that no case can show, with the tests that do.
    pub elsewhere: Vec<(String, Vec<String>)>,
}

impl Rows {
    /// Reads it.
    #[must_use]
    pub fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../DIFFERENCES.md");
        Self::parse(&std::fs::read_to_string(path).unwrap())
    }

    fn parse(text: &str) -> Self {
        let mut rows = Self::default();
        let (differences, elsewhere) = text.split_once(ELSEWHERE).unwrap_or((text, ""));
        for row in cells(differences) {
            rows.all.push(identifier(&row[0]));
        }
        for row in cells(elsewhere) {
            let tests = row[1].split(',').map(identifier).collect();
            rows.elsewhere.push((identifier(&row[0]), tests));
        }
        rows
    }
}

/// The rows of all tables, without their heads.
fn cells(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut in_body = false;
    for line in text.lines() {
        let Some(row) = line.strip_prefix('|') else {
            in_body = false;
            continue;
        };
        if row.starts_with("---") {
            in_body = true;
        } else if in_body {
            found.push(row.trim_end_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect());
        }
    }
    found
}

fn identifier(cell: &str) -> String {
    let name = cell.trim().trim_matches('`');
    assert!(
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_:".contains(c)),
        "DIFFERENCES.md: a row begins with {cell:?}, which is no identifier"
    );
    name.to_owned()
}

/// Whether `file::function` is a test of this workspace: a function of that name in a file of that name.
#[must_use]
pub fn is_test(test: &str) -> bool {
    let Some((file, function)) = test.split_once("::") else { return false };
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    ["tests", "policy", "proto", "capture", "reassembler", "writer"]
        .iter()
        .any(|part| has(&root.join(part), file, &format!("fn {function}(")))
}

fn has(directory: &Path, file: &str, words: &str) -> bool {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return has(&path, file, words);
        }
        path.file_name().is_some_and(|name| name.to_str() == Some(&format!("{file}.rs")))
            && std::fs::read_to_string(&path).unwrap().contains(words)
    })
}

#[cfg(test)]
mod tests {
    use super::Rows;

    #[test]
    fn rows_are_told_by_their_identifiers() {
        let text = "# Title\n\n| row | a | b | c |\n|---|---|---|---|\n| `x-y` | 1 | 2 | 3 |\n\n\
                    ## Shown elsewhere\n\n| row | shown by |\n|---|---|\n| `x-y` | `live::f`, `live::g` |\n";
        let rows = Rows::parse(text);
        assert_eq!(rows.all, ["x-y"]);
        assert_eq!(rows.elsewhere, [("x-y".into(), vec!["live::f".into(), "live::g".into()])]);
    }
}
