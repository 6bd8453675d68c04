//! The name of a flow as it is printed.

use proto::flow::FlowOpen;
use proto::template::Template;

use crate::name::render;

/// The name of a flow's file if it had one, with the counter that a first file has. The user chose the
/// directory and the template; what a terminal would take for more than text is escaped all the same.
pub fn label(template: &Template, prefix: &[u8], flow: &FlowOpen) -> Box<str> {
    let mut name = prefix.to_vec();
    name.extend_from_slice(render(template, flow, 0).as_bytes());
    escaped(&name).into()
}

/// Control characters, and what is no UTF-8, as escapes.
fn escaped(name: &[u8]) -> String {
    let mut shown = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                shown.extend(character.escape_default());
            } else {
                shown.push(character);
            }
        }
        shown.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_only_printed() {
        assert_eq!(escaped("für/10.0.0.1".as_bytes()), "für/10.0.0.1");
        assert_eq!(escaped(b"a\x1b[2J\n\x9bb\xc2\x9b"), "a\\u{1b}[2J\\n\\x9bb\\u{9b}");
    }
}
