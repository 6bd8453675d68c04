//! `report.xml`, as a tree of elements.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name as written, prefix included.
    pub name: String,
    /// Its attributes in order.
    pub attributes: Vec<(String, String)>,
    /// The elements in it.
    pub children: Vec<Element>,
    /// The text in it, without that of its children.
    pub text: String,
}

impl Element {
    /// Reads a whole document and gives its root, or says why it is not well-formed.
    pub fn parse(document: &[u8]) -> Result<Self, String> {
        checked(std::str::from_utf8(document).map_err(|e| e.to_string())?)?;
        let mut reader = Reader::from_reader(document);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().map_err(|e| e.to_string())? {
                Event::Start(start) => open.push(Self::start(&start)?),
                Event::Empty(start) => {
                    let element = Self::start(&start)?;
                    open.last_mut().ok_or("text after the root")?.children.push(element);
                }
                Event::End(_) => {
                    let element = open.pop().ok_or("an end without a start")?;
                    open.last_mut().ok_or("an end without a start")?.children.push(element);
                }
                Event::Text(text) => {
                    open.last_mut().ok_or("text after the root")?.text.push_str(&text);
                }
                Event::GeneralRef(reference) => {
                    let text = resolve(&reference)?;
                    open.last_mut().ok_or("text after the root")?.text.push_str(&text);
                }
                Event::Eof => break,
                Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
        let [document] =
            <[Self; 1]>::try_from(open).map_err(|open| format!("{} left open", open.len() - 1))?;
        let [root] =
            <[Self; 1]>::try_from(document.children).map_err(|all| format!("{} roots", all.len()))?;
        Ok(root)
    }

    fn start(start: &BytesStart<'_>) -> Result<Self, String> {
        let name = start.name().as_ref().to_owned();
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| e.to_string())?;
            let value = quick_xml::escape::unescape(&attribute.value).map_err(|e| e.to_string())?;
            attributes.push((attribute.key.as_ref().to_owned(), checked(&value)?.to_owned()));
        }
        Ok(Self { name, attributes, ..Self::default() })
    }

    /// Every element of this name at any depth, in document order.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&Self> {
        let mut found = Vec::new();
        for child in &self.children {
            if child.name == name {
                found.push(child);
            }
            found.extend(child.all(name));
        }
        found
    }

    /// The only element of this name.
    #[must_use]
    pub fn one(&self, name: &str) -> &Self {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "<{name}> in {self:#?}");
        all[0]
    }

    /// The value of an attribute, if it is there.
    #[must_use]
    pub fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == attribute).map(|(_, value)| value.as_str())
    }

    /// The value of an attribute that is a number.
    #[must_use]
    pub fn number(&self, attribute: &str) -> u64 {
        let value = self.get(attribute).unwrap_or_else(|| panic!("no {attribute} in {self:?}"));
        value.parse().unwrap_or_else(|e| panic!("{attribute}={value:?}: {e}"))
    }

    /// The text as a number.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.text.trim().parse().unwrap_or_else(|e| panic!("{self:?}: {e}"))
    }
}

/// Sees that every frame and every payload byte was accounted for.
pub fn assert_conserved(report: &Element) {
    let aside = |element: &Element| element.all("aside").iter().map(|row| row.number("count")).sum::<u64>();
    let frames = report.one("frames");
    let [captured, filtered, relayed, decoded] =
        ["captured", "filtered", "relayed", "decoded"].map(|sum| frames.number(sum));
    assert_eq!(captured, filtered + relayed, "{frames:?}");
    assert_eq!(relayed, decoded + aside(frames), "{frames:?}");
    let payload = report.one("payload");
    assert_eq!(payload.number("captured"), payload.number("written") + aside(payload), "{payload:?}");
    for kept in ["packets", "unprocessed"].into_iter().flat_map(|name| report.all(name)) {
        assert_eq!(kept.number("relayed"), kept.number("written") + aside(kept), "{kept:?}");
    }
}

/// A report of very many flows: all of it but these, and how many there were.
#[derive(Debug)]
pub struct Outline {
    /// The report without `<fileobject>`s.
    pub report: Element,
    /// How many flows it has.
    pub flows: u64,
    /// How often each `ending` was there, of flows and of bodies.
    pub endings: BTreeMap<String, u64>,
}

impl Outline {
    /// Reads a report line by line. That it is well-formed is seen of what is left; each flow's lines are seen to
    /// begin and end it.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let (mut left, mut flows, mut within) = (Vec::new(), 0, false);
        let mut endings = BTreeMap::new();
        for line in BufReader::new(File::open(path).unwrap()).lines() {
            let line = line.unwrap();
            match line.trim_ascii() {
                "<fileobject>" => {
                    assert!(!within, "a flow in a flow");
                    within = true;
                    flows += 1;
                }
                "</fileobject>" => {
                    assert!(within, "an end without a flow");
                    within = false;
                }
                text if within => {
                    let ending = text.split_once(" ending='").and_then(|(_, rest)| rest.split_once('\''));
                    if let Some((ending, _)) = ending {
                        *endings.entry(ending.to_owned()).or_insert(0) += 1;
                    }
                }
                _ => left.extend([line.as_bytes(), b"\n"].concat()),
            }
        }
        assert!(!within, "a flow without an end");
        let shown = String::from_utf8_lossy(&left);
        let report = Element::parse(&left).unwrap_or_else(|reason| panic!("{reason}:\n{shown}"));
        Self { report, flows, endings }
    }
}

/// How much of `<frames>` or `<payload>` was set aside, by reason.
#[must_use]
pub fn set_aside(report: &Element, what: &str) -> Vec<(String, u64)> {
    let rows = report.one(what).all("aside").into_iter();
    rows.map(|row| (row.get("reason").unwrap().to_owned(), row.number("count"))).collect()
}

fn resolve(name: &str) -> Result<String, String> {
    let reference = format!("&{name};");
    let text = quick_xml::escape::unescape(&reference).map_err(|e| e.to_string())?;
    Ok(checked(&text)?.to_owned())
}

/// Text in which every character may be in a document, written as it is or as a reference: XML 1.0, 2.2. The reader
/// does not look.
fn checked(text: &str) -> Result<&str, String> {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
    match text.chars().find(|c| !allowed(*c)) {
        None => Ok(text),
        Some(c) => Err(format!("{c:?} is no character of XML")),
    }
}

#[cfg(test)]
mod tests {
    use super::Element;

    #[test]
    fn a_document_becomes_elements() {
        let root = Element::parse(b"<?xml version='1.0'?><a b='1&amp;2'><c>x &lt; y</c><c/></a>").unwrap();
        assert_eq!(root.get("b"), Some("1&2"));
        assert_eq!(root.all("c").len(), 2);
        assert_eq!(root.all("c")[0].text, "x < y");
    }

    #[test]
    fn what_is_left_open_is_not_well_formed() {
        let controls =
            ["<a>\u{1b}</a>", "<a>&#27;</a>", "<a b='\u{1}'/>", "<a b='&#x1;'/>", "<a>\u{ffff}</a>"];
        for broken in ["<a><b></b>", "<a></b>", "<a></a><c/>", ""].into_iter().chain(controls) {
            assert!(Element::parse(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
