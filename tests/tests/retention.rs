//! What is kept of the directories of `--rotate`: the oldest that are finished go, by age (`--keep`), by size
//! (`--keep-size`), for room on the disk (`--min-free`), and nothing else does, whatever lies beside them. When nothing is
//! left to go, or the disk takes nothing more, everything is counted until there is room again.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tcpflow_tests::capture::{ETHERNET, PCAP_HEADER, pcap};
use tcpflow_tests::conversation::{Conversation, Side};
use tcpflow_tests::report::{Element, assert_conserved, set_aside};
use tcpflow_tests::run::{Bench, Running};
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Need};

/// The flow of the client.
const FLOW: &str = "192.000.002.001.01000-192.000.002.002.00080";
/// Bytes in a segment.
const SEGMENT: usize = 1000;
const DAY: Duration = Duration::from_secs(86_400);

fn main() -> ExitCode {
    let mut all = tcpflow_tests::cases![
        old_directories_go,
        the_oldest_go_until_the_rest_is_small_enough,
        nothing_else_goes,
        a_directory_that_cannot_be_removed_stays_and_is_told,
        retention_needs_rotation,
    ];
    all.extend(tcpflow_tests::cases![&[Need::Root];
        the_oldest_go_for_room,
        a_disk_that_is_nearly_full_costs_what_comes_until_there_is_room,
        a_disk_that_is_full_costs_what_comes_until_there_is_room,
    ]);
    suite::main(all)
}

/// A client that sends so many segments, a second each.
fn upload(segments: usize) -> Vec<u8> {
    let mut talk = Conversation::default();
    talk.open();
    for number in 0..segments {
        talk.data(Side::Client, number * SEGMENT, &[b'x'; SEGMENT]);
    }
    pcap(ETHERNET, &talk.packets)
}

fn bench(segments: usize) -> Bench {
    Bench::of(Subject::Ours).file("in.pcap", &upload(segments))
}

/// Names in a directory.
fn names(path: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(path).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// Directories with this much in each, made by a run; the newest counts as finished, too, when it is over.
fn made(bench: &Bench, seconds: &str) -> Vec<String> {
    let _ = bench.run(&["-r", "in.pcap", "-o", "out", "--rotate", seconds]).finish().expect(0);
    names(&bench.path().join("out")).into_iter().collect()
}

/// What another run keeps of them, which makes one directory.
fn kept(bench: &Bench, more: &[&str]) -> (Vec<String>, String) {
    let before = names(&bench.path().join("out"));
    let line = [&["-v", "-r", "in.pcap", "-o", "out", "--rotate", "1d"], more].concat();
    let said = bench.run(&line).finish().expect(0).stderr;
    let after = names(&bench.path().join("out"));
    assert_eq!(after.difference(&before).count(), 1, "its own: {after:?}");
    (after.intersection(&before).cloned().collect(), said)
}

fn finished(bench: &Bench, name: &str, ago: Duration) {
    let mark =
        File::options().write(true).open(bench.path().join("out").join(name).join(".tcpflow")).unwrap();
    mark.set_modified(SystemTime::now() - ago).unwrap();
}

/// By when they were finished, which is not in the order of their names.
fn old_directories_go() {
    let bench = bench(50);
    let all = made(&bench, "10s");
    assert_eq!(all.len(), 6);
    for (number, days) in [(0, 5), (1, 1), (2, 9), (3, 3), (4, 0), (5, 2)] {
        finished(&bench, &all[number], DAY * days + DAY / 2);
    }
    let (kept, said) = kept(&bench, &["--keep", "3d"]);
    assert_eq!(kept, [&all[1][..], &all[4], &all[5]]);
    let removed: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("tcpflow: removed ")).collect();
    assert_eq!(removed, [2, 0, 3].map(|number| format!("{} (--keep)", all[number])));
}

/// Bytes on the disk.
fn size(path: &Path) -> u64 {
    let status = fs::symlink_metadata(path).unwrap();
    let below = if status.is_dir() {
        fs::read_dir(path).unwrap().map(|entry| size(&entry.unwrap().path())).sum()
    } else {
        0
    };
    status.blocks() * 512 + below
}

