//! Every metric is registered, under its own name.

use super::table::Spec;
use super::*;

#[test]
fn every_meter_is_registered_under_its_own_name() {
    let metrics = Metrics::new().unwrap();
    for (place, Spec { meter, name, labels, .. }) in METRICS.iter().enumerate() {
        assert_eq!(*meter as usize, place, "{meter:?} is out of the enum's order");
        metrics.add(*meter, labels, 1);
        metrics.set(*meter, labels, 1);
        metrics.observe(*meter, labels, 1.0);
        assert!(metrics.render().unwrap().contains(name), "{meter:?}");
    }
}
