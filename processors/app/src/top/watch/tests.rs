//! What looks come to.

use readmill_core::Counts;
use readmill_engine::{Meter, Metrics};

use super::super::told::{StationTold, measured};
use super::*;

fn look(uptime_seconds: f64, consumed: u64, metrics: &Metrics) -> Look {
    let counts = Counts { consumed, applied: consumed, ..Counts::default() };
    let model =
        ModelTold { name: "points".to_owned(), counts, add_up: true, ..ModelTold::default() };
    let intake = StationTold { number: 1, total: consumed, ..StationTold::default() };
    let (stations, models) = (vec![intake], vec![model]);
    let status = Status { uptime_seconds, stations, models, ..Status::default() };
    let text = metrics.render().unwrap();
    let measured = measured(&text, ["points"].into_iter());
    Look { status, measured, ..Look::default() }
}

fn behind(records: u64, of: u64) -> BTreeMap<String, Generations> {
    let one = GenerationTold {
        generation: 2,
        behind_records: Some(records),
        of_records: Some(of),
        ..GenerationTold::default()
    };
    let live = GenerationTold { generation: 1, live: true, ..GenerationTold::default() };
    let told = Generations { swapping_to: None, generations: vec![live, one] };
    BTreeMap::from([("points".to_owned(), told)])
}

#[test]
fn rates_and_freshness_are_those_of_the_last_looks() {
    let (metrics, mut watch, now) = (Metrics::new().unwrap(), Watch::default(), Instant::now());
    assert!(watch.shown("here").is_none());
    // Long ago everything was slow.
    for _ in 0..1_000 {
        metrics.observe(Meter::Freshness, &["points"], 9.0);
    }
    watch.take(look(10.0, 1_000, &metrics), now);
    let alone = watch.shown("here").unwrap();
    assert_eq!(alone.models[0].records_per_second, None);
    for _ in 0..100 {
        metrics.observe(Meter::Freshness, &["points"], 0.02);
    }
    metrics.set(Meter::LagRecords, &["points", "t", "0"], 4);
    metrics.set(Meter::LagRecords, &["points", "t", "1"], 5);
    watch.take(look(12.0, 1_100, &metrics), now);
    let shown = watch.shown("here").unwrap();
    let model = &shown.models[0];
    assert_eq!(model.records_per_second, Some(50.0));
    assert!(model.freshness_p99_seconds.unwrap() <= 0.02, "{model:?}");
    assert_eq!((model.lag_records, model.held_records), (Some(9), None));
    assert_eq!(shown.river[0].per_second, Some(50.0));
    assert_eq!((shown.window_seconds, shown.trend.as_slice()), (2.0, [50.0].as_slice()));
}

#[test]
fn only_the_last_looks_count() {
    let (metrics, mut watch, now) = (Metrics::new().unwrap(), Watch::default(), Instant::now());
    for (second, consumed) in [(0.0, 0), (1.0, 1_000), (2.0, 1_000), (3.0, 1_000), (4.0, 1_000)] {
        watch.take(look(second, consumed, &metrics), now);
    }
    assert_eq!(watch.shown("h").unwrap().river[0].per_second, Some(250.0));
    watch.take(look(5.0, 1_000, &metrics), now);
    assert_eq!(watch.shown("h").unwrap().river[0].per_second, Some(0.0));
}

#[test]
fn an_instance_that_began_anew_is_another_one() {
    let (metrics, mut watch, now) = (Metrics::new().unwrap(), Watch::default(), Instant::now());
    watch.take(look(100.0, 5_000, &metrics), now);
    watch.take(look(1.0, 7, &metrics), now);
    let shown = watch.shown("here").unwrap();
    assert_eq!((shown.models[0].records_per_second, shown.trend.len()), (None, 0));
    assert_eq!(shown.models[0].counts.consumed, 7);
}

#[test]
fn a_rebuild_has_a_pace_and_an_end() {
    let (metrics, mut watch, now) = (Metrics::new().unwrap(), Watch::default(), Instant::now());
    let mut first = look(1.0, 0, &metrics);
    first.generations = behind(900, 1_000);
    watch.take(first, now);
    assert_eq!(watch.busy(), ["points"]);
    let generation = watch.shown("here").unwrap().generations[1].clone();
    assert_eq!((generation.records_per_second, generation.read()), (None, Some((100, 1_000))));
    let mut second = look(11.0, 0, &metrics);
    second.generations = behind(500, 1_100);
    watch.take(second, now + Duration::from_secs(10));
    // A look that did not ask for generations forgets none.
    watch.take(look(12.0, 0, &metrics), now + Duration::from_secs(11));
    let generation = watch.shown("here").unwrap().generations[1].clone();
    assert_eq!(generation.records_per_second, Some(50.0));
    assert_eq!(generation.eta_seconds, Some(12.5));
}