fn the_oldest_go_until_the_rest_is_small_enough() {
    let bench = bench(50).folder("out", 0o755);
    let all = made(&bench, "10s");
    let out = bench.path().join("out");
    let one = size(&out.join(&all[1]));
    // With room for three and the one that is made, which holds all that these hold.
    let limit = (one * 3 + one / 2 + 50_000 + 24_000) / 1024;
    let (kept, said) = kept(&bench, &["--keep-size", &format!("{limit}K")]);
    assert!((2..=4).contains(&kept.len()), "{kept:?} of {all:?}, {one} bytes each, within {limit}K: {said}");
    assert_eq!(kept, all[all.len() - kept.len()..], "the newest of them");
    let left: u64 = kept.iter().map(|name| size(&out.join(name))).sum();
    assert!(left + 50_000 <= limit * 1024, "{left}");
}

/// Everything that could be taken for a directory of a rotation, and is none; and what links in one lead to.
fn nothing_else_goes() {
    let bench = bench(50).folder("elsewhere", 0o755).file("elsewhere/kept", b"precious");
    let all = made(&bench, "30s");
    assert_eq!(all.len(), 2);
    let (out, elsewhere) = (bench.path().join("out"), bench.path().join("elsewhere"));
    let at = |number: u32| out.join(format!("2001-01-{number:02}T00-00-00Z"));
    let marked = |path: PathBuf| {
        fs::create_dir(&path).unwrap();
        fs::write(path.join(".tcpflow"), "").unwrap();
        fs::write(path.join("file"), "precious").unwrap();
    };
    fs::write(at(1), "a file").unwrap();
    symlink(&elsewhere, at(2)).unwrap();
    symlink(&all[0], at(3)).unwrap();
    fs::create_dir(at(4)).unwrap();
    fs::write(at(4).join("report.xml"), "of someone else").unwrap();
    fs::create_dir(at(5)).unwrap();
    symlink(out.join(&all[0]).join(".tcpflow"), at(5).join(".tcpflow")).unwrap();
    fs::create_dir_all(at(6).join(".tcpflow")).unwrap();
    fs::create_dir(at(7)).unwrap();
    mkfifo(&at(7).join(".tcpflow"), Mode::S_IRWXU).unwrap();
    for name in
        ["2001-01-08T00-00-00", "2001-01-08T00-00-00Z-1", "2001-01-08", "x2001-01-08T00-00-00Z", "old"]
    {
        marked(out.join(name));
    }
    marked(out.join(std::ffi::OsStr::from_bytes(b"2001-01-09T00-00-00\xff")));
    // In one that is to go.
    let going = out.join(&all[0]);
    symlink(&elsewhere, going.join("link")).unwrap();
    symlink("../..", going.join("up")).unwrap();
    fs::hard_link(elsewhere.join("kept"), going.join("name")).unwrap();
    mkfifo(&going.join("fifo"), Mode::S_IRWXU).unwrap();
    fs::create_dir_all(going.join("a/b/c")).unwrap();
    symlink(&elsewhere, going.join("a/b/c/link")).unwrap();
    symlink(&elsewhere, going.join(std::ffi::OsStr::from_bytes(b"\xff\xfe"))).unwrap();
    let before = names(&out);
    let (kept, said) = kept(&bench, &["--keep-size", "1K"]);
    let gone: Vec<&String> = before.iter().filter(|name| !kept.contains(name)).collect();
    assert_eq!(gone, [&all[0], &all[1]], "{said}");
    assert_eq!(names(&elsewhere), BTreeSet::from(["kept".to_owned()]));
    assert_eq!(fs::read(elsewhere.join("kept")).unwrap(), b"precious");
    assert_eq!(names(&at(4)), BTreeSet::from(["report.xml".to_owned()]));
    assert_eq!(fs::read(out.join("old/file")).unwrap(), b"precious");
}

