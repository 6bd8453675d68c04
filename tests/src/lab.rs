//! Two network namespaces joined by a veth pair, with addresses from the documentation ranges.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::subject::in_path;

/// The server's addresses.
pub const SERVER: &str = "192.0.2.1";
/// The client's addresses.
pub const CLIENT: &str = "192.0.2.2";
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
        for (namespace, v4, v6) in [(server, SERVER, "2001:db8::1"), (client, CLIENT, "2001:db8::2")] {
            ip(&["-n", namespace, "address", "add", &format!("{v4}/24"), "dev", INTERFACE])?;
            ip(&["-n", namespace, "address", "add", &format!("{v6}/64"), "dev", INTERFACE, "nodad"])?;
            ip(&["-n", namespace, "link", "set", INTERFACE, "up"])?;
        }
        Ok(lab)
    }

    /// What to put before a command that is to run where the server is.
    #[must_use]
    pub fn at_server(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.server]
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
        let url = format!("http://{SERVER}/{name}");
        let output =
            self.at_client("curl").args(["--silent", "--show-error", "--fail", &url]).output().unwrap();
        assert!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
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

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|e| format!("ip: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
