//! What is done to the bytes of a flow file, by offset only: pwritev(2), pread(2), ftruncate(2).

use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::futimens;
use nix::sys::time::TimeSpec;
use nix::sys::uio::{pread, pwrite, pwritev};
use nix::unistd;
use proto::time::Timestamp;

/// Bytes moved at once.
const CHUNK: usize = 64 * 1024;

/// Writes all of `parts` at `offset`.
pub fn write(file: &OwnedFd, parts: &mut [IoSlice<'_>], offset: u64) -> Result<(), Errno> {
    let mut rest = parts;
    let mut at = offset;
    while !rest.is_empty() {
        let result = match &*rest {
            [only] => pwrite(file, only, position(at)?),
            many => pwritev(file, many, position(at)?),
        };
        match result {
            Ok(0) => return Err(Errno::EIO),
            Ok(written) => {
                IoSlice::advance_slices(&mut rest, written);
                at = at.saturating_add(length(written));
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Writes all of `bytes` at `offset`.
pub fn write_at(file: &OwnedFd, bytes: &[u8], offset: u64) -> Result<(), Errno> {
    write(file, &mut [IoSlice::new(bytes)], offset)
}

/// Writes all of `bytes` where the descriptor stands, which may be a pipe.
pub fn write_on(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match unistd::write(file, bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Writes all of it to where someone may read it at leisure: waits for him, also where whoever shares the descriptor
/// has made it non-blocking. What could not be written is left.
pub fn put(out: &OwnedFd, bytes: &mut &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match unistd::write(out, bytes) {
            Ok(written) => *bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                let mut fds = [PollFd::new(out.as_fd(), PollFlags::POLLOUT)];
                match poll(&mut fds, PollTimeout::NONE) {
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// How many bytes of the file at `offset` differ from `bytes`; what is past its end does not count.
pub fn differing(file: &OwnedFd, bytes: &[u8], offset: u64) -> Result<u64, Errno> {
    let mut there = vec![0; bytes.len()];
    let got = read(file, &mut there, offset)?;
    Ok(length(there.iter().zip(bytes).take(got).filter(|(old, new)| old != new).count()))
}

/// Moves the first `file_length` bytes up by `by`, dropping what would lie at `limit` or after it, and
/// leaves zeros where they were.
pub fn shift(file: &OwnedFd, file_length: u64, by: u64, limit: u64) -> Result<(), Errno> {
    let mut buffer = vec![0; CHUNK];
    let mut left = file_length.min(limit.saturating_sub(by));
    while left > 0 {
        let from = left.saturating_sub(length(CHUNK));
        let wanted = usize::try_from(left.saturating_sub(from)).unwrap_or(CHUNK);
        let Some(chunk) = buffer.get_mut(..wanted) else { return Err(Errno::EIO) };
        let got = read(file, chunk, from)?;
        // A file that someone cut meanwhile reads as zeros, as any hole.
        chunk.iter_mut().skip(got).for_each(|byte| *byte = 0);
        write_at(file, chunk, from.saturating_add(by))?;
        left = from;
    }
    zero(file, file_length.min(by), &mut buffer)
}

/// Writes zeros over the first `end` bytes.
fn zero(file: &OwnedFd, end: u64, buffer: &mut [u8]) -> Result<(), Errno> {
    buffer.fill(0);
    let mut at = 0;
    while at < end {
        let wanted = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(buffer.len());
        let Some(chunk) = buffer.get(..wanted) else { return Err(Errno::EIO) };
        write_at(file, chunk, at)?;
        at = at.saturating_add(length(wanted));
    }
    Ok(())
}

/// Reads until `buffer` is full or the file ends; gives the bytes read.
pub fn read(file: &OwnedFd, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match pread(file, rest, position(offset.saturating_add(length(done)))?) {
            Ok(0) => break,
            Ok(got) => done = done.saturating_add(got),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}

/// Gives the file a length, with zeros where it has no bytes.
pub fn extend(file: &OwnedFd, length: u64) -> Result<(), Errno> {
    unistd::ftruncate(file, position(length)?)
}

/// Access and modification time become the time of the flow's first packet, with all
/// the digits that the capture has.
pub fn set_times(file: &OwnedFd, start: Timestamp) -> Result<(), Errno> {
    let time = TimeSpec::new(start.seconds(), i64::from(start.nanoseconds()));
    futimens(file, &time, &time)
}

/// An offset as the kernel takes it.
pub fn position(offset: u64) -> Result<i64, Errno> {
    i64::try_from(offset).map_err(|_| Errno::EFBIG)
}

/// A length in memory as one in a file.
pub fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    fn file(contents: &[u8]) -> OwnedFd {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(contents, 0).unwrap();
        file.into()
    }

    fn contents(file: &OwnedFd) -> Vec<u8> {
        let mut all = vec![0; 1 << 20];
        let got = read(file, &mut all, 0).unwrap();
        all.truncate(got);
        all
    }

    #[test]
    fn parts_are_written_end_to_end() {
        let file = file(b"");
        write(&file, &mut [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cd")], 1).unwrap();
        assert_eq!(contents(&file), b"\0abcd");
    }

    #[test]
    fn only_bytes_that_are_there_are_compared() {
        let file = file(b"abc");
        assert_eq!(differing(&file, b"xbyzz", 0).unwrap(), 2);
        assert_eq!(differing(&file, b"zz", 3).unwrap(), 0);
    }

    #[test]
    fn a_shift_moves_everything_and_leaves_zeros() {
        for (size, by) in [(3, 1), (3, 5), (CHUNK * 3 + 7, 1), (CHUNK * 2, CHUNK * 3), (CHUNK, CHUNK), (0, 4)]
        {
            let old: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap() + 1).collect();
            let file = file(&old);
            shift(&file, length(size), length(by), u64::MAX).unwrap();
            let mut expected = vec![0; by];
            expected.extend_from_slice(&old);
            if size == 0 {
                expected.clear();
            }
            assert_eq!(contents(&file), expected, "{size} bytes by {by}");
        }
    }

    #[test]
    fn a_shift_stays_within_the_limit() {
        let file = file(b"abcdef");
        shift(&file, 6, 2, 6).unwrap();
        assert_eq!(contents(&file), b"\0\0abcd");
    }
}
