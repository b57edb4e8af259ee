//! The contract of a mirror: what is shown stands, what is older does not, and whoever dies in the
//! middle of showing leaves nothing behind that the next one does not clear.

use std::collections::BTreeSet;

use async_trait::async_trait;
use futures::future::BoxFuture;
use readmill_core::{Collection, Key, Shows};
use readmill_engine::mirror::{Difference, Heals, How, Spot, Stray, Trace};
use readmill_engine::{Fault, View};
use serde_json::Value;

use super::{Checked, Report, same};
use crate::embedded::EmbeddedMirror;
use crate::redis::RedisMirror;

/// What is still to be done.
pub type Rest<'m> = BoxFuture<'m, Result<(), Fault>>;

/// A mirror whose showing can be cut short, as by a crash, or go on late.
#[async_trait]
pub trait Halfway: Heals {
    /// The first step of showing, and what is to follow.
    async fn first_step<'m>(&'m self, views: &'m [View]) -> Result<Rest<'m>, Fault>;
}

#[async_trait]
impl Halfway for RedisMirror {
    async fn first_step<'m>(&'m self, views: &'m [View]) -> Result<Rest<'m>, Fault> {
        Ok(Box::pin(self.begin(views).await?.finish()))
    }
}

#[async_trait]
impl Halfway for EmbeddedMirror {
    async fn first_step<'m>(&'m self, views: &'m [View]) -> Result<Rest<'m>, Fault> {
        let begun = self.begin(views).await?;
        Ok(Box::pin(async move { self.finish(&begun).await }))
    }
}

/// Runs every check on an **empty** mirror, and names those that it passed, or says what failed.
///
/// # Errors
/// What each check that failed has found.
pub async fn mirror_conformance(mirror: &dyn Halfway) -> Result<Vec<&'static str>, String> {
    let mut report = Report::default();
    macro_rules! run {
        ($($check:path),* $(,)?) => {$(
            let checked = Box::pin($check(mirror)).await;
            let cleared = clear(mirror).await;
            report.add(stringify!($check), checked.and(cleared));
        )*};
    }
    run!(
        what_is_shown_stands,
        any_key_and_any_name_will_do,
        an_older_view_changes_nothing,
        what_is_left_is_left,
        an_older_view_does_not_bring_back_what_was_left,
        what_ended_shows_nothing,
        a_kind_that_is_shown_no_more_goes,
        a_crash_between_the_steps_leaves_nothing_behind,
        a_late_second_step_changes_nothing,
        told_twice_is_told_once,
        many_views_are_shown_together,
        what_is_lost_is_found_missing,
        strays_go_if_they_are_as_they_were_seen,
        what_is_newer_than_its_document_can_be_replaced,
        a_marker_is_swapped_and_not_overwritten,
    );
    if report.failed.is_empty() { Ok(report.passed) } else { Err(report.failed.join("\n")) }
}

const NAME: &str = "a";

fn view(revision: i64, shows: Shows) -> View {
    View { key: Key::from(NAME), revision, fields: Some(shows) }
}

fn ended(revision: i64) -> View {
    View { key: Key::from(NAME), revision, fields: None }
}

/// Everything at once, in the collections of that name.
fn all(mark: &str, place: &str, score: f64) -> Shows {
    Shows::hash([("mark", mark.to_owned())])
        .json([("mark", Value::from(mark)), ("list", Value::from(vec![1, 2]))])
        .in_set(place)
        .sorted(place, score)
}

fn set(name: &str) -> Spot {
    Spot::In(Collection::Set(name.to_owned()))
}

fn sorted(name: &str) -> Spot {
    Spot::In(Collection::Sorted(name.to_owned()))
}

fn fault(fault: Fault) -> String {
    fault.to_string()
}

/// All that is to be seen, and under which revision.
async fn seen(mirror: &dyn Halfway) -> Result<BTreeSet<(Key, Spot, i64)>, String> {
    let mut seen = BTreeSet::new();
    let mut visit = |trace: Trace| {
        if trace.shown {
            seen.insert((trace.key, trace.spot, trace.revision));
        }
    };
    mirror.traces(&mut visit).await.map_err(fault)?;
    Ok(seen)
}

async fn shows(mirror: &dyn Halfway, revision: i64, spots: &[Spot]) -> Checked {
    let key = || Key::from(NAME);
    let meant = spots.iter().map(|spot| (key(), spot.clone(), revision)).collect();
    same("what is to be seen", &seen(mirror).await?, &meant)
}