/// One that belongs to someone else stays, and is told once; those behind it go.
fn a_directory_that_cannot_be_removed_stays_and_is_told() {
    let bench = bench(50).open_to_all();
    let line = ["-r", "in.pcap", "-o", "out", "-U", "nobody", "--rotate", "15s"];
    let _ = bench.run(&line).finish().expect(0);
    let out = bench.path().join("out");
    let all: Vec<String> = names(&out).into_iter().collect();
    assert!(all.len() > 2, "{all:?}");
    let owned = Command::new("chown").args(["-R", "root"]).arg(out.join(&all[0])).status().unwrap();
    assert!(owned.success());
    let outcome = bench.run(&[&line[..], &["--keep-size", "1K"]].concat()).finish().expect(1);
    let words = format!("cannot remove {}, which stays (--keep-size): Permission denied", all[0]);
    assert_eq!(outcome.stderr.matches(&words).count(), 1, "{}", outcome.stderr);
    let left = names(&out);
    assert!(left.contains(&all[0]) && !left.contains(&all[1]), "{left:?}");
    assert_eq!(fs::read(out.join(&all[0]).join(FLOW)).unwrap().len(), 13 * SEGMENT);
}

fn retention_needs_rotation() {
    let bench = bench(1);
    for (option, value, words) in [
        ("--keep", "1d", "need --rotate"),
        ("--min-free", "5%", "need --rotate"),
        ("--keep", "1G", "not a time such as 30d"),
        ("--keep-size", "1h", "not a size such as 200G"),
        ("--min-free", "100%", "neither a part such as 10% nor a size such as 20G"),
    ] {
        let rotate: &[&str] = if words.contains("need") { &[] } else { &["--rotate", "1d"] };
        let line = [&["-r", "in.pcap", "-o", "out", option, value], rotate].concat();
        let _ = bench.run(&line).finish().expect(2).says(words);
        assert!(!bench.path().join("out").exists());
    }
}

/// A small disk in a bench, gone at the end.
struct Disk(PathBuf);

impl Disk {
    fn new(bench: &Bench, size: &str) -> Self {
        let place = bench.path().join("disk");
        fs::create_dir(&place).unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", size, "none"]).arg(&place).status().unwrap();
        assert!(mount.success());
        Self(place)
    }

    /// Takes room that nothing of ours has.
    fn fill(&self, bytes: usize) {
        fs::write(self.0.join("filler"), vec![1; bytes]).unwrap();
    }

