//! The main job, end to end: packets of savefiles to flow files and a report.

use std::os::unix::fs::{FileExt, MetadataExt};
use std::process::ExitCode;

use tcpflow_tests::capture::{ETHERNET, NULL, Order, Packet, Precision, pcap, pcap_as, pcapng, pcapng_of};
use tcpflow_tests::cases;
use tcpflow_tests::conversation::{Conversation, Flags, Link, START, Side};
use tcpflow_tests::report::{assert_conserved, set_aside};
use tcpflow_tests::run::Bench;
use tcpflow_tests::suite::{self, Case, Need};
use tcpflow_tests::tree::Tree;

const REQUEST: &str = "192.000.002.001.01000-192.000.002.002.00080";
const REPLY: &str = "192.000.002.002.00080-192.000.002.001.01000";

fn main() -> ExitCode {
    let mut all = cases![
        flows_are_named_dated_and_filled,
        files_have_the_modes_and_owner_of_the_umask_and_user,
        flows_go_to_the_working_directory_by_default,
        a_second_run_counts_up_and_writes_its_own_report,
        flows_span_savefiles,
        standard_input_is_read,
        the_operands_are_a_filter,
        the_filter_may_let_nothing_through,
        options_are_taken_as_getopt_takes_them,
        the_report_goes_where_it_is_told,
        a_far_segment_starts_another_flow,
        a_hole_is_zeros,
        a_flow_may_be_longer_than_the_sequence_numbers,
        disorder_is_put_in_order,
        a_retransmission_changes_nothing,
        the_sequence_number_wraps,
        a_connection_without_its_syn_begins_at_its_earliest_byte,
        a_port_used_again_is_another_flow,
        a_reset_closes,
        ports_and_addresses_are_padded,
        ipv6_is_named_as_it_prints,
        a_flow_without_payload_is_reported_without_a_file,
        a_vlan_is_named_by_its_tag,
    ];
    all.extend(savefile_formats());
    all.extend(link_types());
    all.extend(ours_alone());
    suite::main(all)
}

/// What the original does otherwise on purpose of this project.
fn ours_alone() -> Vec<Case> {
    let mut all =
        cases![&[Need::Ours("its report has no sums")]; the_report_adds_up, what_is_set_aside_is_counted];
    all.extend(cases![&[Need::Ours("the last copy wins")]; the_first_copy_wins_unless_told_otherwise]);
    all.extend(
        cases![&[Need::Ours("it makes them as large as it is told")]; a_small_capture_makes_no_large_files],
    );
    all.extend(cases![&[Need::Ours("its report does not say")]; what_is_missing_is_listed]);
    all.extend(
        cases![&[Need::Ours("it counts padding and lies as data")]; a_length_that_lies_yields_no_byte],
    );
    all.extend(cases![&[Need::Ours("it stores the first fragment alone")]; fragments_are_put_together]);
    let refuses = Need::Ours("libpcap refuses it");
    all.extend(cases![&[refuses]; a_pcapng_of_two_link_types_is_read, of_an_unknown_link_type_only_its_frames_are_lost]);
    all.extend(cases![&[Need::Root, Need::Ours("it cannot write there")]; a_directory_made_for_a_user_belongs_to_them]);
    all.extend(cases![&[Need::Root, Need::Ours("it knows names alone")]; a_user_may_be_a_number]);
    all.extend(cases![&[Need::Root, Need::Ours("it writes as root")]; a_directory_of_someone_else_is_written_as_its_owner]);
    all.extend(cases![&[Need::Ours("it exits 1")]; the_version_is_told]);
    all.extend(cases![&[Need::Root]; output_and_report_stay_inside_the_chroot]);
    let loopback = Need::Ours("it knows the family numbers of its own system alone");
    all.push(Case::new("decodes_null_v6", &[loopback], || {
        let talk = Conversation { link: Link::Null, ..Conversation::v6() };
        assert_eq!(flows_of(NULL, &talk.exchange(b"request", b"reply").packets).len(), 2);
    }));
    all
}

