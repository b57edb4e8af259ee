//! What folding a queue at once, and the cache of hot documents, save: writes, reads and bytes.

use std::io;

use readmill_core::{Document, ReadModel};

use crate::metrics::{Meter, Metrics};

/// One written document out of so many is sized, beginning with the first.
const SIZED_EVERY: u64 = 64;

/// A new size weighs this part of the mean.
const WEIGHT: u64 = 8;

const COALESCING: &str = "coalescing";
const CACHE: &str = "cache";

/// The savings of one shard. Bytes are an estimate, by a running mean of the sizes as JSON of
/// documents that it wrote.
#[derive(Debug, Default)]
pub struct Savings {
    written: u64,
    mean_bytes: u64,
}

impl Savings {
    /// Documents were found in the cache and need not be read.
    pub fn cached<M: ReadModel>(&self, metrics: &Metrics, documents: u64) {
        let bytes = documents.saturating_mul(self.mean_bytes);
        metrics.add(Meter::SavedBytes, &[M::NAME, CACHE], bytes);
    }

    /// A document was written once, after it had been at revision `loaded`: each event that it took
    /// in has made a revision, and would have been a write of its own.
    pub fn written<M: ReadModel>(
        &mut self,
        metrics: &Metrics,
        document: &Document<M>,
        loaded: i64,
    ) {
        let Ok(events) = u64::try_from(document.stamp.revision - loaded) else { return };
        let Some(saved) = events.checked_sub(1) else { return };
        if self.written.is_multiple_of(SIZED_EVERY) {
            self.size(document);
        }
        self.written += 1;
        metrics.add(Meter::SavedWrites, &[M::NAME], saved);
        let bytes = saved.saturating_mul(self.mean_bytes);
        metrics.add(Meter::SavedBytes, &[M::NAME, COALESCING], bytes);
    }

    fn size<M: ReadModel>(&mut self, document: &Document<M>) {
        let mut count = Count(0);
        // What cannot be written is told where it is written.
        if serde_json::to_writer(&mut count, document).is_err() {
            return;
        }
        self.mean_bytes = match self.mean_bytes {
            0 => count.0,
            mean => (mean * (WEIGHT - 1) + count.0) / WEIGHT,
        };
    }
}

/// Counts what is written, and keeps nothing of it.
struct Count(u64);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use readmill_core::Stamp;
    use readmill_models::Points;

    use super::*;

    fn at(revision: i64) -> Document<Points> {
        Document { state: None, stamp: Stamp { revision, ..Stamp::default() } }
    }

    fn counted(metrics: &Metrics, series: &str) -> u64 {
        let text = metrics.render().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.map_or(0, |count| count.trim().parse().unwrap())
    }

    #[test]
    fn each_event_but_one_of_a_write_is_a_write_saved() {
        let (metrics, mut savings) = (Metrics::new().unwrap(), Savings::default());
        for (loaded, revision) in [(0, 1), (1, 5), (5, 5), (5, 4), (7, 9)] {
            savings.written(&metrics, &at(revision), loaded);
        }
        assert_eq!(counted(&metrics, r#"readmill_saved_writes_total{model="points"}"#), 4);
        let bytes = serde_json::to_string(&at(1)).unwrap().len() as u64;
        let series = r#"readmill_saved_bytes_total{by="coalescing",model="points"}"#;
        assert_eq!(counted(&metrics, series), 4 * bytes);
    }

    #[test]
    fn a_cached_document_saves_the_bytes_of_its_reading() {
        let (metrics, mut savings) = (Metrics::new().unwrap(), Savings::default());
        savings.cached::<Points>(&metrics, 3);
        let series = r#"readmill_saved_bytes_total{by="cache",model="points"}"#;
        assert_eq!(counted(&metrics, series), 0, "nothing has been sized yet");
        savings.written(&metrics, &at(1), 0);
        savings.cached::<Points>(&metrics, 3);
        let bytes = serde_json::to_string(&at(1)).unwrap().len() as u64;
        assert_eq!(counted(&metrics, series), 3 * bytes);
    }

    #[test]
    fn the_mean_follows_the_sizes_slowly() {
        let mut savings = Savings { written: 0, mean_bytes: 800 };
        savings.size(&at(1));
        let bytes = serde_json::to_string(&at(1)).unwrap().len() as u64;
        assert_eq!(savings.mean_bytes, (800 * 7 + bytes) / 8);
    }
}
