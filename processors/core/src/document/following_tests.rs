//! What follows from a document that embeds another, and to which record it is owed.

use readmill_schemas::points::PointsEvent;

use super::*;
use crate::model::{Folded, Key, Keys};
use crate::position::{Offset, Partition};
use crate::rollup::{Contribution, GroupName, Rollup};
use crate::stamp::{Output, What};

const SEEN: Rollup = Rollup::of_documents("seen", "what is seen of others");

/// Shows a number, and the numbers that those it looks at show.
#[derive(Debug)]
struct Windows;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct View {
    looks_at: Option<Key>,
    seen: Option<i64>,
    shows: i64,
}

impl ReadModel for Windows {
    const NAME: &'static str = "windows";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "what is seen from where";
    const ROLLUPS: &'static [Rollup] = &[SEEN];
    const EMBEDS: bool = true;
    type Event = PointsEvent;
    type State = View;

    fn keys(_: &PointsEvent) -> Keys {
        Keys::None
    }
    fn admit(_: Standing<'_, View>, _: &PointsEvent) -> Admit {
        Admit::Fold
    }
    fn fold(state: Option<View>, _: &PointsEvent) -> Folded<View> {
        state.map_or_else(Folded::gone, Folded::next)
    }
    fn contributes(view: &View) -> Vec<Contribution> {
        let seen = view.seen.map(|seen| Contribution::of(&SEEN, GroupName::of(&["all"]), seen));
        seen.into_iter().collect()
    }
    fn embeds(view: &View) -> Vec<Key> {
        view.looks_at.clone().into_iter().collect()
    }
    fn embed(view: &mut View, _: &Key, stands: Option<&View>) {
        view.seen = stands.map(|other| other.shows);
    }
}

const TARGET: &str = "target";

fn at(topic: &str, offset: i64) -> Position {
    Position { partition: Partition::new(topic, 0), offset: Offset(offset) }
}

fn target(revision: i64) -> Document<Windows> {
    let state = Some(View { shows: revision * 10, ..View::default() });
    Document { state, stamp: Stamp { revision, ..Stamp::default() } }
}

/// One that has just been pointed at the target by a record of its own.
fn pointed() -> Document<Windows> {
    let mut document = Document::<Windows>::default();
    document.stamp.revision = 1;
    let state = View { looks_at: Some(Key::from(TARGET)), ..View::default() };
    document.become_of(&at("own", 5), |_| Folded::next(state));
    document
}

/// The outputs of its last revision: what, and owed to which record.
fn follows(document: &Document<Windows>) -> Vec<(&'static str, Position)> {
    let unsent = document.stamp.unsent.iter();
    let last = unsent.filter(|output: &&Output| output.revision == document.stamp.revision);
    let told = last.map(|output| match &output.what {
        What::Difference(difference) if difference.back => ("back", output.from.clone()),
        What::Difference(_) => ("added", output.from.clone()),
        What::Embeds(_) => ("embeds", output.from.clone()),
        What::Leaves(_) => ("leaves", output.from.clone()),
        What::Changed => ("changed", output.from.clone()),
        What::Reaction(_) => ("says", output.from.clone()),
    });
    told.collect()
}

fn look(document: &mut Document<Windows>, of: Option<&Document<Windows>>) -> Outcome {
    document.look((&Key::from(TARGET), of), 1).outcome
}

fn embed(document: &mut Document<Windows>, of: &Document<Windows>, offset: i64) -> Outcome {
    let (key, since) = (Key::from(TARGET), of.stamp.revision);
    document.embed((&key, of, since), &at("target", offset), Sent::NOTHING).outcome
}

#[test]
fn who_looks_when_another_has_looked_changes_nothing() {
    let mut document = pointed();
    assert_eq!(look(&mut document, None), Outcome::Applied);
    assert_eq!((document.stamp.revision, follows(&document)), (2, vec![]));
    let stood = document.clone();
    // It was settled since, and the target written: a late one must not take that over in its name.
    assert_eq!(look(&mut document, Some(&target(1))), Outcome::Stale);
    assert_eq!(document, stood);
}

#[test]
fn what_follows_before_it_has_looked_is_owed_to_the_record_that_has_it_look() {
    let mut document = pointed();
    assert_eq!(embed(&mut document, &target(1), 9), Outcome::Applied);
    let owed = [("added", at("own", 5)), ("changed", at("own", 5))];
    assert_eq!(follows(&document), owed, "the target's own record may be settled");
    assert_eq!(look(&mut document, Some(&target(1))), Outcome::Applied);
    assert_eq!(follows(&document), []);
    assert_eq!(embed(&mut document, &target(1), 9), Outcome::Stale);
    assert_eq!(embed(&mut document, &target(2), 10), Outcome::Applied);
    let owed = ["added", "back", "changed"].map(|what| (what, at("target", 10)));
    let mut told = follows(&document);
    told.sort();
    assert_eq!(told, owed);
}

#[test]
fn who_is_pointed_elsewhere_has_nothing_to_look_at() {
    let mut document = pointed();
    document.stamp.revision = 2;
    document.become_of(&at("own", 6), |_| Folded::next(View::default()));
    assert_eq!(follows(&document), [("leaves", at("own", 6)), ("changed", at("own", 6))]);
    assert_eq!(look(&mut document, Some(&target(1))), Outcome::Stale);
    assert_eq!(embed(&mut document, &target(1), 9), Outcome::Skipped);
}
