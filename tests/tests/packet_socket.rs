//! The packet socket is a privilege: live capture reads frames from it, and that is all it can do with it.
//!
//! Each act is tried from inside capture, by ptrace, with real arguments in its memory. It ends the process and has no
//! effect; in a capture without confinement (`--sandbox=off`) the same call with the same bytes has the effect, and the
//! same observer sees it, so that it is neither the arguments nor the observer.

use std::process::ExitCode;

use tcpflow_tests::suite;

fn main() -> ExitCode {
    #[cfg(target_arch = "x86_64")]
    let cases = acts::cases();
    // Registers are each machine's own.
    #[cfg(not(target_arch = "x86_64"))]
    let cases = vec![suite::Case::new("packet_socket", &[suite::Need::Tracing], || {})];
    suite::main(cases)
}

#[cfg(target_arch = "x86_64")]
mod acts {
    use std::path::PathBuf;

    use nix::errno::Errno;
    use policy::manifest;
    use tcpflow_tests::calls::number_of;
    use tcpflow_tests::cases;
    use tcpflow_tests::held::Held;
    use tcpflow_tests::lab::{INTERFACE, Lab};
    use tcpflow_tests::process::Process;
    use tcpflow_tests::run::Bench;
    use tcpflow_tests::sniffer::Sniffer;
    use tcpflow_tests::subject::Subject;
    use tcpflow_tests::suite::{Case, Need};
    use tcpflow_tests::tracee::{Door, Tracee, Verdict};

    const CAPTURE: &str = "tcpflow-capture";
    /// Numbers of the kernel, which are the same for everyone.
    const SOL_SOCKET: u64 = 1;
    const SOL_PACKET: u64 = 263;
    const PACKET_ADD_MEMBERSHIP: u64 = 1;
    const PACKET_DROP_MEMBERSHIP: u64 = 2;
    const PACKET_MR_PROMISC: u16 = 1;
    const SO_ATTACH_FILTER: u64 = 26;
    const SO_DETACH_FILTER: u64 = 27;
    const SO_LOCK_FILTER: u64 = 44;
    const SO_ATTACH_BPF: u64 = 50;
    const F_DUPFD: u64 = 0;
    const SIOCSIFFLAGS: u64 = 0x8914;

    pub fn cases() -> Vec<Case> {
        cases![&[Need::Namespaces, Need::Tracing];
            no_frame_is_sent,
            no_other_interface_is_bound,
            no_promiscuous_mode_is_changed,
            no_filter_is_changed,
            no_descriptor_is_put_over_another,
            no_socket_is_made,
        ]
    }

    /// A lab, and captures in it.
    struct Scene {
        lab: Lab,
        bench: Bench,
    }

    impl Scene {
        fn new() -> Self {
            Self { lab: Lab::new(), bench: Bench::of(Subject::Ours) }
        }

        fn capture(&self, more: &[&str]) -> Capture {
            let line = [&["-i", INTERFACE, "-U", "nobody", "-o", "out"], more].concat();
            let mut running = self.bench.run(&line).after(&self.lab.at_server()).start();
            running.wait_for("listening on");
            let filters = if more.contains(&"--sandbox=off") { "0" } else { "1" };
            let held = Held::take(running, &[(CAPTURE, filters)]);
            let packet = held.packet.expect("a packet socket");
            Capture { held, packet }
        }

        fn confined(&self) -> Capture {
            self.capture(&["-p"])
        }

        fn unconfined(&self) -> Capture {
            self.capture(&["-p", "--sandbox=off"])
        }

        fn index_of(&self, interface: &str) -> i32 {
            let path = format!("/sys/class/net/{interface}/ifindex");
            self.lab.read_at_server(&path).trim().parse().unwrap()
        }
    }

    /// A capture that is held.
    struct Capture {
        held: Held,
        packet: u64,
    }

    /// The arguments of a call, made of the number of the packet socket and of what is put into the memory.
    type Arguments<'a> = &'a dyn Fn(&mut Tracee, u64) -> [u64; 6];

    impl Capture {
        fn process(&mut self) -> &mut Tracee {
            self.held.role(CAPTURE)
        }

