//! Mirrors that are down, and scans that stand still.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use readmill_core::Key;
use tokio::time::Instant;

use super::scan::Scan;
use super::{Care, Difference, Heals, Sight, Stray, Tended, Trace};
use crate::fault::{Fault, Remedy};
use crate::ports::{Mirror, View};

/// It never answers.
#[derive(Debug, Default)]
struct Deaf(AtomicU64);

#[async_trait]
impl Mirror for Deaf {
    async fn show(&self, _: &[View]) -> Result<(), Fault> {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::future::pending().await
    }
}

#[async_trait]
impl Heals for Deaf {
    async fn compare(&self, _: &[View]) -> Result<Vec<Difference>, Fault> {
        std::future::pending().await
    }

    async fn traces(&self, _: &mut (dyn FnMut(Trace) + Send)) -> Result<(), Fault> {
        std::future::pending().await
    }

    async fn take_out(&self, _: &[Stray]) -> Result<(), Fault> {
        std::future::pending().await
    }

    async fn sight(&self) -> Result<Sight, Fault> {
        std::future::pending().await
    }

    async fn mark(&self, _: Option<&str>, _: &str) -> Result<bool, Fault> {
        std::future::pending().await
    }

    fn user(&self) -> &'static str {
        "deaf"
    }
}

fn view(key: &str) -> View {
    View { key: Key::from(key), revision: 1, fields: None }
}

#[tokio::test(start_paused = true)]
async fn a_mirror_that_is_not_required_holds_nobody_up_and_what_it_misses_is_remembered() {
    let deaf = Arc::new(Deaf::default());
    let care = Care { required: false, ..Care::default() };
    let tended = Tended::new(Arc::clone(&deaf) as Arc<dyn Heals>, care);
    tended.begin();
    let began = Instant::now();
    for key in ["a", "b", "a"] {
        tended.show(&[view(key)]).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(deaf.0.load(Ordering::Relaxed), 1, "it is not asked while it is down");
    let missed = tended.take_missed();
    assert_eq!(missed.keys.len(), 2);
    assert!(!missed.and_more && tended.missed_keys() == 0);
    tended.show(&[view("c")]).await.unwrap();
    assert_eq!(deaf.0.load(Ordering::Relaxed), 2, "it is asked again");
}

#[tokio::test(start_paused = true)]
async fn a_required_mirror_and_one_that_nobody_tends_are_waited_for() {
    let lenient = Care { required: false, ..Care::default() };
    for (care, tending) in [(Care::default(), true), (lenient, false)] {
        let tended = Tended::new(Arc::new(Deaf::default()), care);
        if tending {
            tended.begin();
        }
        let views = [view("a")];
        let shown = tokio::time::timeout(Duration::from_secs(60), tended.show(&views)).await;
        assert!(shown.is_err(), "{care:?}");
    }
}

#[tokio::test]
async fn a_scan_goes_no_further_than_its_reader() {
    let steps = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&steps);
    let mut scan = Scan::begin(|found| {
        Box::pin(async move {
            for step in 0..10 {
                counted.fetch_add(1, Ordering::Relaxed);
                (0..4).for_each(|n| found.push(step * 4 + n));
                tokio::task::yield_now().await;
            }
            Err(Fault::Abandoned)
        })
    });
    assert_eq!(scan.next(6).await.unwrap(), (0..8).collect::<Vec<_>>());
    assert_eq!(steps.load(Ordering::Relaxed), 2);
    assert_eq!(scan.next(30).await.unwrap().len(), 32);
    assert_eq!(scan.next(1).await.unwrap_err().remedy(), Remedy::LetGo);
}
