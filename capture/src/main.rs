//! `tcpflow-capture`: the role of this name, see the library.

fn main() -> std::process::ExitCode {
    policy::role::main(capture::run)
}