/// A connection of two flows, as a pcap file.
fn exchange() -> Vec<u8> {
    pcap(ETHERNET, &Conversation::default().exchange(b"hello world\n", b"reply\n").packets)
}

/// Runs on one capture and gives the flow files.
fn flows_of(link_type: u16, packets: &[Packet]) -> Tree {
    let bench = Bench::new().file("in.pcap", &pcap(link_type, packets));
    let _ = bench.run(&["-r", "in.pcap", "-o", "out"]).finish().expect(0);
    bench.flows("out")
}

#[track_caller]
fn assert_contents(flows: &Tree, expected: &[(&str, &[u8])]) {
    let found: Vec<(&str, &[u8])> =
        flows.iter().map(|(name, file)| (name.as_str(), &file.bytes[..])).collect();
    assert_eq!(found, expected);
}

fn flows_are_named_dated_and_filled() {
    let flows = flows_of(ETHERNET, &Conversation::default().exchange(b"hello world\n", b"reply\n").packets);
    assert_contents(&flows, &[(REQUEST, b"hello world\n"), (REPLY, b"reply\n")]);
    let start = i64::try_from(START).unwrap();
    assert_eq!(flows[REQUEST].mtime, start, "the time of the client's SYN");
    assert_eq!(flows[REPLY].mtime, start + 1_000_000_000, "the time of the server's SYN");
}

fn files_have_the_modes_and_owner_of_the_umask_and_user() {
    let bench = Bench::new().file("in.pcap", &exchange());
    let _ = bench.run(&["-r", "in.pcap", "-o", "out"]).finish().expect(0);
    let me = nix::unistd::geteuid().as_raw();
    for (name, file) in bench.tree("out") {
        assert_eq!((file.mode, file.uid), (0o644, me), "{name}");
    }
}

fn flows_go_to_the_working_directory_by_default() {
    let bench = Bench::new().file("in.pcap", &exchange());
    let _ = bench.run(&["-r", "in.pcap"]).finish().expect(0).says("reportfilename: ./report.xml");
    let names: Vec<String> = bench.tree(".").into_keys().collect();
    assert_eq!(names, [REQUEST, REPLY, "in.pcap", "report.xml"]);
}

fn a_second_run_counts_up_and_writes_its_own_report() {
    let bench = Bench::new().file("in.pcap", &exchange());
    for _ in 0..3 {
        let _ = bench.run(&["-r", "in.pcap", "-o", "out"]).finish().expect(0);
    }
    let names: Vec<String> = bench.flows("out").into_keys().collect();
    let expected = [REQUEST, REPLY].map(|name| [name.to_owned(), format!("{name}c1"), format!("{name}c2")]);
    assert_eq!(names, expected.concat());
    let report = bench.report("out/report.xml");
    let last: Vec<&str> = report.all("filename").iter().map(|name| name.text.as_str()).collect();
    assert!(last.iter().all(|name| name.ends_with("c2")), "{last:?}");
}

fn flows_span_savefiles() {
    let packets = Conversation::default().exchange(b"hello world\n", b"reply\n").packets;
    let (first, second) = packets.split_at(3);
    let bench = Bench::new().file("a.pcap", &pcap(ETHERNET, first)).file("b.pcap", &pcap(ETHERNET, second));
    let _ = bench.run(&["-r", "a.pcap", "-r", "b.pcap", "-o", "out"]).finish().expect(0);
    assert_contents(&bench.flows("out"), &[(REQUEST, b"hello world\n"), (REPLY, b"reply\n")]);
    assert_eq!(bench.report("out/report.xml").one("total_packets").count(), 6);
}

fn standard_input_is_read() {
    let bench = Bench::new();
    let _ = bench.run(&["-r", "-", "-o", "out"]).stdin(exchange()).finish().expect(0);
    assert_contents(&bench.flows("out"), &[(REQUEST, b"hello world\n"), (REPLY, b"reply\n")]);
}

