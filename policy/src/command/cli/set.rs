//! `-S NAME=VALUE`: the names that are known, each with its default, its meaning and how it is read.

mod programs;

use clap::ArgMatches;
use proto::limits::MAX_WORKERS;
use proto::plan::{Digest, Order, Overlap, Separation};
use proto::traffic::MAX_ADDRESSES;

use super::super::error::Error;
use super::super::settings::Programs;
use super::number;
use programs::Python;

/// How far `tdelta` reaches: a hundred thousand years, which no sum of times leaves 64 bits by.
const FURTHEST: i64 = 3_155_760_000_000;

/// What `-S` set.
#[derive(Debug, Clone)]
pub struct Set {
    /// `tdelta`: seconds added to every timestamp.
    pub time_delta: i64,
    /// `tcp_timeout`: seconds after which a silent flow is closed; 0: never.
    pub tcp_timeout: u64,
    /// `overlap`.
    pub overlap: Overlap,
    /// `max_memory`, MiB.
    pub max_memory: u64,
    /// `max_hole`: bytes of holes that a flow's file may have.
    pub max_hole: Option<u64>,
    /// `workers`: pairs of capture and reassembler.
    pub workers: u32,
    /// `decap`.
    pub tunnels: bool,
    /// `flow_key`.
    pub separation: Separation,
    /// `buffer_size`, MiB.
    pub buffer_size: u32,
    /// `packet-buffer-timeout`, ms.
    pub packet_buffer_timeout: u32,
    /// `enable_report`.
    pub report_enabled: bool,
    /// `dfxml`: whether the report is of the schema.
    pub strict_report: bool,
    /// `console`.
    pub console: Order,
    /// `http_requests`.
    pub http_requests: bool,
    /// `http_max_body`, MiB.
    pub http_max_body: Option<u64>,
    /// `hash`.
    pub digests: Vec<Digest>,
    /// `debug-prefix`: what stands before what is said.
    pub name: String,
    /// `netviz_histogram_size`: addresses to keep for each direction.
    pub chart_addresses: u32,
    /// `netviz_histogram_dump`.
    pub chart_dump: bool,
    /// `check_fcs`.
    pub check_sequence: bool,
    /// `tcp_cmd`, `http_cmd`, `cmd_timeout`, `tcp_alert_fd`, `http_alert_fd`.
    pub programs: Programs,
    /// `py_*`.
    pub python: Python,
}

impl Default for Set {
    fn default() -> Self {
        Self {
            time_delta: 0,
            tcp_timeout: 0,
            overlap: Overlap::First,
            max_memory: 256,
            max_hole: None,
            workers: 1,
            tunnels: true,
            separation: Separation::Tunnel,
            buffer_size: 64,
            packet_buffer_timeout: 10,
            report_enabled: true,
            strict_report: false,
            console: Order::Stream,
            http_requests: false,
            http_max_body: None,
            digests: vec![Digest::Md5],
            name: "tcpflow".into(),
            chart_addresses: 1000,
            chart_dump: false,
            check_sequence: true,
            programs: Programs { command_timeout: 60, ..Programs::default() },
            python: Python::default(),
        }
    }
}

/// A name that `-S` knows.
pub struct Known {
    /// The name.
    pub name: &'static str,
    /// What holds when it is not set.
    pub default: &'static str,
    /// What it is for.
    pub help: &'static str,
    assign: fn(&mut Set, &Assignment<'_>) -> Result<(), Error>,
}

/// A value for a name.
struct Assignment<'a> {
    name: &'a str,
    value: &'a str,
}