async fn show(mirror: &dyn Halfway, view: View) -> Checked {
    mirror.show(&[view]).await.map_err(fault)
}

async fn compared(mirror: &dyn Halfway, view: View) -> Result<Vec<(Spot, How)>, String> {
    let found = mirror.compare(&[view]).await.map_err(fault)?;
    Ok(found.into_iter().map(|Difference { spot, how, .. }| (spot, how)).collect())
}

async fn die_after_the_first_step(mirror: &dyn Halfway, view: View) -> Checked {
    mirror.first_step(&[view]).await.map(drop).map_err(fault)
}

async fn stands(mirror: &dyn Halfway, view: View) -> Checked {
    same("what differs", &compared(mirror, view).await?, &Vec::new())
}

/// Takes out everything, what keeps older views away too.
async fn clear(mirror: &dyn Halfway) -> Checked {
    let mut strays = Vec::new();
    let mut visit = |trace| strays.push(Stray { trace, stands: 0 });
    mirror.traces(&mut visit).await.map_err(fault)?;
    mirror.take_out(&strays).await.map_err(fault)?;
    same("what is left of it", &seen(mirror).await?, &BTreeSet::new())
}

async fn what_is_shown_stands(mirror: &dyn Halfway) -> Checked {
    let missing: Vec<(Spot, How)> = vec![
        (Spot::Own, How::Missing),
        (Spot::Json, How::Missing),
        (set("p"), How::Missing),
        (sorted("p"), How::Missing),
    ];
    same("what differs", &compared(mirror, view(2, all("x", "p", 1.5))).await?, &missing)?;
    show(mirror, view(2, all("x", "p", 1.5))).await?;
    stands(mirror, view(2, all("x", "p", 1.5))).await?;
    shows(mirror, 2, &[Spot::Own, Spot::Json, set("p"), sorted("p")]).await?;
    let other: Vec<(Spot, How)> =
        [Spot::Own, Spot::Json, sorted("p")].map(|spot| (spot, How::Other)).into_iter().collect();
    same("what differs", &compared(mirror, view(2, all("y", "p", 2.5))).await?, &other)?;
    show(mirror, view(3, all("y", "p", -1e300))).await?;
    stands(mirror, view(3, all("y", "p", -1e300))).await
}

async fn any_key_and_any_name_will_do(mirror: &dyn Halfway) -> Checked {
    let odd = ["", "}", "{}", "{a}b", "a:b", "배달", "50%", "%7B", "x\"y\\z\n", "*?[a-z]"];
    let views: Vec<View> = odd
        .iter()
        .map(|odd| View { key: Key::from(*odd), revision: 1, fields: Some(all(odd, odd, 1.0)) })
        .collect();
    mirror.show(&views).await.map_err(fault)?;
    let differ = mirror.compare(&views).await.map_err(fault)?;
    same("what differs", &differ, &Vec::new())?;
    let meant: BTreeSet<(Key, Spot, i64)> = odd
        .iter()
        .flat_map(|odd| {
            let spots = [Spot::Own, Spot::Json, set(odd), sorted(odd)];
            spots.map(|spot| (Key::from(*odd), spot, 1))
        })
        .collect();
    same("what is to be seen", &seen(mirror).await?, &meant)?;
    let ended = |odd: &&str| View { key: Key::from(*odd), revision: 2, fields: None };
    let views: Vec<View> = odd.iter().map(ended).collect();
    mirror.show(&views).await.map_err(fault)?;
    same("what is to be seen", &seen(mirror).await?, &BTreeSet::new())
}

async fn an_older_view_changes_nothing(mirror: &dyn Halfway) -> Checked {
    show(mirror, view(12, all("new", "p", 2.0))).await?;
    show(mirror, view(9, all("old", "q", 1.0))).await?;
    show(mirror, ended(11)).await?;
    stands(mirror, view(12, all("new", "p", 2.0))).await?;
    shows(mirror, 12, &[Spot::Own, Spot::Json, set("p"), sorted("p")]).await
}

async fn what_is_left_is_left(mirror: &dyn Halfway) -> Checked {
    show(mirror, view(1, all("x", "p", 1.0).in_set("stays"))).await?;
    show(mirror, view(2, all("x", "q", 1.0).in_set("stays"))).await?;
    stands(mirror, view(2, all("x", "q", 1.0).in_set("stays"))).await?;
    shows(mirror, 2, &[Spot::Own, Spot::Json, set("q"), sorted("q"), set("stays")]).await?;
    // And back again.
    show(mirror, view(3, all("x", "p", 1.0))).await?;
    shows(mirror, 3, &[Spot::Own, Spot::Json, set("p"), sorted("p")]).await
}

