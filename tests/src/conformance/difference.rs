//! What two outcomes do not have in common, as lines.

use similar::{ChangeTag, TextDiff};

/// The lines of `from` that are not in `to` (`- `) and those that are there instead (`+ `), in order.
#[must_use]
pub fn between(from: &str, to: &str) -> String {
    let mut text = String::new();
    for change in TextDiff::from_lines(from, to).iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => continue,
        };
        text.push_str(&format!("{sign} {}\n", change.value().trim_end_matches('\n')));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::between;

    #[test]
    fn only_what_differs_is_listed() {
        assert_eq!(between("a\nb\nc\n", "a\nx\nc\nd\n"), "- b\n+ x\n+ d\n");
        assert_eq!(between("a\n", "a\n"), "");
    }
}
