//! Held keys on the real stack, under load: a person mends, drops and tries again while instances
//! fold the same keys, and every document is what the rows say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use readmill_connectors::avro_json::to_json;
use readmill_core::digest::Digest;
use readmill_core::{
    Document, Identity, Incoming, Key, Offset, Partition, Position, ReadModel, Record,
};
use readmill_engine::Store;
use readmill_models::{Deliveries, Points};
use readmill_schemas::{Contract, SchemaId, WriterSchema};
use readmill_workload::{Knobs, Relay, Source, SourceRow, Subject, written_schemas};
use serde_json::{Value as Json, json};

use crate::mill::{readmill, succeed, wait};
use crate::real::{Corner, settled, wait_until_quiet};

const LIMIT: Duration = Duration::from_secs(120);
const BEHIND: &str = "an earlier record of this key is held";

fn knobs() -> Knobs {
    Knobs { seed: 23, events: 12_000, members: 300, poison_per_mille: 3, ..Knobs::default() }
}

/// What a model's documents must be: one of its unreadable rows is given up, the others mended.
struct Expected {
    living: usize,
    digest: Digest,
}

fn fold<M: ReadModel<Event: Subject>>(dropped: &str) -> (Expected, usize) {
    let mut documents: BTreeMap<Key, Document<M>> = BTreeMap::new();
    let mut late = 0;
    for (row, offset) in Source::new(knobs()).unwrap().zip(0..) {
        let Some(event) = M::Event::of(&row.event) else { continue };
        let topic = row.table.topic();
        let partition = Partition::new(topic, 0);
        let record = Record::at(Position { partition, offset: Offset(offset) });
        for key in M::keys(event).into_vec() {
            let identity = match row.version {
                Some(version) => Identity::version(topic, &row.aggregate_id, true, version),
                None => Identity::event(topic, Some(row.position()), &row.event_id),
            };
            let document = documents.entry(key).or_default();
            if row.event_id == dropped {
                document.give_up(&identity, &record.position);
            } else {
                document.take(Incoming::straight(&identity, &record, event));
            }
        }
    }
    let mut digest = Digest::default();
    let mut living = 0;
    for (key, document) in &documents {
        late += document.stamp.waiting.len() + usize::from(document.stamp.is_held());
        if let Some(state) = &document.state {
            digest.add(key, state).unwrap();
            living += 1;
        }
    }
    (Expected { living, digest }, late)
}

/// An unreadable row of the model without which nothing waits for ever and nothing is refused.
fn row_to_drop<M: ReadModel<Event: Subject>>() -> (String, Expected) {
    let rows = Source::new(knobs()).unwrap().filter(|row| row.poisoned);
    let own = rows.filter(|row| M::Event::of(&row.event).is_some());
    let mut candidates = own.map(|row| {
        let (expected, late) = fold::<M>(&row.event_id);
        (row.event_id, expected, late)
    });
    let found = candidates.find(|(.., late)| *late == 0).expect("a row that may be dropped");
    (found.0, found.1)
}

/// A person at the command line of one corner.
struct Person {
    corner: Corner,
    file: PathBuf,
    /// The unreadable rows, by their ids.
    broken: BTreeMap<String, SourceRow>,
    dropped: BTreeSet<String>,
    mended: usize,
}

impl Person {
    fn new(corner: Corner, dropped: BTreeSet<String>) -> Self {
        let file = corner.configuration_file();
        let rows = Source::new(knobs()).unwrap().filter(|row| row.poisoned);
        let broken = rows.map(|row| (row.event_id.clone(), row)).collect();
        Self { corner, file, broken, dropped, mended: 0 }
    }

