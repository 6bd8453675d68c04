//! Notes which compiler builds the writer, for the report's `<build_environment>`; and takes out of the fonts what
//! `report.pdf` may need, so that the writer itself opens no font: it has the glyphs as they go into the file, and a
//! table of their numbers and widths.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use subsetter::GlyphRemapper;
use ttf_parser::Face;

/// Characters that the page may show: ASCII, Latin for names of savefiles, and some signs.
const CHARACTERS: [std::ops::RangeInclusive<char>; 4] =
    [' '..='~', '\u{a0}'..='\u{17f}', '–'..='–', '…'..='…'];

const FONTS: [&str; 2] = ["Roboto-Regular", "Roboto-Bold"];

fn main() -> Result<(), Box<dyn Error>> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = std::process::Command::new(rustc).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    println!("cargo::rustc-env=COMPILER={}", version.unwrap_or_else(|_| "rustc".to_owned()));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=fonts");
    let out = std::env::var("OUT_DIR")?;
    for name in FONTS {
        font(name, Path::new(&out)).map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(())
}

/// Writes `NAME.ttf` with the glyphs of the characters, and `NAME.rs` with a `Font` that describes them.
fn font(name: &str, out: &Path) -> Result<(), Box<dyn Error>> {
    let data = std::fs::read(Path::new("fonts").join(name).with_extension("ttf"))?;
    let face = Face::parse(&data, 0)?;
    let units = f32::from(face.units_per_em());
    let thousandths = |length: f32| length * 1000.0 / units;
    let mut glyphs = GlyphRemapper::new();
    let mut table = String::new();
    for character in CHARACTERS.into_iter().flatten() {
        let Some(glyph) = face.glyph_index(character) else { continue };
        let width = face.glyph_hor_advance(glyph).ok_or("a glyph without a width")?;
        let number = glyphs.remap(glyph.0);
        writeln!(table, "        ({character:?}, {number}, {:?}),", thousandths(width.into()))?;
    }
    let subset = subsetter::subset(&data, 0, &glyphs).map_err(|e| format!("{e:?}"))?;
    let bounds = face.global_bounding_box();
    let bounds =
        [bounds.x_min, bounds.y_min, bounds.x_max, bounds.y_max].map(|side| thousandths(side.into()));
    let [ascent, descent, capitals] =
        [face.ascender(), face.descender(), face.capital_height().ok_or("no height of capitals")?]
            .map(|height| thousandths(height.into()));
    std::fs::write(out.join(name).with_extension("ttf"), subset)?;
    let text = format!(
        "Font {{\n    name: {name:?},\n    file: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.ttf\")),\n    \
         bounds: {bounds:?},\n    ascent: {ascent:?},\n    descent: {descent:?},\n    capitals: {capitals:?},\n    \
         glyphs: &[\n{table}    ],\n}}\n"
    );
    std::fs::write(out.join(name).with_extension("rs"), text)?;
    Ok(())
}
