//! A run whose processes are held once each of them is confined, so that they can be asked one by one: the
//! end of one is then no reason for the others.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;

use crate::process::Process;
use crate::run::Running;
use crate::tracee::Tracee;

/// What a process is called here that the runner has started.
pub const PLUGIN: &str = "plugin";

/// The processes of a run, held.
pub struct Held {
    /// Each by the name of its executable.
    pub roles: BTreeMap<String, Tracee>,
    /// Where live capture has its packet socket.
    pub packet: Option<u64>,
    // Last, for what it started ends with it.
    _running: Running,
}

impl Held {
    /// Holds these processes when so many filters of system calls are in force in each, and no privilege. What a
    /// role has started is a [`PLUGIN`] here.
    #[must_use]
    pub fn take(mut running: Running, wanted: &[(&str, &str)]) -> Self {
        let mut found = Vec::new();
        running.wait_until("confined roles", |running| {
            found = processes_of(running);
            wanted.iter().all(|(name, filters)| found.iter().any(|it| is_confined(it, name, filters)))
        });
        running.signal(Signal::SIGSTOP);
        let command = Process { pid: running.pid(), executable: "tcpflow".to_owned() };
        running.wait_until("the command to stand still", |_| command.status()["State"].starts_with('T'));
        let chosen = |(name, filters): &(&str, &str)| {
            found.iter().find(|it| is_confined(it, name, filters)).unwrap().clone()
        };
        let chosen: Vec<Process> = wanted.iter().map(chosen).collect();
        let packet = chosen.iter().find(|role| role.executable == "tcpflow-capture").and_then(packet_socket);
        let roles = chosen.into_iter().map(|role| (role.executable.clone(), Tracee::seize(role.pid)));
        Self { roles: roles.collect(), packet, _running: running }
    }

    /// One of them.
    pub fn role(&mut self, name: &str) -> &mut Tracee {
        self.roles.get_mut(name).unwrap_or_else(|| panic!("no {name}"))
    }
}

fn processes_of(running: &Running) -> Vec<Process> {
    let roles = running.roles();
    let below = roles.iter().flat_map(|role| Process::children_of(role.pid));
    let below: Vec<Process> =
        below.map(|process| Process { executable: PLUGIN.to_owned(), ..process }).collect();
    [roles, below].concat()
}

fn is_confined(process: &Process, name: &str, filters: &str) -> bool {
    let holds = |status: BTreeMap<String, String>| {
        status["Seccomp_filters"] == filters && status["CapPrm"].bytes().all(|digit| digit == b'0')
    };
    process.executable == name && process.status_if_alive().is_some_and(holds)
}

/// The number of live capture's packet socket: the socket that is none of its channels.
#[must_use]
pub fn packet_socket(capture: &Process) -> Option<u64> {
    let channels = [policy::manifest::CONTROL, policy::manifest::DATA_OUT];
    let open = capture.descriptors().into_iter();
    let mut sockets = open.filter(|(_, leads)| leads.to_string_lossy().starts_with("socket:"));
    let (number, _) = sockets.find(|(number, _)| !channels.contains(number))?;
    Some(u64::try_from(number).unwrap())
}
