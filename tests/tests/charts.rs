//! `report.pdf` and the list of wireless networks, from savefile to what a reader sees.

use std::net::IpAddr;
use std::process::{Command, ExitCode};

use nix::sys::signal::Signal;
use tcpflow_tests::capture::{Packet, RAW, pcap};
use tcpflow_tests::cases;
use tcpflow_tests::conversation::{Conversation, Flags, Link, START, Side};
use tcpflow_tests::report::assert_conserved;
use tcpflow_tests::run::{Bench, kept_captures};
use tcpflow_tests::suite::{self, Need};

const OURS: Need = Need::Ours("it draws another page");
const TO_TEXT: Need = Need::Program("pdftotext");
const TO_PICTURE: Need = Need::Program("pdftoppm");

fn main() -> ExitCode {
    let mut cases = cases![&[OURS, TO_TEXT];
        the_page_tells_sums_addresses_and_ports, a_page_needs_no_flows, the_console_has_a_page_only_if_asked,
        too_many_addresses_are_shown_as_prefixes, clocks_may_say_anything, no_packets_make_a_page_that_says_so,
        a_stopped_run_has_its_page, frames_are_counted_once_by_the_innermost_addresses, the_savefiles_name_is_only_text];
    cases.extend(
        cases![&[OURS, TO_PICTURE]; bars_are_as_long_as_their_shares, columns_are_as_high_as_their_bytes],
    );
    cases.extend(cases![&[OURS, TO_TEXT, Need::Original]; the_original_counts_the_same]);
    cases.extend(cases![&[OURS];
        every_address_can_be_had, a_page_that_cannot_be_written_is_told, networks_are_in_the_report,
        wrong_check_sequences_are_left_out_unless_asked_for, without_the_scanner_there_is_no_list]);
    suite::main(cases)
}

/// Connections of these clients to one server, each with a segment of so many bytes, a second apart.
fn connections(clients: &[([u8; 4], u16, usize)]) -> Vec<Packet> {
    let mut packets = Vec::new();
    for (place, (address, port, length)) in clients.iter().enumerate() {
        let clock = START + u64::try_from(place).unwrap() * 1_000_000_000;
        let mut conversation = Conversation {
            client: (IpAddr::from(*address), 50_000),
            server: ([192, 0, 2, 2].into(), *port),
            clock,
            ..Conversation::default()
        };
        conversation.segment(Side::Client, 1, Flags::default(), &vec![b'x'; *length]);
        packets.append(&mut conversation.packets);
    }
    packets
}

/// Three clients whose frames have 4000, 3000 and 1000 bytes: 50%, 37.5% and 12.5%.
fn three() -> Vec<u8> {
    // Ethernet, IPv4 and TCP take 54 bytes.
    let clients =
        [([10, 0, 0, 1], 80, 4000 - 54), ([10, 0, 0, 2], 443, 3000 - 54), ([10, 0, 0, 3], 80, 1000 - 54)];
    pcap(1, &connections(&clients))
}

fn text(bench: &Bench, page: &str) -> String {
    let output =
        Command::new("pdftotext").args(["-layout", page, "-"]).current_dir(bench.path()).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[track_caller]
fn assert_has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
}

fn the_page_tells_sums_addresses_and_ports() {
    let bench = Bench::new().file("a.pcap", &three());
    bench.run(&["-r", "a.pcap", "-o", "out", "-e", "netviz"]).finish().expect(0);
    let text = text(&bench, "out/report.pdf");
    assert_has(
        &text,
        &["a.pcap\n", "2020-09-13 12:26:40 – 2020-09-13 12:26:42 UTC, 2 s", "8.00 KB", "32.0 kbit/s"],
    );
    assert_has(
        &text,
        &["10.0.0.1 4.00 KB 50%", "10.0.0.2 3.00 KB 38%", "10.0.0.3 1.00 KB 12%", "192.0.2.2 8.00 KB 100%"],
    );
    assert_has(&text, &["80 HTTP 5.00 KB 62%", "443 HTTPS 3.00 KB 38%", "50000 8.00 KB 100%"]);
    assert_eq!(bench.flows("out").len(), 4, "three flows and the page");
    assert_conserved(&bench.report("out/report.xml"));
}

