//! What must come out: the rows folded one by one, in the order of their commits, without a log.

use std::collections::BTreeMap;
use std::fmt;

use readmill_core::digest::Digest;
use readmill_core::{
    Document, Identity, Incoming, Key, Offset, Partition, Position, ReadModel, Record,
};

use crate::row::{SourceRow, Subject};

/// How many documents may embed one another in a row, as the engine allows it.
const LONGEST_CHAIN: usize = 8;

/// The documents that a read model must have at the end.
pub struct Expected<M: ReadModel> {
    /// The living documents.
    pub states: BTreeMap<Key, M::State>,
    /// How many documents ended and left a tombstone.
    pub gone: u64,
    /// How many keys are held behind a row that cannot be read.
    pub held: u64,
    /// How many events wait for ever; none, unless rows are poisoned.
    pub waiting: u64,
}

impl<M: ReadModel> fmt::Debug for Expected<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected")
            .field("states", &self.states.len())
            .field("gone", &self.gone)
            .field("held", &self.held)
            .field("waiting", &self.waiting)
            .finish()
    }
}

impl<M: ReadModel> Expected<M> {
    /// The digest of the living documents, as every store must answer it.
    ///
    /// # Errors
    /// When a state cannot be written as JSON.
    pub fn digest(&self) -> Result<Digest, serde_json::Error> {
        let mut digest = Digest::default();
        for (key, state) in &self.states {
            digest.add(key, state)?;
        }
        Ok(digest)
    }
}

/// Folds rows in their order, every document in memory: for tests and for small runs.
pub fn fold<M: ReadModel<Event: Subject>>(
    rows: impl IntoIterator<Item = SourceRow>,
) -> Expected<M> {
    let mut documents: BTreeMap<Key, Document<M>> = BTreeMap::new();
    for (row, offset) in rows.into_iter().zip(0..) {
        let Some(event) = M::Event::of(&row.event) else {
            continue;
        };
        let partition = Partition::new(row.table.topic(), 0);
        let record = Record::at(Position { partition, offset: Offset(offset) });
        for key in M::keys(event).into_vec() {
            let identity = identity(&row, &key);
            let document = documents.entry(key).or_default();
            if row.poisoned {
                document.hold_for(Some(&identity), &record.position, "the payload cannot be read");
            } else {
                document.take(Incoming::straight(&identity, &record, event));
            }
        }
    }
    expected(documents)
}

fn identity(row: &SourceRow, key: &Key) -> Identity {
    let (topic, aggregate) = (row.table.topic(), row.aggregate_id.as_str());
    if let Some(change) = row.event.change() {
        let by_key = key.as_str() == aggregate;
        return Identity::row(topic, aggregate, by_key, change.op, Some(row.position()));
    }
    match row.version {
        Some(version) => Identity::version(topic, aggregate, key.as_str() == aggregate, version),
        None => Identity::event(topic, Some(row.position()), &row.event_id),
    }
}

fn expected<M: ReadModel>(documents: BTreeMap<Key, Document<M>>) -> Expected<M> {
    let mut expected = Expected { states: BTreeMap::new(), gone: 0, held: 0, waiting: 0 };
    for (key, document) in documents {
        expected.gone += u64::from(document.stamp.gone);
        expected.held += u64::from(document.stamp.is_held());
        expected.waiting += document.stamp.waiting.len() as u64;
        if let Some(state) = document.state {
            expected.states.insert(key, state);
        }
    }
    look_around::<M>(&mut expected.states);
    expected
}

