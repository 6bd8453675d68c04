//! What fuzzing begins with: `seeds DIRECTORY` writes a folder of files for each fuzz target. All of it is made here,
//! or was recorded by the project itself.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use tcpflow_tests::capture::{ETHERNET, Order, Packet, Precision, pcap, pcap_as, pcapng, pcapng_of};
use tcpflow_tests::conversation::{Conversation, Flags, Link, Side};
use tcpflow_tests::run::kept_captures;

#[path = "../../../reassembler/src/decode/tests/rows.rs"]
#[allow(dead_code, unused_imports, reason = "the decoder's tests use more of it")]
mod rows;

/// In the order in which the tunnel target has them.
const PROTOCOLS: [u8; 5] = [4, 41, 47, 97, 137];
const PORTS: [u16; 9] = [4789, 8472, 4790, 6081, 2152, 4754, 6635, 5072, 3544];
/// Headers of the packets in the table of tunnels.
const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
/// The protocol's place in an IPv4 header, and the port's in a datagram.
const PROTOCOL: usize = 9;
const PORT: usize = IP_HEADER + 2;

/// All of the frame was captured, and there was no more of it.
const WHOLE: [u8; 2] = [255, 0];

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: seeds DIRECTORY");
        return ExitCode::from(2);
    };
    let targets = [
        ("link", links()),
        ("tunnel", tunnels()),
        ("ip", packets()),
        ("tcp", segments()),
        ("fragments", fragments()),
        ("savefile", savefiles()),
        ("conversation", conversations()),
        ("messages", messages()),
        ("http", http()),
    ];
    for (target, seeds) in targets {
        let folder = directory.join(target);
        std::fs::create_dir_all(&folder).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:03}")), seed).unwrap();
        }
    }
    ExitCode::SUCCESS
}

/// Options, the length of pieces, that of the requests; requests and responses.
fn http() -> Vec<Vec<u8>> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"text of a body, of a body, of a body").unwrap();
    let gzip = gzip.finish().unwrap();
    let length = format!("Content-Length: {}\r\n", gzip.len());
    let zstd: &[u8] = b"\x28\xb5\x2f\xfd\x00\x58\x23\x00\x00\x78\x10\x00\x00\x79";
    let brotli: &[u8] = b"\x0b\x02\x80hello\x03";
    let bodies: [(String, &[u8]); 7] = [
        ("Content-Type: text/plain\r\nContent-Length: 4\r\n".into(), b"body"),
        ("Transfer-Encoding: chunked\r\n".into(), b"5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"),
        (format!("Content-Encoding: gzip\r\n{length}"), &gzip),
        (format!("Content-Encoding: deflate, gzip\r\n{length}"), &gzip),
        ("Content-Encoding: zstd\r\n".into(), zstd),
        ("Content-Encoding: br\r\nContent-Length: 9\r\n".into(), brotli),
        ("X: folded\r\n line\r\nContent-Length: 1, 1\r\n".into(), b"1HTTP/1.1 204 No\r\n\r\n"),
    ];
    let request: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}HEAD / HTTP/1.1\r\n\r\n";
    let responses = bodies.map(|(fields, body)| {
        let head =
            format!("HTTP/1.1 200 OK\r\nServer: one with a name that makes this long enough\r\n{fields}\r\n");
        [head.as_bytes(), body].concat()
    });
    let seed =
        |responses: &[u8]| [&[0, 6, u8::try_from(request.len()).unwrap()], request, responses].concat();
    responses.iter().map(|response| seed(response)).chain([seed(&responses.concat())]).collect()
}

fn links() -> Vec<Vec<u8>> {
    let rows = rows::headers().into_iter();
    rows.map(|(link_type, _, header)| {
        let number = u16::try_from(link_type).unwrap().to_le_bytes();
        [&number[..], &WHOLE, &header, &rows::raw_v4()].concat()
    })
    .collect()
}

fn tunnels() -> Vec<Vec<u8>> {
    // The target puts IPv4 around what it is given.
    let rows = rows::tunnels().into_iter().filter(|(_, packet, _)| packet[0] >> 4 == 4);
    rows.map(|(name, packet, _)| {
        let by_protocol = PROTOCOLS.iter().position(|protocol| *protocol == packet[PROTOCOL]);
        let port = u16::from_be_bytes([packet[PORT], packet[PORT + 1]]);
        let by_port = || PORTS.iter().position(|known| *known == port).map(|place| PROTOCOLS.len() + place);
        let choice = by_protocol.or_else(by_port).unwrap_or_else(|| panic!("{name} is in neither list"));
        let header = if by_protocol.is_some() { IP_HEADER } else { IP_HEADER + UDP_HEADER };
        [&[u8::try_from(choice).unwrap()], &WHOLE[..], &packet[header..]].concat()
    })
    .collect()
}

fn packets() -> Vec<Vec<u8>> {
    let raw = |packet: Vec<u8>| [&[0], &WHOLE[..], &packet].concat();
    let chain = |description: &[u8]| [&[1], &WHOLE[..], description].concat();
    let tunnels = rows::tunnels().into_iter().map(|(_, packet, _)| packet);
    let packets = [rows::raw_v4(), rows::raw_v6()].into_iter().chain(tunnels).map(raw);
    packets.chain([chain(&[]), chain(&[0, 0, 1, 2, 2, 0, 3, 1, 4, 0])]).collect()
}

