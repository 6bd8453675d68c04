//! What runs leave behind beside flow files: indexes, savefiles of flows and of what was not processed,
//! digests; and what bounds all of it.

use std::collections::BTreeSet;
use std::process::{Command, ExitCode};
use std::slice;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use tcpflow_tests::capture::{ETHERNET, NULL, Order, Packet, Precision, pcap, pcap_as, pcapng_of, read_pcap};
use tcpflow_tests::cases;
use tcpflow_tests::conversation::{Conversation, Link, START, Side};
use tcpflow_tests::lab::{INTERFACE, Lab, SERVER};
use tcpflow_tests::report::assert_conserved;
use tcpflow_tests::run::Bench;
use tcpflow_tests::suite::{self, Case, Need};

const REQUEST: &str = "192.000.002.001.01000-192.000.002.002.00080";
const REPLY: &str = "192.000.002.002.00080-192.000.002.001.01000";

fn main() -> ExitCode {
    let mut all = cases![
        an_index_has_a_line_for_each_segment,
        an_index_goes_with_its_flow_file,
        the_index_knows_the_limit_of_the_flow_file,
        index_times_are_shifted,
        no_index_without_flow_files,
        packets_go_to_a_savefile_for_each_direction,
        packets_leave_nothing_for_the_console,
        what_is_not_tcp_goes_to_its_savefile,
        an_empty_savefile_is_one_all_the_same,
        packets_keep_the_times_they_were_captured_at,
        one_open_file_is_enough,
        very_many_files_are_warned_of,
        the_digest_of_a_flow_is_in_the_report,
        stripping_changes_no_file,
    ];
    all.extend(ours_alone());
    suite::main(all)
}

/// What the original does otherwise.
fn ours_alone() -> Vec<Case> {
    let mut all = cases![&[Need::Ours("its savefiles are all of link type 6, in microseconds, and written over")];
        a_flows_savefile_is_of_the_captures_kind, a_second_run_overwrites_no_packets];
    all.extend(cases![&[Need::Ours("it leaves flows that are kept so out of the report")]; kept_packets_are_reported]);
    all.extend(cases![&[Need::Ours("it puts both into one file")]; a_port_used_again_is_another_savefile]);
    all.extend(cases![&[Need::Ours("-w dies of nanoseconds, -K drops them")]; nanoseconds_are_kept]);
    all.extend(cases![&[Need::Ours("it drops what is not IP")]; what_is_not_ip_is_kept_too]);
    all.extend(
        cases![&[Need::Ours("it takes the first fragment for the packet")]; fragments_are_kept_as_they_came],
    );
    all.extend(cases![&[Need::Ours("libpcap refuses it")]; packets_of_another_link_type_are_counted]);
    all.extend(cases![&[Need::Ours("only flows that are open at the end have digests")];
        digests_are_of_the_files_whatever_the_order, digests_of_every_kind]);
    all.extend(cases![&[Need::Ours("a shift goes past the limit")]; a_limit_holds_when_a_flow_is_shifted]);
    all.extend(cases![&[Need::Ours("it does not look")]; a_full_disk_is_told]);
    let live = [Need::Namespaces, Need::Program("python3"), Need::Ours("it only writes what savefiles have")];
    all.extend(cases![&live; what_is_not_tcp_is_kept_live]);
    all
}

/// A run over a capture of Ethernet frames.
fn run(packets: &[Packet], options: &[&str]) -> Bench {
    let bench = Bench::new().file("in.pcap", &pcap(ETHERNET, packets));
    let _ = bench.run(&[&["-r", "in.pcap", "-o", "out"], options].concat()).finish().expect(0);
    bench
}

/// A connection whose client sends these pieces of its stream, a second apart.
fn pieces(stream: &[u8], parts: &[(usize, usize)]) -> Conversation {
    let mut talk = Conversation::default();
    talk.open();
    for (from, to) in parts {
        talk.data(Side::Client, *from, &stream[*from..*to]);
    }
    talk
}

fn text(bench: &Bench, name: &str) -> String {
    String::from_utf8(std::fs::read(bench.path().join(name)).unwrap()).unwrap()
}

fn names(bench: &Bench) -> Vec<String> {
    bench.flows("out").into_keys().collect()
}

