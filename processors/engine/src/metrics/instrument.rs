//! What a metric is registered as.

use prometheus::core::Collector;
use prometheus::{
    CounterVec, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts,
    Registry,
};

use super::domain::Fits;
use super::table::{Kind, Spec};

/// A registered metric.
pub enum Instrument {
    Counter(Fits, IntCounterVec),
    SecondsTotal(Fits, CounterVec),
    Gauge(Fits, IntGaugeVec),
    Seconds(Fits, GaugeVec),
    Histogram(Fits, HistogramVec),
}

/// Registers one.
///
/// # Errors
/// When its name is taken.
pub fn register(registry: &Registry, spec: &Spec) -> Result<Instrument, prometheus::Error> {
    let (opts, fits) = (Opts::new(spec.name, spec.help), Fits::of(spec.labels));
    let kept = |collector: Box<dyn Collector>| registry.register(collector);
    Ok(match spec.kind {
        Kind::Counter => {
            let counter = IntCounterVec::new(opts, spec.labels)?;
            kept(Box::new(counter.clone()))?;
            Instrument::Counter(fits, counter)
        }
        Kind::SecondsTotal => {
            let counter = CounterVec::new(opts, spec.labels)?;
            kept(Box::new(counter.clone()))?;
            Instrument::SecondsTotal(fits, counter)
        }
        Kind::Gauge => {
            let gauge = IntGaugeVec::new(opts, spec.labels)?;
            kept(Box::new(gauge.clone()))?;
            Instrument::Gauge(fits, gauge)
        }
        Kind::Seconds => {
            let gauge = GaugeVec::new(opts, spec.labels)?;
            kept(Box::new(gauge.clone()))?;
            Instrument::Seconds(fits, gauge)
        }
        Kind::Histogram(bounds) => {
            let opts = HistogramOpts::from(opts).buckets(bounds.to_vec());
            let histogram = HistogramVec::new(opts, spec.labels)?;
            kept(Box::new(histogram.clone()))?;
            Instrument::Histogram(fits, histogram)
        }
    })
}

/// The sum over all series of a gauge; none if there are none.
#[allow(clippy::cast_possible_truncation, reason = "they are whole numbers")]
pub fn total(gauge: &IntGaugeVec) -> Option<i64> {
    let families = gauge.collect();
    let series = families.iter().flat_map(|family| family.get_metric());
    series.map(|metric| metric.get_gauge().get_value() as i64).reduce(i64::saturating_add)
}

/// One series of a histogram.
#[derive(Debug, Clone, Default)]
pub struct Observer(Option<Histogram>);

impl Observer {
    /// The series.
    pub const fn of(histogram: Histogram) -> Self {
        Self(Some(histogram))
    }

    /// Observes a value.
    pub fn observe(&self, value: f64) {
        if let Some(histogram) = &self.0 {
            histogram.observe(value);
        }
    }
}
