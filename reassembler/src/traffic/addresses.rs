//! Bytes by address, in bounded memory: where there are too many addresses, those with the least bytes are summed up
//! as the prefix that they share with their neighbours.
//!
//! The rows are the nodes of a binary tree of prefixes, of which only those exist that have bytes. An address whose
//! bytes were summed up and that is seen again gets a row again, so that one that sends much later is still found;
//! the row of a prefix is what has no row of its own below it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proto::traffic::{MAX_ROWS, Prefix, Ranking};

/// A prefix, as bits from the top of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Node {
    v6: bool,
    bits: u128,
    length: u32,
}

/// Bytes by address.
#[derive(Debug)]
pub struct Addresses {
    rows: HashMap<Node, u64>,
    limit: usize,
    total: u64,
    summed_up: bool,
}

/// Fewer rows than this could not be summed up any further: each family has its root.
const LEAST: usize = 4;
/// How many times as many rows as are kept there may be between two times of summing up, so that this is rare: a
/// flood of addresses costs each packet little.
const ROOM: usize = 4;

impl Addresses {
    /// None yet; `limit` rows are kept in the end.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { rows: HashMap::new(), limit: limit.max(LEAST), total: 0, summed_up: false }
    }

    /// Adds bytes of an address.
    pub fn add(&mut self, address: IpAddr, bytes: u64) {
        self.total = self.total.saturating_add(bytes);
        let row = self.rows.entry(Node::of(address)).or_default();
        *row = row.saturating_add(bytes);
        if self.rows.len() > self.limit.saturating_mul(ROOM) {
            self.sum_up();
        }
    }

    /// Sums up until no more rows are left than are kept.
    pub fn sum_up(&mut self) {
        if self.rows.len() <= self.limit {
            return;
        }
        self.summed_up = true;
        let mut rows: Vec<(Node, u64)> = self.rows.drain().collect();
        rows.sort_unstable();
        while rows.len() > self.limit {
            fold(&mut rows);
        }
        self.rows.extend(rows);
    }

    /// Those with the most bytes.
    #[must_use]
    pub fn ranking(&self) -> Ranking<Prefix> {
        let mut rows: Vec<(Node, u64)> = self.rows.iter().map(|(node, bytes)| (*node, *bytes)).collect();
        rows.sort_unstable_by_key(|(node, bytes)| (std::cmp::Reverse(*bytes), *node));
        Ranking {
            rows: rows.iter().take(MAX_ROWS).map(|(node, bytes)| (node.prefix(), *bytes)).collect(),
            total: self.total,
            count: u64::try_from(rows.len()).unwrap_or(u64::MAX),
            summed_up: self.summed_up,
        }
    }

    /// All rows, in the order of their addresses.
    #[must_use]
    pub fn all(&self) -> Vec<(Prefix, u64)> {
        let mut rows: Vec<(Node, u64)> = self.rows.iter().map(|(node, bytes)| (*node, *bytes)).collect();
        rows.sort_unstable();
        rows.into_iter().map(|(node, bytes)| (node.prefix(), bytes)).collect()
    }
}

/// Sums the lesser half of the rows up, each as the longest prefix that it shares with the row before or after it. Rows
/// are, and stay, in the order of their nodes. Every row of the lesser half gets shorter, so that this comes to an end.
fn fold(rows: &mut Vec<(Node, u64)>) {
    let mut sizes: Vec<u64> =
        rows.iter().filter(|(node, _)| !node.is_root()).map(|(_, bytes)| *bytes).collect();
    let middle = sizes.len() / 2;
    if sizes.is_empty() {
        return;
    }
    let (_, &mut most, _) = sizes.select_nth_unstable(middle);
    let mut folded: Vec<(Node, u64)> = Vec::with_capacity(rows.len());
    let mut before = None;
    let following = rows.iter().skip(1).map(|(node, _)| Some(*node)).chain([None]);
    for ((node, bytes), after) in rows.iter().zip(following) {
        let shared = [before, after].into_iter().flatten().map(|other| node.shared(other)).max();
        let lesser = *bytes <= most && !node.is_root();
        folded.push((if lesser { node.cut(shared.unwrap_or(0)) } else { *node }, *bytes));
        before = Some(*node);
    }
    // Nearly in order already, of which a stable sort makes use.
    folded.sort_by_key(|(node, _)| *node);
    folded.dedup_by(|(node, bytes), (before, sum)| {
        let same = node == before;
        if same {
            *sum = sum.saturating_add(*bytes);
        }
        same
    });
    *rows = folded;
}