/// A second's packets: a UDP datagram, an ICMP message, an ARP request, a frame that ends too soon.
fn other_packets() -> [Packet; 4] {
    let udp = [&[0, 53, 0, 53, 0, 12, 0, 0][..], b"abcd"].concat();
    let frames = [ip(17, &udp), ip(1, b"\x08\0\0\0echo"), [&ip(6, &[])[..12], &[8, 6], &[0; 28]].concat()];
    let [udp, icmp, arp] = frames.map(|frame| Packet::whole(START, frame));
    let short = Packet::whole(START, ip(6, b"\x03\xe8\0\x50"));
    [udp, icmp, arp, short]
}

/// An Ethernet frame with an IPv4 packet.
fn ip(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let ends = ([192, 0, 2, 1], [192, 0, 2, 2]);
    let length = u16::try_from(payload.len()).unwrap();
    let header = etherparse::Ipv4Header::new(length, 64, protocol.into(), ends.0, ends.1).unwrap();
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend(header.to_bytes());
    frame.extend(payload);
    frame
}

fn an_index_has_a_line_for_each_segment() {
    let talk = pieces(b"abcdefghijklmno", &[(0, 3), (6, 9), (3, 6), (0, 3), (1, 12), (11, 12), (12, 15)]);
    let bench = run(&talk.packets, &["-I"]);
    // The last but one looks like a keep-alive.
    let expected = [(0, 2, 3), (6, 3, 3), (3, 4, 3), (0, 5, 3), (1, 6, 11), (12, 8, 3)];
    let lines =
        expected.map(|(offset, second, length)| format!("{offset}|160000000{second}.123456|{length}\n"));
    assert_eq!(text(&bench, &format!("out/{REQUEST}.findx")), lines.concat());
    assert_eq!(text(&bench, &format!("out/{REQUEST}")), "abcdefghijklmno");
}

fn an_index_goes_with_its_flow_file() {
    let packets = Conversation::default().exchange(b"hello", b"reply").packets;
    let bench = run(&packets, &["-I"]);
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "-I"]).finish().expect(0);
    let expected = [REQUEST, REPLY]
        .into_iter()
        .flat_map(|name| ["", ".findx", "c1", "c1.findx"].map(|end| format!("{name}{end}")));
    assert_eq!(names(&bench), expected.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
    let files = bench.flows("out");
    let index = &files[&format!("{REQUEST}c1.findx")];
    assert_eq!(index.bytes, b"0|1600000002.123456|5\n");
    assert_eq!((index.mode, index.uid), (0o644, nix::unistd::getuid().as_raw()));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let age = now - u128::try_from(index.mtime).unwrap();
    assert!(age < 600_000_000_000, "an index is as old as the run, not as the flow: {age}");
}

fn the_index_knows_the_limit_of_the_flow_file() {
    let talk = pieces(b"abcdefghijklmno", &[(0, 3), (6, 9), (3, 6), (9, 15)]);
    let bench = run(&talk.packets, &["-I", "-b", "5"]);
    let kept = [(0, 2, 3), (6, 3, 0), (3, 4, 2), (9, 5, 0)];
    let lines = kept.map(|(offset, second, length)| format!("{offset}|160000000{second}.123456|{length}\n"));
    assert_eq!(text(&bench, &format!("out/{REQUEST}.findx")), lines.concat());
    assert_eq!(text(&bench, &format!("out/{REQUEST}")), "abcde");
}

fn index_times_are_shifted() {
    let bench = run(&pieces(b"abc", &[(0, 3)]).packets, &["-I", "-S", "tdelta=100"]);
    assert_eq!(text(&bench, &format!("out/{REQUEST}.findx")), "0|1600000102.123456|3\n");
}

fn no_index_without_flow_files() {
    let packets = Conversation::default().exchange(b"hello", b"reply").packets;
    for options in [&["-I", "-FX"][..], &["-I", "-K"], &["-I", "-c"]] {
        let bench = run(&packets, options);
        assert!(names(&bench).iter().all(|name| !name.ends_with(".findx")), "{options:?}");
    }
}

