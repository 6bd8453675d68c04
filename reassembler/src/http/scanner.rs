//! The messages of one flow, one after the other: heads, bodies, and the way on after something broken.

use proto::body::{BodyEnding, BodyOpen};
use proto::flow::FlowId;
use proto::plan::HttpPlan;

use super::body::{Bodies, Body};
use super::coding::Pieces;
use super::exchange::Exchange;
use super::framing::{Framing, Piece, Skipped};
use super::head::{self, Head, Method};
use super::lines::Lines;
use super::seek::{BEGINNING, Seek};
use crate::Error;

/// A flow of responses that is shorter is not read, as with tcpflow.
const SHORTEST: usize = 80;

/// Reads one flow.
#[derive(Debug)]
pub struct Scanner {
    flow: FlowId,
    state: State,
    requests: bool,
    /// Messages that began.
    messages: u64,
    /// Responses among them that answer a request.
    answers: u64,
    /// The body of the last response, should it have one in spite of what it answers, or of its status.
    unlawful: Option<(Box<Body>, Framing)>,
}

/// Where in its messages a flow is.
#[derive(Debug)]
enum State {
    /// It is not known yet whether this is HTTP; what came so far.
    Start(Vec<u8>),
    /// Before or in the head of a message.
    Head(Lines),
    /// In the body of a message; none: one that nobody wants.
    Body(Option<Box<Body>>, Framing),
    /// After something broken.
    Lost(Seek),
    /// It is not HTTP, or is no longer.
    Over,
}

/// Whom a scanner works with.
pub struct Surroundings<'s, B> {
    /// What is wanted.
    pub plan: &'s HttpPlan,
    /// The requests that the flow answers, or makes.
    pub exchange: &'s mut Exchange,
    /// Where codings are undone.
    pub pieces: &'s mut Pieces,
    /// Takes the bodies.
    pub bodies: &'s mut B,
}

impl Scanner {
    /// For a flow of which nothing came yet.
    pub fn new(flow: FlowId) -> Self {
        Self {
            flow,
            state: State::Start(Vec::new()),
            requests: false,
            messages: 0,
            answers: 0,
            unlawful: None,
        }
    }

    /// Bytes of heap taken.
    pub fn heap(&self) -> usize {
        let own = match &self.state {
            State::Start(bytes) => bytes.capacity(),
            State::Head(lines) => lines.heap(),
            State::Body(Some(body), _) => size_of::<Body>().saturating_add(body.heap()),
            State::Body(None, _) | State::Lost(_) | State::Over => 0,
        };
        let unlawful = self.unlawful.as_ref();
        own.saturating_add(unlawful.map_or(0, |(body, _)| size_of::<Body>().saturating_add(body.heap())))
    }

    /// Whether nothing of this flow is of use any more.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Takes the next bytes, which are at `offset` of the flow.
    pub fn bytes<B: Bodies>(
        &mut self,
        offset: u64,
        bytes: &[u8],
        around: &mut Surroundings<'_, B>,
    ) -> Result<(), Error> {
        let end = offset.saturating_add(length(bytes));
        let State::Start(begun) = &mut self.state else { return self.go_on(end, bytes, around) };
        begun.extend_from_slice(bytes);
        let short = begun.len() < BEGINNING.len();
        self.requests = !begun.starts_with(BEGINNING);
        if short || (!self.requests && begun.len() < SHORTEST) {
            return Ok(());
        }
        let begun = std::mem::take(begun);
        self.state = State::Head(Lines::default());
        self.go_on(end, &begun, around)
    }