/// Every name that `-S` knows, beside those of programs.
const KNOWN: &[Known] = &[
    Known {
        name: "tdelta",
        default: "0",
        help: "Seconds to add to every timestamp",
        assign: |set, to| to.within(-FURTHEST..=FURTHEST).map(|value| set.time_delta = value),
    },
    Known {
        name: "tcp_timeout",
        default: "0",
        help: "Seconds after which a silent flow is closed; 0: never",
        assign: |set, to| to.within(0..=u64::from(u32::MAX)).map(|value| set.tcp_timeout = value),
    },
    Known {
        name: "overlap",
        default: "first",
        help: "Which copy of a byte that was sent twice is kept: first or last",
        assign: |set, to| {
            to.one_of(&[("first", Overlap::First), ("last", Overlap::Last)]).map(|value| set.overlap = value)
        },
    },
    Known {
        name: "max_memory",
        default: "256",
        help: "MiB of memory that flows may take",
        assign: |set, to| to.within(1..=1_048_576).map(|value| set.max_memory = value),
    },
    Known {
        name: "max_hole",
        default: "67108864, or four times -m",
        help: "Bytes of holes that the file of a flow may have, and 256 for each byte in it",
        assign: |set, to| to.within(0..=u64::MAX).map(|value| set.max_hole = Some(value)),
    },
    Known {
        name: "decap",
        default: "yes",
        help: "Whether packets in tunnels are decoded: yes or no",
        assign: |set, to| to.one_of(&[("yes", true), ("no", false)]).map(|value| set.tunnels = value),
    },
    Known {
        name: "flow_key",
        default: "tunnel",
        help: "What tells flows apart beside addresses and ports: addresses (nothing), tunnel, or vlan (both)",
        assign: |set, to| {
            let values = [
                ("addresses", Separation::Addresses),
                ("tunnel", Separation::Tunnel),
                ("vlan", Separation::Vlan),
            ];
            to.one_of(&values).map(|value| set.separation = value)
        },
    },
    Known {
        name: "buffer_size",
        default: "64",
        help: "MiB of the kernel's ring for a live capture",
        assign: |set, to| to.within(1..=2047).map(|value| set.buffer_size = value),
    },
    Known {
        name: "workers",
        default: "1",
        help: "Processes that capture from an interface, and that reassemble, each with a part of the connections",
        assign: |set, to| to.within(1..=MAX_WORKERS).map(|value| set.workers = value),
    },
    Known {
        name: "packet-buffer-timeout",
        default: "10",
        help: "Milliseconds for which the kernel may hold packets back",
        assign: |set, to| to.within(1..=60_000).map(|value| set.packet_buffer_timeout = value),
    },
    Known {
        name: "enable_report",
        default: "YES",
        help: "Whether report.xml is written",
        assign: |set, to| {
            set.report_enabled = to.yes();
            Ok(())
        },
    },
    Known {
        name: "dfxml",
        default: "tcpflow",
        help: "How the report is laid out: tcpflow, as ever; or strict, so that it is valid by the schema of DFXML",
        assign: |set, to| {
            to.one_of(&[("tcpflow", false), ("strict", true)]).map(|value| set.strict_report = value)
        },
    },
    Known {
        name: "console",
        default: "stream",
        help: "The order in which payload is printed: stream, or arrival with all that is sent again",
        assign: |set, to| {
            to.one_of(&[("stream", Order::Stream), ("arrival", Order::Arrival)])
                .map(|value| set.console = value)
        },
    },
    Known {
        name: "http_requests",
        default: "NO",
        help: "Whether bodies of HTTP requests are kept too: YES or NO",
        assign: |set, to| {
            let values = [("YES", true), ("NO", false), ("yes", true), ("no", false)];
            to.one_of(&values).map(|value| set.http_requests = value)
        },
    },
    Known {
        name: "http_max_body",
        default: "none",
        help: "MiB that one HTTP body may have; none: all that was sent, or 1024 where it was compressed",
        assign: |set, to| {
            if to.value == "none" {
                set.http_max_body = None;
                return Ok(());
            }
            to.within(1..=1_048_576).map(|value| set.http_max_body = Some(value))
        },
    },
    Known {
        name: "debug-prefix",
        default: "tcpflow",
        help: "The name that stands before what is said on standard error",
        assign: |set, to| {
            to.value.clone_into(&mut set.name);
            Ok(())
        },
    },
    Known {
        name: "hash",
        default: "md5",
        help: "Digests that the md5 scanner makes, with commas between: md5, sha1, sha256",
        assign: |set, to| to.digests().map(|value| set.digests = value),
    },
    Known {
        name: "netviz_histogram_size",
        default: "1000",
        help: "Addresses that netviz keeps for each direction; beyond that, those with little traffic are summed up",
        assign: |set, to| to.within(16..=MAX_ADDRESSES).map(|value| set.chart_addresses = value),
    },
    Known {
        name: "netviz_histogram_dump",
        default: "0",
        help: "Whether netviz writes all of these to netviz_histogram.txt, not only the first ones into its page",
        assign: |set, to| {
            set.chart_dump = to.yes();
            Ok(())
        },
    },
    Known {
        name: "check_fcs",
        default: "YES",
        help: "Whether wifiviz leaves out frames with a wrong check sequence",
        assign: |set, to| {
            set.check_sequence = to.yes();
            Ok(())
        },
    },
];

