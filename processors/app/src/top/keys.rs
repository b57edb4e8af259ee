//! What is pressed, read from the bytes that a terminal sends.

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// Letters that are typed, or pasted.
    Text(String),
    /// Return.
    Enter,
    /// Escape alone.
    Escape,
    /// Backspace.
    Back,
    /// Tab.
    Tab,
    /// Tab with shift.
    BackTab,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the beginning.
    Home,
    /// To the end.
    End,
    /// Control and C, or D.
    Stop,
    /// Control and L: draw it all again.
    Redraw,
}

/// What terminals send for keys that have no letter, xterm's names and the older ones.
const SEQUENCES: [(&str, Key); 18] = [
    ("\x1b[A", Key::Up),
    ("\x1b[B", Key::Down),
    ("\x1b[C", Key::Right),
    ("\x1b[D", Key::Left),
    ("\x1bOA", Key::Up),
    ("\x1bOB", Key::Down),
    ("\x1bOC", Key::Right),
    ("\x1bOD", Key::Left),
    ("\x1b[Z", Key::BackTab),
    ("\x1b[5~", Key::PageUp),
    ("\x1b[6~", Key::PageDown),
    ("\x1b[H", Key::Home),
    ("\x1b[F", Key::End),
    ("\x1bOH", Key::Home),
    ("\x1bOF", Key::End),
    ("\x1b[1~", Key::Home),
    ("\x1b[4~", Key::End),
    ("\x1b[7~", Key::Home),
];

/// The keys in what was read at once. What is not known is passed over.
pub fn read(bytes: &[u8]) -> Vec<Key> {
    let text = String::from_utf8_lossy(bytes);
    let (mut rest, mut keys) = (text.as_ref(), Vec::new());
    while let Some(letter) = rest.chars().next() {
        if let Some((sequence, key)) = SEQUENCES.iter().find(|(found, _)| rest.starts_with(found)) {
            keys.push(key.clone());
            rest = &rest[sequence.len()..];
            continue;
        }
        let key = match letter {
            '\x1b' if rest.len() == 1 => Some(Key::Escape),
            '\x1b' => {
                rest = beyond_sequence(rest);
                continue;
            }
            '\r' | '\n' => Some(Key::Enter),
            '\x7f' | '\x08' => Some(Key::Back),
            '\t' => Some(Key::Tab),
            '\x03' | '\x04' => Some(Key::Stop),
            '\x0c' => Some(Key::Redraw),
            letter if letter.is_control() || letter == char::REPLACEMENT_CHARACTER => None,
            letter => Some(Key::Text(letter.to_string())),
        };
        keys.extend(key);
        rest = &rest[letter.len_utf8()..];
    }
    keys
}

/// What follows an escape sequence that means nothing here.
fn beyond_sequence(text: &str) -> &str {
    let body = &text[1..];
    let Some(body) = body.strip_prefix(['[', 'O']) else {
        // Alt and a letter.
        return body.char_indices().nth(1).map_or("", |(at, _)| &body[at..]);
    };
    let end = body.find(|letter: char| ('@'..='~').contains(&letter));
    end.map_or("", |at| &body[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_one_another() {
        let text = |text: &str| Key::Text(text.to_owned());
        let table: [(&str, Vec<Key>); 10] = [
            ("q", vec![text("q")]),
            ("\x1b", vec![Key::Escape]),
            ("\x1b[A\x1bOB", vec![Key::Up, Key::Down]),
            ("\t\x1b[Z", vec![Key::Tab, Key::BackTab]),
            ("p\x1b[6~\r", vec![text("p"), Key::PageDown, Key::Enter]),
            // A function key, and control with an arrow.
            ("\x1b[15~x", vec![text("x")]),
            ("\x1b[1;5Cx", vec![text("x")]),
            ("\x1bfx", vec![text("x")]),
            ("배\x7f", vec![text("배"), Key::Back]),
            ("\x03\x0c\x01", vec![Key::Stop, Key::Redraw]),
        ];
        for (bytes, wanted) in table {
            assert_eq!(read(bytes.as_bytes()), wanted, "{bytes:?}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        for a in 0..=255_u8 {
            for b in [0x1b, b'[', b'O', 0xff, 0xec, b'A', b';'] {
                for c in [0x1b, b'[', b'1', 0x80, b'~'] {
                    read(&[0x1b, a, b, c]);
                    read(&[a, b, c]);
                }
            }
        }
    }
}
