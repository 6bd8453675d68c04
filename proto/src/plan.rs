//! The plans that `tcpflow` makes of its command line, one for each role.

use serde::{Deserialize, Serialize};

use crate::text::Text;
use crate::time::Timestamp;

/// What one role is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Plan {
    /// For `tcpflow-capture`.
    Capture(CapturePlan),
    /// For `tcpflow-reassembler`.
    Reassembler(ReassemblerPlan),
    /// For `tcpflow-writer`.
    Writer(WriterPlan),
    /// For `tcpflow-runner`.
    Runner(Box<RunnerPlan>),
}

/// How a role is to confine itself; the same for every role but for the identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// What to do about layers that cannot be had.
    pub mode: SandboxMode,
    /// Whom to become; none when not started as root.
    pub identity: Option<Identity>,
    /// Resource limits that stand behind the role's own bounds.
    pub limits: Limits,
}

/// Resource limits, setrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// RLIMIT_AS in bytes; none: not limited.
    pub address_space: Option<u64>,
    /// RLIMIT_NOFILE; none: nothing can be opened any more.
    pub open_files: Option<u64>,
    /// RLIMIT_FSIZE in bytes; none: not limited.
    pub file_size: Option<u64>,
}

/// `--sandbox`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SandboxMode {
    /// Every layer there is must be in force or the run ends.
    Strict,
    /// Required layers must be in force or the run ends.
    Require,
    /// Enter what can be entered, and say what could not.
    BestEffort,
    /// Enter nothing (privileges are dropped all the same).
    Off,
}

impl SandboxMode {
    /// Whether a layer that is required and missing ends the run.
    #[must_use]
    pub fn requires(self) -> bool {
        match self {
            Self::Strict | Self::Require => true,
            Self::BestEffort | Self::Off => false,
        }
    }
}

/// A user and a group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Group, the only one.
    pub gid: u32,
}

/// Plan of the capture process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturePlan {
    /// Its confinement.
    pub confinement: Confinement,
    /// Where frames come from.
    pub source: Source,
    /// The filter expression.
    pub filter: Option<String>,
    /// Whether to say how far reading is several times a second, and to have the others say it.
    pub progress: bool,
    /// `--events`: whether the others are told when the kernel drops frames: `Dropped`.
    pub drops: bool,
}

/// Where frames come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// An interface.
    Live(Live),
    /// Savefiles, which follow the plan as inputs; `-` is standard input.
    Savefiles,
}

/// How to open an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Its name; none: the first that libpcap lists.
    pub interface: Option<String>,
    /// Whether to see frames for others.
    pub promiscuous: bool,
    /// Bytes of a frame to keep.
    pub snap_length: u32,
    /// Size of the kernel's ring, in bytes.
    pub ring: u32,
    /// How long the kernel may hold frames back to hand over many at once, in milliseconds.
    pub packet_buffer_timeout: u32,
    /// Where several capture from one interface: the group among which the kernel divides frames.
    pub group: Option<Group>,
}

/// `-S workers`: a group of packet sockets, packet(7), of which each gets the frames of some connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Group {
    /// Begin one that nobody else has, and tell its number.
    Begin,
    /// Join the one of this number.
    Join(u16),
}

/// Plan of the reassembler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReassemblerPlan {
    /// Its confinement.
    pub confinement: Confinement,
    /// `-m`: how far, in bytes, a segment may lie ahead of the expected byte.
    pub max_skip: u64,
    /// `-S max_hole`: bytes of holes that a flow's file may have, beside those that its bytes allow.
    pub max_hole: u64,
    /// Which copy of a byte wins.
    pub overlap: Overlap,
    /// Seconds added to every timestamp.
    pub time_delta: i64,
    /// Seconds of silence after which a flow is closed; 0: never.
    pub tcp_timeout: u64,
    /// Bytes of memory that flows may take.
    pub max_memory: u64,
    /// Seconds that a hole may hold up what is to be in order; none: as long as there is room.
    pub patience: Option<u32>,
    /// `-S decap`: whether packets in tunnels are decoded.
    pub tunnels: bool,
    /// What tells flows apart beside addresses and ports.
    pub separation: Separation,
    /// What the writer is to be told of.
    pub wanted: Wanted,
    /// `--rotate`: when output goes on in another directory.
    pub rotation: Option<RotationPlan>,
    /// `-S workers`: how many reassemblers the run has, among which is divided what the run may have.
    pub workers: u32,
}

