//! How Avro's names become Rust's.

use super::snake::snake;

const KEYWORDS: [&str; 46] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where",
];

/// `txId` → `tx_id`, `type` → `r#type`.
pub fn field(name: &str) -> String {
    let snake = snake(name);
    if KEYWORDS.contains(&snake.as_str()) { format!("r#{snake}") } else { snake }
}

/// `deliveries_out` → `DeliveriesOut`, `NOT_FOUND` → `NotFound`; `LotUse` stays.
pub fn pascal(name: &str) -> String {
    let mut pascal = String::new();
    for part in name.split('_').filter(|part| !part.is_empty()) {
        let shouted = !part.chars().any(|letter| letter.is_ascii_lowercase());
        for (place, letter) in part.chars().enumerate() {
            pascal.push(match (place, shouted) {
                (0, _) => letter.to_ascii_uppercase(),
                (_, true) => letter.to_ascii_lowercase(),
                (_, false) => letter,
            });
        }
    }
    pascal
}

/// A name as a part of a key's text, in which slashes stand between parts.
pub fn part(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}

/// Whether a name is one that Avro allows.
pub fn is_valid(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}
