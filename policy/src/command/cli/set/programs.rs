//! The names of `-S` that are about the user's own programs.

use super::Known;

/// What `-S py_*` set.
#[derive(Debug, Clone)]
pub struct Python {
    /// `py_path`.
    pub path: Option<String>,
    /// `py_module`.
    pub module: Option<String>,
    /// `py_function`.
    pub function: Option<String>,
    /// `py_timeout`, seconds.
    pub timeout: u64,
    /// `py_cpu`, seconds.
    pub cpu: u64,
    /// `py_memory`, MiB.
    pub memory: u64,
    /// `py_max_bytes`.
    pub max_bytes: u64,
}

impl Default for Python {
    fn default() -> Self {
        Self {
            path: None,
            module: None,
            function: None,
            timeout: 10,
            cpu: 10,
            memory: 512,
            max_bytes: 64 << 20,
        }
    }
}

/// Names whose values may have an equals sign in them, as what a shell or a file system takes may.
pub const MAY_HOLD_ANYTHING: [&str; 3] = ["tcp_cmd", "http_cmd", "py_path"];

/// The names.
pub const KNOWN: &[Known] = &[
    Known {
        name: "tcp_cmd",
        default: "",
        help: "A command for the shell, run with the path of each finished flow file",
        assign: |set, to| to.text().map(|value| set.programs.flow_command = Some(value)),
    },
    Known {
        name: "http_cmd",
        default: "",
        help: "The same for the file of each HTTP body",
        assign: |set, to| to.text().map(|value| set.programs.body_command = Some(value)),
    },
    Known {
        name: "cmd_timeout",
        default: "60",
        help: "Seconds after which a command is ended; 0: never",
        assign: |set, to| to.within(0..=31_536_000).map(|value| set.programs.command_timeout = value),
    },
    Known {
        name: "tcp_alert_fd",
        default: "",
        help: "An open descriptor to which a line is written for each flow file that is opened or closed",
        assign: |set, to| to.within(0..=1_048_576).map(|value| set.programs.flow_alerts = Some(value)),
    },
    Known {
        name: "http_alert_fd",
        default: "",
        help: "The same for the file of each HTTP body",
        assign: |set, to| to.within(0..=1_048_576).map(|value| set.programs.body_alerts = Some(value)),
    },
    Known {
        name: "py_path",
        default: "",
        help: "The directory of the Python module of -e python",
        assign: |set, to| to.text().map(|value| set.python.path = Some(value)),
    },
    Known {
        name: "py_module",
        default: "",
        help: "The module",
        assign: |set, to| to.text().map(|value| set.python.module = Some(value)),
    },
    Known {
        name: "py_function",
        default: "",
        help: "The function, which takes bytes and may return a string",
        assign: |set, to| to.text().map(|value| set.python.function = Some(value)),
    },
    Known {
        name: "py_timeout",
        default: "10",
        help: "Seconds that a call of the function may take",
        assign: |set, to| to.within(1..=86_400).map(|value| set.python.timeout = value),
    },
    Known {
        name: "py_cpu",
        default: "10",
        help: "Seconds that a call of the function may compute",
        assign: |set, to| to.within(1..=86_400).map(|value| set.python.cpu = value),
    },
    Known {
        name: "py_memory",
        default: "512",
        help: "MiB of address space that Python may have",
        assign: |set, to| to.within(64..=1_048_576).map(|value| set.python.memory = value),
    },
    Known {
        name: "py_max_bytes",
        default: "67108864",
        help: "Bytes of a flow that the function is given at most",
        assign: |set, to| to.within(1..=1 << 40).map(|value| set.python.max_bytes = value),
    },
];
