//! A test executable's list of cases, and what each case needs of the machine.
//!
//! The built-in runner can only say "passed" of a test that had to give up. Here a case whose needs are
//! not met is counted as ignored, with the reason on its line and in the closing line.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Trial};
use nix::sys::stat::{Mode, umask};
use policy::SANITIZED;

use crate::subject::{self, Subject};

/// Something that a case cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To be root.
    Root,
    /// Network namespaces joined by a veth pair (root, iproute2, and a kernel that allows both).
    Namespaces,
    /// A kernel with network devices that `ip link` makes of these words, see [`crate::lab::Lab::join`].
    Device(&'static str),
    /// To hold any process by ptrace, and to know its registers.
    Tracing,
    /// A program in `PATH`.
    Program(&'static str),
    /// The original tcpflow 1.6.1, beside ours.
    Original,
    /// Ours: the original differs, for the reason given.
    Ours(&'static str),
    /// A build with the sanitizer.
    Sanitizer,
    /// One without, for the reason given.
    NoSanitizer(&'static str),
}

impl Need {
    /// Why this need is not met, if it is not.
    #[must_use]
    pub fn unmet(self) -> Option<String> {
        match self {
            Self::Root => (!nix::unistd::geteuid().is_root()).then(|| "needs root".to_owned()),
            Self::Namespaces => crate::lab::unavailable(),
            Self::Device(words) => crate::lab::device_unavailable(words),
            Self::Tracing => crate::process::tracing_unavailable().map(str::to_owned),
            Self::Program(name) => {
                subject::in_path(name).is_none().then(|| format!("needs {name}, which is not installed"))
            }
            Self::Original => subject::original().err(),
            Self::Ours(why) => (Subject::from_environment() == Subject::Theirs)
                .then(|| format!("the original differs: {why}")),
            Self::Sanitizer => (!SANITIZED).then(|| "needs a build with the sanitizer".to_owned()),
            Self::NoSanitizer(why) => SANITIZED.then(|| format!("the sanitizer is in the way: {why}")),
        }
    }
}

/// One test.
pub struct Case {
    name: String,
    needs: Vec<Need>,
    test: Box<dyn FnOnce() + Send>,
}

impl Case {
    /// A case that panics if it fails.
    pub fn new(name: impl Into<String>, needs: &[Need], test: impl FnOnce() + Send + 'static) -> Self {
        Self { name: name.into(), needs: needs.to_vec(), test: Box::new(test) }
    }

    fn trial(self) -> Trial {
        let Self { name, needs, test } = self;
        Trial::ignorable_test(name, move || match needs.into_iter().find_map(Need::unmet) {
            Some(reason) => Ok(Completion::ignored_with(reason)),
            None => {
                test();
                Ok(Completion::Completed)
            }
        })
    }
}

/// Names each function after itself: `cases![&[Need::Root]; a, b]` or `cases![a, b]`.
#[macro_export]
macro_rules! cases {
    ($needs:expr; $($test:ident),+ $(,)?) => {
        vec![$($crate::suite::Case::new(stringify!($test), $needs, $test)),+]
    };
    ($($test:ident),+ $(,)?) => {
        vec![$($crate::suite::Case::new(stringify!($test), &[], $test)),+]
    };
}

/// Runs the cases as `cargo test` expects of a test executable.
#[must_use]
pub fn main(cases: Vec<Case>) -> ExitCode {
    // Modes of files are part of what is tested.
    umask(Mode::from_bits_truncate(0o022));
    let trials = cases.into_iter().map(Case::trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
