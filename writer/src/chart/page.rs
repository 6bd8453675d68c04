//! Where things are on the page: what it is of, sums, bytes over time, four rankings, and what the figures mean.

use proto::text::Text;
use proto::traffic::{Ranking, Traffic};

use super::canvas::{Align, Canvas, Color, Style, WIDTH};
use super::{figures, ranking, timeline};

/// The margins of the page.
pub const LEFT: f32 = 44.0;
/// The end of what is inside them.
pub const RIGHT: f32 = WIDTH - LEFT;

/// Text, and lines that stand out.
pub const INK: Color = [0.13, 0.15, 0.19];
/// What explains.
pub const GRAY: Color = [0.42, 0.45, 0.5];
/// Lines that only guide the eye.
pub const PALE: Color = [0.87, 0.88, 0.9];

/// Small text.
pub const SMALL: Style = Style { size: 7.0, color: GRAY, bold: false };
/// The title of a chart.
pub const HEADING: Style = Style { size: 10.0, color: INK, bold: true };

const TITLE: Style = Style { size: 16.0, color: INK, bold: true };
const SUBTITLE: Style = Style { size: 8.5, color: GRAY, bold: false };
const FIGURE: Style = Style { size: 14.0, color: INK, bold: true };

/// Where each part begins, from the top.
const SUMS: f32 = 92.0;
const TIMELINE: f32 = 142.0;
const RANKINGS: f32 = 342.0;

/// Draws the page.
pub fn draw(traffic: &Traffic) -> std::io::Result<Vec<u8>> {
    let mut canvas = Canvas::new();
    let title = title(traffic);
    heading(&mut canvas, traffic, &title);
    sums(&mut canvas, traffic);
    timeline::draw(&mut canvas, &traffic.timeline, TIMELINE);
    let mut y = RANKINGS;
    let bands = &traffic.timeline.bands;
    let half = RIGHT - ranking::WIDTH;
    let addresses = [
        ("Top source addresses", &traffic.sources, LEFT),
        ("Top destination addresses", &traffic.destinations, half),
    ];
    for (heading, of, x) in addresses {
        let label = |prefix: &proto::traffic::Prefix| (prefix.to_string(), ranking::NEUTRAL);
        ranking::draw(&mut canvas, heading, of, (x, y), label);
    }
    y += ranking::height(traffic.sources.rows.len().max(traffic.destinations.rows.len()));
    let ports = [
        ("Top source ports", &traffic.source_ports, LEFT),
        ("Top destination ports", &traffic.destination_ports, half),
    ];
    for (heading, of, x) in ports {
        let label = |port: &u16| (port_name(*port), timeline::color(bands, *port));
        ranking::draw(&mut canvas, heading, of, (x, y), label);
    }
    y += ranking::height(traffic.source_ports.rows.len().max(traffic.destination_ports.rows.len()));
    notes(&mut canvas, traffic, y);
    canvas.finish(&title)
}

/// The port, and what it is known for.
pub fn port_name(port: u16) -> String {
    figures::service(port).map_or_else(|| port.to_string(), |name| format!("{port} {name}"))
}

/// The first input and how many more there were. Whatever is in its name, it is one line.
fn title(traffic: &Traffic) -> String {
    let name = Text::cut(&traffic.input.as_str().replace('\n', " ")).escaped();
    match traffic.inputs {
        0 | 1 => name,
        inputs => format!("{name} and {} more", figures::count(inputs.saturating_sub(1))),
    }
}

fn heading(canvas: &mut Canvas, traffic: &Traffic, title: &str) {
    canvas.text(&TITLE.font().fit(title, TITLE.size, RIGHT - LEFT), (LEFT, 54.0), Align::Left, TITLE);
    let span = match traffic.span {
        Some((first, last)) => format!(
            "{} – {} UTC, {}",
            figures::date(first),
            figures::date(last),
            figures::duration(figures::between(first, last))
        ),
        None => "No packets".to_owned(),
    };
    canvas.text(&span, (LEFT, 70.0), Align::Left, SUBTITLE);
    let program = concat!("tcpflow ", env!("CARGO_PKG_VERSION"));
    canvas.text(program, (RIGHT, 70.0), Align::Right, SUBTITLE);
}

fn sums(canvas: &mut Canvas, traffic: &Traffic) {
    let bytes = traffic.ipv4.saturating_add(traffic.ipv6);
    let rate = match traffic.span.map(|(first, last)| figures::between(first, last)) {
        Some(micros @ 1..) => figures::rate(bytes, micros),
        Some(0) | None => "–".to_owned(),
    };
    let figures = [
        ("Packets", figures::count(traffic.packets)),
        ("Bytes", figures::bytes(bytes)),
        ("Mean rate", rate),
        ("IPv4", figures::percent(traffic.ipv4, bytes)),
        ("IPv6", figures::percent(traffic.ipv6, bytes)),
    ];
    let mut x = LEFT;
    let width = (RIGHT - LEFT) / 5.0;
    for (name, figure) in figures {
        canvas.text(name, (x, SUMS), Align::Left, SMALL);
        canvas.text(&FIGURE.font().fit(&figure, FIGURE.size, width), (x, SUMS + 16.0), Align::Left, FIGURE);
        x += width;
    }
    canvas.line(&[(LEFT, SUMS + 26.0), (RIGHT, SUMS + 26.0)], 0.5, PALE);
}

fn notes(canvas: &mut Canvas, traffic: &Traffic, mut y: f32) {
    let mut notes = vec![
        "IP packets, by the bytes of their frames on the wire. Ports are those of TCP; over time a packet counts for the \
         lower one of its two."
            .to_owned(),
    ];
    let kept = |ranking: &Ranking<_>| if ranking.summed_up { Some(ranking.count) } else { None };
    if kept(&traffic.sources).or(kept(&traffic.destinations)).is_some() {
        notes.push(
            "There were too many addresses to keep (-S netviz_histogram_size): those with little traffic are summed up \
             as prefixes, each without what has a row of its own."
                .to_owned(),
        );
    }
    for note in notes {
        canvas.text(&note, (LEFT, y), Align::Left, Style { size: 6.5, ..SMALL });
        y += 9.0;
    }
}
