//! Tokens and what they open: kept and compared as hashes, so that none can be told or timed.

use std::fmt;
use std::hint::black_box;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Shorter tokens can be guessed.
pub const SHORTEST_TOKEN: usize = 16;
/// So many tokens of one role may be valid at once.
pub const MOST_TOKENS: usize = 16;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// See documents, roll-ups, metrics, and how things stand.
    Read,
    /// Do everything.
    Operate,
}

impl Role {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
        }
    }
}

/// Why a token is none; it is never told itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoToken {
    /// It can be guessed.
    #[error("has a token of fewer than {SHORTEST_TOKEN} characters: `openssl rand -hex 32` is one")]
    Short,
    /// It cannot be shown in a header.
    #[error("has a token with other characters than letters, digits and -._~+/, or = at its end")]
    Letters,
    /// There are none.
    #[error("has no token: write one a line")]
    Empty,
    /// There are too many to be looked after.
    #[error("has more than {MOST_TOKENS} tokens: two are enough while one takes another's place")]
    Many,
}

/// The hash of a token.
type Hash = [u8; 32];

/// The tokens that are valid, as hashes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keys(Vec<(Role, Hash)>);

/// Without the hashes: whoever has one could try tokens on it.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |role| self.count(role);
        write!(f, "Keys({} to read, {} to operate)", of(Role::Read), of(Role::Operate))
    }
}

impl Keys {
    /// Adds one.
    ///
    /// # Errors
    /// Why it is none.
    pub fn add(&mut self, role: Role, token: &str) -> Result<(), NoToken> {
        let bare = token.trim_end_matches('=');
        let letter = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
        if token.len() < SHORTEST_TOKEN {
            return Err(NoToken::Short);
        }
        if bare.is_empty() || !bare.chars().all(letter) {
            return Err(NoToken::Letters);
        }
        if self.count(role) >= MOST_TOKENS {
            return Err(NoToken::Many);
        }
        self.0.push((role, hash(token.as_bytes())));
        Ok(())
    }

    /// Adds those of a file: one a line; empty lines, and those that begin with `#`, are none.
    ///
    /// # Errors
    /// Why one is none, or that there are none.
    pub fn add_lines(&mut self, role: Role, text: &str) -> Result<(), NoToken> {
        let lines = text.lines().map(str::trim);
        let mut tokens = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
        if tokens.peek().is_none() {
            return Err(NoToken::Empty);
        }
        tokens.try_for_each(|token| self.add(role, token))
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are of a role.
    pub fn count(&self, role: Role) -> usize {
        self.0.iter().filter(|(other, _)| *other == role).count()
    }

    /// What a token opens. All are looked at, each to its end, whatever is found: how long it
    /// takes says nothing of how much of a token was right.
    pub fn role_of(&self, shown: &[u8]) -> Option<Role> {
        let shown = hash(shown);
        let found = |role: Role| {
            self.0.iter().fold(false, |found, (other, known)| {
                found | (are_same(&shown, known) & (*other == role))
            })
        };
        let (reads, operates) = (found(Role::Read), found(Role::Operate));
        if operates { Some(Role::Operate) } else { reads.then_some(Role::Read) }
    }
}

fn hash(token: &[u8]) -> Hash {
    Sha256::digest(token).into()
}

fn are_same(one: &Hash, other: &Hash) -> bool {
    let differs = one.iter().zip(other).fold(0, |differs, (a, b)| black_box(differs | (a ^ b)));
    black_box(differs) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const READS: &str = "read-read-read-read";
    const OPERATES: &str = "b3BlcmF0ZSBvcGVyYXRl==";

    fn keys() -> Keys {
        let mut keys = Keys::default();
        keys.add(Role::Read, READS).unwrap();
        keys.add_lines(Role::Operate, &format!("# new\n{OPERATES}\n\n  {READS}-2  \n")).unwrap();
        keys
    }

    #[test]
    fn tokens_open_what_they_are_for() {
        let table = [
            (READS, Some(Role::Read)),
            (OPERATES, Some(Role::Operate)),
            ("read-read-read-read-2", Some(Role::Operate)),
            ("read-read-read-rea", None),
            ("read-read-read-read-", None),
            ("READ-read-read-read", None),
            ("# new", None),
            ("", None),
        ];
        for (shown, wanted) in table {
            assert_eq!(keys().role_of(shown.as_bytes()), wanted, "{shown}");
        }
        let mut both = Keys::default();
        both.add(Role::Operate, READS).unwrap();
        both.add(Role::Read, READS).unwrap();
        assert_eq!(both.role_of(READS.as_bytes()), Some(Role::Operate));
    }

    #[test]
    fn what_is_no_token_is_refused_and_not_told() {
        let many = format!("{READS}\n").repeat(MOST_TOKENS + 1);
        let table = [
            ("secret-15-chars", NoToken::Short),
            ("secret with blanks in it", NoToken::Letters),
            ("secret=in=the=middle=of=it", NoToken::Letters),
            ("================", NoToken::Letters),
            ("geheim-für-niemanden", NoToken::Letters),
            ("\n# nothing\n", NoToken::Empty),
            (&many, NoToken::Many),
        ];
        for (text, wanted) in table {
            let error = Keys::default().add_lines(Role::Read, text).unwrap_err();
            assert_eq!(error, wanted, "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert_eq!(format!("{:?}", keys()), "Keys(1 to read, 2 to operate)");
    }
}
