//! `tcpflow-writer`: makes flow files and the report, in one directory and nowhere else.
#![forbid(unsafe_code)]

mod batch;
mod contents;
mod counter;
mod directory;
mod error;
mod flow;
mod name;
mod open_files;
mod report;
mod run;
mod session;
mod store;
mod table;

fn main() -> std::process::ExitCode {
    policy::role::main(run::run)
}
