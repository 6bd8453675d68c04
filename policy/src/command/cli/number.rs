//! Numbers in values of options and parameters: whole, in a range, and nothing beside them.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The number that `text` is, or what it should have been.
pub fn within<T>(text: &str, range: &RangeInclusive<T>) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(format!("not a whole number from {} to {}", range.start(), range.end())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_text_is_a_number() {
        assert_eq!(within("18446744073709551615", &(0..=u64::MAX)), Ok(u64::MAX));
        for text in ["", " ", "5 ", "5k", "0x5", "5.0", "--5", "-1", "18446744073709551616", "٣"] {
            assert!(within(text, &(0..=u64::MAX)).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_told_the_range() {
        assert_eq!(within("-9", &(-8..=7_i64)), Err("not a whole number from -8 to 7".into()));
        assert_eq!(within("-8", &(-8..=7_i64)), Ok(-8));
    }
}
