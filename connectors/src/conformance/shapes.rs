//! What a document and a key may look like.

use readmill_core::{
    EventTag, Identity, Key, Marks, Offset, Output, Partition, Position, Reaction, Record,
    SourcePosition, Stamp, Waiting, Wants, What,
};
use readmill_engine::ports::COMMON_DOCUMENT_LIMIT_BYTES;
use readmill_engine::{Put, Store};
use readmill_schemas::Timestamp;
use readmill_schemas::points::{LotUse, PointsUsed};

use super::pebbles::{Kind, Part, Pebble, Pebbles, tombstone};
use super::races::{put_all, writes};
use super::{Checked, Doc, load, must_put, same, stands};

/// What a document has beside its largest text, generously.
const BESIDE_BYTES: usize = 4 << 10;

const TEXTS: [&str; 17] = [
    "",
    " ",
    "null",
    "true",
    "123",
    "-0.5",
    "1e400",
    "\"quoted\"",
    "{\"a\":1}",
    "[]",
    "{",
    "\\n",
    "line\nbreak",
    "nul\0",
    "Zürich",
    "배달 완료",
    "🚚",
];

pub async fn every_value_survives<S: Store<Pebbles>>(store: &S) -> Checked {
    for (at, text) in TEXTS.into_iter().enumerate() {
        let mut state = Pebble::number(0);
        state.title = text.to_owned();
        state.note = Some(text.to_owned());
        state.kind = Kind::Set { into: text.to_owned() };
        state.tags = vec![text.to_owned(), String::new()];
        state.parts = vec![Part { name: text.to_owned(), since: Some(Timestamp::EPOCH) }];
        // Some stores reserve dots and dollars in names; a NUL in a name is beyond most.
        if !text.contains('\0') {
            state.totals = [(text.to_owned(), 1), (".a.$b".to_owned(), 2)].into();
        }
        put_and_see(store, &format!("text {at}"), state).await?;
    }
    for (at, number) in [i64::MIN, -1, 0, 1 << 53, (1 << 53) + 1, i64::MAX].into_iter().enumerate()
    {
        let mut state = Pebble::number(number);
        state.limit = Some(number);
        state.kind = Kind::Cut(number);
        put_and_see(store, &format!("number {at}"), state).await?;
    }
    let shares = [0.0, 0.1 + 0.2, -1.0 / 3.0, 1e300, 5e-324, f64::MAX, 122.416_294_033_786_58];
    for (at, share) in shares.into_iter().enumerate() {
        put_and_see(store, &format!("share {at}"), Pebble { share, ..Pebble::number(0) }).await?;
    }
    let until = Some(Timestamp::from_millis(-62_135_596_800_000));
    put_and_see(store, "instant", Pebble { until, done: true, ..Pebble::number(0) }).await
}

async fn put_and_see<S: Store<Pebbles>>(store: &S, key: &str, state: Pebble) -> Checked {
    let document = state.at_revision(1);
    must_put(store, key, 0, &document).await?;
    stands(store, key, Some(&document)).await.map_err(|problem| format!("{key}: {problem}"))
}

pub async fn the_whole_stamp_survives<S: Store<Pebbles>>(store: &S) -> Checked {
    for (key, gone) in [("stamp", false), ("stamp of the dead", true)] {
        let state = (!gone).then(|| Pebble::number(1));
        let document = Doc { state, stamp: full_stamp(gone) };
        must_put(store, key, 0, &document).await?;
        stands(store, key, Some(&document)).await?;
    }
    Ok(())
}

pub async fn a_document_without_a_state_survives<S: Store<Pebbles>>(store: &S) -> Checked {
    let mut document = Doc { state: None, stamp: full_stamp(false) };
    must_put(store, "waits", 0, &document).await?;
    stands(store, "waits", Some(&document)).await?;
    document.state = Some(Pebble::number(1));
    document.stamp.revision += 1;
    must_put(store, "waits", document.stamp.revision - 1, &document).await?;
    stands(store, "waits", Some(&document)).await
}

fn full_stamp(gone: bool) -> Stamp<<Pebbles as readmill_core::ReadModel>::Event> {
    let from = Position { partition: Partition::new("a.topic", 7), offset: Offset(i64::MAX) };
    let binlog = SourcePosition::Binlog { server: 1, file: 2, pos: 3, row: 4 };
    let postgres = SourcePosition::Postgres { commit: None, lsn: i64::MIN };
    let recent = [(Some(postgres), EventTag::of("a")), (None, EventTag::of("b"))].into();
    let lot = LotUse { lot_id: "lot".to_owned(), points: 3 };
    let event = PointsUsed {
        ledger_id: "ledger".to_owned(),
        member_id: "member".to_owned(),
        occurred_at: Timestamp::from_millis(1_700_000_000_456),
        use_id: "use".to_owned(),
        points: i64::MAX,
        order_no: None,
        lots: vec![lot],
    };
    let headers = vec![("id".to_owned(), vec![0, 255]), ("none".to_owned(), vec![])];
    let value = Some((0..=255).collect());
    let record = Record { position: from.clone(), timestamp_ms: -1, key: None, value, headers };
    let waiting = |identity, wants| Waiting {
        identity,
        from: from.clone(),
        held: wants == Wants::EarlierVersions,
        wants,
        committed_ms: 1_700_000_000_000,
        since_ms: 1_700_000_000_001,
        event: event.clone().into(),
        record: record.clone(),
    };
    Stamp {
        revision: 41,
        gone,
        held: vec![from.clone()],
        marks: vec![
            ("e:a.topic".to_owned(), Marks::Events { forgotten: Some(binlog), recent }),
            ("o:a.topic/7".to_owned(), Marks::Log(Offset(5))),
            ("v:$x".to_owned(), Marks::Version(9)),
        ],
        waiting: vec![
            waiting(Identity::version("t", "a", true, 12), Wants::EarlierVersions),
            waiting(Identity::event("t", Some(binlog), "e"), Wants::Event("its lot".to_owned())),
        ],
        unsent: vec![Output {
            revision: 40,
            n: 1,
            from: from.clone(),
            what: What::Reaction(Reaction {
                contract: "a.B".to_owned(),
                body: (0..=255).collect(),
            }),
        }],
        embedded: vec![(Key::from("another"), 7)],
    }
}

