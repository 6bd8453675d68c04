//! The language of `-T`: how flow files are named.
//!
//! `tcpflow` parses a template to refuse a bad one at the start, the writer to make names from it. The
//! text may come from anyone, so what could leave the output directory is refused here already.

/// The longest template, in bytes; every name that it makes has to fit `PATH_MAX`.
pub const MAX_TEMPLATE: usize = 1024;

/// The longest name of a file or directory, in bytes, on the file systems that there are.
const MAX_NAME: usize = 255;

/// A template that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text that stands for itself.
    Literal(String),
    /// Something of the flow.
    Field(Field),
}

/// What a letter after `%` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `%A`: the sender's address.
    Source,
    /// `%a`: the sender's port.
    SourcePort,
    /// `%B`: the receiver's address.
    Destination,
    /// `%b`: the receiver's port.
    DestinationPort,
    /// `%E`: the sender's MAC address.
    SourceMac,
    /// `%e`: the receiver's MAC address.
    DestinationMac,
    /// `%V`: `--` if the flow is tagged.
    VlanMark,
    /// `%v`: the VLAN identifier if the flow is tagged.
    Vlan,
    /// `%T`: when the flow began, as ISO 8601.
    Time,
    /// `%t`: when the flow began, in seconds since 1970.
    UnixTime,
    /// `%c`: the connection counter unless it is 0.
    Counter,
    /// `%C`: `c` unless the counter is 0.
    CounterMark,
    /// `%#`: the connection counter.
    CounterAlways,
    /// `%N`: the flow's number, modulo 1000.
    Ones,
    /// `%K`: thousands of it, modulo 1000.
    Thousands,
    /// `%M`: millions of it, modulo 1000.
    Millions,
    /// `%G`: thousands of millions of it, modulo 1000.
    Billions,
    /// `%S`: the number of the connection.
    Session,
}

/// Every letter that can come after `%`, and what it stands for, in words for the user.
pub const LETTERS: &[(char, Field, &str)] = &[
    ('A', Field::Source, "sender's address"),
    ('a', Field::SourcePort, "sender's port"),
    ('B', Field::Destination, "receiver's address"),
    ('b', Field::DestinationPort, "receiver's port"),
    ('E', Field::SourceMac, "sender's MAC address"),
    ('e', Field::DestinationMac, "receiver's MAC address"),
    ('V', Field::VlanMark, "-- if the flow has a VLAN tag"),
    ('v', Field::Vlan, "VLAN identifier, if the flow has a tag"),
    ('T', Field::Time, "time of the first packet, as ISO 8601"),
    ('t', Field::UnixTime, "time of the first packet, in seconds since 1970"),
    ('c', Field::Counter, "counter of flows with the same name, unless 0; appended if it is not there"),
    ('C', Field::CounterMark, "c, unless the counter is 0"),
    ('#', Field::CounterAlways, "the counter, 0 too"),
    ('N', Field::Ones, "number of the flow in this run, modulo 1000"),
    ('K', Field::Thousands, "thousands of that number, modulo 1000"),
    ('M', Field::Millions, "millions of it, modulo 1000"),
    ('G', Field::Billions, "thousands of millions of it, modulo 1000"),
    ('S', Field::Session, "number of the connection, the same for both directions"),
];

/// Why a template is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A letter that stands for nothing.
    #[error("unknown character: {0}")]
    Unknown(char),
    /// It could name something outside the output directory.
    #[error("it leaves the output directory")]
    Escapes,
    /// It ends in `/` or makes no name at all.
    #[error("it makes an empty name")]
    Empty,
    /// It holds a NUL or is over-long.
    #[error("it makes names that no file can have")]
    Impossible,
}

impl Template {
    /// Checks a template. One without `%c` gets `%C%c` appended, or flows of one name could not be told apart.
    pub fn parse(template: &str) -> Result<Self, Error> {
        if template.contains('\0') || template.len() > MAX_TEMPLATE {
            return Err(Error::Impossible);
        }
        let whole = if template.contains("%c") { template.to_owned() } else { format!("{template}%C%c") };
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut characters = whole.chars();
        while let Some(character) = characters.next() {
            match (character, characters.as_str().chars().next()) {
                ('%', Some('%')) => {
                    characters.next();
                    literal.push('%');
                }
                ('%', Some(letter)) => {
                    characters.next();
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Field(field(letter)?));
                }
                ('%', None) => return Err(Error::Unknown('%')),
                (plain, _) => literal.push(plain),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        let template = Self { parts };
        template.check()?;
        Ok(template)
    }

    /// Its parts, in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Looks at the components of the shortest name that can arise: fields that may be empty are empty.
    fn check(&self) -> Result<(), Error> {
        let shortest: String = self.parts.iter().map(Part::shortest).collect();
        if shortest.starts_with('/') || shortest.split('/').any(|part| part == "..") {
            return Err(Error::Escapes);
        }
        if shortest.split('/').any(|part| part.len() > MAX_NAME) {
            return Err(Error::Impossible);
        }
        match shortest.rsplit('/').next() {
            None | Some("" | ".") => Err(Error::Empty),
            Some(_) => Ok(()),
        }
    }
}

impl Part {
    fn shortest(&self) -> &str {
        match self {
            Self::Literal(text) => text,
            Self::Field(Field::VlanMark | Field::Vlan | Field::Counter | Field::CounterMark) => "",
            Self::Field(_) => "x",
        }
    }
}

fn field(letter: char) -> Result<Field, Error> {
    let known = LETTERS.iter().find(|(known, ..)| *known == letter);
    known.map(|(_, field, _)| *field).ok_or(Error::Unknown(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_without_counter_gets_one() {
        let with = Template::parse("%A%C%c").unwrap();
        assert_eq!(Template::parse("%A").unwrap(), with);
        let last = Template::parse("%A.%#").unwrap().parts().last().cloned();
        assert_eq!(last, Some(Part::Field(Field::Counter)));
    }

    #[test]
    fn two_percent_signs_make_one() {
        assert_eq!(Template::parse("a%%b%c").unwrap().parts()[0], Part::Literal("a%b".into()));
    }

    #[test]
    fn unknown_letters_are_named() {
        assert_eq!(Template::parse("%A%Q"), Err(Error::Unknown('Q')));
        assert_eq!(Template::parse("%c%"), Err(Error::Unknown('%')));
    }

    #[test]
    fn nothing_leaves_the_directory() {
        for template in ["/abs/%A", "../%A", "a/../%A", "%V/%A", "a/..%c", ".%v./%A", "%c/x"] {
            assert_eq!(Template::parse(template), Err(Error::Escapes), "{template}");
        }
        assert!(Template::parse("..%A").is_ok(), "dots within a name are harmless");
    }

    #[test]
    fn a_name_is_never_empty() {
        for template in ["", "%C%c", "a/%c", "./%V", "a/.%c"] {
            assert_eq!(Template::parse(template), Err(Error::Empty), "{template}");
        }
    }

    #[test]
    fn no_name_holds_a_nul_or_is_endless() {
        assert_eq!(Template::parse("a\0%c"), Err(Error::Impossible));
        assert_eq!(Template::parse(&"x".repeat(MAX_TEMPLATE + 1)), Err(Error::Impossible));
        assert_eq!(Template::parse(&format!("%K/{}%A", "x".repeat(MAX_NAME))), Err(Error::Impossible));
    }
}
