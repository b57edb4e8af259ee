//! How far a model is behind its log, as its metric says.

use std::time::Duration;

use readmill_workload::Knobs;

use crate::faults::shipment::Shipment;
use crate::mill::{Mill, wait};
use crate::real::Corner;

const LIMIT: Duration = Duration::from_secs(60);
const RECORDS: usize = 2_000;

/// The sum over partitions, once any is told.
fn lag(mill: &Mill) -> Option<f64> {
    let (_, text) = mill.ask("/metrics")?;
    let its = |line: &&str| line.starts_with("readmill_lag_records{model=\"points\"");
    let lags: Vec<f64> = text
        .lines()
        .filter(its)
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    (!lags.is_empty()).then(|| lags.iter().sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_says_how_many_records_it_has_not_settled_until_there_are_none() {
    let corner = Corner::new("lag");
    corner.make_topics_of(2).await;
    let knobs = Knobs { deliveries_per_mille: 0, ..Knobs::default() };
    let mut shipment = Shipment::of(&corner, &knobs, 2).await;
    shipment.send(RECORDS, 2).await;
    let lanes = format!("lanes = {{ {} = \"slow\" }}", corner.topics("points"));
    let configuration = corner.configuration().replace(
        "[models.points]",
        &format!("[lanes.slow]\nrate_records_per_s = 150\n\n[models.points]\n{lanes}"),
    );
    let mill = Mill::start(corner.dir(), &configuration);
    let mut before = RECORDS as f64 + 1.0;
    wait(LIMIT, "a lag to be told", || lag(&mill).is_some_and(|lag| lag > 100.0));
    wait(LIMIT, "nothing to be left", || {
        let now = lag(&mill).unwrap();
        assert!(now <= before, "{before} and then {now}");
        before = now;
        now == 0.0
    });
    assert_eq!(mill.stop(), Some(0));
}
