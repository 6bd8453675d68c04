//! Live capture: libpcap's ring on one packet socket, read without waiting inside libpcap.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use pcap::{Active, Capture, Device, Packet};
use proto::frame::{Frame, KernelCounts};
use proto::plan::{Group, Live};
use proto::time::Timestamp;

use crate::error::Error;
use crate::filter::words;
use crate::link;
use crate::relay::{End, Relay, Woken};
use crate::sys;
use crate::together::Together;

/// How long what is in the ring may take to read once the user asked for an end.
const DRAIN: Duration = Duration::from_secs(1);
/// How often libpcap gets to look whether the interface is still there: the kernel says only once that
/// an interface went down, and not that it vanished afterwards. Milliseconds.
const LOOK: u16 = 1000;
/// Frames between two looks at the control channel and the kernel's counters while the ring is never empty.
const FRAMES_BETWEEN_LOOKS: u32 = 4096;

/// An open interface.
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Never closed: libpcap would take its ring apart with calls that a confined process may not make.
    /// The kernel does it when this process ends.
    capture: ManuallyDrop<Capture<Active>>,
    link_type: u32,
    snap_length: u32,
    /// The longest that the kernel keeps a frame before it is to be seen in the ring.
    held_back: Duration,
    counts: KernelCounts,
    /// When the group is whole, if the socket is of one.
    together: Option<Together>,
}

impl Interface {
    /// Opens an interface for capture and makes its filter final.
    pub fn open(live: &Live, filter: Option<&str>) -> Result<Self, Error> {
        let name = match &live.interface {
            Some(name) => name.clone(),
            None => first_interface()?,
        };
        let failed = |error: &pcap::Error| Error::Interface(open_words(&name, &words(error)));
        let mut capture = activate(&name, live).map_err(|error| failed(&error))?;
        let link_type = u32::try_from(capture.get_datalink().0).unwrap_or(u32::MAX);
        if !link::is_supported(link_type) {
            return Err(Error::Interface(link::refusal(link_type, &name)));
        }
        // An empty expression lets everything through; it is set all the same, for only a filter that
        // is there can be locked.
        capture.filter(filter.unwrap_or_default(), true).map_err(|error| Error::Filter(words(&error)))?;
        sys::lock_filter(capture.as_fd())
            .map_err(|errno| Error::Interface(format!("{name}: cannot lock the filter: {}", errno.desc())))?;
        // Twice, because the kernel's timer looks at a block once in each such time.
        let held_back =
            Duration::from_millis(u64::from(live.packet_buffer_timeout).saturating_mul(2)).min(DRAIN);
        let counts = KernelCounts::default();
        let capture = ManuallyDrop::new(capture);
        let snap_length = live.snap_length;
        Ok(Self { name, capture, link_type, snap_length, held_back, counts, together: None })
    }

    /// Shares what comes with the others of a group, from now on; the number of the group. The filter is the socket's
    /// own and is there already.
    pub fn share(&mut self, group: Group) -> Result<u16, Error> {
        let number = match group {
            Group::Begin => None,
            Group::Join(number) => Some(number),
        };
        self.together = Some(Together::default());
        sys::join_group(self.capture.as_fd(), number).map_err(|errno| {
            Error::Interface(format!("{}: cannot share it among workers: {}", self.name, errno.desc()))
        })
    }

    /// All are there: what comes from this time on is the run's.
    pub fn begin(&mut self, at: Timestamp) {
        if let Some(together) = &mut self.together {
            together.begin(at);
        }
    }

    /// The packet socket.
    pub fn socket(&self) -> RawFd {
        self.capture.as_raw_fd()
    }

    /// Relays frames until the user asks for an end or the interface fails.
    pub fn relay(&mut self, relay: &mut Relay<'_>) -> Result<End, Error> {
        if self.together.is_some() {
            relay.follow_each();
        }
        relay.input(&self.name, false)?;
        relay.interface(self.link_type, self.snap_length, false)?;
        while self.read_ring(relay)? != Ring::Failed {
            self.count();
            relay.counted(self.counts)?;
            match relay.wait(&*self.capture, LOOK.into())? {
                Woken::Stopped(at) => {
                    self.stop(at);
                    self.drain(relay)?;
                    return Ok(End::Stopped);
                }
                Woken::Rotating => {
                    if self.rotate(relay)? {
                        return Ok(End::Stopped);
                    }
                }
                Woken::Timeout => relay.tick()?,
                Woken::Ready => {}
            }
        }
        Ok(End::Reached)
    }

    /// Has output go on in another directory. Whether an end was asked for meanwhile.
    fn rotate(&mut self, relay: &mut Relay<'_>) -> Result<bool, Error> {
        let mut stopped = false;
        while relay.has_to_rotate() {
            stopped |= self.drain(relay)?;
            self.count();
            relay.counted(self.counts)?;
            relay.rotate()?;
        }
        Ok(stopped)
    }