fn the_operands_are_a_filter() {
    let mut other = Conversation { client: ([192, 0, 2, 3].into(), 1001), ..Conversation::default() };
    other.clock = START + 60_000_000_000;
    let packets = [
        Conversation::default().exchange(b"hello world\n", b"reply\n").packets,
        other.exchange(b"not me", b"nor me").packets,
    ]
    .concat();
    let bench = Bench::new().file("in.pcap", &pcap(ETHERNET, &packets));
    let _ = bench.run(&["port", "1000", "-r", "in.pcap", "-o", "out", "and", "tcp"]).finish().expect(0);
    assert_contents(&bench.flows("out"), &[(REQUEST, b"hello world\n"), (REPLY, b"reply\n")]);
    let _ = bench.run(&["-r", "in.pcap", "-o", "one", "--", "src", "port", "1001"]).finish().expect(0);
    assert_eq!(bench.flows("one").len(), 1);
}

fn the_filter_may_let_nothing_through() {
    let bench = Bench::new().file("in.pcap", &exchange());
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "port 81"]).finish().expect(0);
    assert_contents(&bench.flows("out"), &[]);
    assert_eq!(bench.report("out/report.xml").one("total_flows").count(), 0);
}

fn options_are_taken_as_getopt_takes_them() {
    let lines: [(&[&str], &str); 6] = [
        (&["-rin.pcap", "-oglued"], "glued"),
        (&["-qrin.pcap", "-d10", "-ocluster"], "cluster"),
        (&["-pvqd0", "-r", "in.pcap", "-o", "flags"], "flags"),
        (&["tcp", "-r", "in.pcap", "-o", "after", "port", "80"], "after"),
        (&["-r", "in.pcap", "-o", "first", "-o", "last"], "last"),
        (&["-r-", "-ostdin"], "stdin"),
    ];
    let bench = Bench::new().file("in.pcap", &exchange());
    for (line, directory) in lines {
        let _ = bench.run(line).stdin(exchange()).finish().expect(0);
        assert_eq!(bench.flows(directory).len(), 2, "{line:?}");
    }
    assert!(!bench.path().join("first").exists(), "only the last -o counts");
}

fn the_report_goes_where_it_is_told() {
    let bench = Bench::new().file("in.pcap", &exchange()).file("x.xml", b"something older and not XML");
    let run = bench.run(&["-r", "in.pcap", "-o", "out", "-X", "x.xml"]).finish().expect(0);
    assert!(run.stderr.contains("reportfilename: x.xml"), "{}", run.stderr);
    assert_eq!(bench.report("x.xml").all("fileobject").len(), 2);
    assert!(!bench.path().join("out/report.xml").exists());
}

fn a_far_segment_starts_another_flow() {
    let mut talk = Conversation::default();
    talk.open();
    talk.data(Side::Client, 0, b"near");
    talk.data(Side::Client, 5000, b"far");
    let bench = Bench::new().file("in.pcap", &pcap(ETHERNET, &talk.packets));
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "-m", "1000"]).finish().expect(0);
    let counted = format!("{REQUEST}c1");
    assert_contents(&bench.flows("out"), &[(REQUEST, b"near"), (&counted, b"far")]);
    let _ = bench.run(&["-r", "in.pcap", "-o", "wide", "-m5000"]).finish().expect(0);
    assert_eq!(bench.flows("wide")[REQUEST].bytes.len(), 5003);
}

fn a_hole_is_zeros() {
    let mut talk = Conversation::default();
    talk.open();
    talk.data(Side::Client, 0, b"abc");
    talk.data(Side::Client, 6, b"ghi");
    assert_contents(&flows_of(ETHERNET, &talk.packets), &[(REQUEST, b"abc\0\0\0ghi")]);
}

