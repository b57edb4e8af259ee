//! Documents that are made anew, and all that follows from them: groups of roll-ups, copies, edges.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use readmill_core::{Key, Partition, ResumeAt};
use readmill_engine::feed::Feed;
use readmill_engine::patience::Patience;
use readmill_engine::verify::{
    Doing, Following, Mends, Places, Scope, Seen, Summary, Tolerances, Trail, Verification,
};
use readmill_engine::{Fault, Forgetting, Log, Ports};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::purses::{Around, EARNED, HELD, Purses, SEEN, flow, put, records};

const MINUTE: Duration = Duration::from_secs(60);

/// A log of which everything is settled.
struct Still {
    begins: Places,
    /// Somebody writes a document when the log is read for the first time.
    meddler: Option<(Around, &'static str)>,
    opened: AtomicUsize,
    has_forgotten: bool,
}

impl std::fmt::Debug for Still {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Still").finish_non_exhaustive()
    }
}

impl Still {
    fn new() -> Self {
        let at = |index| (Partition::new("t", index), ResumeAt::stored(3));
        let begins = Places::from([at(0), at(1)]);
        Self { begins, meddler: None, opened: AtomicUsize::new(0), has_forgotten: false }
    }
}

/// A log that has no more.
struct Ended;

#[async_trait]
impl Log for Ended {
    async fn assigned(&mut self) -> Result<Option<Feed>, Fault> {
        Ok(None)
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

#[async_trait]
impl Trail for Still {
    async fn open(&self, _: &Places) -> Result<Box<dyn Log>, Fault> {
        if let Some((around, key)) = &self.meddler
            && self.opened.fetch_add(1, Ordering::Relaxed) == 0
        {
            let mut document = around.world.document(key).unwrap();
            document.stamp.revision += 1;
            around.world.set(key, document);
        }
        Ok(Box::new(Ended))
    }

    fn begins(&self) -> &Places {
        &self.begins
    }

    async fn ends(&self) -> Result<Places, Fault> {
        Ok(self.begins.clone())
    }

    async fn settled(&self) -> Result<Places, Fault> {
        Ok(self.begins.clone())
    }

    async fn has_forgotten_since(&self, _: &Forgetting) -> Result<bool, Fault> {
        Ok(self.has_forgotten)
    }

    fn is_whole(&self) -> bool {
        true
    }
}

/// A family of which `d` looks at another one, and `p` has so much.
async fn family(points: i64, target: &str) -> Around {
    let around = Around::new();
    let ports = around.ports();
    let parents = [put("p", 1, 3, ""), put("q", 1, 4, ""), put("p", 2, points, "")];
    flow(&ports, 0, vec![records(0, 0, &parents)]).await.unwrap();
    let children = [put("d", 1, 1, "p"), put("e", 1, 1, "p"), put("d", 2, 1, target)];
    flow(&ports, 1, vec![records(1, 0, &children)]).await.unwrap();
    around
}

fn seen(ports: &Ports<Purses>) -> Seen<Purses> {
    let (store, side) = (ports.store.clone(), ports.side.clone());
    Seen { store, side, counts_forgotten: false }
}

/// Makes some documents anew by those of another world.
async fn make_anew(
    left: &Around,
    right: &Around,
    keys: &[&str],
    trail: &Still,
) -> Result<Summary, Fault> {
    let (ports, right) = (left.ports(), right.ports());
    let (_open, closing) = watch::channel(false);
    let patience = Patience::new(closing, ports.metrics.clone(), "purses");
    let mut verification = Verification {
        left: &seen(&ports),
        right: &seen(&right),
        right_stands: true,
        right_was_late: false,
        trail,
        script: ports.script.clone(),
        tolerances: Tolerances::default(),
        scope: Scope::Keys(keys.iter().copied().map(Key::from).collect()),
        with_groups: true,
        doing: Doing::Repair,
        following: Some(Following::of(&ports, patience.clone())),
        patience,
        rest_limit: MINUTE,
        limit_per_second: u32::MAX,
        began: Instant::now(),
        summary: Summary::default(),
        departed: BTreeSet::new(),
        mends: Mends::default(),
        told: &mut |_| {},
    };
    verification.run(None).await?;
    Ok(std::mem::take(&mut verification.summary))
}

#[track_caller]
fn check(left: &Around, right: &Around) {
    for key in ["p", "q", "d", "e"] {
        assert_eq!(left.purse(key), right.purse(key), "{key}");
    }
    let owed = left.world.document("p").unwrap().stamp.unsent;
    let mut owed = owed.iter().map(|output| &output.from.partition.topic);
    assert!(!owed.any(|topic| topic.contains("mended")), "it is kept although it was told");
    for rollup in [&HELD, &SEEN, &EARNED] {
        assert_eq!(left.totals(rollup), right.totals(rollup), "{}", rollup.name);
    }
    let edges = |around: &Around| -> BTreeSet<Key> {
        let all = around.edges.states().into_iter();
        all.filter_map(|(key, edge)| edge.map(|_| key)).collect()
    };
    assert_eq!(edges(left), edges(right));
}

#[tokio::test(start_paused = true)]
async fn copies_edges_and_rollups_follow_a_document_that_is_made_anew() {
    let (left, right) = (family(9, "p").await, family(5, "q").await);
    assert_eq!(left.purse("e").unwrap().seen, Some(9_000));
    let before = left.world.document("q").unwrap();
    let summary = make_anew(&left, &right, &["d", "p"], &Still::new()).await.unwrap();
    assert_eq!((summary.documents, summary.not_mended), (2, 0), "{summary:?}");
    check(&left, &right);
    assert_eq!(left.world.document("q").unwrap(), before, "nobody named it");
    let history = left.world.history().len();
    let summary = make_anew(&left, &right, &["d", "p"], &Still::new()).await.unwrap();
    assert_eq!((summary.findings(), left.world.history().len()), (0, history), "done again");
}

#[tokio::test(start_paused = true)]
async fn whoever_makes_them_anew_may_die_before_others_are_told() {
    let (left, right) = (family(9, "p").await, family(5, "q").await);
    // Who embeds it cannot be written, and so is not told.
    left.world.stall(Some("e"));
    let still = Still::new();
    let made = timeout(MINUTE, make_anew(&left, &right, &["d", "p"], &still));
    assert!(made.await.is_err(), "it was to die");
    left.world.stall(None);
    assert_eq!(left.purse("p").unwrap().points, 5, "the document itself is durable");
    assert_eq!(left.purse("e").unwrap().seen, Some(9_000));
    let summary = make_anew(&left, &right, &["d", "p"], &Still::new()).await.unwrap();
    assert_eq!(summary.not_mended, 0, "{summary:?}");
    check(&left, &right);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_another_writer_changes_first_is_judged_anew() {
    let (left, right) = (family(9, "p").await, family(5, "p").await);
    let around = Around {
        world: left.world.clone(),
        partials: left.partials.clone(),
        edges: left.edges.clone(),
    };
    let trail = Still { meddler: Some((around, "p")), ..Still::new() };
    let summary = make_anew(&left, &right, &["p"], &trail).await.unwrap();
    assert_eq!(summary.not_mended, 0, "{summary:?}");
    check(&left, &right);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_anew_once_somebody_was_forgotten_meanwhile() {
    let (left, right) = (family(9, "p").await, family(5, "p").await);
    let trail = Still { has_forgotten: true, ..Still::new() };
    let history = left.world.history().len();
    let refused = make_anew(&left, &right, &["p"], &trail).await;
    let Err(Fault::Refused { detail, .. }) = refused else { panic!("{refused:?}") };
    assert!(detail.contains("forgotten meanwhile"), "{detail}");
    assert_eq!(left.world.history().len(), history, "nothing was written");
}
