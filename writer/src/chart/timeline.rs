//! Bytes over time: columns stacked by port, a line for the sum so far, and a legend.

use proto::traffic::{Column, Timeline};

use super::canvas::{Align, Canvas, Color, Style};
use super::figures;
use super::page::{GRAY, HEADING, INK, LEFT, PALE, RIGHT, SMALL, port_name};

/// Colours of the ports that are told apart; they differ for the colour-blind too.
const BANDS: [Color; 6] = [
    [0.20, 0.40, 0.70],
    [0.93, 0.53, 0.18],
    [0.10, 0.62, 0.55],
    [0.78, 0.25, 0.49],
    [0.87, 0.73, 0.25],
    [0.49, 0.36, 0.66],
];
const OTHER_PORTS: Color = [0.60, 0.63, 0.67];
const OTHER: Color = [0.81, 0.83, 0.85];

/// The area of the columns: its sides, and its height.
const FROM: f32 = LEFT + 44.0;
const TO: f32 = RIGHT - 32.0;
const BELOW_HEADING: f32 = 14.0;
const HEIGHT: f32 = 124.0;
/// Lines across the area, at most, and labels of the axis of time.
const LINES: f64 = 4.0;
const LABELS: u64 = 8;

/// The colour of a port.
pub fn color(bands: &[u16], port: u16) -> Color {
    bands.iter().zip(BANDS).find(|(band, _)| **band == port).map_or(OTHER_PORTS, |(_, color)| color)
}

/// Draws it from `top` on.
pub fn draw(canvas: &mut Canvas, timeline: &Timeline, top: f32) {
    canvas.text("Bytes over time", (LEFT, top), Align::Left, HEADING);
    let (top, bottom) = (top + BELOW_HEADING, top + BELOW_HEADING + HEIGHT);
    let most = timeline.columns.iter().map(Column::total).max().unwrap_or(0);
    if most > 0 {
        let width = figures::duration(timeline.width);
        canvas.text(&format!("a column is {width}, UTC"), (TO, top - 5.0), Align::Right, SMALL);
        lines(canvas, most, (top, bottom));
        columns(canvas, timeline, most, bottom);
        so_far(canvas, timeline, bottom);
        moments(canvas, timeline, bottom);
    } else {
        canvas.text("No packets", (f32::midpoint(FROM, TO), bottom - HEIGHT / 2.0), Align::Middle, HEADING);
    }
    canvas.line(&[(FROM, bottom), (TO, bottom)], 0.75, INK);
    legend(canvas, timeline, bottom + 30.0);
}

/// The left axis: round numbers of bytes.
fn lines(canvas: &mut Canvas, most: u64, (top, bottom): (f32, f32)) {
    let most = figures::float(most);
    let step = figures::round_step(most / LINES);
    let mut value = 0.0;
    while value <= most {
        let y = bottom - figures::point(value / most) * HEIGHT;
        canvas.line(&[(FROM, y), (TO, y)], 0.4, PALE);
        canvas.text(&figures::tick(value), (FROM - 5.0, y + 2.5), Align::Right, SMALL);
        value += step;
    }
    for (share, y) in [("0%", bottom), ("50%", f32::midpoint(top, bottom)), ("100%", top)] {
        canvas.text(share, (TO + 6.0, y + 2.5), Align::Left, SMALL);
    }
}

fn columns(canvas: &mut Canvas, timeline: &Timeline, most: u64, bottom: f32) {
    let step = step(timeline);
    // A hair between columns, unless they are hairs themselves.
    let width = if step > 4.0 { step - 1.0 } else { step * 0.85 };
    let mut x = FROM + (step - width) / 2.0;
    for column in &timeline.columns {
        let mut y = bottom;
        let stack = column.bands.iter().copied().zip(BANDS);
        for (bytes, color) in stack.chain([(column.other_ports, OTHER_PORTS), (column.other, OTHER)]) {
            if bytes > 0 {
                let height = figures::point(figures::share(bytes, most)) * HEIGHT;
                y -= height;
                canvas.rectangle([x, y, width, height], color);
            }
        }
        x += step;
    }
}

/// The right axis: the part of all bytes that had come by the end of each column.
fn so_far(canvas: &mut Canvas, timeline: &Timeline, bottom: f32) {
    let step = step(timeline);
    let all = timeline.columns.iter().fold(0_u64, |sum, column| sum.saturating_add(column.total()));
    let (mut x, mut sum) = (FROM, 0_u64);
    let mut points = vec![(x, bottom)];
    for column in &timeline.columns {
        x += step;
        sum = sum.saturating_add(column.total());
        points.push((x, bottom - figures::point(figures::share(sum, all)) * HEIGHT));
    }
    canvas.line(&points, 1.0, INK);
}

fn step(timeline: &Timeline) -> f32 {
    (TO - FROM) / figures::number(timeline.columns.len().max(1))
}

/// Times below the beginnings of columns, at round ones.
fn moments(canvas: &mut Canvas, timeline: &Timeline, bottom: f32) {
    let columns = u64::try_from(timeline.columns.len()).unwrap_or(u64::MAX);
    let every = [1, 2, 5, 10, 20].into_iter().find(|every| columns.div_ceil(*every) <= LABELS).unwrap_or(50);
    let apart = timeline.width.saturating_mul(every);
    let (mut x, mut micros) = (FROM, timeline.start);
    for _ in &timeline.columns {
        if micros.unsigned_abs().is_multiple_of(apart) {
            canvas.line(&[(x, bottom), (x, bottom + 3.0)], 0.75, INK);
            canvas.text(&figures::moment(micros, apart), (x, bottom + 11.0), Align::Left, SMALL);
        }
        x += step(timeline);
        micros = micros.saturating_add_unsigned(timeline.width);
    }
}

/// What the colours mean; what has no bytes has no place in it.
fn legend(canvas: &mut Canvas, timeline: &Timeline, y: f32) {
    let style = Style { size: 8.0, color: GRAY, bold: false };
    let has = |bytes: fn(&Column) -> u64| timeline.columns.iter().any(|column| bytes(column) > 0);
    let mut entries: Vec<(String, Color)> =
        timeline.bands.iter().map(|port| (port_name(*port), color(&timeline.bands, *port))).collect();
    if has(|column| column.other_ports) {
        entries.push(("other ports".to_owned(), OTHER_PORTS));
    }
    if has(|column| column.other) {
        entries.push(("not TCP".to_owned(), OTHER));
    }
    let mut x = FROM;
    for (name, color) in entries {
        canvas.rectangle([x, y - 6.0, 7.0, 7.0], color);
        canvas.text(&name, (x + 10.0, y), Align::Left, style);
        x += 10.0 + style.font().width(&name, style.size) + 14.0;
    }
    if timeline.columns.is_empty() {
        return;
    }
    canvas.line(&[(x, y - 2.5), (x + 10.0, y - 2.5)], 1.0, INK);
    canvas.text("sum so far (right axis)", (x + 13.0, y), Align::Left, style);
}
