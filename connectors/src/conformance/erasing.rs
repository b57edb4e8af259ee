//! What is erased was never there, and generations are apart.

use readmill_core::Key;
use readmill_engine::{Contents, Put, Store};

use super::pebbles::{Pebble, Pebbles, tombstone};
use super::races::put_all;
use super::{Checked, Doc, must_put, put, same, scanned, stands};

const MANY: usize = 2_500;

pub async fn what_is_erased_was_never_there<S: Store<Pebbles>>(store: &S) -> Checked {
    let alive_and_dead =
        [("erased alive", Pebble::number(1).at_revision(7)), ("erased dead", tombstone(7))];
    for (key, document) in &alive_and_dead {
        must_put(store, key, 0, document).await?;
    }
    let keys = ["erased alive", "erased nobody", "erased dead"].map(Key::from);
    erase(store, &keys).await?;
    let found = store.scan_range("erased", None, 9).await.map_err(|fault| fault.to_string())?;
    same("a page with what is erased", &found.len(), &0)?;
    for (key, _) in alive_and_dead {
        stands(store, key, None).await?;
        let verdict = put(store, key, 7, &Pebble::number(2).at_revision(8)).await?;
        same("a write on top of what is erased", &verdict, &Put::Unsure)?;
        must_put(store, key, 0, &Pebble::number(3).at_revision(1)).await?;
    }
    erase(store, &[]).await
}

pub async fn many_are_erased_and_others_stay<S: Store<Pebbles>>(store: &S) -> Checked {
    let before = scanned(store).await?;
    let keys: Vec<Key> = (0..MANY).map(|number| Key(format!("erase*{number}"))).collect();
    let documents: Vec<Doc> = (0..).take(MANY).map(|n| Pebble::number(n).at_revision(1)).collect();
    put_all(store, &keys, &documents, |_| 0).await?;
    let (some, rest) = keys.split_at(MANY / 2);
    erase(store, some).await?;
    let mut after = scanned(store).await?;
    same("how many are left", &after.len(), &(before.len() + rest.len()))?;
    for (key, document) in rest.iter().zip(documents.iter().skip(some.len())) {
        let stays = after.remove(key).map(|(found, _)| found);
        same("one that was not meant", &stays.as_ref(), &Some(document))?;
    }
    same("whether others are as they were", &(after == before), &true)
}

async fn erase<S: Store<Pebbles>>(store: &S, keys: &[Key]) -> Checked {
    store.erase(keys).await.map_err(|fault| fault.to_string())
}

pub async fn one_key_has_a_document_in_each<S: Store<Pebbles>>(one: &S, other: &S) -> Checked {
    let mine = Pebble::number(1).at_revision(3);
    let theirs = tombstone(8);
    must_put(one, "shared {a}", 0, &mine).await?;
    stands(other, "shared {a}", None).await?;
    must_put(other, "shared {a}", 0, &theirs).await?;
    stands(one, "shared {a}", Some(&mine)).await?;
    stands(other, "shared {a}", Some(&theirs)).await?;
    let verdict = put(one, "shared {a}", 8, &Pebble::number(2).at_revision(9)).await?;
    same("a write on the other's revision", &verdict, &Put::Unsure)?;
    erase(one, &[Key::from("shared {a}")]).await?;
    stands(other, "shared {a}", Some(&theirs)).await
}

pub async fn a_generation_is_dropped_alone<S: Store<Pebbles>>(one: &S, other: &S) -> Checked {
    let keys: Vec<Key> = (0..MANY).map(|number| Key(format!("drop {number}"))).collect();
    let documents: Vec<Doc> = (0..).take(MANY).map(|n| Pebble::number(n).at_revision(1)).collect();
    put_all(one, &keys, &documents, |_| 0).await?;
    put_all(other, &keys, &documents, |_| 0).await?;
    let before = contents(other).await?;
    for _ in 0..2 {
        one.drop_all().await.map_err(|fault| fault.to_string())?;
        same("what is left", &contents(one).await?, &Contents::default())?;
    }
    stands(one, "drop 1", None).await?;
    same("what the other one has", &contents(other).await?, &before)
}

async fn contents<S: Store<Pebbles>>(store: &S) -> Result<Contents, String> {
    Contents::of(store).await.map_err(|fault| fault.to_string())
}

/// Two empty stores come to equal contents if each comes to what the documents themselves amount
/// to.
pub async fn contents_are_those_of_the_documents<S: Store<Pebbles>>(one: &S, other: &S) -> Checked {
    let mut wanted = Contents::default();
    let mut written = Vec::new();
    for number in 0..300 {
        let (key, document) = (Key(format!("sum {number}")), of_many_kinds(number));
        match &document.state {
            None => wanted.bare += 1,
            Some(state) => {
                wanted.living += 1;
                wanted.digest.add(&key, state).map_err(|error| error.to_string())?;
            }
        }
        written.push((key, document));
    }
    for (store, step) in [(one, 50), (other, 7)] {
        for some in written.chunks(step) {
            let (keys, documents): (Vec<Key>, Vec<Doc>) = some.iter().cloned().unzip();
            put_all(store, &keys, &documents, |_| 0).await?;
        }
        written.reverse();
    }
    same("the contents of the first", &contents(one).await?, &wanted)?;
    same("the contents of the other", &contents(other).await?, &wanted)
}

fn of_many_kinds(number: i64) -> Doc {
    let share = 1.0 / (number as f64 + 3.0);
    let mut state = Pebble { share, ..Pebble::number(number * 1_000_003) };
    state.note = (number % 3 == 0).then(|| format!("{number}"));
    state.totals = (0..number % 4).map(|n| (format!("total {n}"), n)).collect();
    if number % 7 == 0 { tombstone(number + 1) } else { state.at_revision(number + 1) }
}