    fn clear(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn the_oldest_go_for_room() {
    let bench = bench(400);
    let disk = Disk::new(&bench, "size=2m");
    let line = ["-r", "in.pcap", "-o", "disk/out"];
    let _ = bench.run(&[&line[..], &["--rotate", "50s"]].concat()).finish().expect(0);
    let out = disk.0.join("out");
    let before: Vec<String> = names(&out).into_iter().collect();
    assert_eq!(before.len(), 9);
    // What is there and what comes take nearly a megabyte, and so some of what is there has to go.
    disk.fill(900_000);
    let line = [&line[..], &["--rotate", "1d", "--min-free", "300K", "-v"]].concat();
    let outcome = bench.run(&line).finish().expect(0);
    let after = names(&out);
    let kept: Vec<&String> = before.iter().filter(|name| after.contains(*name)).collect();
    assert!(kept.len() < before.len() && !kept.is_empty(), "{after:?}: {}", outcome.stderr);
    assert_eq!(kept, before[before.len() - kept.len()..].iter().collect::<Vec<_>>(), "the newest");
    let reports = after.iter().map(|name| bench.report(&format!("disk/out/{name}/report.xml")));
    reports.for_each(|report| assert_conserved(&report));
}

/// A run that is given its packets one by one.
struct Fed {
    bench: Bench,
    running: Running,
    disk: Disk,
    fifo: File,
    packets: std::vec::IntoIter<Vec<u8>>,
    given: usize,
}

impl Fed {
    fn new(size: &str, more: &[&str]) -> Self {
        let bench = Bench::of(Subject::Ours);
        let disk = Disk::new(&bench, size);
        mkfifo(&bench.path().join("fifo"), Mode::S_IRWXU).unwrap();
        let line = [&["-r", "fifo", "-o", "disk/out", "--rotate", "1d"], more].concat();
        let running = bench.run(&line).start();
        let mut fifo = OpenOptions::new().write(true).open(bench.path().join("fifo")).unwrap();
        let capture = upload(5000);
        // Two SYNs, and then segments of the same length.
        let (start, rest) = capture.split_at(PCAP_HEADER + 2 * (16 + 54));
        fifo.write_all(start).unwrap();
        let packets: Vec<Vec<u8>> = rest.chunks(16 + 54 + SEGMENT).map(<[u8]>::to_vec).collect();
        Self { bench, running, disk, fifo, packets: packets.into_iter(), given: 0 }
    }

    fn give(&mut self, segments: usize) {
        for packet in self.packets.by_ref().take(segments) {
            self.fifo.write_all(&packet).unwrap();
        }
        self.given += segments;
    }

    /// Gives one segment after the other until this is said so often.
    fn give_until_said(&mut self, words: &str) {
        let limit = SystemTime::now() + Duration::from_secs(30);
        while !self.running.said().contains(words) {
            self.give(1);
            std::thread::sleep(Duration::from_millis(50));
            assert!(SystemTime::now() < limit, "{words:?} is not in {:?}", self.running.said());
        }
    }

    /// Waits until the file is of this length.
    fn wait_for(&mut self, length: usize) {
        let out = self.disk.0.join("out");
        self.running.wait_until("what was stored", |_| {
            let Ok(mut directories) = fs::read_dir(&out) else { return false };
            let stored = |path: PathBuf| {
                fs::metadata(path.join(FLOW))
                    .is_ok_and(|status| usize::try_from(status.len()).unwrap() >= length)
            };
            directories.any(|directory| stored(directory.unwrap().path()))
        });
    }

    /// Ends the run: what was said, the report of its one directory, and the file.
    fn end(self) -> (String, Element, Vec<u8>) {
        drop(self.fifo);
        let said = self.running.wait().expect(1).stderr;
        let names: Vec<String> = names(&self.disk.0.join("out")).into_iter().collect();
        let [name] = &names[..] else { panic!("{names:?}") };
        let report = self.bench.report(&format!("disk/out/{name}/report.xml"));
        assert_conserved(&report);
        assert!(report.all("interrupted").is_empty());
        let file = fs::read(self.disk.0.join("out").join(name).join(FLOW)).unwrap();
        assert_eq!(file.len(), self.given * SEGMENT, "what was not stored is zeros");
        (said, report, file)
    }
}

fn assert_withheld(report: &Element, file: &[u8], reason: &str, said: &str) {
    let zeros: u64 = file.iter().filter(|byte| **byte == 0).count().try_into().unwrap();
    // Of the last write that the disk took something of, a part is there.
    let [(why, aside)] = &set_aside(report, "payload")[..] else { panic!("{report:?}") };
    assert!(why == reason && (1..=*aside).contains(&zeros), "{zeros} of {aside} {why}");
    let flow = report.all("tcpflow").into_iter().find(|flow| flow.number("srcport") == 1000).unwrap();
    assert_eq!((flow.number("withheld"), flow.get("truncated")), (*aside, None));
    assert!(said.contains(&format!("{aside} bytes were not stored for lack of room")), "{said}");
    assert_eq!(said.matches("packets are counted and not stored").count(), 1, "{said}");
    assert_eq!(said.matches("there is room again: packets are stored").count(), 1, "{said}");
    // Where it begins, and where it ends, there was room.
    assert!(file.starts_with(&[b'x'; SEGMENT]) && file.ends_with(&[b'x'; SEGMENT]));
    let packets = usize::try_from(report.one("total_packets").count()).unwrap();
    assert_eq!(packets, file.len() / SEGMENT + 2);
}

fn a_disk_that_is_nearly_full_costs_what_comes_until_there_is_room() {
    let mut fed = Fed::new("size=8m", &["--min-free", "50%"]);
    fed.give(100);
    fed.wait_for(100 * SEGMENT);
    fed.disk.fill(5 << 20);
    fed.give_until_said("the disk is nearly full (--min-free): until there is room");
    fed.give(50);
    fed.disk.clear();
    fed.give_until_said("there is room again");
    fed.give(1);
    let (said, report, file) = fed.end();
    assert_withheld(&report, &file, "nearly_full", &said);
}

fn a_disk_that_is_full_costs_what_comes_until_there_is_room() {
    let mut fed = Fed::new("size=1m", &[]);
    fed.give(100);
    fed.wait_for(100 * SEGMENT);
    fed.disk.fill(700_000);
    fed.give(300);
    fed.give_until_said("no space left on the disk: until there is room");
    fed.disk.clear();
    fed.give_until_said("there is room again");
    fed.give(1);
    let (said, report, file) = fed.end();
    assert_withheld(&report, &file, "disk_full", &said);
}
