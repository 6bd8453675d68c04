//! Two network namespaces joined by a veth pair, with addresses from the documentation ranges.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::run::Bench;
use crate::sniffer::Sniffer;
use crate::subject::{Subject, in_path};

/// The server's addresses.
pub const SERVER: &str = "192.0.2.1";
/// The client's addresses.
pub const CLIENT: &str = "192.0.2.2";
/// The addresses of server and client.
pub type Ends = (&'static str, &'static str);
/// Those on the wire.
pub const WIRE: Ends = (SERVER, CLIENT);
/// Those of IPv6 on the wire.
pub const WIRE_V6: Ends = ("2001:db8::1", "2001:db8::2");
/// The interface, which has the same name in both namespaces.
pub const INTERFACE: &str = "wire0";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Why there can be no namespaces here, if so.
#[must_use]
pub fn unavailable() -> Option<String> {
    static REASON: OnceLock<Option<String>> = OnceLock::new();
    REASON
        .get_or_init(|| {
            if !nix::unistd::geteuid().is_root() {
                return Some("needs root, for network namespaces".to_owned());
            }
            if in_path("ip").is_none() {
                return Some("needs iproute2, for network namespaces".to_owned());
            }
            Lab::try_new().err().map(|reason| format!("needs network namespaces: {reason}"))
        })
        .clone()
}

/// Why this kernel has no network devices like this, if so: words as for [`Lab::join`].
#[must_use]
pub fn device_unavailable(words: &str) -> Option<String> {
    if let Some(reason) = unavailable() {
        return Some(reason);
    }
    let lab = Lab::new();
    let with = |outer| lab.device(&lab.server, "probe0", words, outer);
    let made = with(WIRE).or_else(|first| with(WIRE_V6).map_err(|_| first));
    made.err().map(|reason| format!("needs a kernel with such devices: {reason}"))
}

/// The two namespaces, removed at the end with all that runs in them.
pub struct Lab {
    server: String,
    client: String,
    services: Vec<Child>,
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Lab {
    /// Sets both up.
    #[must_use]
    pub fn new() -> Self {
        Self::try_new().unwrap()
    }

    fn try_new() -> Result<Self, String> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = |side| format!("tcpflow-{}-{number}-{side}", std::process::id());
        let lab = Self { server: name("server"), client: name("client"), services: Vec::new() };
        for namespace in [&lab.server, &lab.client] {
            ip(&["netns", "add", namespace])?;
            ip(&["-n", namespace, "link", "set", "lo", "up"])?;
        }
        let (server, client) = (&lab.server, &lab.client);
        let peer = ["peer", "name", INTERFACE, "netns", client];
        ip(&[&["link", "add", INTERFACE, "netns", server, "type", "veth"], &peer[..]].concat())?;
        for (namespace, v4, v6) in [(server, WIRE.0, WIRE_V6.0), (client, WIRE.1, WIRE_V6.1)] {
            ip(&["-n", namespace, "address", "add", &format!("{v4}/24"), "dev", INTERFACE])?;
            ip(&["-n", namespace, "address", "add", &format!("{v6}/64"), "dev", INTERFACE, "nodad"])?;
            ip(&["-n", namespace, "link", "set", INTERFACE, "up"])?;
        }
        Ok(lab)
    }

    /// Joins both by one more device, which `ip link add NAME` makes of these words: `{local}` and `{remote}`
    /// stand for the `outer` addresses at either end. It has addresses of its own.
    pub fn join(&self, name: &str, words: &str, outer: Ends, own: &[Ends]) {
        let swapped = |(server, client): Ends| (client, server);
        self.device(&self.server, name, words, outer).unwrap();
        self.device(&self.client, name, words, swapped(outer)).unwrap();
        for &(server, client) in own {
            for (namespace, address) in [(&self.server, server), (&self.client, client)] {
                let v6 = address.contains(':');
                let prefix = format!("{address}/{}", if v6 { 64 } else { 24 });
                let more: &[&str] = if v6 { &["nodad"] } else { &[] };
                ip(&[&["-n", namespace, "address", "add", &prefix, "dev", name], more].concat()).unwrap();
            }
        }
        self.set(name, &["up"]);
    }

