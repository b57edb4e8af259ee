//! The contract of a store of held records, a few records at a time.

use readmill_core::{Key, Offset, Partition, Position};
use readmill_engine::{Held, HeldRecord, HeldStore, Original, Record, Unfolded};

use super::{Checked, Report, many_held, same};

/// Where the checks are run: a store with two models of which nothing is held yet.
pub struct Place<'a> {
    pub store: &'a dyn HeldStore,
    pub model: &'static str,
    pub other: &'static str,
}

/// Runs every check on a store that holds nothing of two models, and names those that it passed, or
/// says what failed. Nothing is held afterwards.
///
/// # Errors
/// What each check that failed has found.
pub async fn held_conformance(
    store: &dyn HeldStore,
    model: &'static str,
    other: &'static str,
) -> Result<Vec<&'static str>, String> {
    held_report(store, model, other).await.into_passed()
}

/// The same, with all that came of it.
pub async fn held_report(
    store: &dyn HeldStore,
    model: &'static str,
    other: &'static str,
) -> Report {
    let place = Place { store, model, other };
    let mut report = Report::default();
    macro_rules! run {
        ($($check:path),* $(,)?) => {$(
            let checked = Box::pin($check(&place)).await;
            let cleared = place.clear().await;
            report.add(stringify!($check), checked.and(cleared));
        )*};
    }
    run!(
        nothing_is_held_at_first,
        a_record_that_is_held_again_stays_as_it_was,
        one_record_under_two_keys_is_two,
        an_empty_key_is_a_key,
        records_are_listed_by_their_key,
        what_could_not_be_read_is_listed_by_partition,
        models_are_apart,
        every_byte_survives,
        strange_keys_are_keys,
        a_replacement_is_whole,
        an_edited_record_keeps_what_it_came_with,
        what_was_never_held_is_not_made_by_a_replacement,
        what_was_released_does_not_come_back,
        what_is_not_held_is_released_without_error,
        many_held::a_replacement_never_wins_over_a_release,
        many_held::many_records_are_each_seen_once,
        many_held::large_records_fit,
    );
    report
}

impl Place<'_> {
    pub async fn hold(&self, records: &[HeldRecord]) -> Checked {
        self.store.hold(records).await.map_err(|fault| fault.to_string())
    }

    pub async fn replace(&self, records: &[HeldRecord]) -> Checked {
        self.store.replace(records).await.map_err(|fault| fault.to_string())
    }

    pub async fn release(&self, records: &[HeldRecord]) -> Checked {
        self.store.release(records).await.map_err(|fault| fault.to_string())
    }

    pub async fn counts(&self, wanted: u64) -> Checked {
        let found = self.store.count(self.model).await.map_err(|fault| fault.to_string())?;
        same("how many are held", &found, &wanted)
    }

    /// Exactly these are listed.
    pub async fn lists(&self, which: &Held, wanted: &[HeldRecord]) -> Checked {
        let listed = self.store.list(self.model, which).await;
        let mut found = listed.map_err(|fault| fault.to_string())?;
        let mut wanted = wanted.to_vec();
        let order = |held: &HeldRecord| (held.position().clone(), held.key.clone());
        found.sort_by_key(order);
        wanted.sort_by_key(order);
        same("what is held", &found, &wanted)
    }

    /// Releases what is held of both models.
    async fn clear(&self) -> Checked {
        for model in [self.model, self.other] {
            let held = self.store.list(model, &Held::All).await;
            self.release(&held.map_err(|fault| fault.to_string())?).await?;
            let left = self.store.count(model).await.map_err(|fault| fault.to_string())?;
            same("what is left after all was released", &left, &0)?;
        }
        self.lists(&Held::Keyless, &[]).await
    }

    /// A record of the model.
    pub fn record(&self, offset: i64, key: Option<&str>) -> HeldRecord {
        HeldRecord {
            model: self.model,
            key: key.map(Key::from),
            unfolded: Unfolded::All,
            reason: "as the check wants".to_owned(),
            held_at_ms: 1_700_000_000_123,
            tries: 0,
            record: Record {
                position: Position {
                    partition: Partition::new("t.u-v_w", 7),
                    offset: Offset(offset),
                },
                timestamp_ms: 1_700_000_000_045,
                key: Some(b"record key".to_vec()),
                value: Some(vec![0, 255, 10]),
                headers: vec![("h".to_owned(), vec![1])],
            },
            original: None,
        }
    }
}