    /// Takes bytes that end at `end` of the flow.
    fn go_on<B: Bodies>(
        &mut self,
        end: u64,
        mut rest: &[u8],
        around: &mut Surroundings<'_, B>,
    ) -> Result<(), Error> {
        let mut plain = Plain { begins: rest, length: 0 };
        while !rest.is_empty() && !self.is_over() {
            let before = rest;
            if matches!(self.state, State::Body(Some(_), _)) {
                plain.give(self.flow, around.bodies)?;
                self.step(end, &mut rest, around)?;
                plain = Plain { begins: rest, length: 0 };
            } else {
                self.step(end, &mut rest, around)?;
                plain.length = plain.length.saturating_add(before.len().saturating_sub(rest.len()));
            }
        }
        plain.length = plain.length.saturating_add(rest.len());
        plain.give(self.flow, around.bodies)
    }

    fn step<B: Bodies>(
        &mut self,
        end: u64,
        rest: &mut &[u8],
        around: &mut Surroundings<'_, B>,
    ) -> Result<(), Error> {
        match &mut self.state {
            State::Start(_) | State::Over => *rest = &[],
            State::Lost(seek) => {
                if let Some(beginning) = seek.look(rest) {
                    self.state = State::Head(Lines::new(beginning));
                }
            }
            State::Head(lines) => {
                let may = self.requests || lines.may_begin_with(rest, BEGINNING);
                // One byte decides, so that it is the same however bytes come.
                let unlawful = self.unlawful.take().filter(|_| rest.first() != BEGINNING.first());
                if let Some((body, framing)) = unlawful {
                    self.state = State::Body(Some(body), framing);
                } else if !may || !lines.gather(rest) {
                    self.lose(around.exchange);
                } else if lines.are_whole() {
                    let at = end.saturating_sub(length(rest));
                    self.begin(at, around);
                } else if self.requests && !lines.may_be_request() {
                    self.state = State::Over;
                }
            }
            State::Body(body, framing) => match framing.take(rest) {
                Piece::Data(data) => {
                    if let Some(body) = body {
                        let at = end.saturating_sub(length(rest)).saturating_sub(length(data));
                        body.bytes(at, data, around.pieces, around.bodies)?;
                    }
                    if framing.is_over() {
                        self.close(BodyEnding::Complete, around.bodies)?;
                    }
                }
                Piece::End => self.close(BodyEnding::Complete, around.bodies)?,
                Piece::Broken => {
                    self.close(BodyEnding::BrokenFraming, around.bodies)?;
                    self.lose(around.exchange);
                }
            },
        }
        Ok(())
    }

    /// A head is whole; what follows it is at `offset`.
    fn begin<B>(&mut self, offset: u64, around: &mut Surroundings<'_, B>) {
        let State::Head(lines) = &mut self.state else { return };
        let lines = lines.take();
        let head = if self.requests { head::request(&lines) } else { head::response(&lines) };
        let Some(head) = head else { return self.lose(around.exchange) };
        self.messages = self.messages.saturating_add(1);
        let after = if self.requests {
            around.exchange.request(head.method);
            After::Body
        } else {
            self.after_response(&head, around.exchange)
        };
        let framing = if self.requests { head.body.of_request() } else { head.body.of_response() };
        let open = BodyOpen {
            flow: self.flow,
            number: self.messages,
            offset,
            extension: head.extension,
            request: self.requests,
        };
        let codings = if around.plan.decompress { head.codings } else { Vec::new() };
        let body = || Box::new(Body::new(open, &codings, around.plan.max_body));
        self.unlawful = None;
        match (after, framing) {
            (After::Nothing, _) => self.state = State::Over,
            (After::Message, Some(framing @ Framing::Length(1..))) => self.unlawful = Some((body(), framing)),
            (After::Message, _) | (After::Body, Some(Framing::Length(0))) => {}
            (After::Body, Some(framing)) => {
                let wanted = !self.requests || around.plan.requests;
                self.state = State::Body(wanted.then(body), framing);
            }
            (After::Body, None) => self.lose(around.exchange),
        }
    }

