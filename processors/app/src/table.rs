//! Tables for people: columns under one another, numbers at the right, the last as wide as it is.

use unicode_width::UnicodeWidthStr as _;

use crate::line::{Line, Tone};
use crate::out;

/// Between two columns.
const GAP: usize = 2;

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    is_number: bool,
}

/// A column of words.
pub const fn words(title: &'static str) -> Column {
    Column { title, is_number: false }
}

/// A column of numbers.
pub const fn numbers(title: &'static str) -> Column {
    Column { title, is_number: true }
}

/// A cell.
#[derive(Debug, Clone)]
pub struct Cell(Tone, String);

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self(Tone::Plain, text.into())
    }
}

/// A cell that is meant so.
pub fn cell(tone: Tone, text: impl Into<String>) -> Cell {
    Cell(tone, text.into())
}

/// A table.
#[derive(Debug, Clone)]
pub struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[Cell; N]>,
}

impl<const N: usize> Table<N> {
    /// One of these columns, without rows.
    pub const fn new(columns: [Column; N]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// With another row.
    pub fn row(&mut self, cells: [Cell; N]) {
        self.rows.push(cells);
    }

    /// Its lines, the titles first.
    pub fn lines(&self) -> Vec<Line> {
        let titles = self.columns.map(|column| cell(Tone::Soft, column.title));
        let rows: Vec<&[Cell; N]> = std::iter::once(&titles).chain(&self.rows).collect();
        let width = |at: usize| rows.iter().map(|row| row[at].1.width()).max().unwrap_or(0);
        let widths: [usize; N] = std::array::from_fn(width);
        rows.iter().map(|row| self.line(row, widths)).collect()
    }

    fn line(&self, row: &[Cell; N], widths: [usize; N]) -> Line {
        let mut line = Line::default();
        let mut begin = 0;
        for ((Cell(tone, text), width), column) in row.iter().zip(widths).zip(self.columns) {
            let indent = if column.is_number { width.saturating_sub(text.width()) } else { 0 };
            line = line.to(begin + indent).and(*tone, text);
            begin += width + GAP;
        }
        line
    }

    /// Prints it, as plain text.
    pub fn print(&self) {
        self.lines().iter().for_each(|line| out::line(line.plain()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_one_another() {
        let mut table = Table::new([words("KEY"), numbers("BYTES"), words("WHY")]);
        table.row(["배달".into(), "7".into(), "no such thing".into()]);
        table.row(["b".into(), "123456".into(), "".into()]);
        let lines: Vec<String> = table.lines().iter().map(Line::plain).collect();
        let wanted = ["KEY    BYTES  WHY", "배달       7  no such thing", "b     123456"];
        assert_eq!(lines, wanted);
    }
}
