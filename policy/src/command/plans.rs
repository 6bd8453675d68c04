//! The plans of the roles, made of the settings.

use nix::unistd::{User, getuid};
use policy::Role;
use proto::plan::{
    CapturePlan, Confinement, EventsPlan, Group, Identity, Limits, Live, Plan, ReassemblerPlan, ReportPlace,
    ReportPlan, RotationPlan, Source, Wanted, WriterPlan,
};
use proto::text::Text;

use super::error::Error;
use super::identity::Identities;
use super::output::{Places, name_in_report};
use super::programs;
use super::progress;
use super::settings::{Input, Settings};

const MEBIBYTE: u32 = 1 << 20;
/// libpcap's largest snap length, and tcpflow's.
const SNAP_LENGTH: u32 = 262_144;
/// What a role's program, libraries, stack and buffers take of its address space, in bytes.
const FIXED_SPACE: u64 = 128 << 20;
/// What savefiles may take to be decompressed: a window of 128 MiB, in a buffer of a power of two that grows by
/// being copied, and that of an archive around it.
const DECOMPRESSION: u64 = 512 << 20;
/// The allocator's own: what it holds back and what growing tables take twice for a moment.
const SLACK: u64 = 3;
/// Seconds that whoever watches a capture as it comes waits for a lost segment to be sent again: the least
/// that a sender waits before it does (RFC 6298, 2.4).
const PATIENCE: u32 = 1;
/// What an address of `-S netviz_histogram_size` takes: its rows for both directions, and those summed up later.
const ADDRESS_SPACE: u64 = 2048;

/// Directories that a writer which removes the oldest has open at once to look through them.
const DIRECTORIES: u64 = 48;

/// The plan of `role`.
pub fn of(role: Role, settings: &Settings, identities: &Identities, places: &Places) -> Result<Plan, Error> {
    Ok(match role {
        Role::CaptureLive | Role::CaptureFiles => Plan::Capture(capture(settings, identities, None)),
        Role::Reassembler => Plan::Reassembler(reassembler(settings, identities)),
        Role::Writer | Role::WriterRetaining | Role::WriterOfSeveral | Role::WriterOfSeveralRetaining => {
            Plan::Writer(writer(settings, places))
        }
        Role::Runner => Plan::Runner(Box::new(programs::plan(settings, places)?)),
    })
}

fn confinement(settings: &Settings, identity: Option<Identity>, limits: Limits) -> Confinement {
    Confinement { mode: settings.sandbox, identity, limits }
}

/// The plan of a capture; `group`: that of its packet socket, where there are several.
pub fn capture(settings: &Settings, identities: &Identities, group: Option<Group>) -> CapturePlan {
    // The ring of a live capture is mapped, so that its size counts.
    let (source, more) = match &settings.input {
        Input::Savefiles(_) => (Source::Savefiles, DECOMPRESSION),
        Input::Live { interface, promiscuous, buffer_size, packet_buffer_timeout, .. } => {
            let live = Live {
                interface: interface.clone(),
                promiscuous: *promiscuous,
                snap_length: SNAP_LENGTH,
                ring: share_of_ring(*buffer_size, settings.workers),
                packet_buffer_timeout: *packet_buffer_timeout,
                group,
            };
            let ring = live.ring.into();
            (Source::Live(live), ring)
        }
    };
    let space = FIXED_SPACE.saturating_add(more);
    let limits = Limits { address_space: Some(space), open_files: None, file_size: Some(0) };
    CapturePlan {
        confinement: confinement(settings, identities.reader, limits),
        source,
        filter: settings.filter.clone(),
        progress: progress::is_wanted(settings),
        drops: settings.events.is_some(),
    }
}

/// What each of several captures gets of the memory of the ring, in bytes; a mebibyte at least.
fn share_of_ring(mebibytes: u32, workers: u32) -> u32 {
    mebibytes.saturating_mul(MEBIBYTE).checked_div(workers).unwrap_or_default().max(MEBIBYTE)
}

