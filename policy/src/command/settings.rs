//! What the user asked for, checked.

use std::os::fd::RawFd;
use std::path::PathBuf;

use proto::control::Savefile;
use proto::plan::{
    ChartPlan, ConsolePlan, Digest, HttpPlan, NetworkPlan, Order, Overlap, PythonPlan, Retention,
    SandboxMode, Separation,
};

/// A run as the command line asks for it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where packets come from.
    pub input: Input,
    /// The filter expression.
    pub filter: Option<String>,
    /// `-o`: the output directory.
    pub output: PathBuf,
    /// `-X`: the report, if not in the output directory.
    pub report: Option<PathBuf>,
    /// Whether a report is made.
    pub report_enabled: bool,
    /// `-S dfxml`: whether the report is to be of the schema of DFXML.
    pub strict_report: bool,
    /// `-T` and `-F`: how flow files are named.
    pub template: String,
    /// Whether flows are looked for at all (not with `-x tcpdemux`).
    pub demultiplex: bool,
    /// Whether flow files are made (not with `-FX`, on the console, or with `-K`).
    pub store: bool,
    /// `-K`: whether packets of flows are kept.
    pub packets: bool,
    /// `-I`: whether an index is kept beside each flow file.
    pub index: bool,
    /// `-w`: where packets go that were not processed.
    pub unprocessed: Option<PathBuf>,
    /// `--events`: where flows are told of as they come and go.
    pub events: Option<Events>,
    /// `--metrics`: where counters are written for Prometheus.
    pub metrics: Option<PathBuf>,
    /// `-FM`, `-e md5`, `-S hash`: digests of flow files.
    pub digests: Vec<Digest>,
    /// `-e http`: what is wanted of HTTP.
    pub http: Option<HttpPlan>,
    /// `-c` and what belongs to it.
    pub console: Option<ConsolePlan>,
    /// `-S console`.
    pub console_order: Order,
    /// `-b`: bytes of each flow to keep.
    pub max_bytes: Option<u64>,
    /// `-f`: flow files open at once.
    pub max_open_files: u32,
    /// `-m`: how far a segment may lie ahead, in bytes.
    pub max_skip: u64,
    /// `-S max_hole`: how much of a flow's file may be holes, in bytes.
    pub max_hole: u64,
    /// `-S overlap`.
    pub overlap: Overlap,
    /// `-S tdelta`: seconds added to every timestamp.
    pub time_delta: i64,
    /// `-S tcp_timeout`: seconds after which a silent flow is closed; 0: never.
    pub tcp_timeout: u64,
    /// `-S max_memory`: MiB that flows may take in the reassembler.
    pub max_memory: u64,
    /// `-S workers`: pairs of capture and reassembler.
    pub workers: u32,
    /// `-S decap`: whether packets in tunnels are decoded.
    pub tunnels: bool,
    /// `-S flow_key`: what tells flows apart beside addresses and ports.
    pub separation: Separation,
    /// `-U`: the user to become.
    pub user: Option<String>,
    /// `-z`: the directory that paths of output are inside.
    pub chroot: Option<PathBuf>,
    /// `-S debug-prefix`: the name that stands before what is said.
    pub name: String,
    /// What is to be said of the command line itself.
    pub remarks: Vec<&'static str>,
    /// `-d`: how much to say.
    pub debug: u32,
    /// `-q`: no warnings.
    pub quiet: bool,
    /// `--sandbox`.
    pub sandbox: SandboxMode,
    /// `--sandbox-report`.
    pub sandbox_report: bool,
    /// What the runner runs.
    pub programs: Programs,
    /// The command line as it was, for the report.
    pub command_line: String,
    /// `-e netviz`: whether a page of charts is made, and how the traffic is counted for it.
    pub charts: Option<ChartPlan>,
    /// `-e wifiviz`: whether wireless networks are told of.
    pub networks: Option<NetworkPlan>,
    /// `--rotate`.
    pub rotation: Option<Rotation>,
}

/// `--rotate`: when output goes on in another directory.
#[derive(Debug, Clone, Default)]
pub struct Rotation {
    /// After so many seconds.
    pub every: Option<u32>,
    /// After so many bytes.
    pub size: Option<u64>,
    /// `--keep`, `--keep-size`, `--min-free`: what of the directories that are finished is kept.
    pub retention: Option<Retention>,
}

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Events {
    /// Standard output.
    Output,
    /// A file.
    File(PathBuf),
}

/// The user's own programs, and who is told of files.
#[derive(Debug, Clone, Default)]
pub struct Programs {
    /// `-S tcp_cmd`: for the shell.
    pub flow_command: Option<String>,
    /// `-S http_cmd`: for the shell.
    pub body_command: Option<String>,
    /// `-S cmd_timeout`: seconds that a command may take; 0: as long as it likes.
    pub command_timeout: u64,
    /// `-S tcp_alert_fd`: an inherited descriptor.
    pub flow_alerts: Option<RawFd>,
    /// `-S http_alert_fd`: the same.
    pub body_alerts: Option<RawFd>,
    /// `-e python`.
    pub python: Option<PythonPlan>,
}

impl Programs {
    /// Whether there is anything for the runner to do.
    pub fn any(&self) -> bool {
        self.of_flows() || self.of_bodies()
    }

    /// Whether any of it is about flow files.
    pub fn of_flows(&self) -> bool {
        self.flow_command.is_some() || self.flow_alerts.is_some() || self.python.is_some()
    }

    /// Whether any of it is about HTTP bodies.
    pub fn of_bodies(&self) -> bool {
        self.body_command.is_some() || self.body_alerts.is_some()
    }
}

/// How long to wait for an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// So long.
    Seconds(u32),
    /// Until it is there, or a signal ends the run.
    Forever,
}

/// Where packets come from.
#[derive(Debug, Clone)]
pub enum Input {
    /// Savefiles, in order; those that only complete flows come last.
    Savefiles(Vec<Savefile>),
    /// An interface.
    Live {
        /// Its name; none: the first that will do.
        interface: Option<String>,
        /// `--wait-interface`: how long to wait until it is there.
        wait: Option<Wait>,
        /// Not with `-p`.
        promiscuous: bool,
        /// `-S buffer_size`: the kernel's ring, in MiB.
        buffer_size: u32,
        /// `-S packet-buffer-timeout`: milliseconds.
        packet_buffer_timeout: u32,
    },
}
