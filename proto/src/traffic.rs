//! What the page of charts is drawn of: the traffic, counted.
//!
//! All of it is bounded, whatever the traffic was: [`Traffic`] is one message, and what is longer (every address,
//! every wireless network) comes row by row.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::Breach;
use crate::text::Text;
use crate::time::Timestamp;

/// Columns of the timeline.
pub const MAX_COLUMNS: usize = 60;
/// Ports that the timeline tells apart.
pub const MAX_BANDS: usize = 6;
/// Rows of a ranking.
pub const MAX_ROWS: usize = 10;
/// Addresses and prefixes that may be kept for each direction (`-S netviz_histogram_size`).
pub const MAX_ADDRESSES: u32 = 65_536;
/// Wireless networks that are told apart.
pub const MAX_NETWORKS: usize = 16_384;
/// Bytes of the name of a wireless network, IEEE 802.11, 9.4.2.2.
pub const MAX_SSID: usize = 32;
/// Bytes of an input's name that are sent along.
pub const MAX_INPUT: usize = 512;

/// The traffic of a run. Bytes are those that frames had on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// The first input, as the user named it.
    pub input: Text,
    /// How many inputs there were.
    pub inputs: u64,
    /// IP packets.
    pub packets: u64,
    /// Bytes of IPv4.
    pub ipv4: u64,
    /// Bytes of IPv6.
    pub ipv6: u64,
    /// The earliest and the latest time of a packet.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Bytes over time.
    pub timeline: Timeline,
    /// Bytes by the sender's address.
    pub sources: Ranking<Prefix>,
    /// Bytes by the receiver's address.
    pub destinations: Ranking<Prefix>,
    /// Bytes of TCP by the sender's port.
    pub source_ports: Ranking<u16>,
    /// Bytes of TCP by the receiver's port.
    pub destination_ports: Ranking<u16>,
}

/// Bytes over time, in columns of one width.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// When the first column begins, in microseconds since 1970: a multiple of the width.
    pub start: i64,
    /// The width of a column, in microseconds.
    pub width: u64,
    /// The ports that are told apart, those with the most bytes first.
    pub bands: Vec<u16>,
    /// The columns, in order.
    pub columns: Vec<Column>,
}

/// A column of the timeline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Bytes of TCP of each port that is told apart.
    pub bands: Vec<u64>,
    /// Bytes of TCP of all other ports.
    pub other_ports: u64,
    /// Bytes of everything else.
    pub other: u64,
}

impl Column {
    /// All bytes of the column.
    #[must_use]
    pub fn total(&self) -> u64 {
        let rest = self.other_ports.saturating_add(self.other);
        self.bands.iter().fold(rest, |sum, bytes| sum.saturating_add(*bytes))
    }
}

/// Who had the most bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranking<T> {
    /// The first, [`MAX_ROWS`] at most, those with the most bytes first.
    pub rows: Vec<(T, u64)>,
    /// The bytes of all.
    pub total: u64,
    /// How many there are, those summed up as prefixes counted as one each.
    pub count: u64,
    /// Whether some were summed up as prefixes.
    pub summed_up: bool,
}

/// An address, or all addresses that begin like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Prefix {
    /// The address, zeros after the prefix.
    pub address: IpAddr,
    /// Bits of it that count.
    pub length: u8,
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.length == width(self.address) {
            self.address.fmt(f)
        } else {
            write!(f, "{}/{}", self.address, self.length)
        }
    }
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// What one address, or a prefix without those of its addresses that have a row of their own, sent or received
/// (`-S netviz_histogram_dump`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Whether it sent them.
    pub sent: bool,
    /// The address.
    pub prefix: Prefix,
    /// Bytes.
    pub bytes: u64,
}

/// A wireless network that announced itself, IEEE 802.11.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Who announced it: the transmitter's address.
    pub mac: [u8; 6],
    /// Its name, [`MAX_SSID`] bytes of anything at most.
    pub ssid: Vec<u8>,
    /// How often.
    pub count: u64,
}

