//! `tcpflow-reassembler`, started by `tcpflow` with its two data channels and nothing else.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    policy::role::main(reassembler::run)
}
