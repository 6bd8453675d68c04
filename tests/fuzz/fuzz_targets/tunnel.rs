//! Hostile bytes where a tunnel's header belongs: a byte says which tunnel and in which IP, two choose how much was
//! captured.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcpflow_fuzz::{RAW, Snap, check, datagram, packet};

const UDP: u8 = 17;
/// By protocol: IP in IP, GRE, Ethernet in IP, MPLS in IP.
const PROTOCOLS: [u8; 5] = [4, 41, 47, 97, 137];
/// By UDP port: VXLAN, its Linux port, VXLAN-GPE, Geneve, GTP-U, GRE, MPLS, AYIYA, Teredo.
const PORTS: [u16; 9] = [4789, 8472, 4790, 6081, 2152, 4754, 6635, 5072, 3544];

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    let Some((snap, bytes)) = Snap::split(rest) else { return };
    let (v6, tunnel) = (choice & 0x80 != 0, usize::from(choice & 0x7f));
    let outer = match (PROTOCOLS.get(tunnel), PORTS.get(tunnel.wrapping_sub(PROTOCOLS.len()))) {
        (Some(protocol), _) => packet(v6, *protocol, bytes),
        (None, Some(port)) => packet(v6, UDP, &datagram(*port, bytes)),
        (None, None) => return,
    };
    check(RAW, &outer, snap);
});