        fn call(&mut self, name: &str, arguments: Arguments<'_>) -> Verdict {
            let packet = self.packet;
            let process = self.process();
            let arguments = arguments(process, packet);
            process.call(Door::Native, number_of(name), arguments)
        }

        fn descriptor(&mut self, number: i32) -> Option<PathBuf> {
            let pid = self.process().pid();
            Process { pid, executable: CAPTURE.to_owned() }.descriptors().remove(&number)
        }

        fn packet_number(&self) -> i32 {
            i32::try_from(self.packet).unwrap()
        }
    }

    fn is_success(verdict: Verdict) -> bool {
        matches!(verdict, Verdict::Returned(0..))
    }

    fn length(bytes: &[u8]) -> u64 {
        u64::try_from(bytes.len()).unwrap()
    }

    /// `struct sockaddr_ll` for everything of an interface.
    fn link_address(interface: i32) -> Vec<u8> {
        const AF_PACKET: u16 = 17;
        const ETH_P_ALL: u16 = 3;
        let start = [&AF_PACKET.to_ne_bytes()[..], &ETH_P_ALL.to_be_bytes(), &interface.to_ne_bytes()];
        let mut address = start.concat();
        address.extend([0, 0, 0, 6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);
        address
    }

    /// `struct iovec`, `struct msghdr` with it, and `struct mmsghdr`, which only has a length more.
    fn message(process: &mut Tracee, frame: &[u8]) -> (u64, u64) {
        let at = process.place(0, frame);
        let vector = process.place(512, &[at.to_ne_bytes(), length(frame).to_ne_bytes()].concat());
        let words = [0, 0, vector, 1, 0, 0, 0, 0];
        let header = process.place(1024, &words.map(u64::to_ne_bytes).concat());
        (vector, header)
    }

    fn no_frame_is_sent() {
        let scene = Scene::new();
        let mut sniffer = scene.lab.sniffer();
        let address = link_address(scene.index_of(INTERFACE));
        let mark = std::cell::Cell::new(0);
        let frame = || Sniffer::frame(mark.get());
        let acts: [(&str, &str, Arguments<'_>); 7] = [
            ("to an address", "sendto", &|process, packet| {
                let (frame, to) = (frame(), process.place(512, &address));
                [packet, process.place(0, &frame), length(&frame), 0, to, length(&address)]
            }),
            ("to whom it is bound", "sendto", &|process, packet| {
                [packet, process.place(0, &frame()), length(&frame()), 0, 0, 0]
            }),
            ("as a message", "sendmsg", &|process, packet| {
                [packet, message(process, &frame()).1, 0, 0, 0, 0]
            }),
            ("as messages", "sendmmsg", &|process, packet| {
                [packet, message(process, &frame()).1, 1, 0, 0, 0]
            }),
            ("as a file", "write", &|process, packet| {
                [packet, process.place(0, &frame()), length(&frame()), 0, 0, 0]
            }),
            ("as pieces", "writev", &|process, packet| [packet, message(process, &frame()).0, 1, 0, 0, 0]),
            ("as pieces at a place", "pwritev2", &|process, packet| {
                [packet, message(process, &frame()).0, 1, u64::MAX, u64::MAX, 0]
            }),
        ];
        for ((how, name, arguments), number) in acts.into_iter().zip((0_u64..).step_by(2)) {
            mark.set(number);
            let verdict = scene.confined().call(name, arguments);
            assert!(verdict.is_refused(), "{how}: {verdict:?}");
            mark.set(number + 1);
            let verdict = scene.unconfined().call(name, arguments);
            assert!(is_success(verdict), "{how}, without confinement: {verdict:?}");
            // The later one has arrived: so would the earlier one have.
            sniffer.wait_for(number + 1);
            assert!(!sniffer.has_seen(number), "{how}: a frame was sent");
        }
    }

    /// Which interface the socket is bound to, as the kernel lists it.
    fn bound_to(scene: &Scene, capture: &mut Capture) -> i32 {
        let number = capture.packet_number();
        let leads = capture.descriptor(number).unwrap().to_string_lossy().into_owned();
        let inode =
            leads.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')).unwrap().to_owned();
        let table = scene.lab.read_at_server("/proc/net/packet");
        let row =
            table.lines().find(|row| row.ends_with(&inode)).unwrap_or_else(|| panic!("{inode}: {table}"));
        row.split_whitespace().nth(4).unwrap().parse().unwrap()
    }

    fn no_other_interface_is_bound() {
        let scene = Scene::new();
        let (own, other) = (scene.index_of(INTERFACE), scene.index_of("lo"));
        for interface in [other, 0] {
            let address = link_address(interface);
            let arguments: Arguments<'_> = &|process: &mut Tracee, packet| {
                [packet, process.place(0, &address), length(&address), 0, 0, 0]
            };
            let verdict = scene.confined().call("bind", arguments);
            assert!(verdict.is_refused(), "{interface}: {verdict:?}");
            let mut free = scene.unconfined();
            assert_eq!(bound_to(&scene, &mut free), own);
            assert!(is_success(free.call("bind", arguments)), "{interface}, without confinement");
            assert_eq!(bound_to(&scene, &mut free), interface);
        }
    }

    fn no_promiscuous_mode_is_changed() {
        let scene = Scene::new();
        let index = scene.index_of(INTERFACE);
        // `struct packet_mreq`.
        let wish = [&index.to_ne_bytes()[..], &PACKET_MR_PROMISC.to_ne_bytes(), &[0; 10]].concat();
        let set = |option| {
            let wish = &wish;
            move |process: &mut Tracee, packet| {
                [packet, SOL_PACKET, option, process.place(0, wish), length(wish), 0]
            }
        };
        let name = "setsockopt";
        let mut confined = scene.confined();
        assert_eq!(scene.lab.promiscuity(), 0, "with -p");
        assert!(confined.call(name, &set(PACKET_ADD_MEMBERSHIP)).is_refused());
        assert_eq!(scene.lab.promiscuity(), 0);
        let mut free = scene.unconfined();
        assert!(is_success(free.call(name, &set(PACKET_ADD_MEMBERSHIP))));
        assert_eq!(scene.lab.promiscuity(), 1, "without confinement");
        drop(free);
        assert!(scene.capture(&[]).call(name, &set(PACKET_DROP_MEMBERSHIP)).is_refused());
        let mut free = scene.capture(&["--sandbox=off"]);
        assert_eq!(scene.lab.promiscuity(), 1, "without -p");
        assert!(is_success(free.call(name, &set(PACKET_DROP_MEMBERSHIP))));
        assert_eq!(scene.lab.promiscuity(), 0, "without confinement");
        drop(free);
        // `struct ifreq`, with flags of an interface that is up and promiscuous. A privilege as well.
        let flags: Arguments<'_> = &|process: &mut Tracee, packet| {
            let mut request = [0; 40];
            request[..INTERFACE.len()].copy_from_slice(INTERFACE.as_bytes());
            request[16..18].copy_from_slice(&0x1101_u16.to_ne_bytes());
            [packet, SIOCSIFFLAGS, process.place(0, &request), 0, 0, 0]
        };
        assert!(scene.confined().call("ioctl", flags).is_refused());
        assert!(scene.unconfined().call("ioctl", flags).is_error(Errno::EPERM), "no privilege for that");
    }

