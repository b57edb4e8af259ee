//! Settings that files fill in, read again when a connection is made again: secrets that rotate.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use readmill_engine::Fault;

use crate::elsewhere::{Here, filled};

/// Whoever was let in, and is not any more, waits so long for a file to be written anew.
pub const GRACE: Duration = Duration::from_secs(120);
/// Files are looked at so often at the most.
pub const LOOK_STEP: Duration = Duration::from_secs(1);

/// The settings of a stanza that files fill in, as they are written.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Written(BTreeMap<String, String>);

impl Written {
    /// Keeps what is written for a setting, if a file fills in any of it.
    pub fn keep(&mut self, setting: &str, text: &str) {
        if text.contains("${file:") {
            self.0.insert(setting.to_owned(), text.to_owned());
        }
    }

    /// What files fill in of one setting, under the name that it has elsewhere.
    pub fn of(&self, setting: &str, elsewhere: &str) -> Self {
        let text = self.0.get(setting).cloned();
        Self(text.map(|text| (elsewhere.to_owned(), text)).into_iter().collect())
    }

    /// Whether files fill in a setting.
    pub fn has(&self, setting: &str) -> bool {
        self.0.contains_key(setting)
    }

    /// What a setting says now; `given` where no file fills it in, or where one cannot be read or
    /// is empty, as it is for a moment while it is written.
    pub fn now(&self, setting: &str, given: &str) -> String {
        let Some(text) = self.0.get(setting) else { return given.to_owned() };
        match filled(text, &Whole) {
            Ok(now) => now,
            Err(why) => {
                tracing::warn!(setting, why, "a secret cannot be read again: it stays as it was");
                given.to_owned()
            }
        }
    }
}

/// What is written may be the way to a secret, and is not shown either.
impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// This machine, where no secret is empty.
struct Whole;

impl crate::elsewhere::Elsewhere for Whole {
    fn variable(&self, name: &str) -> Option<String> {
        Here.variable(name)
    }

    fn file(&self, path: &std::path::Path) -> std::io::Result<String> {
        let text = Here.file(path)?;
        if text.trim().is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(text)
    }
}

/// A setting with a secret, and the one of its values that was good.
pub struct Renewed {
    written: Written,
    setting: &'static str,
    given: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    good: Option<String>,
    refused_since: Option<Instant>,
}

impl Renewed {
    /// A setting of a stanza, as it was read at the start.
    pub fn new(written: &Written, setting: &'static str, given: &str) -> Self {
        let (written, given) = (written.clone(), given.to_owned());
        Self { written, setting, given, state: Mutex::default() }
    }

    /// Whether it can change at all.
    pub fn can_change(&self) -> bool {
        self.written.has(self.setting)
    }

    /// What it says now.
    pub fn newest(&self) -> String {
        let known = self.state().good.clone();
        self.written.now(self.setting, known.as_deref().unwrap_or(&self.given))
    }

    /// What to try: what it says now, and then what was good before. A file may be written before
    /// the service knows what is in it.
    pub fn candidates(&self) -> Vec<String> {
        let newest = self.newest();
        let good = self.state().good.clone().filter(|good| *good != newest);
        [newest].into_iter().chain(good).collect()
    }

    /// Somebody was let in with it.
    pub fn was_good(&self, text: &str) {
        let mut state = self.state();
        state.refused_since = None;
        if state.good.as_deref() == Some(text) {
            return;
        }
        if state.good.replace(text.to_owned()).is_some() {
            tracing::info!(setting = self.setting, "a secret was read again, and is used from now");
        }
    }

    /// What a refusal means: whoever was let in before waits for a file to be written anew, but not
    /// for ever.
    pub fn pardon(&self, fault: Fault) -> Fault {
        let mut state = self.state();
        if state.good.is_none() || !self.can_change() {
            return fault;
        }
        let since = *state.refused_since.get_or_insert_with(Instant::now);
        if let Fault::Refused { service, detail, .. } = &fault
            && since.elapsed() < GRACE
        {
            let detail = format!("{detail}: its secret is read again from its file");
            return Fault::Silent { service, detail };
        }
        fault
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Renewed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewed").field("setting", &self.setting).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal() -> Fault {
        Fault::Refused { service: "it", detail: "wrong".to_owned(), hint: "look" }
    }

    #[test]
    fn a_file_that_is_written_anew_is_tried_first_and_what_was_good_next() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pw");
        std::fs::write(&file, "one\n").unwrap();
        let mut written = Written::default();
        written.keep("uri", &format!("me:${{file:{}}}@host", file.display()));
        written.keep("other", "plain");
        let renewed = Renewed::new(&written, "uri", "me:one@host");
        assert_eq!(renewed.candidates(), ["me:one@host"]);
        renewed.was_good("me:one@host");
        std::fs::write(&file, "two\n").unwrap();
        assert_eq!(renewed.candidates(), ["me:two@host", "me:one@host"]);
        renewed.was_good("me:two@host");
        assert_eq!(renewed.candidates(), ["me:two@host"]);
        // While it is being written, or is gone, what was good stays.
        std::fs::write(&file, "").unwrap();
        assert_eq!(renewed.candidates(), ["me:two@host"]);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(renewed.candidates(), ["me:two@host"]);
        assert!(!written.has("other"));
        assert!(!format!("{renewed:?}{written:?}").contains("one"));
    }

    #[test]
    fn only_who_was_let_in_before_and_may_find_another_secret_is_pardoned() {
        let mut written = Written::default();
        written.keep("uri", "${file:/nowhere}");
        let renewed = Renewed::new(&written, "uri", "one");
        assert!(matches!(renewed.pardon(refusal()), Fault::Refused { .. }), "never let in");
        renewed.was_good("one");
        assert!(matches!(renewed.pardon(refusal()), Fault::Silent { .. }));
        renewed.state().refused_since = Instant::now().checked_sub(GRACE);
        assert!(matches!(renewed.pardon(refusal()), Fault::Refused { .. }), "for too long");
        let fixed = Renewed::new(&Written::default(), "uri", "one");
        fixed.was_good("one");
        assert!(matches!(fixed.pardon(refusal()), Fault::Refused { .. }), "it cannot change");
    }
}
