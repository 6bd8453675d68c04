//! A hostile receiver hands slots of shared memory back to whoever fills them, which is all that it can say to it.

use policy::manifest::{FLOWS, FRAMES, Ring};
use tcpflow_tests::capture::{ETHERNET, pcap};
use tcpflow_tests::conversation::{Conversation, Side};
use tcpflow_tests::puppet::Script;
use tcpflow_tests::suite::Case;

use super::stage;

pub fn cases() -> Vec<Case> {
    tcpflow_tests::cases![
        capture_refuses_slots_that_it_did_not_fill,
        reassembler_refuses_slots_that_it_did_not_fill,
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
