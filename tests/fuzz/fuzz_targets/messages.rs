//! What a role hears from another: batches of either channel, and control messages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::Message;
use proto::batch::Incoming;
use proto::control::{FromRole, ToRole, decode};
use proto::flow::FromReassembler;
use proto::frame::FromCapture;
use proto::runner::{Answer, ToRunner};
use proto::template::Template;

fn read<M: Message>(datagram: &[u8]) {
    let Ok(mut batch) = Incoming::<M>::open(datagram, 0) else { return };
    let mut payload = 0;
    while let Ok(Some((message, bytes))) = batch.next() {
        assert_eq!(usize::try_from(message.payload_len()).unwrap(), bytes.len());
        payload += bytes.len();
    }
    assert!(payload <= datagram.len());
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else { return };
    match kind % 7 {
        0 => read::<FromCapture>(rest),
        1 => read::<FromReassembler>(rest),
        2 => drop(decode::<ToRole>(rest)),
        3 => drop(decode::<FromRole>(rest)),
        5 => read::<ToRunner>(rest),
        6 => read::<Answer>(rest),
        _ => drop(std::str::from_utf8(rest).map(Template::parse)),
    }
});
