//! The contract of a store of held records: many, large, and from several sides at once.

use futures::future::try_join;
use readmill_core::Key;
use readmill_engine::{Held, HeldRecord};

use super::held::Place;
use super::{Checked, same};

const ROUNDS: i64 = 40;
const MANY: i64 = 10_000;
const LARGE_BYTES: usize = 3 << 20;

pub async fn a_replacement_never_wins_over_a_release(place: &Place<'_>) -> Checked {
    for round in 0..ROUNDS {
        let held: Vec<HeldRecord> =
            (0..20).map(|n| place.record(round * 100 + n, Some("race"))).collect();
        place.hold(&held).await?;
        try_join(place.replace(&held), place.release(&held)).await?;
        place.counts(0).await?;
    }
    place.lists(&Held::Key(Key::from("race")), &[]).await
}

pub async fn many_records_are_each_seen_once(place: &Place<'_>) -> Checked {
    let key = |number: i64| match number % 4 {
        0 => None,
        1 => Some(format!("many {number}")),
        _ => Some("hot".to_owned()),
    };
    let all: Vec<HeldRecord> =
        (0..MANY).map(|number| place.record(number, key(number).as_deref())).collect();
    place.hold(&all).await?;
    place.hold(&all[4_000..]).await?;
    place.counts(10_000).await?;
    place.lists(&Held::All, &all).await?;
    for which in [Held::Keyless, Held::Key(Key::from("hot")), Held::Key(Key::from("many 5"))] {
        let meant = all.iter().filter(|held| which.means(held)).cloned();
        place.lists(&which, &meant.collect::<Vec<_>>()).await?;
    }
    let mut rest = all[3_000..].to_vec();
    place.release(&all[..3_000]).await?;
    rest.iter_mut().for_each(|held| held.tries += 1);
    place.replace(&rest).await?;
    place.counts(7_000).await?;
    place.lists(&Held::All, &rest).await
}

pub async fn large_records_fit(place: &Place<'_>) -> Checked {
    let large = |offset: i64| {
        let mut held = place.record(offset, Some("large"));
        let byte = u8::try_from(offset).unwrap_or_default();
        held.record.value = Some(vec![byte; LARGE_BYTES]);
        held
    };
    let all: Vec<HeldRecord> = (1..=8).map(large).collect();
    place.hold(&all).await?;
    let found = place.store.list(place.model, &Held::Key(Key::from("large"))).await;
    let found = found.map_err(|fault| fault.to_string())?;
    same("how many large records are held", &found.len(), &all.len())?;
    let whole = found.iter().all(|held| all.contains(held));
    same("whether they are whole", &whole, &true)
}
