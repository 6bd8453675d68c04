//! `<ssids>`: wireless networks, in the form that tcpflow gives them.
//!
//! A name is 32 bytes of anything. What is no text, or what XML cannot hold, is shown with replacement characters, and
//! exactly in an attribute of its own.

use std::fmt::Write;

use proto::Breach;
use proto::traffic::{MAX_NETWORKS, Network};

use super::xml::Xml;

/// Wireless networks.
#[derive(Debug, Default)]
pub struct Networks {
    networks: Vec<Network>,
    /// Announcements of further networks.
    pub others: u64,
}

impl Networks {
    /// Takes one more.
    pub fn add(&mut self, network: Network) -> Result<(), Breach> {
        if self.networks.len() >= MAX_NETWORKS {
            return Err(Breach::Forbidden("more wireless networks than are told apart"));
        }
        self.networks.push(network);
        Ok(())
    }

    /// Writes all.
    pub fn write(&self, xml: &mut Xml) {
        xml.start("ssids", &[]);
        for Network { mac, ssid, count } in &self.networks {
            let mac = crate::name::mac(*mac).to_string();
            // A control character that XML can hold would still break the line that the element stands on.
            let name = String::from_utf8_lossy(ssid).replace(char::is_control, "\u{fffd}");
            let count = count.to_string();
            let exact = hexadecimal(ssid);
            let hex = (!is_text(ssid)).then_some(("hex", exact.as_str()));
            let attributes = [("mac", mac.as_str()), ("ssid", &name)].into_iter().chain(hex);
            let attributes: Vec<_> = attributes.chain([("count", count.as_str())]).collect();
            xml.empty("ssid", &attributes);
        }
        if self.others > 0 {
            xml.empty("others", &[("count", &self.others.to_string())]);
        }
        xml.end("ssids");
    }
}

/// Whether an attribute can hold the name as it is.
fn is_text(ssid: &[u8]) -> bool {
    std::str::from_utf8(ssid)
        .is_ok_and(|name| !name.chars().any(|c| c.is_control() || ('\u{fffd}'..'\u{10000}').contains(&c)))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to memory cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(ssids: &[&[u8]], others: u64) -> String {
        let networks =
            ssids.iter().map(|ssid| Network { mac: [0xa, 1, 2, 3, 4, 0xff], ssid: ssid.to_vec(), count: 3 });
        let networks = Networks { networks: networks.collect(), others };
        let mut xml = Xml::new(crate::report::Dialect::Tcpflow, 0);
        networks.write(&mut xml);
        String::from_utf8(xml.into_bytes()).unwrap()
    }

    #[test]
    fn names_are_escaped_and_what_is_no_text_is_exact_too() {
        let shown = shown(&[b"caf\xc3\xa9<'", b"\xff\0", b""], 7);
        let expected = "<ssids>\n  <ssid mac='0a:01:02:03:04:ff' ssid='café&lt;&apos;' count='3' />\n  \
                        <ssid mac='0a:01:02:03:04:ff' ssid='\u{fffd}\u{fffd}' hex='ff00' count='3' />\n  \
                        <ssid mac='0a:01:02:03:04:ff' ssid='' count='3' />\n  <others count='7' />\n</ssids>\n";
        assert_eq!(shown, expected);
    }

    #[test]
    fn every_byte_makes_well_formed_xml() {
        for byte in 0..=u8::MAX {
            let shown = shown(&[&[byte], &[b'a', byte, b'b']], 0);
            assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{byte}: {shown:?}");
        }
    }
}
