//! Framing: many messages and their payload in one datagram.
//!
//! ```text
//! length of headers  u32, little endian
//! payload beside     u32, little endian, bytes
//! sequence number    u64, little endian, from 0, one more for each datagram
//! headers            messages in postcard's coding, one after the other
//! padding            zeros, up to the next multiple of 64 bytes
//! payload            the bytes that the messages speak of, in the same order
//! ```
//!
//! Payload is never coded: it is copied once into the batch and read where it lies. Where two processes share memory it
//! is not in the datagram but beside it, in that memory, and whoever receives both puts it where it belongs.

use std::marker::PhantomData;

use crate::flow::Span;
use crate::limits::{ALIGNMENT, BATCH_PAYLOAD, FRAMING, MAX_DATAGRAM, MAX_HEADERS, MAX_PAYLOAD};
use crate::pages::Pages;
use crate::{Breach, Message};

/// Room that is always enough for the header of one message (the end of a run aside, which goes alone).
const HEADER_ROOM: usize = 1024;

/// What padding is a beginning of.
const EMPTY: [u8; ALIGNMENT] = [0; ALIGNMENT];

/// A batch being filled.
#[derive(Debug)]
pub struct Outgoing<M> {
    /// Framing and headers, in the room that there is for them.
    head: Vec<u8>,
    /// How much of it is taken.
    taken: usize,
    /// Where the header of the last message begins, if that is a byte range which the next one may go on with.
    last: Option<(usize, Span)>,
    payload: Pages,
    /// How much of it is taken.
    filled: usize,
    sequence: u64,
    messages: PhantomData<fn(M)>,
}

impl<M: Message> Default for Outgoing<M> {
    fn default() -> Self {
        Self {
            head: vec![0; padded(FRAMING.saturating_add(MAX_HEADERS))],
            taken: FRAMING,
            last: None,
            payload: Pages::new(MAX_PAYLOAD),
            filled: 0,
            sequence: 0,
            messages: PhantomData,
        }
    }
}

impl<M: Message> Outgoing<M> {
    /// Whether a message with `payload` bytes should wait for the next batch.
    #[must_use]
    pub fn is_full_for(&self, payload: usize) -> bool {
        let headers = self.taken.saturating_add(HEADER_ROOM);
        !self.is_empty() && (headers > MAX_HEADERS || self.filled.saturating_add(payload) > BATCH_PAYLOAD)
    }

    /// Whether nothing was put in since the last [`Self::advance`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.taken <= FRAMING
    }

    /// Puts a message in, with its payload.
    pub fn push(&mut self, message: &M, payload: &[u8]) -> Result<(), Breach> {
        self.push_header(message, payload.len())?;
        let end = self.filled.saturating_add(payload.len());
        let too_long = Breach::TooLong { what: "payload", length: end, limit: MAX_PAYLOAD };
        self.payload.get_mut(self.filled..end).ok_or(too_long)?.copy_from_slice(payload);
        self.filled = end;
        Ok(())
    }

    fn push_header(&mut self, message: &M, payload: usize) -> Result<(), Breach> {
        message.check()?;
        if usize::try_from(message.payload_len()).ok() != Some(payload) {
            return Err(Breach::Payload { claimed: message.payload_len(), left: payload });
        }
        let range = message.range();
        let joined = self.last.zip(range).and_then(|((begin, last), range)| Some((begin, last.and(&range)?)));
        let both = joined.and_then(|(_, both)| M::of_range(both));
        let begin = joined.map_or(self.taken, |(begin, _)| begin);
        let room = self.head.get_mut(begin..FRAMING.saturating_add(MAX_HEADERS)).unwrap_or_default();
        let header = postcard::to_slice(both.as_ref().unwrap_or(message), room)?.len();
        self.taken = begin.saturating_add(header);
        self.last = joined.or_else(|| Some((begin, range?)));
        Ok(())
    }

    /// The datagram, in two parts to be sent as one.
    pub fn parts(&mut self) -> Result<[&[u8]; 2], Breach> {
        self.frame(0)
    }

    /// The datagram, and the payload that it says is beside it.
    pub fn parts_beside(&mut self) -> Result<[&[u8]; 2], Breach> {
        self.frame(self.filled)
    }

    fn frame(&mut self, beside: usize) -> Result<[&[u8]; 2], Breach> {
        let headers = self.taken.saturating_sub(FRAMING);
        let length = u32::try_from(headers).map_err(|_| Breach::Short(headers))?;
        let beside = u32::try_from(beside).map_err(|_| Breach::Short(headers))?;
        let lengths = length.to_le_bytes().into_iter().chain(beside.to_le_bytes());
        for (place, byte) in self.head.iter_mut().zip(lengths.chain(self.sequence.to_le_bytes())) {
            *place = byte;
        }
        let end = padded(self.taken);
        self.head.get_mut(self.taken..end).unwrap_or_default().fill(0);
        let (head, payload) = (self.head.get(..end), self.payload.get(..self.filled));
        Ok([head.unwrap_or_default(), payload.unwrap_or_default()])
    }

    /// Empties the batch once it was sent.
    pub fn advance(&mut self) {
        self.taken = FRAMING;
        self.last = None;
        self.filled = 0;
        self.sequence = self.sequence.saturating_add(1);
    }
}

