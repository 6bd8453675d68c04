//! Writes what a package needs beside the executables: the manual pages and the completions of three shells.
//!
//! Both are made of the definitions that `tcpflow` itself reads its command line by, which are taken in as
//! source: neither is anything of this linked into `tcpflow`, nor does anything depend on this. A maintainer
//! or a package build runs it (`make docs`); it writes into the directory that it is given, and nowhere else.

#[path = "../../policy/src/command/cli/mod.rs"]
#[allow(dead_code, reason = "the definitions are wanted here, not what reads a command line by them")]
mod cli;
#[path = "../../policy/src/command/error.rs"]
#[allow(dead_code, reason = "comes with the command line")]
mod error;
#[path = "../../policy/src/command/settings.rs"]
#[allow(dead_code, reason = "comes with the command line")]
mod settings;

mod events;
mod manual;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap_complete::Shell;

/// Where each shell looks for the completions of a command, under the prefix of a package.
const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "share/bash-completion/completions/tcpflow"),
    (Shell::Zsh, "share/zsh/site-functions/_tcpflow"),
    (Shell::Fish, "share/fish/vendor_completions.d/tcpflow.fish"),
];

/// Why something could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
struct Error {
    path: PathBuf,
    error: std::io::Error,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(prefix), None) = (arguments.next(), arguments.next()) else {
        return fail("usage: packaging DIRECTORY", 2);
    };
    match write_all(Path::new(&prefix)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("packaging: {error}"), 1),
    }
}

fn fail(words: &str, status: u8) -> ExitCode {
    // If standard error is gone there is no one to tell.
    let _ = writeln!(std::io::stderr(), "{words}");
    ExitCode::from(status)
}

fn write_all(prefix: &Path) -> Result<(), Error> {
    for page in &manual::PAGES {
        write(&prefix.join(page.place), |to| manual::write(page, to))?;
    }
    for (shell, place) in COMPLETIONS {
        write(&prefix.join(place), |to| {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut cli::options::definition(), "tcpflow", &mut script);
            to.write_all(&script)
        })?;
    }
    Ok(())
}

/// Writes one file, and makes the directories that it is in.
fn write(path: &Path, content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Error> {
    let failed = |error| Error { path: path.to_owned(), error };
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    let mut bytes = Vec::new();
    content(&mut bytes).map_err(failed)?;
    std::fs::write(path, bytes).map_err(failed)
}
