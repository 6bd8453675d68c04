//! Memory that the sender and the receiver of a data channel share, capture and reassembler or reassembler and writer:
//! slots that the one fills with payload and the other empties, in turn.
//!
//! The batches themselves, with all that is said of payload, go over the data channel as everywhere else, and say how
//! much of the next slot is theirs. What is in a slot is copied out of it once, before anything looks at it, so that
//! nothing changes under whoever reads it. A slot that was emptied is handed back by adding to a counter, eventfd(2): that
//! is all that the receiver has to write to, and the sender counts along, so that it cannot be told of more than it filled.
//!
//! The memory is sealed in its size when it is made, and the receiver's descriptor of it cannot be written to. Once both
//! have their mappings, `tcpflow` seals it against any further one to write by ([`Memory::seal`]), before the first packet.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::Mode;
use nix::unistd::{ftruncate, read, write};
use proto::Breach;
use proto::limits::MAX_PAYLOAD;

use crate::channel::Error;
use crate::manifest::{Ring, heard};
use crate::sys::{self, Shared};

/// How many slots there are: enough that neither process waits for the other's every batch, few enough that what they
/// hold stays in the processor's cache.
const SLOTS: u16 = 16;

/// So many slots are handed back at once, and so many have to be free for the sender not to ask.
const AT_ONCE: u16 = SLOTS / 4;

/// Where the user allows a process fewer descriptors than these there are none to spare for it, RLIMIT_NOFILE: beyond the
/// numbers of the manifest what `tcpflow` has open for itself and while it starts a role, and for each pair of capture and
/// reassembler, once more while its ends are given their numbers.
const DESCRIPTORS: u64 = 16;
const DESCRIPTORS_OF_A_PAIR: u64 = 12;

/// The same of address space in bytes, RLIMIT_AS: for a role, and for the memory of each pair, which the writer has all of.
const ADDRESSES: u64 = 56 << 20;
const ADDRESSES_OF_A_PAIR: u64 = 8 << 20;

/// The memory, as `tcpflow` makes it.
#[derive(Debug)]
pub struct Memory(OwnedFd);

/// The descriptors that a role finds its end by, with their numbers in it.
pub type End = [(OwnedFd, i32); 2];

impl Memory {
    /// Makes it, with the ends of sender and receiver; none where that is not to be had, and payload is sent with what is said
    /// of it: the receiver is given a descriptor that cannot be written to, which takes /proc; the user's own limit on
    /// the size of files (RLIMIT_FSIZE) is one on this memory too; and it takes descriptors and addresses, of which there
    /// have to be enough for so many pairs of capture and reassembler.
    #[must_use]
    pub fn new(name: &str, sender: Ring, receiver: Ring, pairs: u32) -> Option<(Self, End, End)> {
        Self::make(name, sender, receiver, pairs).ok()
    }

    fn make(name: &str, from: Ring, to: Ring, pairs: u32) -> io::Result<(Self, End, End)> {
        if getrlimit(Resource::RLIMIT_NOFILE)?.0 < descriptors(pairs) {
            return Err(Errno::EMFILE.into());
        }
        if getrlimit(Resource::RLIMIT_AS)?.0 < addresses(pairs) {
            return Err(Errno::ENOMEM.into());
        }
        let memory = memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        ftruncate(&memory, i64::try_from(size()).map_err(io::Error::other)?)?;
        fcntl(&memory, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW))?;
        let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
        let readable = open(path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        let counter = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let counter = OwnedFd::from(counter);
        let sender = [(memory.try_clone()?, from.memory), (counter.try_clone()?, from.emptied)];
        Ok((Self(memory), sender, [(readable, to.memory), (counter, to.emptied)]))
    }

    /// Lets nobody write to it any more who does not have it mapped to write by, and no seal be added.
    pub fn seal(self) -> Result<(), Errno> {
        let seals = SealFlag::F_SEAL_FUTURE_WRITE | SealFlag::F_SEAL_SEAL;
        fcntl(&self.0, FcntlArg::F_ADD_SEALS(seals)).map(drop)
    }
}