    /// Changes a device at both ends: what follows `ip link set NAME`.
    pub fn set(&self, name: &str, words: &[&str]) {
        for namespace in [&self.server, &self.client] {
            ip(&[&["-n", namespace, "link", "set", name], words].concat()).unwrap();
        }
    }

    /// Changes a link where the server is: what follows `ip link`.
    pub fn set_at_server(&self, words: &[&str]) {
        ip(&[&["-n", &self.server, "link"], words].concat()).unwrap();
    }

    fn device(&self, namespace: &str, name: &str, words: &str, outer: Ends) -> Result<(), String> {
        let words = words.replace("{local}", outer.0).replace("{remote}", outer.1);
        let words: Vec<&str> = words.split_whitespace().collect();
        ip(&[&["-n", namespace, "link", "add", name], &words[..]].concat())
    }

    /// Records what an interface at the server sees, with tcpdump, until it is told to stop.
    #[must_use]
    pub fn record(&self, interface: &str, more: &[&str], file: &Path) -> Recording {
        // Room for all of these transfers (KiB), of frames as long as offload makes them. -Z keeps the user, who
        // owns the file.
        let words =
            ["tcpdump", "-Z", "root", "--immediate-mode", "-B", "65536", "-s", "66000", "-i", interface];
        self.start([&words[..], more].concat(), file, "listening on", "\n0 packets dropped by kernel")
    }

    /// The same with dumpcap, which writes a pcapng that says what was lost.
    #[must_use]
    pub fn record_with_dumpcap(&self, interface: &str, file: &Path) -> Recording {
        let words = ["dumpcap", "-B", "64", "-s", "66000", "-i", interface];
        self.start(words.to_vec(), file, "File: ", "/0 (pcap:0/dumpcap:0/flushed:0/ps_ifdrop:0)")
    }

    fn start(&self, words: Vec<&str>, file: &Path, ready: &str, lossless: &'static str) -> Recording {
        let mut command = Command::new("ip");
        command.args(self.at_server().iter().skip(1)).args(words).arg("-w").arg(file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains(ready) {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "the recorder does not listen");
        }
        Recording { child, said, file: file.to_owned(), lossless }
    }