fn packets_go_to_a_savefile_for_each_direction() {
    let packets = Conversation::default().exchange(b"hello", b"reply").packets;
    for options in [&["-K"][..], &["-K", "-b", "2"], &["-K", "-FX"], &["-K", "-f", "1"]] {
        let bench = run(&packets, options);
        let files = bench.flows("out");
        assert_eq!(names(&bench), [REQUEST, REPLY].map(|name| format!("{name}.pcap")), "{options:?}");
        for (name, from) in [(REQUEST, 1), (REPLY, 2)] {
            let sent: Vec<Packet> =
                packets.iter().filter(|packet| packet.bytes[29] == from).cloned().collect();
            let kept = read_pcap(&files[&format!("{name}.pcap")].bytes);
            assert_eq!((kept.precision, kept.snap_length), (Precision::Micro, 65_535));
            assert_eq!(kept.packets, sent, "{options:?}");
        }
    }
}

fn packets_leave_nothing_for_the_console() {
    let packets = Conversation::default().exchange(b"hello", b"reply").packets;
    let bench = Bench::new().file("in.pcap", &pcap(ETHERNET, &packets));
    let outcome = bench.run(&["-r", "in.pcap", "-o", "out", "-K", "-c"]).finish().expect(0);
    assert_eq!(outcome.stdout, "");
    assert_eq!(bench.flows("out").len(), 2);
}

fn what_is_not_tcp_goes_to_its_savefile() {
    let [udp, icmp, _, short] = other_packets();
    let exchange = Conversation::default().exchange(b"hello", b"reply").packets;
    let packets =
        [slice::from_ref(&udp), &exchange[..3], &[icmp.clone(), short.clone()], &exchange[3..]].concat();
    let bench = run(&packets, &["-w", "rest.pcap"]);
    let rest = std::fs::read(bench.path().join("rest.pcap")).unwrap();
    assert_eq!(rest, pcap(ETHERNET, &[udp, icmp, short]), "every byte as in the capture");
    assert_eq!(names(&bench), [REQUEST, REPLY]);
}

fn an_empty_savefile_is_one_all_the_same() {
    let bench = run(&Conversation::default().exchange(b"hello", b"reply").packets, &["-w", "rest.pcap"]);
    assert_eq!(std::fs::read(bench.path().join("rest.pcap")).unwrap(), pcap(ETHERNET, &[]));
}

fn packets_keep_the_times_they_were_captured_at() {
    let [udp, ..] = other_packets();
    let packets =
        [slice::from_ref(&udp), &Conversation::default().exchange(b"hello", b"").packets[..]].concat();
    let bench = run(&packets, &["-w", "rest.pcap", "-K", "-S", "tdelta=3600"]);
    assert_eq!(read_pcap(&std::fs::read(bench.path().join("rest.pcap")).unwrap()).packets, [udp]);
    let kept = read_pcap(&bench.flows("out")[&format!("{REQUEST}.pcap")].bytes);
    assert_eq!(kept.packets[0].time, START);
}

fn one_open_file_is_enough() {
    let streams: Vec<Conversation> = (0..20)
        .map(|number| Conversation { client: ([192, 0, 2, 1].into(), 1000 + number), ..pieces(b"", &[]) })
        .collect();
    let mut packets = Vec::new();
    for round in 0..5 {
        for mut talk in streams.clone() {
            talk.packets.clear();
            talk.data(Side::Client, round * 2, &[b'a' + u8::try_from(round).unwrap(); 2]);
            packets.append(&mut talk.packets);
        }
    }
    for limit in ["1", "2"] {
        let bench = run(&packets, &["-f", limit, "-I", "-e", "md5"]);
        assert_eq!(names(&bench).len(), 40);
        for (name, file) in bench.flows("out") {
            if name.ends_with(".findx") {
                assert_eq!(file.bytes.iter().filter(|byte| **byte == b'\n').count(), 5, "{name}");
            } else {
                assert_eq!(file.bytes, b"aabbccddee", "{name}");
                assert_eq!(file.mtime, i64::try_from(START).unwrap() + 2_000_000_000, "{name}");
            }
        }
    }
}

fn very_many_files_are_warned_of() {
    let packets: Vec<Packet> = (0..10_001)
        .flat_map(|number| {
            let client = ([192, 0, 2, 1].into(), 1000 + number);
            let mut talk = Conversation { client, ..Conversation::default() };
            talk.data(Side::Client, 0, b"x");
            talk.packets
        })
        .collect();
    let bench = Bench::new().file("in.pcap", &pcap(ETHERNET, &packets));
    for (name, options, warns) in [
        ("plain", &[][..], true),
        ("quiet", &["-q"], false),
        ("binned", &["-Fk"], false),
        ("fewer", &["not", "port", "1000"], false),
    ] {
        let outcome = bench.run(&[&["-r", "in.pcap", "-o", name], options].concat()).finish().expect(0);
        for words in ["WARNING", "10,000", "-Fk"] {
            assert_eq!(outcome.stderr.contains(words), warns, "{name}: {}", outcome.stderr);
        }
    }
}