/// `--rotate`: when output goes on in another directory, beside whenever capture says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationPlan {
    /// After so many bytes to be stored.
    pub size: Option<u64>,
    /// After so many seconds by the times of packets.
    pub every: Option<u32>,
    /// Whether the first directory is named by the first packet, and not by the start of the run.
    pub by_packets: bool,
    /// When the run began.
    pub start: Timestamp,
    /// `-b`: bytes of each flow that are stored.
    pub max_bytes: Option<u64>,
    /// Whether each directory has a report of its own, which tells of its time alone.
    pub reports: bool,
}

/// What of the traffic goes to the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Flows at all: not with `-x tcpdemux`.
    pub flows: bool,
    /// Payload, for flow files: `Data`, `Replace`, `Compare`, `Shift`.
    pub data: bool,
    /// Payload for the console, and in which order: `Print`, `Gap`.
    pub console: Option<Order>,
    /// When each segment came, for `-I`: `Arrival`.
    pub index: bool,
    /// Whole packets of flows, for `-K`: `Packet`.
    pub packets: bool,
    /// Bodies of HTTP messages, for `-e http`: those that begin with `Body`, or on the console in their place.
    pub http: Option<HttpPlan>,
    /// Frames of which no TCP segment came, for `-w`: `Unprocessed`.
    pub unprocessed: bool,
    /// The traffic counted, for `-e netviz`: `Traffic`, `Share`.
    pub charts: Option<ChartPlan>,
    /// Wireless networks, for `-e wifiviz`: `Network`, `OtherNetworks`.
    pub networks: Option<NetworkPlan>,
    /// Flows when they begin and not only once there is payload, and what the kernel drops, for `--events`: `Dropped`.
    pub events: bool,
}

/// How the traffic is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChartPlan {
    /// `-S netviz_histogram_size`: addresses and prefixes to keep for each direction.
    pub addresses: u32,
    /// `-S netviz_histogram_dump`: whether all of them are told.
    pub dump: bool,
}

/// How wireless networks are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkPlan {
    /// `-S check_fcs`: whether frames with a wrong check sequence are left out.
    pub check_sequence: bool,
}

/// `-e http`: what is wanted of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpPlan {
    /// Whether codings of bodies are undone (not with `-Z`).
    pub decompress: bool,
    /// `-S http_requests`: whether bodies of requests are wanted too.
    pub requests: bool,
    /// `-S http_max_body`: bytes that one body may have; none: as many as were sent, or as many as undoing its
    /// codings makes in reason.
    pub max_body: Option<u64>,
    /// `-b`: bytes of each flow to look at.
    pub max_bytes: Option<u64>,
}

/// `-S console`: the order in which payload is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Each flow in the order of its stream, each byte once.
    Stream,
    /// As segments arrive, repeated ones again, as in tcpflow 1.6.1.
    Arrival,
}

/// `-S flow_key`: what tells flows apart beside addresses and ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Separation {
    /// Nothing.
    Addresses,
    /// The tunnel: its kind, and its network, key or endpoint.
    Tunnel,
    /// The tunnel, and the innermost VLAN.
    Vlan,
}

/// `-S overlap`: which copy of a byte that was sent twice is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overlap {
    /// The first to be captured, as in a receiver.
    First,
    /// The last, as in tcpflow 1.6.1.
    Last,
}

/// Plan of the writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterPlan {
    /// Its confinement.
    pub confinement: Confinement,
    /// How flow files are named; checked by `tcpflow`.
    pub template: String,
    /// The output directory as the user named it, for names in the report.
    pub output: Vec<u8>,
    /// Whether flow files are made at all (not with `-FX`).
    pub store: bool,
    /// `-I`: whether to keep an index beside each flow file.
    pub index: bool,
    /// `-K`: whether packets are kept, in place of payload.
    pub packets: bool,
    /// `-w`: whether frames that were not processed are kept, in the file that the manifest has for them.
    pub unprocessed: bool,
    /// `-e http`: whether bodies of HTTP messages are kept, each beside the file of its flow.
    pub bodies: bool,
    /// Digests of each flow file, for the report.
    pub digests: Vec<Digest>,
    /// Console output, if there is any.
    pub console: Option<ConsolePlan>,
    /// `-q` not given: whether to warn of a directory with very many files.
    pub warn_of_many_files: bool,
    /// `-b`: bytes of each flow to keep.
    pub max_bytes: Option<u64>,
    /// `-f`: flow files open at once.
    pub max_open_files: u32,
    /// The report, if one is made.
    pub report: Option<ReportPlan>,
    /// `--events`: whether flows are told of as they come and go.
    pub events: Option<EventsPlan>,
    /// `-e netviz`: whether a page of charts is made.
    pub charts: bool,
    /// `-S netviz_histogram_dump`: whether every address is told in a file of its own.
    pub dump: bool,
    /// `-e wifiviz`: whether the report has wireless networks.
    pub networks: bool,
    /// What the runner is told of, if there is one.
    pub notify: Option<Box<Notify>>,
    /// `--rotate`: whether output goes into directories of its own, one after the other.
    pub rotates: bool,
    /// What of the directories that are finished is kept; none: everything.
    pub retention: Option<Retention>,
    /// `-S workers`: how many reassemblers there are to hear.
    pub workers: u32,
}

