//! Standard output, where flows are printed: piece by piece as the reassembler sends them, gathered to one
//! write(2) a batch, or to one a piece where a semaphore keeps other programs out meanwhile (`-L`).
//!
//! What traffic holds reaches a terminal as it is only with `-B`; names are never more than printed.

mod format;
mod label;

use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::errno::Errno;
use policy::role::Control;
use proto::control::Level;
use proto::plan::{ConsoleFormat, ConsolePlan, WriterPlan};
use proto::template::Template;

use crate::contents::put;
use crate::error::Error;
use crate::flow::Flow;
use crate::sys::Semaphore;
use format::Tables;

/// How long another program may hold the semaphore before it is taken for dead.
const PATIENCE: Duration = Duration::from_secs(5);

/// Gaps that are told one by one; the others are counted.
const MAX_GAPS: u64 = 100;

/// What is kept of a buffer that one batch made larger, in bytes.
const KEPT: usize = 1 << 20;

const FROM_CLIENT: &[u8] = b"\x1b[0;34m";
const FROM_SERVER: &[u8] = b"\x1b[0;31m";
const PLAIN: &[u8] = b"\x1b[0m";

/// What is known of a flow that is printed.
#[derive(Debug)]
pub struct Shown {
    /// Its name, with what a terminal would take for more than text escaped.
    label: Box<str>,
    /// Bytes of it printed.
    printed: u64,
}

/// Standard output.
pub struct Console {
    out: OwnedFd,
    plan: ConsolePlan,
    template: Template,
    /// What goes before the names of flows.
    prefix: Vec<u8>,
    max_bytes: u64,
    lock: Option<Semaphore>,
    /// Apart, for they are large, and what has them is moved about on small stacks.
    tables: Box<Tables>,
    buffer: Vec<u8>,
    gaps: u64,
    fault: Option<Errno>,
}

impl Console {
    /// A console on `out`, if the plan has one. Its semaphore is opened by name, and so before confinement.
    pub fn new(plan: &WriterPlan, template: &Template, out: OwnedFd) -> Result<Option<Self>, Error> {
        let Some(console) = plan.console.clone() else { return Ok(None) };
        let lock = console.semaphore.as_deref().map(|name| {
            Semaphore::open(name).map_err(|errno| Error::Semaphore { name: name.to_owned(), errno })
        });
        Ok(Some(Self {
            out,
            lock: lock.transpose()?,
            plan: console,
            template: template.clone(),
            prefix: crate::name::prefix(&plan.output),
            max_bytes: plan.max_bytes.unwrap_or(u64::MAX),
            tables: Box::new(Tables::new()),
            buffer: Vec::new(),
            gaps: 0,
            fault: None,
        }))
    }

    /// Prints the next bytes of a flow, those that `-b` allows.
    pub fn print(&mut self, flow: &mut Flow, bytes: &[u8], control: &Control) {
        let shown = shown(flow, &self.template, &self.prefix);
        let left = usize::try_from(self.max_bytes.saturating_sub(shown.printed)).unwrap_or(usize::MAX);
        let Some(bytes) = bytes.get(..bytes.len().min(left)).filter(|bytes| !bytes.is_empty()) else {
            return;
        };
        shown.printed = shown.printed.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        piece(&mut self.buffer, &self.plan, &self.tables, flow, bytes);
        if self.lock.is_some() {
            self.print_alone(control);
        }
    }

    /// Tells that bytes of a flow are missing at this place.
    pub fn gap(&mut self, flow: &mut Flow, length: u64, control: &Control) {
        let shown = shown(flow, &self.template, &self.prefix);
        if shown.printed >= self.max_bytes {
            return;
        }
        self.gaps = self.gaps.saturating_add(1);
        if self.gaps <= MAX_GAPS {
            let bytes = if length == 1 { "byte" } else { "bytes" };
            control.notice(Level::Warning, &format!("{}: [{length} {bytes} missing]", shown.label));
        }
    }

    /// Tells of the gaps that were only counted.
    pub fn tell_of_gaps(&self, control: &Control) {
        let more = self.gaps.saturating_sub(MAX_GAPS);
        if more > 0 {
            control.notice(Level::Warning, &format!("[bytes missing in {more} more places]"));
        }
    }

    /// Puts everything out that was printed so far; waits while the reader is slow.
    pub fn flush(&mut self) -> Result<(), Error> {
        if let Err(errno) = put(&self.out, &mut &self.buffer[..]) {
            self.fault.get_or_insert(errno);
        }
        self.buffer.clear();
        self.buffer.shrink_to(KEPT);
        self.fault.map_or(Ok(()), |errno| Err(Error::Console(errno)))
    }

    /// Puts one piece out while no other program with the same semaphore prints.
    fn print_alone(&mut self, control: &Control) {
        let held = match self.lock.as_ref().map_or(Ok(()), |lock| lock.wait(PATIENCE)) {
            Ok(()) => true,
            Err(errno) => {
                let name = self.plan.semaphore.as_deref().unwrap_or_default();
                let why =
                    if errno == Errno::ETIMEDOUT { "who holds it seems to be dead" } else { errno.desc() };
                control.notice(Level::Error, &format!("semaphore {name}: {why}; going on without it"));
                false
            }
        };
        // A fault is told at the end of the batch.
        let _ = self.flush();
        match &self.lock {
            Some(lock) if held => lock.post(),
            Some(_) | None => self.lock = None,
        }
    }
}

/// What is known of a flow that is printed, from its first piece on.
fn shown<'a>(flow: &'a mut Flow, template: &Template, prefix: &[u8]) -> &'a mut Shown {
    let open = &flow.open;
    let rare = flow.rare.get_or_insert_default();
    rare.shown.get_or_insert_with(|| Shown { label: label::label(template, prefix, open), printed: 0 })
}

/// One piece as it is printed.
fn piece(out: &mut Vec<u8>, plan: &ConsolePlan, tables: &Tables, flow: &Flow, bytes: &[u8]) {
    if plan.color {
        out.extend_from_slice(if flow.open.client { FROM_CLIENT } else { FROM_SERVER });
    }
    if let Some(shown) = flow.shown().filter(|_| plan.names && plan.format != ConsoleFormat::Json) {
        out.extend_from_slice(shown.label.as_bytes());
        out.extend_from_slice(b": ");
        if plan.format == ConsoleFormat::Hex {
            out.push(b'\n');
        }
    }
    match plan.format {
        ConsoleFormat::Text => format::text(out, bytes),
        ConsoleFormat::Binary => out.extend_from_slice(bytes),
        ConsoleFormat::Hex => tables.hex(out, bytes),
        ConsoleFormat::Json => tables.json(out, &flow.open.key, bytes),
    }
    if plan.color {
        out.extend_from_slice(PLAIN);
    }
    if plan.newline {
        out.push(b'\n');
    }
}
