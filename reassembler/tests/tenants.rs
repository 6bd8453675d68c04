//! Two tenants with the same addresses and ports, each in a network of its own.
#![allow(clippy::unwrap_used, reason = "a test that fails loudly is a test that works")]

mod support;

use proto::plan::{ReassemblerPlan, Separation};
use support::{Capture, Tcp, client, plan};

/// Link type of Ethernet.
const ETHERNET: u32 = 1;

/// The segment as an Ethernet frame in a VXLAN of this number.
fn in_vxlan(network: u8, segment: &Tcp) -> Vec<u8> {
    let payload = [&[8, 0, 0, 0, 0, 0, network, 0][..], &segment.frame()].concat();
    let mut frame = Vec::new();
    etherparse::PacketBuilder::ethernet2([1; 6], [2; 6])
        .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .udp(50_000, 4789)
        .write(&mut frame, &payload)
        .unwrap();
    frame
}

/// The segment with a VLAN tag of this number.
fn in_vlan(number: u8, segment: &Tcp) -> Vec<u8> {
    let mut frame = segment.frame();
    frame.splice(12..12, [0x81, 0, 0, number]);
    frame
}

fn files(plan: &ReassemblerPlan, wrap: fn(u8, &Tcp) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut capture = Capture::new(plan, ETHERNET);
    for (network, payload) in [(1, b"one"), (2, b"two")] {
        for segment in [client(100, "S", b""), client(101, "", payload)] {
            let frame = wrap(network, &segment);
            let length = frame.len();
            capture.raw(&frame, length);
        }
    }
    capture.end().files()
}

#[test]
fn tenants_do_not_mix() {
    assert_eq!(files(&plan(), in_vxlan), [b"one", b"two"]);
}

#[test]
fn they_do_if_only_addresses_count() {
    let plan = ReassemblerPlan { separation: Separation::Addresses, ..plan() };
    assert_eq!(files(&plan, in_vxlan), [b"one"]);
}

#[test]
fn without_decap_there_is_nothing() {
    let plan = ReassemblerPlan { tunnels: false, ..plan() };
    assert!(files(&plan, in_vxlan).is_empty());
}

#[test]
fn those_in_vlans_do_not_mix_when_that_is_asked_for() {
    assert_eq!(files(&plan(), in_vlan), [b"one"], "as in tcpflow");
    let plan = ReassemblerPlan { separation: Separation::Vlan, ..plan() };
    assert_eq!(files(&plan, in_vlan), [b"one", b"two"]);
    assert_eq!(files(&plan, in_vxlan), [b"one", b"two"], "tunnels still do");
}
