//! How far the roles are: what each says, whether all have answered, and the one line of it for who asks by
//! SIGUSR1.

use std::collections::BTreeMap;

use proto::control::Counts;
use proto::flow::Count;
use proto::limits::MAX_REASONS;

/// The newest counts of each role.
#[derive(Debug)]
pub struct Counters {
    captures: Vec<Slot<Captured>>,
    reassemblers: Vec<Slot<Reassembled>>,
    writer: Slot<Written>,
    /// The round of answers that someone waits for.
    wanted: Option<u64>,
    /// How many rounds were asked for.
    asked: u64,
}

/// What one role has said: a count for each time that it was asked, all in the same order.
#[derive(Debug, Default, Clone)]
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
#[derive(Debug, Default, Clone)]
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
        add(&mut sums, reason.as_str(), *count);
    }
    sums
}

fn add(sums: &mut Reasons, reason: &str, count: u64) {
    let sum = sums.entry(reason.to_owned()).or_default();
    *sum = sum.saturating_add(count);
}

impl Captured {
    fn and(self, other: &Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            of: self.of.or(other.of),
            frames: self.frames.saturating_add(other.frames),
            filtered: self.filtered.saturating_add(other.filtered),
            dropped: self.dropped.saturating_add(other.dropped),
        }
    }
}

impl Reassembled {
    fn and(mut self, other: &Self) -> Self {
        for (sums, counts) in
            [(&mut self.frames_aside, &other.frames_aside), (&mut self.payload_aside, &other.payload_aside)]
        {
            for (reason, count) in counts {
                add(sums, reason, *count);
            }
        }
        Self {
            segments: self.segments.saturating_add(other.segments),
            flows: self.flows.saturating_add(other.flows),
            open: self.open.saturating_add(other.open),
            payload: self.payload.saturating_add(other.payload),
            ..self
        }
    }
}

impl Counters {
    /// Nothing counted, by so many pairs of capture and reassembler.
    pub fn of(workers: u32) -> Self {
        let workers = usize::try_from(workers).unwrap_or(usize::MAX);
        Self {
            captures: vec![Slot::default(); workers],
            reassemblers: vec![Slot::default(); workers],
            writer: Slot::default(),
            wanted: None,
            asked: 0,
        }
    }

    /// Takes what a role says; `place`: which of several it is, from 0.
    pub fn take(&mut self, place: usize, counts: &Counts) {
        match counts {
            &Counts::Capture { bytes, of, frames, filtered, dropped } => {
                let counts = Captured { bytes, of, frames, filtered, dropped };
                if let Some(slot) = self.captures.get_mut(place) {
                    slot.take(counts);
                }
            }
            Counts::Reassembler { segments, flows, open, frames_aside, payload, payload_aside } => {
                let counts = Reassembled {
                    segments: *segments,
                    flows: *flows,
                    open: *open,
                    frames_aside: by_reason(frames_aside),
                    payload: *payload,
                    payload_aside: by_reason(payload_aside),
                };
                if let Some(slot) = self.reassemblers.get_mut(place) {
                    slot.take(counts);
                }
            }
            Counts::Writer { written, files, aside } => {
                self.writer.take(Written { bytes: *written, files: *files, aside: by_reason(aside) });
            }
        }
    }

    /// Waits for the next round of answers; whether the roles have to be asked for it.
    pub fn want(&mut self) -> bool {
        let asks = self.wanted.is_none();
        self.wanted.get_or_insert(self.begun().saturating_add(1));
        asks
    }

    /// Whether every role has answered the round that was waited for, which is then waited for no more.
    pub fn are_answered(&mut self) -> bool {
        let answered = self.answered();
        self.wanted.take_if(|wanted| answered >= *wanted).is_some()
    }

    /// The roles are asked; the round that they will answer to it.
    pub fn ask(&mut self) -> u64 {
        self.asked = self.asked.max(self.begun()).saturating_add(1);
        self.asked
    }

    /// How many rounds capture has begun.
    pub fn begun(&self) -> u64 {
        self.captures.iter().map(|slot| slot.rounds).max().unwrap_or_default()
    }

    /// How many rounds all have answered.
    pub fn answered(&self) -> u64 {
        let captures = self.captures.iter().map(|slot| slot.rounds);
        let reassemblers = self.reassemblers.iter().map(|slot| slot.rounds);
        captures.chain(reassemblers).fold(self.writer.rounds, u64::min)
    }

    /// What the roles have said last; of several the sum.
    pub fn newest(&self) -> (Captured, Reassembled, &Written) {
        let captured = self.captures.iter().fold(Captured::default(), |sum, slot| sum.and(&slot.newest));
        let all = self.reassemblers.iter();
        let reassembled = all.fold(Reassembled::default(), |sum, slot| sum.and(&slot.newest));
        (captured, reassembled, &self.writer.newest)
    }

    /// The line for who asks by SIGUSR1.
    pub fn line(&self) -> String {
        let (captured, reassembled, written) = self.newest();
        let Captured { bytes, frames, dropped, .. } = captured;
        let Reassembled { segments, flows, open, .. } = reassembled;
        let Written { bytes: written, files, .. } = written;
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
        let mut counters = Counters::of(1);
        for counts in [CAPTURE, REASSEMBLER, WRITER, CAPTURE] {
            counters.take(0, &counts);
        }
        assert!(!counters.are_answered(), "nobody asked");
        assert!(counters.want());
        assert!(!counters.want(), "asked already");
        // Of the round that was under way.
        counters.take(0, &REASSEMBLER);
        counters.take(0, &WRITER);
        assert!(!counters.are_answered());
        for counts in [CAPTURE, REASSEMBLER] {
            counters.take(0, &counts);
            assert!(!counters.are_answered());
        }
        counters.take(0, &WRITER);
        let line = "1 bytes read, 2 frames, 3 dropped, 4 segments, 5 flows, 6 open, 7 bytes written, 8 files";
        assert!(counters.are_answered());
        assert_eq!(counters.line(), line);
        assert!(!counters.are_answered(), "once");
    }

    #[test]
    fn an_answer_of_several_has_what_all_said_and_is_their_sum() {
        let mut counters = Counters::of(2);
        assert!(counters.want());
        let asked = counters.ask();
        for (place, counts) in [(0, CAPTURE), (0, REASSEMBLER), (1, CAPTURE), (0, WRITER)] {
            counters.take(place, &counts);
            assert!(!counters.are_answered());
        }
        // It has begun another round already, as in the end.
        counters.take(0, &CAPTURE);
        assert_eq!(counters.answered(), 0);
        counters.take(1, &REASSEMBLER);
        assert!(counters.are_answered());
        assert_eq!(counters.answered(), asked);
        let line =
            "2 bytes read, 4 frames, 6 dropped, 8 segments, 10 flows, 12 open, 7 bytes written, 8 files";
        assert_eq!(counters.line(), line);
        // Who was never started says nothing.
        counters.take(2, &CAPTURE);
        assert_eq!(counters.line(), line);
    }

    #[test]
    fn a_reason_is_there_once_and_reasons_are_bounded() {
        let count = |reason: &str| Count { reason: Text::cut(reason), count: u64::MAX };
        assert_eq!(by_reason(&[count("a"), count("b"), count("a")]).len(), 2);
        let many: Vec<Count> = (0..1000).map(|number| count(&number.to_string())).collect();
        assert_eq!(by_reason(&many).len(), MAX_REASONS);
    }
}
