//! What the report says of one flow: tcpflow's attributes in tcpflow's order, ours after them, and only
//! where there is something to say.

use std::net::IpAddr;

use proto::flow::{FlowClose, FlowEnding, Missing, MissingRun};
use proto::plan::Plugin;
use proto::runner::Outcome;

use super::bodies::byte_runs;
use super::xml::Xml;
use crate::flow::Flow;
use crate::held::Ended;
use crate::name::{iso8601, mac};
use crate::runner::Answered;

/// A `<fileobject>`, with a plugin's answer where there is one.
pub fn fileobject(prefix: &str, ended: &Ended, result: Option<(&Plugin, &Answered)>) -> Vec<u8> {
    let (flow, close) = (&ended.flow, ended.close.as_ref());
    let mut xml = Xml::new(2);
    xml.start("fileobject", &[]);
    if let Some(name) = &flow.name {
        xml.element("filename", &format!("{prefix}{name}"));
    }
    let size = match (&flow.savefile, close) {
        (Some(_), _) => flow.file_length,
        (None, Some(close)) => close.size,
        (None, None) => flow.stream_length,
    };
    xml.element("filesize", &size.to_string());
    let mut attributes = known_at_the_beginning(flow, close);
    if let Some(close) = close {
        attributes.extend(known_at_the_end(flow, close));
    }
    attributes.extend(ours(flow, close));
    xml.empty("tcpflow", &borrowed(&attributes));
    if let Some(close) = close {
        missing_runs(&mut xml, &close.missing_runs);
    }
    for (name, digest) in &ended.digests {
        xml.element_with("hashdigest", &[("type", name)], digest);
    }
    if let Some(bodies) = &flow.bodies {
        byte_runs(&mut xml, (prefix, flow.name.as_deref().unwrap_or_default()), bodies);
    }
    if let Some((plugin, answered)) = result {
        plugin_result(&mut xml, plugin, answered);
    }
    xml.end("fileobject");
    xml.into_bytes()
}

/// What the plugin returned, or why it did not.
fn plugin_result(xml: &mut Xml, plugin: &Plugin, answered: &Answered) {
    let mut attributes = vec![
        ("scanner", "python".to_owned()),
        ("path", plugin.path.to_string()),
        ("module", plugin.module.to_string()),
        ("function", plugin.function.to_string()),
    ];
    attributes.extend(answered.given.map(|bytes| ("given", bytes.to_string())));
    let text = match answered.outcome {
        Outcome::Nothing => return,
        Outcome::Text { cut } => {
            attributes.extend(cut.then(|| ("truncated", "yes".to_owned())));
            answered.text.as_str()
        }
        Outcome::Failed => {
            attributes.push(("failed", answered.text.clone()));
            ""
        }
    };
    xml.element_with("tcpflow:result", &borrowed(&attributes), text);
}

type Attributes = Vec<(&'static str, String)>;

fn known_at_the_beginning(flow: &Flow, close: Option<&FlowClose>) -> Attributes {
    let open = &flow.open;
    let mut attributes = vec![("startime", iso8601(open.start))];
    attributes.extend(close.map(|close| ("endtime", iso8601(close.end))));
    for (name, address) in [("mac_daddr", open.destination_mac), ("mac_saddr", open.source_mac)] {
        attributes.extend(address.filter(|bytes| *bytes != [0; 6]).map(|bytes| (name, mac(bytes))));
    }
    let family = match open.key.source {
        IpAddr::V4(_) => libc::AF_INET,
        IpAddr::V6(_) => libc::AF_INET6,
    };
    attributes.extend([
        ("family", family.to_string()),
        ("src_ipn", open.key.source.to_string()),
        ("dst_ipn", open.key.destination.to_string()),
        ("srcport", open.key.source_port.to_string()),
        ("dstport", open.key.destination_port.to_string()),
    ]);
    attributes
}

fn known_at_the_end(flow: &Flow, close: &FlowClose) -> Attributes {
    let mut attributes = vec![("packets", close.packets.to_string())];
    let violations = close.violations.saturating_add(flow.conflicts);
    attributes.extend(unless_zero("out_of_order_count", close.out_of_order));
    attributes.extend(unless_zero("violations", violations));
    attributes.push(("len", close.length.to_string()));
    attributes.extend(close.captured.map(|captured| ("caplen", captured.to_string())));
    attributes
}

/// What tcpflow does not tell.
fn ours(flow: &Flow, close: Option<&FlowClose>) -> Attributes {
    let mut attributes = Attributes::new();
    if let Some(close) = close {
        attributes.extend(unless_zero("missing", close.missing));
        attributes.extend(unless_zero("cut", close.cut));
    }
    attributes.extend(unless_zero("conflicting", flow.conflicting));
    let ending = match close.map(|close| close.ending) {
        Some(FlowEnding::Fin) => None,
        Some(FlowEnding::Reset) => Some("reset"),
        Some(FlowEnding::Reused) => Some("reused"),
        Some(FlowEnding::Skipped) => Some("skipped"),
        Some(FlowEnding::MaxHole) => Some("max_hole"),
        Some(FlowEnding::Idle) => Some("idle"),
        Some(FlowEnding::Evicted) => Some("evicted"),
        Some(FlowEnding::Open) => Some("open"),
        None => Some("interrupted"),
    };
    attributes.extend(ending.map(|ending| ("ending", ending.to_owned())));
    let index_fault = flow.index.as_ref().and_then(|index| index.fault);
    attributes.extend(index_fault.map(|fault| ("index_truncated", fault.reason().to_owned())));
    attributes.extend(flow.fault.map(|fault| ("truncated", fault.reason().to_owned())));
    attributes
}

/// The places of the file that nothing came for, and what was cut off after its end.
fn missing_runs(xml: &mut Xml, missing: &Missing) {
    if missing.count == 0 {
        return;
    }
    xml.start("missing_runs", &[("count", &missing.count.to_string())]);
    for MissingRun { offset, length, cut } in &missing.first {
        let mut attributes = vec![("file_offset", offset.to_string()), ("len", length.to_string())];
        attributes.extend(unless_zero("cut", *cut));
        xml.empty("byte_run", &borrowed(&attributes));
    }
    xml.end("missing_runs");
}

fn borrowed(attributes: &Attributes) -> Vec<(&str, &str)> {
    attributes.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn unless_zero(name: &'static str, count: u64) -> Option<(&'static str, String)> {
    (count != 0).then(|| (name, count.to_string()))
}
