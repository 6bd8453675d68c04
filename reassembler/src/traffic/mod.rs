//! What there was on the network, counted as frames are decoded: for the page of charts (`-e netviz`) and for the
//! list of wireless networks (`-e wifiviz`).
//!
//! It only looks on: nothing about flows depends on it. Its memory is bounded whatever comes.

mod addresses;
mod networks;
mod ports;
mod timeline;

use std::net::IpAddr;

use proto::flow::FromReassembler;
use proto::plan::{ChartPlan, NetworkPlan, Wanted};
use proto::text::Text;
use proto::time::Timestamp;
use proto::traffic::{MAX_INPUT, Share, Traffic};

use crate::Error;
use crate::decode::LinkType;
use crate::sink::Sink;
use addresses::Addresses;
use networks::Networks;
use ports::Ports;
use timeline::History;

/// Everything that a plan asks to be counted; by default nothing.
#[derive(Debug, Default)]
pub struct Onlooker {
    charts: Option<Charts>,
    networks: Option<Networks>,
    plans: (Option<ChartPlan>, Option<NetworkPlan>),
    time_delta: i64,
}

/// An IP packet, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// The sender.
    pub source: IpAddr,
    /// The receiver.
    pub destination: IpAddr,
    /// Their ports, where it is a TCP segment.
    pub ports: Option<(u16, u16)>,
}

impl Onlooker {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(wanted: &Wanted, time_delta: i64) -> Self {
        Self {
            charts: wanted.charts.as_ref().map(Charts::new),
            networks: wanted.networks.as_ref().map(Networks::new),
            plans: (wanted.charts, wanted.networks),
            time_delta,
        }
    }

    /// Whether packets are counted.
    #[inline]
    #[must_use]
    pub fn counts_packets(&self) -> bool {
        self.charts.is_some()
    }

    /// An input begins.
    pub fn input(&mut self, name: &Text) {
        if let Some(charts) = &mut self.charts {
            charts.input(name);
        }
    }

    /// A frame came.
    #[inline]
    pub fn frame(&mut self, link: LinkType, bytes: &[u8], original: u32) {
        if let Some(networks) = &mut self.networks {
            networks.frame(link, bytes, original);
        }
    }

    /// A packet was in it that takes so many bytes of it.
    pub fn packet(&mut self, packet: &Packet, time: Timestamp, bytes: u64) {
        if let Some(charts) = &mut self.charts {
            charts.packet(packet, time.shifted(self.time_delta), bytes);
        }
    }

    /// Tells what was counted, and counts anew, in the middle of the input of this name: packets, and wireless networks
    /// if `networks` are told for parts of a run.
    pub fn divide(
        &mut self,
        input: Option<&Text>,
        networks: bool,
        sink: &mut impl Sink,
    ) -> Result<(), Error> {
        let mut charts = self.plans.0.as_ref().map(Charts::new);
        if let (Some(charts), Some(name)) = (&mut charts, input) {
            charts.input(name);
        }
        if let Some(charts) = std::mem::replace(&mut self.charts, charts) {
            charts.tell(sink)?;
        }
        if networks && let Some(networks) = self.networks.take() {
            networks.tell(sink)?;
            self.networks = self.plans.1.as_ref().map(Networks::new);
        }
        Ok(())
    }

    /// Tells all that was counted.
    pub fn tell(self, sink: &mut impl Sink) -> Result<(), Error> {
        if let Some(charts) = self.charts {
            charts.tell(sink)?;
        }
        self.networks.map_or(Ok(()), |networks| networks.tell(sink))
    }
}

/// The counts that charts are drawn of.
#[derive(Debug)]
struct Charts {
    dump: bool,
    input: Text,
    inputs: u64,
    packets: u64,
    ipv4: u64,
    ipv6: u64,
    span: Option<(Timestamp, Timestamp)>,
    history: History,
    sources: Addresses,
    destinations: Addresses,
    source_ports: Ports,
    destination_ports: Ports,
}

impl Charts {
    fn new(plan: &ChartPlan) -> Self {
        let limit = usize::try_from(plan.addresses).unwrap_or(usize::MAX);
        Self {
            dump: plan.dump,
            input: Text::default(),
            inputs: 0,
            packets: 0,
            ipv4: 0,
            ipv6: 0,
            span: None,
            history: History::default(),
            sources: Addresses::new(limit),
            destinations: Addresses::new(limit),
            source_ports: Ports::default(),
            destination_ports: Ports::default(),
        }
    }

    fn input(&mut self, name: &Text) {
        if self.inputs == 0 {
            let mut end = name.as_str().len().min(MAX_INPUT);
            while !name.as_str().is_char_boundary(end) {
                end = end.saturating_sub(1);
            }
            self.input = Text::cut(name.as_str().get(..end).unwrap_or_default());
        }
        self.inputs = self.inputs.saturating_add(1);
    }

    fn packet(&mut self, packet: &Packet, time: Timestamp, bytes: u64) {
        self.packets = self.packets.saturating_add(1);
        let family = if packet.source.is_ipv4() { &mut self.ipv4 } else { &mut self.ipv6 };
        *family = family.saturating_add(bytes);
        self.span = Some(self.span.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
        self.sources.add(packet.source, bytes);
        self.destinations.add(packet.destination, bytes);
        if let Some((source, destination)) = packet.ports {
            self.source_ports.add(source, bytes);
            self.destination_ports.add(destination, bytes);
        }
        // The lower port is mostly that of the service, the other one any.
        let service = packet.ports.map(|(source, destination)| source.min(destination));
        self.history.add(time, service, bytes);
    }

    fn tell(mut self, sink: &mut impl Sink) -> Result<(), Error> {
        self.sources.sum_up();
        self.destinations.sum_up();
        let Self { dump, input, inputs, packets, ipv4, ipv6, span, history, .. } = self;
        let traffic = Traffic {
            input,
            inputs,
            packets,
            ipv4,
            ipv6,
            span,
            timeline: history.timeline(packets),
            sources: self.sources.ranking(),
            destinations: self.destinations.ranking(),
            source_ports: self.source_ports.ranking(),
            destination_ports: self.destination_ports.ranking(),
        };
        sink.put(&FromReassembler::Traffic(Box::new(traffic)), &[])?;
        if dump {
            for (sent, addresses) in [(true, &self.sources), (false, &self.destinations)] {
                for (prefix, bytes) in addresses.all() {
                    sink.put(&FromReassembler::Share(Box::new(Share { sent, prefix, bytes })), &[])?;
                }
            }
        }
        Ok(())
    }
}
