//! What the report says of one flow: tcpflow's attributes in tcpflow's order, ours after them, and only
//! where there is something to say.

use std::net::IpAddr;

use proto::flow::{FlowClose, FlowEnding, Missing, MissingRun};
use proto::plan::Plugin;
use proto::runner::Outcome;

use super::bodies::byte_runs;
use super::xml::{Dialect, Tag, Xml};
use crate::digest::Named;
use crate::flow::{Fault, Flow};
use crate::held::Ended;
use crate::name::mac;
use crate::runner::Answered;
use crate::store::BEFORE_ROTATION;

/// Writes a `<fileobject>`, with a plugin's answer where there is one.
pub fn fileobject(xml: &mut Xml, prefix: &str, ended: &Ended, result: Option<(&Plugin, &Answered)>) {
    let (flow, close) = (&ended.flow, ended.close.as_ref());
    xml.tag("fileobject").start();
    if let Some(name) = &flow.name {
        xml.element("filename", format_args!("{prefix}{name}"));
    }
    let size = match (flow.savefile(), close) {
        (Some(_), _) => flow.file_length,
        (None, Some(close)) => close.size.saturating_sub(flow.begins()),
        (None, None) => flow.stream_length.saturating_sub(flow.begins()),
    };
    xml.element("filesize", size);
    let strict = xml.dialect() == Dialect::Schema;
    // The schema has its own first.
    if strict {
        digests(xml, &ended.digests);
    }
    let mut tag = known_at_the_beginning(xml.tag("tcpflow"), flow, close);
    if let Some(close) = close {
        tag = known_at_the_end(tag, flow, close);
    }
    ours(tag, ended).empty();
    if let Some(close) = close {
        missing_runs(xml, flow.begins(), &close.missing_runs);
    }
    if !strict {
        digests(xml, &ended.digests);
    }
    if let Some(bodies) = &flow.bodies {
        byte_runs(xml, (prefix, flow.name.as_deref().unwrap_or_default(), flow.begins()), bodies);
    }
    if let Some((plugin, answered)) = result {
        plugin_result(xml, plugin, answered);
    }
    xml.end("fileobject");
}

fn digests(xml: &mut Xml, digests: &[Named]) {
    for (name, digest) in digests {
        xml.tag("hashdigest").with("type", name).around(digest);
    }
}

/// What the plugin returned, or why it did not.
fn plugin_result(xml: &mut Xml, plugin: &Plugin, answered: &Answered) {
    let (cut, failed, text) = match answered.outcome {
        Outcome::Nothing => return,
        Outcome::Text { cut } => (cut.then_some("yes"), None, answered.text.as_str()),
        Outcome::Failed => (None, Some(&answered.text), ""),
    };
    xml.tag("tcpflow:result")
        .with("scanner", "python")
        .with("path", &plugin.path)
        .with("module", &plugin.module)
        .with("function", &plugin.function)
        .with_any("given", answered.given)
        .with_any("truncated", cut)
        .with_any("failed", failed)
        .around(text);
}

fn known_at_the_beginning<'x>(tag: Tag<'x>, flow: &Flow, close: Option<&FlowClose>) -> Tag<'x> {
    let open = &flow.open;
    let known = |address: Option<[u8; 6]>| address.filter(|bytes| *bytes != [0; 6]).map(mac);
    let family = match open.key.source {
        IpAddr::V4(_) => libc::AF_INET,
        IpAddr::V6(_) => libc::AF_INET6,
    };
    let tag = tag.at("startime", open.start);
    let tag = match close {
        Some(close) => tag.at("endtime", close.end),
        None => tag,
    };
    tag.with_any("mac_daddr", known(open.destination_mac))
        .with_any("mac_saddr", known(open.source_mac))
        .with("family", family)
        .with("src_ipn", open.key.source)
        .with("dst_ipn", open.key.destination)
        .with("srcport", open.key.source_port)
        .with("dstport", open.key.destination_port)
}

fn known_at_the_end<'x>(tag: Tag<'x>, flow: &Flow, close: &FlowClose) -> Tag<'x> {
    let violations = close.violations.saturating_add(flow.conflicts().0);
    tag.with("packets", close.packets)
        .with_any("out_of_order_count", unless_zero(close.out_of_order))
        .with_any("violations", unless_zero(violations))
        .with("len", close.length)
        .with_any("caplen", close.captured)
}

/// What tcpflow does not tell.
fn ours<'x>(mut tag: Tag<'x>, ended: &Ended) -> Tag<'x> {
    let (flow, close) = (&ended.flow, ended.close.as_ref());
    if let Some(close) = close {
        tag = tag.with_any("missing", unless_zero(close.missing)).with_any("cut", unless_zero(close.cut));
    }
    // What is as it should be is not said.
    let ending = Some(ended.ending()).filter(|ending| *ending != "fin");
    let part = flow.part();
    let continues = part.map_or(0, |part| part.begins);
    let continued = close.filter(|close| close.ending == FlowEnding::Continued).map(|close| close.size);
    let index_fault = flow.index().and_then(|index| index.fault);
    tag.with_any("conflicting", unless_zero(flow.conflicts().1))
        .with_any("continues", unless_zero(continues))
        .with_any("continued", continued)
        .with_any(BEFORE_ROTATION, unless_zero(part.map_or(0, |part| part.late)))
        .with_any("withheld", unless_zero(flow.withheld()))
        .with_any("ending", ending)
        .with_any("index_truncated", index_fault.map(Fault::reason))
        .with_any("truncated", flow.fault.map(Fault::reason))
}

/// The places of the file that nothing came for, and what was cut off after its end.
fn missing_runs(xml: &mut Xml, begins: u64, missing: &Missing) {
    if missing.count == 0 {
        return;
    }
    xml.tag("missing_runs").with("count", missing.count).start();
    for MissingRun { offset, length, cut } in &missing.first {
        xml.tag("byte_run")
            .with("file_offset", offset.saturating_sub(begins))
            .with("len", length)
            .with_any("cut", unless_zero(*cut))
            .empty();
    }
    xml.end("missing_runs");
}

fn unless_zero(count: u64) -> Option<u64> {
    (count != 0).then_some(count)
}
