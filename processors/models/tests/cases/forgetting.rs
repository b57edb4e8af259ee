//! Every read model forgets the persons of its fixtures: a document that loses one is what a fold
//! makes that never hears of them, and nothing that anybody is shown tells of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use readmill_core::{Forgotten, Heard, Key, Person, ReadModel};
use readmill_models::{ALL, Visit, visit};
use readmill_schemas::Personal as _;
use serde_json::{Value, json};

use crate::kit::{Line, Run};

struct Case<'a>(&'a Path);

/// How many persons there were, and how many of their own documents.
#[derive(Default, Debug)]
struct Found {
    persons: usize,
    own: usize,
    others: usize,
}

impl Visit for Case<'_> {
    type Out = Found;

    fn visit<M: ReadModel>(self) -> Found {
        let text = std::fs::read_to_string(self.0.join("log.jsonl")).unwrap();
        let log: Vec<Line<M::Event>> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut ids = BTreeSet::new();
        for line in &log {
            line.event.persons(&mut |id| {
                ids.insert(id.to_owned());
            });
        }
        let mut found = Found { persons: ids.len(), ..Found::default() };
        for id in ids {
            let place = format!("{} without {id}", self.0.display());
            let nobody = Forgotten::of("salt".to_owned(), []);
            let forgotten = Forgotten::of("salt".to_owned(), [nobody.digest(&id)]);
            check::<M>(&log, &forgotten, &nobody.person(&id), &place, &mut found);
        }
        found
    }
}

fn check<M: ReadModel>(
    log: &[Line<M::Event>],
    forgotten: &Forgotten,
    person: &Person,
    place: &str,
    found: &mut Found,
) {
    let mut unheard = Run::<M>::new();
    unheard.forgotten = forgotten.clone();
    (0..log.len()).for_each(|at| unheard.take(&log[at], at, at, at));
    for line in log {
        let Heard { keys, own, .. } = forgotten.hear::<M>(line.event.clone());
        assert!(own.iter().all(|key| person.owns(key)), "{place}: {own:?} is not seen to be own");
        assert!(!keys.iter().any(|key| person.owns(key)), "{place}: {keys:?} stays, and is own");
    }
    // Forgotten at the end, and at every step before it, with what comes later unheard.
    for step in (0..=log.len()).rev() {
        let mut lost = Run::<M>::new();
        (0..step).for_each(|at| lost.take(&log[at], at, at, at));
        let keys: Vec<Key> = lost.documents.keys().cloned().collect();
        for key in keys {
            if step == log.len() {
                found.own += usize::from(person.owns(&key));
                found.others +=
                    usize::from(lost.documents[&key].tells_of(std::slice::from_ref(person)));
            }
            lost.lose(&key, person);
        }
        lost.forgotten = forgotten.clone();
        (step..log.len()).for_each(|at| lost.take(&log[at], at, at, at));
        assert_eq!(states(&lost), states(&unheard), "{place}, after {step} records");
        check_nothing_told(&lost, person, place);
    }
    check_nothing_told(&unheard, person, place);
}

/// What stands, and what waits.
fn states<M: ReadModel>(run: &Run<M>) -> BTreeMap<&Key, Value> {
    let shown = run.documents.iter().map(|(key, document)| {
        let waiting: Vec<&M::Event> =
            document.stamp.waiting.iter().map(|waiting| &waiting.event).collect();
        (key, json!({ "state": document.state, "waiting": waiting }))
    });
    shown
        .filter(|(_, shown)| shown["state"] != Value::Null || shown["waiting"] != json!([]))
        .collect()
}

/// Documents, views and groups tell nothing of a person.
fn check_nothing_told<M: ReadModel>(run: &Run<M>, person: &Person, place: &str) {
    for (key, document) in &run.documents {
        assert!(!person.owns(key), "{place}: {key} stands");
        let Some(state) = &document.state else { continue };
        assert!(!person.is_in(state), "{place}: {key} tells of the person");
        let shows = M::mirror(state);
        let told = shows.places.iter().map(|it| format!("{:?}", it.collection));
        let told: Vec<String> = told.chain(shows.hash.iter().map(|(_, v)| v.clone())).collect();
        assert!(
            !told.iter().any(|text| text.contains(&person.id)),
            "{place}: {key} shows {told:?}"
        );
    }
    let groups = run.rollups();
    let of = |group: &str| group.split('/').any(|part| part == person.id);
    let left = groups.iter().filter(|(group, totals)| of(group) && totals.count != 0);
    assert_eq!(left.count(), 0, "{place}: {groups:?}");
    for (group, totals) in &groups {
        assert!(!person.is_in(&totals.top), "{place}: {group} has the person as an item");
    }
}

#[test]
fn whoever_is_forgotten_is_in_no_model() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut models = BTreeMap::new();
    for row in ALL {
        let mut found = Found::default();
        for entry in std::fs::read_dir(fixtures.join(row.name)).unwrap() {
            let case = visit(row.name, Case(&entry.unwrap().path())).unwrap();
            found.persons += case.persons;
            found.own += case.own;
            found.others += case.others;
        }
        println!("{}: {found:?}", row.name);
        models.insert(row.name, found);
    }
    let with = |pick: fn(&Found) -> usize| models.values().filter(|found| pick(found) > 0).count();
    assert!(with(|found| found.persons) >= 9, "{models:?}");
    assert!(with(|found| found.own) >= 3 && with(|found| found.others) >= 5, "{models:?}");
}
