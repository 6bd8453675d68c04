//! The page of traffic that never was: it is drawn whatever the counts say, and they are all in it.

use proto::text::Text;
use proto::time::Timestamp;
use proto::traffic::{Column, MAX_BANDS, MAX_COLUMNS, MAX_ROWS, Prefix, Ranking, Share, Timeline, Traffic};

use super::*;

fn ranking<T: Clone>(row: T, rows: usize, bytes: u64) -> Ranking<T> {
    Ranking { rows: vec![(row, bytes); rows], total: bytes, count: u64::MAX, summed_up: true }
}

/// As much of everything as there can be, with each count this.
fn traffic(rows: usize, columns: usize, bytes: u64, time: Timestamp) -> Traffic {
    let prefix = Prefix { address: "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap(), length: 127 };
    let column = Column { bands: vec![bytes; MAX_BANDS], other_ports: bytes, other: bytes };
    let bands = (1..).take(MAX_BANDS).collect();
    Traffic {
        input: Text::cut("a\u{1b}\n\u{fffd}name"),
        inputs: bytes,
        packets: bytes,
        ipv4: bytes,
        ipv6: bytes,
        span: Some((time, Timestamp::new(i64::MAX, 0))),
        timeline: Timeline { start: i64::MIN, width: bytes.max(1), bands, columns: vec![column; columns] },
        sources: ranking(prefix, rows, bytes),
        destinations: ranking(prefix, rows, bytes),
        source_ports: ranking(1, rows, bytes),
        destination_ports: ranking(65_535, rows, bytes),
    }
}

#[test]
fn any_counts_make_a_page() {
    for bytes in [0, 1, 7, 1 << 40, u64::MAX] {
        for (rows, columns) in [(0, 0), (1, 1), (MAX_ROWS, MAX_COLUMNS)] {
            for seconds in [i64::MIN, 0, i64::MAX] {
                let page = page::draw(&traffic(rows, columns, bytes, Timestamp::new(seconds, 0))).unwrap();
                assert!(page.starts_with(b"%PDF-1.7") && page.trim_ascii_end().ends_with(b"%%EOF"));
                assert!(page.len() < 200_000, "{}", page.len());
            }
        }
    }
}

#[test]
fn the_traffic_comes_once_and_addresses_are_bounded() {
    let mut charts = Charts::default();
    let all = traffic(1, 1, 1, Timestamp::default());
    charts.traffic(Box::new(all.clone())).unwrap();
    assert!(charts.traffic(Box::new(all)).is_err());
    let share = Share { sent: true, prefix: Prefix { address: [10, 0, 0, 0].into(), length: 8 }, bytes: 5 };
    for _ in 0..MAX_ADDRESSES * 2 {
        charts.share(share).unwrap();
    }
    assert!(charts.share(share).is_err());
    assert!(charts.list().ends_with("source\t10.0.0.0/8\t5\n"));
}

#[test]
fn a_page_that_cannot_be_written_is_told_by_name() {
    let place = tempfile::tempdir().unwrap();
    let directory = Directory::new(std::fs::File::open(place.path()).unwrap().into());
    let mut charts = Charts::default();
    charts.write(&directory, "", true).unwrap();
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "without traffic there is no page");
    charts.traffic(Box::new(traffic(1, 1, 1, Timestamp::default()))).unwrap();
    std::os::unix::fs::symlink("/nowhere", place.path().join("report.pdf")).unwrap();
    assert_eq!(charts.write(&directory, "", false), Err(("report.pdf", Errno::ELOOP)));
    std::fs::remove_file(place.path().join("report.pdf")).unwrap();
    charts.write(&directory, "", true).unwrap();
    assert!(place.path().join("netviz_histogram.txt").is_file());
}