/// A hundred flows of a byte after a hole of 16 MiB each, which is as far as `-m` lets it lie.
fn a_small_capture_makes_no_large_files() {
    const FAR: usize = 16 << 20;
    let packets = |port: u16| {
        let mut talk = Conversation { client: ([192, 0, 2, 1].into(), port), ..Conversation::default() };
        talk.segment(Side::Client, talk.initial.0, Flags { syn: true, ..Flags::default() }, &[]);
        talk.data(Side::Client, FAR, b"x");
        talk.packets
    };
    let packets: Vec<Packet> = (1..=100).flat_map(packets).collect();
    let bench = Bench::new().file("in.pcap", &pcap(ETHERNET, &packets));
    let warning = "a file would have had too large a hole: its flow goes on in another (-S max_hole)";
    let outcome = bench.run(&["-r", "in.pcap", "-o", "out"]).finish().expect(0).says(warning);
    assert_eq!(outcome.stderr.matches(warning).count(), 1, "it is told once: {}", outcome.stderr);
    let size: u64 = bench
        .flows("out")
        .keys()
        .map(|name| std::fs::metadata(bench.path().join("out").join(name)).unwrap().len())
        .sum();
    assert!(size <= (512 << 20) + 100 * 257, "{size} bytes");
    let report = bench.report("out/report.xml");
    assert_conserved(&report);
    let holes = report.one("holes");
    assert_eq!(holes.number("bytes") + 100, size, "not a byte is lost");
    let ended = report.all("tcpflow").iter().filter(|flow| flow.get("ending") == Some("max_hole")).count();
    assert_eq!(holes.number("flows_ended"), u64::try_from(ended).unwrap());
    // What is asked for is made: ten MiB are the hole of none of them.
    let _ = bench.run(&["-r", "in.pcap", "-o", "none", "-S", "max_hole=10000000"]).finish().expect(0);
    assert!(bench.flows("none").values().all(|file| file.bytes == b"x"));
}

fn what_is_missing_is_listed() {
    let mut talk = Conversation::default();
    talk.open();
    talk.data(Side::Client, 0, b"abc");
    talk.data(Side::Client, 6, b"ghijkl");
    let last = talk.packets.pop().unwrap();
    talk.packets.push(Packet { bytes: last.bytes[..last.bytes.len() - 2].to_vec(), ..last });
    let bench = Bench::new().file("in.pcap", &pcap(ETHERNET, &talk.packets));
    let _ = bench.run(&["-r", "in.pcap", "-o", "out"]).finish().expect(0);
    let report = bench.report("out/report.xml");
    let runs = report.one("missing_runs");
    assert_eq!(runs.number("count"), 2);
    let [lost, cut] = &runs.all("byte_run")[..] else { panic!("two runs: {runs:?}") };
    assert_eq!((lost.number("file_offset"), lost.number("len"), lost.get("cut")), (3, 3, None));
    assert_eq!((cut.number("file_offset"), cut.number("len"), cut.number("cut")), (10, 2, 2));
}

/// Six bytes, each a GiB after the one before: the numbers wrap, the file is mostly hole.
fn a_flow_may_be_longer_than_the_sequence_numbers() {
    const STEP: usize = 1 << 30;
    let mut talk = Conversation::default();
    talk.open();
    for (number, byte) in b"abcdef".chunks(1).enumerate() {
        talk.data(Side::Client, number * STEP, byte);
    }
    let bench = Bench::new().file("in.pcap", &pcap(ETHERNET, &talk.packets));
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "-m", "2000000000"]).finish().expect(0);
    let file = std::fs::File::open(bench.path().join("out").join(REQUEST)).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 5 * (1 << 30) + 1);
    for (number, byte) in b"abcdef".iter().enumerate() {
        let mut read = [0];
        file.read_exact_at(&mut read, u64::try_from(number * STEP).unwrap()).unwrap();
        assert_eq!(read, [*byte], "after {number} GiB");
    }
}

fn disorder_is_put_in_order() {
    let mut talk = Conversation::default();
    talk.open();
    for (offset, byte) in [(2, b"c"), (0, b"a"), (4, b"e"), (3, b"d"), (1, b"b")] {
        talk.data(Side::Server, offset, byte);
    }
    assert_contents(&flows_of(ETHERNET, &talk.packets), &[(REPLY, b"abcde")]);
}