/// How many descriptors have to be allowed.
fn descriptors(pairs: u32) -> u64 {
    let highest = heard(pairs).filter_map(|(_, ring)| u64::try_from(ring.emptied).ok()).max();
    DESCRIPTORS_OF_A_PAIR
        .saturating_mul(pairs.into())
        .saturating_add(DESCRIPTORS)
        .saturating_add(highest.unwrap_or_default())
}

/// How many bytes of address space have to be allowed.
fn addresses(pairs: u32) -> u64 {
    ADDRESSES_OF_A_PAIR.saturating_mul(pairs.into()).saturating_add(ADDRESSES)
}

fn size() -> usize {
    MAX_PAYLOAD.saturating_mul(usize::from(SLOTS))
}

/// Where a slot begins.
fn start(slot: u16) -> usize {
    MAX_PAYLOAD.saturating_mul(usize::from(slot))
}

fn next(slot: u16) -> u16 {
    slot.saturating_add(1).checked_rem(SLOTS).unwrap_or_default()
}

/// What the manifest has at these numbers, if `tcpflow` has made a memory.
fn adopt(ring: Ring, writable: bool) -> Result<Option<(Shared, OwnedFd)>, Error> {
    let Ok(memory) = sys::adopt(ring.memory) else { return Ok(None) };
    let emptied = sys::adopt(ring.emptied).map_err(|e| Error::Missing(ring.emptied, e))?;
    // The descriptor is closed again: the mapping is all that is needed.
    Ok(Some((Shared::map(&memory, size(), writable).map_err(Error::Memory)?, emptied)))
}

/// The sender's end.
#[derive(Debug)]
pub struct Filling {
    memory: Shared,
    emptied: OwnedFd,
    /// The slot that is filled now or next.
    slot: u16,
    /// Whether there is anything in it.
    filled: bool,
    /// Slots that may be filled, this one among them.
    free: u16,
}

impl Filling {
    /// Takes the sender's end, if there is one.
    pub fn adopt(ring: Ring) -> Result<Option<Self>, Error> {
        let end = adopt(ring, true)?;
        Ok(end.map(|(memory, emptied)| Self { memory, emptied, slot: 0, filled: false, free: SLOTS }))
    }

    /// Puts the payload of a batch into the slot, once there is one; waits for it as long as the other end of `channel` is
    /// there.
    ///
    /// All of it at once: what lies in a slot was read by the other process last, and a processor that writes there piece by
    /// piece has to fetch each line from the other one before; where so much is written in one go it does without.
    pub fn fill(&mut self, payload: &[u8], channel: BorrowedFd<'_>) -> Result<(), Error> {
        if payload.is_empty() {
            return Ok(());
        }
        let length = payload.len();
        if length > MAX_PAYLOAD {
            return Err(too_long(length).into());
        }
        self.wait(channel)?;
        self.memory.write(start(self.slot), payload).ok_or(too_long(length))?;
        self.filled = true;
        Ok(())
    }

    /// Goes on to the next slot, once the receiver was told of this one.
    pub fn advance(&mut self) {
        if self.filled {
            (self.slot, self.filled) = (next(self.slot), false);
            self.free = self.free.saturating_sub(1);
        }
    }

