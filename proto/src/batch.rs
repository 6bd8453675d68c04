//! Framing: many messages and their payload in one datagram.
//!
//! ```text
//! length of headers  u32, little endian
//! payload beside     u32, little endian, bytes
//! sequence number    u64, little endian, from 0, one more for each datagram
//! headers            messages in postcard's coding, one after the other
//! payload            the bytes that the messages speak of, in the same order
//! ```
//!
//! Payload is never coded: it is copied once into the batch and read where it lies. Where two processes share memory it
//! is not in the datagram but beside it, in that memory, and whoever receives both puts it where it belongs.

use std::marker::PhantomData;

use crate::limits::{BATCH_PAYLOAD, FRAMING, MAX_DATAGRAM, MAX_HEADERS, MAX_PAYLOAD};
use crate::{Breach, Message};

/// Room that is always enough for the header of one message (the end of a run aside, which goes alone).
const HEADER_ROOM: usize = 1024;

/// A batch being filled.
#[derive(Debug)]
pub struct Outgoing<M> {
    /// Framing and headers, in the room that there is for them.
    head: Vec<u8>,
    /// How much of it is taken.
    taken: usize,
    payload: Vec<u8>,
    /// Bytes of payload that are not here, but beside the datagram.
    beside: usize,
    sequence: u64,
    messages: PhantomData<fn(M)>,
}

impl<M: Message> Default for Outgoing<M> {
    fn default() -> Self {
        Self {
            head: vec![0; FRAMING.saturating_add(MAX_HEADERS)],
            taken: FRAMING,
            payload: Vec::new(),
            beside: 0,
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
        !self.is_empty()
            && (headers > MAX_HEADERS || self.payload_len().saturating_add(payload) > BATCH_PAYLOAD)
    }

    fn payload_len(&self) -> usize {
        self.payload.len().saturating_add(self.beside)
    }

    /// Whether nothing was put in since the last [`Self::advance`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.taken <= FRAMING
    }

    /// Puts a message in, with its payload.
    pub fn push(&mut self, message: &M, payload: &[u8]) -> Result<(), Breach> {
        self.push_header(message, payload.len())?;
        self.payload.extend_from_slice(payload);
        limit("payload", self.payload_len(), MAX_PAYLOAD)
    }

    /// Puts a message in whose payload goes beside the datagram.
    pub fn push_beside(&mut self, message: &M, payload: usize) -> Result<(), Breach> {
        self.push_header(message, payload)?;
        self.beside = self.beside.saturating_add(payload);
        limit("payload", self.payload_len(), MAX_PAYLOAD)
    }

    fn push_header(&mut self, message: &M, payload: usize) -> Result<(), Breach> {
        message.check()?;
        if usize::try_from(message.payload_len()).ok() != Some(payload) {
            return Err(Breach::Payload { claimed: message.payload_len(), left: payload });
        }
        let room = self.head.get_mut(self.taken..).unwrap_or_default();
        let header = postcard::to_slice(message, room)?.len();
        self.taken = self.taken.saturating_add(header);
        Ok(())
    }

    /// The datagram, in two parts to be sent as one.
    pub fn parts(&mut self) -> Result<[&[u8]; 2], Breach> {
        let headers = self.taken.saturating_sub(FRAMING);
        let length = u32::try_from(headers).map_err(|_| Breach::Short(headers))?;
        let beside = u32::try_from(self.beside).map_err(|_| Breach::Short(headers))?;
        let lengths = length.to_le_bytes().into_iter().chain(beside.to_le_bytes());
        for (place, byte) in self.head.iter_mut().zip(lengths.chain(self.sequence.to_le_bytes())) {
            *place = byte;
        }
        Ok([self.head.get(..self.taken).unwrap_or_default(), &self.payload])
    }

    /// Empties the batch once it was sent.
    pub fn advance(&mut self) {
        self.taken = FRAMING;
        self.payload.clear();
        self.beside = 0;
        self.sequence = self.sequence.saturating_add(1);
    }
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
        let (headers, payload) = rest.split_at_checked(length).ok_or_else(short)?;
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
        assert!(is_full(&vec![empty; MAX_HEADERS / 8]));
    }

    #[test]
    fn payload_beside_is_counted_and_told() {
        let mut batch = Outgoing::default();
        batch.push_beside(&frame(3), 3).unwrap();
        batch.push_beside(&frame(2), 2).unwrap();
        assert!(batch.is_full_for(BATCH_PAYLOAD - 4));
        let mut datagram = batch.parts().unwrap().concat();
        assert_eq!(beside(&datagram), Ok(5));
        assert!(Incoming::<FromCapture>::open(&datagram, 0).unwrap().next().is_err(), "it is not there");
        datagram.extend(b"abcde");
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
        batch.push_beside(&frame(3), 3).unwrap();
        let mut datagram = batch.parts().unwrap().concat();
        datagram[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(beside(&datagram), Err(Breach::TooLong { .. })));
        assert_eq!(beside(&datagram[..7]), Err(Breach::Short(7)));
        assert!(batch.push_beside(&frame(3), 2).is_err(), "a sender cannot lie about it");
    }

    #[test]
    fn a_sender_cannot_lie_about_its_payload() {
        assert!(Outgoing::default().push(&frame(2), b"x").is_err());
    }
}