fn a_retransmission_changes_nothing() {
    let mut talk = Conversation::default();
    talk.open();
    for (offset, bytes) in [(0, &b"abcd"[..]), (0, b"abcd"), (2, b"cdef"), (0, b"abcdefgh")] {
        talk.data(Side::Client, offset, bytes);
    }
    assert_contents(&flows_of(ETHERNET, &talk.packets), &[(REQUEST, b"abcdefgh")]);
}

fn the_first_copy_wins_unless_told_otherwise() {
    let mut talk = Conversation::default();
    talk.open();
    talk.data(Side::Client, 0, b"abcdef");
    talk.data(Side::Client, 2, b"XX");
    talk.data(Side::Client, 6, b"gh");
    let bench = Bench::new().file("in.pcap", &pcap(ETHERNET, &talk.packets));
    let _ = bench.run(&["-r", "in.pcap", "-o", "first"]).finish().expect(0);
    assert_contents(&bench.flows("first"), &[(REQUEST, b"abcdefgh")]);
    let report = bench.report("first/report.xml");
    let flow = report.all("tcpflow").into_iter().find(|flow| flow.get("srcport") == Some("1000")).unwrap();
    assert_eq!(flow.number("violations"), 1, "the difference is counted");
    let _ = bench.run(&["-r", "in.pcap", "-o", "last", "-S", "overlap=last"]).finish().expect(0);
    assert_contents(&bench.flows("last"), &[(REQUEST, b"abXXefgh")]);
}

fn the_sequence_number_wraps() {
    let mut talk = Conversation { initial: (u32::MAX - 2, u32::MAX), ..Conversation::default() };
    talk.open();
    for offset in [0, 4, 2, 6] {
        talk.data(Side::Client, offset, &b"abcdefgh"[offset..offset + 2]);
    }
    talk.data(Side::Server, 0, b"reply\n");
    assert_contents(&flows_of(ETHERNET, &talk.packets), &[(REQUEST, b"abcdefgh"), (REPLY, b"reply\n")]);
}

fn a_connection_without_its_syn_begins_at_its_earliest_byte() {
    let mut talk = Conversation::default();
    talk.data(Side::Client, 1004, b"efgh");
    talk.data(Side::Client, 1008, b"ij");
    talk.data(Side::Client, 1000, b"abcd");
    assert_contents(&flows_of(ETHERNET, &talk.packets), &[(REQUEST, b"abcdefghij")]);
}

fn a_port_used_again_is_another_flow() {
    let first = Conversation::default().exchange(b"one", b"uno");
    let again = Conversation { initial: (90_000, 80_000), clock: first.clock, ..Conversation::default() };
    let packets = [first.packets, again.exchange(b"two", b"dos").packets].concat();
    let (request, reply) = (format!("{REQUEST}c1"), format!("{REPLY}c1"));
    assert_contents(
        &flows_of(ETHERNET, &packets),
        &[(REQUEST, b"one"), (&request, b"two"), (REPLY, b"uno"), (&reply, b"dos")],
    );
}

fn a_reset_closes() {
    let mut talk = Conversation::default();
    talk.open();
    talk.data(Side::Client, 0, b"abc");
    talk.rst(Side::Client, 3);
    talk.segment(Side::Client, 70_000, Flags { syn: true, ..Flags::default() }, &[]);
    talk.segment(Side::Client, 70_001, Flags::default(), b"new");
    let counted = format!("{REQUEST}c1");
    assert_contents(&flows_of(ETHERNET, &talk.packets), &[(REQUEST, b"abc"), (&counted, b"new")]);
}

fn ports_and_addresses_are_padded() {
    let talk = Conversation {
        client: ([198, 51, 100, 7].into(), 65_535),
        server: ([203, 0, 113, 255].into(), 1),
        ..Conversation::default()
    };
    let flows = flows_of(ETHERNET, &talk.exchange(b"x", b"").packets);
    assert_contents(&flows, &[("198.051.100.007.65535-203.000.113.255.00001", b"x")]);
}

fn ipv6_is_named_as_it_prints() {
    let flows = flows_of(ETHERNET, &Conversation::v6().exchange(b"x", b"y").packets);
    let expected: [(&str, &[u8]); 2] =
        [("2001:db8::1.01000-2001:db8::2.00080", b"x"), ("2001:db8::2.00080-2001:db8::1.01000", b"y")];
    assert_contents(&flows, &expected);
}