fn under(key: &str) -> Held {
    Held::Key(Key::from(key))
}

async fn nothing_is_held_at_first(place: &Place<'_>) -> Checked {
    place.counts(0).await?;
    for which in [Held::All, Held::Keyless, under("k")] {
        place.lists(&which, &[]).await?;
    }
    place.hold(&[]).await?;
    place.replace(&[]).await?;
    place.release(&[]).await
}

async fn a_record_that_is_held_again_stays_as_it_was(place: &Place<'_>) -> Checked {
    let first = [place.record(1, Some("k")), place.record(2, Some("k"))];
    place.hold(&first[..1]).await?;
    let again = HeldRecord { reason: "later".to_owned(), tries: 9, ..first[0].clone() };
    place.hold(&[again, first[1].clone()]).await?;
    place.counts(2).await?;
    place.lists(&Held::All, &first).await
}

async fn one_record_under_two_keys_is_two(place: &Place<'_>) -> Checked {
    let both = [place.record(1, Some("a")), place.record(1, Some("b")), place.record(1, None)];
    place.hold(&both).await?;
    place.counts(3).await?;
    place.release(&both[..1]).await?;
    place.lists(&Held::All, &both[1..]).await?;
    place.lists(&under("a"), &[]).await?;
    place.lists(&under("b"), &both[1..2]).await
}

async fn an_empty_key_is_a_key(place: &Place<'_>) -> Checked {
    let both = [place.record(1, Some("")), place.record(1, None)];
    place.hold(&both).await?;
    place.lists(&under(""), &both[..1]).await?;
    place.lists(&Held::Keyless, &both[1..]).await
}

async fn records_are_listed_by_their_key(place: &Place<'_>) -> Checked {
    let keys = [Some("a"), Some("a/b"), Some("a"), None, Some("ab"), None];
    let all: Vec<HeldRecord> =
        (0..).zip(keys).map(|(offset, key)| place.record(offset, key)).collect();
    place.hold(&all).await?;
    place.lists(&Held::All, &all).await?;
    for which in [Held::Keyless, under("a"), under("a/b"), under("ab"), under("nobody")] {
        let meant = all.iter().filter(|held| which.means(held)).cloned();
        place.lists(&which, &meant.collect::<Vec<_>>()).await?;
    }
    Ok(())
}

async fn what_could_not_be_read_is_listed_by_partition(place: &Place<'_>) -> Checked {
    let keys = [Some("a"), None, Some("b"), Some("c")];
    let mut all: Vec<HeldRecord> =
        (0..).zip(keys).map(|(offset, key)| place.record(offset, key)).collect();
    all[2].unfolded = Unfolded::Part;
    all[3].record.position.partition.index = 8;
    place.hold(&all).await?;
    let unread = |index| Held::Unread(Partition::new("t.u-v_w", index));
    place.lists(&unread(7), &all[..2]).await?;
    place.lists(&unread(8), &all[3..]).await?;
    place.lists(&Held::Unread(Partition::new("t.u-v", 7)), &[]).await
}

async fn models_are_apart(place: &Place<'_>) -> Checked {
    let own = place.record(1, Some("k"));
    let others = HeldRecord { model: place.other, ..own.clone() };
    place.hold(std::slice::from_ref(&others)).await?;
    place.counts(0).await?;
    place.hold(&[own.clone(), others.clone()]).await?;
    place.release(&[others]).await?;
    place.lists(&Held::All, &[own]).await
}

