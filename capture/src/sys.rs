//! The calls that need `unsafe`, each with what it requires and why that holds.
#![allow(unsafe_code, reason = "calls that no crate wraps; each states why it is sound")]

use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, c_uchar, c_uint, c_void, socklen_t};
use nix::errno::Errno;
use pcap::BpfInstruction;
use proto::frame::KernelCounts;

unsafe extern "C" {
    /// libpcap's interpreter, `pcap/bpf.h`. The crate's own wrapper would pass the captured length for
    /// the original one.
    #[link_name = "bpf_filter"]
    fn pcap_bpf_filter(
        program: *const c_void,
        packet: *const c_uchar,
        original: c_uint,
        captured: c_uint,
    ) -> c_uint;
}

/// Whether a compiled filter lets a frame through of which `data` was captured and which had `original`
/// bytes on the wire.
#[inline]
pub fn bpf_filter(program: &[BpfInstruction], data: &[u8], original: u32) -> bool {
    let captured = c_uint::try_from(data.len()).unwrap_or(c_uint::MAX);
    // SAFETY: `program` was made by pcap_compile, which ends every path with a return and jumps only
    // forward and inside; BpfInstruction is transparent over struct bpf_insn. The interpreter reads no
    // byte at or after `captured`, which is not more than `data` holds.
    unsafe { pcap_bpf_filter(program.as_ptr().cast(), data.as_ptr(), original, captured) != 0 }
}

/// Makes the socket's filter final: nobody can replace or remove it, socket(7).
pub fn lock_filter(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    set(socket, libc::SOL_SOCKET, libc::SO_LOCK_FILTER, 1)
}

/// Sets an option that is an int. setsockopt(2).
fn set(socket: BorrowedFd<'_>, level: c_int, option: c_int, value: c_uint) -> Result<(), Errno> {
    let size = socklen_t::try_from(size_of::<c_uint>()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `value` is read for `size` bytes, which is its size, and lives across the call.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast::<c_void>(), size)
    };
    Errno::result(result).map(drop)
}

/// Has the socket share what comes with the others of a group: each gets the frames of some connections, both directions
/// of them, by a hash of addresses and ports that is the same for both, packet(7). Without `group` one is begun that has
/// no other socket. Gives its number.
pub fn join_group(socket: BorrowedFd<'_>, group: Option<u16>) -> Result<u16, Errno> {
    let flags = if group.is_some() { 0 } else { libc::PACKET_FANOUT_FLAG_UNIQUEID };
    let wish = u32::from(group.unwrap_or_default()) | ((libc::PACKET_FANOUT_HASH | flags) << 16);
    set(socket, libc::SOL_PACKET, libc::PACKET_FANOUT, wish)?;
    let mut joined = 0_u32;
    let mut size = socklen_t::try_from(size_of::<u32>()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `joined` is written for at most `size` bytes, which is its size, and all its bit patterns are valid.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_FANOUT,
            (&raw mut joined).cast::<c_void>(),
            &raw mut size,
        )
    };
    Errno::result(result)?;
    // The number is in the lower half, type and flags in the upper one.
    u16::try_from(joined & u32::from(u16::MAX)).map_err(|_| Errno::EINVAL)
}

/// What the kernel counted since the last call, packet(7). It forgets what it has told.
pub fn packet_statistics(socket: BorrowedFd<'_>) -> Result<KernelCounts, Errno> {
    let mut counts = libc::tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
    let mut size = socklen_t::try_from(size_of_val(&counts)).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `counts` is written for at most `size` bytes, which is its size, and all its bit patterns
    // are valid. A ring of an older version writes its shorter struct, which has the same first fields.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut counts).cast::<c_void>(),
            &raw mut size,
        )
    };
    Errno::result(result)?;
    Ok(KernelCounts { received: counts.tp_packets.into(), dropped: counts.tp_drops.into() })
}