fn a_flow_without_payload_is_reported_without_a_file() {
    let bench =
        Bench::new().file("in.pcap", &pcap(ETHERNET, &Conversation::default().exchange(b"", b"y").packets));
    let _ = bench.run(&["-r", "in.pcap", "-o", "out"]).finish().expect(0);
    assert_contents(&bench.flows("out"), &[(REPLY, b"y")]);
    let report = bench.report("out/report.xml");
    let objects = report.all("fileobject");
    assert_eq!(objects.len(), 2);
    let names: Vec<&str> = report.all("filename").iter().map(|name| name.text.as_str()).collect();
    assert_eq!(names, [format!("out/{REPLY}")]);
}

fn savefile_formats() -> Vec<Case> {
    let packets = Conversation::default().exchange(b"hello world\n", b"reply\n").packets;
    let mut files = Vec::new();
    for order in [Order::Little, Order::Big] {
        for precision in [Precision::Micro, Precision::Nano] {
            let file = pcap_as(order, precision, ETHERNET, &packets);
            files.push((format!("reads_pcap_{order:?}_{precision:?}"), file));
        }
        files.push((format!("reads_pcapng_{order:?}"), pcapng(order, ETHERNET, &packets)));
    }
    let case = |(name, file): (String, Vec<u8>)| {
        Case::new(name.to_lowercase(), &[], move || {
            let bench = Bench::new().file("in", &file);
            let _ = bench.run(&["-r", "in", "-o", "out"]).finish().expect(0);
            let flows = bench.flows("out");
            assert_contents(&flows, &[(REQUEST, b"hello world\n"), (REPLY, b"reply\n")]);
            assert_eq!(flows[REQUEST].mtime, i64::try_from(START).unwrap());
        })
    };
    files.into_iter().map(case).collect()
}

fn link_types() -> Vec<Case> {
    let links = [
        ("raw", Link::Raw, ""),
        ("linux_sll", Link::LinuxSll, ""),
        ("vlan", Link::Ethernet(vec![(0x8100, 42)]), "--42"),
        ("provider_vlan", Link::Ethernet(vec![(0x88a8, 7), (0x8100, 42)]), ""),
    ];
    let mut all = Vec::new();
    for (name, link, suffix) in links {
        for (family, talk) in [("v4", Conversation::default()), ("v6", Conversation::v6())] {
            let talk = Conversation { link: link.clone(), ..talk };
            all.push(Case::new(format!("decodes_{name}_{family}"), &[], move || {
                let flows = flows_of(talk.link.link_type(), &talk.exchange(b"request", b"reply").packets);
                let contents: Vec<&[u8]> = flows.values().map(|file| &file.bytes[..]).collect();
                assert_eq!(contents, [&b"request"[..], b"reply"]);
                let names: Vec<&String> = flows.keys().collect();
                let tag = |name: &String| name.find("--").map_or(String::new(), |at| name[at..].to_owned());
                assert!(names.iter().all(|name| tag(name) == suffix), "{names:?}");
            }));
        }
    }
    all
}

fn a_pcapng_of_two_link_types_is_read() {
    let plain = Conversation::default().exchange(b"hello world\n", b"reply\n").packets;
    let null = Conversation { link: Link::Null, ..Conversation::v6() }.exchange(b"six", b"").packets;
    let file = pcapng_of(Order::Little, &[(ETHERNET, plain), (NULL, null)]);
    let bench = Bench::new().file("in", &file);
    let _ = bench.run(&["-r", "in", "-o", "out"]).finish().expect(0);
    assert_contents(
        &bench.flows("out"),
        &[(REQUEST, b"hello world\n"), (REPLY, b"reply\n"), ("2001:db8::1.01000-2001:db8::2.00080", b"six")],
    );
}

