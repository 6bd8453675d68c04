//! The writer's work, from the plan to the last word.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use nix::fcntl::{FcntlArg, fcntl};
use policy::channel;
use policy::manifest::{CONSOLE, EVENTS, OUTPUT, REPORT, UNPROCESSED};
use policy::role::{Control, Done};
use policy::{Role, sandbox};
use proto::plan::{Plan, ReportPlace, WriterPlan};
use proto::template::Template;

use crate::channels::Channels;
use crate::closing::Closer;
use crate::console::Console;
use crate::directory::Directory;
use crate::error::Error;
use crate::events::Events;
use crate::report::{self, Dialect, Report};
use crate::retention::Keeper;
use crate::room::Room;
use crate::runner::Runner;
use crate::session::{Periods, Session};
use crate::store::Store;
use crate::sys;
use crate::table::Table;
use crate::unprocessed::Unprocessed;

/// Takes what the plan names, gives everything else up, and writes flows until there are no more.
pub fn run(control: &Control) -> Result<Done, Error> {
    let (Plan::Writer(plan), _) = control.plan()? else { return Err(Error::Plan) };
    let begun = Instant::now();
    let mut channels = Channels::adopt(plan.workers)?;
    let directory = Arc::new(Directory::new(adopt(OUTPUT)?));
    let prepared = Prepared::new(&plan)?;
    let runner = Runner::adopt(plan.notify.as_deref())?;
    let unprocessed = plan.unprocessed.then(|| adopt(UNPROCESSED).map(Unprocessed::new)).transpose()?;
    let events = |to| adopt(EVENTS).map(|file| Events::new(to, file, &plan.output));
    let events = plan.events.map(events).transpose()?;
    let template = Template::parse(&plan.template).map_err(|e| Error::Template(plan.template.clone(), e))?;
    let console = match plan.console {
        Some(_) => Console::new(&plan, &template, adopt(CONSOLE)?)?,
        None => None,
    };
    let mut store = Store::new(Arc::clone(&directory), template, &plan);
    // Made before confinement: hash tables ask the kernel for random numbers once.
    let table = Table::of(plan.workers);

    let role = Role::writer(plan.retention.is_some(), plan.workers);
    let mut keeper = None;
    let layers = sandbox::enter_with_threads(role, &plan.confinement, || {
        sys::one_heap();
        // Programs are told of files in turn, so that there is nothing to do beside.
        if plan.notify.is_none() {
            store.closer = Closer::begin();
        }
        keeper = plan.retention.and_then(|retention| Keeper::begin(directory, retention));
    })?;
    if let Some(keeper) = &keeper {
        store.room = Some(Room::watched(keeper.full()));
    } else if plan.retention.is_some() {
        return Err(Error::Thread);
    }
    check_writable(&plan, &store)?;
    if let (Some(report), None) = (&plan.report, &plan.notify) {
        store.closer.make_entries((&report::prefix(&plan.output), Dialect::of(report)));
    }
    let periods = Periods::new(&plan, prepared.as_ref().map(|prepared| prepared.head.clone()), keeper);
    let report = begin_report(&plan, &store, prepared)?;
    let mut session = Session::new(&plan, table, store, control, begun)
        .with_periods(periods)
        .with_report(report)
        .with_runner(runner)
        .with_console(console)
        .with_unprocessed(unprocessed)
        .with_events(events)
        .with_warning(plan.warn_of_many_files);
    let ended = match control.ready(layers) {
        Ok(start) => session.receive_all(&mut channels, start.states),
        Err(channel::Error::Gone) => Err(Error::NotBegun),
        Err(e) => Err(e.into()),
    };
    session.finish(ended)
}

/// What the report needs that cannot be had once confined.
struct Prepared {
    /// What it begins with, and how it is laid out.
    head: (Dialect, Vec<u8>),
    /// A file that `tcpflow` opened, if it opened one, and whether that writes at its end only.
    elsewhere: Option<(OwnedFd, bool)>,
}

impl Prepared {
    fn new(plan: &WriterPlan) -> Result<Option<Self>, Error> {
        let Some(report) = &plan.report else { return Ok(None) };
        let elsewhere = match report.place {
            ReportPlace::Inside(_) => None,
            ReportPlace::Descriptor => {
                let file = adopt(REPORT)?;
                let flags = fcntl(&file, FcntlArg::F_GETFL).unwrap_or(0);
                Some((file, flags & libc::O_APPEND != 0))
            }
        };
        let results = plan.notify.as_ref().is_some_and(|notify| notify.plugin.is_some());
        Ok(Some(Self { head: (Dialect::of(report), report::head(report, results)), elsewhere }))
    }
}

/// Whether the user whose files these are may make files, once everything else is given up.
fn check_writable(plan: &WriterPlan, store: &Store) -> Result<(), Error> {
    if plan.store || plan.packets || plan.rotates {
        let writable = store.directory().check_writable();
        let name = String::from_utf8_lossy(&plan.output).into_owned();
        writable.map_err(|errno| Error::Directory { name, errno })?;
    }
    Ok(())
}

/// Begins the report of the whole run, if there is one, as that user.
fn begin_report(
    plan: &WriterPlan,
    store: &Store,
    prepared: Option<Prepared>,
) -> Result<Option<Report>, Error> {
    let output = String::from_utf8_lossy(&plan.output);
    let (Some(report), Some(prepared)) = (&plan.report, prepared) else { return Ok(None) };
    let (name, opened) = match (&report.place, prepared.elsewhere) {
        // Each directory will have one of its own.
        (ReportPlace::Inside(_), _) if plan.rotates => return Ok(None),
        (ReportPlace::Inside(name), _) => {
            (format!("{output}/{name}"), store.directory().create(name).map(|file| (file, false)))
        }
        (ReportPlace::Descriptor, Some(elsewhere)) => ("the report".to_owned(), Ok(elsewhere)),
        (ReportPlace::Descriptor, None) => return Err(Error::Plan),
    };
    opened
        .and_then(|(file, appending)| Report::begin(file, appending, prepared.head, &plan.output))
        .map(|begun| {
            Some(begun.with_results_of(plan.notify.as_ref().and_then(|notify| notify.plugin.clone())))
        })
        .map_err(|errno| Error::Report { name, errno })
}

fn adopt(fd: std::os::fd::RawFd) -> Result<OwnedFd, Error> {
    policy::adopt(fd).map_err(|e| channel::Error::Missing(fd, e).into())
}
