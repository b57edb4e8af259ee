//! The patterns of tables in definitions: as much of Java's expressions as people write there.

/// One thing to be met, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Atom {
    /// The character; `None` is any.
    letter: Option<char>,
    least: u8,
    is_unbounded: bool,
}

/// Whether a pattern matches a whole name, whatever its case; `None` where the pattern says more
/// than is understood here.
pub fn matches(pattern: &str, name: &str) -> Option<bool> {
    let atoms = atoms(pattern)?;
    let name: Vec<char> = name.to_lowercase().chars().collect();
    Some(meets(&atoms, &name))
}

/// The name that a pattern stands for, if it stands for one alone; its dots are taken for dots.
pub fn plain(pattern: &str) -> Option<String> {
    let atoms = atoms(pattern)?;
    let once = |atom: &Atom| atom.least == 1 && !atom.is_unbounded;
    let name = atoms.iter().map(|atom| atom.letter.unwrap_or('.')).collect();
    atoms.iter().all(once).then_some(name)
}

fn atoms(pattern: &str) -> Option<Vec<Atom>> {
    let mut atoms: Vec<Atom> = Vec::new();
    let mut may_repeat = false;
    let mut depth = 0_i32;
    let mut letters = pattern.trim().chars();
    while let Some(letter) = letters.next() {
        match letter {
            '(' | ')' => {
                depth += if letter == '(' { 1 } else { -1 };
                may_repeat = false;
                continue;
            }
            '*' | '+' | '?' => {
                let last = atoms.last_mut().filter(|_| may_repeat)?;
                last.least = u8::from(letter == '+');
                last.is_unbounded = letter != '?';
                may_repeat = false;
                continue;
            }
            '[' | ']' | '{' | '}' | '|' | '^' | '$' => return None,
            _ => {}
        }
        let letter = match letter {
            '.' => None,
            '\\' => Some(letters.next().filter(|next| !next.is_alphanumeric())?),
            other => Some(other),
        };
        let lower = letter.map(|letter| letter.to_lowercase().next().unwrap_or(letter));
        atoms.push(Atom { letter: lower, least: 1, is_unbounded: false });
        may_repeat = true;
    }
    (depth == 0).then_some(atoms)
}

fn meets(atoms: &[Atom], name: &[char]) -> bool {
    let Some((atom, others)) = atoms.split_first() else { return name.is_empty() };
    let first = name.split_first();
    let fits = first.is_some_and(|(found, _)| atom.letter.is_none_or(|letter| letter == *found));
    let rest = first.map_or(name, |(_, rest)| rest);
    let (least, bounded) = (atom.least, !atom.is_unbounded);
    match (least, bounded) {
        (0, true) => meets(others, name) || (fits && meets(others, rest)),
        (0, false) => meets(others, name) || (fits && meets(atoms, rest)),
        (_, true) => fits && meets(others, rest),
        (_, false) => {
            let more = Atom { least: 0, ..*atom };
            let again = [&[more], others].concat();
            fits && meets(&again, rest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{matches, plain};

    #[test]
    fn patterns_match_whole_names_as_far_as_they_are_understood() {
        let table = [
            ("(.*).(.*)_outbox(.*):", "public.points_outbox", Some(false)),
            ("(.*).(.*)_outbox(.*)", "public.points_outbox", Some(true)),
            ("(.*).(.*)_outbox(.*)", "shop.deliveries_outbox_a", Some(true)),
            ("public.points_outbox", "PUBLIC.points_outbox", Some(true)),
            (r"public\.points_outbox", "public_points_outbox", Some(false)),
            ("public.o+rders?", "public.ooorder", Some(true)),
            ("public.o+rders?", "public.rder", Some(false)),
            ("public.points", "public.points_outbox", Some(false)),
            (r"public\.\w+", "public.points", None),
            ("(a|b)", "a", None),
            ("(a", "a", None),
        ];
        for (pattern, name, wanted) in table {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        }
        assert_eq!(plain("public.points").as_deref(), Some("public.points"));
        assert_eq!(plain(r"public\.points").as_deref(), Some("public.points"));
        assert_eq!(plain("public.*"), None);
    }
}
