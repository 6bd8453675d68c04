//! What an attacker chooses reaches no terminal as an order: payload, HTTP, names of wireless networks, and whatever
//! stands on the command line. And whatever it is, the report is well-formed.
//!
//! A terminal obeys C0 and C1 control characters and DEL, the latter also as bytes that are no UTF-8; but for the
//! newline, and in text the carriage return, which tcpflow has always let through, none may be printed without `-B`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Output, Stdio};

use tcpflow_tests::capture::{ETHERNET, Packet, pcap};
use tcpflow_tests::conversation::{Conversation, START, Side};
use tcpflow_tests::report::Element;
use tcpflow_tests::run::Bench;
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Case};

/// What terminals obey, in one line: to clear, to set the title, to colour, in seven and in eight bits, to go back
/// and overwrite, to delete; a byte that no UTF-8 has, and half of a character.
const ORDERS: &[u8] = b"x\x1b[2J\x1b]0;owned\x07\x1b[31m\x9b31m\xc2\x9b2J\x08\r\x7f\x1bP\xff\x90q\xe2\x80";

/// The colours of `-g`, which tcpflow prints itself.
const COLOURS: [&str; 3] = ["\x1b[0;34m", "\x1b[0;31m", "\x1b[0m"];

/// IEEE 802.11 without anything before it.
const IEEE802_11: u16 = 105;

fn main() -> ExitCode {
    let mut cases = console();
    cases.extend(command_lines());
    cases.extend(tcpflow_tests::cases![
        binary_is_printed_as_it_is,
        http_gives_no_orders,
        networks_give_no_orders,
        names_of_every_byte_are_well_formed_in_the_report,
        a_name_that_is_a_document_stays_a_name,
        the_program_s_own_name_gives_no_orders,
    ]);
    suite::main(cases)
}

/// Sees that a terminal would print these bytes and do nothing else. `returns`: the carriage return may be there.
#[track_caller]
fn assert_harmless(what: &str, printed: &[u8], returns: bool) {
    let text =
        std::str::from_utf8(printed).unwrap_or_else(|e| panic!("{what}: {e}: {}", printed.escape_ascii()));
    let order = text.chars().find(|c| c.is_control() && *c != '\n' && !(returns && *c == '\r'));
    assert_eq!(order, None, "{what}: {}", printed.escape_ascii());
}

fn every_byte() -> Vec<u8> {
    (0..=255).collect()
}

/// Both sides send every byte and orders, some of them in pieces, so that no segment has a whole one.
fn hostile_payload() -> Vec<u8> {
    let bytes = [&every_byte(), ORDERS].concat();
    let mut talk = Conversation::default();
    talk.open();
    let mut at = 0;
    for piece in [&bytes[..], b"\x1b", b"[2J", b"\xc2", b"\x9b", b"\x1b]0;own", b"ed\x07"] {
        for side in [Side::Client, Side::Server] {
            talk.data(side, at, piece);
        }
        at += piece.len();
    }
    let mut other = Conversation::v6();
    other.open();
    other.data(Side::Client, 0, ORDERS);
    talk.packets.extend(other.packets);
    pcap(ETHERNET, &talk.packets)
}

/// Every way to print but `-B`.
fn console() -> Vec<Case> {
    let formats: [(&str, &[&str]); 4] =
        [("text", &[]), ("strip", &["-s"]), ("hex", &["-D"]), ("json", &["-J"])];
    let whats: [(&str, &[&str]); 5] = [
        ("named", &["-c"]),
        ("unnamed", &["-C"]),
        ("in_colour", &["-c", "-g"]),
        ("without_newline", &["-c", "-0"]),
        ("as_it_arrives", &["-c", "-S", "console=arrival"]),
    ];
    let mut cases = Vec::new();
    for (format, options) in formats {
        for (what, more) in whats {
            let line = [&["-r", "in.pcap"], options, more].concat();
            cases.push(Case::new(format!("{format}_{what}_gives_no_orders"), &[], move || {
                let bench = Bench::of(Subject::Ours).file("in.pcap", &hostile_payload());
                let outcome = bench.run(&line).finish().expect(0);
                let mut printed = outcome.output.clone();
                assert!(printed.len() > 500, "{}", outcome.stderr);
                if line.contains(&"-g") {
                    let text = String::from_utf8(printed).unwrap();
                    assert!(COLOURS.iter().all(|colour| text.contains(colour)));
                    printed = COLOURS.iter().fold(text, |text, colour| text.replace(colour, "")).into_bytes();
                }
                assert_harmless("stdout", &printed, format == "text" || format == "strip");
                assert_harmless("stderr", outcome.stderr.as_bytes(), false);
            }));
        }
    }
    cases
}

