//! Running the program under test in a directory of its own, with a time limit.

use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};
use policy::SANITIZED;
use tempfile::TempDir;

use crate::process::Process;
use crate::puppet::{self, Script};
use crate::report::{Element, assert_conserved};
use crate::subject::{EXECUTABLES, Subject, built};
use crate::tree::{self, Tree};

/// How long a run may take before it counts as hung; with the sanitizer it takes several times as long.
const TIME_LIMIT: Duration = Duration::from_secs(if SANITIZED { 300 } else { 60 });

/// How the sanitizer begins what it says.
pub const SANITIZER: &str = "AddressSanitizer";

/// A directory in which the program under test is run, removed at the end.
pub struct Bench {
    subject: Subject,
    directory: TempDir,
    /// The command, where it is not the one that was built.
    command: Option<PathBuf>,
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Bench {
    /// One for the program that the environment asks for.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Subject::from_environment())
    }

    /// One for this program.
    #[must_use]
    pub fn of(subject: Subject) -> Self {
        let directory = TempDir::with_prefix("tcpflow-test-").unwrap();
        let bench = Self { subject, directory, command: None };
        for path in [bench.directory.path(), &bench.path()] {
            std::fs::create_dir_all(path).unwrap();
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        bench
    }

    /// The working directory of runs.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    /// Writes a file into it.
    #[must_use]
    pub fn file(self, name: &str, bytes: &[u8]) -> Self {
        std::fs::write(self.path().join(name), bytes).unwrap();
        self
    }

    /// Makes a directory in it with this mode.
    #[must_use]
    pub fn folder(self, name: &str, mode: u32) -> Self {
        std::fs::create_dir(self.path().join(name)).unwrap();
        self.mode(name, mode)
    }

    /// Sets the mode of something in it.
    #[must_use]
    pub fn mode(self, name: &str, mode: u32) -> Self {
        std::fs::set_permissions(self.path().join(name), PermissionsExt::from_mode(mode)).unwrap();
        self
    }

    /// Lets everyone write into it.
    #[must_use]
    pub fn open_to_all(self) -> Self {
        self.mode(".", 0o777)
    }

    /// Copies of the executables, in a place where any user may run them: the command among them.
    #[must_use]
    pub fn installed(&self) -> PathBuf {
        self.subject.executable_for_all(self.directory.path())
    }

    /// The reports of these directories of a run that rotates, each of which has to be whole, to add up, and to name the
    /// next.
    #[must_use]
    pub fn reports_of(&self, output: &str, directories: &[String]) -> Vec<Element> {
        let reports = directories.iter().map(|name| self.report(&format!("{output}/{name}/report.xml")));
        let reports: Vec<Element> = reports.collect();
        for (number, report) in reports.iter().enumerate() {
            assert_conserved(report);
            assert!(report.all("interrupted").is_empty(), "{}", directories[number]);
            let next = report.one("rotation").get("next");
            assert_eq!(next, directories.get(number + 1).map(String::as_str), "{}", directories[number]);
        }
        reports
    }

    /// Has a puppet play the role of this executable by a script.
    #[must_use]
    pub fn played(self, role: &str, script: &Script) -> Self {
        self.played_by(role, &[("script".to_owned(), script)])
    }

    /// The same of several that have this executable, each by its own script.
    #[must_use]
    pub fn played_by_number(self, role: &str, scripts: &[Script]) -> Self {
        let named = (1..).zip(scripts).map(|(number, script)| (format!("script{number}"), script));
        self.played_by(role, &named.collect::<Vec<_>>())
    }

    fn played_by(mut self, role: &str, scripts: &[(String, &Script)]) -> Self {
        let stage = self.directory.path().join("stage");
        std::fs::create_dir(&stage).unwrap();
        for name in EXECUTABLES {
            let actor = if name == role { built("puppet") } else { built(name) };
            if name == "tcpflow" {
                // It looks for the others where it lies itself, links followed.
                std::fs::hard_link(&actor, stage.join(name))
                    .or_else(|_| std::fs::copy(&actor, stage.join(name)).map(drop))
                    .unwrap();
            } else {
                symlink(actor, stage.join(name)).unwrap();
            }
        }
        for (name, script) in scripts {
            std::fs::write(stage.join(name), puppet::coded(script)).unwrap();
        }
        self.command = Some(stage.join("tcpflow"));
        self
    }

    /// A run with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Run<'_> {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Run {
            bench: self,
            arguments,
            stdin: None,
            user: None,
            program: self.command.clone(),
            before: Vec::new(),
            limit: TIME_LIMIT,
        }
    }

    /// Every file beneath a directory in it.
    #[must_use]
    pub fn tree(&self, directory: &str) -> Tree {
        tree::read(&self.path().join(directory))
    }

    /// Every file beneath a directory in it but the report.
    #[must_use]
    pub fn flows(&self, directory: &str) -> Tree {
        let mut tree = self.tree(directory);
        tree.remove("report.xml");
        tree
    }

    /// The report that a run left; it must be well-formed.
    #[must_use]
    pub fn report(&self, path: &str) -> Element {
        let bytes = std::fs::read(self.path().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        let shown = String::from_utf8_lossy(&bytes);
        Element::parse(&bytes).unwrap_or_else(|reason| panic!("{path}: {reason}:\n{shown}"))
    }
}

