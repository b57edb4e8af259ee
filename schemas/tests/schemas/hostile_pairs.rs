//! Bodies that were changed, cut and stuffed with bombs, under schemas of every kind.
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use readmill_schemas::plan::IDLE_ITEMS_MAX;
use readmill_schemas::{PlanError, ReadError, ReadFault, SchemaId, framing};
use serde::de::IgnoredAny;

use crate::between;
use crate::case::Case;
use crate::pairs::{Any, PROMISED};

const BOMBS: [&[u8]; 6] = [
    // Far too many items, as a count and as a negative count with a size.
    &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
    &[0xff, 0xff, 0xff, 0xff, 0x0f, 0x02],
    // Overlong numbers: with a bit too many, and without an end.
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
    // As many items as bytes might follow.
    &[0x80, 0x01],
];

/// What someone does to a body.
#[derive(Debug, Clone)]
pub enum Blow {
    Change(Index, u8),
    Cut(Index),
    Bomb(Index, usize),
    Repeat(Index, u8),
}

/// A few blows.
pub fn blows() -> impl Strategy<Value = Vec<Blow>> {
    let blow = prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Blow::Change(at, byte)),
        1 => any::<Index>().prop_map(Blow::Cut),
        3 => (any::<Index>(), 0..BOMBS.len()).prop_map(|(at, which)| Blow::Bomb(at, which)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Blow::Repeat(at, byte)),
    ];
    vec(blow, 1..5)
}

/// Deals the blows.
pub fn strike(body: &mut Vec<u8>, blows: &[Blow]) {
    for blow in blows {
        let place = |at: &Index| at.index(body.len() + 1);
        match blow {
            Blow::Change(at, byte) => {
                let at = place(at);
                body.truncate(body.len().max(at));
                if let Some(place) = body.get_mut(at) {
                    *place = *byte;
                }
            }
            Blow::Cut(at) => body.truncate(place(at)),
            Blow::Bomb(at, which) => {
                let at = place(at);
                body.splice(at..at, BOMBS[*which].iter().copied());
            }
            Blow::Repeat(at, byte) => {
                let at = place(at);
                body.splice(at..at, std::iter::repeat_n(*byte, 2_000));
            }
        }
    }
}

