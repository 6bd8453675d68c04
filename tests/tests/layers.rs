//! No layer stands alone: with each left out in turn, what a role that was taken over would try still fails.
//!
//! No build of tcpflow can leave a layer out. Here that is done from outside, to the executables as they are: an
//! outer filter lets the call by which a layer is entered fail, where `--sandbox=best-effort` goes on, or seem to
//! succeed. The acts are tried in the running roles themselves, each in its own confinement.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_arch = "x86_64")]
    let cases = acts::cases();
    #[cfg(not(target_arch = "x86_64"))]
    let cases = Vec::new();
    tcpflow_tests::suite::main(cases)
}

#[cfg(target_arch = "x86_64")]
mod acts {
    use std::collections::BTreeSet;
    use std::fs::metadata;
    use std::io::ErrorKind;
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use nix::errno::Errno;
    use nix::sys::signal::Signal;
    use tcpflow_tests::confinement::{told, without};
    use tcpflow_tests::process::Process;
    use tcpflow_tests::run::{Bench, Running};
    use tcpflow_tests::subject::{Subject, copy};
    use tcpflow_tests::suite::{Case, Need};
    use tcpflow_tests::tracee::{Door, Tracee, Verdict};

    /// A layer, the calls that fail so that it is not there, and the line of `--sandbox-report` that shows it.
    struct Row {
        layer: &'static str,
        failures: &'static [&'static str],
        shown: Option<&'static str>,
    }

    const ROWS: [Row; 9] = [
        Row { layer: "nothing", failures: &[], shown: None },
        Row { layer: "landlock", failures: &["landlock_restrict_self=EPERM"], shown: Some("landlock") },
        Row { layer: "seccomp", failures: &["seccomp=EPERM"], shown: Some("seccomp") },
        Row { layer: "namespaces", failures: &["unshare=EPERM"], shown: Some("namespaces") },
        Row { layer: "empty_root", failures: &["pivot_root=EPERM"], shown: Some("empty root") },
        Row { layer: "user", failures: &["setresuid=0"], shown: Some("Uid") },
        Row { layer: "capabilities", failures: &["capset=0"], shown: Some("CapEff") },
        Row {
            layer: "memory_deny_write_execute",
            failures: &["prctl:65=EPERM"],
            shown: Some("memory-deny-write-execute"),
        },
        Row { layer: "limits", failures: &["prlimit64=EPERM"], shown: Some("resource limits") },
    ];

    /// What is tried.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Act {
        ReadShadow,
        ReadShadowFromOutput,
        Signal,
        Trace,
        Connect,
        SendDatagram,
        PacketSocket,
        RawSocket,
        WriteOutside,
        ClimbOut,
        RemoveOutside,
    }

    const ACTS: [Act; 11] = [
        Act::ReadShadow,
        Act::ReadShadowFromOutput,
        Act::Signal,
        Act::Trace,
        Act::Connect,
        Act::SendDatagram,
        Act::PacketSocket,
        Act::RawSocket,
        Act::WriteOutside,
        Act::ClimbOut,
        Act::RemoveOutside,
    ];

    impl Act {
        /// Whether the runner is kept from it: its programs are the user's own, and are to have the files and
        /// the network of the user.
        fn is_denied_to_runner(self, layer: &str) -> bool {
            match self {
                Self::Trace | Self::PacketSocket | Self::RawSocket => true,
                // Whose files those are, and that no capability is above that, is all that keeps them from him.
                Self::ReadShadow | Self::ReadShadowFromOutput => !matches!(layer, "user" | "capabilities"),
                Self::Signal
                | Self::Connect
                | Self::SendDatagram
                | Self::WriteOutside
                | Self::ClimbOut
                | Self::RemoveOutside => false,
            }
        }
    }

    /// How it is run: what stands before the command, and its line.
    #[derive(Clone, Copy)]
    struct Start {
        name: &'static str,
        before: &'static [&'static str],
        line: &'static [&'static str],
        /// What is tried.
        acts: &'static [Act],
    }

    const STARTS: [Start; 4] = [
        Start {
            name: "savefiles",
            before: &[],
            line: &["-r", "-", "-U", "nobody", "-S", "tcp_cmd=true"],
            acts: &ACTS,
        },
        Start { name: "live", before: &[], line: &["-i", "lo", "-p", "-U", "nobody"], acts: &ACTS },
        // What its writer may beyond others is to list and to remove.
        Start {
            name: "retention",
            before: &[],
            line: &["-r", "-", "-U", "nobody", "--rotate", "1d", "--keep", "1d"],
            acts: &[Act::ReadShadowFromOutput, Act::WriteOutside, Act::ClimbOut, Act::RemoveOutside],
        },
        Start {
            name: "savefiles_of_an_ordinary_user",
            before: &["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"],
            line: &["-r", "-", "-S", "tcp_cmd=true"],
            acts: &ACTS,
        },
    ];

    pub fn cases() -> Vec<Case> {
        let mut all = Vec::new();
        for start in STARTS {
            // He stays who he is.
            let rows = ROWS.into_iter().filter(|row| row.layer != "user" || start.before.is_empty());
            for row in rows {
                let name = format!("{}_without_{}", start.name, row.layer);
                let mut needs = vec![Need::Root];
                if row.layer == "limits" {
                    needs.push(Need::NoSanitizer("it asks for limits itself, and ends if it may not"));
                }
                all.push(Case::new(name, &needs, move || every_act_fails(&row, &start)));
            }
        }
        all
    }

    fn every_act_fails(row: &Row, start: &Start) {
        for &act in start.acts {
            let spared: &[Option<usize>] = match act {
                // Each against a sibling that nobody holds.
                Act::Signal | Act::Trace => &[Some(0), Some(1)],
                Act::ReadShadow
                | Act::ReadShadowFromOutput
                | Act::Connect
                | Act::SendDatagram
                | Act::PacketSocket
                | Act::RawSocket
                | Act::WriteOutside
                | Act::ClimbOut
                | Act::RemoveOutside => &[None],
            };
            if act == Act::Signal && row.layer == "seccomp" && kernel() < (6, 12) {
                // Landlock keeps signals in from then on; before, one list stands alone against it.
                continue;
            }
            for spared in spared {
                Scene::new(row, start).attempt(act, *spared, row);
            }
        }
    }

    /// The kernel's version.
    fn kernel() -> (u32, u32) {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap());
        (numbers.next().unwrap(), numbers.next().unwrap())
    }

    /// A run with a layer left out, at its work, and what is around it.
    struct Scene {
        bench: Bench,
        running: Running,
        streams: TcpListener,
        datagrams: UdpSocket,
    }

    impl Scene {
        fn new(row: &Row, start: &Start) -> Self {
            let bench = Bench::of(Subject::Ours).folder("outside", 0o777).folder("out", 0o777);
            let bench = bench.file("outside/kept", b"");
            let line = [start.line, &["-o", "out", "--sandbox=best-effort", "--sandbox-report"]].concat();
            let (mut before, mut run) = (without(row.failures), bench.run(&line));
            if !start.before.is_empty() {
                // Whoever it is may not enter the build tree.
                let installed = bench.installed();
                let helper = installed.with_file_name("without");
                copy(Path::new(&before[0]), &helper);
                before[0] = helper.into_os_string().into_string().unwrap();
                run = run.program(installed).after(start.before);
            }
            let run = run.after(&before);
            let mut running = run.start();
            running.wait_until("its report", |running| running.printed().ends_with("]\n"));
            // A role hides when all are confined, which is told a moment before. What is in /proc of who hides is root's.
            running.wait_until("roles that hide", |running| {
                let environment = |role: &Process| metadata(format!("/proc/{}/environ", role.pid));
                running
                    .roles()
                    .iter()
                    .all(|role| environment(role).is_ok_and(|environment| environment.uid() == 0))
            });
            for (role, layers) in told(&running.printed()) {
                // Who was no root, and has no user namespace of his own, never had a capability.
                let never =
                    row.layer == "capabilities" && role == "tcpflow-runner" && !start.before.is_empty();
                assert_left_out(row.shown.filter(|_| !never), &role, &layers);
            }
            let streams = TcpListener::bind("127.0.0.1:0").unwrap();
            streams.set_nonblocking(true).unwrap();
            let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
            datagrams.set_nonblocking(true).unwrap();
            Self { bench, running, streams, datagrams }
        }

        /// Tries it in every role, and sees that it failed. What is done to a process is tried on the role that
        /// is spared.
        fn attempt(&self, act: Act, spared: Option<usize>, row: &Row) {
            // Who is stopped or held does not end because a neighbour did.
            self.running.signal(Signal::SIGSTOP);
            let mut roles = self.running.roles();
            let spared = spared.map(|index| roles.remove(index));
            spared.iter().for_each(|role| role.signal(Signal::SIGSTOP));
            let target = spared.as_ref().map_or(self.running.pid(), |role| role.pid);
            roles.retain(|role| role.executable != "tcpflow-runner" || act.is_denied_to_runner(row.layer));
            let mut held: Vec<Tracee> = roles.iter().map(|role| Tracee::seize(role.pid)).collect();
            for (role, tracee) in roles.iter().zip(&mut held) {
                let what = format!("{act:?} in {} without {}", role.executable, row.layer);
                assert_failed(self.act(tracee, target, act), row, &what);
                assert!(spared.iter().all(Process::is_alive), "{what}: it is gone");
            }
            let waits = |e: std::io::Error| e.kind() == ErrorKind::WouldBlock;
            assert!(self.streams.accept().is_err_and(waits), "{act:?}: somebody connected");
            assert!(self.datagrams.recv(&mut [0; 8]).is_err_and(waits), "{act:?}: a datagram came");
            let outside = self.bench.tree("outside");
            assert!(outside.keys().eq(["kept"]), "{act:?}: {outside:?}");
        }

        /// One act, up to the first call that fails.
        fn act(&self, tracee: &mut Tracee, target: i32, act: Act) -> Verdict {
            let target = u64::try_from(target).unwrap();
            match act {
                Act::ReadShadow => open(tracee, "/etc/shadow", libc::O_RDONLY),
                Act::ReadShadowFromOutput => open_from_output(tracee, "/etc/shadow", libc::O_RDONLY),
                Act::Signal => call(tracee, libc::SYS_kill, [target, number(libc::SIGKILL), 0, 0]),
                Act::Trace => call(tracee, libc::SYS_ptrace, [u64::from(libc::PTRACE_ATTACH), target, 0, 0]),
                Act::Connect => {
                    let address = loopback(tracee, self.streams.local_addr().unwrap().port());
                    over_socket(tracee, libc::SOCK_STREAM, |socket| {
                        (libc::SYS_connect, [socket, address, 16, 0, 0, 0])
                    })
                }
                Act::SendDatagram => {
                    let address = loopback(tracee, self.datagrams.local_addr().unwrap().port());
                    over_socket(tracee, libc::SOCK_DGRAM, |socket| {
                        (libc::SYS_sendto, [socket, address, 4, 0, address, 16])
                    })
                }
                Act::PacketSocket => socket(tracee, libc::AF_PACKET, libc::SOCK_RAW, libc::ETH_P_ALL.to_be()),
                Act::RawSocket => socket(tracee, libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW),
                Act::WriteOutside => {
                    let path = self.bench.path().join("outside/escaped");
                    open(tracee, path.to_str().unwrap(), libc::O_WRONLY | libc::O_CREAT)
                }
                Act::RemoveOutside => {
                    let path = text(tracee, self.bench.path().join("outside/kept").to_str().unwrap());
                    call(tracee, libc::SYS_unlinkat, [here(), path, 0, 0])
                }
                Act::ClimbOut => {
                    open_from_output(tracee, "../outside/escaped", libc::O_WRONLY | libc::O_CREAT)
                }
            }
        }
    }

    fn assert_failed(verdict: Verdict, row: &Row, what: &str) {
        match verdict {
            Verdict::Returned(result) => {
                assert!(result < 0, "{what}: done: {result}");
                assert!(!verdict.is_error(Errno::ENOSYS), "{what}: this kernel has no such call");
                assert!(!verdict.is_error(Errno::ESRCH), "{what}: there is nobody");
            }
            Verdict::Killed(Signal::SIGSYS) => {
                assert_ne!(row.layer, "seccomp", "{what}: killed by what is left out");
            }
            Verdict::Killed(_) | Verdict::Exited => panic!("{what}: {verdict:?}"),
        }
    }

    /// Sees that the layer is not there where it is one of the role's, and that no other is missing but what an
    /// old kernel has not.
    fn assert_left_out(shown: Option<&str>, role: &str, layers: &[(String, bool)]) {
        let missing: BTreeSet<&str> =
            layers.iter().filter(|(_, on)| !on).map(|(name, _)| name.as_str()).collect();
        let is_its = |shown: &&str| layers.iter().any(|(name, _)| name == shown);
        if let Some(shown) = shown.filter(is_its) {
            assert!(missing.contains(shown), "{role}: {shown} is there: {layers:?}");
        }
        let due = |name: &str| {
            shown == Some(name)
                || name == "memory-deny-write-execute"
                || (shown == Some("CapEff") && name.starts_with("Cap"))
        };
        assert!(missing.iter().all(|name| due(name)), "{role}: more is missing: {missing:?}");
    }

    fn number(value: i32) -> u64 {
        u64::try_from(value).unwrap()
    }

    fn call(tracee: &mut Tracee, call: i64, [a, b, c, d]: [u64; 4]) -> Verdict {
        tracee.call(Door::Native, u64::try_from(call).unwrap(), [a, b, c, d, 0, 0])
    }

    fn text(tracee: &mut Tracee, path: &str) -> u64 {
        tracee.place(0, &[path.as_bytes(), b"\0"].concat())
    }

    /// The working directory, as a call takes it for a directory's descriptor.
    fn here() -> u64 {
        u64::from_ne_bytes(i64::from(libc::AT_FDCWD).to_ne_bytes())
    }

    fn open(tracee: &mut Tracee, path: &str, flags: i32) -> Verdict {
        let path = text(tracee, path);
        call(tracee, libc::SYS_openat, [here(), path, number(flags), 0o666])
    }

    /// By the one way to open a file that a list of ours has: the writer's, from the output directory.
    fn open_from_output(tracee: &mut Tracee, path: &str, flags: i32) -> Verdict {
        let path = text(tracee, path);
        let mode: u64 = if flags & libc::O_CREAT == 0 { 0 } else { 0o666 };
        // struct open_how: flags, mode, and no restriction.
        let how: Vec<u8> = [number(flags), mode, 0].into_iter().flat_map(u64::to_ne_bytes).collect();
        let how = tracee.place(4096, &how);
        call(tracee, libc::SYS_openat2, [number(policy::manifest::OUTPUT), path, how, 24])
    }

    fn socket(tracee: &mut Tracee, family: i32, kind: i32, protocol: i32) -> Verdict {
        call(tracee, libc::SYS_socket, [number(family), number(kind), number(protocol), 0])
    }

    /// struct sockaddr_in of a port on this machine.
    fn loopback(tracee: &mut Tracee, port: u16) -> u64 {
        let family = u16::try_from(libc::AF_INET).unwrap().to_ne_bytes();
        let address = [&family[..], &port.to_be_bytes(), &[127, 0, 0, 1], &[0; 8]].concat();
        tracee.place(0, &address)
    }

    fn over_socket(tracee: &mut Tracee, kind: i32, then: impl FnOnce(u64) -> (i64, [u64; 6])) -> Verdict {
        match socket(tracee, libc::AF_INET, kind, 0) {
            Verdict::Returned(number @ 0..) => {
                let (call, arguments) = then(u64::try_from(number).unwrap());
                tracee.call(Door::Native, u64::try_from(call).unwrap(), arguments)
            }
            stopped @ (Verdict::Returned(_) | Verdict::Killed(_) | Verdict::Exited) => stopped,
        }
    }
}
