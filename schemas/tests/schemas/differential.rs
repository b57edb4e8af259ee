//! The plan reads what Avro's specification says, and what the reference library reads but for
//! the listed exceptions, of which `exceptions.rs` has an example each.
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use readmill_schemas::ReadError;
use serde_json::Value;

use crate::case::Case;
use crate::pairs::Any;

/// Whether the reference library resolves a part of this case against the specification.
fn excused(case: &Case) -> bool {
    let reader: Value = serde_json::from_str(&case.pair.reader.text()).unwrap();
    let has = |test: fn(&Value) -> bool| anywhere(&reader, test);
    // Aliases are not resolved.
    has(|part| part.get("aliases").is_some())
        // The default of a union is taken for that of any branch, not the first.
        || has(|part| part.get("default").is_some() && anywhere(part, Value::is_array))
            && has(|part| part["type"] == "fixed" || part["type"] == "enum")
        // What the reader has no place for is made to fit: texts are made symbols, arrays bytes.
        || case.expected().is_none()
}

fn anywhere(json: &Value, test: fn(&Value) -> bool) -> bool {
    test(json)
        || match json {
            Value::Array(items) => items.iter().any(|item| anywhere(item, test)),
            Value::Object(fields) => fields.values().any(|field| anywhere(field, test)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn a_plan_reads_what_the_specification_says(bytes in vec(any::<u8>(), 0..300)) {
        let case = Case::draw(&bytes);
        let plan = case.plan();
        for body in [&case.body, &case.in_blocks()] {
            let read: Result<Any, ReadError> = plan.read(body);
            match (read, case.expected()) {
                (Ok(read), expected) => prop_assert_eq!(Some(read), expected, "{}", case.texts()),
                (Err(error), None) => prop_assert!(!error.path().is_empty(), "{error}"),
                (Err(error), Some(_)) => prop_assert!(false, "{error} {}", case.texts()),
            }
        }
    }

    #[test]
    fn a_plan_reads_what_the_reference_reads(bytes in vec(any::<u8>(), 0..300)) {
        let case = Case::draw(&bytes);
        let read: Option<Any> = case.plan().read(&case.body).ok();
        let theirs = case.reference();
        let equal = read.as_ref() == theirs.as_ref().ok();
        prop_assert!(equal || excused(&case), "{read:?}\n{theirs:?}{}", case.texts());
    }
}

/// The generator draws all that it is meant to draw, and most of it is compared.
#[test]
fn the_pairs_are_of_every_kind() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let bytes = vec(any::<u8>(), 300);
    let (mut compared, mut texts) = (0, String::new());
    for _ in 0..1_000 {
        let bytes = bytes.new_tree(&mut runner).unwrap().current();
        let case = Case::draw(&bytes);
        compared += usize::from(!excused(&case));
        texts.push_str(&case.texts());
    }
    assert!(compared > 400, "{compared}");
    let parts = [
        r#""type":"enum""#,
        r#""type":"fixed""#,
        r#""type":"array""#,
        r#""type":"map""#,
        r#""type":["null""#,
        r#""items":["#,
        r#""values":["#,
        r#""aliases""#,
        "other.R",
        r#""default":{"#,
        r#"["null","n.R"#,
        r#""items":"n.R"#,
        r#""default":"OTHER""#,
    ];
    for part in parts {
        assert!(texts.matches(part).count() > 5, "{part}");
    }
}
