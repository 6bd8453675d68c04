//! A running process that is held by ptrace, and made to make any system call in its own confinement.
//!
//! The process stays as it is: its filters, namespaces, credentials and descriptors. Only its registers are set,
//! and eight bytes of its code, so that what is asked is what the kernel would have answered it.

use std::ffi::c_void;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// The way by which a call gets into the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// The instruction `syscall`, as all of ours do.
    Native,
    /// `int 0x80`: the table of 32-bit programs, also from 64-bit code.
    Interrupt,
    /// A jump to the page that old programs call for the time; the kernel emulates what was there once.
    Vsyscall,
}

impl Door {
    /// The instructions at the process's next address: the call, and then some that do nothing.
    fn code(self) -> i64 {
        let call = match self {
            Self::Native => [0x0f, 0x05],
            Self::Interrupt => [0xcd, 0x80],
            Self::Vsyscall => [0x90, 0x90],
        };
        i64::from_ne_bytes([call[0], call[1], 0x90, 0x90, 0x90, 0x90, 0x90, 0x90])
    }
}

/// What became of a call and of the process that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The process goes on, with this result: a negative one is an error number.
    Returned(i64),
    /// A signal ended it.
    Killed(Signal),
    /// It ended by the call itself.
    Exited,
}

impl Verdict {
    /// Whether the list of system calls ended the process.
    #[must_use]
    pub fn is_refused(self) -> bool {
        self == Self::Killed(Signal::SIGSYS)
    }

    /// Whether the call came back with this error.
    #[must_use]
    pub fn is_error(self, errno: Errno) -> bool {
        self == Self::Returned(-i64::from(errno_number(errno)))
    }
}

#[allow(clippy::as_conversions, reason = "the one way from an enumeration to its number")]
fn errno_number(errno: Errno) -> i32 {
    errno as i32
}

/// Distance from the process's stack pointer to where what calls point to is put, beyond all it uses.
const SCRATCH: u64 = 16 << 10;

/// A process that is held; killed when it is dropped so.
pub struct Tracee {
    pid: Pid,
    registers: libc::user_regs_struct,
    /// What was where the call is put.
    code: i64,
    alive: bool,
}

impl Tracee {
    /// Takes hold of a process. It ends with the thread that holds it.
    #[must_use]
    pub fn seize(pid: i32) -> Self {
        let pid = Pid::from_raw(pid);
        ptrace::seize(pid, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL)
            .unwrap_or_else(|e| panic!("cannot trace {pid}: {e}"));
        ptrace::interrupt(pid).unwrap();
        let stopped = wait(pid);
        assert!(matches!(stopped, WaitStatus::PtraceEvent(..)), "{stopped:?}");
        let mut registers = ptrace::getregs(pid).unwrap();
        let code = ptrace::read(pid, address(registers.rip)).unwrap();
        // The call that it waits in is taken up again only when it is let go.
        if registers.orig_rax < u64::MAX && is_restart(registers.rax) {
            registers.rip -= 2;
            registers.rax = registers.orig_rax;
        }
        Self { pid, registers, code, alive: true }
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Whether the process can still be asked.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.alive
    }

    /// Lets it make one call. One that would wait comes back interrupted.
    pub fn call(&mut self, door: Door, number: u64, arguments: [u64; 6]) -> Verdict {
        assert!(self.alive, "{} is gone", self.pid);
        ptrace::write(self.pid, address(self.registers.rip), door.code()).unwrap();
        ptrace::setregs(self.pid, self.prepared(door, number, arguments)).unwrap();
        let verdict = match door {
            Door::Native | Door::Interrupt => self.call_and_return(),
            Door::Vsyscall => self.step(),
        };
        self.alive = matches!(verdict, Verdict::Returned(_));
        verdict
    }

    fn prepared(&mut self, door: Door, number: u64, arguments: [u64; 6]) -> libc::user_regs_struct {
        let mut registers = self.registers;
        let [a, b, c, d, e, f] = arguments;
        registers.rax = number;
        // It is in no call that the kernel would take up again.
        registers.orig_rax = u64::MAX;
        match door {
            Door::Native | Door::Vsyscall => {
                (registers.rdi, registers.rsi, registers.rdx) = (a, b, c);
                (registers.r10, registers.r8, registers.r9) = (d, e, f);
            }
            Door::Interrupt => {
                (registers.rbx, registers.rcx, registers.rdx) = (a, b, c);
                (registers.rsi, registers.rdi, registers.rbp) = (d, e, f);
            }
        }
        if door == Door::Vsyscall {
            let back = registers.rip;
            registers.rsp -= SCRATCH;
            let word = i64::from_ne_bytes(back.to_ne_bytes());
            ptrace::write(self.pid, address(registers.rsp), word).unwrap();
            registers.rip = number;
        }
        registers
    }