/// The one exception, and the proof that the captures above are what they seem.
fn binary_is_printed_as_it_is() {
    let bench = Bench::of(Subject::Ours).file("in.pcap", &hostile_payload());
    let outcome = bench.run(&["-r", "in.pcap", "-C", "-B"]).finish().expect(0);
    let all = [&every_byte(), ORDERS].concat();
    assert_eq!(outcome.output.windows(all.len()).filter(|window| *window == all).count(), 2);
    assert_harmless("stderr", outcome.stderr.as_bytes(), false);
}

fn http_gives_no_orders() {
    let orders: Vec<u8> = ORDERS.iter().copied().filter(|byte| *byte != b'\r').collect();
    let field = |name: &str| [name.as_bytes(), b": ", &orders, b"\r\n"].concat();
    let request = [
        b"GET /".to_vec(),
        orders.clone(),
        b" HTTP/1.1\r\n".to_vec(),
        field("Host"),
        field("User-Agent"),
        b"\r\n".to_vec(),
    ]
    .concat();
    let reply = [
        b"HTTP/1.1 200 ".to_vec(),
        orders.clone(),
        b"\r\nContent-Length: 4\r\n".to_vec(),
        field("Content-Type"),
        field("Content-Encoding"),
        field("Content-Disposition"),
        b"\r\nbody".to_vec(),
    ]
    .concat();
    let talk = Conversation::default().exchange(&request, &reply);
    let bench = Bench::of(Subject::Ours).file("in.pcap", &pcap(ETHERNET, &talk.packets));
    let outcome = bench.run(&["-r", "in.pcap", "-o", "out", "-a", "-v", "-d", "100"]).finish();
    assert_harmless("stdout", &outcome.output, false);
    assert_harmless("stderr", outcome.stderr.as_bytes(), false);
    let _ = bench.report("out/report.xml");
    for name in bench.flows("out").keys() {
        assert_harmless("a name", name.as_bytes(), false);
        assert!(name.is_ascii() && !name.contains(' '), "{name}");
    }
}

fn beacon(number: u8, ssid: &[u8]) -> Packet {
    let mac = [2, 0, 0, 0, 0, number];
    let length = u8::try_from(ssid.len()).unwrap();
    let frame = [&[0x80, 0, 0, 0][..], &[0xff; 6], &mac, &mac, &[0; 14], &[0, length], ssid].concat();
    Packet::whole(START, frame)
}

/// Every byte is in the name of one; all are told, in a report that is well-formed.
fn networks_give_no_orders() {
    let mut names: Vec<Vec<u8>> = every_byte().chunks(32).map(<[u8]>::to_vec).collect();
    names.push(ORDERS[..32].to_vec());
    names.push(b"'/></ssids><owned a=\"".to_vec());
    names.push("\u{202e}\u{fffe}\u{ffff}\u{9b}".as_bytes().to_vec());
    let packets: Vec<Packet> = (1..).zip(&names).map(|(number, name)| beacon(number, name)).collect();
    let bench = Bench::of(Subject::Ours).file("in.pcap", &pcap(IEEE802_11, &packets));
    let outcome = bench.run(&["-r", "in.pcap", "-o", "out", "-a", "-v", "-d", "100"]).finish().expect(0);
    assert_harmless("stdout", &outcome.output, false);
    assert_harmless("stderr", outcome.stderr.as_bytes(), false);
    let report = bench.report("out/report.xml");
    let told = report.all("ssid");
    assert_eq!(told.len(), names.len(), "{}", outcome.stderr);
    assert!(report.all("owned").is_empty());
    for ssid in told {
        assert_harmless("an SSID in the report", ssid.get("ssid").unwrap().as_bytes(), false);
    }
}

