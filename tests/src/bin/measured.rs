//! Runs a command and writes into a file what it took: `measured FILE COMMAND [ARGUMENT...]`.
//!
//! In KiB the most memory that it and its children had at once and that is no file's.

use std::process::{Command, ExitCode};
use std::time::Duration;

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
    std::fs::write(file, format!("{memory}\n")).expect("the file");
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(128))
}
