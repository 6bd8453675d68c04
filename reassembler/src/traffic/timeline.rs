//! Bytes over time and by port, in a bounded number of columns.
//!
//! Columns begin at multiples of their width. When a packet would need one column too many, in either direction of
//! time, the width grows to the next one at which it does not. So the order of packets does not matter, and neither
//! does what their clocks say.

use std::collections::VecDeque;

use proto::time::Timestamp;
use proto::traffic::{Column, MAX_BANDS, MAX_COLUMNS, Timeline};

/// Widths in microseconds that read well. Each is a multiple of the one before it, so that columns merge whole;
/// beyond the last it goes on by ten.
const WIDTHS: [i64; 21] = [
    1,
    2,
    10,
    20,
    100,
    200,
    1_000,
    2_000,
    10_000,
    20_000,
    100_000,
    200_000,
    SECOND,
    2 * SECOND,
    10 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
];
const LONG_WIDTHS: [i64; 6] = [2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 10 * DAY];
const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The end of the year 9999: what claims to be later, or before 1970, counts at the edge.
const LAST: i64 = 253_402_300_799;

/// Ports that one column tells apart, and how many are left of them when there is one more.
const PORTS: usize = 256;
const PORTS_LEFT: usize = 128;

/// Bytes over time.
#[derive(Debug)]
pub struct History {
    width: i64,
    /// The number of the first column: its beginning divided by the width.
    first: i64,
    columns: VecDeque<Bytes>,
}

/// Bytes of one column.
#[derive(Debug, Default)]
struct Bytes {
    /// By port, in the order of ports.
    ports: Vec<(u16, u64)>,
    /// Of ports that are not told apart.
    other_ports: u64,
    /// Without a port.
    other: u64,
}

impl Default for History {
    fn default() -> Self {
        Self { width: 1, first: 0, columns: VecDeque::new() }
    }
}

impl History {
    /// Adds bytes that came at a time.
    pub fn add(&mut self, time: Timestamp, port: Option<u16>, bytes: u64) {
        let micros = micros(time);
        let place = loop {
            match self.place(micros) {
                Some(place) => break place,
                None => self.widen(),
            }
        };
        let Some(column) = self.columns.get_mut(place) else { return };
        match port {
            Some(port) => column.add(port, bytes),
            None => column.other = column.other.saturating_add(bytes),
        }
    }

    /// The place of the column for a time; none if there would be too many columns.
    fn place(&mut self, micros: i64) -> Option<usize> {
        let number = micros.div_euclid(self.width);
        if self.columns.is_empty() {
            self.first = number;
        }
        let count = i64::try_from(self.columns.len()).unwrap_or(i64::MAX);
        let most = i64::try_from(MAX_COLUMNS).unwrap_or(i64::MAX);
        let end = self.first.saturating_add(count).max(number.saturating_add(1));
        if end.saturating_sub(self.first.min(number)) > most {
            return None;
        }
        while self.first > number {
            self.columns.push_front(Bytes::default());
            self.first = self.first.saturating_sub(1);
        }
        let place = usize::try_from(number.saturating_sub(self.first)).ok()?;
        while self.columns.len() <= place {
            self.columns.push_back(Bytes::default());
        }
        Some(place)
    }

    /// Goes on to the next width.
    fn widen(&mut self) {
        let wider = wider(self.width);
        let ratio = wider.checked_div(self.width).unwrap_or(1);
        let first = self.first.div_euclid(ratio);
        let mut merged: VecDeque<Bytes> = VecDeque::new();
        for (number, column) in (self.first..).zip(std::mem::take(&mut self.columns)) {
            let place = usize::try_from(number.div_euclid(ratio).saturating_sub(first)).unwrap_or(0);
            while merged.len() <= place {
                merged.push_back(Bytes::default());
            }
            if let Some(into) = merged.back_mut() {
                into.merge(column);
            }
        }
        (self.width, self.first, self.columns) = (wider, first, merged);
    }

    /// The columns as they are to be drawn; few packets make few columns.
    #[must_use]
    pub fn timeline(mut self, packets: u64) -> Timeline {
        let most = usize::try_from(packets.saturating_mul(4)).unwrap_or(usize::MAX).max(1);
        while self.columns.len() > most {
            self.widen();
        }
        let bands = self.bands();
        let columns = self.columns.iter().map(|column| column.column(&bands)).collect();
        Timeline {
            start: self.first.saturating_mul(self.width),
            width: u64::try_from(self.width).unwrap_or(1),
            bands,
            columns,
        }
    }

    /// The ports with the most bytes.
    fn bands(&self) -> Vec<u16> {
        let mut ports: Vec<(u16, u64)> =
            self.columns.iter().flat_map(|column| column.ports.clone()).collect();
        ports.sort_unstable();
        ports.dedup_by(|(port, bytes), (before, sum)| {
            let same = port == before;
            if same {
                *sum = sum.saturating_add(*bytes);
            }
            same
        });
        ports.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        ports.into_iter().map(|(port, _)| port).take(MAX_BANDS).collect()
    }
}