    /// What comes after the head of a response (RFC 9112, 6.3).
    fn after_response(&mut self, head: &Head, exchange: &mut Exchange) -> After {
        if let 100..=199 = head.status {
            return if head.status == 101 && head.upgrade { After::Nothing } else { After::Message };
        }
        let method = exchange.answered(self.answers);
        self.answers = self.answers.saturating_add(1);
        match (method, head.status) {
            (Method::Connect, 200..=299) => After::Nothing,
            (Method::Head, _) | (_, 204 | 304) => After::Message,
            (Method::Connect | Method::Other, _) => After::Body,
        }
    }

    /// The way on is not known. Responses are searched for the next one; requests are read no further.
    fn lose(&mut self, exchange: &mut Exchange) {
        exchange.lose();
        self.state = if self.requests { State::Over } else { State::Lost(Seek::default()) };
    }

    /// Takes lost bytes.
    pub fn gap<B: Bodies>(&mut self, length: u64, around: &mut Surroundings<'_, B>) -> Result<(), Error> {
        match &mut self.state {
            State::Over => {}
            State::Start(begun) => {
                around.bodies.plain(self.flow, begun)?;
                around.exchange.lose();
                self.state = State::Over;
            }
            State::Head(_) => self.lose(around.exchange),
            State::Lost(seek) => seek.skip(),
            State::Body(body, framing) => {
                let skipped = framing.skip(length);
                let inside = match skipped {
                    Skipped::Inside => length,
                    Skipped::Beyond(inside) => inside,
                };
                if let Some(body) = body {
                    body.hole(inside, around.bodies)?;
                }
                if framing.is_over() {
                    self.close(BodyEnding::Complete, around.bodies)?;
                }
                if let Skipped::Beyond(_) = skipped {
                    self.close(BodyEnding::Hole, around.bodies)?;
                    self.lose(around.exchange);
                }
            }
        }
        Ok(())
    }

    /// The flow is over.
    pub fn end<B: Bodies>(&mut self, bodies: &mut B) -> Result<(), Error> {
        if let State::Start(begun) = &self.state {
            bodies.plain(self.flow, begun)?;
        }
        let whole = match &self.state {
            State::Body(Some(body), framing) => framing.ends_with_flow() && body.is_whole(),
            State::Body(None, _) | State::Start(_) | State::Head(_) | State::Lost(_) | State::Over => false,
        };
        self.close(if whole { BodyEnding::Complete } else { BodyEnding::Cut }, bodies)?;
        self.state = State::Over;
        Ok(())
    }

    /// There is no memory for what this flow takes: the codings of its body stay as they are.
    pub fn save_memory<B: Bodies>(&mut self, bodies: &mut B) -> Result<(), Error> {
        match &mut self.state {
            State::Body(Some(body), _) => body.break_off(BodyEnding::NoMemory, bodies),
            State::Body(None, _) | State::Start(_) | State::Head(_) | State::Lost(_) | State::Over => Ok(()),
        }
    }

    /// Ends the open body, if there is one; a head comes next.
    fn close<B: Bodies>(&mut self, ending: BodyEnding, bodies: &mut B) -> Result<(), Error> {
        match &mut self.state {
            State::Body(body, _) => {
                let body = body.take();
                self.state = State::Head(Lines::default());
                body.map_or(Ok(()), |body| body.close(ending, bodies))
            }
            State::Start(_) | State::Head(_) | State::Lost(_) | State::Over => Ok(()),
        }
    }
}

/// Bytes that are in no body that is taken, one after the other.
struct Plain<'a> {
    begins: &'a [u8],
    length: usize,
}

impl Plain<'_> {
    fn give<B: Bodies>(&self, flow: FlowId, bodies: &mut B) -> Result<(), Error> {
        match self.begins.get(..self.length) {
            Some([]) | None => Ok(()),
            Some(bytes) => bodies.plain(flow, bytes),
        }
    }
}

/// What comes after a head.
enum After {
    /// A body.
    Body,
    /// The next message.
    Message,
    /// Nothing that is HTTP.
    Nothing,
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
