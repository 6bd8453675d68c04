//! A savefile, from its bytes: the readers alone.
#![no_main]

use capture::record::{Record, Step};
use capture::savefile::Savefile;
use libfuzzer_sys::fuzz_target;
use proto::limits::MAX_FRAME;

fuzz_target!(|input: &[u8]| {
    let (mut savefile, mut start, mut interfaces) = (Savefile::default(), 0, 0_u32);
    loop {
        match savefile.step(&input[start..]) {
            Err(_) => return,
            Ok(Step::Need(need)) => {
                assert!(need.total() > input.len() - start, "what is there is not needed");
                let _ = savefile.end(need, input.len() - start);
                return;
            }
            Ok(Step::Record { used, record }) => {
                assert!(used > 0, "no step stands still");
                match record {
                    Record::Frame(frame, data) => {
                        assert!(data.len() <= MAX_FRAME && data.len() <= used);
                        assert!(frame.interface < interfaces, "of an interface that was told of");
                    }
                    Record::Interface { .. } => interfaces += 1,
                    Record::Other => {}
                }
                start += used;
            }
        }
    }
});
