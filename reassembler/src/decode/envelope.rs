//! What the headers that were passed say: the link's addresses, the overlay network, and how deep it went.

use super::layer::Layer;
use super::{Aside, Link};

/// The most headers that are passed before the TCP header of a frame.
const MAX_HEADERS: u8 = 32;
/// The most tunnels inside each other.
const MAX_TUNNELS: u8 = 8;

/// The overlay network that a packet travelled in: packets with the same addresses and ports in different ones
/// have nothing to do with each other. The default: none, the packet was on the link itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Overlay(u64);

/// What tells overlays apart. The numbers only have to differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// IP in IP, or another tunnel without any identifier.
    Plain,
    /// Provider backbone bridging: the service instance.
    Backbone,
    /// GRE: its key, or the call of PPTP.
    Gre,
    /// ERSPAN: the session.
    Erspan,
    /// VXLAN and its generic extension: the network.
    Vxlan,
    /// Geneve: the network.
    Geneve,
    /// GTP-U: the tunnel endpoint, which differs between the two directions.
    Gtp,
}

impl Kind {
    const fn number(self) -> u64 {
        match self {
            Self::Plain => 1,
            Self::Backbone => 2,
            Self::Gre => 3,
            Self::Erspan => 4,
            Self::Vxlan => 5,
            Self::Geneve => 6,
            Self::Gtp => 7,
        }
    }
}

impl Overlay {
    const VLAN_SHIFT: u32 = 32;
    const KIND_SHIFT: u32 = 56;

    fn new(kind: Kind, identifier: u32) -> Self {
        Self((kind.number() << Self::KIND_SHIFT) | u64::from(identifier))
    }

    /// The same, told apart by VLAN as well. The identifier is the tag without priority and drop eligibility.
    pub(super) fn in_vlan(self, tag: Option<u16>) -> Self {
        let vlan = tag.map_or(0, |tag| u64::from(tag & 0x0fff) | 0x1000);
        Self(self.0 | (vlan << Self::VLAN_SHIFT))
    }
}

/// What the headers that were passed say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope<'a> {
    pub(super) link: Link,
    pub(super) overlay: Overlay,
    /// The frames of an aggregate that are still to be opened.
    pub(super) more: Option<Layer<'a>>,
    headers: u8,
    tunnels: u8,
}

impl Envelope<'_> {
    /// Before the first header.
    pub(super) fn new() -> Self {
        Self {
            link: Link::default(),
            overlay: Overlay::default(),
            more: None,
            headers: MAX_HEADERS,
            tunnels: MAX_TUNNELS,
        }
    }

    /// The same for what a fragment is part of, which outlives the frame.
    pub(super) fn kept(&self) -> Envelope<'static> {
        let Self { link, overlay, more: _, headers, tunnels } = *self;
        Envelope { link, overlay, more: None, headers, tunnels }
    }

    /// Notes one more header.
    pub(super) fn pass(&mut self) -> Result<(), Aside> {
        self.headers = self.headers.checked_sub(1).ok_or(Aside::TooManyHeaders)?;
        Ok(())
    }

    /// Notes one more tunnel. The innermost one that has an identifier says which overlay it is.
    pub(super) fn enter(&mut self, kind: Kind, identifier: Option<u32>) -> Result<(), Aside> {
        self.tunnels = self.tunnels.checked_sub(1).ok_or(Aside::NestedTooDeep)?;
        match identifier {
            Some(identifier) => self.overlay = Overlay::new(kind, identifier),
            None if self.overlay == Overlay::default() => self.overlay = Overlay::new(kind, 0),
            None => {}
        }
        Ok(())
    }
}
