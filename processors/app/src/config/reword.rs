//! What a parser says, in words for a person: without jargon, and without the values of strings.

use super::nearest::question;

/// Rewords a message of serde's.
pub fn reword(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if message.starts_with("unknown field") {
        let (name, known) = names.split_first().unwrap_or((&"", &[]));
        return format!("there is no such setting; {}", question(name, known));
    }
    if message.starts_with("unknown variant") {
        let (name, known) = names.split_first().unwrap_or((&"", &[]));
        return format!("\"{name}\" is not known; {}", question(name, known));
    }
    if let Some(name) = missing(message) {
        return format!("`{name}` is missing");
    }
    match message.split_once(", expected ") {
        Some((found, wanted)) if found.starts_with("invalid") => mistyped(found, wanted),
        _ => blank(message),
    }
}

/// The setting that a message says is missing.
pub fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

fn mistyped(found: &str, wanted: &str) -> String {
    let (kind, found) = found.split_once(": ").unwrap_or(("", found));
    let found = match found.split_whitespace().next() {
        Some("string") => "a string",
        Some("sequence") => "a list",
        Some("map") => "a table",
        _ => found,
    };
    let wanted = match wanted.trim_end() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
        "a nonzero u32" | "a nonzero u64" | "a nonzero usize" => "a whole number from 1",
        "a sequence" => "a list, such as [\"a\", \"b\"]",
        "path string" | "string" => "a string",
        "a boolean" => "true or false",
        other if other.starts_with("struct") => "a table",
        other => other,
    };
    let verb = if kind == "invalid value" { "is out of range" } else { "stands here" };
    format!("{found} {verb}, where {wanted} is expected")
}

/// A message without what stands between double quotes: it may be a secret.
fn blank(message: &str) -> String {
    message
        .split('"')
        .enumerate()
        .map(|(at, part)| if at % 2 == 0 { part } else { "\"…\"" })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_for_people() {
        let table = [
            (
                "unknown field `broker`, expected one of `brokers`, `group_prefix`",
                "there is no such setting; did you mean \"brokers\"?",
            ),
            (
                "unknown variant `mongodb`, expected one of `mongo`, `redis`",
                "\"mongodb\" is not known; did you mean \"mongo\"?",
            ),
            ("missing field `uri`", "`uri` is missing"),
            (
                "invalid type: string \"s3cret\", expected u64",
                "a string stands here, where a whole number from 0 is expected",
            ),
            (
                "invalid value: integer `-1`, expected u32",
                "integer `-1` is out of range, where a whole number from 0 is expected",
            ),
            (
                "invalid value: integer `0`, expected a nonzero u64",
                "integer `0` is out of range, where a whole number from 1 is expected",
            ),
            ("cannot use \"s3cret\" so", "cannot use \"…\" so"),
        ];
        for (said, wanted) in table {
            assert_eq!(reword(said), wanted);
        }
    }
}
