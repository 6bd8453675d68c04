//! The classic savefile format, as libpcap writes it: draft-ietf-opsawg-pcap.
//!
//! Bytes only. Times are those of the capture, with nanoseconds where it has them; a time that 32 bits
//! cannot hold becomes the nearest that they can.

use proto::flow::{Medium, RawPacket};

/// Where in it the snap length stands.
pub const SNAP_LENGTH: u64 = 16;
/// libpcap's largest snap length, for captures that do not know theirs.
const MAX_SNAP_LENGTH: u32 = 262_144;

/// What a file's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    link_type: u32,
    snap_length: u32,
    nanoseconds: bool,
}

impl Format {
    /// The format for packets of this link.
    pub fn of(medium: Medium) -> Self {
        let Medium { link_type, snap_length, nanoseconds } = medium;
        let snap_length = if snap_length == 0 { MAX_SNAP_LENGTH } else { snap_length };
        Self { link_type, snap_length, nanoseconds }
    }

    /// Whether packets of this link can be in the file: all of a file are of one link type.
    pub fn holds(&self, medium: Medium) -> bool {
        self.link_type == medium.link_type
    }

    /// The header of the file.
    pub fn header(&self) -> [u8; 24] {
        let magic: u32 = if self.nanoseconds { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
        let mut header = [0; 24];
        // Version 2.4; offset and accuracy of times, which nobody ever set.
        let fields = [magic, 0x0004_0002, 0, 0, self.snap_length, self.link_type];
        for (place, field) in header.chunks_exact_mut(4).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        header
    }

    /// The snap length that the header has to say if a packet is longer than what it says. Readers take what
    /// is beyond the snap length for damage, and a savefile may hold such packets all the same.
    pub fn raise(&mut self, packet: &RawPacket) -> Option<[u8; 4]> {
        if packet.captured <= self.snap_length {
            return None;
        }
        self.snap_length = packet.captured;
        Some(self.snap_length.to_le_bytes())
    }

    /// Appends a record.
    pub fn record(&self, packet: &RawPacket, bytes: &[u8], file: &mut Vec<u8>) {
        let seconds = packet.time.seconds().clamp(0, u32::MAX.into());
        let unit = if self.nanoseconds { 1 } else { 1000 };
        let fraction = packet.time.nanoseconds().checked_div(unit).unwrap_or_default();
        let seconds = u32::try_from(seconds).unwrap_or_default();
        for field in [seconds, fraction, packet.captured, packet.original] {
            file.extend_from_slice(&field.to_le_bytes());
        }
        file.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::time::Timestamp;

    const MEDIUM: Medium = Medium { link_type: 101, snap_length: 96, nanoseconds: false };

    fn packet(seconds: i64, captured: u32) -> RawPacket {
        RawPacket { time: Timestamp::new(seconds, 123_456_789), captured, original: 1500 }
    }

    #[test]
    fn a_file_of_microseconds() {
        let format = Format::of(MEDIUM);
        let mut file = format.header().to_vec();
        format.record(&packet(1_600_000_000, 2), b"ab", &mut file);
        let expected = [
            &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 96, 0, 0, 0, 101, 0, 0, 0][..],
            &1_600_000_000_u32.to_le_bytes(),
            &123_456_u32.to_le_bytes(),
            &[2, 0, 0, 0, 0xdc, 5, 0, 0, b'a', b'b'],
        ];
        assert_eq!(file, expected.concat());
    }

    #[test]
    fn a_file_of_nanoseconds() {
        let format = Format::of(Medium { nanoseconds: true, ..MEDIUM });
        assert_eq!(&format.header()[..4], [0x4d, 0x3c, 0xb2, 0xa1]);
        let mut record = Vec::new();
        format.record(&packet(1, 0), b"", &mut record);
        assert_eq!(record[4..8], 123_456_789_u32.to_le_bytes());
    }

    #[test]
    fn times_that_do_not_fit_become_the_nearest() {
        for (seconds, written) in [(-5, 0), (i64::MAX, u32::MAX), (4_294_967_295, u32::MAX)] {
            let mut record = Vec::new();
            Format::of(MEDIUM).record(&packet(seconds, 0), b"", &mut record);
            assert_eq!(record[..4], written.to_le_bytes());
        }
    }

    #[test]
    fn the_snap_length_grows_with_the_packets() {
        let mut format = Format::of(MEDIUM);
        assert_eq!(format.raise(&packet(0, 96)), None);
        assert_eq!(format.raise(&packet(0, 97)), Some([97, 0, 0, 0]));
        assert_eq!(format.raise(&packet(0, 97)), None);
        assert_eq!(&format.header()[16..20], [97, 0, 0, 0]);
        assert_eq!(&Format::of(Medium { snap_length: 0, ..MEDIUM }).header()[16..20], [0, 0, 4, 0]);
    }
}