/// A run with any bytes on its command line.
fn run(bench: &Bench, arguments: &[OsString]) -> Output {
    Command::new(Subject::Ours.executable())
        .args(arguments)
        .current_dir(bench.path())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What stands on the command line, whether it can be or not: `@` stands for orders.
fn command_lines() -> Vec<Case> {
    let lines: [(&str, &[&str]); 40] = [
        ("a_savefile_that_is_missing", &["-r", "missing@"]),
        ("a_savefile_that_is_none", &["-r", "junk@"]),
        ("a_savefile_that_is_empty", &["-r", "empty@"]),
        ("a_savefile_that_is_cut", &["-r", "cut@"]),
        ("a_savefile_of_an_unknown_link", &["-r", "link@"]),
        ("a_savefile_that_is_a_directory", &["-r", "folder@"]),
        ("a_savefile_that_is_read", &["-v", "-d", "100", "-r", "good@"]),
        ("a_savefile_to_complete_flows", &["-R", "missing@"]),
        ("savefiles_as_operands", &["-l", "missing@", "junk@", "good@"]),
        ("charts_of_a_savefile", &["-e", "netviz", "-r", "good@"]),
        ("an_output_directory", &["-r", "good", "-o", "new@"]),
        ("an_output_directory_that_cannot_be", &["-r", "good", "-o", "missing/new@"]),
        ("an_output_directory_that_is_a_file", &["-r", "good", "-o", "junk@"]),
        ("a_report", &["-r", "good", "-X", "report@"]),
        ("a_report_that_cannot_be", &["-r", "good", "-X", "missing/report@"]),
        ("a_savefile_to_write", &["-r", "good", "-w", "written@"]),
        ("a_savefile_to_write_that_cannot_be", &["-r", "good", "-w", "missing/written@"]),
        ("an_interface", &["-i", "eth@"]),
        ("a_user", &["-r", "good", "-U", "nobody@"]),
        ("a_directory_to_be_inside_of", &["-r", "good", "-U", "nobody", "-z", "missing@"]),
        ("a_template", &["-r", "good", "-T", "%A@%Q"]),
        ("a_template_that_names_files", &["-r", "good", "-T", "@%A%a%C%c"]),
        ("a_template_whose_names_are_printed", &["-r", "good", "-c", "-T", "@%A%a%C%c"]),
        ("letters_of_names", &["-r", "good", "-F", "@"]),
        ("a_scanner", &["-r", "good", "-e", "http@"]),
        ("a_scanner_alone", &["-r", "good", "-E", "http@"]),
        ("a_scanner_not_to_run", &["-r", "good", "-x", "http@"]),
        ("a_parameter", &["-r", "good", "-S", "max@=1"]),
        ("a_parameter_s_value", &["-r", "good", "-S", "max_memory=@"]),
        ("a_hash", &["-r", "good", "-S", "hash=@"]),
        ("a_name_to_speak_under", &["-r", "missing", "-S", "debug-prefix=@"]),
        ("a_command", &["-r", "good", "-S", "tcp_cmd=nothing@ 2>/dev/null"]),
        (
            "a_plugin",
            &["-r", "good", "-e", "python", "-S", "py_path=@", "-S", "py_module=m@", "-S", "py_function=f@"],
        ),
        ("a_semaphore", &["-r", "good", "-c", "-L", "/sem@"]),
        ("a_number", &["-r", "good", "-b", "1@"]),
        ("a_level", &["-r", "good", "-d", "1@"]),
        ("a_sandbox", &["-r", "good", "--sandbox=@"]),
        ("an_expression", &["-r", "good", "host", "@"]),
        ("a_long_option", &["--@"]),
        ("a_short_option", &["-@"]),
    ];
    let case = |(name, line): (&'static str, &'static [&'static str])| {
        Case::new(format!("{name}_gives_no_orders"), &[], move || command_line(line))
    };
    lines.into_iter().map(case).collect()
}

fn with_orders(text: &str) -> OsString {
    let (before, after) = text.split_once('@').unwrap_or((text, ""));
    let orders = if text.contains('@') { ORDERS } else { b"" };
    OsString::from_vec([before.as_bytes(), orders, after.as_bytes()].concat())
}

fn command_line(line: &[&str]) {
    let bench = Bench::of(Subject::Ours).open_to_all();
    let good = pcap(ETHERNET, &Conversation::default().exchange(b"request", b"reply").packets);
    let unknown = pcap(299, &[Packet::whole(START, vec![0; 60])]);
    let files: [(&str, &[u8]); 6] = [
        ("good", &good),
        ("good@", &good),
        ("junk@", b"junk that is no savefile at all, but long enough to be one"),
        ("empty@", b""),
        ("cut@", &good[..good.len() - 3]),
        ("link@", &unknown),
    ];
    for (name, bytes) in files {
        std::fs::write(bench.path().join(with_orders(name)), bytes).unwrap();
    }
    std::fs::create_dir(bench.path().join(with_orders("folder@"))).unwrap();
    let arguments: Vec<OsString> = line.iter().map(|word| with_orders(word)).collect();
    let output = run(&bench, &arguments);
    assert_harmless("stdout", &output.stdout, false);
    assert_harmless("stderr", &output.stderr, false);
    for place in ["report.xml", "new@/report.xml", "report@"] {
        if let Ok(bytes) = std::fs::read(bench.path().join(with_orders(place))) {
            let _ = well_formed(&bytes);
        }
    }
}

fn the_program_s_own_name_gives_no_orders() {
    let bench = Bench::of(Subject::Ours);
    for arguments in [&["-r", "missing"][..], &["--nonsense"], &["-V"], &["-h"]] {
        let output = Command::new(Subject::Ours.executable())
            .arg0(OsStr::from_bytes(ORDERS))
            .args(arguments)
            .current_dir(bench.path())
            .output()
            .unwrap();
        assert_harmless("stdout", &output.stdout, false);
        assert_harmless("stderr", &output.stderr, false);
    }
}

#[track_caller]
fn well_formed(report: &[u8]) -> Element {
    Element::parse(report).unwrap_or_else(|e| panic!("{e}: {}", report.escape_ascii()))
}

/// Savefile, output directory and expression hold every byte that they can.
fn names_of_every_byte_are_well_formed_in_the_report() {
    let bench = Bench::of(Subject::Ours);
    let name: Vec<u8> = (1..=255).filter(|byte| *byte != b'/').collect();
    let name = OsString::from_vec(name);
    let good = pcap(ETHERNET, &Conversation::default().exchange(b"request", b"reply").packets);
    std::fs::write(bench.path().join(&name), good).unwrap();
    let out = OsString::from_vec([b"o", &name.as_bytes()[..253]].concat());
    let arguments = [
        OsString::from("-r"),
        name,
        "-o".into(),
        out.clone(),
        "-a".into(),
        "tcp\n\t\x0b\x0c\r and\tport 80".into(),
    ];
    let output = run(&bench, &arguments);
    assert_harmless("stderr", &output.stderr, false);
    let report = std::fs::read(bench.path().join(out).join("report.xml"))
        .unwrap_or_else(|e| panic!("{e}: {}", output.stderr.escape_ascii()));
    let report = well_formed(&report);
    if output.status.success() {
        assert_eq!(report.all("filename").len(), 2, "{report:?}");
    }
}

fn a_name_that_is_a_document_stays_a_name() {
    let bench = Bench::of(Subject::Ours);
    let name = "]]><owned a='1' b=\"2\"><!-- &amp;&#27;&owned; <?xml?>";
    let good = pcap(ETHERNET, &Conversation::default().exchange(b"request", b"reply").packets);
    std::fs::write(bench.path().join(name), good).unwrap();
    let out = format!("out{name}");
    let _ = bench.run(&["-r", name, "-o", &out, "-a"]).finish().expect(0);
    let report = well_formed(&std::fs::read(bench.path().join(&out).join("report.xml")).unwrap());
    assert!(report.all("owned").is_empty());
    assert!(report.one("command_line").text.contains(name), "{:?}", report.one("command_line"));
    assert!(report.all("filename").iter().all(|element| element.text.starts_with(&out)), "{report:?}");
}
