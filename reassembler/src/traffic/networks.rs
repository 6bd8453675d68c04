//! Wireless networks that announced themselves: who, under which name, and how often.

use std::collections::BTreeMap;

use proto::flow::FromReassembler;
use proto::plan::NetworkPlan;
use proto::traffic::{MAX_NETWORKS, MAX_SSID, Network};

use crate::Error;
use crate::decode::{Announcement, LinkType};
use crate::sink::Sink;

/// Networks by address and name.
#[derive(Debug)]
pub struct Networks {
    check_sequence: bool,
    counts: BTreeMap<([u8; 6], Name), u64>,
    /// Announcements of networks that there was no room for.
    others: u64,
}

/// A name, and how many bytes of it count.
type Name = ([u8; MAX_SSID], usize);

impl Networks {
    /// None yet.
    #[must_use]
    pub fn new(plan: &NetworkPlan) -> Self {
        Self { check_sequence: plan.check_sequence, counts: BTreeMap::new(), others: 0 }
    }

    /// Counts a frame if it announces a network.
    pub fn frame(&mut self, link: LinkType, bytes: &[u8], original: u32) {
        if let Some(announcement) = link.announcement(bytes, original, self.check_sequence) {
            self.count(&announcement);
        }
    }

    fn count(&mut self, Announcement { mac, ssid }: &Announcement<'_>) {
        let mut name = [0; MAX_SSID];
        for (place, byte) in name.iter_mut().zip(*ssid) {
            *place = *byte;
        }
        let room = self.counts.len() < MAX_NETWORKS;
        let key = (*mac, (name, ssid.len().min(MAX_SSID)));
        match self.counts.get_mut(&key) {
            Some(count) => *count = count.saturating_add(1),
            None if room => drop(self.counts.insert(key, 1)),
            None => self.others = self.others.saturating_add(1),
        }
    }

    /// Tells of all.
    pub fn tell(&self, sink: &mut impl Sink) -> Result<(), Error> {
        for ((mac, (name, length)), count) in &self.counts {
            let ssid = name.get(..*length).unwrap_or_default().to_vec();
            let network = Network { mac: *mac, ssid, count: *count };
            sink.put(&FromReassembler::Network(Box::new(network)), &[])?;
        }
        if self.others > 0 {
            sink.put(&FromReassembler::OtherNetworks(self.others), &[])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_bounded_and_the_rest_is_counted() {
        let mut networks = Networks::new(&NetworkPlan { check_sequence: true });
        for number in 0..20_000_u32 {
            let ssid = number.to_be_bytes();
            networks.count(&Announcement { mac: [2; 6], ssid: &ssid });
            networks.count(&Announcement { mac: [1; 6], ssid: b"always" });
        }
        let mut told = Vec::new();
        networks.tell(&mut told).unwrap();
        assert_eq!(told.len(), MAX_NETWORKS + 1);
        let always = Network { mac: [1; 6], ssid: b"always".to_vec(), count: 20_000 };
        assert_eq!(told[0].0, FromReassembler::Network(Box::new(always)));
        assert_eq!(told[MAX_NETWORKS].0, FromReassembler::OtherNetworks(20_001 - 16_384));
    }

    #[test]
    fn a_name_of_nothing_is_not_one_of_zeros() {
        let mut networks = Networks::new(&NetworkPlan { check_sequence: true });
        for ssid in [&b""[..], b"\0", b"\0\0"] {
            networks.count(&Announcement { mac: [0; 6], ssid });
        }
        assert_eq!(networks.counts.len(), 3);
    }
}
