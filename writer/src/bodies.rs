//! What the writer knows of the bodies of HTTP messages that were in one flow.

use proto::body::{BodyEnding, BodyOpen};

use crate::flow::Fault;

/// The bodies of a flow.
#[derive(Debug, Default)]
pub struct Bodies {
    /// The number of the last one that began.
    pub last: u64,
    /// The one that is open.
    pub open: Option<Body>,
    /// Those that are over, for the report.
    pub over: Vec<Body>,
    /// How many more are over, for which there was no room.
    pub unlisted: u64,
}

/// A body.
#[derive(Debug)]
pub struct Body {
    /// What the reassembler said when it began.
    pub open: BodyOpen,
    /// Which of the names it could have it has, once there is a file.
    pub counter: Option<u32>,
    /// Where in it its file begins: what came before is in another directory (`--rotate`).
    pub begins: u64,
    /// Its length so far, with what was lost of it.
    pub length: u64,
    /// The length of its file.
    pub file_length: u64,
    /// Whether it goes on in another directory.
    pub continued: bool,
    /// How it ended.
    pub ending: BodyEnding,
    /// Why its file is not whole.
    pub fault: Option<Fault>,
}

impl Body {
    /// A body of which nothing came yet.
    pub fn new(open: BodyOpen) -> Self {
        Self {
            open,
            counter: None,
            begins: 0,
            length: 0,
            file_length: 0,
            continued: false,
            ending: BodyEnding::Cut,
            fault: None,
        }
    }

    /// What is left of it for the next directory.
    pub fn next_part(&self) -> Self {
        Self { begins: self.length, length: self.length, ..Self::new(self.open) }
    }

    /// The name of its file, beside the file of its flow, once there is one.
    pub fn name(&self, flow: &str) -> Option<String> {
        self.counter.map(|counter| self.name_with(flow, counter))
    }

    /// The name with a counter: tcpflow's if that is 0.
    pub fn name_with(&self, flow: &str, counter: u32) -> String {
        let kind = if self.open.request { "HTTPREQUEST" } else { "HTTPBODY" };
        let counter = if counter == 0 { String::new() } else { format!("c{counter}") };
        let extension = self.open.extension.as_str();
        let dot = if extension.is_empty() { "" } else { "." };
        format!("{flow}-{kind}-{:03}{counter}{dot}{extension}", self.open.number)
    }

    /// What the report says of how it ended; nothing where that is as it should be.
    pub fn reason(&self) -> Option<&'static str> {
        match self.ending {
            _ if self.continued => Some("continued"),
            BodyEnding::Complete => None,
            BodyEnding::Cut => Some("cut"),
            BodyEnding::Hole => Some("hole"),
            BodyEnding::Capped => Some("capped"),
            BodyEnding::BrokenCoding => Some("broken_coding"),
            BodyEnding::BrokenFraming => Some("broken_framing"),
            BodyEnding::NoMemory => Some("no_memory"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::body::Extension;
    use proto::flow::FlowId;

    #[test]
    fn names_are_tcpflows() {
        let extension = Extension::try_from("html").unwrap();
        let mut body =
            Body::new(BodyOpen { flow: FlowId(0), number: 1, offset: 65, extension, request: false });
        assert_eq!(body.name("a/b"), None);
        body.counter = Some(0);
        assert_eq!(body.name("a/b").as_deref(), Some("a/b-HTTPBODY-001.html"));
        body.counter = Some(2);
        body.open = BodyOpen { number: 1000, extension: Extension::default(), request: true, ..body.open };
        assert_eq!(body.name("a/b").as_deref(), Some("a/b-HTTPREQUEST-1000c2"));
    }
}
