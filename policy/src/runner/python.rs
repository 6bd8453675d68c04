//! `-e python`: one call of the plugin for each finished flow, one after the other.
//!
//! Whatever the plugin does costs its own flow's result and no other: a process that hangs, dies or says what
//! was not agreed is ended, and the next call has a new one.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use policy::role::Control;
use proto::control::Level;
use proto::plan::PythonPlan;
use proto::runner::{Answer, Inside, Outcome};

use super::call::{self, Call};
use super::driver::{Process, Recipe, Said};
use super::tally::{Tally, shown};

/// Calls that may wait before no more is read of what the writer tells; it waits for answers far earlier.
const MAX_WAITING: usize = 64;

/// The plugin, its process, and the calls that are due.
pub struct Python {
    plan: PythonPlan,
    prefix: Vec<u8>,
    recipe: Recipe,
    directory: OwnedFd,
    process: Option<Process>,
    state: State,
    waiting: VecDeque<Inside>,
    number: u64,
    /// Answers for the writer.
    pub answers: VecDeque<(Answer, String)>,
    failed: Tally,
}

/// What the process is at.
enum State {
    /// There is none, or it waits for a call.
    Idle,
    /// It loads the module.
    Loading { deadline: Instant },
    /// It is given a flow, and works on it.
    Calling(Call),
    /// The module can no longer be loaded, or the run was ended; why.
    Over(String),
}

impl Python {
    /// One whose process is not started yet, for files beneath `directory`, whose names `prefix` stands before.
    pub fn new(plan: PythonPlan, prefix: Vec<u8>, recipe: Recipe, directory: OwnedFd) -> Self {
        Self {
            plan,
            prefix,
            recipe,
            directory,
            process: None,
            state: State::Idle,
            waiting: VecDeque::new(),
            number: 0,
            answers: VecDeque::new(),
            failed: Tally::new("flows without a result of the plugin"),
        }
    }

    /// Starts a process, which loads the module.
    pub fn start(&mut self) -> Result<(), String> {
        self.process = Some(self.recipe.start()?);
        self.state = State::Loading { deadline: call::deadline(&self.plan) };
        Ok(())
    }

    /// Whether the module is loaded; an error says why it cannot be.
    pub fn is_loaded(&mut self, now: Instant) -> Result<bool, String> {
        let State::Loading { deadline } = &self.state else { return Ok(true) };
        let overdue = now >= *deadline;
        match self.hear()? {
            Some(Said::Ready) => {
                self.state = State::Idle;
                Ok(true)
            }
            Some(Said::Unusable(why)) => Err(why),
            Some(Said::Text(..) | Said::Nothing | Said::Raised(_)) => Err("broke the protocol".into()),
            None if self.has_ended() => Err(self.end_process()),
            None if overdue => Err(format!("the module was not loaded within {} s", self.plan.timeout)),
            None => Ok(false),
        }
    }

    /// A flow is finished: the plugin is to be called with it.
    pub fn finished(&mut self, path: Inside) {
        self.waiting.push_back(path);
    }

