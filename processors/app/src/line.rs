//! Lines of a screen: text with tones, cut to columns, written plainly or for a terminal.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// How a piece of text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// Beside the point.
    Soft,
    /// A title.
    Title,
    /// What moves.
    Water,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Not as it should be.
    Bad,
    /// What is chosen.
    Chosen,
}

impl Tone {
    /// What a terminal is told: with colours, and where they are not wanted.
    const fn code(self, coloured: bool) -> &'static str {
        match (self, coloured) {
            (Self::Plain, _) | (Self::Water | Self::Good | Self::Warn, false) => "",
            (Self::Soft, true) => "90",
            (Self::Soft, false) => "2",
            (Self::Title, _) | (Self::Bad, false) => "1",
            (Self::Water, true) => "36",
            (Self::Good, true) => "32",
            (Self::Warn, true) => "33",
            (Self::Bad, true) => "1;31",
            (Self::Chosen, _) => "7",
        }
    }
}

/// A line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    pieces: Vec<(Tone, String)>,
}

impl Line {
    /// One of a single piece.
    pub fn of(tone: Tone, text: impl AsRef<str>) -> Self {
        Self::default().and(tone, text)
    }

    /// With another piece. What a terminal would obey, or not show, stands there escaped.
    pub fn and(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        self.pieces.push((tone, harmless(text.as_ref())));
        self
    }

    /// A column further to the right.
    pub fn indented(mut self) -> Self {
        self.pieces.insert(0, (Tone::Plain, " ".to_owned()));
        self
    }

    /// With as many blanks as take it to this column.
    pub fn to(self, column: usize) -> Self {
        let blanks = column.saturating_sub(self.width());
        self.and(Tone::Plain, " ".repeat(blanks))
    }

    /// With a piece at the right end of so many columns, where there is room.
    pub fn right(self, columns: usize, tone: Tone, text: &str) -> Self {
        let at = columns.saturating_sub(text.width());
        if self.width() + 1 > at { self } else { self.to(at).and(tone, text) }
    }

    /// All of it in one tone.
    pub fn all(mut self, tone: Tone) -> Self {
        self.pieces.iter_mut().for_each(|piece| piece.0 = tone);
        self
    }

    /// How many columns it takes.
    pub fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| text.width()).sum()
    }

    /// Without what is beyond so many columns.
    pub fn cut(mut self, columns: usize) -> Self {
        let mut left = columns;
        for (_, text) in &mut self.pieces {
            *text = cut(text, left);
            left -= text.width().min(left);
        }
        self
    }

    /// As plain text.
    pub fn plain(&self) -> String {
        let text: String = self.pieces.iter().map(|(_, text)| text.as_str()).collect();
        text.trim_end().to_owned()
    }

    /// For a terminal.
    pub fn styled(&self, coloured: bool) -> String {
        let mut text = String::new();
        for (tone, piece) in &self.pieces {
            // Writing to a string cannot fail.
            let _ = match tone.code(coloured) {
                "" => write!(text, "{piece}"),
                code => write!(text, "\x1b[{code}m{piece}\x1b[0m"),
            };
        }
        text
    }
}

/// The beginning of a text that fits into so many columns; what is cut ends with a mark.
pub fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let (mut kept, mut used) = (String::new(), 0);
    for letter in text.chars() {
        let width = letter.width().unwrap_or(0);
        if used + width + 1 > columns {
            break;
        }
        kept.push(letter);
        used += width;
    }
    if columns > 0 { kept + "…" } else { kept }
}

/// Control letters would move the cursor, or worse: keys and reasons come from elsewhere.
fn harmless(text: &str) -> String {
    if text.chars().any(char::is_control) {
        let shown = |letter: char| {
            if letter.is_control() {
                letter.escape_default().collect()
            } else {
                String::from(letter)
            }
        };
        return text.chars().map(shown).collect();
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_by_columns_and_not_by_letters() {
        let line = Line::of(Tone::Title, "배달").and(Tone::Good, "fine");
        assert_eq!(line.width(), 8);
        assert_eq!(line.clone().cut(6).plain(), "배달f…");
        assert_eq!(line.clone().cut(4).plain(), "배달");
        assert_eq!(line.cut(3).plain(), "배…");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let line = Line::of(Tone::Plain, "a\x1b[2Jb\n\u{9b}c");
        assert_eq!(line.plain(), "a\\u{1b}[2Jb\\n\\u{9b}c");
    }

    #[test]
    fn without_colours_only_weight_and_reverse_are_left() {
        let line = Line::of(Tone::Bad, "a").and(Tone::Water, "b").and(Tone::Chosen, "c");
        assert_eq!(line.styled(true), "\x1b[1;31ma\x1b[0m\x1b[36mb\x1b[0m\x1b[7mc\x1b[0m");
        assert_eq!(line.styled(false), "\x1b[1ma\x1b[0mb\x1b[7mc\x1b[0m");
    }

    #[test]
    fn what_has_no_room_at_the_right_is_left_out() {
        let line = Line::of(Tone::Plain, "left");
        assert_eq!(line.clone().right(10, Tone::Plain, "right").plain(), "left right");
        assert_eq!(line.right(9, Tone::Plain, "right").plain(), "left");
    }
}