fn of_an_unknown_link_type_only_its_frames_are_lost() {
    const UNKNOWN: u16 = 147;
    let plain = Conversation::default().exchange(b"hello world\n", b"reply\n").packets;
    let lost = u64::try_from(plain.len()).unwrap();
    let file = pcapng_of(Order::Little, &[(ETHERNET, plain.clone()), (UNKNOWN, plain)]);
    let bench = Bench::new().file("in", &file);
    let outcome = bench.run(&["-r", "in", "-o", "out"]).finish().expect(1);
    let _ = outcome.says("sorry - unknown datalink type 147 on interface in");
    assert_contents(&bench.flows("out"), &[(REQUEST, b"hello world\n"), (REPLY, b"reply\n")]);
    let report = bench.report("out/report.xml");
    assert_conserved(&report);
    assert_eq!(set_aside(&report, "frames"), [("unknown_link_type".into(), lost)]);
}

fn a_length_that_lies_yields_no_byte() {
    let mut talk = Conversation::default();
    talk.open();
    talk.data(Side::Client, 0, b"abc");
    let mut padded = talk.packets.clone();
    padded[2].bytes.extend([b'P'; 9]);
    assert_contents(&flows_of(ETHERNET, &padded), &[(REQUEST, b"abc")]);
    let mut long = talk.packets.clone();
    long[2].bytes[16..18].copy_from_slice(&1400_u16.to_be_bytes());
    let flows = flows_of(ETHERNET, &long);
    let bytes = flows.get(REQUEST).map_or(&b""[..], |file| &file.bytes);
    assert!(bytes.starts_with(b"abc") || bytes.is_empty());
    assert!(bytes.iter().skip(3).all(|byte| *byte == 0), "never a byte that was not captured: {bytes:?}");
    talk.data(Side::Client, 3, b"def");
    talk.packets[2] = talk.packets[2].clone().cut(14 + 20 + 20 + 2);
    assert_contents(&flows_of(ETHERNET, &talk.packets), &[(REQUEST, b"ab\0def")]);
}

fn a_directory_made_for_a_user_belongs_to_them() {
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap().uid.as_raw();
    let bench = Bench::new().file("in.pcap", &exchange()).mode("in.pcap", 0o600);
    let run = bench.run(&["-r", "in.pcap", "-U", "nobody", "-o", "out", "-X", "x.xml"]).finish().expect(0);
    let _ = run.says("dropped privs to nobody");
    assert_eq!(std::fs::metadata(bench.path().join("out")).unwrap().uid(), nobody);
    let mut files = bench.flows("out");
    assert_eq!(files.len(), 2);
    files.extend(bench.tree(".").remove_entry("x.xml"));
    for (name, file) in files {
        assert_eq!((file.uid, file.mode), (nobody, 0o644), "{name}");
    }
}

/// All sixteen bits of it, priority included, as tcpflow prints them.
fn a_user_may_be_a_number() {
    let bench = Bench::new().open_to_all().file("in.pcap", &exchange());
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "-U", "4321:1234"]).finish().expect(0);
    assert_eq!(bench.flows("out")[REQUEST].uid, 4321);
}

fn a_directory_of_someone_else_is_written_as_its_owner() {
    let bench = Bench::new().file("in.pcap", &exchange()).folder("out", 0o755);
    std::os::unix::fs::chown(bench.path().join("out"), Some(4321), Some(1234)).unwrap();
    let _ = bench.run(&["-r", "in.pcap", "-o", "out"]).finish().expect(0);
    assert_eq!(bench.flows("out")[REQUEST].uid, 4321);
}

fn a_vlan_is_named_by_its_tag() {
    let link = Link::Ethernet(vec![(0x8100, 0xe02a)]);
    let talk = Conversation { link, ..Conversation::default() };
    let flows = flows_of(ETHERNET, &talk.exchange(b"x", b"").packets);
    let name = format!("{REQUEST}--57386");
    assert_contents(&flows, &[(&name, b"x")]);
}

