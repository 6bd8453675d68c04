//! The index of `-I`, `NAME.findx` beside each flow file: when each part of it was captured.

use std::io::Write as _;

use proto::flow::Arrival;

/// The name of a flow file's index.
pub fn name(flow_file: &str) -> String {
    format!("{flow_file}.findx")
}

/// Appends the line of a segment, of which no more than `max_bytes` of the stream are in the flow file. Its
/// place is where it was when it came: what moves the file later moves no line of its index.
pub fn line(arrival: &Arrival, max_bytes: u64, text: &mut Vec<u8>) {
    let kept = max_bytes.saturating_sub(arrival.offset).min(arrival.length.into());
    let (seconds, micros) = (arrival.time.seconds(), arrival.time.nanoseconds().div_euclid(1000));
    // Writing to memory cannot fail.
    let _ = writeln!(text, "{}|{seconds}.{micros:06}|{kept}", arrival.offset);
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
            line(&Arrival { flow: FlowId(0), offset, length: 6, time }, 8, &mut text);
        }
        let expected = "0|1600000000.000042|6\n4|1600000000.123456|4\n90|1600000000.000000|0\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