/// Reads a body that may be anything: it costs no more than it weighs, and errors name fields.
#[track_caller]
fn check(case: &Case, body: &[u8]) {
    let plan = case.plan();
    PROMISED.set(0);
    let read: Result<Any, ReadError> = plan.read(body);
    // A default in the reader's schema is as long as it is written there.
    let known = body.len().max(case.pair.reader.text().len());
    assert!(PROMISED.get() <= known, "{} items of {}", PROMISED.get(), body.len());
    let skipped = plan.read::<IgnoredAny>(body);
    match read {
        Ok(read) => {
            assert_eq!(skipped, Ok(IgnoredAny), "what is read can be passed over");
            let heads = body.len() + usize::try_from(IDLE_ITEMS_MAX).unwrap();
            assert!(read.count() <= heads * case.pair.reader.text().len());
        }
        Err(error) if matches!(error.fault(), ReadFault::Trailing { .. }) => {}
        Err(error) => {
            let path = error.path();
            let field = path.split(['.', '[']).next().unwrap();
            let known = |text: &str| text.contains(&format!(r#""name":"{field}""#));
            assert!(known(&case.pair.writer.text()) || known(&case.pair.reader.text()), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn struck_bodies_are_told_within_the_bounds(
        bytes in vec(any::<u8>(), 0..300),
        blows in blows(),
    ) {
        let case = Case::draw(&bytes);
        for mut body in [case.body.clone(), case.in_blocks()] {
            strike(&mut body, &blows);
            check(&case, &body);
        }
    }

    #[test]
    fn every_cut_is_told(bytes in vec(any::<u8>(), 0..100)) {
        let case = Case::draw(&bytes);
        let plan = case.plan();
        for length in 0..case.body.len() {
            let cut = plan.read::<Any>(&case.body[..length]);
            prop_assert!(cut.is_err());
            check(&case, &case.body[..length]);
        }
    }

    #[test]
    fn random_bodies_are_told_within_the_bounds(
        bytes in vec(any::<u8>(), 0..200),
        body in vec(any::<u8>(), 0..200),
    ) {
        check(&Case::draw(&bytes), &body);
    }

    #[test]
    fn any_framing_is_told_or_written_again(message in vec(any::<u8>(), 0..12), magic: bool) {
        let mut message = message;
        if let (true, Some(first)) = (magic, message.first_mut()) {
            *first = 0;
        }
        let framed = framing::read(&message);
        prop_assert_eq!(framed.is_ok(), message.len() >= 5 && message[0] == 0);
        if let Ok(framed) = framed {
            let SchemaId(id) = framed.schema;
            let mut again = Vec::new();
            framing::write(SchemaId(id), |out| out.extend_from_slice(framed.body), &mut again);
            prop_assert_eq!(again, message);
        }
    }
}

/// Where a size lies, a plan that skips the array would go on elsewhere than one that reads it.
#[test]
fn a_block_must_be_of_the_size_that_it_tells() {
    let record = |fields: &str| format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    let last = r#"{"name":"last","type":"int"}"#;
    for (kind, items) in [("array", "items"), ("map", "values")] {
        let list = format!(r#"{{"name":"f","type":{{"type":"{kind}","{items}":"int"}}}},{last}"#);
        let plan = between(&record(&list), &record(&list)).unwrap();
        let item: &[u8] = if kind == "map" { &[2, b'k', 2] } else { &[2] };
        for (size, end) in [(0, 0), (2, 0), (4, 4), (8, 0)] {
            let body = [&[1, size], item, &[0, end]].concat();
            let fits = usize::from(size) == 2 * item.len();
            let error = plan.read::<Any>(&body).err().map(|error| error.to_string());
            let told = error.is_none_or(|error| error.starts_with("f: "));
            assert!(told && plan.read::<Any>(&body).is_ok() == fits, "{kind} {body:?}");
        }
    }
}

/// Each record holds the next one twice, and none a byte.
#[test]
fn records_that_multiply_are_refused() {
    let mut fields = String::new();
    for n in (0..20).rev() {
        let next = if n == 19 {
            String::new()
        } else {
            let record = format!(r#"{{"type":"record","name":"R{}","fields":[{fields}]}}"#, n + 1);
            format!(r#"{{"name":"a","type":{record}}},{{"name":"b","type":"R{}"}}"#, n + 1)
        };
        fields = next;
    }
    let record = |fields: &str| format!(r#"{{"type":"record","name":"R0","fields":[{fields}]}}"#);
    for reader in [record(&fields), record("")] {
        let error = between(&record(&fields), &reader).unwrap_err();
        assert!(matches!(error, PlanError::Wide { .. }), "{error}");
    }
}

#[test]
fn recursion_through_every_container_is_bounded() {
    let kinds = [
        (r#"{"type":"array","items":"L"}"#, vec![2; 100_000]),
        (r#"{"type":"map","values":"L"}"#, [2, 2, b'k'].repeat(100_000)),
        (r#"["null","L"]"#, vec![2; 100_000]),
    ];
    let list = |kind: &str| {
        format!(r#"{{"type":"record","name":"L","fields":[{{"name":"next","type":{kind}}}]}}"#)
    };
    for (kind, body) in kinds {
        let plan = between(&list(kind), &list(kind)).unwrap();
        let told = [plan.read::<Any>(&body).err(), plan.read::<IgnoredAny>(&body).err()];
        for error in told.map(Option::unwrap) {
            assert!(matches!(error.fault(), ReadFault::Deep { .. }), "{kind}: {error}");
            assert!(error.path().starts_with("next"), "{kind}: {error}");
        }
    }
}