    /// Waits until a slot is free.
    fn wait(&mut self, channel: BorrowedFd<'_>) -> Result<(), Error> {
        if self.free <= AT_ONCE {
            self.count()?;
        }
        while self.free == 0 {
            let mut fds = [
                PollFd::new(self.emptied.as_fd(), PollFlags::POLLIN),
                // Nothing comes from there but its end.
                PollFd::new(channel, PollFlags::empty()),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::Socket(errno)),
            }
            let [_, channel] = fds;
            if channel.any().unwrap_or(true) {
                return Err(Error::Gone);
            }
            self.count()?;
        }
        Ok(())
    }

    /// Counts the slots that were handed back.
    fn count(&mut self) -> Result<(), Error> {
        let mut count = [0; 8];
        match read(&self.emptied, &mut count) {
            Ok(_) => {}
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(()),
            Err(errno) => return Err(Error::Socket(errno)),
        }
        let count = u16::try_from(u64::from_ne_bytes(count)).unwrap_or(u16::MAX);
        let free = self.free.checked_add(count).filter(|free| *free <= SLOTS);
        self.free = free.ok_or(Breach::Forbidden("more slots handed back than were filled"))?;
        Ok(())
    }
}

/// The receiver's end.
#[derive(Debug)]
pub struct Emptying {
    memory: Shared,
    emptied: OwnedFd,
    /// The slot that is next.
    slot: u16,
    /// Slots that were emptied and not yet handed back.
    kept: u16,
}

impl Emptying {
    /// Takes the receiver's end, if there is one.
    pub fn adopt(ring: Ring) -> Result<Option<Self>, Error> {
        let end = adopt(ring, false)?;
        Ok(end.map(|(memory, emptied)| Self { memory, emptied, slot: 0, kept: 0 }))
    }

    /// Copies what the next slot begins with.
    pub fn take(&mut self, room: &mut [u8]) -> Result<(), Error> {
        self.memory.read(start(self.slot), room).ok_or(too_long(room.len()))?;
        self.slot = next(self.slot);
        self.kept = self.kept.saturating_add(1);
        // Not each by itself, which might wake the sender each time. Those that are kept meanwhile are no more than he can
        // do without, so that he is never left waiting for them.
        if self.kept >= AT_ONCE {
            write(&self.emptied, &u64::from(self.kept).to_ne_bytes()).map_err(Error::Socket)?;
            self.kept = 0;
        }
        Ok(())
    }
}

fn too_long(length: usize) -> Breach {
    Breach::TooLong { what: "payload", length, limit: MAX_PAYLOAD }
}

#[cfg(test)]
mod tests {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    use proto::limits::MAX_WORKERS;

    use super::*;
    use crate::manifest::FRAMES;

    /// Both ends, the memory, and a channel with its other end.
    fn ends() -> (Filling, Emptying, Memory, (OwnedFd, OwnedFd)) {
        let (memory, sender, receiver) = Memory::new("frames", FRAMES, FRAMES, 1).unwrap();
        let map = |[(memory, _), (emptied, _)]: End, writable| {
            (Shared::map(&memory, size(), writable).unwrap(), emptied)
        };
        let (shared, emptied) = map(sender, true);
        let filling = Filling { memory: shared, emptied, slot: 0, filled: false, free: SLOTS };
        let (shared, emptied) = map(receiver, false);
        let emptying = Emptying { memory: shared, emptied, slot: 0, kept: 0 };
        let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
        (filling, emptying, memory, pair.unwrap())
    }

    #[test]
    fn slots_come_out_as_they_went_in() {
        let (mut filling, mut emptying, _memory, (channel, _peer)) = ends();
        for round in 0..200u8 {
            let payload = vec![round; usize::from(round) * 7 + 1];
            filling.fill(&payload, channel.as_fd()).unwrap();
            filling.advance();
            // A batch without payload takes none.
            filling.fill(b"", channel.as_fd()).unwrap();
            filling.advance();
            let mut room = vec![0; payload.len()];
            emptying.take(&mut room).unwrap();
            assert_eq!(room, payload);
        }
    }

