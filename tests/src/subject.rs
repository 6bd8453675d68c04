//! Which program is under test, and where its executables lie.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The names of all executables of ours.
pub const EXECUTABLES: [&str; 5] =
    ["tcpflow", "tcpflow-capture", "tcpflow-reassembler", "tcpflow-writer", "tcpflow-runner"];

/// The program under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// This project's.
    Ours,
    /// tcpflow 1.6.1.
    Theirs,
}

impl Subject {
    /// What `TCPFLOW_UNDER_TEST` asks for; ours if it is not set.
    #[must_use]
    pub fn from_environment() -> Self {
        match env::var("TCPFLOW_UNDER_TEST").as_deref() {
            Err(env::VarError::NotPresent) | Ok("ours") => Self::Ours,
            Ok("theirs") => Self::Theirs,
            other => panic!("TCPFLOW_UNDER_TEST is ours or theirs, not {other:?}"),
        }
    }

    /// Its executable.
    #[must_use]
    pub fn executable(self) -> PathBuf {
        match self {
            Self::Ours => ours(),
            Self::Theirs => original().unwrap_or_else(|reason| panic!("{reason}")),
        }
    }

    /// Its executable in a place where any user may run it: a build tree may lie below a home directory
    /// that others cannot enter.
    #[must_use]
    pub fn executable_for_all(self, directory: &Path) -> PathBuf {
        let program = self.executable();
        if self == Self::Theirs {
            return program;
        }
        let place = directory.join("executables");
        std::fs::create_dir(&place).unwrap();
        for name in EXECUTABLES {
            copy(&program.with_file_name(name), &place.join(name));
        }
        place.join("tcpflow")
    }
}

/// Copies an executable, by a process of its own: a descriptor of this one that is open for writing would go along
/// into whatever another test starts meanwhile, and the kernel executes no file that is being written to.
pub fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").args([from, to]).status().unwrap();
    assert!(done.success(), "{} to {}", from.display(), to.display());
}

/// Ours: `TCPFLOW_BIN`, else the one built into the same profile's directory as this test.
fn ours() -> PathBuf {
    if let Some(path) = env::var_os("TCPFLOW_BIN") {
        return path.into();
    }
    for name in EXECUTABLES {
        let _ = built(name);
    }
    built("tcpflow")
}

/// An executable of this workspace, from the same profile's directory as this test.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.exists(), "{} is not built; run `cargo build --workspace` first", path.display());
    path
}

/// The original, or why there is none: `TCPFLOW_ORIGINAL`, else `/usr/bin/tcpflow`. It tells itself from
/// ours by its exit status for `-V`.
pub fn original() -> Result<PathBuf, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let path =
                env::var_os("TCPFLOW_ORIGINAL").map_or_else(|| "/usr/bin/tcpflow".into(), PathBuf::from);
            let output = Command::new(&path)
                .arg("-V")
                .output()
                .map_err(|_| format!("needs tcpflow 1.6.1, and {} is not there", path.display()))?;
            let is_it = output.stdout.starts_with(b"TCPFLOW 1.6.1") && output.status.code() == Some(1);
            if is_it { Ok(path) } else { Err(format!("{} is not tcpflow 1.6.1", path.display())) }
        })
        .clone()
}

/// Where `PATH` has a program.
#[must_use]
pub fn in_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|directory| directory.join(name)).find(|path| path.is_file())
}
