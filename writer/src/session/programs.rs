//! What the user's programs are told of files, by way of the runner, and what the report waits for.

use policy::channel;
use proto::control::Level;
use proto::runner::Kind;

use super::Session;
use crate::error::Error;
use crate::held::Ended;
use crate::runner::Runner;

impl Session<'_> {
    /// Tells this runner of files.
    pub fn with_runner(self, runner: Option<Runner>) -> Self {
        Self { runner, ..self }
    }

    /// A flow has ended, and its file is closed: the runner and the report are told.
    pub(super) fn ended(&mut self, ended: Ended) {
        let mut due = false;
        if let (Some(name), Some(runner)) = (&ended.flow.name, &mut self.runner) {
            due = runner.finished(Kind::Flow, name);
        }
        match (&mut self.report, &mut self.runner) {
            (Some(report), Some(runner)) if due || !self.held.is_empty() => {
                self.held.push(ended, due, report, runner);
                self.store.forget_bodies(self.held.take_told());
            }
            (report, _) => {
                if let (Some(report), false) = (report, self.store.closer.makes_entries()) {
                    report.flow(&ended, None);
                }
                self.store.forget_bodies(ended.listed());
            }
        }
    }

    /// Sends the runner what it is to know, and takes what answers there are.
    pub(super) fn settle_with_runner(&mut self) -> Result<(), Error> {
        let Some(runner) = &mut self.runner else { return Ok(()) };
        runner.flush();
        if let Some(report) = &mut self.report {
            self.held.settle(report, runner);
            self.store.forget_bodies(self.held.take_told());
        }
        match runner.take_fault() {
            Some(channel::Error::Breach(breach)) => Err(breach.into()),
            Some(e) => {
                let text = format!("the plugin's results are lacking from here on: tcpflow-runner: {e}");
                self.control.notice(Level::Error, &text);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The same at the end, when every answer that is due is waited for.
    pub(super) fn conclude_with_runner(&mut self) -> Result<(), Error> {
        self.release_held();
        self.settle_with_runner()
    }

    /// Puts all flows that have ended into the report, with every answer that is due.
    pub(super) fn release_held(&mut self) {
        if let (Some(report), Some(runner)) = (&mut self.report, &mut self.runner) {
            self.held.release_all(report, runner);
        }
    }
}
