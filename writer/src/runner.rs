//! What the runner is told of files, and a plugin's answers, which the report waits for.
//!
//! The runner is told without waiting for anything but room in its channel; that it takes its time is the
//! user's own doing, for his commands are what it waits for.

use std::collections::VecDeque;

use policy::channel::{self, Receiver, Sender};
use policy::manifest::{ANSWERS, RUNNER};
use proto::Breach;
use proto::plan::Notify;
use proto::runner::{Answer, Event, Kind, Outcome, ToRunner};

use crate::error::Error;

/// The channels to the runner and back.
#[derive(Debug)]
pub struct Runner {
    messages: Sender<ToRunner>,
    notify: Notify,
    answers: Option<Answers>,
    /// Why no more answers come.
    fault: Option<channel::Error>,
}

/// What came back.
#[derive(Debug)]
struct Answers {
    receiver: Receiver<Answer>,
    came: VecDeque<Answered>,
    next: u64,
}

/// A plugin's answer for one flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// What came of the call.
    pub outcome: Outcome,
    /// How many bytes the plugin was given, where that was not all.
    pub given: Option<u64>,
    /// What it returned, or why there is nothing.
    pub text: String,
}

impl Runner {
    /// Takes the channels, if there is a runner.
    pub fn adopt(notify: Option<&Notify>) -> Result<Option<Self>, Error> {
        let Some(notify) = notify else { return Ok(None) };
        let messages = Sender::adopt(RUNNER)?;
        let receiver = notify.plugin.is_some().then(|| Receiver::adopt(ANSWERS)).transpose()?;
        let answers = receiver.map(|receiver| Answers { receiver, came: VecDeque::new(), next: 0 });
        Ok(Some(Self { messages, notify: notify.clone(), answers, fault: None }))
    }

    /// A file was made.
    pub fn opened(&mut self, kind: Kind, name: &str) {
        if self.told(kind).opened {
            self.tell(kind, Event::Opened, name);
        }
    }

    /// A file is finished. Whether a plugin's answer is due for it: each has to be asked for, in this order.
    pub fn finished(&mut self, kind: Kind, name: &str) -> bool {
        let call = kind == Kind::Flow && self.answers.is_some();
        if call || self.told(kind).finished {
            self.tell(kind, Event::Finished { call }, name);
        }
        call
    }

    /// Sends what was told. If the runner is gone, that is noticed by `tcpflow`.
    pub fn flush(&mut self) {
        let _ = self.messages.flush();
    }

    /// The next answer that is due: none if it has not come. With `wait` there always is one.
    pub fn answer(&mut self, wait: bool) -> Option<Answered> {
        if wait {
            self.flush();
        }
        loop {
            let Some(answers) = &mut self.answers else { return Some(Answered::none()) };
            if let Some(answered) = answers.came.pop_front() {
                return Some(answered);
            }
            if self.fault.is_some() {
                return Some(Answered::none());
            }
            match answers.receiver.is_ready() {
                Ok(false) if !wait => return None,
                Ok(_) => self.fault = answers.receive().err(),
                Err(e) => self.fault = Some(e),
            }
        }
    }

    /// Why no more answers come, once. No flow is asked for from then on.
    pub fn take_fault(&mut self) -> Option<channel::Error> {
        let fault = self.fault.take();
        if fault.is_some() {
            self.answers = None;
        }
        fault
    }

    fn told(&self, kind: Kind) -> proto::plan::Told {
        match kind {
            Kind::Flow => self.notify.flows,
            Kind::Body => self.notify.bodies,
        }
    }

    fn tell(&mut self, kind: Kind, event: Event, name: &str) {
        let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
        // As with flush: a runner that is gone is not this process's to notice.
        let _ = self.messages.send(&ToRunner { kind, event, length }, name.as_bytes());
    }
}

impl Answered {
    /// What stands for an answer that will not come.
    fn none() -> Self {
        Self { outcome: Outcome::Failed, given: None, text: "no answer".into() }
    }
}

impl Answers {
    fn receive(&mut self) -> Result<(), channel::Error> {
        let mut batch = self.receiver.receive()?.ok_or(channel::Error::Gone)?;
        while let Some((answer, text)) = batch.next()? {
            if answer.number != self.next {
                return Err(Breach::Forbidden("answer out of order").into());
            }
            self.next = self.next.saturating_add(1);
            let text = std::str::from_utf8(text).map_err(|_| Breach::Forbidden("answer that is not text"))?;
            self.came.push_back(Answered {
                outcome: answer.outcome,
                given: answer.given,
                text: text.to_owned(),
            });
        }
        Ok(())
    }
}
