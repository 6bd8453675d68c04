//! `tcpflow`: reads the command line, starts the roles under their policies, attests them, and waits.

mod command;

fn main() -> std::process::ExitCode {
    command::run()
}