    fn says(&self, verb: &str, model: &str, more: &[&str]) -> (i32, String) {
        let file = self.file.to_str().unwrap();
        let held = ["held", verb, "-c", file, "--model", model];
        let output = readmill(&[&held[..], more].concat());
        let told = String::from_utf8(output.stdout).unwrap();
        let code = output.status.code().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(code, 0 | 5 | 6), "held {verb} {more:?}: {code}\n{told}\n{errors}");
        assert!(!errors.contains("panicked"), "{errors}");
        (code, told)
    }

    fn list(&self, model: &str) -> Vec<Json> {
        let (_, told) = self.says("list", model, &["--json"]);
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Mends or drops every record of a model that cannot be read.
    fn deal(&mut self, model: &str) {
        for held in self.list(model).iter().filter(|held| held["reason"] != BEHIND) {
            let position = held["position"].as_str().unwrap();
            let (code, told) = self.says("show", model, &["--position", position, "--value"]);
            if code == 5 || held["edited"] == true {
                continue;
            }
            let value: Json = serde_json::from_str(&told).unwrap();
            let id = value["after"]["id"].as_str().unwrap();
            let Some(row) = self.broken.get(id).cloned() else { continue };
            if self.dropped.contains(id) {
                self.says("drop", model, &["--position", position, "--yes"]);
            } else {
                let file = self.mend(&row, value, position, model);
                let how = if self.mended.is_multiple_of(2) { "--json" } else { "--value" };
                let file = file.to_str().unwrap();
                self.says("edit", model, &["--position", position, how, file]);
                self.mended += 1;
            }
        }
    }

    /// The value as it should have been: as JSON, or byte for byte.
    fn mend(&self, row: &SourceRow, mut value: Json, position: &str, model: &str) -> PathBuf {
        let payload = value["after"]["payload"]["$hex"].as_str().unwrap();
        let payload_id = u32::from_str_radix(&payload[2..10], 16).unwrap();
        let file = self.corner.dir().join("mended");
        let contract: &Contract = row.event.contract();
        if self.mended.is_multiple_of(2) {
            let all = written_schemas();
            let text = &all.iter().find(|schema| schema.name == contract.name).unwrap().text;
            let mut body = Vec::new();
            row.event.write(&mut body);
            let event = to_json(&WriterSchema::parse(text).unwrap(), &body).unwrap();
            value["after"]["payload"] = json!({"$schema": payload_id, "$value": event});
            std::fs::write(&file, value.to_string()).unwrap();
            return file;
        }
        let (_, told) = self.says("show", model, &["--position", position]);
        let whole: Json = serde_json::from_str(&told).unwrap();
        let envelope_id = u32::try_from(whole["value"]["schema"].as_u64().unwrap()).unwrap();
        let ids = |name: &str| {
            let id = if name.ends_with(".Envelope") { envelope_id } else { payload_id };
            Some(SchemaId(id))
        };
        let sound = SourceRow { poisoned: false, ..row.clone() };
        let quiet = Knobs { duplicates_per_mille: 0, swaps_per_mille: 0, ..knobs() };
        let mut relay = Relay::new(std::iter::once(sound), &quiet, 8, &ids).unwrap();
        std::fs::write(&file, relay.next().unwrap().value).unwrap();
        file
    }

    /// Deals with everything of both models and tries it again; answers whether nothing is left.
    fn round(&mut self) -> bool {
        let mut left = 0;
        for model in ["points", "deliveries"] {
            self.deal(model);
            self.says("retry", model, &["--all"]);
            left += self.list(model).len();
        }
        left == 0
    }
}

async fn check<M: ReadModel>(store: &impl Store<M>, expected: &Expected) {
    let Expected { living, digest } = *expected;
    let found = settled::<M>(store, living, digest, LIMIT).await;
    assert_eq!((found.living, found.waiting), (living, 0), "{}", M::NAME);
    assert_eq!(found.digest, digest, "a document of {} is not what its rows say", M::NAME);
    let mut held = Vec::new();
    let mut visit = |key: Key, document: Document<M>| {
        if document.stamp.is_held() {
            held.push(key);
        }
    };
    store.scan(&mut visit).await.unwrap();
    assert_eq!(held, Vec::<Key>::new(), "keys of {} are still held", M::NAME);
}

#[tokio::test(flavor = "multi_thread")]
async fn held_keys_are_mended_dropped_and_tried_again_under_load() {
    let (drop_points, points) = row_to_drop::<Points>();
    let (drop_deliveries, deliveries) = row_to_drop::<Deliveries>();
    let corner = Corner::new("held");
    corner.make_topics().await;
    let (one, two) = (corner.start(), corner.start());
    one.wait_for("/readyz", LIMIT);
    two.wait_for("/readyz", LIMIT);
    let mut person = Person::new(corner, [drop_points, drop_deliveries].into());
    let Knobs { seed, events, members, poison_per_mille, .. } = knobs();
    let file = person.file.to_str().unwrap().to_owned();
    let workload = format!(
        "produce --kafka -c {file} --rate 500 --seed {seed} --events {events} --keys {members} \
         --poison-per-mille {poison_per_mille}"
    );
    let loading = std::thread::spawn(move || {
        succeed(&workload.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>())
    });
    wait(LIMIT, "records to be held", || one.metric("readmill_held_records") > Some(2.0));
    let mut rounds = 0;
    while !loading.is_finished() {
        person.round();
        rounds += 1;
    }
    loading.join().unwrap();
    assert!(rounds >= 2, "the load was over before anything could be tried under it");
    wait_until_quiet(&[&one, &two], LIMIT);
    let until = Instant::now() + LIMIT;
    while !person.round() {
        assert!(Instant::now() < until, "still held: {:?}", person.list("points"));
    }
    println!("{rounds} rounds under load, {} records mended", person.mended);
    assert!(person.mended >= person.broken.len() - 2, "{} mended", person.mended);
    let corner = &person.corner;
    check::<Points>(&corner.mongo().await.documents("points", 1).await.unwrap(), &points).await;
    let store = corner.redis().await.documents("deliveries", 1).await.unwrap();
    check::<Deliveries>(&store, &deliveries).await;
    for mill in [&one, &two] {
        wait(LIMIT, "the gauge to say so", || mill.metric("readmill_held_records") == Some(0.0));
    }
    let (_, told) = person.says("list", "points", &[]);
    assert!(told.contains("points: nothing is held"), "{told}");
    assert_eq!((one.stop(), two.stop()), (Some(0), Some(0)));
}
