//! Runs a command and writes into a file what it took: `measured FILE COMMAND [ARGUMENT...]`.
//!
//! `cpu_ms`: the time that it and all that it waited for spent on processors. `memory_kib`: the most that it and
//! its children had at once of memory that is no file's. A process of its own can ask the kernel for the former,
//! which a test among others in one process cannot.

use std::process::{Command, ExitCode};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use tcpflow_tests::process;

/// Between two looks at memory.
const OFTEN: Duration = Duration::from_millis(2);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [file, program, arguments @ ..] = &words[..] else {
        eprintln!("usage: measured FILE COMMAND [ARGUMENT...]");
        return ExitCode::from(2);
    };
    let mut child = Command::new(program).args(arguments).spawn().expect("the command");
    let pid = i32::try_from(child.id()).expect("a process number");
    let mut memory = 0;
    let status = loop {
        if let Some(status) = child.try_wait().expect("wait") {
            break status;
        }
        memory = memory.max(process::memory_of_family(pid));
        std::thread::sleep(OFTEN);
    };
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage");
    let cpu = usage.user_time().num_milliseconds() + usage.system_time().num_milliseconds();
    std::fs::write(file, format!("cpu_ms {cpu}\nmemory_kib {memory}\n")).expect("the file");
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(128))
}
