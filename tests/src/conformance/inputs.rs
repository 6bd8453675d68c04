//! The inputs of cases, by name: captures made here, captures kept in `tests/pcaps`, and what is kept in
//! `tests/conformance/inputs` because nothing here can make it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::case::Case;
use super::{directory, links, streams, traffic};
use crate::run::kept_captures;

/// A name and the bytes of the file.
pub type Input = (String, Vec<u8>);

/// The bytes of an input.
#[must_use]
pub fn get(name: &str) -> Option<Vec<u8>> {
    all().get(name).cloned()
}

/// The inputs whose names stand in a case's command lines.
#[must_use]
pub fn named_in(case: &Case) -> Vec<Input> {
    let named = |name: &&String| case.runs.iter().any(|line| line.contains(name.as_str()));
    all().keys().filter(named).map(|name| (name.clone(), all()[name].clone())).collect()
}

fn all() -> &'static BTreeMap<String, Vec<u8>> {
    static ALL: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = BTreeMap::new();
        let made = [streams::all(), traffic::all(), links::all()].concat();
        let kept = [kept_captures(), directory().join("inputs")].into_iter().flat_map(|directory| {
            std::fs::read_dir(directory).unwrap().map(|entry| {
                let entry = entry.unwrap();
                (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
            })
        });
        for (name, bytes) in made.into_iter().chain(kept) {
            assert!(all.insert(name.clone(), bytes).is_none(), "two inputs are called {name}");
        }
        all
    })
}
