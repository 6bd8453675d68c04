//! Names of flow files, from the template and what is known when a flow begins.

use std::fmt::{self, Display, Write as _};
use std::net::IpAddr;

use proto::flow::FlowOpen;
use proto::template::{Field, Part, Template};
use proto::time::Timestamp;

use crate::time::{ascii, digits, iso8601};

/// What goes before the names of flows where they are shown: the output directory, as the user named it.
pub fn prefix(output: &[u8]) -> Vec<u8> {
    if output == b"." { Vec::new() } else { [output, b"/"].concat() }
}

/// The name of `flow` beneath the output directory, with this connection counter.
pub fn render(template: &Template, flow: &FlowOpen, counter: u64) -> String {
    render_in("", template, flow, counter)
}

/// The same in a directory, with which the name begins.
pub fn render_in(directory: &str, template: &Template, flow: &FlowOpen, counter: u64) -> String {
    let mut name = String::with_capacity(directory.len().saturating_add(64));
    name.push_str(directory);
    for part in template.parts() {
        match part {
            Part::Literal(text) => name.push_str(text),
            Part::Field(field) => push_field(&mut name, *field, flow, counter),
        }
    }
    name
}

/// Appends one field: what most names have not by way of formatted numbers, since each flow of many has several of these.
/// Writing to a string cannot fail, so the results say nothing.
fn push_field(name: &mut String, field: Field, flow: &FlowOpen, counter: u64) {
    let _ = match field {
        Field::Source => push_padded(name, flow.key.source),
        Field::Destination => push_padded(name, flow.key.destination),
        Field::SourcePort => push_digits::<5>(name, flow.key.source_port.into()),
        Field::DestinationPort => push_digits::<5>(name, flow.key.destination_port.into()),
        Field::Ones => push_digits::<3>(name, group(flow.number, 1)),
        Field::Thousands => push_digits::<3>(name, group(flow.number, 1_000)),
        Field::Millions => push_digits::<3>(name, group(flow.number, 1_000_000)),
        Field::Billions => push_digits::<3>(name, group(flow.number, 1_000_000_000)),
        Field::Session => push_digits::<20>(name, flow.session),
        Field::SourceMac => write!(name, "{}", mac(flow.source_mac.unwrap_or_default())),
        Field::DestinationMac => write!(name, "{}", mac(flow.destination_mac.unwrap_or_default())),
        Field::VlanMark => write!(name, "{}", if flow.vlan.is_some() { "--" } else { "" }),
        Field::Vlan => flow.vlan.map_or(Ok(()), |vlan| write!(name, "{vlan}")),
        Field::Time => write!(name, "{}", iso8601(Timestamp::new(flow.start.seconds(), 0))),
        Field::UnixTime => write!(name, "{}", flow.start.seconds()),
        Field::Counter if counter == 0 => Ok(()),
        Field::Counter | Field::CounterAlways => write!(name, "{counter}"),
        Field::CounterMark => write!(name, "{}", if counter == 0 { "" } else { "c" }),
    };
}

fn group(number: u64, unit: u64) -> u64 {
    number.checked_div(unit).unwrap_or_default().checked_rem(1000).unwrap_or_default()
}

fn push_padded(name: &mut String, address: IpAddr) -> fmt::Result {
    match address {
        IpAddr::V4(v4) => v4.octets().into_iter().enumerate().try_for_each(|(place, octet)| {
            name.push_str(if place > 0 { "." } else { "" });
            push_digits::<3>(name, octet.into())
        }),
        IpAddr::V6(v6) => write!(name, "{v6}"),
    }
}

/// Appends the last N decimal digits.
fn push_digits<const N: usize>(name: &mut String, number: u64) -> fmt::Result {
    name.write_str(ascii(&digits::<N>(number)))
}

/// A MAC address as six groups of hexadecimal digits.
pub fn mac(address: [u8; 6]) -> Mac {
    Mac(address)
}

/// A MAC address, to be shown.
#[derive(Debug, Clone, Copy)]
pub struct Mac([u8; 6]);

impl Mac {
    /// Appends it. Not by way of six formatted numbers, since each flow of a flood has two of these.
    pub fn append(self, text: &mut Vec<u8>) {
        let [[a, b], [c, d], [e, f], [g, h], [i, j], [k, l]] = self.0.map(hexadecimal);
        text.extend_from_slice(&[a, b, b':', c, d, b':', e, f, b':', g, h, b':', i, j, b':', k, l]);
    }
}

/// The two digits of a byte. Both at once: those that are letters are as far from it as `a` is from what follows `9`.
fn hexadecimal(byte: u8) -> [u8; 2] {
    let values = u16::from_be_bytes([byte >> 4, byte & 15]);
    // Above 9 a carry, for each byte by itself.
    let letters = values.wrapping_add(0x0606) >> 4 & 0x0101;
    values.wrapping_add(0x3030).wrapping_add(letters.wrapping_mul(u16::from(b'a' - b'0' - 10))).to_be_bytes()
}

impl Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.append(&mut text);
        f.write_str(ascii(&text))
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proto::flow::{FlowId, FlowKey};

    pub fn open(number: u64) -> FlowOpen {
        FlowOpen {
            flow: FlowId(number),
            key: FlowKey {
                source: "192.168.1.102".parse().unwrap(),
                destination: "74.125.19.104".parse().unwrap(),
                source_port: 50955,
                destination_port: 80,
            },
            number,
            session: 7,
            vlan: None,
            source_mac: Some([0, 1, 2, 3, 4, 255]),
            destination_mac: None,
            start: Timestamp::new(1_223_315_694, 796_605_000),
            client: true,
        }
    }

    fn name(template: &str, flow: &FlowOpen, counter: u64) -> String {
        render(&Template::parse(template).unwrap(), flow, counter)
    }

    #[test]
    fn the_default_template() {
        let plain = "%A.%a-%B.%b%V%v%C%c";
        let mut flow = open(0);
        assert_eq!(name(plain, &flow, 0), "192.168.001.102.50955-074.125.019.104.00080");
        flow.vlan = Some(6);
        assert_eq!(name(plain, &flow, 2), "192.168.001.102.50955-074.125.019.104.00080--6c2");
    }

    #[test]
    fn every_other_letter() {
        let flow = open(12_345_678_901);
        assert_eq!(
            name("%N %K %M %G %S %T %t %E %e %# %%%c", &flow, 3),
            "901 678 345 012 00000000000000000007 2008-10-06T17:54:54Z 1223315694 00:01:02:03:04:ff 00:00:00:00:00:00 3 %3"
        );
    }

    #[test]
    fn addresses_of_ipv6_are_as_inet_ntop_has_them() {
        let mut flow = open(0);
        flow.key.source = "2001:4860:4860::8888".parse().unwrap();
        assert_eq!(name("%A%c", &flow, 0), "2001:4860:4860::8888");
    }
}