fn the_digest_of_a_flow_is_in_the_report() {
    let bench = run(&pieces(b"hello world", &[(0, 5), (5, 11)]).packets, &["-e", "md5"]);
    let report = bench.report("out/report.xml");
    let object =
        report.all("fileobject").into_iter().find(|object| !object.all("filename").is_empty()).unwrap();
    let digest = object.one("hashdigest");
    assert_eq!((digest.get("type"), &digest.text[..]), (Some("MD5"), "5eb63bbbe01eeed093cb22bb8f5acdc3"));
    let order: Vec<&str> = object.children.iter().map(|child| child.name.as_str()).collect();
    assert_eq!(order, ["filename", "filesize", "tcpflow", "hashdigest"]);
}

fn stripping_changes_no_file() {
    let bench = run(&pieces(b"a\0\x01\xff\nb", &[(0, 6)]).packets, &["-s"]);
    assert_eq!(bench.flows("out")[REQUEST].bytes, b"a\0\x01\xff\nb");
}

fn a_flows_savefile_is_of_the_captures_kind() {
    let talk = Conversation { link: Link::Null, ..Conversation::default() }.exchange(b"hello", b"").packets;
    let bench = Bench::new().file("in.pcap", &pcap_as(Order::Big, Precision::Micro, NULL, &talk));
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "-K"]).finish().expect(0);
    let kept = read_pcap(&bench.flows("out")[&format!("{REQUEST}.pcap")].bytes);
    assert_eq!((kept.link_type, kept.packets.len()), (u32::from(NULL), 3));
}

fn a_second_run_overwrites_no_packets() {
    let packets = Conversation::default().exchange(b"hello", b"").packets;
    let bench = run(&packets, &["-K"]);
    let first = bench.flows("out");
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "-K"]).finish().expect(0);
    let both = bench.flows("out");
    assert_eq!(both.len(), 4);
    assert_eq!(both[&format!("{REQUEST}.pcap")], first[&format!("{REQUEST}.pcap")]);
    assert_eq!(both[&format!("{REQUEST}c1.pcap")].bytes, first[&format!("{REQUEST}.pcap")].bytes);
}

fn kept_packets_are_reported() {
    let mut talk = Conversation::default().exchange(b"hello", b"reply");
    // After the end of both, without payload.
    talk.data(Side::Client, 6, b"");
    talk.data(Side::Server, 6, b"");
    let mut lone = Conversation { client: ([192, 0, 2, 9].into(), 9), ..Conversation::default() };
    lone.data(Side::Client, 0, b"");
    lone.rst(Side::Server, 0);
    let packets = [talk.packets, lone.packets].concat();
    let bench = run(&packets, &["-K", "-FM"]);
    let report = bench.report("out/report.xml");
    assert_conserved(&report);
    let count = |number: usize| u64::try_from(number).unwrap();
    assert_eq!(report.one("packets").number("written"), count(packets.len()));
    let files = bench.flows("out");
    let stored: usize = files.values().map(|file| read_pcap(&file.bytes).packets.len()).sum();
    assert_eq!((stored, files.len()), (packets.len(), 4));
    for object in report.all("fileobject") {
        let name = object.one("filename").text.strip_prefix("out/").unwrap();
        assert_eq!(object.one("filesize").count(), count(files[name].bytes.len()));
        assert_eq!(object.one("hashdigest").text, digest("md5sum", &bench, name));
        assert_eq!(
            object.one("tcpflow").number("packets"),
            count(read_pcap(&files[name].bytes).packets.len())
        );
    }
}

fn a_port_used_again_is_another_savefile() {
    let first = Conversation::default().exchange(b"hello", b"").packets;
    let second = Conversation { initial: (70_000, 90_000), ..Conversation::default() };
    let bench = run(&[first, second.exchange(b"again", b"").packets].concat(), &["-K"]);
    let files = bench.flows("out");
    assert_eq!(files.len(), 4);
    for name in [format!("{REQUEST}.pcap"), format!("{REQUEST}c1.pcap")] {
        assert_eq!(read_pcap(&files[&name].bytes).packets.len(), 3, "{name}");
    }
}

