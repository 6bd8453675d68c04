//! Fragments of a few datagrams, in any order and at any time: four bytes describe one. What is put together is what was
//! sent, every frame is accounted for once, and memory stays bounded.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use proto::time::Timestamp;
use reassembler::decode::LinkType;
use reassembler::fragments::{Datagram, Fragments, MAX_DATAGRAMS, Outcome};
use tcpflow_fuzz::{DECODER, RAW, packet};

const TCP: u8 = 6;
const FRAGMENT: u8 = 44;
/// A fragment and what it costs, which may come on top of the limit.
const ONE_MORE: usize = 70_000;

struct Described {
    v6: bool,
    more: bool,
    /// Which datagram: nine of them, so that some content differs.
    id: u8,
    /// Its bytes are others than those of the datagram's other fragments.
    lies: bool,
    seconds: i64,
    offset: usize,
    length: usize,
    cut: usize,
}

impl Described {
    fn new([flags, offset, length, cut]: [u8; 4]) -> Self {
        let far = if flags & 0x40 == 0 { 8 } else { 256 };
        let odd = if flags & 2 == 0 || flags & 0x80 != 0 { usize::from(cut & 7) } else { 0 };
        let length = usize::from(length) * 8 + odd;
        Self {
            v6: flags & 1 != 0,
            more: flags & 2 != 0,
            id: flags & 0x0d,
            lies: flags & 0x10 != 0,
            seconds: if flags & 0x20 == 0 { 0 } else { 16 },
            offset: usize::from(offset) * far,
            length,
            cut: usize::from(cut >> 3).min(length),
        }
    }

    fn packet(&self) -> Vec<u8> {
        let content: Vec<u8> = (self.offset..self.offset + self.length)
            .map(|at| if self.lies { 0xff } else { byte(self.id, at) })
            .collect();
        let place = u16::try_from(self.offset).unwrap();
        if self.v6 {
            let [high, low] = (place | u16::from(self.more)).to_be_bytes();
            return packet(true, FRAGMENT, &[&[TCP, 0, high, low, 0, 0, 0, self.id][..], &content].concat());
        }
        let mut packet = packet(false, TCP, &content);
        packet[5] = self.id;
        packet[6..8].copy_from_slice(&((place >> 3) | if self.more { 0x2000 } else { 0 }).to_be_bytes());
        packet
    }
}

/// What a datagram has at this place; at its beginning the datagram's name.
fn byte(id: u8, at: usize) -> u8 {
    id ^ u8::try_from(at * 31 % 251).unwrap()
}

#[derive(Default)]
struct Account {
    /// Datagrams of which some fragment lied.
    liars: BTreeSet<u8>,
    frames: usize,
}

impl Account {
    fn take(&mut self, datagram: &Datagram) {
        self.frames += datagram.frames;
        assert!(datagram.overlaps <= datagram.frames);
        assert!(datagram.payload.len() + datagram.cut <= 65_535);
        let Some(&id) = datagram.payload.first() else { return };
        if self.liars.is_empty() || (id != 0xff && !self.liars.contains(&id)) {
            assert!(datagram.payload.iter().enumerate().all(|(at, got)| *got == byte(id, at)));
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, descriptions)) = input.split_first() else { return };
    let mut fragments = Fragments::new(if choice & 1 == 0 { 64 << 20 } else { 1 << 16 });
    let (mut account, mut sent, mut now) = (Account::default(), 0, 0);
    for description in descriptions.as_chunks().0 {
        let described = Described::new(*description);
        now += described.seconds;
        let time = Timestamp::new(now, 0);
        while let Some(datagram) = fragments.overdue(time) {
            account.take(&datagram);
        }
        assert!(fragments.memory() <= fragments.limit() && fragments.len() <= MAX_DATAGRAMS);
        if described.lies {
            account.liars.insert(described.id);
        }
        let frame = described.packet();
        let original = u32::try_from(frame.len()).unwrap();
        let captured = &frame[..frame.len() - described.cut];
        let mut opened = DECODER.open(LinkType::from_number(RAW), captured, original);
        let _ = opened.segment();
        // None if it is all of its datagram.
        let Some(fragment) = opened.fragment() else { continue };
        sent += 1;
        match fragments.add(&fragment, time, Vec::new()) {
            Outcome::Kept => {}
            Outcome::Aside(_, frames, _) => account.frames += frames,
            Outcome::Whole(datagram) => account.take(&datagram),
        }
        assert!(fragments.memory() <= fragments.limit() + ONE_MORE);
    }
    while let Some(datagram) = fragments.remaining() {
        account.take(&datagram);
    }
    assert_eq!((account.frames, fragments.memory(), fragments.len()), (sent, 0, 0));
});