pub async fn strange_keys_are_keys<S: Store<Pebbles>>(store: &S) -> Checked {
    let long = "k".repeat(512);
    let strange = [
        "",
        " ",
        "a b",
        "{a}",
        "}{",
        "{}",
        "}",
        "a{b}c{d}",
        "\"quoted\"",
        "it's",
        "a.b",
        "$set",
        "$",
        "a/b",
        "a:b:c",
        "*",
        "a?[x]",
        "\\",
        "tab\there",
        "nul\0here",
        "Zürich",
        "배달-1",
        "🚚",
        &long,
    ];
    for (number, key) in (0..).zip(strange) {
        must_put(store, key, 0, &Pebble::number(number).at_revision(1)).await?;
    }
    for (number, key) in (0..).zip(strange) {
        stands(store, key, Some(&Pebble::number(number).at_revision(1))).await?;
        must_put(store, key, 1, &tombstone(2)).await?;
        stands(store, key, Some(&tombstone(2))).await?;
    }
    Ok(())
}

/// Each of these letters is a key, and so is each between two others.
pub async fn any_letter_is_a_key<S: Store<Pebbles>>(store: &S) -> Checked {
    let beyond = ['\u{7ff}', '\u{d7ff}', '\u{e000}', '\u{fffd}', '\u{ffff}', '\u{10ffff}'];
    let letters = (0..=u8::MAX).map(char::from).chain(beyond);
    let keys: Vec<Key> =
        letters.flat_map(|letter| [Key(letter.into()), Key(format!("k{letter}k"))]).collect();
    let free = store.load(&keys).await.map_err(|fault| fault.to_string())?;
    let both = keys.into_iter().zip(free).filter(|(_, stands)| stands.is_none());
    let keys: Vec<Key> = both.map(|(key, _)| key).collect();
    let documents: Vec<Doc> =
        (0..).zip(&keys).map(|(number, _)| Pebble::number(number).at_revision(1)).collect();
    let puts = put_all(store, &keys, &documents, |_| 0).await?;
    same("the verdicts", &puts, &vec![Put::Done; keys.len()])?;
    let found = store.load(&keys).await.map_err(|fault| fault.to_string())?;
    let wanted: Vec<Option<Doc>> = documents.into_iter().map(Some).collect();
    same("what stands under the letters", &found, &wanted)
}

/// What a document has still to tell is kept with it, and goes when the next one says so.
pub async fn what_is_unsent_is_kept_until_it_is_not<S: Store<Pebbles>>(store: &S) -> Checked {
    let mut document = Doc { state: Some(Pebble::number(1)), stamp: full_stamp(false) };
    must_put(store, "unsent", 0, &document).await?;
    stands(store, "unsent", Some(&document)).await?;
    let before = document.stamp.revision;
    document.stamp.revision += 1;
    document.stamp.unsent.clear();
    must_put(store, "unsent", before, &document).await?;
    stands(store, "unsent", Some(&document)).await
}

/// Documents that are nearly as large as the store says that they may be.
pub async fn the_largest_documents_fit<S: Store<Pebbles>>(store: &S) -> Checked {
    let limit = store.document_limit_bytes();
    let is_common = limit >= COMMON_DOCUMENT_LIMIT_BYTES;
    same("whether it takes what all others do", &is_common, &true)?;
    let large = |bytes: usize| Pebble { title: "x".repeat(bytes), ..Pebble::number(1) };
    let first = large(COMMON_DOCUMENT_LIMIT_BYTES - BESIDE_BYTES).at_revision(1);
    must_put(store, "largest", 0, &first).await?;
    let found = load(store, "largest").await?;
    same("whether a large document survives", &(found.as_ref() == Some(&first)), &true)?;
    // One that is too large stays out, and what stands stays, and so do the others of its batch.
    let keys = ["largest", "beside the largest"].map(Key::from);
    let documents = [large(limit + BESIDE_BYTES).at_revision(2), Pebble::number(2).at_revision(1)];
    let writes = writes(&keys, &documents, |number| if number == 0 { 1 } else { 0 });
    if let Ok(puts) = store.put(&writes).await {
        same("the verdict on a document that is too large", &puts.first(), &Some(&Put::TooLarge))?;
        stands(store, "beside the largest", documents.get(1)).await?;
    }
    let found = load(store, "largest").await?;
    same("whether what stood still stands", &(found.as_ref() == Some(&first)), &true)?;
    must_put(store, "largest", 1, &tombstone(2)).await?;
    stands(store, "largest", Some(&tombstone(2))).await
}

pub async fn big_documents_fit<S: Store<Pebbles>>(store: &S) -> Checked {
    let mut state = Pebble::number(1);
    state.title = "x".repeat(1 << 20);
    state.totals = (0..2_000).map(|number| (format!("total {number}"), number)).collect();
    let document = state.at_revision(1);
    must_put(store, "big", 0, &document).await?;
    stands(store, "big", Some(&document)).await?;
    must_put(store, "big", 1, &tombstone(2)).await?;
    stands(store, "big", Some(&tombstone(2))).await
}
