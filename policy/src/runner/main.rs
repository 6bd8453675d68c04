//! `tcpflow-runner`: runs the user's own programs on files that are finished. It sees no packet, and of files
//! only what it hands to a plugin.

mod call;
mod capture;
mod command;
mod driver;
mod error;
mod outlet;
mod python;
mod run;
mod sys;
mod tally;
mod watch;

fn main() -> std::process::ExitCode {
    policy::role::main(run::run)
}