async fn every_byte_survives(place: &Place<'_>) -> Checked {
    let bytes: Vec<u8> = (0..=255).collect();
    let mut all = Vec::new();
    for (offset, value) in (0..).zip([None, Some(vec![]), Some(bytes.clone())]) {
        let mut held = place.record(offset, Some("k"));
        held.unfolded = if offset == 0 { Unfolded::Part } else { Unfolded::All };
        held.reason = "quoted \"\\\0\n배달 🚚".to_owned();
        held.tries = u32::MAX;
        held.held_at_ms = i64::from(i32::MIN);
        held.record.timestamp_ms = -1;
        held.record.key.clone_from(&value);
        held.record.value = value;
        held.record.headers = vec![
            ("".to_owned(), bytes.clone()),
            ("a.$b".to_owned(), vec![]),
            ("a.$b".to_owned(), vec![0]),
        ];
        all.push(held);
    }
    let mut far = place.record(i64::MAX, None);
    far.record.headers = Vec::new();
    far.record.position.partition.index = i32::MAX;
    all.push(far);
    place.hold(&all).await?;
    place.lists(&Held::All, &all).await
}

async fn strange_keys_are_keys(place: &Place<'_>) -> Checked {
    let long = "k".repeat(512);
    let strange = [
        " ",
        "{a}",
        "}{",
        "a:b",
        ":keyless",
        "key:a",
        "-",
        "a/",
        "/",
        "*",
        "a?[x]",
        "\\",
        "$set",
        "a.b",
        "nul\0here",
        "tab\there",
        "Zürich",
        "배달-1",
        "🚚",
        &long,
    ];
    let all: Vec<HeldRecord> =
        (0..).zip(strange).map(|(offset, key)| place.record(offset, Some(key))).collect();
    place.hold(&all).await?;
    for (held, key) in all.iter().zip(strange) {
        place.lists(&under(key), std::slice::from_ref(held)).await?;
    }
    place.release(&all[..10]).await?;
    place.lists(&Held::All, &all[10..]).await
}

async fn a_replacement_is_whole(place: &Place<'_>) -> Checked {
    let mut held = [place.record(1, Some("k")), place.record(2, None)];
    place.hold(&held).await?;
    for held in &mut held {
        held.tries = 3;
        held.reason = "mended".to_owned();
        held.record.value = Some(b"another".to_vec());
    }
    place.replace(&held).await?;
    place.lists(&Held::All, &held).await?;
    place.lists(&under("k"), &held[..1]).await
}

async fn an_edited_record_keeps_what_it_came_with(place: &Place<'_>) -> Checked {
    let mut held = place.record(1, Some("k"));
    place.hold(std::slice::from_ref(&held)).await?;
    held.edit(Some(b"first".to_vec()), Vec::new());
    held.edit(None, vec![("x".to_owned(), vec![2])]);
    let came = Original { value: Some(vec![0, 255, 10]), headers: vec![("h".to_owned(), vec![1])] };
    same("what it came with", &held.original.as_ref(), &Some(&came))?;
    place.replace(std::slice::from_ref(&held)).await?;
    place.lists(&Held::All, std::slice::from_ref(&held)).await?;
    same("whether it was edited", &held.undo_edits(), &true)?;
    place.replace(std::slice::from_ref(&held)).await?;
    place.lists(&Held::All, &[place.record(1, Some("k"))]).await
}

async fn what_was_never_held_is_not_made_by_a_replacement(place: &Place<'_>) -> Checked {
    let held = place.record(1, Some("k"));
    place.hold(std::slice::from_ref(&held)).await?;
    place.replace(&[place.record(1, Some("other")), place.record(2, None)]).await?;
    place.counts(1).await?;
    place.lists(&Held::All, &[held]).await
}

async fn what_was_released_does_not_come_back(place: &Place<'_>) -> Checked {
    let held = [place.record(1, Some("k")), place.record(2, Some("k"))];
    place.hold(&held).await?;
    place.release(&held[..1]).await?;
    place.replace(&held).await?;
    place.counts(1).await?;
    place.lists(&under("k"), &held[1..]).await?;
    place.lists(&Held::All, &held[1..]).await
}

async fn what_is_not_held_is_released_without_error(place: &Place<'_>) -> Checked {
    let held = [place.record(1, Some("k")), place.record(2, None)];
    place.hold(&held[..1]).await?;
    place.release(&held).await?;
    place.release(&held).await?;
    place.counts(0).await?;
    place.hold(&held[..1]).await?;
    place.lists(&Held::All, &held[..1]).await
}
