//! What a run says of its confinement, and runs for which a part of it cannot be had.

use serde_json::Value;

use crate::subject::built;

/// A role of `--sandbox-report`: its executable, and its layers with whether each is in force.
pub type Told = (String, Vec<(String, bool)>);

/// The roles that `--sandbox-report` printed.
#[must_use]
pub fn told(report: &str) -> Vec<Told> {
    let told: Value = serde_json::from_str(report).unwrap_or_else(|e| panic!("{e}: {report}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let layers = |role: &Value| -> Vec<(String, bool)> {
        let layers = role["layers"].as_array().unwrap().iter();
        layers.map(|layer| (text(&layer["name"]), layer["in_force"].as_bool().unwrap())).collect()
    };
    told.as_array().unwrap().iter().map(|role| (text(&role["role"]), layers(role))).collect()
}

/// What to put before a command for which these calls are to fail (see `bin/without.rs`).
#[must_use]
pub fn without(failures: &[&str]) -> Vec<String> {
    let helper = built("without").into_os_string().into_string().unwrap();
    let failures = failures.iter().map(|failure| (*failure).to_owned());
    [helper].into_iter().chain(failures).chain(["--".to_owned()]).collect()
}
