//! XML laid out as tcpflow lays it out: two spaces a level, attributes in single quotes, one element a
//! line. Scripts read the report by lines, so the layout is part of the interface.
//!
//! Names of elements and attributes are known when building. What puts them down is inlined, so that each is copied as the
//! number of bytes that it is and not by a call: of a flood of flows each has one entry with twenty of these.
//!
//! Where the report is to be of the schema of DFXML, the names that the schema does not have are in a namespace of
//! tcpflow's, which it allows in certain places; what writes the report sees to these.

use std::borrow::Cow;
use std::fmt::{self, Arguments, Write};
use std::net::IpAddr;

use proto::plan::ReportPlan;
use proto::text::Text;
use proto::time::Timestamp;
use quick_xml::escape::escape;

use crate::name::Mac;
use crate::time::{Clock, Iso8601};

/// What may stand between quotes or tags.
pub trait Value {
    /// Appends it, with what XML cannot have as it is escaped or replaced.
    fn put(&self, text: &mut Vec<u8>);
}

impl<V: Value + ?Sized> Value for &V {
    fn put(&self, text: &mut Vec<u8>) {
        (*self).put(text);
    }
}

/// Values by how they are put. Writing to memory cannot fail, so the results say nothing.
macro_rules! values {
    ($text:ident, $value:ident, $put:expr; $($kind:ty),*) => {
        $(impl Value for $kind {
            fn put(&self, $text: &mut Vec<u8>) {
                let $value = self;
                let _ = $put;
            }
        })*
    };
}

// What anybody may have chosen is looked through.
values!(text, value, Escaped(text).write_str(value); str, String, Cow<'_, str>);
values!(text, value, write!(Escaped(text), "{value}"); Text, Arguments<'_>);
// What is made of letters and digits here is not.
values!(text, value, value.append(text); Iso8601, Mac);
values!(text, value, put_address(text, *value); IpAddr);
// Nor are numbers, of which a flood of flows has many.
values!(text, value, text.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes()); u16, u32, u64, usize, i32, i64);

fn put_address(text: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => put_octets(text, v4.octets()),
        IpAddr::V6(v6) => {
            let _ = write!(Escaped(text), "{v6}");
        }
    }
}

/// Appends octets with dots between them, as one number whose bytes are the text. All digits of each are made and those that
/// lead shifted out: in a flood of addresses no processor could foresee how many there are.
fn put_octets(text: &mut Vec<u8>, octets: [u8; 4]) {
    let (mut all, mut bits) = (0_u128, 0_u32);
    for octet in octets {
        let [hundreds, tens, ones] = [octet / 100, octet / 10 % 10, octet % 10].map(|digit| digit | b'0');
        let leading = u32::from(octet < 10).saturating_add(u32::from(octet < 100)).saturating_mul(8);
        let digits = u32::from_le_bytes([hundreds, tens, ones, b'.']).wrapping_shr(leading);
        all |= u128::from(digits).wrapping_shl(bits);
        bits = bits.saturating_add(32).saturating_sub(leading);
    }
    text.extend_from_slice(&all.to_le_bytes());
    // Without the last dot, and what follows it.
    let unused = u128::BITS.saturating_sub(bits).saturating_add(8) / 8;
    text.truncate(text.len().saturating_sub(usize::try_from(unused).unwrap_or_default()));
}

/// How a report is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// As tcpflow does.
    #[default]
    Tcpflow,
    /// So that it is of the schema of DFXML.
    Schema,
}

/// What the schema has, of all that a report may.
const IN_SCHEMA: [&str; 34] = [
    "arch",
    "build_environment",
    "clocktime",
    "command_line",
    "compiler",
    "creator",
    "dfxml",
    "execution_environment",
    "filename",
    "fileobject",
    "filesize",
    "hashdigest",
    "host",
    "inblock",
    "majflt",
    "maxrss",
    "metadata",
    "minflt",
    "nswap",
    "os_release",
    "os_sysname",
    "os_version",
    "oublock",
    "program",
    "rusage",
    "start_time",
    "stime",
    "uid",
    "username",
    "utime",
    "version",
    // What has a namespace already.
    "dc:type",
    "tcpflow:result",
    "xml",
];