/// Documents have of others what stands there in the end. Those that embed what embeds others in
/// turn look once more; chains are short, and none is a circle.
fn look_around<M: ReadModel>(states: &mut BTreeMap<Key, M::State>) {
    for _ in 0..if M::EMBEDS { LONGEST_CHAIN } else { 0 } {
        let looks = |(key, state): (&Key, &M::State)| {
            let mut fresh = state.clone();
            for embedded in M::embeds(state) {
                M::embed(&mut fresh, &embedded, states.get(&embedded));
            }
            (fresh != *state).then(|| (key.clone(), fresh))
        };
        let changed: Vec<(Key, M::State)> = states.iter().filter_map(looks).collect();
        if changed.is_empty() {
            return;
        }
        states.extend(changed);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use readmill_core::envelope::{self, Payload, Reading};
    use readmill_models::deals::Document as Shown;
    use readmill_models::{Chats, Coupons, Deals, Deliveries, Notices, Points, Reviews};
    use readmill_schemas::{Events, Plan, SchemaId, WriterSchema, framing};

    use super::*;
    use crate::knobs::Knobs;
    use crate::relay::Relay;
    use crate::source::Source;
    use crate::wire::written_schemas;

    fn expect<M: ReadModel<Event: Subject>>(knobs: &Knobs) -> Expected<M> {
        fold(Source::new(knobs.clone()).unwrap())
    }

    fn knobs() -> Knobs {
        Knobs { events: 10_000, members: 200, early_per_mille: 30, ..Knobs::default() }
    }

    #[test]
    fn the_simulation_is_valid_business_nothing_is_refused_and_nothing_waits_for_ever() {
        let points = expect::<Points>(&knobs());
        assert_eq!((points.held, points.waiting, points.gone), (0, 0, 0), "{points:?}");
        assert!(points.states.values().all(|member| member.available >= 0));
        let lots = |member: &readmill_models::points::Member| {
            member.lots.values().map(|lot| lot.left).sum::<i64>()
        };
        assert!(points.states.values().all(|member| lots(member) == member.available));
        let deliveries = expect::<Deliveries>(&knobs());
        assert_eq!((deliveries.held, deliveries.waiting), (0, 0), "{deliveries:?}");
        assert!(deliveries.gone > 500 && deliveries.states.len() > 10, "{deliveries:?}");
    }

    #[test]
    fn the_digest_follows_the_seed_and_not_the_faults_of_the_relay() {
        let digest = |knobs: Knobs| expect::<Points>(&knobs).digest().unwrap();
        assert_eq!(digest(knobs()), digest(knobs()));
        assert_eq!(digest(knobs()), digest(Knobs { duplicates_per_mille: 99, ..knobs() }));
        assert_ne!(digest(knobs()), digest(Knobs { seed: 2, ..knobs() }));
    }

    #[test]
    fn a_poisoned_row_holds_its_key() {
        let points = expect::<Points>(&Knobs { poison_per_mille: 2, ..knobs() });
        assert!(points.held > 0, "{points:?}");
    }

    fn id(name: &str) -> Option<SchemaId> {
        let at = written_schemas().iter().position(|schema| schema.name == name)?;
        u32::try_from(at).ok().map(SchemaId)
    }

    fn plan(name: &str, contract: &readmill_schemas::Contract) -> (SchemaId, Plan) {
        let all = written_schemas();
        let written = all.iter().find(|schema| schema.name == name).unwrap();
        let writer = WriterSchema::parse(&written.text).unwrap();
        (id(name).unwrap(), Plan::compile(&writer, contract).unwrap())
    }

    /// Stations 2 to 6 over what the relay published, one record after the other.
    pub fn fold_published<M: ReadModel<Event: Subject>>(knobs: &Knobs) -> Expected<M> {
        let envelopes: BTreeMap<SchemaId, Plan> = crate::row::Table::outboxes()
            .map(|table| format!("{}.Envelope", table.topic()))
            .map(|name| plan(&name, &readmill_schemas::debezium::OutboxEnvelope::CONTRACT))
            .collect();
        let events: BTreeMap<SchemaId, (usize, Plan)> = (0..)
            .zip(M::Event::CONTRACTS)
            .filter(|(_, contract)| contract.table.is_none())
            .flat_map(|(which, contract)| {
                let versions = written_schemas().into_iter().filter(|s| s.subject == contract.name);
                versions.map(move |schema| (which, plan(&schema.name, contract)))
            })
            .map(|(which, (id, plan))| (id, (which, plan)))
            .collect();
        let tables = crate::table_rows::tests::Reader::of::<M::Event>(&id);
        let mut documents: BTreeMap<Key, Document<M>> = BTreeMap::new();
        let rows = Source::new(knobs.clone()).unwrap();
        for (emission, at) in Relay::new(rows, knobs, 3, &id).unwrap().zip(0..) {
            let framed = framing::read(&emission.value).unwrap();
            let (change, event) = if !emission.table.is_outbox() {
                let Some(read) = tables.read::<M::Event>(&emission) else { continue };
                read
            } else {
                let read = envelope::read(envelopes[&framed.schema].read(framed.body).unwrap());
                let Reading::Row(change) = read else { panic!("not a row") };
                let Payload::Avro(payload) = change.payload else { panic!("not framed") };
                let Some((which, plan)) = events.get(&payload.schema) else { continue };
                let event = M::Event::read(*which, plan, payload.body).unwrap();
                (change, event)
            };
            let partition = Partition::new(emission.table.topic(), emission.partition);
            let record = Record::at(Position { partition, offset: Offset(at) });
            for key in M::keys(&event).into_vec() {
                let identity = change.identity(&record.position, &key);
                let incoming = Incoming::straight(&identity, &record, &event);
                documents.entry(key).or_default().take(incoming);
            }
        }
        expected(documents)
    }

    #[test]
    fn repeats_and_swaps_of_the_relay_never_change_the_documents() {
        let wild = Knobs { duplicates_per_mille: 200, swaps_per_mille: 100, ..knobs() };
        check_published::<Points>(&wild);
        check_published::<Deliveries>(&wild);
    }

    /// What a relay publishes, with its repeats and swaps, folds to what the rows do: nothing waits
    /// in the end, and nothing is held.
    #[track_caller]
    fn check_published<M: ReadModel<Event: Subject>>(knobs: &Knobs) -> Expected<M> {
        let (folded, wanted) = (fold_published::<M>(knobs), expect::<M>(knobs));
        assert_eq!((wanted.waiting, wanted.held), (0, 0), "{wanted:?}");
        assert_eq!((folded.waiting, folded.held, folded.gone), (0, 0, wanted.gone), "{folded:?}");
        assert_eq!(folded.states, wanted.states);
        wanted
    }

    fn others() -> Knobs {
        Knobs { others_per_mille: 1000, duplicates_per_mille: 200, swaps_per_mille: 100, ..knobs() }
    }

    #[test]
    fn deals_have_of_their_products_what_stands_in_the_end() {
        let deals = check_published::<Deals>(&others());
        for state in deals.states.values() {
            let mut fresh = state.clone();
            for key in Deals::embeds(state) {
                Deals::embed(&mut fresh, &key, deals.states.get(&key));
            }
            assert_eq!(fresh, *state);
        }
        let copies = deals.states.values().filter(|state| match state {
            Shown::Deal(deal) => deal.product.is_some(),
            Shown::Product(_) => false,
        });
        assert!(copies.count() > 10, "{deals:?}");
        let folded = fold_published::<Deals>(&others());
        assert_eq!(folded.digest().unwrap(), deals.digest().unwrap());
    }

    /// The same of a service of the others, cut off early and late.
    #[track_caller]
    fn check_other<M: ReadModel<Event: Subject>>() -> Expected<M> {
        let services = crate::service::others(&knobs()).len() as u64;
        let of = |events| check_published(&Knobs { events, ..others() });
        of(37);
        of(4_000 * services)
    }

    #[test]
    fn chats_are_valid_business_and_the_relay_changes_nothing() {
        let chats = check_other::<Chats>();
        assert!(chats.states.len() > 50, "{chats:?}");
    }

    #[test]
    fn reviews_are_valid_business_and_the_relay_changes_nothing() {
        let reviews = check_other::<Reviews>();
        assert!(reviews.gone > 20 && reviews.states.len() > 500, "{reviews:?}");
    }

    #[test]
    fn rows_of_tables_are_folded_as_they_stand_and_the_relay_changes_nothing() {
        let coupons = check_other::<Coupons>();
        assert!(coupons.gone > 20 && coupons.states.len() > 100, "{coupons:?}");
        let notices = check_other::<Notices>();
        assert!(notices.gone > 20 && notices.states.len() > 100, "{notices:?}");
        assert!(notices.states.values().any(|request| request.notices > 1));
        assert!(notices.states.values().any(|r| r.feed.is_some() && r.notices == 0));
    }

    #[test]
    fn stock_folds_the_same_however_published() {
        check_other::<readmill_models::Stock>();
    }

    #[test]
    fn holdings_fold_the_same_however_published() {
        check_other::<readmill_models::Holdings>();
    }

    #[test]
    fn store_stats_fold_the_same_however_published() {
        check_other::<readmill_models::StoreStats>();
    }

    /// The same of a service that keeps versions; and all kinds of its events happen, their
    /// versions have no gaps, and nothing waits wherever the stream is cut off.
    pub fn check_service<M: ReadModel<Event: Subject>>(kinds: usize) -> Expected<M> {
        let wild = Knobs { events: 30_000, others_per_mille: 1_000, ..knobs() };
        let rows: Vec<SourceRow> = Source::new(wild).unwrap().collect();
        let (mut seen, mut versions) = (BTreeSet::new(), BTreeMap::new());
        for row in rows.iter().filter(|row| M::Event::of(&row.event).is_some()) {
            seen.insert(row.event_type());
            assert!(row.table.models().contains(&M::NAME), "{row:?}");
            let last: &mut i64 = versions.entry((row.table, &row.aggregate_id)).or_default();
            *last += 1;
            assert_eq!(row.version, Some(*last));
        }
        assert_eq!(seen.len(), kinds, "{seen:?}");
        for cut in [1, 10, 100, 333, 1_000, 3_456, 10_001] {
            let folded = fold::<M>(rows[..cut].iter().cloned());
            assert_eq!((folded.held, folded.waiting), (0, 0), "cut at {cut}: {folded:?}");
        }
        check_other()
    }

    #[test]
    fn closed_ledgers_stay_closed_however_they_were_published() {
        let wild = Knobs { others_per_mille: 100, duplicates_per_mille: 200, ..knobs() };
        let wanted = check_published::<Points>(&wild);
        assert!((1..100).contains(&wanted.gone), "{wanted:?}");
    }
}