fn a_page_needs_no_flows() {
    let bench = Bench::new().file("a.pcap", &three());
    bench.run(&["-r", "a.pcap", "-o", "out", "-x", "tcpdemux", "-e", "netviz"]).finish().expect(0);
    assert_eq!(bench.flows("out").into_keys().collect::<Vec<_>>(), ["report.pdf"]);
    assert_has(&text(&bench, "out/report.pdf"), &["10.0.0.1 4.00 KB 50%"]);
}

fn the_console_has_a_page_only_if_asked() {
    let bench = Bench::new().file("a.pcap", &three());
    for (scanner, page) in [("-a", false), ("-eall", false), ("-enetviz", true)] {
        bench.run(&["-r", "a.pcap", "-o", scanner, "-c", scanner]).finish().expect(0);
        assert_eq!(bench.flows(scanner).contains_key("report.pdf"), page, "{scanner}");
    }
    bench.run(&["-r", "a.pcap", "-o", "out", "-a"]).finish().expect(0);
    assert!(bench.flows("out").contains_key("report.pdf"));
}

fn too_many_addresses_are_shown_as_prefixes() {
    let mut clients = vec![([192, 0, 2, 9], 80, 50_000)];
    clients.extend(
        (0..=255).flat_map(|high| [[10, 1, high, 1], [10, 1, high, 2]]).map(|client| (client, 80, 0)),
    );
    let bench = Bench::new().file("a.pcap", &pcap(1, &connections(&clients)));
    let arguments = ["-r", "a.pcap", "-o", "out", "-e", "netviz", "-S", "netviz_histogram_size=100"];
    bench.run(&arguments).finish().expect(0);
    let text = text(&bench, "out/report.pdf");
    assert_has(&text, &["192.0.2.9 50.05 KB", "of more than", "summed up as prefixes", "10.1."]);
    assert!(text.lines().any(|line| line.contains("10.1.") && line.contains(".0/")), "{text}");
}

fn clocks_may_say_anything() {
    let mut packets = connections(&[([10, 0, 0, 1], 80, 946); 5]);
    let times = [1_600_000_000, 0, u64::from(u32::MAX), 1, 1_599_999_999];
    for (packet, seconds) in packets.iter_mut().zip(times) {
        packet.time = seconds * 1_000_000_000;
    }
    let bench = Bench::new().file("a.pcap", &pcap(1, &packets));
    bench.run(&["-r", "a.pcap", "-o", "out", "-e", "netviz"]).finish().expect(0);
    assert_has(
        &text(&bench, "out/report.pdf"),
        &["1970-01-01 00:00:00 – 2106-02-07 06:28:15 UTC", "5.00 KB"],
    );
}

fn no_packets_make_a_page_that_says_so() {
    let bench = Bench::new().file("a.pcap", &pcap(1, &[]));
    bench.run(&["-r", "a.pcap", "-o", "out", "-e", "netviz"]).finish().expect(0);
    assert_has(&text(&bench, "out/report.pdf"), &["No packets\n", "0 0B – 0% 0%", "none none"]);
}

fn a_stopped_run_has_its_page() {
    let bench = Bench::new();
    let mut running = bench.run(&["-r", "-", "-o", "out", "-e", "netviz"]).start();
    running.write(&three());
    running.wait_until("three flows", |_| bench.flows("out").len() == 3);
    running.signal(Signal::SIGTERM);
    running.wait().expect(0);
    assert_has(&text(&bench, "out/report.pdf"), &["10.0.0.1 4.00 KB 50%"]);
}

