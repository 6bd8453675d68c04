//! Numbers as people read them: bytes, shares, times, ports.

use proto::time::Timestamp;

use crate::time::iso8601;

const UNITS: [&str; 7] = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];

/// A count with commas between thousands.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && digits.len().saturating_sub(place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Bytes in the unit of which there are less than a thousand, a thousand of one being the next: `60.05 KB`.
pub fn bytes(number: u64) -> String {
    if number < 1000 {
        return format!("{number} B");
    }
    let (value, unit) = scaled(float(number));
    format!("{value:.2} {unit}")
}

/// The value of a tick, without decimals that say nothing.
pub fn tick(number: f64) -> String {
    let (value, unit) = scaled(number);
    format!("{} {unit}", trimmed(value))
}

fn scaled(mut value: f64) -> (f64, &'static str) {
    let mut unit = UNITS[0];
    for larger in UNITS.into_iter().skip(1) {
        // What would be rounded up to a thousand is one of the next.
        if value < 999.995 {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    (value, unit)
}

fn trimmed(value: f64) -> String {
    let shown = format!("{value:.2}");
    shown.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A share of a whole: `78%`, with a decimal where it is little.
pub fn percent(part: u64, whole: u64) -> String {
    let percent = share(part, whole) * 100.0;
    if part == 0 {
        "0%".to_owned()
    } else if percent < 0.1 {
        "<0.1%".to_owned()
    } else if percent < 10.0 {
        format!("{percent:.1}%")
    } else {
        format!("{percent:.0}%")
    }
}

/// A share of a whole, from 0 to 1.
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

/// A count as a number to calculate with. Beyond 2^53 the last digits go, which no chart shows.
#[allow(clippy::as_conversions, reason = "there is no other conversion, and rounding is meant")]
pub fn float(number: u64) -> f64 {
    number as f64
}

/// A number to draw with.
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "as above")]
pub fn point(number: f64) -> f32 {
    number as f32
}

/// A small count to draw with.
pub fn number(count: usize) -> f32 {
    f32::from(u16::try_from(count).unwrap_or(u16::MAX))
}

/// The least of 1, 2 and 5 times a power of ten that is no less than this, and no less than 1.
pub fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
    steps.into_iter().find(|step| *step >= least).unwrap_or(10.0 * power)
}

/// Bytes in so many microseconds, as bits per second.
pub fn rate(bytes: u64, micros: u64) -> String {
    let mut value = float(bytes) * 8e6 / float(micros.max(1));
    let mut unit = "bit/s";
    for larger in ["kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"] {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$} {unit}")
}

/// A length of time in microseconds: `200 ms`, `1 min`.
pub fn duration(micros: u64) -> String {
    let micros = float(micros);
    let units = [(86_400e6, "days"), (3_600e6, "h"), (60e6, "min"), (1e6, "s"), (1e3, "ms"), (1.0, "µs")];
    let fitting = units.into_iter().find(|(length, _)| micros >= *length);
    let (length, unit) = fitting.unwrap_or((1.0, "µs"));
    let unit = if unit == "days" && micros < 2.0 * length { "day" } else { unit };
    format!("{} {unit}", trimmed(micros / length))
}

/// The length of time between two points of time, in microseconds.
pub fn between(first: Timestamp, last: Timestamp) -> u64 {
    let micros = |time: Timestamp| {
        i128::from(time.seconds())
            .saturating_mul(1_000_000)
            .saturating_add((time.nanoseconds() / 1_000).into())
    };
    u64::try_from(micros(last).saturating_sub(micros(first))).unwrap_or(u64::MAX)
}

/// Date and time of day in UTC, to the second.
pub fn date(time: Timestamp) -> String {
    let text = iso8601(Timestamp::new(time.seconds(), 0)).to_string();
    text.replace('T', " ").trim_end_matches('Z').to_owned()
}

/// Microseconds since 1970 as a label of the axis of time on which they are `apart` from each other: with the day if
/// that is much, with fractions if it is little.
pub fn moment(micros: i64, apart: u64) -> String {
    let shown = date(Timestamp::new(micros.div_euclid(1_000_000), 0));
    let fraction = format!("{:06}", micros.rem_euclid(1_000_000));
    let decimals = match apart {
        1_000_000.. => 0,
        100_000.. => 1,
        10_000.. => 2,
        1_000.. => 3,
        _ => 6,
    };
    let fraction = if decimals == 0 { "" } else { fraction.get(..decimals).unwrap_or_default() };
    let dot = if decimals == 0 { "" } else { "." };
    let (day, time) = shown.split_once(' ').unwrap_or((&shown, ""));
    match apart {
        86_400_000_000.. => day.to_owned(),
        3_600_000_000.. => format!("{} {}", day, time.get(..5).unwrap_or(time)),
        _ => format!("{time}{dot}{fraction}"),
    }
}

/// What a port is known for, if it is one of those that a page of charts is likely to show.
pub fn service(port: u16) -> Option<&'static str> {
    const SERVICES: [(u16, &str); 26] = [
        (20, "FTP data"),
        (21, "FTP"),
        (22, "SSH"),
        (23, "Telnet"),
        (25, "SMTP"),
        (53, "DNS"),
        (80, "HTTP"),
        (110, "POP3"),
        (143, "IMAP"),
        (179, "BGP"),
        (389, "LDAP"),
        (443, "HTTPS"),
        (445, "SMB"),
        (465, "SMTPS"),
        (587, "SMTP"),
        (631, "IPP"),
        (636, "LDAPS"),
        (873, "rsync"),
        (993, "IMAPS"),
        (995, "POP3S"),
        (1883, "MQTT"),
        (3306, "MySQL"),
        (3389, "RDP"),
        (5432, "PostgreSQL"),
        (6379, "Redis"),
        (8080, "HTTP"),
    ];
    SERVICES.into_iter().find(|(known, _)| *known == port).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        assert_eq!([0, 999, 1000, 2_245_083].map(count), ["0", "999", "1,000", "2,245,083"]);
        assert_eq!([0, 999, 1000, 76_667].map(bytes), ["0 B", "999 B", "1.00 KB", "76.67 KB"]);
        assert_eq!([999_999, u64::MAX].map(bytes), ["1.00 MB", "18.45 EB"]);
        assert_eq!([0.0, 20.0, 2500.0, 1e6].map(tick), ["0 B", "20 B", "2.5 KB", "1 MB"]);
        let shares = [(0, 7), (1, 100_000), (5, 1000), (78, 100), (1, 1), (0, 0)];
        assert_eq!(
            shares.map(|(part, whole)| percent(part, whole)),
            ["0%", "<0.1%", "0.5%", "78%", "100%", "0%"]
        );
    }

    #[test]
    fn times_are_as_exact_as_their_distance() {
        assert_eq!([0, 5, 200_000, 90_000_000].map(duration), ["0 µs", "5 µs", "200 ms", "1.5 min"]);
        assert_eq!(duration(86_400_000_000 * 3), "3 days");
        let micros = 1_600_000_000_250_000;
        let shown = [100_000, 10_000_000, 3_600_000_000, 86_400_000_000].map(|apart| moment(micros, apart));
        assert_eq!(shown, ["12:26:40.2", "12:26:40", "2020-09-13 12:26", "2020-09-13"]);
    }
}
