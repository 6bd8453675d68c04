//! A ranking: a row for each of the first, with its part of all bytes as a bar and in figures, and a line for the part
//! that the rows down to it have together.

use proto::traffic::Ranking;

use super::canvas::{Align, Canvas, Color, Style};
use super::figures;
use super::page::{GRAY, HEADING, INK, PALE, SMALL};

/// How wide a ranking is.
pub const WIDTH: f32 = 250.0;
/// The colour of bars that mean nothing by it.
pub const NEUTRAL: Color = [0.45, 0.53, 0.64];

const ROW: f32 = 15.0;
const BAR: f32 = 8.0;
/// The columns: names, bars, bytes, parts.
const NAMES: f32 = 92.0;
const BARS_FROM: f32 = 97.0;
const BARS: f32 = 78.0;
const BYTES_TO: f32 = 222.0;
const NAME: Style = Style { size: 8.0, color: INK, bold: false };
/// Names that are too long are this small at least, and then lose their middle.
const SMALLEST: f32 = 5.0;

/// How high a ranking of so many rows is, with the space below it.
pub fn height(rows: usize) -> f32 {
    ROW * figures::number(rows.max(1)) + 48.0
}

/// Draws a ranking. `label` gives the name and the colour of a row.
pub fn draw<T>(
    canvas: &mut Canvas,
    heading: &str,
    ranking: &Ranking<T>,
    (x, top): (f32, f32),
    label: impl Fn(&T) -> (String, Color),
) {
    canvas.text(heading, (x, top), Align::Left, HEADING);
    let listed = ranking.rows.len();
    let count = match usize::try_from(ranking.count) {
        Ok(count) if count <= listed => String::new(),
        _ if ranking.summed_up => format!("{listed} of more than {}", figures::count(ranking.count)),
        _ => format!("{listed} of {}", figures::count(ranking.count)),
    };
    canvas.text(&count, (x + WIDTH, top), Align::Right, SMALL);
    let top = top + 8.0;
    if ranking.rows.is_empty() {
        canvas.text("none", (x, top + 12.0), Align::Left, Style { color: GRAY, ..NAME });
        return;
    }
    let bottom = top + ROW * figures::number(listed);
    axis(canvas, x + BARS_FROM, (top, bottom));
    let (mut y, mut sum) = (top, 0_u64);
    let mut line = Vec::new();
    for (row, bytes) in &ranking.rows {
        let (name, color) = label(row);
        let middle = y + ROW / 2.0;
        text(canvas, &name, (x, middle + 2.8));
        let length = figures::point(figures::share(*bytes, ranking.total)) * BARS;
        canvas.rectangle([x + BARS_FROM, middle - BAR / 2.0, length, BAR], color);
        canvas.text(&figures::bytes(*bytes), (x + BYTES_TO, middle + 2.8), Align::Right, NAME);
        let part = figures::percent(*bytes, ranking.total);
        canvas.text(&part, (x + WIDTH, middle + 2.8), Align::Right, NAME);
        sum = sum.saturating_add(*bytes);
        line.push((x + BARS_FROM + figures::point(figures::share(sum, ranking.total)) * BARS, middle));
        y += ROW;
    }
    canvas.line(&line, 0.8, INK);
    for (x, y) in line {
        canvas.rectangle([x - 1.2, y - 1.2, 2.4, 2.4], INK);
    }
}

fn axis(canvas: &mut Canvas, x: f32, (top, bottom): (f32, f32)) {
    for (part, name) in [(0.0, "0"), (0.5, "50%"), (1.0, "100%")] {
        let x = x + part * BARS;
        canvas.line(&[(x, top), (x, bottom)], 0.4, PALE);
        canvas.text(name, (x, bottom + 8.0), Align::Middle, Style { size: 6.0, ..SMALL });
    }
}

fn text(canvas: &mut Canvas, name: &str, place: (f32, f32)) {
    let width = NAME.font().width(name, NAME.size);
    let size = if width > NAMES { (NAME.size * NAMES / width).max(SMALLEST) } else { NAME.size };
    canvas.text(&NAME.font().fit(name, size, NAMES + 0.1), place, Align::Left, Style { size, ..NAME });
}