fn reassembler(settings: &Settings, identities: &Identities) -> ReassemblerPlan {
    let all_memory = settings.max_memory.saturating_mul(MEBIBYTE.into());
    let max_memory = all_memory.checked_div(settings.workers.into()).unwrap_or_default();
    let addresses = settings.charts.map_or(0, |charts| u64::from(charts.addresses));
    let space = FIXED_SPACE
        .saturating_add(max_memory.saturating_mul(SLACK))
        .saturating_add(addresses.saturating_mul(ADDRESS_SPACE));
    let limits = Limits { address_space: Some(space), open_files: None, file_size: Some(0) };
    ReassemblerPlan {
        confinement: confinement(settings, identities.reader, limits),
        max_skip: settings.max_skip,
        max_hole: settings.max_hole,
        overlap: settings.overlap,
        time_delta: settings.time_delta,
        tcp_timeout: settings.tcp_timeout,
        max_memory,
        patience: match &settings.input {
            Input::Savefiles(_) => None,
            Input::Live { .. } => Some(PATIENCE),
        },
        tunnels: settings.tunnels,
        separation: settings.separation,
        wanted: Wanted {
            flows: settings.demultiplex,
            data: settings.store,
            console: settings.console.as_ref().map(|_| settings.console_order),
            index: settings.index,
            packets: settings.packets,
            http: settings.http,
            unprocessed: settings.unprocessed.is_some(),
            charts: settings.charts,
            networks: settings.networks,
            events: settings.events.is_some(),
        },
        rotation: rotation(settings),
        workers: settings.workers,
    }
}

fn rotation(settings: &Settings) -> Option<RotationPlan> {
    let rotation = settings.rotation.as_ref()?;
    let by_packets = match settings.input {
        Input::Savefiles(_) => true,
        Input::Live { .. } => false,
    };
    Some(RotationPlan {
        size: rotation.size,
        every: rotation.every.filter(|_| by_packets),
        by_packets,
        start: policy::now(),
        max_bytes: settings.max_bytes,
        reports: settings.report_enabled && settings.report.is_none(),
    })
}

fn writer(settings: &Settings, places: &Places) -> WriterPlan {
    // Flow files, and a few more: channels, directory, report; of each reassembler a channel and a counter.
    let retention = settings.rotation.as_ref().and_then(|rotation| rotation.retention);
    let listing = if retention.is_some() { DIRECTORIES } else { 0 };
    let channels = u64::from(settings.workers).saturating_mul(2);
    let open_files = u64::from(settings.max_open_files).saturating_add(15).saturating_add(listing);
    let open_files = open_files.saturating_add(channels);
    let limits = Limits { address_space: None, open_files: Some(open_files), file_size: None };
    WriterPlan {
        confinement: confinement(settings, places.writer, limits),
        template: settings.template.clone(),
        output: name_in_report(settings),
        store: settings.store,
        index: settings.index,
        packets: settings.packets,
        unprocessed: settings.unprocessed.is_some(),
        bodies: settings.http.is_some() && settings.store,
        digests: settings.digests.clone(),
        console: settings.console.clone(),
        warn_of_many_files: !settings.quiet,
        max_bytes: settings.max_bytes,
        max_open_files: settings.max_open_files,
        report: settings.report_enabled.then(|| report(settings, places)),
        events: places.events.as_ref().map(|events| EventsPlan { own_file: events.own }),
        charts: settings.charts.is_some(),
        dump: settings.charts.is_some_and(|charts| charts.dump),
        networks: settings.networks.is_some(),
        notify: programs::notify(&settings.programs).map(Box::new),
        rotates: settings.rotation.is_some(),
        retention,
        workers: settings.workers,
    }
}

fn report(settings: &Settings, places: &Places) -> ReportPlan {
    let uid = getuid();
    let username = User::from_uid(uid).ok().flatten().map(|user| user.name).unwrap_or_default();
    let place = match &places.report {
        Some(_) => ReportPlace::Descriptor,
        None => ReportPlace::Inside("report.xml".into()),
    };
    ReportPlan {
        place,
        command_line: Text::cut(&settings.command_line),
        uid: uid.as_raw(),
        username: Text::cut(&username),
        start: policy::now(),
        time_delta: settings.time_delta,
        strict: settings.strict_report,
    }
}
