//! The harness of the end-to-end tests: it makes captures, runs `tcpflow` (ours, or the original where
//! that is installed) on them and on live interfaces, and says what it left behind.
//!
//! Everything here panics when something is not as it must be: that is how a test fails.

pub mod calls;
pub mod capture;
pub mod confinement;
pub mod conformance;
pub mod conversation;
pub mod flood;
#[cfg(target_arch = "x86_64")]
pub mod held;
pub mod lab;
pub mod process;
pub mod puppet;
#[cfg(target_arch = "x86_64")]
pub mod recorder;
pub mod report;
pub mod run;
pub mod said;
pub mod sniffer;
pub mod subject;
pub mod suite;
#[cfg(target_arch = "x86_64")]
pub mod tracee;
pub mod tree;
