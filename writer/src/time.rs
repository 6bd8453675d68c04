//! Points of time as the report has them.

use std::fmt::{self, Display};
use std::io::Write as _;

use proto::time::Timestamp;

/// A time as `2008-10-06T17:54:54.796605Z`; without fraction on the second, as tcpflow has it.
pub fn iso8601(time: Timestamp) -> Iso8601 {
    Iso8601(time)
}

/// A time as `2008-10-06T17:54:54.796605000Z`, always to the nanosecond (RFC 3339). Of years that have more than four
/// digits, which no clock shows, all are there.
pub fn rfc3339(time: Timestamp) -> Rfc3339 {
    Rfc3339(time)
}

/// A time, to be shown.
#[derive(Debug, Clone, Copy)]
pub struct Iso8601(Timestamp);

impl Iso8601 {
    /// Appends it. In few pieces and not by way of formatted numbers, since each flow of a flood has two times.
    pub fn append(self, text: &mut Vec<u8>) {
        append_second(self.0.seconds(), text);
        append_fraction(self.0.nanoseconds(), text);
    }
}

/// A time, to be shown.
#[derive(Debug, Clone, Copy)]
pub struct Rfc3339(Timestamp);

impl Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time) = *self;
        let mut text = Vec::new();
        append_second(time.seconds(), &mut text);
        text.push(b'.');
        text.extend_from_slice(&digits::<9>(time.nanoseconds().into()));
        text.push(b'Z');
        f.write_str(ascii(&text))
    }
}

impl Display for Iso8601 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.append(&mut text);
        f.write_str(ascii(&text))
    }
}

/// Puts times down one after the other, most of which are of the second of the one before, and of a flow of one packet the
/// very same.
#[derive(Debug, Default)]
pub struct Clock {
    last: Option<Timestamp>,
    text: Vec<u8>,
    /// How much of the text is the second.
    second: usize,
}

impl Clock {
    /// Appends a time as [`Iso8601`] has it.
    pub fn append(&mut self, time: Timestamp, text: &mut Vec<u8>) {
        if self.last != Some(time) {
            if self.last.map(Timestamp::seconds) == Some(time.seconds()) {
                self.text.truncate(self.second);
            } else {
                self.text.clear();
                append_second(time.seconds(), &mut self.text);
                self.second = self.text.len();
            }
            append_fraction(time.nanoseconds(), &mut self.text);
            self.last = Some(time);
        }
        text.extend_from_slice(&self.text);
    }
}

fn append_second(seconds: i64, text: &mut Vec<u8>) {
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let (hour, minute) = (second.div_euclid(3600), second.div_euclid(60).rem_euclid(60));
    let [[a, b], [c, d], [e, f], [g, h], [i, j]] =
        [month, day, hour, minute, second.rem_euclid(60)].map(|number| digits::<2>(number.unsigned_abs()));
    if (0..=9999).contains(&year) {
        text.extend_from_slice(&digits::<4>(year.unsigned_abs()));
    } else {
        let _ = write!(text, "{year:04}");
    }
    text.extend_from_slice(&[b'-', a, b, b'-', c, d, b'T', e, f, b':', g, h, b':', i, j]);
}

/// Microseconds, unless they are none, and the zone.
fn append_fraction(nanoseconds: u32, text: &mut Vec<u8>) {
    let micros = nanoseconds.div_euclid(1000);
    if micros == 0 {
        text.push(b'Z');
    } else {
        let [a, b, c, d, e, f] = digits::<6>(micros.into());
        text.extend_from_slice(&[b'.', a, b, c, d, e, f, b'Z']);
    }
}

/// The last N decimal digits of a number.
pub fn digits<const N: usize>(mut number: u64) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit |= u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
    digits
}

/// What is made of digits and the like, as text.
pub fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar
/// (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let leaps = of_era
        .saturating_sub(of_era.div_euclid(1460))
        .saturating_add(of_era.div_euclid(36_524))
        .saturating_sub(of_era.div_euclid(146_096));
    let year_of_era = leaps.div_euclid(365);
    let before = year_of_era
        .saturating_mul(365)
        .saturating_add(year_of_era.div_euclid(4))
        .saturating_sub(year_of_era.div_euclid(100));
    let of_year = of_era.saturating_sub(before);
    let shifted = of_year.saturating_mul(5).saturating_add(2).div_euclid(153);
    let day =
        of_year.saturating_sub(shifted.saturating_mul(153).saturating_add(2).div_euclid(5)).saturating_add(1);
    let month = if shifted < 10 { shifted.saturating_add(3) } else { shifted.saturating_sub(9) };
    let year = era.saturating_mul(400).saturating_add(year_of_era).saturating_add(i64::from(month <= 2));
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_and_after_the_epoch() {
        let at = |seconds, nanos| iso8601(Timestamp::new(seconds, nanos)).to_string();
        assert_eq!(at(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(at(-1, 999_999_999), "1969-12-31T23:59:59.999999Z");
        assert_eq!(at(951_782_400, 1_000), "2000-02-29T00:00:00.000001Z");
        assert_eq!(at(4_107_542_399, 0), "2100-02-28T23:59:59Z");
        let exact = |seconds, nanos| rfc3339(Timestamp::new(seconds, nanos)).to_string();
        assert_eq!(exact(0, 0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(exact(-1, 999_999_999), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(exact(253_402_300_800, 1), "10000-01-01T00:00:00.000000001Z");
        let _ = at(i64::MAX, 0);
        let _ = at(i64::MIN, 0);
        let mut clock = Clock::default();
        for (seconds, nanos) in
            [(0, 0), (0, 1_000), (0, 1_000), (951_782_400, 5_000), (-1, 0), (-1, 0), (-1, 2_000)]
        {
            let mut text = Vec::new();
            clock.append(Timestamp::new(seconds, nanos), &mut text);
            assert_eq!(ascii(&text), at(seconds, nanos));
        }
    }
}
