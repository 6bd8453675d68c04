//! A report as lines, without what cannot be the same twice.

use serde::Deserialize;

use super::case::Case;
use crate::report::Element;

/// What is not compared, each kind with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mask {
    /// `<metadata>` and `<creator>`: the same in every report; one case compares them.
    Header,
    /// Elements that only ours has: `<conservation>`, `<holes>`, `<kernel>`, `<sandbox>`.
    Elements,
    /// What only ours says of a flow: the attributes `missing`, `cut`, `conflicting`, `ending`, `truncated`,
    /// and `<missing_runs>`.
    Attributes,
    /// The order of flows: those open at the end come in another.
    Order,
    /// Standard error: what `-d` above 1 says is in each program's own words.
    Chatter,
    /// Standard output: the help is in each program's own words.
    Help,
    /// The report and its announcement: the console modes make none unless `-X` asks.
    Report,
}

impl Mask {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Header,
        Self::Elements,
        Self::Attributes,
        Self::Order,
        Self::Chatter,
        Self::Help,
        Self::Report,
    ];

    /// Whether it is masked unless a case says otherwise.
    #[must_use]
    pub fn is_usual(self) -> bool {
        match self {
            Self::Header | Self::Elements | Self::Attributes | Self::Order => true,
            Self::Chatter | Self::Help | Self::Report => false,
        }
    }

    /// The row of DIFFERENCES.md that explains it, if it is a difference.
    #[must_use]
    pub fn row(self) -> Option<&'static str> {
        match self {
            Self::Header => None,
            Self::Elements | Self::Attributes => Some("report-additions"),
            Self::Order => Some("report-order"),
            Self::Chatter => Some("debug-words"),
            Self::Help => Some("help-words"),
            Self::Report => Some("console-no-report"),
        }
    }
}

/// Values that belong to one run, one machine or one build, wherever they stand.
const VALUES: [&str; 10] = [
    "version",
    "compiler",
    "os_sysname",
    "os_release",
    "os_version",
    "host",
    "arch",
    "uid",
    "username",
    "start_time",
];

/// The document as lines, an element each, and a flow in one.
#[must_use]
pub fn lines(document: &Element, case: &Case) -> String {
    let mut text = String::new();
    element(document, 1, case, &mut text);
    text
}

fn element(element: &Element, depth: usize, case: &Case, text: &mut String) {
    let name = element.name.as_str();
    let masked = match name {
        "metadata" | "creator" => case.masks(Mask::Header),
        "conservation" | "holes" | "kernel" | "sandbox" => case.masks(Mask::Elements),
        _ => false,
    };
    if masked {
        return;
    }
    text.push_str(&"  ".repeat(depth));
    match name {
        "fileobject" => text.push_str(&flow(element, case)),
        "rusage" | "sandbox" | "kernel" => text.push_str(&format!("{name} *")),
        _ => text.push_str(&start(element, case)),
    }
    text.push('\n');
    if ["fileobject", "rusage", "sandbox", "kernel"].contains(&name) {
        return;
    }
    let sorted = case.masks(Mask::Order);
    let mut flows: Vec<&Element> =
        element.children.iter().filter(|child| child.name == "fileobject").collect();
    if sorted {
        flows.sort_by_key(|child| flow(child, case));
    }
    let mut flows = flows.into_iter();
    for child in &element.children {
        let child = if child.name == "fileobject" { flows.next().unwrap() } else { child };
        self::element(child, depth + 1, case, text);
    }
}

/// A flow in one line.
fn flow(element: &Element, case: &Case) -> String {
    let children: Vec<String> = element
        .children
        .iter()
        .filter(|child| !(child.name == "missing_runs" && case.masks(Mask::Attributes)))
        .map(|child| match child.children.is_empty() {
            true => start(child, case),
            false => format!("{} ({})", start(child, case), flow(child, case)),
        })
        .collect();
    format!("{}: {}", element.name, children.join("; "))
}

/// Name, attributes and text.
fn start(element: &Element, case: &Case) -> String {
    let mut line = element.name.clone();
    for (name, value) in &element.attributes {
        let ours = ["missing", "cut", "conflicting", "ending", "truncated"].contains(&name.as_str());
        if !(ours && case.masks(Mask::Attributes)) {
            line.push_str(&format!(" {name}={}", value.escape_debug()));
        }
    }
    let words = element.text.trim();
    if element.name == "command_line" {
        // Wherever the program lies.
        let from = words.find("tcpflow -").unwrap_or_default();
        line.push_str(&format!(" {}", words[from..].escape_debug()));
    } else if VALUES.contains(&element.name.as_str()) {
        line.push_str(" *");
    } else if !words.is_empty() {
        line.push_str(&format!(" {}", words.escape_debug()));
    }
    line
}
