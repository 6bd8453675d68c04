//! A file that may be compressed, in any way: recognising and undoing that, as far as to plain bytes.
#![no_main]

use std::fs::File;
use std::io::{Seek, Write};

use capture::source::{Failure, Source};
use libfuzzer_sys::fuzz_target;
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Where a file that expands without end has shown that it does.
const ENOUGH: usize = 4 << 20;

fuzz_target!(|input: &[u8]| {
    let mut file = File::from(memfd_create(c"input", MFdFlags::empty()).unwrap());
    file.write_all(input).unwrap();
    file.rewind().unwrap();
    let (mut source, mut room, mut all) = (Source::new(file.into()), vec![0; 64 << 10], 0);
    // Each wait is for a read, and each read gives bytes or is the last.
    let mut waits = 0;
    while all < ENOUGH {
        source.grant(true);
        match source.read(&mut room) {
            Ok(0) | Err(Failure::System(_) | Failure::Compressed { .. }) => return,
            Ok(count) => all += count,
            Err(Failure::Wait) => {
                waits += 1;
                assert!(waits <= input.len() + 2, "waits for what is not there");
            }
        }
    }
});
