//! The marker that is left in a mirror, and what it tells: whether views may have been lost, and
//! whose turn it is to heal them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Sight;

/// Whoever has not stirred for so many looks of another is believed dead.
const DEAD_AFTER_LOOKS: u32 = 15;

/// What stands in a mirror about the mirror.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Marker {
    /// One more with every heal that begins.
    pub epoch: u64,
    /// One more with every look: a lower one than was seen has been rolled back.
    pub beat: u64,
    /// The census of its servers when the last heal that came to its end began.
    pub whole_for: Option<String>,
    /// Who heals it now.
    pub healer: Option<Healer>,
    /// Who may have missed to show something, with the beat of their last look.
    pub users: BTreeMap<String, u64>,
}

/// Who heals a mirror.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healer {
    /// Its name.
    pub name: String,
    /// The beat of its last look.
    pub beat: u64,
}

/// What a look tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is known to be lost.
    Whole,
    /// Another heals it.
    InHand,
    /// It is to be healed.
    Heal(Why),
}

/// Why a mirror is healed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// There is no marker: it is new, or it was emptied.
    NoMarker,
    /// The marker is an older one than was seen.
    RolledBack,
    /// Its servers are others than when it was whole, or have evicted something.
    OtherServers,
    /// No heal of it has come to its end.
    Unfinished,
    /// Someone who may have missed to show something has not come back.
    UserLost,
    /// This process has just started, or has not seen it for a while.
    Unseen,
}

impl Why {
    /// In words, for logs.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoMarker => "its marker is gone, or was never there",
            Self::RolledBack => "its marker is older than it was",
            Self::OtherServers => "its servers were restarted or replaced, or have evicted keys",
            Self::Unfinished => "whoever healed it has not come to the end",
            Self::UserLost => "an instance that may have missed views has not come back",
            Self::Unseen => "it was not seen until now",
        }
    }
}

/// What one process remembers of its looks at one mirror.
#[derive(Debug)]
pub struct Looks {
    me: String,
    /// Whether this process may miss to show something.
    may_miss: bool,
    seen_beat: u64,
    /// Of others, the beat last seen, and for how many looks it has been the same.
    others: BTreeMap<String, (u64, u32)>,
}

impl Looks {
    /// Before the first look.
    pub const fn new(me: String, may_miss: bool) -> Self {
        Self { me, may_miss, seen_beat: 0, others: BTreeMap::new() }
    }

    /// Judges what is seen, and answers what the marker is to be after this look.
    pub fn judge(&mut self, sight: &Sight) -> (Verdict, Marker) {
        // One that cannot be read is none of ours.
        let found = sight.marker.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let marker: Marker = found.clone().unwrap_or_default();
        let dead = self.dead(&marker);
        let verdict = self.verdict(found.is_some(), &marker, &sight.census, &dead);
        let mut next = Marker { beat: marker.beat + 1, ..marker };
        if self.may_miss {
            next.users.insert(self.me.clone(), next.beat);
        }
        if let Some(healer) = next.healer.as_mut().filter(|healer| healer.name == self.me) {
            healer.beat = next.beat;
        }
        (verdict, next)
    }

    fn verdict(
        &self,
        found: bool,
        marker: &Marker,
        census: &str,
        dead: &BTreeSet<&String>,
    ) -> Verdict {
        let healer = marker.healer.as_ref();
        let in_hand = healer.is_some_and(|healer| !dead.contains(&healer.name));
        let user_lost = marker.users.keys().any(|user| dead.contains(user));
        if !found {
            Verdict::Heal(Why::NoMarker)
        } else if marker.beat < self.seen_beat {
            Verdict::Heal(Why::RolledBack)
        } else if in_hand {
            Verdict::InHand
        } else if healer.is_some() || marker.whole_for.is_none() {
            Verdict::Heal(Why::Unfinished)
        } else if marker.whole_for.as_deref() != Some(census) {
            Verdict::Heal(Why::OtherServers)
        } else if user_lost {
            Verdict::Heal(Why::UserLost)
        } else {
            Verdict::Whole
        }
    }

    /// Those in the marker who have not stirred for long.
    fn dead<'m>(&mut self, marker: &'m Marker) -> BTreeSet<&'m String> {
        let healer = marker.healer.iter().map(|healer| (&healer.name, healer.beat));
        let users = marker.users.iter().map(|(name, beat)| (name, *beat));
        let mut beats: BTreeMap<&String, u64> = BTreeMap::new();
        for (name, beat) in healer.chain(users).filter(|(name, _)| **name != self.me) {
            let known = beats.entry(name).or_default();
            *known = beat.max(*known);
        }
        self.others.retain(|name, _| beats.contains_key(name));
        let mut dead = BTreeSet::new();
        for (name, beat) in beats {
            let (last, looks) = self.others.entry(name.clone()).or_insert((beat, 0));
            *looks = if *last == beat { *looks + 1 } else { 0 };
            *last = beat;
            if *looks > DEAD_AFTER_LOOKS {
                dead.insert(name);
            }
        }
        dead
    }

    /// Notes a marker that was left: no older one may come again.
    pub const fn note(&mut self, left: &Marker) {
        self.seen_beat = left.beat;
    }

    /// Whether it is this process that heals by a marker.
    pub fn is_healer(&self, marker: &Marker) -> bool {
        marker.healer.as_ref().is_some_and(|healer| healer.name == self.me)
    }

    /// The marker with which this process begins to heal. Those who are believed dead are dealt
    /// with by that.
    pub fn begin(&self, mut next: Marker) -> Marker {
        next.epoch += 1;
        next.whole_for = None;
        next.healer = Some(Healer { name: self.me.clone(), beat: next.beat });
        let is_dead = |name: &String| {
            self.others.get(name).is_some_and(|(_, looks)| *looks > DEAD_AFTER_LOOKS)
        };
        next.users.retain(|name, _| !is_dead(name));
        next
    }
}