fn nanoseconds_are_kept() {
    let [mut udp, ..] = other_packets();
    udp.time += 789;
    let mut packets = Conversation::default().exchange(b"hello", b"").packets;
    packets[0].time += 789;
    packets.push(udp.clone());
    let capture = pcap_as(Order::Little, Precision::Nano, ETHERNET, &packets);
    let bench = Bench::new().file("in.pcap", &capture);
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "-K", "-w", "rest.pcap"]).finish().expect(0);
    let rest = read_pcap(&std::fs::read(bench.path().join("rest.pcap")).unwrap());
    assert_eq!((rest.precision, rest.packets), (Precision::Nano, vec![udp]));
    let kept = read_pcap(&bench.flows("out")[&format!("{REQUEST}.pcap")].bytes);
    assert_eq!((kept.precision, kept.packets[0].time), (Precision::Nano, START + 789));
}

fn what_is_not_ip_is_kept_too() {
    let others = other_packets();
    let bench = run(&others, &["-w", "rest.pcap"]);
    assert_eq!(read_pcap(&std::fs::read(bench.path().join("rest.pcap")).unwrap()).packets, others);
    assert_eq!(bench.report("out/report.xml").one("unprocessed").number("written"), 4);
}

fn fragments_are_kept_as_they_came() {
    let mut talk = Conversation::default();
    talk.open();
    talk.data(Side::Client, 0, b"abcdefghijkl");
    let whole = talk.packets.pop().unwrap().bytes;
    let (ethernet_and_ip, payload) = whole.split_at(34);
    let fragment = |identification: u8, place: [u8; 2], part: &[u8]| {
        let mut fragment = [ethernet_and_ip, part].concat();
        fragment[17] = u8::try_from(20 + part.len()).unwrap();
        fragment[19] = identification;
        fragment[20..22].copy_from_slice(&place);
        Packet::whole(START, fragment)
    };
    let segment = [fragment(1, [0, 3], &payload[24..]), fragment(1, [0x20, 0], &payload[..24])];
    // Another of which the beginning never comes, and one that is another protocol.
    let lost = fragment(2, [0, 3], &payload[24..]);
    let mut datagram = [fragment(3, [0, 3], &payload[24..]), fragment(3, [0x20, 0], &payload[..24])];
    datagram.iter_mut().for_each(|packet| packet.bytes[23] = 17);
    let packets = [&talk.packets[..], &segment, slice::from_ref(&lost), &datagram].concat();
    let bench = run(&packets, &["-K", "-w", "rest.pcap"]);
    let kept = read_pcap(&bench.flows("out")[&format!("{REQUEST}.pcap")].bytes);
    assert_eq!(kept.packets[1..], segment, "every frame of the segment");
    let mut rest = read_pcap(&std::fs::read(bench.path().join("rest.pcap")).unwrap()).packets;
    let mut expected = [&[lost][..], &datagram].concat();
    for packets in [&mut rest, &mut expected] {
        packets.sort_by(|a, b| a.bytes.cmp(&b.bytes));
    }
    assert_eq!(rest, expected, "every frame that no segment came of");
    assert_conserved(&bench.report("out/report.xml"));
}

fn packets_of_another_link_type_are_counted() {
    let [udp, icmp, ..] = other_packets();
    let null = Packet::whole(START, [&2_u32.to_le_bytes(), &udp.bytes[14..]].concat());
    let interfaces = [(ETHERNET, vec![udp.clone(), icmp.clone()]), (NULL, vec![null])];
    let bench = Bench::new().file("in.pcapng", &pcapng_of(Order::Little, &interfaces));
    let outcome = bench.run(&["-r", "in.pcapng", "-o", "out", "-w", "rest.pcap"]).finish().expect(0);
    assert_eq!(read_pcap(&std::fs::read(bench.path().join("rest.pcap")).unwrap()).packets, [udp, icmp]);
    let _ = outcome.says("1 packets are not in the savefile of -w");
    let report = bench.report("out/report.xml");
    assert_conserved(&report);
    assert_eq!(report.one("unprocessed").one("aside").get("reason"), Some("other_link_type"));
}

