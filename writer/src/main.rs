//! `tcpflow-writer`: makes flow files and the report, in one directory and nowhere else.

mod batch;
mod beginnings;
mod bodies;
mod channels;
mod chart;
mod closing;
mod console;
mod contents;
mod counter;
mod digest;
mod directory;
mod error;
mod events;
mod flow;
mod held;
mod index;
mod name;
mod naming;
mod open_files;
mod period;
mod report;
mod retention;
mod room;
mod run;
mod runner;
mod savefile;
mod session;
mod store;
mod sums;
mod sys;
mod table;
mod time;
mod unprocessed;
mod workers;

fn main() -> std::process::ExitCode {
    policy::role::main(run::run)
}
