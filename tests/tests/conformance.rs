//! Ours against the original: the cases of `tests/conformance`.
//!
//! Ours is held against what is recorded of the original; the original, where it is installed, too, so that
//! the recordings cannot lie. `TCPFLOW_RECORD=1 cargo test -p tcpflow-tests --test conformance` records anew
//! (all, or those that a name after `--` selects); `TCPFLOW_UNDER_TEST=theirs` runs the original alone.

use std::collections::BTreeSet;
use std::env;
use std::process::ExitCode;

use tcpflow_tests::conformance::case::Case as Row;
use tcpflow_tests::conformance::report::Mask;
use tcpflow_tests::conformance::rows::{self, Rows};
use tcpflow_tests::conformance::{difference, directory, outcome};
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Case, Need};

fn main() -> ExitCode {
    let rows = Row::all();
    if env::var_os("TCPFLOW_RECORD").is_some() {
        return suite::main(rows.into_iter().map(|row| theirs(row, record)).collect());
    }
    let mut all = vec![
        Case::new("table_names_are_unique_and_recorded", &[], names_are_unique_and_recorded),
        Case::new("table_differences_are_explained", &[], differences_are_explained),
    ];
    let pending_names = Row::pending();
    let ours = Need::Ours("it is what ours is held against");
    for row in rows {
        let name = format!("ours::{}", row.name);
        all.push(theirs(row.clone(), still_as_recorded));
        match pending_names.contains(&row.name) {
            true => all.push(Case::new(format!("pending::{}", row.name), &[ours], move || pending(&row))),
            false => all.push(Case::new(name, &[ours], move || compare(&row))),
        }
    }
    let code = suite::main(all);
    // A semaphore of -L outlives those who open it.
    for name in ["tcpflow-conformance", "tcpflow-conformance2", "tcpflow-conformance3"] {
        let _ = std::fs::remove_file(format!("/dev/shm/sem.{name}"));
    }
    code
}

fn theirs(row: Row, test: fn(&Row)) -> Case {
    Case::new(format!("theirs::{}", row.name), &[Need::Original], move || test(&row))
}

fn record(row: &Row) {
    std::fs::write(row.recording(), outcome::of(Subject::Theirs, row)).unwrap();
}

fn recorded(row: &Row) -> String {
    let path = row.recording();
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn still_as_recorded(row: &Row) {
    let changed = difference::between(&recorded(row), &outcome::of(Subject::Theirs, row));
    assert!(changed.is_empty(), "the original does not do what is recorded:\n{changed}");
}

fn compare(row: &Row) {
    if let Err(why) = agrees(row) {
        panic!("{}: {why}", row.name);
    }
}

/// Whether ours does what is recorded of the original, but for what is stated.
fn agrees(row: &Row) -> Result<(), String> {
    let (theirs, ours) = (recorded(row), outcome::of(Subject::Ours, row));
    let found = difference::between(&theirs, &ours);
    if let Some(instead) = &row.instead {
        return match ours == instead.trim_start() && ours != theirs {
            true => Ok(()),
            false => Err(format!("ours is:\n{ours}\nstated is:\n{instead}")),
        };
    }
    match found == row.difference.trim_start() {
        true => Ok(()),
        false => Err(format!("theirs (-) and ours (+):\n{found}\nstated is:\n{}", row.difference)),
    }
}

/// What ours does not do yet must not be forgotten once it does.
fn pending(row: &Row) {
    assert!(agrees(row).is_err(), "{} passes: take it out of tests/conformance/pending", row.name);
}

fn names_are_unique_and_recorded() {
    let all = Row::all();
    let names: BTreeSet<String> = all.iter().map(|row| format!("{}.txt", row.name)).collect();
    assert_eq!(names.len(), all.len(), "two cases have one name");
    let files = std::fs::read_dir(directory().join("recorded")).unwrap();
    let files = files.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let unmatched: Vec<_> = names.symmetric_difference(&files).collect();
    assert!(unmatched.is_empty(), "a case that is not recorded, or the reverse: {unmatched:?}");
    let unknown: Vec<_> =
        Row::pending().into_iter().filter(|name| !names.contains(&format!("{name}.txt"))).collect();
    assert!(unknown.is_empty(), "pending, and no cases: {unknown:?}");
}

/// Every difference has a row in DIFFERENCES.md, and every row there something that shows it.
fn differences_are_explained() {
    let rows = Rows::read();
    let known: BTreeSet<String> = rows.all.iter().cloned().collect();
    assert_eq!(known.len(), rows.all.len(), "two rows have one identifier: {:?}", rows.all);
    let mut shown: BTreeSet<String> =
        Mask::ALL.into_iter().filter_map(Mask::row).map(str::to_owned).collect();
    for case in Row::all() {
        let masked = case.mask.iter().any(|mask| mask.row().is_some());
        let differs = !case.differs.is_empty();
        let stated = !case.difference.is_empty() || case.instead.is_some();
        assert_eq!(differs, stated, "{}: a difference, and why", case.name);
        assert!(differs || masked || case.mask.is_empty(), "{} masks for no reason", case.name);
        shown.extend(case.differs);
    }
    for (row, tests) in rows.elsewhere {
        for test in tests {
            assert!(rows::is_test(&test), "{row}: there is no test {test}");
        }
        assert!(shown.insert(row.clone()), "{row}: a case shows it");
    }
    let unknown: Vec<_> = shown.difference(&known).collect();
    assert!(unknown.is_empty(), "no rows of DIFFERENCES.md: {unknown:?}");
    let unseen: Vec<_> = known.difference(&shown).collect();
    assert!(unseen.is_empty(), "rows of DIFFERENCES.md that nothing shows: {unseen:?}");
}
