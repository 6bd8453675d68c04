//! What the kernel says of a running process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::subject::EXECUTABLES;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// The name of its executable, if it is one of ours; else as much of it as the kernel keeps.
    pub executable: String,
}

impl Process {
    /// Every process whose parent is `parent`.
    #[must_use]
    pub fn children_of(parent: i32) -> Vec<Self> {
        let mut found = Vec::new();
        for pid in listed_children(parent).unwrap_or_else(all_processes) {
            let Some(status) = status(pid) else { continue };
            if status.get("PPid").is_some_and(|number| number.parse() == Ok(parent)) {
                found.push(Self { pid, executable: Self::name_in(&status) });
            }
        }
        found
    }

    /// The name of the executable of which this is the status.
    #[must_use]
    pub fn name_in(status: &BTreeMap<String, String>) -> String {
        whole_name(&status["Name"])
    }

    /// Its `/proc/PID/status` by field; it must be alive.
    #[must_use]
    pub fn status(&self) -> BTreeMap<String, String> {
        status(self.pid).unwrap_or_else(|| panic!("{} is gone", self.executable))
    }

    /// The same, if it is.
    #[must_use]
    pub fn status_if_alive(&self) -> Option<BTreeMap<String, String>> {
        status(self.pid)
    }

    /// Whether it still runs (a zombie does not).
    #[must_use]
    pub fn is_alive(&self) -> bool {
        status(self.pid).is_some_and(|status| !status["State"].starts_with(['Z', 'X']))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid), signal).unwrap();
    }

    /// The most memory that it ever had, in KiB; none once it has ended.
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        let peak = status(self.pid)?.remove("VmHWM")?;
        peak.strip_suffix(" kB").unwrap_or(&peak).trim().parse().ok()
    }

    /// Kills it.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// Its open descriptors and what each is.
    #[must_use]
    pub fn descriptors(&self) -> BTreeMap<i32, PathBuf> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(self.path("fd")).unwrap().flatten() {
            let number = entry.file_name().to_str().unwrap().parse().unwrap();
            found.insert(number, std::fs::read_link(entry.path()).unwrap_or_default());
        }
        found
    }

    /// The memory that it shares with others, if it was made by memfd_create(2): its name and how it is mapped, as
    /// `/proc/PID/maps` has it, in the order of names.
    #[must_use]
    pub fn shared_memory(&self) -> Vec<(String, String)> {
        let maps = std::fs::read_to_string(self.path("maps")).unwrap();
        let shared = maps.lines().filter_map(|line| {
            let (_, name) = line.split_once("/memfd:")?;
            Some((name.split(' ').next()?.to_owned(), line.split_whitespace().nth(1)?.to_owned()))
        });
        let mut shared: Vec<_> = shared.collect();
        shared.sort_unstable();
        shared
    }

    /// How a descriptor of it is open: the flags of open(2).
    #[must_use]
    pub fn descriptor_flags(&self, number: i32) -> i32 {
        let text = std::fs::read_to_string(self.path("fdinfo").join(number.to_string())).unwrap();
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        i32::from_str_radix(flags.trim(), 8).unwrap()
    }

    /// Its resource limits by name, soft and hard.
    #[must_use]
    pub fn limits(&self) -> BTreeMap<String, (String, String)> {
        let text = std::fs::read_to_string(self.path("limits")).unwrap();
        let row = |line: &str| {
            let (name, values) = line.split_at_checked(26)?;
            let mut values = values.split_ascii_whitespace().map(str::to_owned);
            Some((name.trim().to_owned(), (values.next()?, values.next()?)))
        };
        text.lines().skip(1).filter_map(row).collect()
    }

    /// Its mounts, a line each as in proc_pid_mountinfo(5).
    #[must_use]
    pub fn mounts(&self) -> Vec<String> {
        std::fs::read_to_string(self.path("mountinfo")).unwrap().lines().map(str::to_owned).collect()
    }

    /// Where a link in its directory of /proc leads: `cwd`, `root`.
    #[must_use]
    pub fn link(&self, name: &str) -> PathBuf {
        std::fs::read_link(self.path(name)).unwrap()
    }

    /// Its environment.
    #[must_use]
    pub fn environment(&self) -> Vec<u8> {
        std::fs::read(self.path("environ")).unwrap()
    }

    /// The names in its root directory.
    #[must_use]
    pub fn root(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("root/")).unwrap().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Which namespace of this kind it is in.
    #[must_use]
    pub fn namespace(&self, kind: &str) -> PathBuf {
        std::fs::read_link(self.path("ns").join(kind)).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.pid.to_string()).join(name)
    }
}

/// What a process and its children have of memory that is no file's (`RssAnon` and `RssShmem`), in KiB. Pages of
/// executables and libraries are there once, however many map them, and can be had again.
#[must_use]
pub fn memory_of_family(parent: i32) -> u64 {
    let children = Process::children_of(parent).into_iter().map(|child| child.pid);
    children.chain([parent]).map(memory).sum()
}

fn memory(pid: i32) -> u64 {
    let Some(status) = status(pid) else { return 0 };
    let kib = |field| status.get(field).and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    ["RssAnon", "RssShmem"].into_iter().filter_map(kib).sum()
}

/// The children that the kernel lists of each thread of a process, if it was built to.
fn listed_children(parent: i32) -> Option<Vec<i32>> {
    let mut found = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{parent}/task")).ok()?.flatten() {
        let text = std::fs::read_to_string(thread.path().join("children")).ok()?;
        found.extend(text.split_whitespace().map(|number| number.parse::<i32>().unwrap()));
    }
    Some(found)
}

fn all_processes() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The kernel keeps fifteen bytes of a name, and lets nobody but root see where a process that hides itself
/// was started from.
fn whole_name(kept: &str) -> String {
    let ours = EXECUTABLES.into_iter().find(|name| name.get(..15).unwrap_or(name) == kept);
    ours.unwrap_or(kept).to_owned()
}

/// Why no process of another user can be held by ptrace here, if so.
#[must_use]
pub fn tracing_unavailable() -> Option<&'static str> {
    const CAP_SYS_PTRACE: u64 = 1 << 19;
    let capabilities = |status: BTreeMap<String, String>| u64::from_str_radix(&status["CapEff"], 16).ok();
    let own = i32::try_from(std::process::id()).ok().and_then(status).and_then(capabilities);
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    if !cfg!(target_arch = "x86_64") {
        Some("needs x86_64, whose registers are known here")
    } else if own.is_none_or(|own| own & CAP_SYS_PTRACE == 0) {
        Some("needs CAP_SYS_PTRACE")
    } else if scope.is_ok_and(|scope| scope.trim() == "3") {
        Some("needs ptrace, which the kernel was told to refuse to everyone")
    } else {
        None
    }
}

fn status(pid: i32) -> Option<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    Some(fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
}
