//! What the report says after the last flow: tcpflow's totals, and then ours: sums that must add up,
//! the kernel's drops, the sandbox that was in force, and why the run broke off if it did.

use std::time::Instant;

use nix::errno::Errno;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use proto::control::RoleState;
use proto::flow::{Count, HoleTotals, Totals};
use proto::frame::SavefileDrops;
use proto::time::Timestamp;

use super::networks::Networks;
use super::xml::{Dialect, Xml};
use crate::sums::{Books, Sums};
use crate::time::iso8601;

/// What is known of the run beside what was counted.
pub struct Run {
    /// What is in force in each role.
    pub roles: Vec<RoleState>,
    /// When the writer began.
    pub begun: Instant,
    /// Flow files open when the input ended.
    pub open_files_at_end: usize,
    /// Wireless networks, if they are asked for.
    pub networks: Option<Networks>,
    /// The time that the report is about, if that is not the whole run.
    pub period: Option<Span>,
}

/// The time of one of several directories.
pub struct Span {
    /// When it begins.
    pub start: Timestamp,
    /// The directory that follows.
    pub next: Option<String>,
}

/// What stands at the end of the file while the run goes on.
pub fn tail(dialect: Dialect) -> Vec<u8> {
    let mut xml = after_flows(dialect);
    xml.element("interrupted", "tcpflow-writer ended without saying why");
    xml.end("dfxml");
    xml.into_bytes()
}

/// What follows the last flow. The schema has no `<configuration>` around flows.
fn after_flows(dialect: Dialect) -> Xml {
    let mut xml = Xml::entries(dialect);
    match dialect {
        Dialect::Tcpflow => xml.end("configuration"),
        Dialect::Schema => {}
    }
    xml
}

/// Everything after the last `</fileobject>`.
pub fn summary(
    dialect: Dialect,
    totals: &Totals,
    sums: &Sums,
    run: &Run,
    interrupted: Option<&str>,
    lacking: Option<Errno>,
) -> Vec<u8> {
    let mut xml = after_flows(dialect);
    // The schema has it right behind the flows, and leaves the rest to us.
    if dialect == Dialect::Schema {
        rusage(&mut xml, run.begun);
    }
    match &run.networks {
        Some(networks) => {
            xml.start("summary", &[]);
            networks.write(&mut xml);
            xml.end("summary");
        }
        None => xml.empty("summary", &[]),
    }
    xml.element("open_fds_at_end", run.open_files_at_end);
    // tcpflow counts files, whatever it calls them.
    xml.element("max_open_flows", sums.open_files);
    xml.element("total_flows", totals.flows);
    xml.element("flow_map_size", totals.open_flows_at_end);
    xml.element("total_packets", sums.packets);
    if let Some(Span { start, next }) = &run.period {
        xml.tag("rotation").with("start", iso8601(*start)).with_any("next", next.as_deref()).empty();
    }
    if dialect == Dialect::Tcpflow {
        rusage(&mut xml, run.begun);
    }
    conservation(&mut xml, totals, sums);
    let holes = totals.holes;
    if holes != HoleTotals::default() {
        let (bytes, ended) = (holes.bytes.to_string(), holes.flows_ended.to_string());
        xml.empty("holes", &[("bytes", &bytes), ("flows_ended", &ended)]);
    }
    if let Some(kernel) = totals.capture.kernel {
        let (received, dropped) = (kernel.received.to_string(), kernel.dropped.to_string());
        xml.empty("kernel", &[("received", &received), ("dropped", &dropped)]);
    }
    if let Some(drops) = totals.capture.savefile_drops {
        savefile_drops(&mut xml, &drops);
    }
    sandbox(&mut xml, &run.roles);
    if let Some(errno) = lacking {
        xml.element("lacking", format_args!("flows that could not be reported: {}", errno.desc()));
    }
    if let Some(reason) = interrupted {
        xml.element("interrupted", reason);
    }
    xml.end("dfxml");
    xml.into_bytes()
}