/// What writes a run's standard input.
type Feed = Box<dyn FnOnce(&mut dyn Write) -> std::io::Result<()> + Send>;

/// A run to be started.
#[must_use]
pub struct Run<'a> {
    bench: &'a Bench,
    arguments: Vec<String>,
    stdin: Option<Feed>,
    user: Option<&'static str>,
    program: Option<PathBuf>,
    before: Vec<String>,
    limit: Duration,
}

impl Run<'_> {
    /// Gives it these bytes on standard input.
    pub fn stdin(self, bytes: Vec<u8>) -> Self {
        self.feed(move |stdin| stdin.write_all(&bytes))
    }

    /// Gives it on standard input what this writes, as it is written.
    pub fn feed(mut self, feed: impl FnOnce(&mut dyn Write) -> std::io::Result<()> + Send + 'static) -> Self {
        self.stdin = Some(Box::new(feed));
        self
    }

    /// Lets it take so long before it counts as hung.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it from here.
    pub fn program(mut self, path: impl Into<PathBuf>) -> Self {
        self.program = Some(path.into());
        self
    }

    /// Runs it as this user, without any other privilege.
    pub fn user(mut self, name: &'static str) -> Self {
        self.user = Some(name);
        self
    }

    /// Puts a command and its arguments before the program's name: `ip netns exec NAME`.
    pub fn after<Word: AsRef<str>>(mut self, command: &[Word]) -> Self {
        self.before.extend(command.iter().map(|word| word.as_ref().to_owned()));
        self
    }

    fn command(&self) -> Command {
        let program = match (&self.program, self.user) {
            (Some(path), _) => path.clone(),
            (None, Some(_)) => self.bench.installed(),
            (None, None) => self.bench.subject.executable(),
        };
        let mut words = self.before.clone();
        words.push(program.into_os_string().into_string().unwrap());
        words.extend(self.arguments.clone());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(self.bench.path());
        if let Some(name) = self.user {
            let user = User::from_name(name).unwrap().unwrap_or_else(|| panic!("no user {name}"));
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    /// Starts it, and leaves its standard input open.
    #[must_use]
    pub fn start(self) -> Running {
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Running {
            stdout: Collector::new(child.stdout.take().unwrap()),
            stderr: Collector::new(child.stderr.take().unwrap()),
            shown: format!("{command:?}"),
            started: Instant::now(),
            limit: self.limit,
            child,
        }
    }

    /// Runs it to its end.
    #[must_use]
    pub fn finish(mut self) -> Outcome {
        let input = self.stdin.take();
        let mut running = self.start();
        let mut stdin = running.child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || {
            // A program that does not read it all is no failure of the harness.
            let _ = input.map(|feed| feed(&mut stdin));
        });
        let outcome = running.wait();
        writer.join().unwrap();
        outcome
    }
}

