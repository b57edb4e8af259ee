//! Reading metrics back from their exposition text: the page shows what Prometheus sees.

use std::collections::BTreeMap;

use readmill_engine::Meter;

/// One sample.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sample<'t> {
    name: &'t str,
    labels: BTreeMap<&'t str, String>,
    value: &'t str,
}

/// The samples of a scrape.
#[derive(Debug)]
pub struct Exposition<'t> {
    samples: Vec<Sample<'t>>,
}

/// A histogram of one model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    /// Upper bounds with the number of values up to them, in their order; the last is infinity.
    buckets: Vec<(f64, f64)>,
}

impl<'t> Exposition<'t> {
    /// Reads a text; lines that are no samples are passed over.
    pub fn read(text: &'t str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self { samples: lines.filter_map(sample).collect() }
    }

    /// The value of a model's counter or gauge; 0 before it was first touched.
    pub fn count(&self, meter: Meter, model: &str) -> i64 {
        let own = |s: &&Sample<'_>| s.name == meter.name() && s.is("model", model);
        self.samples.iter().filter(own).filter_map(|s| s.value.parse::<i64>().ok()).sum()
    }

    /// The same; none before it was first touched.
    pub fn known(&self, meter: Meter, model: &str) -> Option<i64> {
        let own = |s: &&Sample<'_>| s.name == meter.name() && s.is("model", model);
        self.samples.iter().any(|s| own(&s)).then(|| self.count(meter, model))
    }

    /// The sums of a counter or gauge by the values of a label.
    pub fn by_label(&self, meter: Meter, label: &str) -> BTreeMap<String, i64> {
        let mut sums = BTreeMap::new();
        for sample in self.samples.iter().filter(|s| s.name == meter.name()) {
            let value: i64 = sample.value.parse().unwrap_or(0);
            *sums.entry(sample.label(label)).or_default() += value;
        }
        sums
    }

    /// A model's histogram.
    pub fn histogram(&self, meter: Meter, model: &str) -> Histogram {
        let name = format!("{}_bucket", meter.name());
        let own = self.samples.iter().filter(|s| s.name == name && s.is("model", model));
        let mut buckets: Vec<(f64, f64)> = own
            .filter_map(|s| Some((s.labels.get("le")?.parse().ok()?, s.value.parse().ok()?)))
            .collect();
        buckets.sort_by(|left, right| left.0.total_cmp(&right.0));
        Histogram { buckets }
    }

    /// Where each partition of a model would resume: topic, partition, offset.
    pub fn positions(&self, model: &str) -> Vec<(String, String, i64)> {
        self.samples
            .iter()
            .filter(|s| s.name == Meter::ResumeAt.name() && s.is("model", model))
            .filter_map(|s| Some((s.label("topic"), s.label("partition"), s.value.parse().ok()?)))
            .collect()
    }
}

impl Sample<'_> {
    fn is(&self, label: &str, value: &str) -> bool {
        self.labels.get(label).is_some_and(|found| found == value)
    }

    fn label(&self, name: &str) -> String {
        self.labels.get(name).cloned().unwrap_or_default()
    }
}

impl Histogram {
    /// How many values there are.
    pub fn count(&self) -> f64 {
        self.buckets.last().map_or(0.0, |(_, count)| *count)
    }

    /// What was added since it was read before; all of it if it was another one then.
    pub fn since(&self, before: &Self) -> Self {
        let is_same = |(now, before): (&(f64, f64), &(f64, f64))| {
            now.0.total_cmp(&before.0).is_eq() && now.1 >= before.1
        };
        let pairs = || self.buckets.iter().zip(&before.buckets);
        if self.buckets.len() != before.buckets.len() || !pairs().all(is_same) {
            return self.clone();
        }
        Self { buckets: pairs().map(|(now, before)| (now.0, now.1 - before.1)).collect() }
    }

    /// An estimate of a quantile, straight within its bucket as Prometheus does it; none without
    /// values. Beyond the last bound it is that bound.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let rank = self.count() * q;
        if self.count() <= 0.0 {
            return None;
        }
        let (mut lower, mut below) = (0.0, 0.0);
        for &(upper, count) in &self.buckets {
            if count >= rank && count > below {
                if upper.is_infinite() {
                    return Some(lower);
                }
                return Some(lower + (upper - lower) * (rank - below) / (count - below));
            }
            (lower, below) = (upper, count);
        }
        None
    }
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let (series, value) = line.rsplit_once(' ')?;
    match series.split_once('{') {
        None => Some(Sample { name: series, labels: BTreeMap::new(), value }),
        Some((name, labels)) => Some(Sample { name, labels: read_labels(labels), value }),
    }
}

/// `a="x",b="y"}`; within a value `\\`, `\"` and `\n` are escaped.
fn read_labels(mut text: &str) -> BTreeMap<&str, String> {
    let mut labels = BTreeMap::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let mut value = String::new();
        let mut letters = rest.char_indices();
        let mut end = rest.len();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => match letters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, other)) => value.push(other),
                    None => {}
                },
                other => value.push(other),
            }
        }
        labels.insert(name.trim_start_matches(','), value);
        text = rest.get(end..).unwrap_or_default();
    }
    labels
}

#[cfg(test)]
mod tests {
    use readmill_engine::Metrics;

    use super::*;

    #[test]
    fn what_was_counted_is_read_back() {
        let metrics = Metrics::new().unwrap();
        metrics.add(Meter::Consumed, &["points", "a", "0"], 3);
        metrics.add(Meter::Consumed, &["points", "a", "1"], 4);
        metrics.add(Meter::Consumed, &["deliveries", "a", "0"], 5);
        metrics.set(Meter::ResumeAt, &["points", "a\"{b}\\", "3"], 42);
        let text = metrics.render().unwrap();
        let read = Exposition::read(&text);
        assert_eq!(read.count(Meter::Consumed, "points"), 7);
        assert_eq!(read.count(Meter::Written, "points"), 0);
        assert_eq!(read.known(Meter::Held, "points"), None);
        let positions = read.positions("points");
        assert_eq!(positions, [("a\"{b}\\".to_owned(), "3".to_owned(), 42)]);
    }

    #[test]
    fn quantiles_are_estimated_within_their_bucket() {
        let metrics = Metrics::new().unwrap();
        assert_eq!(Histogram::default().quantile(0.5), None);
        for _ in 0..100 {
            metrics.observe(Meter::Freshness, &["points"], 0.07);
        }
        let text = metrics.render().unwrap();
        let histogram = Exposition::read(&text).histogram(Meter::Freshness, "points");
        let median = histogram.quantile(0.5).unwrap();
        assert!((0.05..=0.1).contains(&median), "{median}");
        metrics.observe(Meter::Freshness, &["points"], 1e9);
        let text = metrics.render().unwrap();
        let histogram = Exposition::read(&text).histogram(Meter::Freshness, "points");
        assert_eq!(histogram.quantile(1.0), Some(60.0));
        assert_eq!(histogram.count(), 101.0);
        assert_eq!(histogram.since(&Histogram::default()), histogram);
        assert_eq!(histogram.since(&histogram).quantile(0.5), None);
    }
}
