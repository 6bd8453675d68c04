//! Community ID, version 1, with a seed of 0: one name for both directions of a connection, which Zeek, Suricata,
//! Wireshark and others give it too. <https://github.com/corelight/community-id-spec>

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto::flow::FlowKey;
use sha1::{Digest, Sha1};

/// The number of TCP among the protocols of IP.
const TCP: u8 = 6;

/// The community ID of a flow.
pub fn id(key: &FlowKey) -> String {
    let ends = [(key.source, key.source_port), (key.destination, key.destination_port)];
    let [first, second] = if octets(ends[0]) <= octets(ends[1]) { ends } else { [ends[1], ends[0]] };
    let mut hash = Sha1::new();
    let seed = [0; 2];
    hash.update(seed);
    for (address, _) in [first, second] {
        match address {
            IpAddr::V4(address) => hash.update(address.octets()),
            IpAddr::V6(address) => hash.update(address.octets()),
        }
    }
    hash.update([TCP, 0]);
    for (_, port) in [first, second] {
        hash.update(port.to_be_bytes());
    }
    format!("1:{}", STANDARD.encode(hash.finalize()))
}

/// An end in the order that decides which comes first. Both ends of a flow are of one family.
fn octets((address, port): (IpAddr, u16)) -> (u128, u16) {
    match address {
        IpAddr::V4(address) => (address.to_bits().into(), port),
        IpAddr::V6(address) => (address.to_bits(), port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str, source_port: u16, destination: &str, destination_port: u16) -> String {
        let [source, destination] = [source, destination].map(|address| address.parse().unwrap());
        id(&FlowKey { source, destination, source_port, destination_port })
    }

    #[test]
    fn ids_are_those_of_the_specification() {
        let v4 = "1:LQU9qZlK+B5F3KDmev6m5PMibrg=";
        assert_eq!(of("128.232.110.120", 34855, "66.35.250.204", 80), v4);
        assert_eq!(of("66.35.250.204", 80, "128.232.110.120", 34855), v4);
        let v6 = "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=";
        let ends = ("2001:470:e5bf:dead:4957:2174:e82c:4887", "2607:f8b0:400c:c03::1a");
        assert_eq!(of(ends.0, 63943, ends.1, 25), v6);
        assert_eq!(of(ends.1, 25, ends.0, 63943), v6);
    }

    #[test]
    fn the_ports_decide_where_the_addresses_are_the_same() {
        assert_eq!(of("127.0.0.1", 1, "127.0.0.1", 2), of("127.0.0.1", 2, "127.0.0.1", 1));
        assert_ne!(of("127.0.0.1", 1, "127.0.0.1", 2), of("127.0.0.1", 2, "127.0.0.1", 2));
    }
}
