//! What went wrong many times: told the first few times, counted from then on.

use policy::role::Control;
use proto::control::Level;

/// How many are told one by one.
const ONE_BY_ONE: u64 = 10;

/// A kind of mishap.
#[derive(Debug)]
pub struct Tally {
    what: &'static str,
    count: u64,
}

impl Tally {
    /// None of this kind yet; `what` names them.
    pub fn new(what: &'static str) -> Self {
        Self { what, count: 0 }
    }

    /// One more.
    pub fn tell(&mut self, control: &Control, text: &str) {
        self.count = self.count.saturating_add(1);
        if self.count <= ONE_BY_ONE {
            control.notice(Level::Error, text);
        }
    }

    /// The sum, if any.
    pub fn close(&self, control: &Control) {
        if self.count > 0 {
            control.notice(Level::Error, &format!("{}: {}", self.what, self.count));
        }
    }
}

/// A name as it can stand in a line: a newline in it would begin one of its own.
pub fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}
