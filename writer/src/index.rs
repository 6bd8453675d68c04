//! The index of `-I`, `NAME.findx` beside each flow file: when each part of it was captured.

use std::io::Write as _;

use proto::flow::Arrival;

/// The name of a flow file's index.
pub fn name(flow_file: &str) -> String {
    format!("{flow_file}.findx")
}

/// Appends the line of a segment, of which no more than `max_bytes` of the stream are in the flow file, and nothing
/// before where the file `begins` in it. Its place is where it was when it came: what moves the file later moves no
/// line of its index.
pub fn line(arrival: &Arrival, begins: u64, max_bytes: u64, text: &mut Vec<u8>) {
    let end = arrival.offset.saturating_add(arrival.length.into());
    if begins > 0 && end <= begins {
        return;
    }
    let start = arrival.offset.max(begins);
    let kept = end.min(max_bytes).saturating_sub(start);
    let place = start.saturating_sub(begins);
    let (seconds, micros) = (arrival.time.seconds(), arrival.time.nanoseconds().div_euclid(1000));
    // Writing to memory cannot fail.
    let _ = writeln!(text, "{place}|{seconds}.{micros:06}|{kept}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::flow::FlowId;
    use proto::time::Timestamp;

    #[test]
    fn lines_are_tcpflows() {
        let mut text = Vec::new();
        for (offset, nanoseconds) in [(0, 42_999), (4, 123_456_000), (90, 0)] {
            let time = Timestamp::new(1_600_000_000, nanoseconds);
            line(&Arrival { flow: FlowId(0), offset, length: 6, time }, 0, 8, &mut text);
        }
        let expected = "0|1600000000.000042|6\n4|1600000000.123456|4\n90|1600000000.000000|0\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn a_part_has_lines_of_what_is_in_it() {
        let mut text = Vec::new();
        for offset in [0, 8, 10, 30] {
            let arrival = Arrival { flow: FlowId(0), offset, length: 4, time: Timestamp::new(1, 0) };
            line(&arrival, 10, 32, &mut text);
        }
        assert_eq!(String::from_utf8(text).unwrap(), "0|1.000000|2\n0|1.000000|4\n20|1.000000|2\n");
    }
}
