//! How two JSON values differ, field by field.

use serde_json::{Map, Value as Json};

/// Longer lists are compared element by element, without looking for what was put in between.
const ALIGNED_ELEMENTS: usize = 128;
/// A value is shown up to about so many characters.
const SHOWN_CHARS: usize = 80;

/// One field that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// Where it is, such as `lots.b.left` or `history[0]`; a point is the whole.
    pub path: String,
    /// What stood there; none if there was nothing.
    pub from: Option<Json>,
    /// What stands there instead; none if nothing does.
    pub to: Option<Json>,
}

/// The fields in which two values differ. Objects that come or go as a whole are told by their
/// fields, lists as they are.
pub fn changes(from: Option<&Json>, to: Option<&Json>) -> Vec<Changed> {
    let mut found = Vec::new();
    compare("", from, to, &mut found);
    found
}

/// Whether a change at `path` has set the field at `field`, something within it, or what it is in.
pub fn concerns(path: &str, field: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    path == "." || within(path, field) || within(field, path)
}

/// A path with the places in its lists left out, to count by.
pub fn general(path: &str) -> String {
    let mut text = String::new();
    let mut skipping = false;
    for (at, c) in path.char_indices() {
        let is_place = c == '[' && path[at + 1..].starts_with(|c: char| c.is_ascii_digit());
        skipping = (skipping && c != ']') || is_place;
        if is_place {
            text.push('[');
        } else if !skipping {
            text.push(c);
        }
    }
    text
}

impl Changed {
    /// The difference in a line for people.
    pub fn text(&self) -> String {
        let path = &self.path;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => format!("{path}: {} -> {}", short(from), short(to)),
            (None, Some(to)) => format!("{path}: = {}", short(to)),
            (Some(from), None) => format!("{path}: {} removed", short(from)),
            (None, None) => path.clone(),
        }
    }
}

/// A value, cut off where it is long.
pub fn short(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        None => text,
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
    }
}

/// A value with every long text in it cut off.
pub fn shortened(value: &Json) -> Json {
    match value {
        Json::Object(_) | Json::Array(_) if value.to_string().len() > 4 * SHOWN_CHARS => {
            Json::String(short(value))
        }
        Json::String(text) if text.chars().count() > 4 * SHOWN_CHARS => Json::String(short(value)),
        Json::Null
        | Json::Bool(_)
        | Json::Number(_)
        | Json::String(_)
        | Json::Object(_)
        | Json::Array(_) => value.clone(),
    }
}

fn compare(path: &str, from: Option<&Json>, to: Option<&Json>, found: &mut Vec<Changed>) {
    let nothing = Map::new();
    match (from, to) {
        (from, to) if from == to => {}
        (Some(Json::Object(from)), Some(Json::Object(to))) => object(path, from, to, found),
        (None, Some(Json::Object(to))) if !to.is_empty() => object(path, &nothing, to, found),
        (Some(Json::Object(from)), None) if !from.is_empty() => {
            object(path, from, &nothing, found);
        }
        (Some(Json::Array(from)), Some(Json::Array(to))) => array(path, from, to, found),
        (from, to) => found.push(Changed {
            path: if path.is_empty() { ".".to_owned() } else { path.to_owned() },
            from: from.cloned(),
            to: to.cloned(),
        }),
    }
}

fn object(path: &str, from: &Map<String, Json>, to: &Map<String, Json>, found: &mut Vec<Changed>) {
    let new = to.keys().filter(|name| !from.contains_key(*name));
    for name in from.keys().chain(new) {
        compare(&field(path, name), from.get(name), to.get(name), found);
    }
}

