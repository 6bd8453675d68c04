//! XML laid out as tcpflow lays it out: two spaces a level, attributes in single quotes, one element a
//! line. Scripts read the report by lines, so the layout is part of the interface.

use std::borrow::Cow;

use quick_xml::Writer;
use quick_xml::escape::escape;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

/// A piece of the document being written.
pub struct Xml {
    writer: Writer<Vec<u8>>,
    depth: usize,
}

impl Xml {
    /// A piece that begins `depth` levels deep.
    pub fn new(depth: usize) -> Self {
        Self { writer: Writer::new(Vec::new()), depth }
    }

    /// The text so far.
    pub fn into_bytes(self) -> Vec<u8> {
        self.writer.into_inner()
    }

    /// The first line of a document.
    pub fn declaration(&mut self) {
        self.put(Event::Decl(BytesDecl::from_start(BytesStart::from_content(
            "xml version='1.0' encoding='UTF-8'",
            3,
        ))));
        self.newline();
    }

    /// `<name a='1'>`, one level deeper from here.
    pub fn start(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let mut content = name.to_owned();
        push_attributes(&mut content, attributes, " ");
        self.start_raw(&content, name.len());
    }

    /// Like [`Self::start`], with the attributes as they are to stand.
    pub fn start_raw(&mut self, content: &str, name_length: usize) {
        self.indent();
        self.put(Event::Start(BytesStart::from_content(content, name_length)));
        self.newline();
        self.depth = self.depth.saturating_add(1);
    }

    /// `</name>`, one level up.
    pub fn end(&mut self, name: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.indent();
        self.put(Event::End(BytesEnd::new(name)));
        self.newline();
    }

    /// `<name>text</name>`.
    pub fn element(&mut self, name: &str, text: &str) {
        self.element_with(name, &[], text);
    }

    /// `<name a='1'>text</name>`.
    pub fn element_with(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        let mut content = name.to_owned();
        push_attributes(&mut content, attributes, " ");
        self.indent();
        self.put(Event::Start(BytesStart::from_content(content, name.len())));
        self.put(Event::Text(BytesText::from_escaped(escaped(text))));
        self.put(Event::End(BytesEnd::new(name)));
        self.newline();
    }

    /// `<outer a='1'><inner><name>text</name></inner></outer>`, all of it one line.
    pub fn line(
        &mut self,
        (outer, attributes): (&str, &[(&str, &str)]),
        inner: &str,
        elements: &[(&str, &str)],
    ) {
        let mut content = outer.to_owned();
        push_attributes(&mut content, attributes, " ");
        self.indent();
        self.put(Event::Start(BytesStart::from_content(content, outer.len())));
        self.put(Event::Start(BytesStart::new(inner)));
        for (name, text) in elements {
            self.put(Event::Start(BytesStart::new(*name)));
            self.put(Event::Text(BytesText::from_escaped(escaped(text))));
            self.put(Event::End(BytesEnd::new(*name)));
        }
        self.put(Event::End(BytesEnd::new(inner)));
        self.put(Event::End(BytesEnd::new(outer)));
        self.newline();
    }

    /// `<name a='1' />`, with a space before the slash.
    pub fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let mut content = name.to_owned();
        push_attributes(&mut content, attributes, " ");
        content.push(' ');
        self.indent();
        self.put(Event::Empty(BytesStart::from_content(content, name.len())));
        self.newline();
    }

    fn indent(&mut self) {
        let spaces = "  ".repeat(self.depth);
        self.put(Event::Text(BytesText::from_escaped(spaces)));
    }

    fn newline(&mut self) {
        self.put(Event::Text(BytesText::from_escaped("\n")));
    }

    /// Writing to memory cannot fail, so the result says nothing.
    fn put(&mut self, event: Event<'_>) {
        let _ = self.writer.write_event(event);
    }
}

/// Appends ` name='value'` for each attribute.
pub fn push_attributes(content: &mut String, attributes: &[(&str, &str)], before: &str) {
    for (name, value) in attributes {
        content.push_str(before);
        content.push_str(name);
        content.push_str("='");
        content.push_str(&escaped(value));
        content.push('\'');
    }
}

/// The text as it may stand in XML. Nearly all of it may stand as it is: this is most of the report's cost.
fn escaped(text: &str) -> Cow<'_, str> {
    let plain = |b: u8| (b' '..=b'~').contains(&b) && !matches!(b, b'<' | b'>' | b'&' | b'\'' | b'"');
    if text.bytes().all(plain) { Cow::Borrowed(text) } else { Cow::Owned(escape(allowed(text)).into_owned()) }
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
    fn layout_is_tcpflows() {
        let mut xml = Xml::new(1);
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
}