/// Of a worker that was frozen between two of its steps, as far as a mirror can see it.
async fn an_older_view_does_not_bring_back_what_was_left(mirror: &dyn Halfway) -> Checked {
    show(mirror, view(1, Shows::default().in_set("p"))).await?;
    show(mirror, view(2, Shows::hash([("mark", "x".to_owned())]))).await?;
    show(mirror, view(1, Shows::default().in_set("p"))).await?;
    shows(mirror, 2, &[Spot::Own]).await
}

async fn what_ended_shows_nothing(mirror: &dyn Halfway) -> Checked {
    show(mirror, view(1, all("x", "p", 1.0))).await?;
    show(mirror, ended(2)).await?;
    show(mirror, view(1, all("x", "p", 1.0))).await?;
    stands(mirror, ended(2)).await?;
    shows(mirror, 2, &[]).await?;
    let missing = compared(mirror, view(3, Shows::default().in_set("p"))).await?;
    same("what differs", &missing, &vec![(Spot::Own, How::Older), (set("p"), How::Missing)])
}

async fn a_kind_that_is_shown_no_more_goes(mirror: &dyn Halfway) -> Checked {
    show(mirror, view(1, all("x", "p", 1.0))).await?;
    show(mirror, view(2, Shows::hash([("mark", "x".to_owned())]))).await?;
    shows(mirror, 2, &[Spot::Own]).await?;
    // Another version of the model shows the same revision in another way.
    show(mirror, view(2, Shows::default().json([("a", Value::from(1))]).in_set("p"))).await?;
    stands(mirror, view(2, Shows::default().json([("a", Value::from(1))]).in_set("p"))).await?;
    shows(mirror, 2, &[Spot::Own, Spot::Json, set("p")]).await
}

async fn a_crash_between_the_steps_leaves_nothing_behind(mirror: &dyn Halfway) -> Checked {
    show(mirror, view(1, all("x", "p", 1.0))).await?;
    // Once, and once more: a worker that crashes is shown the same again.
    for _ in 0..2 {
        die_after_the_first_step(mirror, view(2, all("x", "q", 1.0))).await?;
    }
    let differ = !compared(mirror, view(2, all("x", "q", 1.0))).await?.is_empty();
    same("whether the crash is seen", &differ, &true)?;
    show(mirror, view(2, all("x", "q", 1.0))).await?;
    shows(mirror, 2, &[Spot::Own, Spot::Json, set("q"), sorted("q")]).await?;
    stands(mirror, view(2, all("x", "q", 1.0))).await?;
    // What comes next is another revision, and the end.
    die_after_the_first_step(mirror, view(3, all("x", "r", 1.0))).await?;
    die_after_the_first_step(mirror, view(4, all("x", "s", 1.0))).await?;
    die_after_the_first_step(mirror, ended(5)).await?;
    show(mirror, ended(5)).await?;
    shows(mirror, 5, &[]).await?;
    stands(mirror, ended(5)).await
}

/// A worker was frozen after its first step, and goes on when others have shown what is newer.
async fn a_late_second_step_changes_nothing(mirror: &dyn Halfway) -> Checked {
    let late = [view(1, all("old", "p", 1.0))];
    let rest = mirror.first_step(&late).await.map_err(fault)?;
    show(mirror, view(2, all("new", "q", 2.0))).await?;
    rest.await.map_err(fault)?;
    stands(mirror, view(2, all("new", "q", 2.0))).await?;
    shows(mirror, 2, &[Spot::Own, Spot::Json, set("q"), sorted("q")]).await?;
    // And one that was to leave something.
    let late = [view(3, Shows::default().in_set("r"))];
    let rest = mirror.first_step(&late).await.map_err(fault)?;
    show(mirror, view(4, all("new", "q", 4.0))).await?;
    rest.await.map_err(fault)?;
    stands(mirror, view(4, all("new", "q", 4.0))).await?;
    shows(mirror, 4, &[Spot::Own, Spot::Json, set("q"), sorted("q")]).await
}

async fn told_twice_is_told_once(mirror: &dyn Halfway) -> Checked {
    for _ in 0..2 {
        show(mirror, view(1, all("x", "p", 1.0))).await?;
    }
    for _ in 0..2 {
        show(mirror, view(2, all("y", "q", 2.0))).await?;
        stands(mirror, view(2, all("y", "q", 2.0))).await?;
        shows(mirror, 2, &[Spot::Own, Spot::Json, set("q"), sorted("q")]).await?;
    }
    Ok(())
}

