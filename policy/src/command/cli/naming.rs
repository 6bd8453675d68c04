//! How flow files are named and whether there are any: `-T` and `-F`.

use clap::ArgMatches;
use proto::template::Template;

use super::super::error::Error;
use super::text;

/// `-T` of tcpflow 1.6.1.
const TEMPLATE: &str = "%A.%a-%B.%b%V%v%C%c";

/// What `-T` and `-F` say together.
pub struct Naming {
    /// The template, checked.
    pub template: String,
    /// Whether flow files are made (not with `-FX`).
    pub store: bool,
    /// Whether digests are made (`-FM`).
    pub digest: bool,
}

impl Naming {
    /// Reads both.
    pub fn read(matches: &ArgMatches) -> Result<Self, Error> {
        let template = text(matches, "template").unwrap_or_else(|| TEMPLATE.to_owned());
        let mut naming = Self { template, store: true, digest: false };
        for letter in matches.get_many::<String>("format").into_iter().flatten().flat_map(|text| text.chars())
        {
            naming.letter(letter)?;
        }
        Template::parse(&naming.template)
            .map_err(|e| Error::Told(format!("Invalid filename_template: {}: {e}", naming.template)))?;
        Ok(naming)
    }

    fn letter(&mut self, letter: char) -> Result<(), Error> {
        let template = &mut self.template;
        match letter {
            'c' => *template = template.replace("%c", "%C"),
            't' => template.insert_str(0, "%tT"),
            'T' => template.insert_str(0, "%T"),
            'k' => template.insert_str(0, "%K/"),
            'm' => template.insert_str(0, "%M000-%M999/%M%K/"),
            'g' => template.insert_str(0, "%G000000-%G999999/%G%M000-%G%M999/%G%M%K/"),
            'X' => self.store = false,
            'M' => self.digest = true,
            other => {
                let text = format!("-F invalid format specification '{other}'");
                return Err(Error::Usage(format!("tcpflow: {text}")));
            }
        }
        Ok(())
    }
}
