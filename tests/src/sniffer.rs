//! Every frame that arrives at the client, seen by a socket of the test's own.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};

/// A type of frame for experiments, which no kernel answers.
pub const EXPERIMENT: [u8; 2] = [0x88, 0xb5];

/// A socket that receives all that arrives in a network namespace.
pub struct Sniffer {
    socket: OwnedFd,
    seen: BTreeSet<u64>,
}

impl Sniffer {
    /// One at all interfaces of the namespace that the caller is in.
    #[must_use]
    pub fn here() -> Self {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).unwrap();
        Self { socket, seen: BTreeSet::new() }
    }

    /// An experiment's frame to everyone with this mark.
    #[must_use]
    pub fn frame(mark: u64) -> Vec<u8> {
        let mut frame = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1], &EXPERIMENT, &mark.to_be_bytes()].concat();
        frame.resize(60, 0);
        frame
    }

    /// Waits for the frame with this mark.
    pub fn wait_for(&mut self, mark: u64) {
        let limit = Instant::now() + Duration::from_secs(20);
        while !self.has_seen(mark) {
            assert!(Instant::now() < limit, "no frame {mark}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether the frame with this mark has arrived so far.
    pub fn has_seen(&mut self, mark: u64) -> bool {
        let mut buffer = [0; 2048];
        loop {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(22..) if buffer[12..14] == EXPERIMENT => {
                    self.seen.insert(u64::from_be_bytes(buffer[14..22].try_into().unwrap()));
                }
                Ok(_) => {}
                Err(Errno::EAGAIN) => return self.seen.contains(&mark),
                Err(e) => panic!("sniffer: {e}"),
            }
        }
    }
}
