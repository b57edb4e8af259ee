//! A picture of a screen, drawn cell by cell, for the documentation.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

/// A cell, in the picture's own units.
const WIDTH: u32 = 9;
const HEIGHT: u32 = 20;
const MARGIN: u32 = 16;
const GROUND: &str = "#121817";
const INK: &str = "#e6ece9";
/// The sixteen colours of a terminal, as far as they are used: 8 is the grey of what is beside the
/// point.
const COLOURS: [&str; 9] =
    ["#2f3a38", "#ff9c91", "#7ccf98", "#e8c46a", "#7fa8e0", "#c9a0dc", "#62c4c9", INK, "#8b9a96"];

/// The screen as an SVG.
pub fn draw(screen: &Screen) -> String {
    let (rows, columns) = screen.size();
    let (width, height) =
        (u32::from(columns) * WIDTH + 2 * MARGIN, u32::from(rows) * HEIGHT + 2 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{GROUND}\"/>\n\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" \
         font-size=\"15\">\n"
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            column += run(&mut svg, screen, row, column, columns);
        }
    }
    svg + "</g>\n</svg>\n"
}

/// Draws what looks alike from here on, and answers how many cells that was.
fn run(svg: &mut String, screen: &Screen, row: u16, begin: u16, columns: u16) -> u16 {
    let Some(first) = screen.cell(row, begin) else { return 1 };
    if let Some(block) = block(first) {
        let (x, y) = place(row, begin);
        let fill = ink(first);
        let [left, top, width, height] = block;
        let (left, top) = (f64::from(x) + left, f64::from(y) + top);
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.2}\" y=\"{top:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" \
             fill=\"{fill}\"/>"
        );
        return 1;
    }
    let alike = |cell: &&Cell| {
        block(cell).is_none() && looks(cell) == looks(first) && !cell.is_wide_continuation()
    };
    let cells = (begin..columns).map_while(|column| screen.cell(row, column).filter(alike));
    let cells: Vec<&Cell> = cells.collect();
    let many = u16::try_from(cells.len()).unwrap().max(1);
    let text: String =
        cells.iter().map(|cell| if cell.has_contents() { cell.contents() } else { " " }).collect();
    let (x, y) = place(row, begin);
    let wide = u32::from(many) * WIDTH;
    if first.inverse() {
        let fill = ink(first);
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{HEIGHT}\" fill=\"{fill}\"/>"
        );
    }
    if !text.trim().is_empty() {
        let fill = if first.inverse() { GROUND } else { ink(first) };
        let weight = if first.bold() { " font-weight=\"700\"" } else { "" };
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        // Spaces at the ends of a text are not kept by every viewer.
        let text = text.replace(' ', "\u{a0}");
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{}\" textLength=\"{wide}\" fill=\"{fill}\"{weight}>{text}</text>",
            y + 15
        );
    }
    many
}

fn place(row: u16, column: u16) -> (u32, u32) {
    (MARGIN + u32::from(column) * WIDTH, MARGIN + u32::from(row) * HEIGHT)
}

fn looks(cell: &Cell) -> (Color, bool, bool) {
    (cell.fgcolor(), cell.bold(), cell.inverse())
}

fn ink(cell: &Cell) -> &'static str {
    match cell.fgcolor() {
        Color::Idx(index) => COLOURS.get(usize::from(index)).copied().unwrap_or(INK),
        Color::Default | Color::Rgb(..) => INK,
    }
}

/// Blocks are drawn as such, so that bars have no seams: left, top, width and height.
fn block(cell: &Cell) -> Option<[f64; 4]> {
    let (width, height) = (f64::from(WIDTH), f64::from(HEIGHT));
    let letter = cell.contents().chars().next()?;
    let eighths = |first: char| f64::from(u32::from(letter) - u32::from(first) + 1) / 8.0;
    match letter {
        '▁'..='█' => {
            let part = eighths('▁') * (height - 4.0);
            Some([0.0, height - 2.0 - part, width, part])
        }
        '▉'..='▏' => Some([0.0, 2.0, width * (1.0 - eighths('▉')), height - 4.0]),
        _ => None,
    }
}
