//! A PDF of one page: rectangles, lines and text, in points from the top left corner.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::{CidFontType, FontFlags, LineJoinStyle, SystemInfo, UnicodeCmap};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

use super::font::{BOLD, Font, REGULAR};

/// Width and height of the page: US letter, as tcpflow's.
pub const WIDTH: f32 = 612.0;
const HEIGHT: f32 = 792.0;

/// Red, green and blue, from 0 to 1.
pub type Color = [f32; 3];

/// Where a text stands.
#[derive(Debug, Clone, Copy)]
pub enum Align {
    /// It begins there.
    Left,
    /// Its middle is there.
    Middle,
    /// It ends there.
    Right,
}

/// How text looks.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Its size in points.
    pub size: f32,
    /// Its colour.
    pub color: Color,
    /// Whether it is bold.
    pub bold: bool,
}

impl Style {
    /// The font of this style.
    pub fn font(self) -> &'static Font {
        if self.bold { &BOLD } else { &REGULAR }
    }
}

const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const PAGE: Ref = Ref::new(3);
const CONTENT: Ref = Ref::new(4);
const INFO: Ref = Ref::new(5);
/// The objects of a font follow each other from here.
const FONTS: [(&[u8], &Font, i32); 2] = [(b"R", &REGULAR, 10), (b"B", &BOLD, 20)];

/// A page being drawn.
pub struct Canvas(Content);

impl Canvas {
    /// An empty page.
    pub fn new() -> Self {
        Self(Content::new())
    }

    /// A filled rectangle, from its top left corner.
    pub fn rectangle(&mut self, [x, y, width, height]: [f32; 4], [red, green, blue]: Color) {
        self.0.set_fill_rgb(red, green, blue);
        self.0.rect(x, HEIGHT - y - height, width, height).fill_nonzero();
    }

    /// A line through points.
    pub fn line(&mut self, points: &[(f32, f32)], width: f32, [red, green, blue]: Color) {
        self.0.set_stroke_rgb(red, green, blue).set_line_width(width).set_line_join(LineJoinStyle::RoundJoin);
        for (place, (x, y)) in points.iter().enumerate() {
            if place == 0 {
                self.0.move_to(*x, HEIGHT - y);
            } else {
                self.0.line_to(*x, HEIGHT - y);
            }
        }
        self.0.stroke();
    }

    /// A line of text, from its base line.
    pub fn text(&mut self, text: &str, (x, y): (f32, f32), align: Align, style: Style) {
        let font = style.font();
        let width = font.width(text, style.size);
        let x = match align {
            Align::Left => x,
            Align::Middle => x - width / 2.0,
            Align::Right => x - width,
        };
        let [red, green, blue] = style.color;
        let name = if style.bold { b"B" } else { b"R" };
        self.0.begin_text().set_fill_rgb(red, green, blue).set_font(Name(name), style.size);
        self.0.next_line(x, HEIGHT - y).show(Str(&font.encode(text))).end_text();
    }

    /// The file.
    pub fn finish(self, title: &str) -> std::io::Result<Vec<u8>> {
        let mut pdf = Pdf::new();
        pdf.catalog(CATALOG).pages(PAGES);
        pdf.pages(PAGES).kids([PAGE]).count(1);
        let mut page = pdf.page(PAGE);
        page.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(PAGES).contents(CONTENT);
        let mut resources = page.resources();
        let mut fonts = resources.fonts();
        for (name, _, object) in FONTS {
            fonts.pair(Name(name), Ref::new(object));
        }
        fonts.finish();
        resources.finish();
        page.finish();
        pdf.stream(CONTENT, &deflated(&self.0.finish())?).filter(Filter::FlateDecode);
        let producer = concat!("tcpflow ", env!("CARGO_PKG_VERSION"));
        pdf.document_info(INFO).title(TextStr(title)).producer(TextStr(producer));
        for (_, font, object) in FONTS {
            embed(&mut pdf, font, object)?;
        }
        Ok(pdf.finish())
    }
}

fn deflated(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// A font by glyph numbers, with the table that readers need to search and copy text.
fn embed(pdf: &mut Pdf, font: &Font, first: i32) -> std::io::Result<()> {
    let object = |offset: i32| Ref::new(first.saturating_add(offset));
    let [outer, inner, descriptor, file, characters] = [0, 1, 2, 3, 4].map(object);
    // A tag before the name says that it is not the whole font.
    let base_font = format!("TCPFLO+{}", font.name);
    let name = Name(base_font.as_bytes());
    let system = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };
    pdf.type0_font(outer)
        .base_font(name)
        .encoding_predefined(Name(b"Identity-H"))
        .descendant_font(inner)
        .to_unicode(characters);
    let mut cid = pdf.cid_font(inner);
    cid.subtype(CidFontType::Type2).base_font(name).system_info(system).font_descriptor(descriptor);
    cid.cid_to_gid_map_predefined(Name(b"Identity"));
    let mut widths = cid.widths();
    let mut map = UnicodeCmap::new(Name(b"Unicode"), system);
    for (character, glyph, width) in font.glyphs {
        widths.consecutive(*glyph, [*width]);
        map.pair(*glyph, *character);
    }
    widths.finish();
    cid.finish();
    let [left, bottom, right, top] = font.bounds;
    pdf.font_descriptor(descriptor)
        .name(name)
        .flags(FontFlags::NON_SYMBOLIC)
        .bbox(Rect::new(left, bottom, right, top))
        .italic_angle(0.0)
        .ascent(font.ascent)
        .descent(font.descent)
        .cap_height(font.capitals)
        .stem_v(90.0)
        .font_file2(file);
    let length = i32::try_from(font.file.len()).unwrap_or(i32::MAX);
    pdf.stream(file, &deflated(font.file)?).filter(Filter::FlateDecode).pair(Name(b"Length1"), length);
    pdf.stream(characters, &deflated(&map.finish())?).filter(Filter::FlateDecode);
    Ok(())
}
