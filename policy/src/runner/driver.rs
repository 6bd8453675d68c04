//! The python3 of a plugin: found, confined, started, and spoken to. What it answers is taken for hostile.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::{Pid, pipe2};
use policy::sandbox::plugin::Plugin;
use proto::limits::MAX_RESULT;
use proto::plan::{PythonPlan, SandboxMode};
use proto::text::within;

use super::capture::{Capture, set_nonblocking};
use super::sys;

/// What runs in the interpreter.
const SCRIPT: &str = include_str!("driver.py");

/// Where Python is looked for before `PATH`, which may lead to scripts that a plugin's confinement stops.
const INTERPRETERS: [&str; 2] = ["/usr/bin/python3", "/usr/local/bin/python3"];

/// What an interpreter reads beside its module and its own library: shared libraries, and how to find them.
const SHARED: [&str; 7] =
    ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/usr/share/zoneinfo"];

/// The descriptor that answers go into, in the plugin's process: as the script and its list of system calls
/// have it.
const ANSWERS: RawFd = 3;

/// Milliseconds that a process which has closed its descriptors has to be gone.
const SOON: u32 = 20;

/// What an answer has before its text: a letter and a length.
const HEAD: usize = 5;

/// How a plugin's process is started, as often as that is needed.
pub struct Recipe {
    mode: SandboxMode,
    memory: u64,
    interpreter: PathBuf,
    readable: Vec<PathBuf>,
    arguments: Vec<CString>,
}

/// A plugin's process.
pub struct Process {
    child: Child,
    calls: OwnedFd,
    /// Answers come from here.
    pub answers: Capture,
    /// What the plugin prints.
    pub printed: Capture,
}

/// What a plugin's process has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The function is there.
    Ready,
    /// It is not; why.
    Unusable(String),
    /// The function returned this text; whether it was longer.
    Text(String, bool),
    /// It returned nothing.
    Nothing,
    /// It raised an exception.
    Raised(String),
}

impl Recipe {
    /// Finds the interpreter and the module's directory.
    pub fn new(plan: &PythonPlan, mode: SandboxMode, path: Option<&OsStr>) -> Result<Self, String> {
        let interpreter = interpreter(path).ok_or("no python3 in /usr/bin, /usr/local/bin or PATH")?;
        let module_path = Path::new(plan.plugin.path.as_str());
        let directory = module_path.canonicalize().map_err(|e| format!("{}: {e}", module_path.display()))?;
        if !directory.is_dir() {
            return Err(format!("{}: not a directory", module_path.display()));
        }
        let mut readable: Vec<PathBuf> = SHARED.iter().map(PathBuf::from).collect();
        // The standard library lies beside the directory of the interpreter.
        if let Some(prefix) = interpreter.parent().and_then(Path::parent) {
            readable.extend(["lib", "lib64"].map(|name| prefix.join(name)));
        }
        readable.extend([interpreter.clone(), directory.clone()]);
        let options = ["-I", "-S", "-B", "-X", "utf8", "-c", SCRIPT].map(str::as_bytes);
        let names = [plan.plugin.module.as_str(), plan.plugin.function.as_str()].map(str::as_bytes);
        let mut arguments = vec![interpreter.as_os_str().as_bytes()];
        arguments.extend(options);
        arguments.push(directory.as_os_str().as_bytes());
        arguments.extend(names);
        let arguments = arguments.into_iter().map(CString::new).collect::<Result<_, _>>();
        let arguments = arguments.map_err(|e| e.to_string())?;
        Ok(Self { mode, memory: plan.memory, interpreter, readable, arguments })
    }

    /// Starts a process.
    pub fn start(&self) -> Result<Process, String> {
        let plugin = Plugin::prepare(self.mode, &self.readable, self.memory)?;
        let interpreter =
            File::open(&self.interpreter).map_err(|e| format!("{}: {e}", self.interpreter.display()))?;
        let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(|e| format!("pipe: {e}"));
        let ((their_calls, calls), (answers, their_answers), (printed, their_print)) =
            (pipe()?, pipe()?, pipe()?);
        let their_errors = their_print.try_clone().map_err(|e| e.to_string())?;
        let mut command = Command::new(&self.interpreter);
        command.stdin(their_calls).stdout(their_print).stderr(their_errors).env_clear();
        command
            .fd_mappings(vec![FdMapping { parent_fd: their_answers, child_fd: ANSWERS }])
            .map_err(|e| e.to_string())?;
        sys::begin_confined(&mut command, plugin, interpreter.into(), self.arguments.clone(), ANSWERS);
        let child = command.spawn().map_err(|e| format!("{}: {e}", self.interpreter.display()))?;
        set_nonblocking(&calls).map_err(|e| e.to_string())?;
        // One byte more than is due shows that too much came.
        let most = HEAD.saturating_add(MAX_RESULT).saturating_add(1);
        let answers = Capture::new(answers, most).map_err(|e| e.to_string())?;
        let printed = Capture::new(printed, 0).map_err(|e| e.to_string())?;
        Ok(Process { child, calls, answers, printed })
    }
}

