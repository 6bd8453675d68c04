//! Every system call, made by each process in its real confinement: what the process survives is its list in
//! `policy/seccomp`, call by call and argument by argument, whichever way the call gets into the kernel.
//!
//! A call that a role may not make ends it, so each takes a run of its own, in which the roles are asked one
//! after another while the command stands still.
//!
//! What gets past every filter: the clock, read by the vDSO without entering the kernel (what the vsyscall page of
//! old emulates does not get past it); and `uretprobe` and `uprobe` of x86_64, which newer kernels exempt. These
//! two return from a probe that root has set in the program, and do nothing for whoever calls them unasked:
//! that is what is held against them.

use std::process::ExitCode;

use tcpflow_tests::suite;

fn main() -> ExitCode {
    #[cfg(target_arch = "x86_64")]
    let cases = sweep::cases();
    // Registers, doors and numbers are each machine's own.
    #[cfg(not(target_arch = "x86_64"))]
    let cases = vec![suite::Case::new("sweep", &[suite::Need::Tracing], || {})];
    suite::main(cases)
}

#[cfg(target_arch = "x86_64")]
mod sweep {
    use std::collections::{BTreeSet, VecDeque};
    use std::sync::atomic::{AtomicU32, Ordering};

    use nix::errno::Errno;
    use nix::sys::signal::Signal;
    use tcpflow_tests::calls::{List, number_of};
    use tcpflow_tests::held::{Held, PLUGIN};
    use tcpflow_tests::lab::{INTERFACE, Lab};
    use tcpflow_tests::run::Bench;
    use tcpflow_tests::subject::Subject;
    use tcpflow_tests::suite::{Case, Need};
    use tcpflow_tests::tracee::{Door, Tracee, Verdict};

    /// Past the last call that any kernel knows, on either table.
    const NUMBERS: std::ops::RangeInclusive<u64> = 0..=560;
    /// What tells the calls of x32 from those of the machine.
    const X32: u64 = 1 << 30;
    /// Numbers that no table has.
    const STRANGE: [u64; 6] = [1023, 4096, 0x3fff_ffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
    /// The calls that newer kernels let past every filter: `uretprobe`, `uprobe`.
    const EXEMPT: [u64; 2] = [335, 336];
    /// Arguments with which no call can do anything.
    const NOTHING: [u64; 6] = [u64::MAX; 6];
    /// The entries of the page that old programs call, and what each stands for.
    const VSYSCALLS: [(u64, &str); 3] = [
        (0xffff_ffff_ff60_0000, "gettimeofday"),
        (0xffff_ffff_ff60_0400, "time"),
        (0xffff_ffff_ff60_0800, "getcpu"),
    ];

    pub fn cases() -> Vec<Case> {
        let mut all = Vec::new();
        for (setting, needs) in [
            (Setting::Savefiles, &[Need::Root, Need::Tracing][..]),
            (Setting::Live, &[Need::Namespaces, Need::Tracing]),
            (Setting::Retaining, &[Need::Root, Need::Tracing]),
            (Setting::Several, &[Need::Namespaces, Need::Tracing]),
            (Setting::Runner, &[Need::Root, Need::Tracing]),
            (Setting::Plugin, &[Need::Root, Need::Tracing, Need::Program("python3")]),
        ] {
            // By other doors than the machine's own one more list of the same kind is no other.
            let parts: &[Part] = match setting {
                Setting::Retaining | Setting::Several => &[Part::Numbers, Part::Arguments],
                Setting::Savefiles | Setting::Live | Setting::Runner | Setting::Plugin => {
                    &[Part::Numbers, Part::Arguments, Part::X32, Part::Interrupt]
                }
            };
            for &part in parts {
                let name = format!("{setting:?}_{part:?}").to_lowercase();
                all.push(Case::new(name, needs, move || ask_all(setting, part)));
            }
        }
        all
    }

    /// What becomes of a call that the list does not allow.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Refusal {
        /// It ends the process.
        Kill,
        /// It fails.
        Error(Errno),
    }

    impl Refusal {
        fn is(self, verdict: Verdict) -> bool {
            match self {
                Self::Kill => verdict.is_refused(),
                Self::Error(errno) => verdict.is_error(errno),
            }
        }
    }

