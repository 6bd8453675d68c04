//! The system's interfaces, which takes no privilege and no libpcap: a list of them for `--list-interfaces`, by
//! getifaddrs(3), and whether one is there, by netdevice(7).
//!
//! What libpcap lists beside them (netfilter queues, USB buses) carries no streams to follow.

use nix::errno::Errno;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;

use super::error::Error;
use super::sys;

/// What libpcap calls all of them together.
const ANY: &str = "any\tall interfaces\n";

/// An interface as it is shown.
struct Interface {
    name: String,
    flags: InterfaceFlags,
    addresses: Vec<String>,
}

/// A line for each interface, in the kernel's order, with tabs between: name, state, addresses.
pub fn list() -> Result<String, Error> {
    let entries = getifaddrs().map_err(|e| Error::Told(format!("cannot list interfaces: {}", e.desc())))?;
    Ok(shown(entries))
}

/// Whether an interface is there and up; one that is all of them always is.
pub fn is_up(name: &str) -> Result<bool, Error> {
    if name == "any" {
        return Ok(true);
    }
    match sys::interface_flags(name) {
        Ok(flags) => Ok(flags.contains(InterfaceFlags::IFF_UP)),
        Err(Errno::ENODEV) => Ok(false),
        Err(e) => Err(Error::Told(format!("{name}: {}", e.desc()))),
    }
}

fn shown(entries: impl Iterator<Item = InterfaceAddress>) -> String {
    let mut interfaces: Vec<Interface> = Vec::new();
    for InterfaceAddress { interface_name, flags, address, .. } in entries {
        // An address may have a label of its own, which is the interface's name and something after it.
        let name = interface_name.split(':').next().unwrap_or(&interface_name).to_owned();
        let more = address.as_ref().and_then(text);
        match interfaces.iter_mut().find(|interface| interface.name == name) {
            Some(interface) => interface.addresses.extend(more),
            None => interfaces.push(Interface { name, flags, addresses: more.into_iter().collect() }),
        }
    }
    let line = |Interface { name, flags, addresses }: &Interface| {
        let columns = format!("{name}\t{}\t{}", state(*flags), addresses.join(" "));
        format!("{}\n", columns.trim_end())
    };
    interfaces.iter().map(line).collect::<String>() + ANY
}

fn state(flags: InterfaceFlags) -> String {
    let mut words = vec![if flags.contains(InterfaceFlags::IFF_UP) { "up" } else { "down" }];
    if flags.contains(InterfaceFlags::IFF_UP) && !flags.contains(InterfaceFlags::IFF_RUNNING) {
        words.push("no carrier");
    }
    if flags.contains(InterfaceFlags::IFF_LOOPBACK) {
        words.push("loopback");
    }
    if flags.contains(InterfaceFlags::IFF_PROMISC) {
        words.push("promiscuous");
    }
    words.join(", ")
}

/// An address as people write it; none of a family without one.
fn text(address: &SockaddrStorage) -> Option<String> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(v4.ip().to_string());
    }
    if let Some(v6) = address.as_sockaddr_in6() {
        return Some(v6.ip().to_string());
    }
    let mac = address.as_link_addr()?.addr()?;
    let octets: Vec<String> = mac.iter().map(|octet| format!("{octet:02x}")).collect();
    mac.iter().any(|octet| *octet != 0).then(|| octets.join(":"))
}
