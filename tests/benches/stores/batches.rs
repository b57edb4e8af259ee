//! Documents that are written again and again, and how long that takes.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use readmill_connectors::conformance::{Pebble, Pebbles};
use readmill_core::{Document, Key};
use readmill_engine::{Put, Store, Write};
use readmill_workload::Rng;

/// Documents of about half a kilobyte, each under a key and at a revision.
pub struct Documents {
    keys: Vec<Key>,
    revisions: Vec<i64>,
    rng: Rng,
}

/// Some of them as they are to be written next.
pub struct Batch {
    pub keys: Vec<Key>,
    pub expected: Vec<i64>,
    pub documents: Vec<Document<Pebbles>>,
}

impl Documents {
    /// None of them is stored yet.
    pub fn new(many: usize) -> Self {
        let keys = (0..many).map(|number| Key(format!("member-{number:08}"))).collect();
        Self { keys, revisions: vec![0; many], rng: Rng::new(7, 1) }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The next revisions of so many documents in a row, beginning with this one.
    pub fn row(&mut self, first: usize, many: usize) -> Batch {
        let batch = Batch { keys: Vec::new(), expected: Vec::new(), documents: Vec::new() };
        (first..first + many).fold(batch, |batch, at| self.next(batch, at))
    }

    /// The next revisions of so many different documents, drawn by lot.
    pub fn some(&mut self, many: usize) -> Batch {
        let mut places = std::collections::BTreeSet::new();
        while places.len() < many.min(self.len()) {
            places.insert(self.rng.index(self.keys.len()));
        }
        let batch = Batch { keys: Vec::new(), expected: Vec::new(), documents: Vec::new() };
        places.into_iter().fold(batch, |batch, at| self.next(batch, at))
    }

    fn next(&mut self, mut batch: Batch, at: usize) -> Batch {
        let revision = self.revisions[at];
        let note = Some(format!("{:0160}", self.rng.below(u64::MAX)));
        let state = Pebble { note, ..Pebble::number(self.rng.below(1 << 40) as i64) };
        batch.keys.push(self.keys[at].clone());
        batch.expected.push(revision);
        batch.documents.push(state.at_revision(revision + 1));
        self.revisions[at] = revision + 1;
        batch
    }
}

impl Batch {
    pub fn writes(&self) -> Vec<Write<'_, Pebbles>> {
        let both = self.keys.iter().zip(&self.expected).zip(&self.documents);
        both.map(|((key, expected), document)| Write { key, expected: *expected, document })
            .collect()
    }
}

/// Puts batches, so many side by side. All of them must be done.
pub async fn put(store: &impl Store<Pebbles>, batches: &[Batch], side_by_side: usize) -> Duration {
    let began = Instant::now();
    for some in batches.chunks(side_by_side) {
        let putting = some.iter().map(async |batch| store.put(&batch.writes()).await);
        for puts in try_join_all(putting).await.unwrap() {
            assert!(puts.iter().all(|put| *put == Put::Done), "a right write was refused");
        }
    }
    began.elapsed()
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