    /// Two things keep it: the list of system calls, and the lock on the filter, which holds without confinement.
    fn no_filter_is_changed() {
        let scene = Scene::new();
        // `struct sock_fprog` of one instruction: everything.
        let attach: Arguments<'_> = &|process: &mut Tracee, packet| {
            let all = process.place(0, &[6, 0, 0, 0, 0xff, 0xff, 0, 0]);
            let program = process.place(64, &[1_u64.to_ne_bytes(), all.to_ne_bytes()].concat());
            [packet, SOL_SOCKET, SO_ATTACH_FILTER, program, 16, 0]
        };
        let number = |option, value: u64| {
            move |process: &mut Tracee, packet| {
                [packet, SOL_SOCKET, option, process.place(0, &value.to_ne_bytes()), 4, 0]
            }
        };
        let (detach, unlock) = (number(SO_DETACH_FILTER, 0), number(SO_LOCK_FILTER, 0));
        let attach_program = number(SO_ATTACH_BPF, 5);
        for (what, arguments) in [
            ("attach", attach),
            ("detach", &detach),
            ("unlock", &unlock),
            ("attach a program", &attach_program),
        ] {
            let verdict = scene.confined().call("setsockopt", arguments);
            assert!(verdict.is_refused(), "{what}: {verdict:?}");
            let verdict = scene.unconfined().call("setsockopt", arguments);
            assert!(verdict.is_error(Errno::EPERM), "{what}, without confinement: {verdict:?}");
        }
        // The same calls on a socket without a lock: it is the lock that refused.
        let mut free = scene.unconfined();
        let Verdict::Returned(other @ 0..) = free.call("socket", &|_, _| [2, 2, 0, 0, 0, 0]) else {
            panic!("no socket")
        };
        free.packet = u64::try_from(other).unwrap();
        assert!(is_success(free.call("setsockopt", attach)));
        assert!(is_success(free.call("setsockopt", &detach)));
    }

    fn no_descriptor_is_put_over_another() {
        let scene = Scene::new();
        for target in [manifest::CONTROL, manifest::DATA_OUT] {
            let to = u64::try_from(target).unwrap();
            let acts: [(&str, Arguments<'_>); 4] = [
                ("dup2", &|_, packet| [packet, to, 0, 0, 0, 0]),
                ("dup3", &|_, packet| [packet, to, 0, 0, 0, 0]),
                ("dup2", &|_, packet| [to, packet, 0, 0, 0, 0]),
                ("dup3", &|_, packet| [to, packet, 0, 0, 0, 0]),
            ];
            for (name, arguments) in acts {
                let verdict = scene.confined().call(name, arguments);
                assert!(verdict.is_refused(), "{name}: {verdict:?}");
                let mut free = scene.unconfined();
                let packet = free.packet_number();
                assert_ne!(free.descriptor(target), free.descriptor(packet));
                assert!(is_success(free.call(name, arguments)), "{name}, without confinement");
                assert_eq!(free.descriptor(target), free.descriptor(packet), "{name}, without confinement");
            }
        }
        // Nor beside them.
        let acts: [(&str, Arguments<'_>); 2] = [
            ("fcntl", &|_, packet| [packet, F_DUPFD, 0, 0, 0, 0]),
            ("dup", &|_, packet| [packet, 0, 0, 0, 0, 0]),
        ];
        for (name, arguments) in acts {
            let verdict = scene.confined().call(name, arguments);
            assert!(verdict.is_refused(), "{name}: {verdict:?}");
            let mut free = scene.unconfined();
            let Verdict::Returned(copy @ 0..) = free.call(name, arguments) else {
                panic!("{name}, without confinement")
            };
            let packet = free.packet_number();
            assert_eq!(free.descriptor(i32::try_from(copy).unwrap()), free.descriptor(packet), "{name}");
        }
    }

    fn no_socket_is_made() {
        let scene = Scene::new();
        const SOCK_RAW: u64 = 3;
        // Families: local, IPv4, netlink, packets, XDP.
        for (family, kind) in [(1, 1), (2, 1), (2, 2), (16, SOCK_RAW), (17, SOCK_RAW), (44, SOCK_RAW)] {
            let arguments: Arguments<'_> = &|_, _| [family, kind, 0, 0, 0, 0];
            let verdict = scene.confined().call("socket", arguments);
            assert!(verdict.is_refused(), "{family}: {verdict:?}");
            let verdict = scene.unconfined().call("socket", arguments);
            // What takes a privilege fails for the lack of it, or of its family in this kernel.
            let unprivileged =
                [Errno::EPERM, Errno::EAFNOSUPPORT].iter().any(|errno| verdict.is_error(*errno));
            assert!(is_success(verdict) != (unprivileged && family >= 17), "{family}: {verdict:?}");
        }
        let pair: Arguments<'_> = &|process: &mut Tracee, _| [1, 1, 0, process.place(0, &[0; 8]), 0, 0];
        assert!(scene.confined().call("socketpair", pair).is_refused());
        assert!(is_success(scene.unconfined().call("socketpair", pair)));
    }
}