impl Traffic {
    /// Refuses what is longer than it may be.
    pub fn check(&self) -> Result<(), Breach> {
        let Timeline { width, bands, columns, .. } = &self.timeline;
        let even = columns.iter().all(|column| column.bands.len() == bands.len());
        let addresses = [&self.sources, &self.destinations];
        let ports = [&self.source_ports, &self.destination_ports];
        let long = addresses.iter().any(|ranking| ranking.rows.len() > MAX_ROWS)
            || ports.iter().any(|ranking| ranking.rows.len() > MAX_ROWS)
            || bands.len() > MAX_BANDS
            || columns.len() > MAX_COLUMNS
            || self.input.as_str().len() > MAX_INPUT;
        if long || !even || *width == 0 {
            return Err(Breach::Forbidden("charts that cannot be drawn"));
        }
        addresses.iter().flat_map(|ranking| &ranking.rows).try_for_each(|(prefix, _)| prefix.check())
    }
}

impl Prefix {
    /// Refuses more bits than there are.
    pub fn check(self) -> Result<(), Breach> {
        if self.length > width(self.address) {
            return Err(Breach::Forbidden("a prefix longer than its address"));
        }
        Ok(())
    }
}

impl Network {
    /// Refuses a name that is too long.
    pub fn check(&self) -> Result<(), Breach> {
        if self.ssid.len() > MAX_SSID {
            return Err(Breach::TooLong { what: "SSID", length: self.ssid.len(), limit: MAX_SSID });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;
    use crate::flow::FromReassembler;
    use crate::limits::MAX_HEADERS;

    /// As large as it may be.
    fn largest() -> Traffic {
        let prefix = Prefix { address: IpAddr::V6([0xff; 16].into()), length: 128 };
        let addresses = Ranking {
            rows: vec![(prefix, u64::MAX); MAX_ROWS],
            total: u64::MAX,
            count: u64::MAX,
            summed_up: true,
        };
        let ports = Ranking {
            rows: vec![(u16::MAX, u64::MAX); MAX_ROWS],
            total: u64::MAX,
            count: u64::MAX,
            summed_up: true,
        };
        let column = Column { bands: vec![u64::MAX; MAX_BANDS], other_ports: u64::MAX, other: u64::MAX };
        let time = Timestamp::new(i64::MIN, 999_999_999);
        Traffic {
            input: Text::cut(&"x".repeat(MAX_INPUT)),
            inputs: u64::MAX,
            packets: u64::MAX,
            ipv4: u64::MAX,
            ipv6: u64::MAX,
            span: Some((time, time)),
            timeline: Timeline {
                start: i64::MIN,
                width: u64::MAX,
                bands: vec![u16::MAX; MAX_BANDS],
                columns: vec![column; MAX_COLUMNS],
            },
            sources: addresses.clone(),
            destinations: addresses,
            source_ports: ports.clone(),
            destination_ports: ports,
        }
    }

    #[test]
    fn the_largest_fits_the_headers_of_a_batch() {
        let message = FromReassembler::Traffic(Box::new(largest()));
        message.check().unwrap();
        assert!(postcard::to_allocvec(&message).unwrap().len() < MAX_HEADERS);
    }

    #[test]
    fn what_could_not_be_drawn_is_refused() {
        let lies: [fn(&mut Traffic); 6] = [
            |traffic| traffic.timeline.columns.push(Column::default()),
            |traffic| traffic.timeline.width = 0,
            |traffic| traffic.timeline.bands.clear(),
            |traffic| traffic.source_ports.rows.push((1, 1)),
            |traffic| traffic.sources.rows[0].0.length = 129,
            |traffic| traffic.input = Text::cut(&"x".repeat(MAX_INPUT + 1)),
        ];
        for (number, lie) in lies.into_iter().enumerate() {
            let mut traffic = largest();
            lie(&mut traffic);
            assert!(traffic.check().is_err(), "{number}");
        }
        let network = Network { mac: [0; 6], ssid: vec![0; MAX_SSID + 1], count: 1 };
        assert!(FromReassembler::Network(Box::new(network)).check().is_err());
    }

    #[test]
    fn prefixes_are_shown_as_such() {
        let shown = |address: [u8; 4], length| Prefix { address: address.into(), length }.to_string();
        assert_eq!(shown([10, 1, 2, 3], 32), "10.1.2.3");
        assert_eq!(shown([10, 1, 0, 0], 16), "10.1.0.0/16");
    }
}
