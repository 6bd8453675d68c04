//! Bytes by port.

use proto::traffic::{MAX_ROWS, Ranking};

/// Bytes by port: a row for each that there can be.
#[derive(Debug)]
pub struct Ports(Vec<u64>);

impl Default for Ports {
    fn default() -> Self {
        Self(vec![0; usize::from(u16::MAX).saturating_add(1)])
    }
}

impl Ports {
    /// Adds bytes of a port.
    pub fn add(&mut self, port: u16, bytes: u64) {
        if let Some(sum) = self.0.get_mut(usize::from(port)) {
            *sum = sum.saturating_add(bytes);
        }
    }

    /// Those with the most bytes.
    #[must_use]
    pub fn ranking(&self) -> Ranking<u16> {
        let mut rows: Vec<(u16, u64)> =
            (0..=u16::MAX).zip(self.0.iter().copied()).filter(|(_, bytes)| *bytes > 0).collect();
        rows.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        Ranking {
            total: rows.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes)),
            count: u64::try_from(rows.len()).unwrap_or(u64::MAX),
            summed_up: false,
            rows: rows.into_iter().take(MAX_ROWS).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rows_are_those_with_the_most_bytes() {
        let mut ports = Ports::default();
        for port in 1..=20 {
            ports.add(port, u64::from(port) * 100);
        }
        ports.add(u16::MAX, 1_000_000);
        let ranking = ports.ranking();
        assert_eq!((ranking.rows.len(), ranking.count, ranking.total), (MAX_ROWS, 21, 1_021_000));
        assert_eq!(ranking.rows[..2], [(u16::MAX, 1_000_000), (20, 2000)]);
    }
}
