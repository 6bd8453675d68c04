//! A savefile and a byte after it that may have it compressed: from its descriptor through the window, and as batches to
//! the reassembler. It says the same as its bytes say that are all there.
#![no_main]

use std::io::{Seek, Write};

use capture::record::{Record, Step};
use capture::savefile::Savefile;
use capture::source::{Failure, Format};
use capture::window::Window;
use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::fuzz_target;
use nix::sys::memfd::{MFdFlags, memfd_create};
use proto::batch::{Incoming, Outgoing};
use proto::frame::FromCapture;
use proto::limits::MAX_FRAME;

/// What may come out of a few bytes of gzip is not all looked at.
const MOST_RECORDS: usize = 10_000;

/// What a record is to the reassembler.
fn message<'a>(record: Record<'a>, interfaces: &mut u32) -> Option<(FromCapture, &'a [u8])> {
    match record {
        Record::Frame(frame, data) => {
            assert!(frame.interface < *interfaces, "of an interface that was told of");
            assert!(data.len() <= MAX_FRAME);
            Some((FromCapture::Frame(frame), data))
        }
        Record::Interface { link_type, snap_length, nanoseconds } => {
            *interfaces += 1;
            Some((FromCapture::Interface { link_type, snap_length, nanoseconds }, &[]))
        }
        Record::Other => None,
    }
}

type Read = (Vec<(FromCapture, Vec<u8>)>, Result<(), String>);

/// All that the bytes say.
fn at_once(input: &[u8]) -> Read {
    let (mut savefile, mut said, mut interfaces, mut start) = (Savefile::default(), Vec::new(), 0, 0);
    loop {
        match savefile.step(&input[start..]) {
            Err(defect) => return (said, Err(defect.to_string())),
            Ok(Step::Need(need)) => {
                assert!(need.total() > input.len() - start, "what is there is not needed");
                let end = savefile.end(need, input.len() - start);
                return (said, end.map_err(|defect| defect.to_string()));
            }
            Ok(Step::Record { used, record }) => {
                assert!(used > 0, "no step stands still");
                let message = message(record, &mut interfaces);
                said.extend(message.map(|(message, data)| (message, data.to_vec())));
                start += used;
            }
        }
    }
}

/// Reads on, as often as that takes.
fn fill(window: &mut Window, total: usize) -> Result<bool, Failure> {
    loop {
        window.grant(true);
        match window.fill(total) {
            Err(Failure::Wait) => {}
            result => return result,
        }
    }
}

/// All that comes out at the other end; none if there is too much of it.
fn relayed(file: &[u8]) -> Option<Read> {
    let mut descriptor = std::fs::File::from(memfd_create("fuzz", MFdFlags::empty()).unwrap());
    descriptor.write_all(file).unwrap();
    descriptor.rewind().unwrap();
    let (mut savefile, mut window) = (Savefile::default(), Window::new(descriptor.into()));
    let (mut batch, mut sequence, mut interfaces, mut said) = (Outgoing::default(), 0, 0, Vec::new());
    let end = loop {
        let used = match savefile.step(window.bytes()) {
            Err(defect) => break Err(defect.to_string()),
            Ok(Step::Need(need)) => match fill(&mut window, need.total()) {
                Ok(true) => 0,
                Ok(false) => {
                    let end = savefile.end(need, window.bytes().len());
                    break end.map_err(|defect| defect.to_string());
                }
                Err(error) => break Err(error.to_string()),
            },
            Ok(Step::Record { used, record }) => {
                if let Some((message, data)) = message(record, &mut interfaces) {
                    if batch.is_full_for(data.len()) {
                        receive(&mut batch, &mut sequence, &mut said);
                    }
                    batch.push(&message, data).unwrap();
                }
                used
            }
        };
        window.advance(used);
        if said.len() > MOST_RECORDS {
            return None;
        }
    };
    receive(&mut batch, &mut sequence, &mut said);
    Some((said, end))
}

fn receive(batch: &mut Outgoing<FromCapture>, sequence: &mut u64, said: &mut Vec<(FromCapture, Vec<u8>)>) {
    let datagram = batch.parts().unwrap().concat();
    let mut incoming = Incoming::<FromCapture>::open(&datagram, *sequence).unwrap();
    while let Some((message, data)) = incoming.next().unwrap() {
        said.push((message, data.to_vec()));
    }
    batch.advance();
    *sequence += 1;
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_last() else { return };
    if Format::of(bytes) != Format::Plain {
        // Compressed, and hostile: nothing to compare with.
        drop(relayed(bytes));
    } else if choice & 1 == 0 {
        assert_eq!(relayed(bytes), Some(at_once(bytes)));
    } else {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        assert_eq!(relayed(&encoder.finish().unwrap()), Some(at_once(bytes)));
    }
});