    #[test]
    fn a_slot_holds_the_longest_payload_and_no_more() {
        let (mut filling, mut emptying, _memory, (channel, _peer)) = ends();
        for _ in 0..SLOTS {
            filling.fill(&vec![7; MAX_PAYLOAD], channel.as_fd()).unwrap();
            filling.advance();
        }
        let mut room = vec![0; MAX_PAYLOAD];
        for _ in 0..SLOTS {
            emptying.take(&mut room).unwrap();
            assert!(room.iter().all(|byte| *byte == 7));
        }
        let refused = filling.fill(&vec![7; MAX_PAYLOAD + 1], channel.as_fd());
        assert!(matches!(refused, Err(Error::Breach(Breach::TooLong { .. }))));
    }

    #[test]
    fn who_sends_too_fast_waits_and_learns_of_the_end() {
        let (mut filling, mut emptying, _memory, (channel, peer)) = ends();
        for _ in 0..SLOTS {
            filling.fill(b"x", channel.as_fd()).unwrap();
            filling.advance();
        }
        assert_eq!(filling.free, 0);
        let mut room = [0];
        for _ in 0..AT_ONCE {
            emptying.take(&mut room).unwrap();
        }
        filling.fill(b"y", channel.as_fd()).unwrap();
        assert_eq!(filling.free, AT_ONCE);
        for _ in 0..AT_ONCE {
            filling.advance();
            filling.filled = true;
        }
        filling.advance();
        drop(peer);
        assert!(matches!(filling.fill(b"z", channel.as_fd()), Err(Error::Gone)));
    }

    #[test]
    fn more_than_was_filled_cannot_be_handed_back() {
        for count in [u64::from(SLOTS) - 2, 1 << 40, u64::MAX - 1] {
            let (mut filling, emptying, _memory, (channel, _peer)) = ends();
            for _ in 0..SLOTS - AT_ONCE {
                filling.fill(b"x", channel.as_fd()).unwrap();
                filling.advance();
            }
            write(&emptying.emptied, &count.to_ne_bytes()).unwrap();
            let refused = filling.fill(b"y", channel.as_fd()).unwrap_err();
            assert!(matches!(refused, Error::Breach(Breach::Forbidden(_))), "{count}: {refused}");
        }
    }

    #[test]
    fn no_number_is_beyond_what_is_allowed() {
        for pairs in 1..=MAX_WORKERS {
            let enough = i32::try_from(descriptors(pairs)).unwrap();
            for (channel, ring) in heard(pairs).chain([(0, FRAMES)]) {
                assert!(
                    [channel, ring.memory, ring.emptied].iter().all(|number| *number < enough),
                    "{pairs}"
                );
            }
        }
    }

    #[test]
    fn the_memory_of_all_pairs_fits_with_a_role() {
        for pairs in 1..=MAX_WORKERS {
            let shared = u64::try_from(2 * size()).unwrap() * u64::from(pairs);
            assert!(addresses(pairs) >= shared + ADDRESSES, "{pairs}");
        }
    }

    #[test]
    fn nobody_gets_to_write_once_it_is_sealed() {
        let (memory, [(writable, _), _], [(readable, _), _]) =
            Memory::new("frames", FRAMES, FRAMES, 1).unwrap();
        let copy = writable.try_clone().unwrap();
        let mapped = Shared::map(&writable, size(), true).unwrap();
        assert!(Shared::map(&readable, size(), true).is_err(), "not by the receiver's descriptor");
        memory.seal().unwrap();
        assert!(Shared::map(&writable, size(), true).is_err(), "not by the sender's again");
        assert_eq!(write(&copy, b"x"), Err(Errno::EPERM));
        assert_eq!(ftruncate(&copy, 0), Err(Errno::EPERM));
        let path = format!("/proc/self/fd/{}", readable.as_raw_fd());
        let again = open(path.as_str(), OFlag::O_RDWR, Mode::empty()).unwrap();
        assert!(Shared::map(&again, size(), true).is_err(), "not by one that is opened anew");
        mapped.write(0, b"still").unwrap();
        let mut room = [0; 5];
        Shared::map(&readable, size(), false).unwrap().read(0, &mut room).unwrap();
        assert_eq!(&room, b"still");
    }
}
