//! Each process against a neighbour that was taken over.
//!
//! The processes are the real ones, started by `tcpflow` and confined as always; in the place of one of them a
//! puppet, which the same confinement holds, says what its script has it say. Whatever that is: the run ends with
//! exit status 1 and the reason, what was stored before stays, the report is closed and says why, memory is
//! bounded, and nothing appears outside of the output directory.

mod acts;
mod capture;
mod command;
mod links;
mod reassembler;
mod rings;
mod runner;
mod stage;

use std::process::ExitCode;

use tcpflow_tests::suite;

fn main() -> ExitCode {
    let mut cases = reassembler::cases();
    cases.extend(capture::cases());
    cases.extend(runner::cases());
    cases.extend(command::cases());
    cases.extend(links::cases());
    cases.extend(rings::cases());
    suite::main(cases)
}
