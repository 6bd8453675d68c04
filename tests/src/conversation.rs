//! Frames of a TCP connection, as two peers would send them or as no peer should.

use std::net::IpAddr;

use etherparse::{IpHeaders, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder, TcpHeader};

use crate::capture::{ETHERNET, LINUX_SLL, NULL, Packet, RAW};

/// When the first packet of every made-up connection is captured: 2020-09-13T12:26:40.123456Z.
pub const START: u64 = 1_600_000_000_123_456_000;

/// What frames are wrapped in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Ethernet, with the VLAN tags (type, identifier) from the outermost on.
    Ethernet(Vec<(u16, u16)>),
    /// BSD loopback, little-endian.
    Null,
    /// None.
    Raw,
    /// Linux cooked capture.
    LinuxSll,
}

impl Link {
    /// Its number in a savefile.
    #[must_use]
    pub fn link_type(&self) -> u16 {
        match self {
            Self::Ethernet(_) => ETHERNET,
            Self::Null => NULL,
            Self::Raw => RAW,
            Self::LinuxSll => LINUX_SLL,
        }
    }

    fn wrap(&self, v6: bool, packet: &[u8]) -> Vec<u8> {
        let ether_type: u16 = if v6 { 0x86dd } else { 0x0800 };
        let mut frame = Vec::new();
        match self {
            Self::Ethernet(tags) => {
                frame.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
                for (kind, identifier) in tags {
                    frame.extend([kind.to_be_bytes(), identifier.to_be_bytes()].concat());
                }
                frame.extend(ether_type.to_be_bytes());
            }
            Self::Null => frame.extend(if v6 { 30_u32 } else { 2 }.to_le_bytes()),
            Self::Raw => {}
            Self::LinuxSll => {
                frame.extend([0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]);
                frame.extend(ether_type.to_be_bytes());
            }
        }
        frame.extend(packet);
        frame
    }
}

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that opens the connection.
    Client,
    /// The other.
    Server,
}

/// Flags of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// Synchronize.
    pub syn: bool,
    /// Finished.
    pub fin: bool,
    /// Reset.
    pub rst: bool,
}

/// A connection being captured: each method adds a frame, a second after the one before.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// What the frames are wrapped in.
    pub link: Link,
    /// The client's address and port.
    pub client: (IpAddr, u16),
    /// The server's address and port.
    pub server: (IpAddr, u16),
    /// Initial sequence numbers of client and server.
    pub initial: (u32, u32),
    /// When the next frame is captured.
    pub clock: u64,
    /// The frames so far.
    pub packets: Vec<Packet>,
}

impl Default for Conversation {
    fn default() -> Self {
        Self {
            link: Link::Ethernet(Vec::new()),
            client: ([192, 0, 2, 1].into(), 1000),
            server: ([192, 0, 2, 2].into(), 80),
            initial: (100, 500),
            clock: START,
            packets: Vec::new(),
        }
    }
}

impl Conversation {
    /// One from `client` to `server` over IPv6.
    #[must_use]
    pub fn v6() -> Self {
        Self {
            client: ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into(), 1000),
            server: ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 2].into(), 80),
            ..Self::default()
        }
    }

    /// Opens, sends `request` and `reply`, closes.
    #[must_use]
    pub fn exchange(mut self, request: &[u8], reply: &[u8]) -> Self {
        self.open();
        self.data(Side::Client, 0, request);
        self.data(Side::Server, 0, reply);
        self.fin(Side::Client, request.len());
        self.fin(Side::Server, reply.len());
        self
    }

    /// The SYNs of both.
    pub fn open(&mut self) {
        let syn = Flags { syn: true, ..Flags::default() };
        self.segment(Side::Client, self.initial.0, syn, &[]);
        self.segment(Side::Server, self.initial.1, syn, &[]);
    }

    /// Payload whose first byte has this offset in the sender's stream.
    pub fn data(&mut self, side: Side, offset: usize, payload: &[u8]) {
        self.segment(side, self.sequence(side, offset), Flags::default(), payload);
    }

    /// The sender's FIN after so many bytes.
    pub fn fin(&mut self, side: Side, offset: usize) {
        self.segment(side, self.sequence(side, offset), Flags { fin: true, ..Flags::default() }, &[]);
    }

    /// The sender's RST after so many bytes.
    pub fn rst(&mut self, side: Side, offset: usize) {
        self.segment(side, self.sequence(side, offset), Flags { rst: true, ..Flags::default() }, &[]);
    }

    fn sequence(&self, side: Side, offset: usize) -> u32 {
        let initial = match side {
            Side::Client => self.initial.0,
            Side::Server => self.initial.1,
        };
        let modulo = u32::try_from(offset & 0xffff_ffff).unwrap();
        initial.wrapping_add(1).wrapping_add(modulo)
    }

    /// Any segment.
    pub fn segment(&mut self, side: Side, sequence: u32, flags: Flags, payload: &[u8]) {
        let (from, to) = match side {
            Side::Client => (self.client, self.server),
            Side::Server => (self.server, self.client),
        };
        let mut tcp = TcpHeader::new(from.1, to.1, sequence, 8192);
        tcp.syn = flags.syn;
        tcp.fin = flags.fin;
        tcp.rst = flags.rst;
        tcp.ack = !(flags.syn && side == Side::Client);
        let (v6, ip) = match (from.0, to.0) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let header = Ipv4Header::new(0, 64, IpNumber::TCP, source.octets(), destination.octets());
                (false, IpHeaders::Ipv4(header.unwrap(), Default::default()))
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let header = Ipv6Header {
                    hop_limit: 64,
                    source: source.octets(),
                    destination: destination.octets(),
                    ..Ipv6Header::default()
                };
                (true, IpHeaders::Ipv6(header, Default::default()))
            }
            ends => panic!("two families in one connection: {ends:?}"),
        };
        let mut packet = Vec::new();
        PacketBuilder::ip(ip).tcp_header(tcp).write(&mut packet, payload).unwrap();
        self.packets.push(Packet::whole(self.clock, self.link.wrap(v6, &packet)));
        self.clock += 1_000_000_000;
    }
}
