//! Ours held against the original, case by case.
//!
//! Cases are data: `tests/conformance/cases/*.toml` (`case`), run on captures that are made or kept here
//! (`inputs`). What a run leaves behind is written down as lines of text (`outcome`, `report`); what the
//! original leaves behind is kept so in `tests/conformance/recorded`, and a case in which ours differs on
//! purpose states the difference line by line (`difference`) and names the row of DIFFERENCES.md that
//! explains it (`rows`).

pub mod case;
pub mod difference;
pub mod inputs;
mod links;
pub mod outcome;
mod pcap;
pub mod report;
pub mod rows;
mod streams;
mod traffic;

use std::path::PathBuf;

/// Where cases, inputs and recordings lie.
#[must_use]
pub fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/conformance"))
}
