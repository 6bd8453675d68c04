//! How flow files are named and whether there are any: `-T` and `-F`, in the order in which they stand.

use clap::ArgMatches;
use proto::template::Template;

use super::super::error::Error;
use super::in_order;
use super::options::TEMPLATE;

/// What `-T` and `-F` say together.
pub struct Naming {
    /// The template, checked.
    pub template: String,
    /// Whether flow files are made (not with `-FX`).
    pub store: bool,
    /// Whether digests are made (`-FM`).
    pub digest: bool,
}

/// A letter of `-F`.
pub struct Letter {
    /// The letter.
    pub letter: char,
    /// What it is for.
    pub help: &'static str,
    apply: fn(&mut Naming),
}

/// Every letter of `-F`.
pub const LETTERS: &[Letter] = &[
    Letter {
        letter: 'c',
        help: "Append the connection counter: accepted, and what is done anyway where two flows would \
               otherwise have one name",
        // tcpflow takes the counter out of the template, and never ends once a name exists.
        apply: |_| {},
    },
    Letter {
        letter: 't',
        help: "Prepend the time of the first packet, in seconds since 1970",
        apply: |naming| naming.prepend("%tT"),
    },
    Letter {
        letter: 'T',
        help: "Prepend the time of the first packet, as ISO 8601",
        apply: |naming| naming.prepend("%T"),
    },
    Letter {
        letter: 'k',
        help: "A directory for each thousand connections",
        apply: |naming| naming.prepend("%K/"),
    },
    Letter {
        letter: 'm',
        help: "Two levels of directories, for a million connections",
        apply: |naming| naming.prepend("%M000-%M999/%M%K/"),
    },
    Letter {
        letter: 'g',
        help: "Three levels of directories, for a thousand million connections",
        apply: |naming| naming.prepend("%G000000-%G999999/%G%M000-%G%M999/%G%M%K/"),
    },
    Letter { letter: 'X', help: "Make no flow files, only the report", apply: |naming| naming.store = false },
    Letter {
        letter: 'M',
        help: "Digests of each flow file in the report, as with -e md5",
        apply: |naming| naming.digest = true,
    },
];

impl Naming {
    /// Reads both: a template takes the place of what was said before it, a letter changes what is there.
    pub fn read(matches: &ArgMatches) -> Result<Self, Error> {
        let mut naming = Self { template: TEMPLATE.to_owned(), store: true, digest: false };
        for (id, value) in in_order(matches, &["template", "format"]) {
            if id == "template" {
                value.clone_into(&mut naming.template);
                continue;
            }
            for letter in value.chars() {
                let known = LETTERS
                    .iter()
                    .find(|known| known.letter == letter)
                    .ok_or_else(|| Error::Usage(format!("-F invalid format specification '{letter}'")))?;
                (known.apply)(&mut naming);
            }
        }
        Template::parse(&naming.template)
            .map_err(|e| Error::Told(format!("-T: Invalid filename_template: {}: {e}", naming.template)))?;
        Ok(naming)
    }

    fn prepend(&mut self, prefix: &str) {
        self.template.insert_str(0, prefix);
    }
}
