//! Configuration files: an option a line, by its long name, which is put before what the command line says.
//!
//! Each line is checked by itself, by what reads the command line, so that whatever is wrong with it is said of
//! the line. What does not go together with something else is said of the whole, as it is without a file.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use clap::{Arg, Command};

use super::super::error::Error;
use super::naming::Naming;
use super::options::{definition, takes_value};
use super::refusal::refuse_empty;
use super::scanner::Scanners;
use super::set::Set;
use super::{matched, rotation};

/// What a file may have at most, in bytes: a hundred times what one with every option would.
pub const MAX_LENGTH: usize = 1 << 20;

/// Options that are about the command line, or end a run before it begins.
const NOT_IN_A_FILE: [&str; 5] = ["config", "help", "list-interfaces", "scanner-help", "version"];

/// Whether a configuration file may have this option.
pub fn allows(option: &Arg) -> bool {
    option.get_long().is_some_and(|name| !NOT_IN_A_FILE.contains(&name))
}

/// The options that the file at `path` holds, as a command line would have them: `--name` or `--name=value`.
pub fn read(path: &Path, text: &[u8]) -> Result<Vec<OsString>, Error> {
    let definition = definition();
    let mut options = Vec::new();
    for (number, line) in (1_usize..).zip(text.split(|byte| *byte == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let refused = |why: &dyn Display| Error::Configuration {
            place: format!("{}:{number}", path.display()),
            why: why.to_string(),
        };
        let option = option(&definition, line).map_err(|why| refused(&why))?;
        check(&option).map_err(|error| refused(&error))?;
        options.push(option);
    }
    Ok(options)
}

/// The option of one line: a name, and after `=` or a space its value.
fn option(definition: &Command, line: &[u8]) -> Result<OsString, String> {
    if line.contains(&0) {
        return Err("a NUL byte".into());
    }
    let end = line.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'=');
    let (name, rest) = line.split_at_checked(end.unwrap_or(line.len())).unwrap_or((line, &[]));
    let rest = rest.trim_ascii_start();
    let value = rest.strip_prefix(b"=").unwrap_or(rest).trim_ascii_start();
    let name = String::from_utf8_lossy(name);
    let known = definition.get_arguments().find(|arg| arg.get_long() == Some(&name));
    let known = known.ok_or_else(|| format!("unrecognized option '{name}'"))?;
    if !allows(known) {
        return Err(format!("option '{name}' is for the command line only"));
    }
    match (takes_value(known), rest.is_empty(), value.is_empty()) {
        (true, _, true) => Err(format!("option '{name}' requires an argument")),
        (true, _, false) => {
            let start = format!("--{name}=").into_bytes();
            Ok(OsString::from_vec([start.as_slice(), value].concat()))
        }
        (false, true, _) => Ok(format!("--{name}").into()),
        (false, false, _) => Err(format!("option '{name}' doesn't allow an argument")),
    }
}

/// Whether an option can be what it says, whatever else is said.
fn check(option: &OsStr) -> Result<(), Error> {
    let matches = matched([option.to_owned()])?;
    refuse_empty(&matches)?;
    Set::read(&matches)?;
    Scanners::read(&matches)?;
    Naming::read(&matches)?;
    rotation::values(&matches)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn options(text: &str) -> Result<Vec<String>, String> {
        let options = read(Path::new("/etc/x.conf"), text.as_bytes()).map_err(|error| {
            assert_eq!(error.status(), 2, "{error}");
            error.line("tcpflow").unwrap()
        })?;
        Ok(options.into_iter().map(|option| option.into_string().unwrap()).collect())
    }

    #[test]
    fn a_line_is_a_name_and_perhaps_a_value() {
        let text = "# comment\n\n  max-bytes 10\r\nmax-bytes=11\nmax-bytes = 12\n\tmax-bytes =13\nno-promiscuous\n\
                    set tcp_timeout=60\nset = overlap=last\nfilter tcp port 80 # and so on\noutput = =x";
        assert_eq!(
            options(text).unwrap(),
            [
                "--max-bytes=10",
                "--max-bytes=11",
                "--max-bytes=12",
                "--max-bytes=13",
                "--no-promiscuous",
                "--set=tcp_timeout=60",
                "--set=overlap=last",
                "--filter=tcp port 80 # and so on",
                "--output==x",
            ]
        );
    }

    #[test]
    fn what_goes_with_an_option_may_be_on_another_line_or_in_another_file() {
        for line in ["keep 30d", "keep-size 200G", "min-free 10%", "rotate 1h"] {
            assert_eq!(options(line).map(|options| options.len()), Ok(1), "{line}");
        }
    }

    #[test]
    fn a_value_is_bytes() {
        let options = read(Path::new("x"), b"output \xff\xfe").unwrap();
        assert_eq!(options[0].as_bytes(), b"--output=\xff\xfe");
    }

    #[test]
    fn what_is_wrong_is_said_of_its_line() {
        for (text, why) in [
            ("\n\nnosuch 1", "3: unrecognized option 'nosuch'"),
            ("max-byt 1", "1: unrecognized option 'max-byt'"),
            ("-b 1", "1: unrecognized option '-b'"),
            ("--max-bytes 1", "1: unrecognized option '--max-bytes'"),
            ("operands x", "1: unrecognized option 'operands'"),
            ("= x", "1: unrecognized option ''"),
            ("quiet\nquiet yes", "2: option 'quiet' doesn't allow an argument"),
            ("quiet=", "1: option 'quiet' doesn't allow an argument"),
            ("output", "1: option 'output' requires an argument"),
            ("output =", "1: option 'output' requires an argument"),
            ("config /etc/y.conf", "1: option 'config' is for the command line only"),
            ("version", "1: option 'version' is for the command line only"),
            ("output a\0b", "1: a NUL byte"),
            (
                "max-bytes 5k",
                "1: -b, --max-bytes BYTES: '5k': not a whole number from 0 to 18446744073709551615",
            ),
            ("sandbox maybe", "1: --sandbox MODE: 'maybe': not one of require, strict, best-effort, off"),
            ("set x=1", "1: -S x: unknown name; known are "),
            ("set tcp_timeout=x", "1: -S tcp_timeout=x: not a whole number from 0 to 4294967295"),
            ("keep long", "1: --keep: 'long': not a time such as 30d"),
            ("rotate daily", "1: --rotate: 'daily': neither a time such as 1h nor a size such as 10G"),
            ("enable nosuch", "1: Invalid scanner name 'nosuch'"),
            ("format kQ", "1: -F invalid format specification 'Q'"),
            ("template ../x", "1: -T: Invalid filename_template: ../x: "),
        ] {
            let refused = options(text).unwrap_err();
            let words = refused.strip_prefix("tcpflow: /etc/x.conf:").unwrap_or_else(|| panic!("{refused}"));
            assert!(words.starts_with(why), "{text:?}: {words}");
        }
    }
}
