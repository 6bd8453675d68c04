//! The shape of a command line, as getopt_long(3) reads it: letters cluster, a value is glued on or follows,
//! options may come after operands, `--` ends them, a long name may be cut short as long as it is unique.
//!
//! What comes out says the same in one way only, `--name=value` and then the operands, so that the parser
//! behind it has no shape left to decide.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::{Arg, Command};

use super::options::{by_letter, takes_value};

/// Brings `arguments`, without the program's name, into the one shape.
pub fn normalize(
    definition: &Command,
    arguments: impl Iterator<Item = OsString>,
) -> Result<Vec<OsString>, String> {
    let mut reader = Reader { definition, arguments, options: Vec::new() };
    let mut operands = Vec::new();
    while let Some(argument) = reader.arguments.next() {
        match argument.as_bytes() {
            b"--" => operands.extend(reader.arguments.by_ref()),
            [b'-', b'-', long @ ..] => reader.long(long)?,
            [b'-', cluster @ ..] if !cluster.is_empty() => reader.cluster(cluster)?,
            _ => operands.push(argument),
        }
    }
    let mut line = reader.options;
    line.push("--".into());
    line.extend(operands);
    Ok(line)
}

/// The long names that tcpflow 1.6.1 has. Cut short as far as it allows, they still mean what they do there.
const FIRST: [&str; 5] = ["chroot", "help", "relinquish-privileges", "verbose", "version"];

/// Which of several names that begin so is meant: the one that is whole, else the only one of tcpflow's own.
fn chosen<'a>(candidates: &[(&'a Arg, &'a str)], written: &str) -> Option<(&'a Arg, &'a str)> {
    let whole = candidates.iter().find(|(_, name)| *name == written);
    let mut own = candidates.iter().filter(|(_, name)| FIRST.contains(name));
    let only = own.next().filter(|_| own.next().is_none());
    whole.or(only).copied()
}

struct Reader<'a, I> {
    definition: &'a Command,
    arguments: I,
    options: Vec<OsString>,
}

impl<'a, I: Iterator<Item = OsString>> Reader<'a, I> {
    /// What follows `-`: letters without values, and one with a value at most, which is the rest.
    fn cluster(&mut self, mut cluster: &[u8]) -> Result<(), String> {
        while let [letter, rest @ ..] = cluster {
            cluster = rest;
            let letter = char::from(*letter);
            let arg = by_letter(self.definition, letter);
            let arg = arg.ok_or_else(|| format!("invalid option -- '{letter}'"))?;
            if !takes_value(arg) {
                self.push(arg, None);
                continue;
            }
            let value = match std::mem::take(&mut cluster) {
                [] => self.arguments.next(),
                glued => Some(OsStr::from_bytes(glued).to_owned()),
            };
            let value = value.ok_or_else(|| format!("option requires an argument -- '{letter}'"))?;
            self.push(arg, Some(&value));
        }
        Ok(())
    }

    /// What follows `--`: a name, or enough of it, and perhaps `=` and a value.
    fn long(&mut self, long: &[u8]) -> Result<(), String> {
        let mut halves = long.splitn(2, |byte| *byte == b'=');
        let written = String::from_utf8_lossy(halves.next().unwrap_or_default());
        let glued = halves.next().map(|value| OsStr::from_bytes(value).to_owned());
        let (arg, name) = self.named(&written)?;
        match (takes_value(arg), glued) {
            (false, None) => self.push(arg, None),
            (false, Some(_)) => return Err(format!("option '--{name}' doesn't allow an argument")),
            (true, glued) => {
                let value = glued.or_else(|| self.arguments.next());
                let value = value.ok_or_else(|| format!("option '--{name}' requires an argument"))?;
                self.push(arg, Some(&value));
            }
        }
        Ok(())
    }

    fn named(&self, written: &str) -> Result<(&'a Arg, &'a str), String> {
        let all = self.definition.get_arguments().filter_map(|arg| Some((arg, arg.get_long()?)));
        let candidates: Vec<(&'a Arg, &'a str)> = all.filter(|(_, name)| name.starts_with(written)).collect();
        match candidates.as_slice() {
            [] => Err(format!("unrecognized option '--{written}'")),
            [only] => Ok(*only),
            several => chosen(several, written).ok_or_else(|| {
                let names: Vec<String> = several.iter().map(|(_, name)| format!("'--{name}'")).collect();
                format!("option '--{written}' is ambiguous; possibilities: {}", names.join(" "))
            }),
        }
    }