impl Dialect {
    /// That of a report.
    pub fn of(plan: &ReportPlan) -> Self {
        if plan.strict { Self::Schema } else { Self::Tcpflow }
    }

    /// How deep a flow's entry is.
    pub fn depth(self) -> usize {
        match self {
            Self::Tcpflow => 2,
            Self::Schema => 1,
        }
    }

    /// What goes before the name of an element.
    #[inline(always)]
    fn prefix(self, name: &str) -> &'static str {
        match self {
            Self::Schema if !IN_SCHEMA.contains(&name) => "tcpflow:",
            Self::Schema | Self::Tcpflow => "",
        }
    }
}

/// A piece of the document being written.
#[derive(Debug, Default)]
pub struct Xml {
    text: Vec<u8>,
    depth: usize,
    dialect: Dialect,
    clock: Clock,
}

impl Xml {
    /// A piece that begins `depth` levels deep.
    pub fn new(dialect: Dialect, depth: usize) -> Self {
        Self { text: Vec::new(), depth, dialect, clock: Clock::default() }
    }

    /// A piece that begins where a flow's entry does.
    pub fn entries(dialect: Dialect) -> Self {
        Self::new(dialect, dialect.depth())
    }

    /// How the report is laid out.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The text so far.
    pub fn into_bytes(self) -> Vec<u8> {
        self.text
    }

    /// The text so far, which is no longer there afterwards; its room is.
    pub fn drain(&mut self, into: impl FnOnce(&mut Vec<u8>)) {
        into(&mut self.text);
        self.text.clear();
    }

    /// The first line of a document.
    pub fn declaration(&mut self) {
        self.text.extend_from_slice(b"<?xml version='1.0' encoding='UTF-8'?>\n");
    }

    /// `<name`, on a line of its own.
    #[inline(always)]
    pub fn tag<'x>(&'x mut self, name: &'x str) -> Tag<'x> {
        self.indent();
        self.put(["<", self.dialect.prefix(name), name]);
        Tag { xml: self, name }
    }

    /// `<name a='1'>`, one level deeper from here.
    pub fn start(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name).with_all(attributes).start();
    }

    /// `</name>`, one level up.
    #[inline(always)]
    pub fn end(&mut self, name: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.indent();
        self.close(name);
        self.text.push(b'\n');
    }

    /// `<name>text</name>`.
    #[inline(always)]
    pub fn element(&mut self, name: &str, text: impl Value) {
        self.tag(name).around(text);
    }

    /// `<outer a='1'><inner><name>text</name></inner></outer>`, all of it one line.
    pub fn line(
        &mut self,
        (outer, attributes): (&str, &[(&str, &str)]),
        inner: &str,
        elements: &[(&str, &str)],
    ) {
        let Tag { xml, .. } = self.tag(outer).with_all(attributes);
        xml.text.push(b'>');
        xml.open(inner);
        for (name, text) in elements {
            xml.open(name);
            text.put(&mut xml.text);
            xml.close(name);
        }
        xml.close(inner);
        xml.close(outer);
        xml.text.push(b'\n');
    }

    /// `<name a='1' />`, with a space before the slash.
    pub fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name).with_all(attributes).empty();
    }

    #[inline(always)]
    fn indent(&mut self) {
        for _ in 0..self.depth {
            self.text.extend_from_slice(b"  ");
        }
    }

    #[inline(always)]
    fn open(&mut self, name: &str) {
        self.put(["<", self.dialect.prefix(name), name, ">"]);
    }

    #[inline(always)]
    fn close(&mut self, name: &str) {
        self.put(["</", self.dialect.prefix(name), name, ">"]);
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, pieces: [&str; N]) {
        for piece in pieces {
            self.text.extend_from_slice(piece.as_bytes());
        }
    }
}

/// A tag that is open: what follows its name is yet to come.
#[must_use]
pub struct Tag<'x> {
    xml: &'x mut Xml,
    name: &'x str,
}