/// `--keep`, `--keep-size`, `--min-free`: when the oldest directory that is finished is removed. Any of these will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Retention {
    /// When it was finished more seconds ago.
    pub age: Option<u32>,
    /// When all directories together take more bytes.
    pub size: Option<u64>,
    /// When less of the disk is free.
    pub free: Option<Room>,
}

/// A part of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Room {
    /// In hundredths of it.
    Percent(u8),
    /// In bytes.
    Bytes(u64),
}

/// What the writer tells the runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// Of flow files.
    pub flows: Told,
    /// Of HTTP bodies.
    pub bodies: Told,
    /// The plugin whose answer for each flow file belongs into the report.
    pub plugin: Option<Plugin>,
}

/// What is told of one kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// That it was made.
    pub opened: bool,
    /// That it is finished.
    pub finished: bool,
}

/// `-e python`: a function of a Python module, as the user named them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    /// `py_path`: the directory of the module.
    pub path: Text,
    /// `py_module`.
    pub module: Text,
    /// `py_function`.
    pub function: Text,
}

/// A variable of an environment: its name and its value.
pub type Variable = (Vec<u8>, Vec<u8>);

/// Plan of the runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerPlan {
    /// Its confinement.
    pub confinement: Confinement,
    /// What stands before the names of files: the output directory as the user named it.
    pub prefix: Vec<u8>,
    /// `tcp_cmd`: for the shell.
    pub flow_command: Option<String>,
    /// `http_cmd`: for the shell.
    pub body_command: Option<String>,
    /// `cmd_timeout`: seconds that a command may take; 0: as long as it likes.
    pub command_timeout: u64,
    /// `tcp_alert_fd`: whether the manifest's descriptor for it is there.
    pub flow_alerts: bool,
    /// `http_alert_fd`: the same.
    pub body_alerts: bool,
    /// Whether what commands print is passed on.
    pub pass_output: bool,
    /// The environment of commands.
    pub environment: Vec<Variable>,
    /// `-e python`.
    pub python: Option<PythonPlan>,
}

/// A plugin and its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PythonPlan {
    /// The function.
    pub plugin: Plugin,
    /// `py_timeout`: seconds that a call may take.
    pub timeout: u64,
    /// `py_cpu`: seconds of computing that a call may take.
    pub cpu: u64,
    /// `py_memory`: bytes of address space.
    pub memory: u64,
    /// `py_max_bytes`: how much of a file it is given.
    pub max_bytes: u64,
}

/// A digest of a flow file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Digest {
    /// MD5, RFC 1321.
    Md5,
    /// SHA-1, FIPS 180-4.
    Sha1,
    /// SHA-256, FIPS 180-4.
    Sha256,
}

/// How flows are printed on standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsolePlan {
    /// How payload is shown.
    pub format: ConsoleFormat,
    /// Whether the flow's name comes before it (not with `-C`).
    pub names: bool,
    /// Whether a newline comes after it (not with `-0`).
    pub newline: bool,
    /// Whether directions are told apart by colour (`-g`).
    pub color: bool,
    /// `-L`: the POSIX named semaphore that is held while one piece is printed.
    pub semaphore: Option<String>,
}

/// How payload is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsoleFormat {
    /// Printable ASCII, newline and carriage return as they are, a dot for everything else.
    Text,
    /// As it is (`-B`).
    Binary,
    /// In hexadecimal, with text beside it (`-D`).
    Hex,
    /// As a JSON object a piece (`-J`).
    Json,
}

/// Where events go: a descriptor that `tcpflow` opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsPlan {
    /// Whether it is a file that was made or emptied for them, and that they alone are written to.
    pub own_file: bool,
}

/// Where the report goes and what it says of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportPlan {
    /// Where it goes.
    pub place: ReportPlace,
    /// The command line.
    pub command_line: Text,
    /// The user who started the run.
    pub uid: u32,
    /// That user's name.
    pub username: Text,
    /// When the run started.
    pub start: Timestamp,
    /// `-S tdelta`.
    pub time_delta: i64,
    /// `-S dfxml`: whether it is to be of the schema of DFXML.
    pub strict: bool,
}

/// Where the report goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportPlace {
    /// A file of this name in the output directory.
    Inside(String),
    /// A descriptor that `tcpflow` opened.
    Descriptor,
}