    fn push(&mut self, arg: &Arg, value: Option<&OsStr>) {
        let mut text = format!("--{}", arg.get_long().unwrap_or_default()).into_bytes();
        if let Some(value) = value {
            text.push(b'=');
            text.extend_from_slice(value.as_bytes());
        }
        self.options.push(OsString::from_vec(text));
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::definition;
    use super::*;

    fn read(line: &[&str]) -> Result<Vec<String>, String> {
        let arguments = line.iter().map(OsString::from);
        let normal = normalize(&definition(), arguments)?;
        Ok(normal.into_iter().map(|word| word.into_string().unwrap()).collect())
    }

    #[test]
    fn letters_cluster_and_the_rest_is_a_value() {
        assert_eq!(read(&["-cBd10"]).unwrap(), ["--console", "--binary", "--debug=10", "--"]);
        assert_eq!(read(&["-Fk", "-F", "m"]).unwrap(), ["--format=k", "--format=m", "--"]);
        assert_eq!(read(&["-r-"]).unwrap(), ["--read=-", "--"]);
        assert_eq!(read(&["-o=x"]).unwrap(), ["--output==x", "--"], "= is no separator after a letter");
    }

    #[test]
    fn a_value_may_be_anything() {
        for value in ["-", "--", "-c", "--console", "=", ""] {
            assert_eq!(read(&["-o", value]).unwrap(), [format!("--output={value}"), "--".into()]);
            assert_eq!(read(&["--output", value]).unwrap(), [format!("--output={value}"), "--".into()]);
        }
    }

    #[test]
    fn options_stand_anywhere_before_the_double_dash() {
        let line = ["port", "-c", "80", "-", "--", "-v", "--", "x"];
        assert_eq!(read(&line).unwrap(), ["--console", "--", "port", "80", "-", "-v", "--", "x"]);
    }

    #[test]
    fn long_names_may_be_cut_short() {
        for (written, meant) in
            [("--c=d", "--chroot=d"), ("--h", "--help"), ("--r=u", "--relinquish-privileges=u")]
        {
            assert_eq!(read(&[written]).unwrap(), [meant, "--"], "as before there were other names");
        }
        assert!(read(&["--no-p"]).unwrap_err().ends_with("possibilities: '--no-promiscuous' '--no-purge'"));
        assert_eq!(
            read(&["--verb", "--relinq=u"]).unwrap(),
            ["--verbose", "--relinquish-privileges=u", "--"]
        );
        assert_eq!(
            read(&["--console"]).unwrap(),
            ["--console", "--"],
            "not ambiguous: --console-only is longer"
        );
        assert!(
            read(&["--ver"]).unwrap_err().contains("is ambiguous; possibilities: '--verbose' '--version'")
        );
    }

    #[test]
    fn what_is_no_option_is_named() {
        for (line, words) in [
            (&["-cQ"][..], "invalid option -- 'Q'"),
            (&["-c", "-r"], "option requires an argument -- 'r'"),
            (&["--nosuch=1"], "unrecognized option '--nosuch'"),
            (&["--verbose=3"], "option '--verbose' doesn't allow an argument"),
            (&["--chroot"], "option '--chroot' requires an argument"),
        ] {
            assert_eq!(read(line).unwrap_err(), words);
        }
        assert!(read(&["-é"]).unwrap_err().starts_with("invalid option"));
    }

    #[test]
    fn every_letter_has_a_name() {
        for arg in definition().get_arguments().filter(|arg| arg.get_short().is_some()) {
            assert!(arg.get_long().is_some(), "{}", arg.get_id());
        }
    }

    #[test]
    fn all_letters_of_tcpflow_are_there() {
        let definition = definition();
        for letter in "aAbBcCdDeEfFghHiIJKlLmopPqrRsSTUvVwxXzZ0".chars() {
            assert!(by_letter(&definition, letter).is_some(), "-{letter}");
        }
    }
}