    /// The user asked for an end.
    fn stop(&mut self, at: Timestamp) {
        if let Some(together) = &mut self.together {
            together.end(at);
        }
    }

    /// Reads what was captured before the user asked for an end, or for another directory, some of which the kernel
    /// still holds back. Whether an end was asked for meanwhile.
    fn drain(&mut self, relay: &mut Relay<'_>) -> Result<bool, Error> {
        let begun = Instant::now();
        let mut stopped = false;
        loop {
            let ring = self.read_ring(relay)?;
            let left = match ring {
                Ring::Failed => return Ok(stopped),
                Ring::Empty => self.held_back.saturating_sub(begun.elapsed()),
                Ring::Filling => DRAIN.saturating_sub(begun.elapsed()),
            };
            if left.is_zero() {
                return Ok(stopped);
            }
            let milliseconds = u16::try_from(left.as_millis()).unwrap_or(u16::MAX).saturating_add(1);
            if let Woken::Stopped(at) = relay.wait(&*self.capture, milliseconds.into())? {
                self.stop(at);
                stopped = true;
            }
        }
    }

    /// What the kernel counted in all.
    pub fn counts(&mut self) -> KernelCounts {
        self.count();
        self.counts
    }

    fn read_ring(&mut self, relay: &mut Relay<'_>) -> Result<Ring, Error> {
        for _ in 0..FRAMES_BETWEEN_LOOKS {
            match self.capture.next_packet() {
                // The kernel's filter has let it through.
                Ok(packet) => {
                    let frame = frame(&packet);
                    if self.together.as_ref().is_none_or(|together| together.has(frame.time)) {
                        relay.frame(frame, packet.data, None)?;
                    }
                }
                Err(pcap::Error::TimeoutExpired) => return Ok(Ring::Empty),
                Err(error) => {
                    relay.failed(&format!("{}: {}", self.name, words(&error)));
                    return Ok(Ring::Failed);
                }
            }
        }
        Ok(Ring::Filling)
    }

    fn count(&mut self) {
        // A socket whose interface is gone has nothing more to tell.
        let Ok(more) = sys::packet_statistics(self.capture.as_fd()) else { return };
        self.counts = self.counts.and(more);
    }
}

/// How reading the ring ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ring {
    /// There is nothing more in it.
    Empty,
    /// There may be more in it.
    Filling,
    /// It cannot be read any more, and the user was told.
    Failed,
}

fn activate(name: &str, live: &Live) -> Result<Capture<Active>, pcap::Error> {
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    Capture::from_device(name)?
        // "any" has no promiscuous mode, and libpcap's warning of that would read as a failure.
        .promisc(live.promiscuous && name != "any")
        .snaplen(number(live.snap_length))
        .buffer_size(number(live.ring))
        // With none at all the kernel would hand nothing over before a block of the ring is full.
        .timeout(number(live.packet_buffer_timeout.max(1)))
        .open()?
        .setnonblock()
}

/// What libpcap lists beside interfaces; a trailing star stands for anything.
const NO_INTERFACES: [&str; 6] = ["any", "nflog", "nfqueue", "bluetooth*", "usbmon*", "dbus-*"];

/// The first interface that libpcap lists, which is the likeliest, unless it is down or a loopback.
fn first_interface() -> Result<String, Error> {
    let devices = Device::list().map_err(|error| Error::Interface(words(&error)))?;
    let likely =
        |device: &Device| device.flags.is_up() && !device.flags.is_loopback() && is_interface(&device.name);
    devices
        .into_iter()
        .find(likely)
        .map(|device| device.name)
        .ok_or_else(|| Error::Interface("no suitable device found".to_owned()))
}

fn is_interface(name: &str) -> bool {
    !NO_INTERFACES.iter().any(|other| match other.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *other,
    })
}

/// The words of `pcap_open_live`, which tcpflow shows, made of those that libpcap gives here.
fn open_words(name: &str, words: &str) -> String {
    let status = if words.contains("permitted") || words.contains("CAP_NET_RAW") {
        "You don't have permission to perform this capture on that device"
    } else if words.contains("No such device") {
        "No such device exists"
    } else {
        return format!("{name}: {words}");
    };
    format!("{name}: {status} ({words})")
}

fn frame(packet: &Packet<'_>) -> Frame {
    let microseconds = u32::try_from(packet.header.ts.tv_usec).unwrap_or_default();
    Frame {
        interface: 0,
        time: Timestamp::new(packet.header.ts.tv_sec, microseconds.saturating_mul(1000)),
        captured: packet.header.caplen,
        original: packet.header.len,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_cannot_be_opened_is_told_as_by_tcpflow() {
        assert_eq!(
            open_words("eth9", "No such device exists"),
            "eth9: No such device exists (No such device exists)"
        );
        assert_eq!(
            open_words("eth0", "socket: Operation not permitted"),
            "eth0: You don't have permission to perform this capture on that device (socket: Operation not permitted)"
        );
        assert_eq!(open_words("eth0", "That device is not up"), "eth0: That device is not up");
    }
}
