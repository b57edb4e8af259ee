//! What a metric is registered as.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::table::{Kind, Spec};

/// A registered metric.
#[derive(Debug, Clone)]
pub enum Instrument {
    Counter(IntCounterVec),
    Gauge(IntGaugeVec),
    Histogram(HistogramVec),
}

/// Registers one.
///
/// # Errors
/// When its name is taken.
pub fn register(registry: &Registry, spec: &Spec) -> Result<Instrument, prometheus::Error> {
    let opts = Opts::new(spec.name, spec.help);
    Ok(match spec.kind {
        Kind::Counter => {
            let counter = IntCounterVec::new(opts, spec.labels)?;
            registry.register(Box::new(counter.clone()))?;
            Instrument::Counter(counter)
        }
        Kind::Gauge => {
            let gauge = IntGaugeVec::new(opts, spec.labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Instrument::Gauge(gauge)
        }
        Kind::Histogram(bounds) => {
            let opts = HistogramOpts::from(opts).buckets(bounds.to_vec());
            let histogram = HistogramVec::new(opts, spec.labels)?;
            registry.register(Box::new(histogram.clone()))?;
            Instrument::Histogram(histogram)
        }
    })
}
