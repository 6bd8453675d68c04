//! Which request a response answers: the n-th of a connection the n-th (RFC 9112, 9.3.2).

use std::collections::VecDeque;

use super::head::Method;

/// Requests that may be without an answer at a time.
const MAX_WAITING: usize = 1024;

/// The requests of a connection that wait for their answers.
#[derive(Debug, Default)]
pub struct Exchange {
    /// The flows of the connection that are read.
    pub flows: u8,
    /// Which request is the first in the queue.
    first: u64,
    waiting: VecDeque<Method>,
    /// Whether it is no longer known which response answers which request.
    lost: bool,
}

impl Exchange {
    /// Bytes of heap taken.
    pub fn heap(&self) -> usize {
        self.waiting.capacity()
    }

    /// A request was made.
    pub fn request(&mut self, method: Method) {
        if self.waiting.len() >= MAX_WAITING {
            self.lose();
        }
        if !self.lost {
            self.waiting.push_back(method);
        }
    }

    /// What the response with this number, from 0 and without those of status 1xx, answers.
    pub fn answered(&mut self, number: u64) -> Method {
        while self.first < number && self.waiting.pop_front().is_some() {
            self.first = self.first.saturating_add(1);
        }
        if self.first != number {
            return Method::Other;
        }
        self.waiting.front().copied().unwrap_or(Method::Other)
    }

    /// Requests or responses were missed.
    pub fn lose(&mut self) {
        self.lost = true;
        self.waiting = VecDeque::new();
    }
}
