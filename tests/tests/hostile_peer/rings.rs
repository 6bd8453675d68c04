//! What can be said of shared memory that is not so: a hostile receiver hands slots back to whoever fills them, which is all
//! that it can say to it, and a hostile sender speaks of more than a slot has.

use policy::manifest::{FLOWS, FRAMES, Ring};
use proto::limits::MAX_PAYLOAD;
use tcpflow_tests::capture::{ETHERNET, pcap};
use tcpflow_tests::conversation::{Conversation, Side};
use tcpflow_tests::puppet::{Script, claiming};
use tcpflow_tests::suite::Case;

use super::stage::{self, Act, act};

pub fn cases() -> Vec<Case> {
    tcpflow_tests::cases![
        capture_refuses_slots_that_it_did_not_fill,
        reassembler_refuses_slots_that_it_did_not_fill,
    ]
}

/// What no receiver takes, whatever messages there are.
pub fn more_than_any_slot() -> [Act; 3] {
    fn beside(script: Script, claimed: usize, payload: &[u8]) -> Script {
        let datagram = claiming(u32::try_from(claimed).unwrap(), script.sequence, b"", payload);
        script.raw(datagram)
    }
    [
        act("more_payload_beside_than_a_slot_has", "payload of 262145 bytes", |s| {
            beside(s, MAX_PAYLOAD + 1, b"")
        }),
        act("as_much_payload_beside_as_can_be_said", "payload of 4294967295 bytes", |s| {
            beside(s, usize::try_from(u32::MAX).unwrap(), b"")
        }),
        act("a_whole_slot_beside_a_whole_datagram", "datagram of ", |s| {
            beside(s, MAX_PAYLOAD, &vec![0; MAX_PAYLOAD])
        }),
    ]
}

fn capture_refuses_slots_that_it_did_not_fill() {
    refuses("tcpflow-capture", "tcpflow-reassembler", FRAMES);
}

fn reassembler_refuses_slots_that_it_did_not_fill() {
    refuses("tcpflow-reassembler", "tcpflow-writer", FLOWS);
}

/// `filler` fills more slots than there are, and `emptier` says that it has emptied more.
fn refuses(filler: &str, emptier: &str, ring: Ring) {
    let mut talk = Conversation::default();
    talk.open();
    let piece = [b'x'; 1400];
    for number in 0..4000 {
        talk.data(Side::Client, number * piece.len(), &piece);
    }
    for slots in [17, 65_536, u64::MAX - 1] {
        let bench = stage::bench(emptier, &Script::default().hand_back(ring, slots));
        let bench = bench.file("in.pcap", &pcap(ETHERNET, &talk.packets));
        let outcome = stage::run(&bench, &[]).expect(1);
        let _ = outcome.says(&format!("{filler}: protocol breach: more slots handed back than were filled"));
        stage::untouched(&bench);
    }
}