fn segments() -> Vec<Vec<u8>> {
    let options: [&[u8]; 4] = [
        &[],
        &[2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7],
        &[19, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1, 1, 1, 3, 3, 7],
        &[34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 30, 4, 0, 0],
    ];
    let syns = options.into_iter().map(|options| {
        let mut packet = Vec::new();
        let segment = etherparse::PacketBuilder::ipv4([1; 4], [2; 4], 64).tcp(1, 2, 3, 4).syn();
        segment.options_raw(options).unwrap().write(&mut packet, b"fast").unwrap();
        packet
    });
    let packets = syns.chain([rows::raw_v4()]);
    packets.map(|packet| [&[0], &WHOLE[..], &packet[IP_HEADER..]].concat()).collect()
}

/// Flags, offset and length in units of eight bytes, cut: see the target.
fn fragments() -> Vec<Vec<u8>> {
    let (v6, more, lies, later) = (1, 2, 0x10, 0x20);
    let lists: [&[[u8; 4]]; 6] = [
        &[[more, 0, 9, 0], [0, 9, 4, 3]],
        &[[v6, 9, 4, 3], [v6 | more, 0, 9, 0]],
        &[[more, 0, 9, 0], [more | lies, 4, 9, 0], [0, 13, 1, 0]],
        &[[more, 0, 9, 0], [later, 20, 1, 0], [later | v6, 9, 1, 0], [later, 9, 1, 0]],
        &[[more | 4, 0, 200, 0], [more | 8, 0, 200, 0], [more | 4, 200, 200, 32], [8, 200, 9, 0]],
        &[[more | 0x40, 255, 200, 0], [more | 0x40, 255, 255, 0]],
    ];
    let lists = lists.into_iter().enumerate();
    lists.map(|(choice, list)| [vec![u8::try_from(choice).unwrap()], list.concat()].concat()).collect()
}

/// Conversations of which each has something that is rarely seen.
fn strange() -> Vec<Vec<Packet>> {
    let plain = Conversation::default().exchange(b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\nhello");
    let mut hole = Conversation::v6();
    hole.open();
    for offset in [0, 6, 3, 3, 200, 9] {
        hole.data(Side::Client, offset, b"abc");
    }
    hole.fin(Side::Client, 300);
    let mut again = Conversation { initial: (u32::MAX - 1, 9), ..Conversation::default() };
    again.open();
    again.data(Side::Client, 0, b"wrapped");
    again.data(Side::Client, 0, b"another");
    again.rst(Side::Server, 0);
    again.segment(Side::Client, 77, Flags { syn: true, ..Flags::default() }, b"early");
    again.segment(Side::Client, 70_000_000, Flags::default(), b"far");
    let cut = plain.packets.iter().map(|packet| packet.clone().cut(60)).collect();
    vec![plain.packets, hole.packets, again.packets, cut, in_fragments()]
}

/// A segment in two IPv4 fragments, in an Ethernet frame each.
fn in_fragments() -> Vec<Packet> {
    let mut talk = Conversation { link: Link::Raw, ..Conversation::default() };
    talk.data(Side::Client, 0, &[b'x'; 100]);
    let whole = &talk.packets[0];
    let (header, payload) = whole.bytes.split_at(IP_HEADER);
    let parts = [(&payload[..64], [0x20, 0]), (&payload[64..], [0, 8])].map(|(part, place)| {
        let mut packet = header.to_vec();
        packet[2..4].copy_from_slice(&u16::try_from(IP_HEADER + part.len()).unwrap().to_be_bytes());
        packet[6..8].copy_from_slice(&place);
        Packet::whole(whole.time, [&[0; 12][..], &[8, 0], &packet, part].concat())
    });
    parts.to_vec()
}

fn files() -> Vec<Vec<u8>> {
    let mut files: Vec<Vec<u8>> = strange().iter().map(|packets| pcap(ETHERNET, packets)).collect();
    let plain = &strange()[0];
    files.push(pcap_as(Order::Big, Precision::Nano, ETHERNET, plain));
    files.push(pcapng(Order::Big, ETHERNET, plain));
    files.push(pcapng_of(Order::Little, &[(ETHERNET, plain.clone()), (147, plain.clone())]));
    for (_, packet, _) in rows::tunnels() {
        files.push(pcap(101, &[Packet::whole(0, packet)]));
    }
    let kept = std::fs::read_dir(kept_captures()).unwrap().flatten().map(|entry| entry.path());
    let captures = kept.filter(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    files.extend(captures.map(|path| std::fs::read(path).unwrap()));
    files
}

/// Each as it is, compressed by the target, and compressed here.
fn savefiles() -> Vec<Vec<u8>> {
    let with = |file: &[u8], choice| [file, &[choice]].concat();
    files().iter().flat_map(|file| [with(file, 0), with(file, 1), with(&gzip(file), 0)]).collect()
}

fn conversations() -> Vec<Vec<u8>> {
    let files = files();
    // One bit for each setting.
    (0..6).flat_map(|bit| files.iter().map(move |file| [&file[..], &[1 << bit]].concat())).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip =
        Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = gzip.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
    let output = gzip.wait_with_output().unwrap();
    writer.join().unwrap();
    output.stdout
}

/// A kind each; what they are coded like the fuzzer finds out.
fn messages() -> Vec<Vec<u8>> {
    let template = b"\x04%T/%A.%a-%B.%b%V%v%C%c.%N.%S".to_vec();
    let kinds = (0..4).map(|kind| [&[kind][..], &[5, 0, 0, 0], &[0; 8], &[0, 3, b'a', b'b', b'c']].concat());
    kinds.chain([template]).collect()
}
