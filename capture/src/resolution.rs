//! What an interface of a pcapng says of its timestamps: their unit and where they count from.
//!
//! pcapng (draft-ietf-opsawg-pcapng), section 4.2: `if_tsresol`, `if_tsoffset`.

use proto::time::{NANOSECONDS, Timestamp};

use crate::defect::Defect;

/// Microseconds in a second.
const MICROSECONDS: u64 = 1_000_000;

/// Unit and origin of an interface's timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution {
    /// Units in a second; never 0.
    units: u64,
    /// Seconds added to each.
    offset: i64,
}

impl Default for Resolution {
    /// Microseconds since 1970, where an interface says nothing.
    fn default() -> Self {
        Self { units: MICROSECONDS, offset: 0 }
    }
}

impl Resolution {
    /// Takes over an `if_tsresol`: a power of 10, or of 2 if the highest bit is set.
    pub fn set_units(&mut self, tsresol: u8) -> Result<(), Defect> {
        let (base, power) = if tsresol & 0x80 == 0 { (10, tsresol) } else { (2, tsresol & 0x7f) };
        self.units = u64::from(base).checked_pow(power.into()).ok_or(Defect::Resolution { base, power })?;
        Ok(())
    }

    /// Takes over an `if_tsoffset`, in seconds.
    pub fn set_offset(&mut self, seconds: i64) {
        self.offset = seconds;
    }

    /// Whether a microsecond is more than one unit.
    pub fn is_finer_than_microseconds(self) -> bool {
        self.units > MICROSECONDS
    }

    /// The time that a count of units stands for.
    pub fn time(self, count: u64) -> Timestamp {
        let seconds = count.checked_div(self.units).unwrap_or_default();
        let rest = count.checked_rem(self.units).unwrap_or_default();
        let nanoseconds = match rest.checked_mul(NANOSECONDS.into()) {
            Some(scaled) => scaled.checked_div(self.units).unwrap_or_default(),
            // A unit so fine that the product needs more than 64 bits.
            None => u128::from(rest)
                .saturating_mul(NANOSECONDS.into())
                .checked_div(self.units.into())
                .and_then(|nanoseconds| u64::try_from(nanoseconds).ok())
                .unwrap_or_default(),
        };
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_add(self.offset);
        Timestamp::new(seconds, u32::try_from(nanoseconds).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolution(tsresol: u8) -> Resolution {
        let mut resolution = Resolution::default();
        resolution.set_units(tsresol).unwrap();
        resolution
    }

    #[test]
    fn units_are_powers_of_ten_or_two() {
        assert_eq!(Resolution::default().time(1_500_000), Timestamp::new(1, 500_000_000));
        assert_eq!(resolution(9).time(1_000_000_001), Timestamp::new(1, 1));
        assert!(resolution(9).is_finer_than_microseconds() && !resolution(6).is_finer_than_microseconds());
        assert_eq!(resolution(0).time(7), Timestamp::new(7, 0));
        assert_eq!(resolution(0x81).time(3), Timestamp::new(1, 500_000_000));
        assert_eq!(resolution(19).time(u64::MAX), Timestamp::new(1, 844_674_407));
        assert_eq!(resolution(0xbf).time(u64::MAX), Timestamp::new(1, 999_999_999));
    }

    #[test]
    fn units_too_fine_for_64_bits_are_refused() {
        let refuse = |tsresol| Resolution::default().set_units(tsresol).unwrap_err().to_string();
        assert!(refuse(20).ends_with("resolution 10^-20 is too high"));
        assert!(refuse(0xc0).ends_with("resolution 2^-64 is too high"));
    }

    #[test]
    fn the_offset_moves_the_origin_and_saturates() {
        let mut resolution = resolution(0);
        resolution.set_offset(-5);
        assert_eq!(resolution.time(3), Timestamp::new(-2, 0));
        resolution.set_offset(i64::MAX);
        assert_eq!(resolution.time(u64::MAX), Timestamp::new(i64::MAX, 0));
    }
}