/// An interpreter that is one: a link is followed, a script is not Python.
fn interpreter(path: Option<&OsStr>) -> Option<PathBuf> {
    let fixed = INTERPRETERS.iter().map(PathBuf::from);
    let found = path.into_iter().flat_map(std::env::split_paths).map(|directory| directory.join("python3"));
    let real = fixed.chain(found).filter_map(|path| path.canonicalize().ok());
    let mut programs = real.filter(|path| {
        let mut magic = [0; 4];
        let read = File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut magic));
        read.is_ok() && magic == *b"\x7fELF"
    });
    programs.next()
}

/// The answer of a process that cannot do its work.
pub fn unusable(why: &str) -> Vec<u8> {
    let why = within(why, MAX_RESULT);
    let length = u32::try_from(why.len()).unwrap_or_default().to_le_bytes();
    [b"E".as_slice(), &length, why.as_bytes()].concat()
}

impl Process {
    /// What it has said, if it has said all of it; an error is a breach of what was agreed.
    pub fn said(&mut self) -> Result<Option<Said>, String> {
        let breach = || "broke the protocol".to_owned();
        let bytes = &self.answers.bytes;
        let Some(([letter, length @ ..], text)) = bytes.split_first_chunk::<HEAD>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if length > MAX_RESULT || text.len() > length {
            return Err(breach());
        }
        if text.len() < length {
            return Ok(None);
        }
        // Replacing what is not UTF-8 makes text longer.
        let text = within(&String::from_utf8_lossy(text), MAX_RESULT).to_owned();
        let said = match letter {
            b'R' => Said::Ready,
            b'E' | b'e' => Said::Unusable(text),
            b'T' => Said::Text(text, false),
            b't' => Said::Text(text, true),
            b'N' => Said::Nothing,
            b'X' | b'x' => Said::Raised(text),
            _ => return Err(breach()),
        };
        self.answers.bytes.clear();
        Ok(Some(said))
    }

    /// The end that calls go into.
    pub fn calls(&self) -> BorrowedFd<'_> {
        self.calls.as_fd()
    }

    /// Its number.
    pub fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().map(Pid::from_raw)
    }

    /// How long it has computed.
    pub fn computed(&self) -> Duration {
        let clock = self.pid().ok_or(Errno::ESRCH).and_then(clock_getcpuclockid);
        clock.and_then(ClockId::now).map(Duration::from).unwrap_or_default()
    }

    /// Ends it; how it had ended, if it had by itself.
    pub fn end(mut self) -> Option<ExitStatus> {
        // The last of its descriptors is closed a moment before it can be collected.
        for _ in 0..SOON {
            match self.child.try_wait() {
                Ok(None) if self.answers.pipe().is_none() => std::thread::sleep(Duration::from_millis(1)),
                Ok(status) => return status.or_else(|| self.kill()),
                Err(_) => break,
            }
        }
        self.kill()
    }

    fn kill(&mut self) -> Option<ExitStatus> {
        // It may have ended meanwhile. How it ends now is no one's news.
        let _ = self.child.kill();
        let _ = self.child.wait();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8]) -> Result<Option<Said>, String> {
        let (read, _) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let (other, calls) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let mut answers = Capture::new(read, 0).unwrap();
        answers.bytes = bytes.to_vec();
        let printed = Capture::new(other, 0).unwrap();
        let child = Command::new("/bin/true").spawn().unwrap();
        let mut process = Process { child, calls, answers, printed };
        let said = process.said();
        let _ = process.end();
        said
    }

    #[test]
    fn answers_are_taken_when_they_are_whole() {
        assert_eq!(said(b""), Ok(None));
        assert_eq!(said(b"T\x02\0\0\0a"), Ok(None));
        assert_eq!(said(b"T\x02\0\0\0ab"), Ok(Some(Said::Text("ab".into(), false))));
        assert_eq!(said(b"N\0\0\0\0"), Ok(Some(Said::Nothing)));
        assert_eq!(said(&unusable("why")), Ok(Some(Said::Unusable("why".into()))));
    }

    #[test]
    fn what_was_not_agreed_is_a_breach() {
        for bytes in [&b"T\x02\0\0\0abc"[..], b"T\xff\xff\xff\xffa", b"?\0\0\0\0", b"N\0\0\0\0N"] {
            assert!(said(bytes).is_err(), "{bytes:?}");
        }
    }
}
