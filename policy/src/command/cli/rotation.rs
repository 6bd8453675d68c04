//! `--rotate` and what belongs to it: times and sizes with a letter behind them.

use clap::ArgMatches;
use proto::plan::{Retention, Room};

use super::super::error::Error;
use super::super::settings::Rotation;
use super::{console, in_order};

/// Letters of times, and how many seconds each is.
const TIMES: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)];
/// Letters of sizes, and how many bytes each is.
const SIZES: [(char, u64); 4] = [('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30), ('T', 1 << 40)];

/// Reads `--rotate`, and what `--keep`, `--keep-size` and `--min-free` say of what it made.
pub fn read(matches: &ArgMatches) -> Result<Option<Rotation>, Error> {
    let (rotation, retention) = values(matches)?;
    if rotation.is_some() && console(matches).is_some() && !matches.get_flag("packets") {
        return Err(Error::Usage("--rotate: with -c or -C there are no directories to rotate".into()));
    }
    if rotation.is_none() && retention.is_some() {
        return Err(Error::Usage(
            "--keep, --keep-size and --min-free need --rotate: only what it made is removed".into(),
        ));
    }
    Ok(rotation.map(|rotation| Rotation { retention, ..rotation }))
}

/// What each option says, whether or not they go together. Of each kind the last one counts.
pub fn values(matches: &ArgMatches) -> Result<(Option<Rotation>, Option<Retention>), Error> {
    let mut rotation: Option<Rotation> = None;
    for (_, value) in in_order(matches, &["rotate"]) {
        let Rotation { every, size, .. } = rotation.get_or_insert_default();
        match (time(value), self::size(value)) {
            (Some(seconds), _) => *every = Some(seconds),
            (None, Some(bytes)) => *size = Some(bytes),
            (None, None) => {
                return Err(refused("rotate", value, "neither a time such as 1h nor a size such as 10G"));
            }
        }
    }
    Ok((rotation, retention(matches)?))
}

fn retention(matches: &ArgMatches) -> Result<Option<Retention>, Error> {
    let mut retention: Option<Retention> = None;
    for (option, value) in in_order(matches, &["keep", "keep-size", "min-free"]) {
        let Retention { age, size, free } = retention.get_or_insert_default();
        let why = match option {
            "keep" => {
                *age = time(value);
                age.is_none().then_some("not a time such as 30d")
            }
            "keep-size" => {
                *size = self::size(value);
                size.is_none().then_some("not a size such as 200G")
            }
            _ => {
                *free = percent(value).map(Room::Percent).or_else(|| self::size(value).map(Room::Bytes));
                free.is_none().then_some("neither a part such as 10% nor a size such as 20G")
            }
        };
        why.map_or(Ok(()), |why| Err(refused(option, value, why)))?;
    }
    Ok(retention)
}

/// Less than all, in hundredths.
fn percent(value: &str) -> Option<u8> {
    let number = with_letter(value, &[('%', 1)])?;
    u8::try_from(number).ok().filter(|number| *number < 100)
}

/// A time in seconds, which 32 bits hold.
fn time(value: &str) -> Option<u32> {
    with_letter(value, &TIMES)?.try_into().ok()
}

/// A size in bytes, which a file may have.
fn size(value: &str) -> Option<u64> {
    with_letter(value, &SIZES).filter(|bytes| i64::try_from(*bytes).is_ok())
}

/// A number above 0 and what its letter stands for, multiplied.
fn with_letter(value: &str, letters: &[(char, u64)]) -> Option<u64> {
    let (number, unit) =
        letters.iter().find_map(|(letter, unit)| Some((value.strip_suffix(*letter)?, unit)))?;
    let number = number.bytes().all(|byte| byte.is_ascii_digit()).then_some(number)?;
    number.parse::<u64>().ok().filter(|number| *number > 0)?.checked_mul(*unit)
}

fn refused(option: &str, value: &str, why: &str) -> Error {
    Error::Usage(format!("--{option}: '{value}': {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_part_of_every_value() {
        assert_eq!(
            (time("90s"), time("1m"), time("2h"), time("30d")),
            (Some(90), Some(60), Some(7200), Some(2_592_000))
        );
        assert_eq!((size("4K"), size("1M"), size("10G")), (Some(4096), Some(1 << 20), Some(10 << 30)));
        for value in
            ["", "h", "0h", "1", "1.5h", "-1h", "+1h", "1hh", " 1h", "1H", "49711d", "99999999999999999999s"]
        {
            assert_eq!(time(value), None, "{value:?}");
        }
        for value in ["G", "0G", "1g", "10GB", "8388608T", "99999999T"] {
            assert_eq!(size(value), None, "{value:?}");
        }
        assert_eq!(
            ["1%", "99%", "100%", "0%", "%", "10"].map(percent),
            [Some(1), Some(99), None, None, None, None]
        );
    }
}
