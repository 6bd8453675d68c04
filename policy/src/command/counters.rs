//! How far the roles are: what each says, whether all have answered, and the one line of it for who asks by
//! SIGUSR1.

use std::collections::BTreeMap;

use proto::control::Counts;
use proto::flow::Count;
use proto::limits::MAX_REASONS;

/// The newest counts of each role.
#[derive(Debug, Default)]
pub struct Counters {
    capture: Slot<Captured>,
    reassembler: Slot<Reassembled>,
    writer: Slot<Written>,
    /// The round of answers that someone waits for.
    wanted: Option<u64>,
    /// How many rounds were asked for.
    asked: u64,
}

/// What one role has said: a count for each time that it was asked, all in the same order.
#[derive(Debug, Default)]
struct Slot<T> {
    rounds: u64,
    newest: T,
}

impl<T> Slot<T> {
    fn take(&mut self, counts: T) {
        self.rounds = self.rounds.saturating_add(1);
        self.newest = counts;
    }
}

/// What the capture process counts.
#[derive(Debug, Default, Clone, Copy)]
pub struct Captured {
    /// Bytes of savefiles read, as they lie on the disk.
    pub bytes: u64,
    /// How many there are, if that is known.
    pub of: Option<u64>,
    /// Frames read.
    pub frames: u64,
    /// Frames that the filter expression did not let through.
    pub filtered: u64,
    /// Frames that the kernel dropped.
    pub dropped: u64,
}

/// What the reassembler counts.
#[derive(Debug, Default)]
pub struct Reassembled {
    /// TCP segments.
    pub segments: u64,
    /// Flows so far.
    pub flows: u64,
    /// Flows open now.
    pub open: u64,
    /// Frames set aside, by reason.
    pub frames_aside: Reasons,
    /// Payload bytes.
    pub payload: u64,
    /// Payload bytes that the writer does not get, by reason.
    pub payload_aside: Reasons,
}

/// What the writer counts.
#[derive(Debug, Default)]
pub struct Written {
    /// Payload bytes written.
    pub bytes: u64,
    /// Flow files made.
    pub files: u64,
    /// Payload bytes not written, by reason.
    pub aside: Reasons,
}

/// Counts by reason.
pub type Reasons = BTreeMap<String, u64>;

/// What a role says may be anything: each reason is there once, and there are not more than there may be.
fn by_reason(counts: &[Count]) -> Reasons {
    let mut sums = Reasons::new();
    for Count { reason, count } in counts.iter().take(MAX_REASONS) {
        let sum = sums.entry(reason.as_str().to_owned()).or_default();
        *sum = sum.saturating_add(*count);
    }
    sums
}

impl Counters {
    /// Takes what a role says.
    pub fn take(&mut self, counts: &Counts) {
        match counts {
            &Counts::Capture { bytes, of, frames, filtered, dropped } => {
                self.capture.take(Captured { bytes, of, frames, filtered, dropped });
            }
            Counts::Reassembler { segments, flows, open, frames_aside, payload, payload_aside } => {
                self.reassembler.take(Reassembled {
                    segments: *segments,
                    flows: *flows,
                    open: *open,
                    frames_aside: by_reason(frames_aside),
                    payload: *payload,
                    payload_aside: by_reason(payload_aside),
                });
            }
            Counts::Writer { written, files, aside } => {
                self.writer.take(Written { bytes: *written, files: *files, aside: by_reason(aside) });
            }
        }
    }

    /// Waits for the next round of answers; whether the roles have to be asked for it.
    pub fn want(&mut self) -> bool {
        let asks = self.wanted.is_none();
        self.wanted.get_or_insert(self.capture.rounds.saturating_add(1));
        asks
    }

    /// Whether every role has answered the round that was waited for, which is then waited for no more.
    pub fn are_answered(&mut self) -> bool {
        let answered = self.answered();
        self.wanted.take_if(|wanted| answered >= *wanted).is_some()
    }

    /// The roles are asked; the round that they will answer to it.
    pub fn ask(&mut self) -> u64 {
        self.asked = self.asked.max(self.capture.rounds).saturating_add(1);
        self.asked
    }

    /// How many rounds capture has begun.
    pub fn begun(&self) -> u64 {
        self.capture.rounds
    }

    /// How many rounds all have answered.
    pub fn answered(&self) -> u64 {
        self.capture.rounds.min(self.reassembler.rounds).min(self.writer.rounds)
    }

    /// What the roles have said last.
    pub fn newest(&self) -> (&Captured, &Reassembled, &Written) {
        (&self.capture.newest, &self.reassembler.newest, &self.writer.newest)
    }

    /// The line for who asks by SIGUSR1.
    pub fn line(&self) -> String {
        let Captured { bytes, frames, dropped, .. } = self.capture.newest;
        let Reassembled { segments, flows, open, .. } = self.reassembler.newest;
        let Written { bytes: written, files, .. } = self.writer.newest;
        format!(
            "{bytes} bytes read, {frames} frames, {dropped} dropped, {segments} segments, {flows} flows, \
             {open} open, {written} bytes written, {files} files"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::text::Text;

    const CAPTURE: Counts = Counts::Capture { bytes: 1, of: None, frames: 2, filtered: 0, dropped: 3 };
    const REASSEMBLER: Counts = Counts::Reassembler {
        segments: 4,
        flows: 5,
        open: 6,
        frames_aside: Vec::new(),
        payload: 7,
        payload_aside: Vec::new(),
    };
    const WRITER: Counts = Counts::Writer { written: 7, files: 8, aside: Vec::new() };

    #[test]
    fn an_answer_has_what_all_three_said_after_the_question() {
        let mut counters = Counters::default();
        for counts in [CAPTURE, REASSEMBLER, WRITER, CAPTURE] {
            counters.take(&counts);
        }
        assert!(!counters.are_answered(), "nobody asked");
        assert!(counters.want());
        assert!(!counters.want(), "asked already");
        // Of the round that was under way.
        counters.take(&REASSEMBLER);
        counters.take(&WRITER);
        assert!(!counters.are_answered());
        for counts in [CAPTURE, REASSEMBLER] {
            counters.take(&counts);
            assert!(!counters.are_answered());
        }
        counters.take(&WRITER);
        let line = "1 bytes read, 2 frames, 3 dropped, 4 segments, 5 flows, 6 open, 7 bytes written, 8 files";
        assert!(counters.are_answered());
        assert_eq!(counters.line(), line);
        assert!(!counters.are_answered(), "once");
    }

    #[test]
    fn a_reason_is_there_once_and_reasons_are_bounded() {
        let count = |reason: &str| Count { reason: Text::cut(reason), count: u64::MAX };
        assert_eq!(by_reason(&[count("a"), count("b"), count("a")]).len(), 2);
        let many: Vec<Count> = (0..1000).map(|number| count(&number.to_string())).collect();
        assert_eq!(by_reason(&many).len(), MAX_REASONS);
    }
}
