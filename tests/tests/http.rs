//! Bodies of HTTP messages (`-e http`): as they were served, as tcpflow finds them, and bounded.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode};

use flate2::Compression;
use flate2::write::GzEncoder;
use tcpflow_tests::capture::pcap;
use tcpflow_tests::cases;
use tcpflow_tests::conversation::{Conversation, Side};
use tcpflow_tests::lab::{INTERFACE, Lab, SERVER};
use tcpflow_tests::report::{Element, assert_conserved};
use tcpflow_tests::run::{Bench, Outcome};
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Case, Need};
use tcpflow_tests::tree::Tree;

const CLIENT_FLOW: &str = "192.000.002.001.01000-192.000.002.002.00080";
const FLOW: &str = "192.000.002.002.00080-192.000.002.001.01000";

/// `brotli.compress(b"Brotli undoes what Brotli did. " * 40)`.
const BROTLI: &[u8] =
    b"\x1b\xd7\x04\xf8\xc5\x6d\x6c\x5d\xc7\xea\x8c\xd6\xb6\x21\x44\x42\x54\x16\x22\x90\x6b\x29\
\x82\x0b\x00\x65\xae\xaf\x85\x1f\xba\xf6\xe3\x39\x28\x06\x02";

fn main() -> ExitCode {
    let ours = |why| [Need::Ours(why)];
    let served = [
        Need::Ours("it knows neither brotli nor zstd"),
        Need::Namespaces,
        Need::Program("nginx"),
        Need::Program("curl"),
        Need::Program("python3"),
        Need::Program("tcpdump"),
        Need::Program("zstd"),
        Need::Program("tshark"),
    ];
    let mut all = cases![&[Need::Original]; names_and_report_are_tcpflows];
    all.extend(
        cases![&ours("it says nothing of how a body ended"); a_bomb_is_capped_and_said_so, a_hole_is_zeros],
    );
    all.extend(cases![&ours("it has no such setting"); requests_are_kept_if_asked_for]);
    all.push(Case::new(
        "a_beginning_that_comes_late_is_not_read",
        &ours("it reads the file when the flow has ended"),
        a_beginning_that_comes_late_is_not_read,
    ));
    all.push(Case::new(
        "what_is_there_already_is_kept",
        &ours("it writes over it"),
        what_is_there_already_is_kept,
    ));
    all.push(Case::new(
        "the_console_has_bodies_decoded",
        &ours("it prints them as they were sent"),
        the_console_has_bodies_decoded,
    ));
    all.push(Case::new("bodies_are_what_was_served", &served, bodies_are_what_was_served));
    suite::main(all)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn response(fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: one with a name that is long enough for any scanner\r\n{fields}\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn sized(kind: &str, more: &str, body: &[u8]) -> Vec<u8> {
    response(&format!("Content-Type: {kind}\r\nContent-Length: {}\r\n{more}", body.len()), body)
}

/// A bench with the capture of one connection.
fn bench(subject: Subject, request: &[u8], reply: &[u8]) -> Bench {
    let mut conversation = Conversation::default();
    conversation.open();
    conversation.data(Side::Client, 0, request);
    for (index, piece) in reply.chunks(50_000).enumerate() {
        conversation.data(Side::Server, index * 50_000, piece);
    }
    conversation.fin(Side::Client, request.len());
    conversation.fin(Side::Server, reply.len());
    Bench::of(subject).file("x.pcap", &pcap(conversation.link.link_type(), &conversation.packets))
}

fn run(bench: &Bench, more: &[&str]) -> Outcome {
    bench.run(&[&["-r", "x.pcap", "-o", "out", "-e", "http"], more].concat()).finish()
}

fn bodies(tree: &Tree) -> Vec<(&str, &[u8])> {
    let body = |name: &str| name.contains("-HTTP");
    tree.iter().filter(|(name, _)| body(name)).map(|(name, file)| (name.as_str(), &file.bytes[..])).collect()
}

/// What the report has of each body: offset, how it ended, file name, size.
fn runs(report: &Element) -> Vec<(u64, Option<String>, Option<String>, u64)> {
    let text = |element: &Element, name: &str| element.all(name).first().map(|found| found.text.clone());
    let run = |run: &&Element| {
        let size = text(run, "filesize").unwrap().parse().unwrap();
        (run.number("file_offset"), run.get("ending").map(str::to_owned), text(run, "filename"), size)
    };
    report.all("byte_runs").iter().flat_map(|list| list.all("byte_run")).map(|found| run(&found)).collect()
}

fn names_and_report_are_tcpflows() {
    let reply = [
        sized("text/html", "", b"<html>one</html>"),
        response("Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
        sized("image/jpeg", "Content-Encoding: gzip\r\n", &gzip(&[b'j'; 100_000])),
        sized("application/octet-stream", "", b""),
        sized("application/octet-stream", "", &[0; 70_000]),
        sized("text/css", "Content-Encoding: deflate\r\n", &gzip(b"mislabelled")),
        response("Content-Type: text/plain\r\n", b"until close"),
    ]
    .concat();
    for more in [&[][..], &["-Z"], &["-b", "500"]] {
        let [ours, theirs] = [Subject::Ours, Subject::Theirs].map(|subject| {
            let bench = bench(subject, b"GET / HTTP/1.1\r\n\r\n", &reply);
            let outcome = run(&bench, more);
            assert_eq!(outcome.code(), 0, "{outcome:?}");
            let tree = bench.flows("out");
            // Lengths for those who read of a failure, contents by their digests.
            let files: Vec<_> = tree
                .iter()
                .map(|(name, file)| (name.clone(), file.mode, file.bytes.len(), digest(&file.bytes)))
                .collect();
            let runs = runs(&bench.report("out/report.xml"));
            (files, runs.into_iter().map(|(offset, _, name, size)| (offset, name, size)).collect::<Vec<_>>())
        });
        assert!(ours.1.len() > 1, "{:?}", ours.0);
        assert_eq!(ours, theirs, "{more:?}");
    }
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

fn a_bomb_is_capped_and_said_so() {
    // 10 GiB in 10 MiB. The address space that the process may have is bounded by the option.
    let coded = gzip(&vec![0; 64 << 20]).repeat(160);
    let bench = bench(Subject::Ours, b"", &sized("text/plain", "Content-Encoding: gzip\r\n", &coded));
    let outcome = run(&bench, &["-S", "max_memory=16"]);
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    let report = bench.report("out/report.xml");
    assert_conserved(&report);
    let [(_, ending, _, size)] = &runs(&report)[..] else { panic!("one body") };
    assert_eq!(ending.as_deref(), Some("capped"));
    assert!((32 << 20..64 << 20).contains(size), "{size}");
    let outcome = bench.run(&["-r", "x.pcap", "-o", "less", "-e", "http", "-S", "http_max_body=1"]).finish();
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    assert_eq!(bodies(&bench.flows("less"))[0].1.len(), 1 << 20);
}

fn a_hole_is_zeros() {
    let reply = [sized("text/plain", "", &[b'x'; 150_000]), sized("text/plain", "", b"next")].concat();
    let mut conversation = Conversation::default();
    conversation.open();
    for (index, piece) in reply.chunks(50_000).enumerate().filter(|(index, _)| *index != 1) {
        conversation.data(Side::Server, index * 50_000, piece);
    }
    conversation.fin(Side::Server, reply.len());
    let bench =
        Bench::of(Subject::Ours).file("x.pcap", &pcap(conversation.link.link_type(), &conversation.packets));
    assert_eq!(run(&bench, &[]).code(), 0);
    let tree = bench.flows("out");
    let head = reply.len() - sized("text/plain", "", b"next").len() - 150_000;
    let mut expected = vec![b'x'; 150_000];
    expected[50_000 - head..100_000 - head].fill(0);
    assert!(bodies(&tree)[0].1 == expected);
    assert_eq!(bodies(&tree)[1].1, b"next");
    let endings: Vec<Option<String>> =
        runs(&bench.report("out/report.xml")).into_iter().map(|run| run.1).collect();
    assert_eq!(endings, [Some("hole".to_owned()), None]);
    // The times are those of the flow.
    let flow = &tree[FLOW];
    assert!(
        tree.iter().filter(|(name, _)| name.contains("-HTTPBODY-")).all(|(_, body)| body.mtime == flow.mtime)
    );
}

/// Without a SYN the stream begins with what comes first.
fn a_beginning_that_comes_late_is_not_read() {
    let reply = sized("text/plain", "", &[b'x'; 2_000]);
    let mut conversation = Conversation::default();
    for offset in [1_000, 0] {
        conversation.data(Side::Server, 5_000 + offset, &reply[offset..reply.len().min(offset + 1_000)]);
    }
    conversation.data(Side::Server, 7_000, &reply[2_000..]);
    let bench =
        Bench::of(Subject::Ours).file("x.pcap", &pcap(conversation.link.link_type(), &conversation.packets));
    assert_eq!(run(&bench, &[]).code(), 0);
    let tree = bench.flows("out");
    assert_eq!(tree.keys().collect::<Vec<_>>(), [FLOW], "no body");
    assert!(tree[FLOW].bytes == reply, "the flow is whole");
}

fn requests_are_kept_if_asked_for() {
    let request = b"POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let bench = bench(Subject::Ours, request, &sized("text/plain", "", b"thanks"));
    assert_eq!(run(&bench, &["-S", "http_requests=YES"]).code(), 0);
    let names = [format!("{CLIENT_FLOW}-HTTPREQUEST-001.json"), format!("{FLOW}-HTTPBODY-001.txt")];
    assert_eq!(bodies(&bench.flows("out")), [(&names[0][..], &b"{}"[..]), (&names[1][..], b"thanks")]);
    assert_eq!(bench.run(&["-r", "x.pcap", "-S", "http_requests=MAYBE"]).finish().code(), 1);
}

fn the_console_has_bodies_decoded() {
    let coded = gzip(b"a body that was compressed\n");
    let chunked = [format!("{:x}\r\n", coded.len()).as_bytes(), &coded, b"\r\n0\r\n\r\n"].concat();
    let head = response("Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", b"");
    let request = b"GET / HTTP/1.1\r\n\r\n";
    let bench = bench(Subject::Ours, request, &[&head[..], &chunked].concat());
    let print = |more: &[&str]| {
        let outcome = bench.run(&[&["-q", "-r", "x.pcap", "-cBg", "-e", "http"], more].concat()).finish();
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        outcome.output
    };
    let has = |printed: &[u8], bytes: &[u8]| printed.windows(bytes.len()).any(|window| window == bytes);
    let decoded = print(&[]);
    assert!(has(&decoded, b"a body that was compressed\n"), "{}", decoded.escape_ascii());
    assert!(has(&decoded, request) && has(&decoded, &head), "what is in no body is printed as it is");
    assert!(!has(&decoded, &coded[..10]), "nothing of it as it was sent");
    let as_sent = print(&["-Z"]);
    assert!(has(&as_sent, &coded) && !has(&as_sent, b"a body that was compressed"), "-Z undoes nothing");
    assert!(bench.flows(".").keys().all(|name| !name.contains("-HTTPBODY-")), "and no file is made");
}

fn what_is_there_already_is_kept() {
    let bench = bench(Subject::Ours, b"", &sized("text/plain", "", b"new"))
        .folder("out", 0o755)
        .file(&format!("out/{FLOW}-HTTPBODY-001.txt"), b"old");
    assert_eq!(run(&bench, &[]).code(), 0);
    let names = [format!("{FLOW}-HTTPBODY-001.txt"), format!("{FLOW}-HTTPBODY-001c1.txt")];
    assert_eq!(bodies(&bench.flows("out")), [(&names[0][..], &b"old"[..]), (&names[1][..], b"new")]);
}

/// Sends requests without waiting for answers, and reads until the server closes.
const PIPELINE: &str = "import socket
s = socket.create_connection(('192.0.2.1', 80))
s.sendall(b''.join(b'GET /%s HTTP/1.1\\r\\nHost: x\\r\\nAccept-Encoding: gzip\\r\\n\\r\\n' % n for n in [b'page.html', b'random', b'page.html'] * 5)
    + b'HEAD /random HTTP/1.1\\r\\nHost: x\\r\\n\\r\\nGET /data.json HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n')
while s.recv(65536): pass";

fn bodies_are_what_was_served() {
    let page: String = (0..20_000).map(|n| format!("<p>{n} {}</p>\n", n * 7919)).collect();
    let random: Vec<u8> = (0..200_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let data = format!("[{}]", "{\"key\": \"value\"},".repeat(3000));
    let zstd = b"Zstandard undoes what Zstandard did. ".repeat(5000);
    let brotli = b"Brotli undoes what Brotli did. ".repeat(40);
    let bench = Bench::of(Subject::Ours)
        .folder("served", 0o755)
        .file("served/page.html", page.as_bytes())
        .file("served/random", &random)
        .file("served/data.json", data.as_bytes())
        .file("served/brotli", BROTLI)
        .file("served/clear", &zstd);
    let root = bench.path();
    let [clear, coded] = ["served/clear", "served/zstd"].map(|name| root.join(name));
    assert!(Command::new("zstd").arg("-q").arg(clear).arg("-o").arg(coded).status().unwrap().success());
    std::fs::write(root.join("nginx.conf"), configuration(&root)).unwrap();
    let mut lab = Lab::new();
    lab.run_at_server(&["nginx", "-c", root.join("nginx.conf").to_str().unwrap()]);
    let recording = lab.record(INTERFACE, &["port", "80"], &root.join("x.pcap"));
    let url = |name: &str| format!("http://{SERVER}/{name}");
    let kinds = ["page.html", "random", "data.json", "brotli", "zstd"];
    let urls: Vec<String> = (0..400).map(|n| url(kinds[n % kinds.len()])).collect();
    let words = [
        "--parallel",
        "--parallel-max",
        "100",
        "--silent",
        "--show-error",
        "--fail",
        "-H",
        "Accept-Encoding: gzip",
    ];
    let targets = urls.iter().flat_map(|url| [url.as_str(), "-o", "/dev/null"]);
    assert!(lab.at_client("curl").args(words).args(targets).status().unwrap().success());
    assert!(lab.at_client("python3").args(["-c", PIPELINE]).status().unwrap().success());
    recording.stop();

    assert_eq!(run(&bench, &["-S", "console=stream"]).code(), 0);
    assert_conserved(&bench.report("out/report.xml"));
    let served: [&[u8]; 5] = [page.as_bytes(), &random, data.as_bytes(), &brotli, &zstd];
    let tree = bench.flows("out");
    let found = bodies(&tree);
    let count = |served: &[u8]| found.iter().filter(|(_, bytes)| *bytes == served).count();
    assert_eq!(served.map(count), [80 + 10, 80 + 5, 80 + 1, 80, 80]);
    assert_eq!(found.len(), 400 + 16, "nothing else");
    let ours: BTreeSet<&[u8]> = found.iter().map(|(_, bytes)| *bytes).collect();
    nothing_is_missed(&root, &ours);
}

/// What Wireshark exports, ours must have too. It leaves zstd as it is.
fn nothing_is_missed(root: &Path, ours: &BTreeSet<&[u8]>) {
    let objects = format!("http,{}", root.join("objects").display());
    let exported = Command::new("tshark")
        .args(["-Q", "-r", root.join("x.pcap").to_str().unwrap(), "--export-objects", &objects])
        .output()
        .unwrap();
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let coded = std::fs::read(root.join("served/zstd")).unwrap();
    let files: Vec<_> = std::fs::read_dir(root.join("objects")).unwrap().collect();
    assert!(files.len() >= 300, "{} objects", files.len());
    for file in files {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(ours.contains(&bytes[..]) || bytes == coded, "{}", path.display());
    }
}

fn configuration(root: &Path) -> String {
    let root = root.display();
    format!(
        "daemon off; master_process off; error_log {root}/error.log; pid {root}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 10000; client_body_temp_path {root}/t; proxy_temp_path {root}/t;
    fastcgi_temp_path {root}/t; uwsgi_temp_path {root}/t; scgi_temp_path {root}/t;
    types {{ text/html html; application/json json; }}
    gzip on; gzip_types application/json; gzip_min_length 1;
    server {{
        listen 80; root {root}/served;
        location = /brotli {{ add_header Content-Encoding br; }}
        location = /zstd {{ add_header Content-Encoding zstd; }}
    }}
}}
"
    )
}