    fn call_and_return(&self) -> Verdict {
        // Into the kernel, where tracing comes before the filters, and out of it.
        if let Some(end) = self.go(ptrace::syscall, is_call) {
            return end;
        }
        ptrace::interrupt(self.pid).unwrap();
        if let Some(end) = self.go(ptrace::syscall, is_call) {
            return end;
        }
        let mut registers = ptrace::getregs(self.pid).unwrap();
        let result = registers.rax;
        registers.orig_rax = u64::MAX;
        ptrace::setregs(self.pid, registers).unwrap();
        // A call that was refused gets here too: what it ends by comes before the next instruction.
        match self.step() {
            Verdict::Returned(_) => Verdict::Returned(i64::from_ne_bytes(result.to_ne_bytes())),
            end @ (Verdict::Killed(_) | Verdict::Exited) => end,
        }
    }

    /// One instruction.
    fn step(&self) -> Verdict {
        let is_step = |status| matches!(status, WaitStatus::Stopped(_, Signal::SIGTRAP));
        self.go(ptrace::step, is_step).unwrap_or_else(|| {
            let result = ptrace::getregs(self.pid).unwrap().rax;
            Verdict::Returned(i64::from_ne_bytes(result.to_ne_bytes()))
        })
    }

    /// Lets it go on until it stops as wanted, or how it ended. Signals on the way are not for it.
    fn go(
        &self,
        on: fn(Pid, Option<Signal>) -> nix::Result<()>,
        wanted: fn(WaitStatus) -> bool,
    ) -> Option<Verdict> {
        let mut signal = None;
        loop {
            on(self.pid, signal.take()).unwrap();
            let status = wait(self.pid);
            if wanted(status) {
                return None;
            }
            match status {
                WaitStatus::Signaled(_, signal, _) => return Some(Verdict::Killed(signal)),
                WaitStatus::Exited(..) => return Some(Verdict::Exited),
                // Its own doing: a return into a frame that is not there, a call from where none may come.
                WaitStatus::Stopped(_, fault @ (Signal::SIGSEGV | Signal::SIGILL)) => signal = Some(fault),
                WaitStatus::Stopped(..) | WaitStatus::PtraceEvent(..) | WaitStatus::PtraceSyscall(_) => {}
                WaitStatus::Continued(_) | WaitStatus::StillAlive => panic!("{status:?}"),
            }
        }
    }

    /// Puts bytes into its memory, `offset` bytes behind the last place for such; where they are.
    pub fn place(&mut self, offset: u64, bytes: &[u8]) -> u64 {
        let at = (self.registers.rsp - SCRATCH + offset) & !7;
        for (word, chunk) in (0_u64..).zip(bytes.chunks(8)) {
            let mut padded = [0; 8];
            padded[..chunk.len()].copy_from_slice(chunk);
            ptrace::write(self.pid, address(at + word * 8), i64::from_ne_bytes(padded)).unwrap();
        }
        at
    }

    /// Reads eight bytes of its memory.
    #[must_use]
    pub fn read(&self, at: u64) -> [u8; 8] {
        ptrace::read(self.pid, address(at)).unwrap().to_ne_bytes()
    }

    /// Lets it go on as if nothing had been.
    pub fn release(mut self) {
        ptrace::write(self.pid, address(self.registers.rip), self.code).unwrap();
        ptrace::setregs(self.pid, self.registers).unwrap();
        ptrace::detach(self.pid, None).unwrap();
        self.alive = false;
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        if self.alive {
            let _ = kill(self.pid, Signal::SIGKILL);
            while !matches!(wait(self.pid), WaitStatus::Signaled(..) | WaitStatus::Exited(..)) {}
        }
    }
}

fn is_call(status: WaitStatus) -> bool {
    matches!(status, WaitStatus::PtraceSyscall(_))
}

/// Whether a result means that the call is to be made again, which only a tracer gets to see.
fn is_restart(result: u64) -> bool {
    let numbers = [512, 513, 514, 516].map(|number: i64| u64::from_ne_bytes((-number).to_ne_bytes()));
    numbers.contains(&result)
}

fn wait(pid: Pid) -> WaitStatus {
    waitpid(pid, Some(WaitPidFlag::__WALL)).unwrap_or_else(|e| panic!("waiting for {pid}: {e}"))
}

/// An address in another process, as ptrace takes it.
#[allow(clippy::as_conversions, reason = "an address in another process, which is never read here")]
#[must_use]
pub fn address(value: u64) -> *mut c_void {
    value as *mut c_void
}