fn field(path: &str, name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || !name.chars().all(is_plain) {
        format!("{path}[{}]", Json::from(name))
    } else if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Lists grow and shrink at either end or in between: what stands in both is not told.
fn array(path: &str, from: &[Json], to: &[Json], found: &mut Vec<Changed>) {
    let (mut at, mut other) = (0, 0);
    for (next, next_other) in anchors(from, to).into_iter().chain([(from.len(), to.len())]) {
        let (gone, come) = (next - at, next_other - other);
        for n in 0..gone.max(come) {
            let (before, after) = (from.get(at + n), to.get(other + n));
            let before = before.filter(|_| n < gone);
            let after = after.filter(|_| n < come);
            let place = if n < come { other + n } else { at + n };
            let path = format!("{path}[{place}]");
            match (before, after) {
                (Some(_), Some(_)) => compare(&path, before, after, found),
                (before, after) => {
                    found.push(Changed { path, from: before.cloned(), to: after.cloned() });
                }
            }
        }
        (at, other) = (next + 1, next_other + 1);
    }
}

/// The places of a longest common part of two lists.
fn anchors(from: &[Json], to: &[Json]) -> Vec<(usize, usize)> {
    if from.len().max(to.len()) > ALIGNED_ELEMENTS {
        let same = from.iter().zip(to).enumerate().filter(|(_, (from, to))| from == to);
        return same.map(|(at, _)| (at, at)).collect();
    }
    // How many elements the rests behind two places have in common.
    let width = to.len() + 1;
    let mut common = vec![0_usize; (from.len() + 1) * width];
    let get = |common: &[usize], at: usize, other: usize| {
        common.get(at * width + other).copied().unwrap_or_default()
    };
    for (at, before) in from.iter().enumerate().rev() {
        for (other, after) in to.iter().enumerate().rev() {
            let longest = if before == after {
                get(&common, at + 1, other + 1) + 1
            } else {
                get(&common, at + 1, other).max(get(&common, at, other + 1))
            };
            if let Some(cell) = common.get_mut(at * width + other) {
                *cell = longest;
            }
        }
    }
    let (mut at, mut other) = (0, 0);
    let mut found = Vec::new();
    while let (Some(before), Some(after)) = (from.get(at), to.get(other)) {
        if before == after {
            found.push((at, other));
            (at, other) = (at + 1, other + 1);
        } else if get(&common, at + 1, other) >= get(&common, at, other + 1) {
            at += 1;
        } else {
            other += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(from: &Json, to: &Json, wanted: &[&str]) {
        let found: Vec<String> = changes(Some(from), Some(to)).iter().map(Changed::text).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn fields_that_differ_are_named_by_their_paths() {
        let from =
            json!({"a": 1, "b": {"c": "x", "d e": [1]}, "gone": null, "same": [1, {"k": 2}]});
        let to =
            json!({"a": 2, "b": {"c": "y", "d e": [1, 2]}, "new": true, "same": [1, {"k": 2}]});
        let wanted = [
            "a: 1 -> 2",
            "b.c: \"x\" -> \"y\"",
            "b[\"d e\"][1]: = 2",
            "gone: null removed",
            "new: = true",
        ];
        check(&from, &to, &wanted);
        check(&json!(1), &json!([1]), &[".: 1 -> [1]"]);
        check(&from, &from, &[]);
        let made = changes(None, Some(&json!({"a": {"b": 1}, "c": []})));
        let made: Vec<String> = made.iter().map(Changed::text).collect();
        assert_eq!(made, ["a.b: = 1", "c: = []"]);
    }

    #[test]
    fn what_moves_in_a_list_is_not_told() {
        check(&json!([1, 2, 3]), &json!([0, 1, 2]), &["[0]: = 0", "[2]: 3 removed"]);
        check(&json!([1, 2, 3]), &json!([1, 9, 3]), &["[1]: 2 -> 9"]);
        check(&json!([{"a": 1}, 5]), &json!([{"a": 2}, 5, 6]), &["[0].a: 1 -> 2", "[2]: = 6"]);
        check(&json!([]), &json!([[1]]), &["[0]: = [1]"]);
    }

    #[test]
    fn a_field_is_set_by_itself_by_what_is_in_it_and_by_what_it_is_in() {
        assert!(concerns("a.b", "a.b") && concerns("a.b[0].c", "a.b") && concerns("a", "a.b"));
        assert!(concerns(".", "a.b"));
        assert!(!concerns("a.bc", "a.b") && !concerns("a.c", "a.b"));
    }

    #[test]
    fn paths_are_counted_without_their_places() {
        assert_eq!(general("history[12].at"), "history[].at");
        assert_eq!(general("lots[\"a b\"].left"), "lots[\"a b\"].left");
    }

    #[test]
    fn long_values_are_cut_off() {
        let long = json!("ä".repeat(500));
        assert!(short(&long).chars().count() < 110 && short(&long).ends_with("(1002 bytes)"));
        assert_eq!(shortened(&json!({"a": 1})), json!({"a": 1}));
        assert!(shortened(&long).as_str().unwrap().len() < 300);
    }
}
