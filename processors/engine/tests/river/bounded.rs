//! The bound on held records: the model stops before the store is full, and repeats are no more.

use std::sync::Arc;

use readmill_core::Key;
use readmill_engine::{Bounded, HeldRecord, HeldStore, Remedy, Unfolded};
use readmill_models::Points;

use crate::earned;
use crate::world::{World, record_of, worker};

fn held(offset: i64, key: Option<&str>) -> HeldRecord {
    HeldRecord {
        model: "points",
        key: key.map(Key::from),
        unfolded: Unfolded::All,
        reason: "broken".to_owned(),
        held_at_ms: 1,
        tries: 0,
        record: earned(offset, "m", 1),
        original: None,
    }
}

fn bounded(world: &World<Points>, limit_records: u64) -> Bounded {
    Bounded::new(Arc::new(world.clone()), limit_records)
}

#[tokio::test]
async fn no_more_than_the_bound_are_held_and_repeats_are_not_more() {
    let world = World::<Points>::new();
    let store = bounded(&world, 20);
    for offset in 0..20 {
        store.hold(&[held(offset, Some("m-1"))]).await.unwrap();
    }
    let fault = store.hold(&[held(20, Some("m-1"))]).await.unwrap_err();
    assert_eq!(fault.remedy(), Remedy::Stop);
    let told = fault.to_string();
    assert!(told.contains("20 records of points are held and 1 more"), "{told}");
    assert!(told.contains("readmill held") && told.contains("held_limit_records"), "{told}");
    // Delivered again, also after a start and together with others: nothing new, nothing refused.
    let all: Vec<HeldRecord> = (0..20).map(|offset| held(offset, Some("m-1"))).collect();
    store.hold(&all).await.unwrap();
    bounded(&world, 20).hold(&all).await.unwrap();
    // The same record under another key, or without one, is another.
    for key in [Some("m-2"), None] {
        bounded(&world, 20).hold(&[held(3, key)]).await.unwrap_err();
    }
    store.release(&all[..1]).await.unwrap();
    store.hold(&[held(20, None)]).await.unwrap();
    assert_eq!(store.count("points").await.unwrap(), 20);
}

#[tokio::test]
async fn processes_side_by_side_do_not_pass_the_bound_unseen() {
    let world = World::<Points>::new();
    let stores: Vec<Bounded> = (0..8).map(|_| bounded(&world, 1_000)).collect();
    let mut refused = 0;
    for offset in 0..1_500 {
        let store = &stores[usize::try_from(offset * 7 % 8).unwrap()];
        refused += u64::from(store.hold(&[held(offset, None)]).await.is_err());
    }
    assert_eq!((world.held().len(), refused), (1_000, 500));
}

#[tokio::test(start_paused = true)]
async fn a_model_stops_at_the_bound_with_nothing_settled() {
    let world = World::<Points>::new();
    let ports = world.ports_holding(Arc::new(bounded(&world, 2)));
    let mut live = worker(&ports);
    let poison = record_of(0, "m-1", Some(1), "poison", b"\x00\x00\x00\x00\x64\xff");
    live.flow(vec![poison, earned(1, "m-1", 2)]).await.unwrap();
    let before = world.document("m-1").unwrap().stamp.revision;
    let fault = live.flow(vec![earned(2, "m-1", 3)]).await.unwrap_err();
    assert_eq!(fault.remedy(), Remedy::Stop);
    assert_eq!(world.document("m-1").unwrap().stamp.revision, before, "the third is not queued");
    assert_eq!(world.held().len(), 2);
}