/// A run that goes on; killed if it is dropped so.
pub struct Running {
    child: Child,
    stdout: Collector,
    stderr: Collector,
    shown: String,
    started: Instant,
    limit: Duration,
}

impl Running {
    /// The process that was started.
    #[must_use]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// The processes that it started.
    #[must_use]
    pub fn roles(&self) -> Vec<Process> {
        Process::children_of(self.pid())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Sends one of its roles a signal.
    pub fn signal_role(&self, executable: &str, signal: Signal) {
        let roles = self.roles();
        let role = roles.iter().find(|role| role.executable == executable);
        let pid = role.unwrap_or_else(|| panic!("{executable} is not among {roles:?}")).pid;
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Writes to its standard input.
    pub fn write(&mut self, bytes: &[u8]) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(bytes).unwrap();
        stdin.flush().unwrap();
    }

    /// Ends its standard input.
    pub fn end_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// What it has printed on stdout so far.
    #[must_use]
    pub fn printed(&self) -> String {
        self.stdout.text()
    }

    /// Waits until it has said this on stderr.
    pub fn wait_for(&mut self, words: &str) {
        let what = format!("{words:?} on stderr of {}", self.shown);
        self.wait_until(&what, |running| running.stderr.text().contains(words));
    }

    /// What it has said on stderr so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.stderr.text()
    }

    /// Waits until something holds, which must be before it ends or the time limit passes.
    pub fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let limit = Instant::now() + self.limit;
        while !holds(self) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{what}: ended with {ended:?}: {}", self.stderr.text());
            assert!(Instant::now() < limit, "{what}: not in time: {}", self.stderr.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it has so many processes at work, all confined by a list of system calls.
    pub fn wait_for_confined(&mut self, number: usize) {
        self.wait_until("confinement", |running| {
            let roles = running.roles().into_iter().filter_map(|role| role.status_if_alive());
            roles.filter(|status| status["Seccomp"] == "2").count() == number
        });
    }

    /// Waits for its end, with standard input left as it is. However it is to end, no process may have panicked, nor may
    /// the sanitizer have found anything.
    #[must_use]
    pub fn wait(self) -> Outcome {
        let outcome = self.end();
        for defect in [SANITIZER, "internal error"] {
            assert!(!outcome.stderr.contains(defect), "{}", outcome.stderr);
        }
        outcome
    }

    /// Waits for its end.
    #[must_use]
    pub fn end(mut self) -> Outcome {
        let limit = Instant::now() + self.limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < limit, "{} hangs: {}", self.shown, self.stderr.text());
            std::thread::sleep(Duration::from_millis(1));
        };
        let took = self.started.elapsed();
        let (stdout, stderr) = (self.stdout.finish(), self.stderr.finish());
        let output = self.stdout.bytes();
        Outcome { status, stdout, output, stderr, took }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already waited for, or a failed test: either way nothing is left to be told.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a run ended and what it said.
#[derive(Debug)]
pub struct Outcome {
    status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// The same as it came.
    pub output: Vec<u8>,
    /// Its standard error.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
}

impl Outcome {
    /// Its exit status; a signal is a failure.
    #[must_use]
    pub fn code(&self) -> i32 {
        let signal = self.status.signal();
        self.status.code().unwrap_or_else(|| panic!("ended by signal {signal:?}: {}", self.stderr))
    }

    /// How it ended, in words.
    #[must_use]
    pub fn ending(&self) -> String {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        }
    }

    /// Sees that it exited with this status.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "exit status; stdout: {}stderr: {}", self.stdout, self.stderr);
        self
    }

    /// Sees that it said this on stderr.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "{words:?} is not in stderr: {}", self.stderr);
        self
    }
}

/// Reads a pipe to its end while the program runs.
struct Collector {
    text: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    fn new(mut pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&text);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                shared.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Self { text, thread: Some(thread) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    fn bytes(&self) -> Vec<u8> {
        self.text.lock().unwrap().clone()
    }

    fn finish(&mut self) -> String {
        self.thread.take().unwrap().join().unwrap();
        self.text()
    }
}

/// Where captures that are kept lie.
#[must_use]
pub fn kept_captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pcaps")
}
