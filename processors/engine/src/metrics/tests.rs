//! Every metric is registered, under its own name, with words and with labels that are bounded.

use std::collections::BTreeSet;

use readmill_core::Outcome;

use super::domain::{DOMAINS, Domain, domain};
use super::table::{Kind, Spec};
use super::*;
use crate::verify::Kind as Finding;

/// A large installation, by which it is counted how many series there can be.
const MODELS: usize = 20;
const PARTITIONS_OF_A_MODEL: usize = 100;
const TOPICS_OF_A_MODEL: usize = 5;
const LANES: usize = 6;
const ROLLUPS_OF_A_MODEL: usize = 3;
/// So many an instance of it may show; a Prometheus takes a million and more.
const MOST_SERIES: usize = 150_000;

#[test]
fn every_meter_is_registered_under_its_own_name() {
    let metrics = Metrics::new().unwrap();
    for (place, Spec { meter, name, labels, .. }) in all().enumerate() {
        assert_eq!(*meter as usize, place, "{meter:?} is out of the enum's order");
        metrics.add(*meter, labels, 1);
        metrics.set(*meter, labels, 1);
        metrics.set_seconds(*meter, labels, 1.5);
        metrics.rise(*meter, labels, 1.5);
        metrics.observe(*meter, labels, 1.0);
        assert!(metrics.render().unwrap().contains(name), "{meter:?}");
    }
}

#[test]
fn every_meter_has_one_piece_of_advice_and_names_follow_the_custom() {
    for spec in all() {
        let rooms = advice::rooms().flat_map(|room| room.advice);
        assert_eq!(rooms.filter(|(meter, _)| *meter == spec.meter).count(), 1, "{}", spec.name);
        let is_counter = matches!(spec.kind, Kind::Counter | Kind::SecondsTotal);
        assert_eq!(spec.name.ends_with("_total"), is_counter, "{}", spec.name);
        assert!(spec.name.starts_with("readmill_") || spec.name.starts_with("process_"));
    }
}

#[test]
fn the_documented_page_is_what_the_tables_make() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == document(), "make it anew: readmill metrics > docs/metrics.md");
}

#[test]
fn the_words_of_labels_are_those_of_the_code() {
    let words = |label| match domain(label) {
        Some(Domain::Words(words)) => words.iter().copied().collect::<BTreeSet<&str>>(),
        other => panic!("{label}: {other:?}"),
    };
    let ended = Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Waiting);
    assert_eq!(words("outcome"), ended.map(Outcome::name).collect());
    assert_eq!(words("kind"), Finding::ALL.into_iter().map(Finding::name).collect());
    let stations = crate::station::Station::ALL.into_iter().map(crate::station::Station::name);
    assert_eq!(words("station"), stations.collect());
}

/// How many values a label has in that installation, within one model.
fn size(label: &str) -> usize {
    match (label, domain(label).unwrap_or_else(|| panic!("the label {label} has no domain"))) {
        (_, Domain::Words(words)) => words.len() + 1,
        (_, Domain::AtMost(most, _)) => most,
        ("model", Domain::AsMany(_)) => 1,
        ("partition", Domain::AsMany(_)) => PARTITIONS_OF_A_MODEL / TOPICS_OF_A_MODEL,
        ("topic", Domain::AsMany(_)) => TOPICS_OF_A_MODEL,
        ("lane", Domain::AsMany(_)) => LANES,
        ("rollup", Domain::AsMany(_)) => ROLLUPS_OF_A_MODEL,
        (other, Domain::AsMany(_)) => panic!("{other}: as many as what?"),
    }
}

#[test]
fn every_label_has_a_domain_and_all_series_together_are_bounded() {
    let mut all_series = 0;
    for spec in all() {
        let closed = |label: &&&str| matches!(domain(label), Some(Domain::Words(_)));
        assert!(
            spec.labels.iter().filter(closed).count() < 2,
            "{}: two labels of words",
            spec.name
        );
        let values: usize = spec.labels.iter().map(|label| size(label)).product();
        let models = if spec.labels.contains(&"model") { MODELS } else { 1 };
        let lines = match spec.kind {
            Kind::Histogram(bounds) => bounds.len() + 3,
            Kind::Counter | Kind::SecondsTotal | Kind::Gauge | Kind::Seconds => 1,
        };
        all_series += models * values * lines;
    }
    assert!(all_series < MOST_SERIES, "{all_series}");
    let used: BTreeSet<&str> = all().flat_map(|spec| spec.labels).copied().collect();
    assert_eq!(used, DOMAINS.iter().map(|(label, _)| *label).collect());
}

#[test]
fn words_that_are_none_of_a_labels_make_one_series() {
    let metrics = Metrics::new().unwrap();
    let series = || {
        let text = metrics.render().unwrap();
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    let before = series();
    for n in 0..5_000 {
        let odd = format!("reason {n}");
        metrics.add(Meter::HttpRefused, &[&odd], 1);
        metrics.add(Meter::Ended, &["points", "t", "0", &odd], 1);
        metrics.observe(Meter::Station, &["points", &odd], 0.1);
        metrics.set(Meter::VerifyFindings, &["points", &odd], 1);
        metrics.add(Meter::RegistryAnswers, &[&odd], 1);
    }
    assert_eq!(series() - before, 4 + 17);
    assert!(
        metrics.render().unwrap().contains("readmill_http_refused_total{reason=\"other\"} 5000")
    );
}

#[test]
fn counters_of_a_model_begin_at_0_with_it_and_partitions_when_they_come() {
    let metrics = Metrics::new().unwrap();
    let lines = |name: &str| {
        let text = metrics.render().unwrap();
        let its = |line: &&str| line.starts_with(&format!("{name}{{"));
        text.lines().filter(its).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines("readmill_http_refused_total").len(), 9);
    assert!(lines("readmill_retries_total").is_empty());
    metrics.begin("points");
    assert_eq!(lines("readmill_retries_total"), ["readmill_retries_total{model=\"points\"} 0"]);
    assert_eq!(lines("readmill_rebalances_total").len(), 4);
    assert!(lines("readmill_consumed_total").is_empty());
}

#[test]
fn metrics_that_are_off_measure_nothing() {
    let metrics = Metrics::off();
    metrics.add(Meter::Consumed, &["points", "t", "0"], 1);
    metrics.observe(Meter::Freshness, &["points"], 0.1);
    assert_eq!(metrics.render().unwrap(), "");
}
