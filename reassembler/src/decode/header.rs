//! The headers that may come before an IP packet, and who opens which.
//!
//! A frame is opened by a walk: each header says which one follows and where it begins. So no header knows
//! what it is in, any may be in any other, and one bound on their number ends every chain.

use super::envelope::Envelope;
use super::layer::Layer;
use super::{
    Aside, ethernet, gre, link, llc, mobile, monitor, mpls, overlay, ppp, ring, transition, wan, wlan,
};

/// A header, named by what it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// An IP packet of either version.
    Ip,
    /// An Ethernet frame.
    Ethernet,
    /// What an Ethertype names.
    Ethertype(u16),
    /// A logical link control header, IEEE 802.2.
    Llc,
    /// An MPLS label stack.
    Mpls,
    /// A PPP frame.
    Ppp,
    /// PPP over Ethernet, from its session header on.
    PppEther,
    /// Cisco HDLC.
    CiscoHdlc,
    /// A Frame Relay frame.
    FrameRelay,
    /// An FDDI frame.
    Fddi,
    /// A token ring frame, or one of Ethernet under its number.
    TokenRing,
    /// An ATM cell's payload with what SunATM puts before it.
    SunAtm,
    /// An IEEE 802.11 frame without its check sequence.
    Wlan,
    /// The same, its header padded to a multiple of four bytes.
    PaddedWlan,
    /// Frames aggregated into one, IEEE 802.11.
    Aggregate,
    /// What radiotap puts before an IEEE 802.11 frame.
    Radiotap,
    /// What the Prism driver puts before an IEEE 802.11 frame.
    Prism,
    /// What AVS drivers put before an IEEE 802.11 frame.
    Avs,
    /// Linux netfilter log.
    Nflog,
    /// OpenBSD packet filter log.
    Pflog,
    /// What Juniper's routers put before an Ethernet frame.
    Juniper,
    /// OpenBSD encapsulation interface.
    Enc,
    /// Four bytes of address family.
    Family,
    /// Linux cooked capture.
    LinuxSll,
    /// Linux cooked capture, version 2.
    LinuxSll2,
    /// Generic routing encapsulation.
    Gre,
    /// VXLAN.
    Vxlan,
    /// VXLAN with its generic protocol extension.
    VxlanGpe,
    /// Network service header.
    Nsh,
    /// Geneve.
    Geneve,
    /// GTP, user plane.
    Gtp,
    /// Teredo.
    Teredo,
    /// Anything in anything.
    Ayiya,
    /// Nothing that is known.
    Unknown,
}

/// The next header, and where it begins.
pub(super) type Step<'a> = Result<(Header, Layer<'a>), Aside>;

impl Header {
    /// Opens a header of this kind. An IP packet has none before it, and gives itself.
    pub(super) fn open<'a>(self, layer: Layer<'a>, envelope: &mut Envelope<'a>) -> Step<'a> {
        match self {
            Self::Ip => Ok((Self::Ip, layer)),
            Self::Ethernet => ethernet::open(layer, envelope),
            Self::Ethertype(ethertype) => ethernet::ethertype(ethertype, layer, envelope),
            Self::Llc => llc::open(layer),
            Self::Mpls => mpls::open(layer),
            Self::Ppp => ppp::open(layer),
            Self::PppEther => ppp::session(layer),
            Self::CiscoHdlc => wan::cisco_hdlc(layer),
            Self::FrameRelay => wan::frame_relay(layer),
            Self::SunAtm => wan::sun_atm(layer),
            Self::Fddi => ring::fddi(layer, envelope),
            Self::TokenRing => ring::token_ring(layer, envelope),
            Self::Wlan => wlan::open(layer, envelope),
            Self::PaddedWlan => wlan::padded(layer, envelope),
            Self::Aggregate => wlan::aggregate(layer, envelope),
            Self::Radiotap => monitor::radiotap(layer),
            Self::Prism => monitor::prism(layer),
            Self::Avs => monitor::avs(layer),
            Self::Nflog => link::nflog(layer),
            Self::Pflog => link::pflog(layer),
            Self::Juniper => link::juniper(layer),
            Self::Enc => Ok((Self::Ip, layer.skip(12)?)),
            Self::Family => Ok((Self::Ip, layer.skip(4)?)),
            Self::LinuxSll => link::linux_sll(layer),
            Self::LinuxSll2 => link::linux_sll2(layer),
            Self::Gre => gre::open(layer, envelope),
            Self::Vxlan => overlay::vxlan(layer, envelope),
            Self::VxlanGpe => overlay::vxlan_gpe(layer, envelope),
            Self::Nsh => overlay::nsh(layer),
            Self::Geneve => overlay::geneve(layer, envelope),
            Self::Gtp => mobile::gtp(layer, envelope),
            Self::Teredo => transition::teredo(layer, envelope),
            Self::Ayiya => transition::ayiya(layer, envelope),
            Self::Unknown => Err(Aside::UnknownLinkType),
        }
    }
}