async fn many_views_are_shown_together(mirror: &dyn Halfway) -> Checked {
    let view = |n: i64| {
        let score = f64::from(i32::try_from(n).unwrap_or_default());
        let place = if n % 2 == 0 { "even" } else { "odd" };
        let key = Key(format!("k-{n}"));
        View { key, revision: 1 + n % 7, fields: Some(all("x", place, score)) }
    };
    let views: Vec<View> = (0..1_200).map(view).collect();
    mirror.show(&views).await.map_err(fault)?;
    same("what differs", &mirror.compare(&views).await.map_err(fault)?, &Vec::new())?;
    same("how many are seen", &seen(mirror).await?.len(), &(4 * views.len()))
}

async fn what_is_lost_is_found_missing(mirror: &dyn Halfway) -> Checked {
    show(mirror, view(2, all("x", "p", 1.0))).await?;
    let trace = |spot| Trace { key: Key::from(NAME), spot, revision: 2, shown: true };
    let lost = [Spot::Own, set("p")].map(|spot| Stray { trace: trace(spot), stands: 0 });
    mirror.take_out(&lost).await.map_err(fault)?;
    let missing = vec![(Spot::Own, How::Missing), (set("p"), How::Missing)];
    same("what differs", &compared(mirror, view(2, all("x", "p", 1.0))).await?, &missing)?;
    show(mirror, view(2, all("x", "p", 1.0))).await?;
    stands(mirror, view(2, all("x", "p", 1.0))).await
}

async fn strays_go_if_they_are_as_they_were_seen(mirror: &dyn Halfway) -> Checked {
    show(mirror, view(2, all("x", "p", 1.0))).await?;
    let everywhere = [Spot::Own, Spot::Json, set("p"), sorted("p")];
    let strays = |revision| {
        everywhere.clone().map(|spot| {
            let trace = Trace { key: Key::from(NAME), spot, revision, shown: true };
            Stray { trace, stands: 0 }
        })
    };
    mirror.take_out(&strays(1)).await.map_err(fault)?;
    stands(mirror, view(2, all("x", "p", 1.0))).await?;
    mirror.take_out(&strays(2)).await.map_err(fault)?;
    shows(mirror, 0, &[]).await?;
    // Nothing keeps a document away that begins anew.
    show(mirror, view(1, all("y", "p", 1.0))).await?;
    stands(mirror, view(1, all("y", "p", 1.0))).await
}

async fn what_is_newer_than_its_document_can_be_replaced(mirror: &dyn Halfway) -> Checked {
    show(mirror, view(9, all("lost", "p", 9.0))).await?;
    let now = || view(4, all("now", "p", 4.0));
    let everywhere = [Spot::Own, Spot::Json, set("p"), sorted("p")];
    let newer = everywhere.clone().map(|spot| (spot, How::Newer(9)));
    same("what differs", &compared(mirror, now()).await?, &newer.to_vec())?;
    show(mirror, now()).await?;
    stands(mirror, view(9, all("lost", "p", 9.0))).await?;
    let strays = everywhere.clone().map(|spot| {
        let trace = Trace { key: Key::from(NAME), spot, revision: 9, shown: true };
        Stray { trace, stands: 4 }
    });
    mirror.take_out(&strays).await.map_err(fault)?;
    show(mirror, now()).await?;
    stands(mirror, now()).await?;
    shows(mirror, 4, &everywhere).await?;
    show(mirror, view(3, all("old", "p", 3.0))).await?;
    stands(mirror, now()).await
}

async fn a_marker_is_swapped_and_not_overwritten(mirror: &dyn Halfway) -> Checked {
    let marker = async || mirror.sight().await.map(|sight| sight.marker).map_err(fault);
    let mark = async |seen, next| mirror.mark(seen, next).await.map_err(fault);
    same("the marker at first", &marker().await?, &None)?;
    same("a first marker", &mark(None, "one").await?, &true)?;
    same("one that was not seen", &mark(None, "two").await?, &false)?;
    same("one that is gone", &mark(Some("none"), "two").await?, &false)?;
    same("the marker", &marker().await?, &Some("one".to_owned()))?;
    same("one that was seen", &mark(Some("one"), "two").await?, &true)?;
    same("the marker", &marker().await?, &Some("two".to_owned()))
}