/// A packet in a tunnel, and a datagram in two fragments.
fn frames_are_counted_once_by_the_innermost_addresses() {
    let ip = |protocol: u8, fragment: [u8; 2], source: u8, payload: &[u8]| {
        let length = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
        let [high, low] = length;
        let header = [0x45, 0, high, low, 0, 7, fragment[0], fragment[1], 64, protocol, 0, 0];
        [&header[..], &[172, 16, 0, source], &[172, 16, 0, 99], payload].concat()
    };
    let mut inner = Conversation { link: Link::Raw, ..Conversation::default() };
    inner.segment(Side::Client, 1, Flags::default(), &[b'x'; 940]);
    let frames = [
        ip(4, [0x40, 0], 1, &inner.packets[0].bytes),
        ip(17, [0x20, 0], 2, &[0; 480]),
        ip(17, [0, 60], 2, &[0; 980]),
    ];
    let packets: Vec<Packet> = frames.into_iter().map(|frame| Packet::whole(START, frame)).collect();
    let bench = Bench::new().file("a.pcap", &pcap(RAW, &packets));
    for (value, outer, rows) in [
        (
            "yes",
            false,
            &["3 2.50 KB", "192.0.2.1 1.00 KB 40%", "172.16.0.2 1.50 KB 60%", "1000 1.00 KB 100%"][..],
        ),
        ("no", true, &["3 2.50 KB", "172.16.0.1 1.00 KB 40%", "172.16.0.2 1.50 KB 60%"]),
    ] {
        let set = format!("decap={value}");
        bench.run(&["-r", "a.pcap", "-o", value, "-e", "netviz", "-S", &set]).finish().expect(0);
        let text = text(&bench, &format!("{value}/report.pdf"));
        assert_has(&text, rows);
        assert_eq!(text.contains("172.16.0.1 "), outer, "{text}");
    }
}

fn the_savefiles_name_is_only_text() {
    let name = format!("{}é\u{1b}[2J)(\\", "long".repeat(40));
    let bench = Bench::new().file(&name, &three()).file("b.pcap", &three());
    bench.run(&["-r", &name, "-r", "b.pcap", "-o", "out", "-e", "netviz"]).finish().expect(0);
    let text = text(&bench, "out/report.pdf");
    assert_has(&text, &["longlong", "…", "é\\u{1b}[2J)(\\ and 1 more", "16.00 KB"]);
}

