//! How payload is shown: as text, in hexadecimal, as JSON.

use std::io::Write as _;

use proto::flow::FlowKey;

/// Payload bytes in a line of hexadecimal.
const LINE: usize = 32;

/// The width of the hexadecimal digits of a whole line: four and a space for each two bytes.
const COLUMNS: usize = LINE / 2 * 5;

/// Each byte in digits.
pub struct Tables {
    hex: [[u8; 2]; 256],
    /// In decimal, with a comma after it, and how long that is.
    decimal: [([u8; 4], usize); 256],
}

/// Printable ASCII, newline and carriage return as they are, a dot for everything else.
pub fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    let shown = |byte: &u8| match byte {
        b'\n' | b'\r' | b' '..=b'~' => *byte,
        _ => b'.',
    };
    out.extend(bytes.iter().map(shown));
}

impl Tables {
    /// The tables.
    pub fn new() -> Self {
        let digit = |value: usize| b"0123456789abcdef".get(value).copied().unwrap_or_default();
        Self {
            hex: std::array::from_fn(|byte| [digit(byte / 16), digit(byte % 16)]),
            decimal: std::array::from_fn(|byte| {
                let mut digits = [0; 4];
                let text = format!("{byte},");
                digits.iter_mut().zip(text.bytes()).for_each(|(place, digit)| *place = digit);
                (digits, text.len())
            }),
        }
    }

    /// Lines of an offset, 32 bytes in hexadecimal, and the same as text. Where there are several, the text
    /// of all begins in the same column.
    pub fn hex(&self, out: &mut Vec<u8>, bytes: &[u8]) {
        for (offset, line) in (0_usize..).step_by(LINE).zip(bytes.chunks(LINE)) {
            // Writing to a vector cannot fail.
            let _ = write!(out, "{offset:04x}: ");
            let start = out.len();
            for pair in line.chunks(2) {
                for byte in pair {
                    out.extend_from_slice(self.hex.get(usize::from(*byte)).unwrap_or(&[0; 2]));
                }
                if pair.len() == 2 {
                    out.push(b' ');
                }
            }
            if offset > 0 {
                out.resize(start.saturating_add(COLUMNS), b' ');
            }
            out.push(b' ');
            out.extend(line.iter().map(|byte| if matches!(byte, b' '..=b'~') { *byte } else { b'.' }));
            out.push(b'\n');
        }
    }

    /// An object of the two ends and the bytes, in tcpflow's spelling.
    pub fn json(&self, out: &mut Vec<u8>, key: &FlowKey, bytes: &[u8]) {
        // An address or a port has nothing to be escaped.
        let _ = write!(
            out,
            r#"{{"src_host":"{}","src_port":{},"dst_host":"{}","dst_port":{},"payload": ["#,
            key.source, key.source_port, key.destination, key.destination_port
        );
        for byte in bytes {
            let (digits, length) = self.decimal.get(usize::from(*byte)).unwrap_or(&([0; 4], 0));
            // As many as there may be, and then as many as there are: cheaper than copying a varying length.
            let end = out.len().saturating_add(*length);
            out.extend_from_slice(digits);
            out.truncate(end);
        }
        out.pop();
        out.extend_from_slice(b"]}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_harmless() {
        let every: Vec<u8> = (0..=255).collect();
        let mut out = Vec::new();
        text(&mut out, &every);
        assert_eq!(out.len(), 256);
        assert!(out.iter().all(|byte| matches!(byte, b'\n' | b'\r' | b' '..=b'~')));
        assert_eq!(&out[b' '.into()..127], &every[b' '.into()..127]);
    }

    #[test]
    fn hexadecimal_is_laid_out_as_in_tcpflow() {
        let hex = |bytes: &[u8]| {
            let mut out = Vec::new();
            Tables::new().hex(&mut out, bytes);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(hex(b"hello"), "0000: 6865 6c6c 6f hello\n");
        assert_eq!(hex(b"hell\n\x7f"), "0000: 6865 6c6c 0a7f  hell..\n");
        let digits = "6161 ".repeat(16);
        let (text, second) = ("a".repeat(32), format!("6162 {}", " ".repeat(75)));
        assert_eq!(hex(&[b'a'; 32]), format!("0000: {digits} {text}\n"));
        let long = [&[b'a'; 33][..], b"b"].concat();
        assert_eq!(hex(&long), format!("0000: {digits} {text}\n0020: {second} ab\n"));
        assert!(hex(&[0; 65_600]).contains("\n10020: "));
    }

    #[test]
    fn json_is_spaced_as_in_tcpflow() {
        let key = FlowKey {
            source: "2001:db8::1".parse().unwrap(),
            destination: "192.0.2.1".parse().unwrap(),
            source_port: 7,
            destination_port: 65_535,
        };
        let mut out = Vec::new();
        Tables::new().json(&mut out, &key, &[0, 10, 255]);
        let expected = r#"{"src_host":"2001:db8::1","src_port":7,"dst_host":"192.0.2.1","dst_port":65535,"payload": [0,10,255]}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