impl Tag<'_> {
    /// ` name='value'`.
    #[inline(always)]
    pub fn with(self, name: &str, value: impl Value) -> Self {
        self.behind(" ", name, value)
    }

    /// The same behind other white space.
    #[inline(always)]
    pub fn behind(self, space: &str, name: &str, value: impl Value) -> Self {
        self.xml.put([space, name, "='"]);
        value.put(&mut self.xml.text);
        self.xml.text.push(b'\'');
        self
    }

    /// ` name='time'`.
    #[inline(always)]
    pub fn at(self, name: &str, time: Timestamp) -> Self {
        self.xml.put([" ", name, "='"]);
        let Xml { text, clock, .. } = &mut *self.xml;
        clock.append(time, text);
        text.push(b'\'');
        self
    }

    /// The same if there is a value.
    #[inline(always)]
    pub fn with_any(self, name: &str, value: Option<impl Value>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The same for each.
    pub fn with_all(self, attributes: &[(&str, &str)]) -> Self {
        attributes.iter().fold(self, |tag, (name, value)| tag.with(name, value))
    }

    /// `>`, one level deeper from here.
    #[inline(always)]
    pub fn start(self) {
        self.xml.put([">\n"]);
        self.xml.depth = self.xml.depth.saturating_add(1);
    }

    /// `>text</name>`.
    #[inline(always)]
    pub fn around(self, text: impl Value) {
        self.xml.text.push(b'>');
        text.put(&mut self.xml.text);
        self.xml.close(self.name);
        self.xml.text.push(b'\n');
    }

    /// ` />`.
    #[inline(always)]
    pub fn empty(self) {
        self.xml.put([" />\n"]);
    }
}

/// Writes text as it may stand in XML. Nearly all of it may stand as it is: this is most of the report's cost.
struct Escaped<'t>(&'t mut Vec<u8>);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let plain = |b: u8| (b' '..=b'~').contains(&b) && !matches!(b, b'<' | b'>' | b'&' | b'\'' | b'"');
        if text.bytes().all(plain) {
            self.0.extend_from_slice(text.as_bytes());
        } else {
            self.0.extend_from_slice(escape(allowed(text)).as_bytes());
        }
        Ok(())
    }
}

/// The text with what XML 1.0 cannot hold (section 2.2, `Char`) replaced.
fn allowed(text: &str) -> String {
    let is_char = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if is_char(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_as_the_standard_library_has_them() {
        for octet in 0..=255 {
            for address in [IpAddr::from([octet, 255 - octet, 7, octet]), IpAddr::from([u16::from(octet); 8])]
            {
                let mut text = Vec::new();
                address.put(&mut text);
                assert_eq!(text, address.to_string().into_bytes());
            }
        }
    }

    #[test]
    fn layout_is_tcpflows() {
        let mut xml = Xml::new(Dialect::Tcpflow, 1);
        xml.start("a", &[("x", "1'<&")]);
        xml.element("b", "<\u{1}\u{ffff}>");
        xml.empty("c", &[("y", "2")]);
        xml.empty("d", &[]);
        xml.line(("e", &[("z", "3")]), "f", &[("g", "<"), ("h", "")]);
        xml.end("a");
        let text = String::from_utf8(xml.into_bytes()).unwrap();
        assert_eq!(
            text,
            "  <a x='1&apos;&lt;&amp;'>\n    <b>&lt;\u{fffd}\u{fffd}&gt;</b>\n    <c y='2' />\n    <d />\n    <e z='3'><f><g>&lt;</g><h></h></f></e>\n  </a>\n"
        );
    }

    #[test]
    fn what_the_schema_does_not_have_is_in_a_namespace() {
        let mut xml = Xml::entries(Dialect::Schema);
        xml.start("fileobject", &[]);
        xml.element("filesize", 1_u64);
        xml.tag("tcpflow").with("a", 1_u64).empty();
        xml.line(("byte_run", &[]), "fileobject", &[("filename", "x")]);
        xml.end("fileobject");
        let expected = "  <fileobject>\n    <filesize>1</filesize>\n    <tcpflow:tcpflow a='1' />\n    \
                        <tcpflow:byte_run><fileobject><filename>x</filename></fileobject></tcpflow:byte_run>\n  \
                        </fileobject>\n";
        assert_eq!(String::from_utf8(xml.into_bytes()).unwrap(), expected);
    }
}