/// The original's figures, on a capture of both families with more than TCP in it.
fn the_original_counts_the_same() {
    let capture = std::fs::read(kept_captures().join("http.pcap")).unwrap();
    let bench = Bench::new().file("a.pcap", &capture);
    bench.run(&["-r", "a.pcap", "-o", "ours", "-e", "netviz"]).finish().expect(0);
    let original = tcpflow_tests::subject::original().unwrap();
    let arguments = ["-r", "a.pcap", "-o", "theirs", "-e", "netviz"];
    let output = Command::new(original).args(arguments).current_dir(bench.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let (ours, theirs) = (text(&bench, "ours/report.pdf"), text(&bench, "theirs/report.pdf"));
    // Of each ranking it lists three rows: `1) 2001:db8::1 - 60.05 KB (78%)`.
    let rows: Vec<(&str, &str)> = theirs
        .split(") ")
        .filter_map(|row| row.split_once(" - "))
        .filter_map(|(name, rest)| Some((name, rest.split_once(" (")?.0)))
        .collect();
    assert_eq!(rows.len(), 12, "{theirs}");
    for (name, bytes) in rows {
        let row = ours.lines().any(|line| line.contains(&format!("{name} ")) && line.contains(bytes));
        assert!(row, "{name} {bytes} is not in:\n{ours}");
    }
    assert_has(&theirs, &["Packets analyzed: 122 (76.67 KB)"]);
    assert_has(&ours, &["122 76.67 KB"]);
}

/// A picture of the page, 144 dots to the inch: two to a point.
struct Picture {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    fn of(bench: &Bench, page: &str) -> Self {
        let arguments = ["-r", "144", "-singlefile", "-aa", "no", "-aaVector", "no", page, "page"];
        let status = Command::new("pdftoppm").args(arguments).current_dir(bench.path()).status().unwrap();
        assert!(status.success());
        let file = std::fs::read(bench.path().join("page.ppm")).unwrap();
        let rest = file.strip_prefix(b"P6\n1224 1584\n255\n").expect("a letter page in 24 bits");
        Self { width: 1224, pixels: rest.as_chunks().0.to_vec() }
    }

    /// Places of this colour, as x and y.
    fn places(&self, color: [u8; 3]) -> Vec<(usize, usize)> {
        let near = |pixel: &[u8; 3]| pixel.iter().zip(color).all(|(one, other)| one.abs_diff(other) <= 2);
        let places = self.pixels.iter().enumerate().filter(|(_, pixel)| near(pixel));
        places.map(|(place, _)| (place % self.width, place / self.width)).collect()
    }
}

const NEUTRAL: [u8; 3] = [115, 135, 163];
const FIRST_BAND: [u8; 3] = [51, 102, 179];
const SECOND_BAND: [u8; 3] = [237, 135, 46];

#[track_caller]
fn assert_near(found: usize, expected: f64) {
    let found = f64::from(u32::try_from(found).unwrap());
    assert!((found - expected).abs() <= 4.0, "{found} dots, not {expected}");
}

fn bars_are_as_long_as_their_shares() {
    let bench = Bench::new().file("a.pcap", &three());
    bench.run(&["-r", "a.pcap", "-o", "out", "-e", "netviz"]).finish().expect(0);
    let places = Picture::of(&bench, "out/report.pdf").places(NEUTRAL);
    // The left half of the page has the sources.
    let mut lengths: Vec<usize> = Vec::new();
    let mut last = 0;
    for y in 0..1584 {
        let row: Vec<usize> =
            places.iter().filter(|place| place.1 == y && place.0 < 612).map(|(x, _)| *x).collect();
        let Some(length) = row.iter().max().zip(row.iter().min()).map(|(last, first)| last + 1 - first)
        else {
            continue;
        };
        if y > last + 1 {
            lengths.push(0);
        }
        last = y;
        let bar = lengths.last_mut().unwrap();
        *bar = length.max(*bar);
    }
    assert_eq!(lengths.len(), 3, "{lengths:?}");
    // 78 points are all bytes.
    for (length, share) in lengths.into_iter().zip([0.5, 0.375, 0.125]) {
        assert_near(length, share * 78.0 * 2.0);
    }
}

fn columns_are_as_high_as_their_bytes() {
    let bench = Bench::new().file("a.pcap", &three());
    bench.run(&["-r", "a.pcap", "-o", "out", "-e", "netviz"]).finish().expect(0);
    let picture = Picture::of(&bench, "out/report.pdf");
    // Above the legend, which has the same colours: HTTP in the first and the last column, HTTPS between.
    let columns = |color| {
        let mut places = picture.places(color);
        places.retain(|(_, y)| *y < 2 * 282);
        places
    };
    let height = |places: &[(usize, usize)]| {
        let rows: std::collections::BTreeSet<usize> = places.iter().map(|(_, y)| *y).collect();
        rows.len()
    };
    let (http, https) = (columns(FIRST_BAND), columns(SECOND_BAND));
    let end = https.iter().map(|(x, _)| *x).max().unwrap();
    let (before, after): (Vec<_>, Vec<_>) = http.into_iter().partition(|(x, _)| *x < end);
    // 124 points are the highest column.
    for (column, bytes) in [(&before, 4000.0), (&https, 3000.0), (&after, 1000.0)] {
        assert_near(height(column), bytes / 4000.0 * 124.0 * 2.0);
    }
}

fn every_address_can_be_had() {
    let bench = Bench::new().file("a.pcap", &three());
    for (value, list) in [("YES", true), ("0", false)] {
        let set = format!("netviz_histogram_dump={value}");
        bench.run(&["-r", "a.pcap", "-o", value, "-e", "netviz", "-S", &set]).finish().expect(0);
        assert_eq!(bench.flows(value).contains_key("netviz_histogram.txt"), list, "{value}");
    }
    let list = String::from_utf8(bench.tree("YES")["netviz_histogram.txt"].bytes.clone()).unwrap();
    let rows = [
        "source\t10.0.0.1\t4000",
        "source\t10.0.0.2\t3000",
        "source\t10.0.0.3\t1000",
        "destination\t192.0.2.2\t8000",
    ];
    assert_eq!(list.lines().skip(1).collect::<Vec<_>>(), rows);
}

fn a_page_that_cannot_be_written_is_told() {
    let bench = Bench::new().file("a.pcap", &three()).folder("out", 0o755).folder("out/report.pdf", 0o755);
    let outcome = bench.run(&["-r", "a.pcap", "-o", "out", "-e", "netviz"]).finish().expect(1);
    outcome.says("cannot write report.pdf: Is a directory");
    assert_eq!(bench.flows("out").len(), 3, "the flows are whole");
    assert_conserved(&bench.report("out/report.xml"));
    let refused =
        bench.run(&["-r", "a.pcap", "-e", "netviz", "-S", "netviz_histogram_size=2"]).finish().expect(1);
    refused.says("netviz_histogram_size=2: not a whole number from 16 to 65536");
}

/// A radiotap header with these flags, a beacon of a network, and what comes after it.
fn beacon(mac: u8, ssid: &[u8], flags: u8, after: fn(u32) -> Vec<u8>) -> Vec<u8> {
    let mac = [2, 0, 0, 0, 0, mac];
    let length = u8::try_from(ssid.len()).unwrap();
    let frame = [&[0x80, 0, 0, 0][..], &[0xff; 6], &mac, &mac, &[0; 14], &[0, length], ssid].concat();
    let sequence = after(check_sequence(&frame));
    [&[0, 0, 9, 0, 2, 0, 0, 0, flags][..], &frame, &sequence].concat()
}

/// CRC-32 as IEEE 802.11 has it, bit by bit.
fn check_sequence(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

fn networks_of(bench: &Bench, directory: &str) -> Vec<String> {
    let report = bench.report(&format!("{directory}/report.xml"));
    assert_conserved(&report);
    let rows = report.one("summary").one("ssids").all("ssid").into_iter();
    rows.map(|row| {
        let hex = row.get("hex").map(|hex| format!(" ({hex})")).unwrap_or_default();
        format!("{} {}{hex} {}", row.get("mac").unwrap(), row.get("ssid").unwrap(), row.number("count"))
    })
    .collect()
}

fn radio(frames: Vec<Vec<u8>>) -> Vec<u8> {
    let packets: Vec<Packet> = frames.into_iter().map(|frame| Packet::whole(START, frame)).collect();
    pcap(127, &packets)
}

fn networks_are_in_the_report() {
    let none = |_| Vec::new();
    let mut frames: Vec<Vec<u8>> = Vec::new();
    for ssid in [&b"<&'\">"[..], "café".as_bytes(), b"\xff\0\n", b"", b"home", b"home"] {
        frames.push(beacon(1, ssid, 0, none));
    }
    frames.push(beacon(2, b"home", 0, none));
    // Too long to be a name, and an element that ends after the frame.
    frames.push(beacon(3, &[b'x'; 33], 0, none));
    let mut broken = beacon(4, b"broken", 0, none);
    broken.pop();
    frames.push(broken);
    let bench = Bench::new().file("a.pcap", &radio(frames));
    bench.run(&["-r", "a.pcap", "-o", "out", "-e", "wifiviz"]).finish().expect(0);
    let expected = [
        "02:00:00:00:00:01  1",
        "02:00:00:00:00:01 <&'\"> 1",
        "02:00:00:00:00:01 café 1",
        "02:00:00:00:00:01 home 2",
        "02:00:00:00:00:01 \u{fffd}\u{fffd}\u{fffd} (ff000a) 1",
        "02:00:00:00:00:02 home 1",
    ];
    let mut found = networks_of(&bench, "out");
    found.sort();
    assert_eq!(found, expected);
}

fn wrong_check_sequences_are_left_out_unless_asked_for() {
    let right = |sequence: u32| sequence.to_le_bytes().to_vec();
    let wrong = |sequence: u32| (!sequence).to_le_bytes().to_vec();
    let frames = vec![
        beacon(1, b"right", 0x10, right),
        beacon(1, b"wrong", 0x10, wrong),
        beacon(1, b"said so", 0x50, right),
    ];
    let bench = Bench::new().file("a.pcap", &radio(frames));
    for (value, names) in [("YES", &["right"][..]), ("NO", &["right", "said so", "wrong"])] {
        let set = format!("check_fcs={value}");
        bench.run(&["-r", "a.pcap", "-o", value, "-e", "wifiviz", "-S", &set]).finish().expect(0);
        let expected: Vec<String> = names.iter().map(|name| format!("02:00:00:00:00:01 {name} 1")).collect();
        let mut found = networks_of(&bench, value);
        found.sort();
        assert_eq!(found, expected, "{value}");
    }
}

fn without_the_scanner_there_is_no_list() {
    let bench = Bench::new().file("a.pcap", &radio(vec![beacon(1, b"x", 0, |_| Vec::new())]));
    bench.run(&["-r", "a.pcap", "-o", "out"]).finish().expect(0);
    assert!(bench.report("out/report.xml").all("ssids").is_empty());
    bench.run(&["-r", "a.pcap", "-o", "all", "-a"]).finish().expect(0);
    assert_eq!(networks_of(&bench, "all"), ["02:00:00:00:00:01 x 1"]);
}