impl Bytes {
    fn add(&mut self, port: u16, bytes: u64) {
        match self.ports.binary_search_by_key(&port, |(port, _)| *port) {
            Ok(place) => {
                if let Some((_, sum)) = self.ports.get_mut(place) {
                    *sum = sum.saturating_add(bytes);
                }
            }
            Err(place) => {
                self.ports.insert(place, (port, bytes));
                if self.ports.len() > PORTS {
                    self.sum_up();
                }
            }
        }
    }

    /// Keeps the ports with the most bytes.
    fn sum_up(&mut self) {
        self.ports.sort_unstable_by_key(|(port, bytes)| (std::cmp::Reverse(*bytes), *port));
        let lesser = self.ports.drain(PORTS_LEFT.min(self.ports.len())..);
        self.other_ports = lesser.fold(self.other_ports, |sum, (_, bytes)| sum.saturating_add(bytes));
        self.ports.sort_unstable();
    }

    fn merge(&mut self, column: Self) {
        for (port, bytes) in column.ports {
            self.add(port, bytes);
        }
        self.other_ports = self.other_ports.saturating_add(column.other_ports);
        self.other = self.other.saturating_add(column.other);
    }

    fn column(&self, bands: &[u16]) -> Column {
        let of = |band: &u16| self.ports.iter().find(|(port, _)| port == band).map_or(0, |(_, bytes)| *bytes);
        let rest = self.ports.iter().filter(|(port, _)| !bands.contains(port));
        Column {
            bands: bands.iter().map(of).collect(),
            other_ports: rest.fold(self.other_ports, |sum, (_, bytes)| sum.saturating_add(*bytes)),
            other: self.other,
        }
    }
}

fn wider(width: i64) -> i64 {
    let mut widths = WIDTHS.into_iter().chain(LONG_WIDTHS);
    widths.find(|wider| *wider > width).unwrap_or(width.saturating_mul(10))
}

fn micros(time: Timestamp) -> i64 {
    let seconds = time.seconds();
    let within = if (0..LAST).contains(&seconds) { i64::from(time.nanoseconds() / 1_000) } else { 0 };
    seconds.clamp(0, LAST).saturating_mul(SECOND).saturating_add(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(times: impl IntoIterator<Item = Timestamp>) -> History {
        let mut history = History::default();
        for time in times {
            history.add(time, Some(80), 1);
            assert!(history.columns.len() <= MAX_COLUMNS);
        }
        history
    }

    fn sum(timeline: &Timeline) -> u64 {
        timeline.columns.iter().map(Column::total).sum()
    }

    #[test]
    fn widths_merge_whole() {
        let mut width = 1;
        while width < LAST {
            assert_eq!(wider(width) % width, 0, "{width}");
            width = wider(width);
        }
    }

    #[test]
    fn columns_begin_at_round_times() {
        let timeline =
            history((0..100).map(|second| Timestamp::new(1_600_000_001 + second, 5))).timeline(100);
        assert_eq!((timeline.start, timeline.width), (1_600_000_000_000_000, 2_000_000));
        assert_eq!(timeline.columns.len(), 51);
        assert_eq!((timeline.columns[0].bands[0], timeline.columns[1].bands[0]), (1, 2));
    }

    #[test]
    fn clocks_may_say_anything() {
        let times = [0, i64::MIN, 1 << 32, -1, i64::MAX, 1_600_000_000, 0].map(|s| Timestamp::new(s, 7));
        let forth = history(times).timeline(1 << 40);
        let back = history(times.into_iter().rev()).timeline(1 << 40);
        assert_eq!(forth, back);
        assert_eq!(sum(&forth), 7);
    }

    #[test]
    fn time_that_goes_back_is_time() {
        let forth = (0..1000).map(|second| Timestamp::new(1_000_000 + second, 0));
        assert_eq!(history(forth.clone()).timeline(1000), history(forth.rev()).timeline(1000));
    }

    #[test]
    fn few_packets_make_few_columns() {
        let timeline = history((0..3).map(|second| Timestamp::new(second * 20, 0))).timeline(3);
        assert!(timeline.columns.len() <= 12, "{}", timeline.columns.len());
        assert_eq!(history([]).timeline(0), Timeline { width: 1, ..Timeline::default() });
    }

    #[test]
    fn every_port_at_once_leaves_those_with_the_most_bytes() {
        let mut history = History::default();
        for port in 0..=u16::MAX {
            history.add(Timestamp::new(5, 0), Some(port), 1);
            history.add(Timestamp::new(5, 0), Some(443), 10);
        }
        history.add(Timestamp::new(5, 0), None, 3);
        let timeline = history.timeline(200_000);
        assert_eq!(timeline.bands[0], 443);
        assert_eq!((timeline.bands.len(), timeline.columns.len()), (MAX_BANDS, 1));
        assert_eq!(timeline.columns[0].bands[0], 655_361);
        assert_eq!(timeline.columns[0].other, 3);
        assert_eq!(sum(&timeline), 11 * 65_536 + 3);
    }
}
