//! The fonts of the page, as the build script made them: glyphs, their numbers and their widths.

/// A font. Lengths are in thousandths of its size.
#[derive(Debug)]
pub struct Font {
    /// Its PostScript name.
    pub name: &'static str,
    /// Its file: the glyphs below.
    pub file: &'static [u8],
    /// Left, bottom, right and top of all glyphs.
    pub bounds: [f32; 4],
    /// Height above the line.
    pub ascent: f32,
    /// Depth below it, negative.
    pub descent: f32,
    /// Height of capitals.
    pub capitals: f32,
    /// Character, glyph number and width, in the order of characters.
    pub glyphs: &'static [(char, u16, f32)],
}

/// For text.
pub static REGULAR: Font = include!(concat!(env!("OUT_DIR"), "/Roboto-Regular.rs"));
/// For headings.
pub static BOLD: Font = include!(concat!(env!("OUT_DIR"), "/Roboto-Bold.rs"));

impl Font {
    /// The glyph and the width of a character; those of a question mark if it has none.
    fn glyph(&self, character: char) -> (u16, f32) {
        let find = |wanted: char| {
            let place = self.glyphs.binary_search_by_key(&wanted, |(character, ..)| *character).ok()?;
            self.glyphs.get(place).map(|(_, glyph, width)| (*glyph, *width))
        };
        find(character).or_else(|| find('?')).unwrap_or_default()
    }

    /// The text as glyph numbers, two bytes each.
    pub fn encode(&self, text: &str) -> Vec<u8> {
        text.chars().flat_map(|character| self.glyph(character).0.to_be_bytes()).collect()
    }

    /// How wide the text is at this size.
    pub fn width(&self, text: &str, size: f32) -> f32 {
        text.chars().map(|character| self.glyph(character).1).sum::<f32>() * size / 1000.0
    }

    /// The text if it fits into this width, else its beginning and its end.
    pub fn fit(&self, text: &str, size: f32, width: f32) -> String {
        let characters: Vec<char> = text.chars().collect();
        for left_out in 0..characters.len() {
            let kept = characters.len().saturating_sub(left_out);
            let (head, tail) = (kept.div_ceil(2), characters.len().saturating_sub(kept / 2));
            let middle = if left_out == 0 { "" } else { "…" };
            let end = characters.get(tail..).unwrap_or_default().iter();
            let shown: String =
                characters.iter().take(head).copied().chain(middle.chars()).chain(end.copied()).collect();
            if self.width(&shown, size) <= width {
                return shown;
            }
        }
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_have_glyphs_and_widths() {
        assert!(REGULAR.width("iii", 10.0) < REGULAR.width("WWW", 10.0));
        assert_eq!(REGULAR.width("0", 10.0), REGULAR.width("9", 10.0));
        assert_eq!(REGULAR.encode("\u{1}世"), REGULAR.encode("??"));
        assert!(REGULAR.glyphs.is_sorted_by_key(|(character, ..)| *character));
        assert!(BOLD.file.len() > 1000);
    }

    #[test]
    fn what_is_too_long_loses_its_middle() {
        assert_eq!(REGULAR.fit("short", 10.0, 100.0), "short");
        let long = "a".repeat(500) + "end.pcap";
        let fitted = REGULAR.fit(&long, 10.0, 100.0);
        assert!(REGULAR.width(&fitted, 10.0) <= 100.0);
        assert!(fitted.starts_with("aaa") && fitted.ends_with("end.pcap") && fitted.contains('…'));
        assert_eq!(REGULAR.fit("x", 10.0, 1.0), "");
    }
}
