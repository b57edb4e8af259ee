//! Schema pairs and bodies, both drawn from the input: the plan and the specification agree, and
//! a body that no writer wrote is read or refused within the bounds.
use readmill_schemas::{Plan, WriterSchema};
use serde::de::IgnoredAny;

use super::pairs::{self, Any, Pair, Type, resolve, value};

/// How many bytes of the input the schemas and a value of theirs are drawn from, at the most.
const SCHEMA_MOST: usize = 256;

/// Draws one pair and reads what follows.
pub fn run(input: &[u8]) {
    let (mut schema, body) = input.split_at(input.len().min(SCHEMA_MOST));
    let pair = Pair::draw(&mut schema);
    let parse = |side: &pairs::Side| WriterSchema::parse(&side.text()).expect("a drawn schema");
    let (writer, reader) = (parse(&pair.writer), parse(&pair.reader));
    let plan = Plan::between(&writer, &reader).expect("a pair that resolves");
    let own = Plan::between(&writer, &writer).expect("a schema that resolves with itself");

    // Bytes that no writer wrote: the rest of the schema's bytes, or what follows them.
    for body in [schema, body] {
        let read = plan.read::<Any>(body);
        let skipped = plan.read::<IgnoredAny>(body).and(own.read::<IgnoredAny>(body));
        assert!(read.is_err() || skipped.is_ok(), "what is read can be passed over");
    }

    // A value that the writer wrote.
    let drawn = value(&mut schema, &pair.writer, &Type::Named(0), 0);
    let mut written = Vec::new();
    pairs::write(&drawn, &mut written);
    let expected = resolve(&pair, &Type::Named(0), &Type::Named(0), &drawn);
    assert_eq!(plan.read::<Any>(&written).ok(), expected);
    assert_eq!(own.read::<Any>(&written), Ok(Any::of(&drawn)));
    assert!(own.read::<IgnoredAny>(&written).is_ok());
}
