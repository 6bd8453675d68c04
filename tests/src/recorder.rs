//! Every system call that the processes of a run make once they are confined, by ptrace.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::process::Process;
use crate::subject::built;
use crate::tracee::address;

/// What to put before a command that is to be recorded: it waits for the recorder.
pub const HALT: [&str; 4] = ["sh", "-c", "kill -STOP $$; exec \"$@\"", "sh"];

/// A call: number and arguments.
pub type Call = (u64, [u64; 6]);

/// The calls of each executable. What the runner has started and confined further is a `plugin`.
pub type Recording = BTreeMap<String, BTreeSet<Call>>;

/// Lets a process of its own record a command that was started by [`HALT`], to its end and that of all that it starts.
/// Programs find no vDSO if none is wanted, as in some virtual machines, and ask the kernel for the time.
#[must_use]
pub fn record(pid: i32, with_vdso: bool) -> JoinHandle<Recording> {
    let mut command = Command::new(built("recorder"));
    command.arg(pid.to_string()).args((!with_vdso).then_some("no-vdso"));
    std::thread::spawn(move || {
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    })
}

/// Records it here.
#[must_use]
pub fn trace(pid: i32, with_vdso: bool) -> Recording {
    let process = Process { pid, executable: "sh".to_owned() };
    while !process.status()["State"].starts_with('T') {
        std::thread::yield_now();
    }
    let first = Pid::from_raw(pid);
    let events = Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(first, events).unwrap();
    kill(first, Signal::SIGCONT).unwrap();
    let mut recorder = Recorder { with_vdso, confined: BTreeMap::new(), calls: Recording::new() };
    while let Some(status) = next() {
        recorder.take(status);
    }
    recorder.calls
}

struct Recorder {
    with_vdso: bool,
    /// What each process is called, once it is confined.
    confined: BTreeMap<Pid, String>,
    calls: Recording,
}

impl Recorder {
    fn take(&mut self, status: WaitStatus) {
        let (pid, signal) = match status {
            WaitStatus::PtraceSyscall(pid) => {
                self.take_call(pid);
                (pid, None)
            }
            WaitStatus::PtraceEvent(pid, _, event) => {
                if event == libc::PTRACE_EVENT_EXEC && !self.with_vdso {
                    hide_vdso(pid);
                }
                (pid, None)
            }
            WaitStatus::Stopped(pid, signal) => (pid, Some(signal)),
            WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..) => {
                self.confined.remove(&pid);
                return;
            }
            WaitStatus::Continued(_) | WaitStatus::StillAlive => return,
        };
        // One that was killed meanwhile is heard of next.
        let _ = ptrace::syscall(pid, signal);
    }

    fn take_call(&mut self, pid: Pid) {
        let Ok(info) = ptrace::syscall_info(pid) else { return };
        let Ok(registers) = ptrace::getregs(pid) else { return };
        if info.op == libc::PTRACE_SYSCALL_INFO_EXIT {
            // Where filters are loaded, and only there, may another one be in force afterwards.
            let loads = [libc::SYS_seccomp, libc::SYS_prctl].map(|number| u64::try_from(number).unwrap());
            if loads.contains(&registers.orig_rax) {
                self.note_confinement(pid);
            }
        } else if let Some(name) = self.confined.get(&pid) {
            let r = registers;
            let call = (r.orig_rax, [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9]);
            self.calls.entry(name.clone()).or_default().insert(call);
        }
    }

    fn note_confinement(&mut self, pid: Pid) {
        let process = Process { pid: pid.as_raw(), executable: String::new() };
        let Some(status) = process.status_if_alive() else { return };
        let name = match status["Seccomp_filters"].as_str() {
            "0" => return,
            "1" => Process::name_in(&status),
            _ => "plugin".to_owned(),
        };
        // A filter is loaded in all threads by one of them.
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let threads = threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok());
        self.confined.extend(threads.map(|thread| (Pid::from_raw(thread), name.clone())));
    }
}

/// The next thing that one of the tracees does; nothing once all are gone.
fn next() -> Option<WaitStatus> {
    match waitpid(None, Some(WaitPidFlag::__WALL)) {
        Ok(status) => Some(status),
        Err(Errno::ECHILD) => None,
        Err(e) => panic!("waitpid: {e}"),
    }
}

/// Takes the vDSO out of what the kernel tells a program that begins: arguments, environment, then pairs of kind and
/// value.
fn hide_vdso(pid: Pid) {
    const AT_NULL: i64 = 0;
    const AT_IGNORE: i64 = 1;
    const AT_SYSINFO_EHDR: i64 = 33;
    let read = |at| ptrace::read(pid, address(at)).unwrap();
    let mut at = ptrace::getregs(pid).unwrap().rsp;
    // The number of arguments, they, a zero; the environment, a zero.
    at += 8 * (u64::try_from(read(at)).unwrap() + 2);
    while read(at) != 0 {
        at += 8;
    }
    at += 8;
    while read(at) != AT_NULL {
        if read(at) == AT_SYSINFO_EHDR {
            ptrace::write(pid, address(at), AT_IGNORE).unwrap();
        }
        at += 16;
    }
}