    /// Whether so many wait that no more should come.
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING
    }

    /// Whether every call was answered.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.answers.is_empty() && !matches!(self.state, State::Calling(_))
    }

    /// The process that runs, if one does.
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// Whether there is something to be sent to it.
    pub fn is_sending(&self) -> bool {
        matches!(&self.state, State::Calling(call) if !call.is_sent())
    }

    /// When to look again, whatever comes.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        match &self.state {
            State::Idle | State::Over(_) => None,
            State::Loading { deadline } => Some(*deadline),
            // How long it has computed is asked for now and then.
            State::Calling(call) => Some(
                now.checked_add(Duration::from_millis(200)).map_or(call.deadline, |t| t.min(call.deadline)),
            ),
        }
    }

    /// No more calls: those that are due are answered without.
    pub fn stop(&mut self, control: &Control) {
        if matches!(self.state, State::Over(_)) {
            return;
        }
        self.fail(control, "the run was ended");
        self.state = State::Over("the run was ended".into());
    }

    /// Goes on as far as it can without waiting.
    pub fn advance(&mut self, control: &Control, now: Instant) {
        match self.step(now) {
            Ok(()) => {}
            Err(why) => self.fail(control, &why),
        }
        while matches!(self.state, State::Idle | State::Over(_)) {
            let Some(path) = self.waiting.pop_front() else { return };
            self.begin(control, path);
        }
    }

    fn step(&mut self, now: Instant) -> Result<(), String> {
        if let State::Loading { .. } = self.state {
            return self.is_loaded(now).map(drop);
        }
        let said = self.hear()?;
        if !matches!(self.state, State::Calling(_)) {
            return match said {
                None if self.process.is_some() && self.has_ended() => Err(String::new()),
                None => Ok(()),
                Some(_) => Err("broke the protocol".into()),
            };
        }
        match said {
            None => self.go_on(now),
            Some(Said::Text(text, cut)) => self.answer(Outcome::Text { cut }, text),
            Some(Said::Nothing) => self.answer(Outcome::Nothing, String::new()),
            Some(Said::Raised(why)) => Err(format!("raised {why}")),
            Some(Said::Ready | Said::Unusable(_)) => Err("broke the protocol".into()),
        }
    }

    /// Begins a call, with a process made for it if there is none.
    fn begin(&mut self, control: &Control, path: Inside) {
        if let State::Over(why) = &self.state {
            let why = why.clone();
            self.refuse(&why);
            return;
        }
        let Some(process) = &mut self.process else {
            self.waiting.push_front(path);
            if let Err(why) = self.start() {
                self.give_up(control, why);
            }
            return;
        };
        match Call::begin(&self.directory, &path, &self.plan, process) {
            Ok(call) => self.state = State::Calling(call),
            Err(why) => {
                self.tell(control, &path, &why);
                self.refuse(&why);
            }
        }
    }

    /// Sends what the process takes of a flow, and sees that it keeps its limits.
    fn go_on(&mut self, now: Instant) -> Result<(), String> {
        if self.has_ended() {
            return Err(self.end_process());
        }
        let (State::Calling(call), Some(process)) = (&mut self.state, &self.process) else { return Ok(()) };
        call.check(process, &self.plan, now)?;
        call.send(process)
    }

    /// Reads what the process says and prints.
    fn hear(&mut self) -> Result<Option<Said>, String> {
        let Some(process) = &mut self.process else { return Ok(None) };
        process.printed.take();
        process.answers.take();
        process.said()
    }

    fn has_ended(&self) -> bool {
        self.process.as_ref().is_none_or(|process| process.answers.pipe().is_none())
    }

    fn answer(&mut self, outcome: Outcome, text: String) -> Result<(), String> {
        let State::Calling(call) = &self.state else { return Ok(()) };
        if !call.is_sent() {
            return Err("broke the protocol".into());
        }
        let given = call.given;
        self.state = State::Idle;
        self.push(outcome, given, text);
        Ok(())
    }

    /// The process is no good any more, and neither is its call.
    fn fail(&mut self, control: &Control, why: &str) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Calling(call) => {
                self.tell(control, &call.path, why);
                self.push(Outcome::Failed, call.given, why.to_owned());
                // An exception is no reason for another process.
                if !why.starts_with("raised ") {
                    self.end_process();
                }
            }
            State::Loading { .. } => self.give_up(control, why.to_owned()),
            over @ State::Over(_) => self.state = over,
            State::Idle => drop(self.end_process()),
        }
    }

    /// The module loaded once and does so no more.
    fn give_up(&mut self, control: &Control, why: String) {
        self.end_process();
        control.notice(Level::Error, &format!("python: the plugin cannot be started again: {why}"));
        self.state = State::Over(why);
    }

    /// Ends the process; how it had ended, if by itself.
    fn end_process(&mut self) -> String {
        let status = self.process.take().and_then(Process::end);
        status.map_or_else(|| "closed its channel".to_owned(), ended)
    }

    fn tell(&mut self, control: &Control, path: &Inside, why: &str) {
        let path = shown(&[self.prefix.as_slice(), path.as_str().as_bytes()].concat());
        self.failed.tell(control, &format!("python: {path}: {why}"));
    }

    fn refuse(&mut self, why: &str) {
        self.push(Outcome::Failed, None, why.to_owned());
    }

    fn push(&mut self, outcome: Outcome, given: Option<u64>, text: String) {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.answers.push_back((Answer { number: self.number, outcome, given, length }, text));
        self.number = self.number.saturating_add(1);
    }

    /// Tells the sum, and ends the process.
    pub fn close(&mut self, control: &Control) {
        self.failed.close(control);
        self.end_process();
    }
}

/// How a process ended.
fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, signal) => format!("was killed by signal {}", signal.unwrap_or_default()),
    }
}
