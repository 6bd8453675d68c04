//! What the report says of bodies of HTTP messages: tcpflow's `<byte_runs>`, laid out as it lays them out, with
//! ours where there is something to say.

use super::xml::Xml;
use crate::bodies::{Bodies, Body};

/// The bodies of a flow. `place`: what goes before the name of its file, that name, and where in the stream it begins.
pub fn byte_runs(xml: &mut Xml, place: (&str, &str, u64), bodies: &Bodies) {
    if bodies.over.is_empty() && bodies.unlisted == 0 {
        return;
    }
    let unlisted = bodies.unlisted.to_string();
    let attributes = (bodies.unlisted > 0).then_some(("unlisted", unlisted.as_str()));
    xml.start("byte_runs", attributes.as_slice());
    for body in &bodies.over {
        byte_run(xml, place, body);
    }
    xml.end("byte_runs");
}

fn byte_run(xml: &mut Xml, (prefix, flow, begins): (&str, &str, u64), body: &Body) {
    let (offset, size) = (body.open.offset.saturating_sub(begins).to_string(), body.file_length.to_string());
    let mut attributes = vec![("file_offset", offset.as_str())];
    let continues = body.begins.to_string();
    attributes.extend((body.begins > 0).then_some(("continues", continues.as_str())));
    attributes.extend(body.reason().map(|reason| ("ending", reason)));
    attributes.extend(body.fault.map(|fault| ("truncated", fault.reason())));
    let name = body.name(flow).map(|name| format!("{prefix}{name}"));
    let name = name.as_deref().map(|name| ("filename", name));
    let elements: Vec<(&str, &str)> = name.into_iter().chain([("filesize", size.as_str())]).collect();
    xml.line(("byte_run", &attributes), "fileobject", &elements);
}