impl Marker {
    /// The marker after a heal: whole, if nothing was lost meanwhile.
    #[must_use]
    pub fn ended(self, whole_for: Option<String>) -> Self {
        Self { healer: None, whole_for, ..self }
    }

    /// As it is left in a mirror.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(marker: Option<&Marker>, census: &str) -> Sight {
        Sight { census: census.to_owned(), marker: marker.map(Marker::text) }
    }

    fn whole() -> Marker {
        Marker { epoch: 1, beat: 10, whole_for: Some("a/0".to_owned()), ..Marker::default() }
    }

    #[track_caller]
    fn check(marker: Option<&Marker>, census: &str, expected: Verdict) {
        let mut looks = Looks::new("me".to_owned(), false);
        assert_eq!(looks.judge(&sight(marker, census)).0, expected);
    }

    #[test]
    fn a_marker_tells_what_may_be_lost() {
        let healed = |name: &str| Marker {
            healer: Some(Healer { name: name.to_owned(), beat: 3 }),
            ..whole().ended(None)
        };
        check(Some(&whole()), "a/0", Verdict::Whole);
        check(None, "a/0", Verdict::Heal(Why::NoMarker));
        check(Some(&whole()), "a/1", Verdict::Heal(Why::OtherServers));
        check(Some(&whole()), "b/0", Verdict::Heal(Why::OtherServers));
        check(Some(&whole().ended(None)), "a/0", Verdict::Heal(Why::Unfinished));
        check(Some(&healed("other")), "a/0", Verdict::InHand);
        let foreign = Sight { census: "a/0".to_owned(), marker: Some("?".to_owned()) };
        let (verdict, _) = Looks::new("me".to_owned(), false).judge(&foreign);
        assert_eq!(verdict, Verdict::Heal(Why::NoMarker));
    }

    #[test]
    fn a_marker_that_goes_back_is_seen() {
        let mut looks = Looks::new("me".to_owned(), false);
        let (verdict, next) = looks.judge(&sight(Some(&whole()), "a/0"));
        assert_eq!((verdict, next.beat), (Verdict::Whole, 11));
        looks.note(&next);
        assert_eq!(looks.judge(&sight(Some(&next), "a/0")).0, Verdict::Whole);
        // As it was before, and for as long as nobody has begun to heal it.
        for _ in 0..2 {
            let (verdict, _) = looks.judge(&sight(Some(&whole()), "a/0"));
            assert_eq!(verdict, Verdict::Heal(Why::RolledBack));
        }
    }

    #[test]
    fn who_does_not_stir_any_more_is_dead_and_who_does_is_not() {
        let mut one = Looks::new("one".to_owned(), false);
        let mut two = Looks::new("two".to_owned(), true);
        let (_, next) = two.judge(&sight(Some(&whole()), "a/0"));
        let mut marker = two.begin(next);
        for _ in 0..2 * DEAD_AFTER_LOOKS {
            let (verdict, next) = one.judge(&sight(Some(&marker), "a/0"));
            assert_eq!(verdict, Verdict::InHand);
            marker = two.judge(&sight(Some(&next), "a/0")).1;
            assert!(two.is_healer(&marker) && !one.is_healer(&marker));
        }
        let mut left = marker.clone();
        for looks in 0..=DEAD_AFTER_LOOKS + 1 {
            let (verdict, next) = one.judge(&sight(Some(&left), "a/0"));
            let dead = looks > DEAD_AFTER_LOOKS;
            let expected = if dead { Verdict::Heal(Why::Unfinished) } else { Verdict::InHand };
            assert_eq!(verdict, expected, "after {looks}");
            left = next;
        }
        // Whole again by its healer's last act, but for what it may have missed itself.
        let (verdict, next) = one.judge(&sight(Some(&left.ended(Some("a/0".to_owned()))), "a/0"));
        assert_eq!(verdict, Verdict::Heal(Why::UserLost));
        let healed = one.begin(next).ended(Some("a/0".to_owned()));
        assert!(healed.users.is_empty());
        assert_eq!(one.judge(&sight(Some(&healed), "a/0")).0, Verdict::Whole);
    }
}
