//! Records the system calls of a run: `recorder PID [no-vdso]`, see `tcpflow_tests::recorder`.
//!
//! A process of its own, because any thread of a tracer's process may be told of what a tracee does.

use std::process::ExitCode;

#[cfg(target_arch = "x86_64")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (Some(Ok(pid)), more @ (None | Some("no-vdso"))) =
        (words.first().map(|word| word.parse()), words.get(1).map(String::as_str))
    else {
        eprintln!("usage: recorder PID [no-vdso]");
        return ExitCode::from(2);
    };
    let recording = tcpflow_tests::recorder::trace(pid, more.is_none());
    print!("{}", serde_json::to_string(&recording).unwrap());
    ExitCode::SUCCESS
}

#[cfg(not(target_arch = "x86_64"))]
fn main() -> ExitCode {
    eprintln!("recorder: not for this machine");
    ExitCode::FAILURE
}