impl Set {
    /// Reads every `-S`.
    pub fn read(matches: &ArgMatches) -> Result<Self, Error> {
        let mut set = Self::default();
        for assignment in matches.get_many::<String>("set").into_iter().flatten() {
            // tcpflow's own spelling, which scripts may look for.
            let bad = || Error::Plain(format!("Invalid paramter: {assignment}"));
            let (name, value) = assignment.split_once('=').ok_or_else(bad)?;
            let anything = programs::MAY_HOLD_ANYTHING.contains(&name);
            if value.is_empty() || (value.contains('=') && !anything) {
                return Err(bad());
            }
            let known = known().find(|known| known.name == name).ok_or_else(|| unknown(name))?;
            (known.assign)(&mut set, &Assignment { name, value })?;
        }
        Ok(set)
    }
}

/// Every name that `-S` knows.
pub fn known() -> impl Iterator<Item = &'static Known> {
    KNOWN.iter().chain(programs::KNOWN)
}

fn unknown(name: &str) -> Error {
    let known: Vec<&str> = known().map(|known| known.name).collect();
    Error::Told(format!("-S {name}: unknown name; known are {}", known.join(", ")))
}

impl Assignment<'_> {
    fn refused(&self, why: impl std::fmt::Display) -> Error {
        Error::Told(format!("-S {}={}: {why}", self.name, self.value))
    }

    /// As tcpflow reads it: these say yes, everything else no.
    fn yes(&self) -> bool {
        self.value.starts_with(['Y', 'y', 'T', 't', '1'])
    }

    fn within<T>(&self, range: std::ops::RangeInclusive<T>) -> Result<T, Error>
    where
        T: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        number::within(self.value, &range).map_err(|why| self.refused(why))
    }

    fn text(&self) -> Result<String, Error> {
        if self.value.is_empty() || self.value.contains('\0') {
            return Err(self.refused("nothing to run"));
        }
        Ok(self.value.to_owned())
    }

    fn one_of<T: Copy>(&self, values: &[(&str, T)]) -> Result<T, Error> {
        let found = values.iter().find(|(name, _)| *name == self.value).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
            match names.split_last() {
                Some((last, [])) => self.refused(last),
                Some((last, others)) => self.refused(format!("{} or {last}", others.join(", "))),
                None => self.refused("nothing is allowed"),
            }
        })
    }

    fn digests(&self) -> Result<Vec<Digest>, Error> {
        let known = [("md5", Digest::Md5), ("sha1", Digest::Sha1), ("sha256", Digest::Sha256)];
        let mut digests = Vec::new();
        for name in self.value.split(',') {
            let digest = Self { name: self.name, value: name }.one_of(&known)?;
            if !digests.contains(&digest) {
                digests.push(digest);
            }
        }
        Ok(digests)
    }
}