/// With `-z` everything that is written is inside; what is read is not.
fn output_and_report_stay_inside_the_chroot() {
    let bench = Bench::new().file("in.pcap", &exchange()).folder("cage", 0o777);
    let line = ["-r", "in.pcap", "-z", "cage", "-U", "nobody", "-o", "/", "-X", "x.xml"];
    let _ = bench.run(&line).finish().expect(0).says("reportfilename: cage/x.xml");
    let names: Vec<String> = bench.tree(".").into_keys().collect();
    let [request, reply] = [REQUEST, REPLY].map(|name| format!("cage/{name}"));
    assert_eq!(names, [request.as_str(), &reply, "cage/x.xml", "in.pcap"]);
}

fn the_version_is_told() {
    let run = Bench::new().run(&["-V"]).finish().expect(0);
    assert!(run.stdout.starts_with("TCPFLOW "), "{}", run.stdout);
    assert_eq!(run.stdout.lines().count(), 1);
}

fn the_report_adds_up() {
    let bench = Bench::new().file("in.pcap", &exchange());
    let _ = bench.run(&["-r", "in.pcap", "-o", "out"]).finish().expect(0);
    let report = bench.report("out/report.xml");
    assert_conserved(&report);
    let (frames, payload) = (report.one("frames"), report.one("payload"));
    assert_eq!(["captured", "filtered", "decoded"].map(|sum| frames.number(sum)), [6, 0, 6]);
    assert_eq!(["captured", "written"].map(|sum| payload.number(sum)), [18, 18]);
    assert_eq!(report.one("total_flows").count(), 2);
    let sizes: Vec<u64> = report.all("filesize").iter().map(|size| size.count()).collect();
    assert_eq!(sizes, [12, 6]);
}

/// A frame that is no TCP, one that the filter holds back, and bytes that came twice.
fn what_is_set_aside_is_counted() {
    let mut talk = Conversation::default();
    talk.open();
    talk.data(Side::Client, 0, b"abcdef");
    talk.data(Side::Client, 3, b"defghi");
    let arp = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1, 8, 6], &[0; 28]].concat();
    talk.packets.push(Packet::whole(talk.clock, arp));
    let other =
        Conversation { client: ([192, 0, 2, 9].into(), 9), clock: talk.clock, ..Conversation::default() };
    talk.packets.extend(other.exchange(b"x", b"y").packets);
    let bench = Bench::new().file("in.pcap", &pcap(ETHERNET, &talk.packets));
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "not", "port", "9"]).finish().expect(0);
    assert_contents(&bench.flows("out"), &[(REQUEST, b"abcdefghi")]);
    let report = bench.report("out/report.xml");
    assert_conserved(&report);
    let frames = report.one("frames");
    assert_eq!(["captured", "filtered", "decoded"].map(|sum| frames.number(sum)), [11, 6, 4], "{frames:?}");
    assert_eq!(set_aside(&report, "frames").iter().map(|(_, count)| count).sum::<u64>(), 1);
    assert_eq!(set_aside(&report, "payload").iter().map(|(_, count)| count).sum::<u64>(), 3);
}

/// The last segment comes in two IP fragments, the second one first.
fn fragments_are_put_together() {
    let mut talk = Conversation::default();
    talk.open();
    talk.data(Side::Client, 0, b"abcdefghijkl");
    let whole = talk.packets.pop().unwrap().bytes;
    let (ethernet_and_ip, payload) = whole.split_at(34);
    for (place, part) in [([0, 3], &payload[24..]), ([0x20, 0], &payload[..24])] {
        let mut fragment = [ethernet_and_ip, part].concat();
        fragment[17] = u8::try_from(20 + part.len()).unwrap();
        fragment[20..22].copy_from_slice(&place);
        talk.packets.push(Packet::whole(talk.clock, fragment));
    }
    let bench = Bench::new().file("in.pcap", &pcap(ETHERNET, &talk.packets));
    let _ = bench.run(&["-r", "in.pcap", "-o", "out"]).finish().expect(0);
    assert_contents(&bench.flows("out"), &[(REQUEST, b"abcdefghijkl")]);
    let report = bench.report("out/report.xml");
    assert_conserved(&report);
    assert_eq!(set_aside(&report, "frames"), [("fragment_reassembled".into(), 1)]);
}