impl Node {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self { v6: false, bits: u128::from(v4.to_bits()) << 96, length: 32 },
            IpAddr::V6(v6) => Self { v6: true, bits: v6.to_bits(), length: 128 },
        }
    }

    fn is_root(self) -> bool {
        self.length == 0
    }

    /// How many bits another one begins with that this one begins with too.
    fn shared(self, other: Self) -> u32 {
        if self.v6 != other.v6 {
            return 0;
        }
        (self.bits ^ other.bits).leading_zeros().min(self.length).min(other.length)
    }

    /// The prefix of this length, or one bit shorter than this one if that is less.
    fn cut(self, length: u32) -> Self {
        let length = length.min(self.length.saturating_sub(1));
        let mask = u128::MAX.checked_shl(u128::BITS.saturating_sub(length)).unwrap_or(0);
        Self { bits: self.bits & mask, length, ..self }
    }

    fn prefix(self) -> Prefix {
        let address = if self.v6 {
            IpAddr::V6(Ipv6Addr::from_bits(self.bits))
        } else {
            IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(self.bits >> 96).unwrap_or(0)))
        };
        Prefix { address, length: u8::try_from(self.length).unwrap_or(u8::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(bits: u32) -> IpAddr {
        Ipv4Addr::from_bits(bits).into()
    }

    #[test]
    fn addresses_are_counted_exactly_while_they_fit() {
        let mut addresses = Addresses::new(4);
        addresses.sum_up();
        for (bits, bytes) in [(1, 10), (2, 30), (1, 5), (3, 20), (4, 1)] {
            addresses.add(v4(bits), bytes);
        }
        let ranking = addresses.ranking();
        assert!(!ranking.summed_up);
        assert_eq!((ranking.total, ranking.count), (66, 4));
        let shown: Vec<(String, u64)> =
            ranking.rows.iter().map(|(prefix, bytes)| (prefix.to_string(), *bytes)).collect();
        let expected = [("0.0.0.2", 30), ("0.0.0.3", 20), ("0.0.0.1", 15), ("0.0.0.4", 1)];
        assert_eq!(shown, expected.map(|(name, bytes)| (name.to_owned(), bytes)));
    }

    #[test]
    fn the_least_are_summed_up_and_no_byte_is_lost() {
        let mut addresses = Addresses::new(100);
        addresses.add(v4(0xc000_0201), 1_000_000);
        // A scan of 10.1.0.0/16, and one that sends much only after it.
        for low in 0..=0xffff {
            addresses.add(v4(0x0a01_0000 | low), 1);
        }
        addresses.sum_up();
        addresses.add(v4(0x0a01_0007), 500_000);
        addresses.add("2001:db8::1".parse().unwrap(), 70);
        addresses.sum_up();
        let ranking = addresses.ranking();
        assert!(ranking.summed_up && addresses.rows.len() <= 100);
        let sum: u64 = addresses.all().iter().map(|(_, bytes)| bytes).sum();
        assert_eq!((sum, ranking.total), (1_565_606, 1_565_606));
        let names: Vec<String> = ranking.rows.iter().map(|(prefix, _)| prefix.to_string()).collect();
        assert_eq!(names[..2], ["192.0.2.1", "10.1.0.7"]);
        let scan = ranking.rows.iter().filter(|(prefix, _)| prefix.to_string().starts_with("10.1."));
        assert!(scan.clone().count() > 1 && scan.clone().all(|(prefix, _)| prefix.length >= 16), "{names:?}");
        assert!(addresses.all().iter().any(|row| (row.0.to_string().as_str(), row.1) == ("2001:db8::1", 70)));
    }

    #[test]
    fn any_addresses_at_all_stay_within_the_limit() {
        for limit in [0, 4, 5, 64] {
            let mut addresses = Addresses::new(limit);
            let mut state = 1_u128;
            for _ in 0..20_000 {
                state = state.wrapping_mul(0xda94_2042_e4dd_58b5).wrapping_add(0x9e37_79b9_7f4a_7c15);
                addresses.add(Ipv6Addr::from_bits(state).into(), 1);
                addresses.add(v4(u32::try_from(state >> 96).unwrap()), 1);
                assert!(addresses.rows.len() <= limit.max(LEAST) * ROOM);
            }
            addresses.sum_up();
            assert!(addresses.rows.len() <= limit.max(LEAST));
            assert_eq!(addresses.all().iter().map(|(_, bytes)| bytes).sum::<u64>(), 40_000);
        }
    }
}
