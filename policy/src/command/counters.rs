//! How far the roles are: what each says, whether all have answered, and the one line of it for who asks by
//! SIGUSR1.

use proto::control::Counts;

/// The newest counts of each role.
#[derive(Debug, Default)]
pub struct Counters {
    capture: Slot<Captured>,
    reassembler: Slot<Reassembled>,
    writer: Slot<Written>,
    /// The round of answers that someone waits for.
    wanted: Option<u64>,
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
    /// Frames that the kernel dropped.
    pub dropped: u64,
}

/// What the reassembler counts.
#[derive(Debug, Default, Clone, Copy)]
pub struct Reassembled {
    /// TCP segments.
    pub segments: u64,
    /// Flows so far.
    pub flows: u64,
    /// Flows open now.
    pub open: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Written {
    bytes: u64,
    files: u64,
}

impl Counters {
    /// Takes what a role says.
    pub fn take(&mut self, counts: Counts) {
        match counts {
            Counts::Capture { bytes, of, frames, dropped } => {
                self.capture.take(Captured { bytes, of, frames, dropped });
            }
            Counts::Reassembler { segments, flows, open } => {
                self.reassembler.take(Reassembled { segments, flows, open });
            }
            Counts::Writer { written, files } => self.writer.take(Written { bytes: written, files }),
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
        let answered = self.capture.rounds.min(self.reassembler.rounds).min(self.writer.rounds);
        self.wanted.take_if(|wanted| answered >= *wanted).is_some()
    }

    /// What capture and reassembler have said last.
    pub fn newest(&self) -> (Captured, Reassembled) {
        (self.capture.newest, self.reassembler.newest)
    }

    /// The line for who asks by SIGUSR1.
    pub fn line(&self) -> String {
        let Captured { bytes, frames, dropped, .. } = self.capture.newest;
        let Reassembled { segments, flows, open } = self.reassembler.newest;
        let Written { bytes: written, files } = self.writer.newest;
        format!(
            "{bytes} bytes read, {frames} frames, {dropped} dropped, {segments} segments, {flows} flows, \
             {open} open, {written} bytes written, {files} files"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURE: Counts = Counts::Capture { bytes: 1, of: None, frames: 2, dropped: 3 };
    const REASSEMBLER: Counts = Counts::Reassembler { segments: 4, flows: 5, open: 6 };
    const WRITER: Counts = Counts::Writer { written: 7, files: 8 };

    #[test]
    fn an_answer_has_what_all_three_said_after_the_question() {
        let mut counters = Counters::default();
        for counts in [CAPTURE, REASSEMBLER, WRITER, CAPTURE] {
            counters.take(counts);
        }
        assert!(!counters.are_answered(), "nobody asked");
        assert!(counters.want());
        assert!(!counters.want(), "asked already");
        // Of the round that was under way.
        counters.take(REASSEMBLER);
        counters.take(WRITER);
        assert!(!counters.are_answered());
        for counts in [CAPTURE, REASSEMBLER] {
            counters.take(counts);
            assert!(!counters.are_answered());
        }
        counters.take(WRITER);
        let line = "1 bytes read, 2 frames, 3 dropped, 4 segments, 5 flows, 6 open, 7 bytes written, 8 files";
        assert!(counters.are_answered());
        assert_eq!(counters.line(), line);
        assert!(!counters.are_answered(), "once");
    }
}