    /// What to put before a command that is to run where the server is.
    #[must_use]
    pub fn at_server(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.server]
    }

    /// A file as it reads where the server is: one of `/proc/net` or `/sys/class/net`.
    #[must_use]
    pub fn read_at_server(&self, path: &str) -> String {
        let [ip, netns, exec, name] = self.at_server();
        let output = Command::new(ip).args([netns, exec, name, "cat", path]).output().unwrap();
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What sees each frame that arrives at the client.
    #[must_use]
    pub fn sniffer(&self) -> Sniffer {
        self.as_client(Sniffer::here)
    }

    /// Does something where the client is: a socket that is made there stays there.
    pub fn as_client<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        inside(&self.client, act)
    }

    /// Does something where the server is.
    pub fn as_server<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        inside(&self.server, act)
    }

    /// A command that runs where the client is.
    #[must_use]
    pub fn at_client(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.client, program]);
        command
    }

    /// Serves a directory over HTTP on port 80, until the end.
    pub fn serve(&mut self, directory: &PathBuf) {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.server, "python3", "-m", "http.server", "--bind", "::", "80"]);
        command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.services.push(command.spawn().unwrap());
        self.wait_for_service();
    }

    /// Runs a server on port 80, until the end.
    pub fn run_at_server(&mut self, words: &[&str]) {
        let mut command = Command::new("ip");
        command.args(self.at_server().iter().skip(1)).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.services.push(command.spawn().unwrap());
        self.wait_for_service();
    }

    /// Waits until something listens on port 80, without sending it anything.
    fn wait_for_service(&self) {
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            let output = Command::new("ip")
                .args(["netns", "exec", &self.server, "ss", "-Hltn", "sport = :80"])
                .output();
            if !output.unwrap().stdout.is_empty() {
                return;
            }
            assert!(Instant::now() < limit, "the HTTP server does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How many want the server's interface to take frames for others, as the kernel counts them.
    #[must_use]
    pub fn promiscuity(&self) -> u32 {
        let arguments = ["-n", &self.server, "-details", "link", "show", INTERFACE];
        let output = Command::new("ip").args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut words = text.split_whitespace().skip_while(|word| *word != "promiscuity").skip(1);
        words.next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no promiscuity in {text}"))
    }

    /// Fetches a file from the server with curl.
    #[must_use]
    pub fn fetch(&self, name: &str) -> Vec<u8> {
        self.fetch_from(SERVER, name)
    }

    /// Fetches a file from the server with curl, so many bytes in a second.
    #[must_use]
    pub fn fetch_slowly(&self, name: &str, rate: &str) -> Vec<u8> {
        self.fetch_with(SERVER, name, &["--limit-rate", rate])
    }

    /// Fetches a file from the server at this address with curl.
    #[must_use]
    pub fn fetch_from(&self, address: &str, name: &str) -> Vec<u8> {
        self.fetch_with(address, name, &[])
    }

    fn fetch_with(&self, address: &str, name: &str, more: &[&str]) -> Vec<u8> {
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let url = format!("http://{host}/{name}");
        let output = self
            .at_client("curl")
            .args(["--silent", "--show-error", "--fail", &url])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

/// A lab whose server has a file `random` of so many bytes, which lie in the bench.
#[must_use]
pub fn serving(length: usize) -> (Lab, Bench, Vec<u8>) {
    let mut content = vec![0; length];
    File::open("/dev/urandom").unwrap().read_exact(&mut content).unwrap();
    let bench = Bench::of(Subject::Ours).folder("served", 0o755).file("served/random", &content);
    let mut lab = Lab::new();
    lab.serve(&bench.path().join("served"));
    (lab, bench, content)
}

/// What follows the header of an HTTP response.
#[must_use]
pub fn body(response: &[u8]) -> &[u8] {
    let end = response.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a header");
    &response[end + 4..]
}

/// A recorder at work.
pub struct Recording {
    child: Child,
    said: BufReader<ChildStderr>,
    file: PathBuf,
    /// What it says if it lost nothing.
    lossless: &'static str,
}

impl Recording {
    /// Bytes in its file so far.
    fn recorded(&self) -> u64 {
        std::fs::metadata(&self.file).unwrap().len()
    }

    /// Stops it; it must have lost nothing.
    pub fn stop(mut self) {
        // What came last is on its way from the kernel, and on a busy machine that takes a while.
        let mut length = None;
        while length != Some(self.recorded()) {
            length = Some(self.recorded());
            std::thread::sleep(Duration::from_millis(300));
        }
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        let mut words = String::new();
        self.said.read_to_string(&mut words).unwrap();
        assert!(self.child.wait().unwrap().success(), "{words}");
        assert!(words.contains(self.lossless), "{words}");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for service in &mut self.services {
            let _ = service.kill();
            let _ = service.wait();
        }
        for namespace in [&self.server, &self.client] {
            // It may not have come to be.
            let _ = ip(&["netns", "delete", namespace]);
        }
    }
}

/// Does something in a network namespace.
fn inside<T: Send>(name: &str, act: impl FnOnce() -> T + Send) -> T {
    let namespace = File::open(format!("/run/netns/{name}")).unwrap();
    std::thread::scope(|scope| {
        // It is this thread's alone, which ends with it.
        let enter = || setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
        scope.spawn(|| (enter(), act()).1).join().unwrap()
    })
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|e| format!("ip: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
