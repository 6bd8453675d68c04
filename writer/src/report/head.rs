//! What the report says before the first flow: metadata, creator, configuration.

use nix::sys::utsname::{UtsName, uname};
use proto::plan::ReportPlan;
use proto::time::Timestamp;

use super::xml::{Dialect, Xml};
use crate::time::iso8601;

/// Namespaces of the metadata, a line each.
const NAMESPACES: [(&str, &str); 3] = [
    ("xmlns", "http://afflib.org/tcpflow/"),
    ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
    ("xmlns:dc", "http://purl.org/dc/elements/1.1/"),
];

/// The namespace of `<tcpflow:result>`.
const RESULTS: (&str, &str) = ("xmlns:tcpflow", "http://afflib.org/tcpflow/");

/// The namespaces of a report that is of the schema: that of DFXML, that of the metadata, and ours.
const OF_SCHEMA: [(&str, &str); 4] = [
    ("xmlns", "http://www.forensicswiki.org/wiki/Category:Digital_Forensics_XML"),
    ("xmlns:dc", "http://purl.org/dc/elements/1.1/"),
    RESULTS,
    ("version", "2.0.0-beta.0"),
];

/// Everything up to the first `<fileobject>`; `results` if a plugin's may stand in these. Asks the kernel for its name: to be made before confinement.
pub fn head(plan: &ReportPlan, results: bool) -> Vec<u8> {
    if plan.strict { of_schema(plan) } else { as_ever(plan, results) }
}

/// What the schema does not have may stand before all that it has.
fn of_schema(plan: &ReportPlan) -> Vec<u8> {
    let mut xml = Xml::new(Dialect::Schema, 0);
    xml.declaration();
    xml.start("dfxml", &OF_SCHEMA);
    xml.element("tdelta", plan.time_delta);
    xml.start("metadata", &[]);
    xml.element("dc:type", "Feature Extraction");
    xml.end("metadata");
    creator(&mut xml, plan);
    xml.into_bytes()
}

fn as_ever(plan: &ReportPlan, results: bool) -> Vec<u8> {
    let mut xml = Xml::new(Dialect::Tcpflow, 0);
    xml.declaration();
    let mut root = vec![("xmloutputversion", "1.0")];
    root.extend(results.then_some(RESULTS));
    xml.start("dfxml", &root);
    let metadata = xml.tag("metadata");
    NAMESPACES.iter().fold(metadata, |tag, (name, uri)| tag.behind(" \n  ", name, uri)).start();
    xml.element("dc:type", "Feature Extraction");
    xml.end("metadata");
    creator(&mut xml, plan);
    xml.start("configuration", &[]);
    xml.end("configuration");
    xml.element("tdelta", plan.time_delta);
    xml.start("configuration", &[]);
    xml.into_bytes()
}

fn creator(xml: &mut Xml, plan: &ReportPlan) {
    xml.start("creator", &[("version", "1.0")]);
    xml.element("program", "TCPFLOW");
    xml.element("version", env!("CARGO_PKG_VERSION"));
    xml.start("build_environment", &[]);
    xml.element("compiler", env!("COMPILER"));
    xml.end("build_environment");
    xml.start("execution_environment", &[]);
    if let Ok(host) = uname() {
        system(xml, &host);
    }
    xml.element("command_line", plan.command_line.as_str());
    xml.element("uid", plan.uid);
    xml.element("username", plan.username.as_str());
    xml.element("start_time", iso8601(Timestamp::new(plan.start.seconds(), 0)));
    xml.end("execution_environment");
    xml.end("creator");
}

fn system(xml: &mut Xml, host: &UtsName) {
    for (name, value) in [
        ("os_sysname", host.sysname()),
        ("os_release", host.release()),
        ("os_version", host.version()),
        ("host", host.nodename()),
        ("arch", host.machine()),
    ] {
        xml.element(name, value.to_string_lossy());
    }
}