fn rusage(xml: &mut Xml, begun: Instant) {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return };
    let seconds = |time: nix::sys::time::TimeVal| {
        let micros = time.num_microseconds();
        format!("{}.{:06}", micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000))
    };
    xml.start("rusage", &[]);
    xml.element("utime", seconds(usage.user_time()));
    xml.element("stime", seconds(usage.system_time()));
    for (name, count) in [
        ("maxrss", usage.max_rss()),
        ("minflt", usage.minor_page_faults()),
        ("majflt", usage.major_page_faults()),
        ("nswap", usage.full_swaps()),
        ("inblock", usage.block_reads()),
        ("oublock", usage.block_writes()),
    ] {
        xml.element(name, count);
    }
    xml.element("clocktime", format_args!("{:.6}", begun.elapsed().as_secs_f64()));
    xml.end("rusage");
}

/// Frames and payload bytes: what came, and what became of all of it.
fn conservation(xml: &mut Xml, totals: &Totals, sums: &Sums) {
    xml.start("conservation", &[]);
    let [read, filtered, frames, segments] =
        [totals.capture.frames_read, totals.capture.frames_filtered, totals.frames, totals.segments]
            .map(|count| count.to_string());
    let frame_sums =
        [("captured", read.as_str()), ("filtered", &filtered), ("relayed", &frames), ("decoded", &segments)];
    xml.start("frames", &frame_sums);
    aside(xml, &totals.frames_aside);
    xml.end("frames");
    let [payload, received, written] =
        [totals.payload, sums.payload.received, sums.payload.written].map(|count| count.to_string());
    let byte_sums = [("captured", payload.as_str()), ("relayed", &received), ("written", &written)];
    xml.start("payload", &byte_sums);
    aside(xml, &totals.payload_aside);
    aside_here(xml, &sums.payload);
    xml.end("payload");
    for (name, books) in
        [("packets", &sums.kept), ("unprocessed", &sums.unprocessed), ("bodies", &sums.bodies)]
    {
        if books.received > 0 {
            let [received, written] = [books.received, books.written].map(|count| count.to_string());
            xml.start(name, &[("relayed", &received), ("written", &written)]);
            aside_here(xml, books);
            xml.end(name);
        }
    }
    xml.end("conservation");
}

/// What the savefiles themselves say of frames that never came into them.
fn savefile_drops(xml: &mut Xml, drops: &SavefileDrops) {
    let SavefileDrops { received, by_interface, by_system, between, dropped } = *drops;
    let [received, by_interface, by_system, between, dropped] =
        [received, by_interface, by_system, between, dropped].map(|count| count.to_string());
    let attributes = [
        ("received", received.as_str()),
        ("dropped", &dropped),
        ("by_interface", &by_interface),
        ("by_system", &by_system),
        ("between_packets", &between),
    ];
    xml.empty("savefile_drops", &attributes);
}

fn aside(xml: &mut Xml, counts: &[Count]) {
    for Count { reason, count } in counts {
        xml.empty("aside", &[("reason", reason.as_str()), ("count", &count.to_string())]);
    }
}

fn aside_here(xml: &mut Xml, books: &Books) {
    for (reason, count) in &books.aside {
        xml.empty("aside", &[("reason", reason), ("count", &count.to_string())]);
    }
}

fn sandbox(xml: &mut Xml, roles: &[RoleState]) {
    if roles.is_empty() {
        return;
    }
    xml.start("sandbox", &[]);
    for role in roles {
        xml.start("role", &[("name", role.role.as_str()), ("pid", &role.pid.to_string())]);
        for layer in &role.layers {
            let in_force = if layer.in_force { "yes" } else { "no" };
            let detail = (!layer.detail.as_str().is_empty()).then_some(("detail", layer.detail.as_str()));
            let attributes = [("name", layer.name.as_str()), ("in_force", in_force)];
            let attributes: Vec<_> = attributes.into_iter().chain(detail).collect();
            xml.empty("layer", &attributes);
        }
        xml.end("role");
    }
    xml.end("sandbox");
}