/// Where payload begins behind so many bytes.
fn padded(length: usize) -> usize {
    length.checked_next_multiple_of(ALIGNMENT).unwrap_or(usize::MAX)
}

/// How many bytes of payload a datagram says are beside it. They are to be put behind it before it is opened.
pub fn beside(datagram: &[u8]) -> Result<usize, Breach> {
    let field = datagram.get(4..).and_then(<[u8]>::first_chunk);
    let beside = u32::from_le_bytes(*field.ok_or(Breach::Short(datagram.len()))?);
    let beside = usize::try_from(beside).unwrap_or(usize::MAX);
    limit("payload", beside, MAX_PAYLOAD)?;
    Ok(beside)
}

/// A batch that came, read message by message.
#[derive(Debug)]
pub struct Incoming<'a, M> {
    headers: &'a [u8],
    payload: &'a [u8],
    messages: PhantomData<fn() -> M>,
}

impl<'a, M: Message> Incoming<'a, M> {
    /// Takes a datagram apart; `sequence` is the number that is due.
    pub fn open(datagram: &'a [u8], sequence: u64) -> Result<Self, Breach> {
        limit("datagram", datagram.len(), MAX_DATAGRAM)?;
        let short = || Breach::Short(datagram.len());
        let (length, rest) = datagram.split_first_chunk::<4>().ok_or_else(short)?;
        let (_beside, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let (number, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        limit("headers", length, MAX_HEADERS)?;
        let got = u64::from_le_bytes(*number);
        if got != sequence {
            return Err(Breach::Sequence { expected: sequence, got });
        }
        let (headers, rest) = rest.split_at_checked(length).ok_or_else(short)?;
        let before = FRAMING.saturating_add(length);
        let (padding, payload) =
            rest.split_at_checked(padded(before).saturating_sub(before)).ok_or_else(short)?;
        if !EMPTY.starts_with(padding) {
            return Err(Breach::Forbidden("padding that is not empty"));
        }
        limit("payload", payload.len(), MAX_PAYLOAD)?;
        Ok(Self { headers, payload, messages: PhantomData })
    }

    /// Whether it was sent because no more had room in it, or nearly so, and not because its sender had nothing more
    /// to say for now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.payload.len() >= BATCH_PAYLOAD / 2 || self.headers.len() >= MAX_HEADERS / 2
    }

    /// The next message and its payload; none after the last, when nothing may be left over.
    #[allow(clippy::should_implement_trait, reason = "an iterator could not end the run at the first breach")]
    pub fn next(&mut self) -> Result<Option<(M, &'a [u8])>, Breach> {
        if self.headers.is_empty() {
            return if self.payload.is_empty() {
                Ok(None)
            } else {
                Err(Breach::Trailing(self.payload.len()))
            };
        }
        let (message, rest) = postcard::take_from_bytes::<M>(self.headers)?;
        message.check()?;
        let claimed = message.payload_len();
        let (bytes, left) = usize::try_from(claimed)
            .ok()
            .and_then(|length| self.payload.split_at_checked(length))
            .ok_or(Breach::Payload { claimed, left: self.payload.len() })?;
        self.headers = rest;
        self.payload = left;
        Ok(Some((message, bytes)))
    }
}

fn limit(what: &'static str, length: usize, limit: usize) -> Result<(), Breach> {
    if length > limit { Err(Breach::TooLong { what, length, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{FlowId, FromReassembler};
    use crate::frame::{Frame, FromCapture};
    use crate::time::Timestamp;

    fn frame(captured: u32) -> FromCapture {
        FromCapture::Frame(Frame { interface: 0, time: Timestamp::new(1, 2), captured, original: captured })
    }

    fn datagram(messages: &[(FromCapture, &[u8])]) -> Vec<u8> {
        let mut batch = Outgoing::default();
        for (message, payload) in messages {
            batch.push(message, payload).unwrap();
        }
        batch.parts().unwrap().concat()
    }

    #[test]
    fn messages_come_out_as_they_went_in() {
        let sent = datagram(&[(frame(3), b"abc"), (frame(0), b""), (frame(2), b"de")]);
        let mut batch = Incoming::<FromCapture>::open(&sent, 0).unwrap();
        assert_eq!(batch.next().unwrap(), Some((frame(3), &b"abc"[..])));
        assert_eq!(batch.next().unwrap(), Some((frame(0), &b""[..])));
        assert_eq!(batch.next().unwrap(), Some((frame(2), &b"de"[..])));
        assert_eq!(batch.next().unwrap(), None);
    }

    #[test]
    fn a_replayed_datagram_is_refused() {
        let sent = datagram(&[(frame(1), b"x")]);
        assert_eq!(
            Incoming::<FromCapture>::open(&sent, 1).unwrap_err(),
            Breach::Sequence { expected: 1, got: 0 }
        );
    }

    #[test]
    fn payload_beyond_the_datagram_is_refused() {
        let mut sent = datagram(&[(frame(3), b"abc")]);
        sent.pop();
        let mut batch = Incoming::<FromCapture>::open(&sent, 0).unwrap();
        assert_eq!(batch.next().unwrap_err(), Breach::Payload { claimed: 3, left: 2 });
    }

    #[test]
    fn left_over_payload_is_refused() {
        let mut sent = datagram(&[(frame(3), b"abc")]);
        sent.push(0);
        let mut batch = Incoming::<FromCapture>::open(&sent, 0).unwrap();
        batch.next().unwrap();
        assert_eq!(batch.next().unwrap_err(), Breach::Trailing(1));
    }

    #[test]
    fn every_cut_of_a_datagram_is_refused_or_empty() {
        let sent = datagram(&[(frame(3), b"abc"), (frame(2), b"de")]);
        for end in 0..sent.len() {
            let Ok(mut batch) = Incoming::<FromCapture>::open(&sent[..end], 0) else { continue };
            while let Ok(Some(_)) = batch.next() {}
            assert!(batch.next().is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_full_batch_says_so() {
        let mut batch = Outgoing::<FromCapture>::default();
        assert!(!batch.is_full_for(MAX_PAYLOAD), "an empty batch takes any message");
        batch.push(&frame(1), b"x").unwrap();
        assert!(!batch.is_full_for(BATCH_PAYLOAD - 1));
        assert!(batch.is_full_for(BATCH_PAYLOAD));
    }

    #[test]
    fn a_batch_is_full_of_headers_or_of_payload() {
        let is_full = |messages: &[(FromCapture, &[u8])]| {
            Incoming::<FromCapture>::open(&datagram(messages), 0).unwrap().is_full()
        };
        assert!(!is_full(&[(frame(3), b"abc")]));
        assert!(is_full(&[(frame(65_536), &[0; 65_536])]));
        let empty = (frame(0), &b""[..]);
        assert!(is_full(&vec![empty; MAX_HEADERS / 32]));
    }

    #[test]
    fn byte_ranges_that_follow_each_other_are_sent_as_one() {
        let data = |flow, offset, length| FromReassembler::Data(Span { flow: FlowId(flow), offset, length });
        let print = |offset| FromReassembler::Print(Span { flow: FlowId(1), offset, length: 1 });
        let mut batch = Outgoing::default();
        let mut sent = Vec::new();
        for (message, payload) in [
            (data(1, 0, 2), &b"ab"[..]),
            (data(1, 2, 300), &[b'c'; 300]),
            (data(1, 302, 1), b"d"),
            (data(1, 304, 1), b"f"),
            (data(2, 305, 1), b"g"),
            (data(2, 305, 1), b"g"),
            (print(306), b"h"),
            (data(2, 306, 1), b"i"),
            (data(1, 307, 1), b"j"),
        ] {
            batch.push(&message, payload).unwrap();
            sent.extend_from_slice(payload);
        }
        let datagram = batch.parts().unwrap().concat();
        let mut incoming = Incoming::<FromReassembler>::open(&datagram, 0).unwrap();
        let mut came = Vec::new();
        let mut bytes = Vec::new();
        while let Some((message, payload)) = incoming.next().unwrap() {
            came.push(message);
            bytes.extend_from_slice(payload);
        }
        assert_eq!(bytes, sent);
        let (one, two) = (data(2, 305, 1), data(2, 306, 1));
        let others = [one.clone(), one, print(306), two, data(1, 307, 1)];
        assert_eq!(came, [&[data(1, 0, 303), data(1, 304, 1)], &others[..]].concat());
        batch.advance();
        batch.push(&data(1, 308, 1), b"k").unwrap();
        let datagram = batch.parts().unwrap().concat();
        let came = Incoming::<FromReassembler>::open(&datagram, 1).unwrap().next().unwrap();
        assert_eq!(came, Some((data(1, 308, 1), &b"k"[..])));
    }

    #[test]
    fn payload_begins_where_it_is_copied_fast_and_nothing_hides_before_it() {
        let mut datagram = datagram(&[(frame(3), b"abc")]);
        let begin = datagram.len() - 3;
        assert_eq!(begin % ALIGNMENT, 0);
        datagram[begin - 1] = 1;
        let refused = Incoming::<FromCapture>::open(&datagram, 0).unwrap_err();
        assert_eq!(refused, Breach::Forbidden("padding that is not empty"));
    }

    #[test]
    fn payload_beside_is_counted_and_told() {
        let mut batch = Outgoing::default();
        batch.push(&frame(3), b"abc").unwrap();
        batch.push(&frame(2), b"de").unwrap();
        assert!(batch.is_full_for(BATCH_PAYLOAD - 4));
        let [head, payload] = batch.parts_beside().unwrap();
        assert_eq!((beside(head), payload), (Ok(5), &b"abcde"[..]));
        assert!(Incoming::<FromCapture>::open(head, 0).unwrap().next().is_err(), "it is not there");
        let datagram = [head, payload].concat();
        let mut incoming = Incoming::<FromCapture>::open(&datagram, 0).unwrap();
        assert_eq!(incoming.next().unwrap(), Some((frame(3), &b"abc"[..])));
        assert_eq!(incoming.next().unwrap(), Some((frame(2), &b"de"[..])));
        assert_eq!(incoming.next().unwrap(), None);
        batch.advance();
        batch.push(&frame(1), b"x").unwrap();
        assert_eq!(beside(&batch.parts().unwrap().concat()), Ok(0));
    }

    #[test]
    fn more_beside_than_may_be_is_refused() {
        let mut batch = Outgoing::<FromCapture>::default();
        batch.push(&frame(3), b"abc").unwrap();
        let mut datagram = batch.parts_beside().unwrap().concat();
        datagram[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(beside(&datagram), Err(Breach::TooLong { .. })));
        assert_eq!(beside(&datagram[..7]), Err(Breach::Short(7)));
    }

    #[test]
    fn a_sender_cannot_lie_about_its_payload() {
        assert!(Outgoing::default().push(&frame(2), b"x").is_err());
    }
}