/// What a program says the digest of a flow file is.
fn digest(program: &str, bench: &Bench, name: &str) -> String {
    let output = Command::new(program).arg(bench.path().join("out").join(name)).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

/// Every flow with a file has the digests that these programs find, and no other.
fn assert_digests(bench: &Bench, kinds: &[(&str, &str)]) {
    let report = bench.report("out/report.xml");
    for object in report.all("fileobject") {
        let Some(name) = object.all("filename").first().map(|name| name.text["out/".len()..].to_owned())
        else {
            continue;
        };
        let found: Vec<(&str, &str)> = object
            .all("hashdigest")
            .into_iter()
            .map(|digest| (digest.get("type").unwrap(), digest.text.as_str()))
            .collect();
        let expected: Vec<(&str, String)> =
            kinds.iter().map(|(kind, program)| (*kind, digest(program, bench, &name))).collect();
        let expected: Vec<(&str, &str)> =
            expected.iter().map(|(kind, text)| (*kind, text.as_str())).collect();
        assert_eq!(found, expected, "{name}");
    }
}

fn digests_are_of_the_files_whatever_the_order() {
    let stream: Vec<u8> = (0..=250).cycle().take(3000).collect();
    let mut random = 88_172_645_463_325_252_u64;
    for round in 0..12 {
        let mut talk = Conversation { client: ([192, 0, 2, 1].into(), 1000), ..Conversation::default() };
        // Without a SYN what comes first may have to be moved.
        if round % 2 == 0 {
            talk.open();
        }
        for _ in 0..40 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let place = usize::try_from(random % 2900).unwrap();
            let mut bytes = stream[place..place + 1 + usize::try_from(random >> 40 & 63).unwrap()].to_vec();
            bytes[0] ^= u8::from(random >> 50 & 7 == 0);
            talk.data(Side::Client, place, &bytes);
        }
        talk.fin(Side::Client, 3000);
        for options in [&["-e", "md5"][..], &["-FM", "-S", "overlap=last"], &["-e", "md5", "-b", "1000"]] {
            assert_digests(&run(&talk.packets, options), &[("MD5", "md5sum")]);
        }
    }
}

fn digests_of_every_kind() {
    let bench = run(
        &Conversation::default().exchange(b"hello", b"reply").packets,
        &["-a", "-x", "http", "-S", "hash=sha256,md5,sha1"],
    );
    let kinds = [("SHA256", "sha256sum"), ("MD5", "md5sum"), ("SHA1", "sha1sum")];
    assert_digests(&bench, &kinds);
    assert_eq!(bench.report("out/report.xml").all("hashdigest").len(), 6);
}

fn a_limit_holds_when_a_flow_is_shifted() {
    let mut talk = Conversation::default();
    talk.data(Side::Client, 1000, b"abc");
    talk.data(Side::Client, 990, b"0123456789");
    let bench = run(&talk.packets, &["-b", "5", "-I"]);
    assert_eq!(bench.flows("out")[REQUEST].bytes, b"01234");
}

fn a_full_disk_is_told() {
    let bench = Bench::new().file("in.pcap", &pcap(ETHERNET, &other_packets()));
    let outcome = bench.run(&["-r", "in.pcap", "-o", "out", "-w", "/dev/full"]).finish().expect(1);
    let _ = outcome.says("No space left on device");
    let report = bench.report("out/report.xml");
    assert_conserved(&report);
    assert_eq!(report.one("unprocessed").one("aside").get("reason"), Some("disk_full"));
}

fn what_is_not_tcp_is_kept_live() {
    let (lab, bench) = (Lab::new(), Bench::new());
    let line = ["-i", INTERFACE, "-o", "out", "-w", "rest.pcap"];
    let mut running = bench.run(&line).after(&lab.at_server()).start();
    running.wait_for(&format!("listening on {INTERFACE}"));
    let script =
        format!("import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('{SERVER}', 9))");
    assert!(lab.at_client("python3").args(["-c", &script]).status().unwrap().success());
    let datagrams = || {
        let file = std::fs::read(bench.path().join("rest.pcap")).unwrap();
        let is_udp = |packet: &&Packet| packet.bytes.get(23) == Some(&17);
        // Its header comes with the first batch.
        if file.is_empty() { 0 } else { read_pcap(&file).packets.iter().filter(is_udp).count() }
    };
    running.wait_until("the datagram is written while the run goes on", |_| datagrams() == 1);
    running.signal(Signal::SIGINT);
    let _ = running.wait().expect(0);
    assert_conserved(&bench.report("out/report.xml"));
}
