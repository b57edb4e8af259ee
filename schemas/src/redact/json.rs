//! A walk through JSON text: what concerns the person is written anew, all else stays as it is,
//! with its spaces, its order and the digits of its numbers.
use std::ops::Range;

use super::marks::{Mark, Marked};
use super::{Redaction, blank};

/// What an object is: nothing that is known, or a record of a contract.
type Role<'w> = Option<(&'w Marked, &'w [Mark])>;

/// The text as it is from now on; none if it is no JSON.
pub(super) fn redact(redaction: &Redaction<'_>, text: &str, role: Role<'_>) -> Option<String> {
    // Checked beforehand, so that the walk may trust it, and is bounded in depth.
    serde_json::from_str::<serde_json::Value>(text).ok()?;
    let walk = Walk { redaction, text };
    let mut out = String::with_capacity(text.len());
    let begin = walk.space(0);
    out.push_str(walk.part(0..begin));
    let end = walk.value(begin, role, &mut out);
    out.push_str(walk.part(end..text.len()));
    Some(out)
}

struct Walk<'w> {
    redaction: &'w Redaction<'w>,
    text: &'w str,
}

/// A member of an object.
struct Member {
    name: String,
    key: Range<usize>,
    value: Range<usize>,
}

impl Walk<'_> {
    /// Writes the value that begins at a place, and answers where it ends.
    fn value(&self, from: usize, role: Role<'_>, out: &mut String) -> usize {
        match self.byte(from) {
            b'{' => self.object(from, role, out),
            b'[' => self.array(from, role, out),
            b'"' => {
                let end = self.end(from);
                self.string(from..end, out);
                end
            }
            _ => {
                let end = self.end(from);
                out.push_str(self.part(from..end));
                end
            }
        }
    }

    fn object(&self, from: usize, role: Role<'_>, out: &mut String) -> usize {
        let (members, end) = self.members(from);
        let names = || members.iter().map(|member| member.name.as_str());
        let (marked, marks) = role.map_or((None, &[][..]), |(m, marks)| (Some(m), marks));
        let sources: Vec<_> = marks.iter().map(|mark| mark.source(names())).collect();
        let is_about = |whom: usize| {
            let member = sources.get(whom).copied().flatten().and_then(|at| members.get(at));
            member.is_some_and(|member| self.is_person(&member.value))
        };
        let mut at = from;
        for (place, member) in members.iter().enumerate() {
            out.push_str(self.part(at..member.key.start));
            self.string(member.key.clone(), out);
            out.push_str(self.part(member.key.end..member.value.start));
            let source = sources.iter().position(|source| *source == Some(place));
            match source.and_then(|at| marks.get(at)).zip(marked) {
                Some((mark, marked)) if mark.about.is_some_and(is_about) => {
                    out.push_str(&blank::json(marked, mark));
                }
                known => {
                    let within = known.and_then(|(mark, marked)| {
                        mark.within().map(|name| (marked, marked.record(name)))
                    });
                    self.value(member.value.start, within, out);
                }
            }
            at = member.value.end;
        }
        out.push_str(self.part(at..end));
        end
    }

    /// Whether a value is a text that names the person.
    fn is_person(&self, value: &Range<usize>) -> bool {
        let text = serde_json::from_str::<String>(self.part(value.clone()));
        text.is_ok_and(|text| self.redaction.is_person(&text))
    }

    /// The members of the object that begins at a place, and where it ends.
    fn members(&self, from: usize) -> (Vec<Member>, usize) {
        let mut members = Vec::new();
        let mut at = self.space(from + 1);
        while !matches!(self.byte(at), b'}' | 0) {
            let key = at..self.end(at);
            let begin = self.space(self.space(key.end) + 1);
            let value = begin..self.end(begin);
            let name = serde_json::from_str(self.part(key.clone())).unwrap_or_default();
            at = self.next(value.end);
            members.push(Member { name, key, value });
        }
        (members, at + 1)
    }

    fn array(&self, from: usize, role: Role<'_>, out: &mut String) -> usize {
        let (mut written, mut at) = (from, self.space(from + 1));
        while !matches!(self.byte(at), b']' | 0) {
            out.push_str(self.part(written..at));
            written = self.value(at, role, out);
            at = self.next(written);
        }
        out.push_str(self.part(written..at + 1));
        at + 1
    }

    /// A text, which may be JSON itself. What cannot be told of it stays.
    fn string(&self, at: Range<usize>, out: &mut String) {
        let text = self.part(at);
        let decoded = serde_json::from_str::<String>(text).unwrap_or_default();
        let new = self.redaction.text(&decoded, None).ok().flatten();
        match new.and_then(|new| serde_json::to_string(&new).ok()) {
            Some(new) => out.push_str(&new),
            None => out.push_str(text),
        }
    }

    /// Where the value ends that begins at a place.
    fn end(&self, from: usize) -> usize {
        let (mut at, mut depth) = (from, 0_usize);
        loop {
            match self.byte(at) {
                b'"' => at = self.end_of_string(at),
                b'{' | b'[' => (at, depth) = (at + 1, depth + 1),
                b'}' | b']' if depth > 0 => (at, depth) = (at + 1, depth - 1),
                // Numbers and words end where something else begins.
                b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | 0 if depth == 0 => return at,
                0 => return self.text.len(),
                _ => {
                    at += 1;
                    continue;
                }
            }
            if depth == 0 {
                return at;
            }
        }
    }

    fn end_of_string(&self, from: usize) -> usize {
        let mut at = from + 1;
        loop {
            match self.byte(at) {
                b'"' => return at + 1,
                b'\\' => at += 2,
                0 if at >= self.text.len() => return self.text.len(),
                _ => at += 1,
            }
        }
    }

    /// Where the next member or item begins, or the end of them stands.
    fn next(&self, from: usize) -> usize {
        let at = self.space(from);
        if self.byte(at) == b',' { self.space(at + 1) } else { at }
    }

    fn space(&self, from: usize) -> usize {
        let mut at = from;
        while matches!(self.byte(at), b' ' | b'\n' | b'\r' | b'\t') {
            at += 1;
        }
        at
    }

    /// The byte at a place; zero, which JSON has nowhere, behind the end.
    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or_default()
    }

    fn part(&self, at: Range<usize>) -> &str {
        self.text.get(at).unwrap_or_default()
    }
}