    /// Processes that are asked, and what they are started for.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Setting {
        Savefiles,
        Live,
        Retaining,
        Several,
        Runner,
        Plugin,
    }

    /// A process and its list.
    struct Subjected {
        name: &'static str,
        list: &'static str,
        refusal: Refusal,
    }

    impl Setting {
        /// The processes that are asked. Those behind a live capture are those behind savefiles.
        fn processes(self) -> &'static [Subjected] {
            const fn role(name: &'static str, list: &'static str) -> Subjected {
                Subjected { name, list, refusal: Refusal::Kill }
            }
            match self {
                Self::Savefiles => {
                    const {
                        &[
                            role("tcpflow-capture", "capture-files"),
                            role("tcpflow-reassembler", "reassembler"),
                            role("tcpflow-writer", "writer"),
                        ]
                    }
                }
                Self::Live => const { &[role("tcpflow-capture", "capture-live")] },
                Self::Retaining => const { &[role("tcpflow-writer", "writer-retaining")] },
                // Which has all that there is of the one that retains nothing.
                Self::Several => const { &[role("tcpflow-writer", "writer-of-several-retaining")] },
                Self::Runner => &[Subjected {
                    name: "tcpflow-runner",
                    list: "runner",
                    refusal: Refusal::Error(Errno::EPERM),
                }],
                Self::Plugin => {
                    &[Subjected { name: PLUGIN, list: "python", refusal: Refusal::Error(Errno::ENOSYS) }]
                }
            }
        }

        fn is_live(self) -> bool {
            [Self::Live, Self::Several].contains(&self)
        }

        /// Whether what the list names is what is refused.
        fn lists_what_is_refused(self) -> bool {
            self == Self::Runner
        }

        fn start(self, scene: &Scene, more: &[&str]) -> Held {
            const PLUGGED: [&str; 8] =
                ["-e", "python", "-S", "py_path=plugins", "-S", "py_module=m", "-S", "py_function=f"];
            let input: &[&str] = if self.is_live() { &["-i", INTERFACE] } else { &["-r", "-"] };
            let own: &[&str] = match self {
                Self::Savefiles | Self::Live => &["-U", "nobody"],
                Self::Retaining => &["-U", "nobody", "--rotate", "1d", "--keep", "1d"],
                Self::Several => &["-U", "nobody", "--rotate", "1d", "--keep", "1d", "-S", "workers=2"],
                Self::Runner => &["-S", "tcp_cmd=true"],
                Self::Plugin => &PLUGGED,
            };
            // One run rotates in a directory.
            let number = scene.runs.fetch_add(1, Ordering::Relaxed);
            let rotates = [Self::Retaining, Self::Several].contains(&self);
            let output = if rotates { format!("out{number}") } else { "out".to_owned() };
            let mut run = scene.bench.run(&[input, own, more, &["-o", &output]].concat());
            if let Some(lab) = &scene.lab {
                run = run.after(&lab.at_server());
            }
            let mut running = run.start();
            if self == Self::Plugin {
                // The interpreter has begun then: the run waits for it.
                running.wait_for("reportfilename");
            }
            let off = more.contains(&"--sandbox=off");
            let filters = if off {
                "0"
            } else if self == Self::Plugin {
                "2"
            } else {
                "1"
            };
            let wanted: Vec<_> = self.processes().iter().map(|process| (process.name, filters)).collect();
            Held::take(running, &wanted)
        }
    }

    /// Where runs are started.
    struct Scene {
        bench: Bench,
        lab: Option<Lab>,
        /// How many were started.
        runs: AtomicU32,
    }

    impl Scene {
        fn new(setting: Setting) -> Self {
            let plugin = b"def f(flow):\n    return None\n";
            let bench = Bench::of(Subject::Ours).folder("plugins", 0o755).file("plugins/m.py", plugin);
            Self { bench, lab: setting.is_live().then(Lab::new), runs: AtomicU32::new(0) }
        }
    }

    /// Which calls are made.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Part {
        /// Each number, with arguments that can do nothing.
        Numbers,
        /// Each rule with an argument that it covers, and with each argument mutated; what a sanitizer needs.
        Arguments,
        /// Numbers with the bit of x32.
        X32,
        /// Numbers by `int 0x80`, and the page of old.
        Interrupt,
    }

    /// A call to be made.
    #[derive(Debug, Clone, Copy)]
    struct Question {
        door: Door,
        number: u64,
        arguments: [u64; 6],
        is_allowed: bool,
        refusal: Refusal,
    }

    impl Question {
        fn is_right(&self, verdict: Verdict) -> bool {
            let is_exempt = self.door == Door::Native && EXEMPT.contains(&self.number);
            let nothing_done = verdict == Verdict::Killed(Signal::SIGILL) || verdict.is_error(Errno::ENXIO);
            self.refusal.is(verdict) != self.is_allowed || is_exempt && nothing_done
        }
    }

    impl Part {
        fn questions(self, setting: Setting, process: &Subjected, packet: Option<u64>) -> Vec<Question> {
            let list = List::read(process.list, packet);
            let refusal = process.refusal;
            let native = |(number, arguments)| {
                let is_allowed =
                    number < X32 && list.covers(number, arguments) != setting.lists_what_is_refused();
                Question { door: Door::Native, number, arguments, is_allowed, refusal }
            };
            // A program for another machine: whatever the list, it is ended.
            let interrupt = |number| Question {
                door: Door::Interrupt,
                is_allowed: false,
                refusal: Refusal::Kill,
                ..native((number, NOTHING))
            };
            // Pointers to nothing, which these take for no wish: of others the kernel looks at the memory first.
            let old = |(address, name): (u64, &str)| Question {
                door: Door::Vsyscall,
                number: address,
                ..native((number_of(name), [0; 6]))
            };
            match self {
                Self::Numbers => {
                    let numbers = NUMBERS.chain(STRANGE).filter(|number| !splits(setting, *number));
                    numbers.map(|number| native((number, harmless(number)))).collect()
                }
                Self::Arguments => {
                    // What is for builds with the sanitizer only is asked of each.
                    let sanitizers = List::sanitizers().rules;
                    let asked = sanitizers.iter().map(|rule| (rule.number, rule.covered()));
                    arguments_of(&list).chain(asked).map(native).collect()
                }
                Self::X32 => {
                    let numbers =
                        NUMBERS.filter(|number| refusal != Refusal::Kill || is_taken(&list, *number));
                    numbers.map(|number| native((number | X32, NOTHING))).collect()
                }
                Self::Interrupt => {
                    let vsyscalls = VSYSCALLS.into_iter().filter(|_| has_vsyscalls()).map(old);
                    let numbers = NUMBERS.filter(|number| is_taken(&list, *number));
                    numbers.map(interrupt).chain(vsyscalls).collect()
                }
            }
        }
    }

    /// Whether a number is tried by another door than its own, each time at the cost of a run: what the list names and
    /// one in eight, or all if `TCPFLOW_SWEEP` is `all`.
    fn is_taken(list: &List, number: u64) -> bool {
        let all = std::env::var("TCPFLOW_SWEEP").is_ok_and(|value| value == "all");
        all || number.is_multiple_of(8) || list.of(number).next().is_some()
    }

    /// Whether this kernel still has that page.
    fn has_vsyscalls() -> bool {
        std::fs::read_to_string("/proc/self/maps").unwrap().contains("[vsyscall]")
    }

    /// Arguments with which a call does nothing, and does not answer as if it did not exist.
    fn harmless(number: u64) -> [u64; 6] {
        const WAKE: u64 = 1;
        let mut arguments = NOTHING;
        if number == number_of("futex") {
            arguments[1] = WAKE;
        }
        if number == number_of("msgget") {
            // Not to be made.
            arguments[1] = 0;
        }
        arguments
    }

    /// Whether a call would make a second runner. That these are allowed to it every command shows.
    fn splits(setting: Setting, number: u64) -> bool {
        setting == Setting::Runner && ["fork", "vfork"].map(number_of).contains(&number)
    }

    /// Of each rule, arguments that it covers and arguments beside them. Of the latter, one at least must be such
    /// that no other rule covers it.
    fn arguments_of(list: &List) -> impl Iterator<Item = (u64, [u64; 6])> {
        /// A thread without the memory of its process: no flags with it come to anything.
        const CLONE_THREAD: u64 = 0x1_0000;
        let clone = number_of("clone");
        list.rules.iter().flat_map(move |rule| {
            let mutated = rule.mutated();
            for variants in &mutated {
                let counts = variants.iter().any(|arguments| !list.covers(rule.number, *arguments));
                assert!(counts, "{}: an argument that no mutation shows: {rule:?}", rule.name);
            }
            let all = mutated.into_iter().flatten().chain([rule.covered()]);
            all.map(move |mut arguments| {
                if rule.number == clone {
                    arguments[0] |= CLONE_THREAD;
                } else if arguments == NOTHING {
                    arguments = harmless(rule.number);
                }
                (rule.number, arguments)
            })
        })
    }

    /// What one process is still to be asked, and what it answered.
    struct Interview {
        name: &'static str,
        left: VecDeque<Question>,
        allowed: usize,
        refused: usize,
        wrong: Vec<(Question, Verdict)>,
    }

    impl Interview {
        fn new(name: &'static str, questions: Vec<Question>) -> Self {
            Self { name, left: questions.into(), allowed: 0, refused: 0, wrong: Vec::new() }
        }

        /// Asks a process for as long as it lives.
        fn ask(&mut self, process: &mut Tracee) {
            while process.is_alive() {
                let Some(question) = self.left.pop_front() else { return };
                let verdict = process.call(question.door, question.number, question.arguments);
                let count = if question.refusal.is(verdict) { &mut self.refused } else { &mut self.allowed };
                *count += 1;
                if !question.is_right(verdict) {
                    self.wrong.push((question, verdict));
                }
            }
        }
    }

    /// Asks the processes of runs, a few runs at a time: what takes long is the end of one.
    fn hold(setting: Setting, part: Part, more: &[&str]) -> Vec<Interview> {
        const AT_A_TIME: usize = 4;
        let scene = Scene::new(setting);
        let packet = setting.start(&scene, more).packet;
        std::thread::scope(|scope| {
            let share = |first| {
                let scene = &scene;
                scope.spawn(move || {
                    let questions = |process| {
                        part.questions(setting, process, packet)
                            .into_iter()
                            .skip(first)
                            .step_by(AT_A_TIME)
                            .collect()
                    };
                    let processes = setting.processes().iter();
                    let interviews =
                        processes.map(|process| Interview::new(process.name, questions(process)));
                    let mut interviews: Vec<Interview> = interviews.collect();
                    while interviews.iter().any(|interview| !interview.left.is_empty()) {
                        let mut run = setting.start(scene, more);
                        assert_eq!(run.packet, packet, "the packet socket has the same number in each run");
                        interviews.iter_mut().for_each(|interview| interview.ask(run.role(interview.name)));
                    }
                    interviews
                })
            };
            let shares: Vec<_> = (0..AT_A_TIME).map(share).collect();
            let answered = shares.into_iter().map(|share| share.join().unwrap());
            answered.reduce(merge).unwrap()
        })
    }

    fn merge(mut some: Vec<Interview>, others: Vec<Interview>) -> Vec<Interview> {
        for (one, other) in some.iter_mut().zip(others) {
            one.allowed += other.allowed;
            one.refused += other.refused;
            one.wrong.extend(other.wrong);
        }
        some
    }

    fn ask_all(setting: Setting, part: Part) {
        // A runner without its list shows what the kernel refuses it for its lack of privileges alone.
        let excused: BTreeSet<u64> = match (setting, part) {
            (Setting::Runner, Part::Numbers) => {
                let bare = hold(setting, part, &["--sandbox=off"]).remove(0);
                let (excused, by_list): (Vec<_>, Vec<_>) =
                    bare.wrong.iter().partition(|(it, _)| it.is_allowed);
                println!("{}: {} refused by nothing but its list", bare.name, by_list.len());
                assert!(by_list.len() > excused.len(), "the list makes no difference");
                excused.iter().map(|(it, _)| it.number).collect()
            }
            _ => BTreeSet::new(),
        };
        for interview in hold(setting, part, &[]) {
            let Interview { name, allowed, refused, wrong, .. } = interview;
            println!("{name}: allowed {allowed}, refused {refused}");
            let wrong: Vec<_> = wrong.iter().filter(|(it, _)| !excused.contains(&it.number)).collect();
            assert!(wrong.is_empty(), "{name}: {wrong:x?}");
            assert!(refused > 0, "{name}: nothing was refused");
        }
    }
}
