//! Messages as a topic may hold them: framing, Debezium's envelope, and the payload inside it.
use std::sync::LazyLock;

use readmill_schemas::debezium::OutboxEnvelope;
use readmill_schemas::points::PointsEarned;
use readmill_schemas::{Plan, ReadError, ReadFault, WriterSchema, framing};
use serde::de::IgnoredAny;

use super::pairs::Any;

const ENVELOPES: [&str; 3] = [
    include_str!("../../golden/postgres.value.id5.avsc"),
    include_str!("../../golden/mariadb.value.id9.avsc"),
    include_str!("../../tests/schemas/data/postgres_envelope.avsc"),
];
const PAYLOAD: &str = include_str!("../../golden/payload.id3.avsc");

struct Plans {
    /// By the contract, and by the writer's own schema.
    envelopes: Vec<(Plan, Plan)>,
    payload: Plan,
}

static PLANS: LazyLock<Plans> = LazyLock::new(|| {
    let parse = |text| WriterSchema::parse(text).expect("a golden schema");
    let plans = |text| {
        let writer = parse(text);
        let picked = Plan::compile(&writer, &OutboxEnvelope::CONTRACT).expect("a plan");
        (picked, Plan::between(&writer, &writer).expect("a plan"))
    };
    Plans {
        envelopes: ENVELOPES.map(plans).into(),
        payload: Plan::compile(&parse(PAYLOAD), &PointsEarned::CONTRACT).expect("a plan"),
    }
});

/// Whether the writer used a branch that the contract has no place for.
fn misfits<T>(read: &Result<T, ReadError>) -> bool {
    matches!(read.as_ref().map_err(ReadError::fault), Err(ReadFault::Misfit { .. }))
}

/// Reads one message.
pub fn run(message: &[u8]) {
    let Ok(framed) = framing::read(message) else {
        return;
    };
    let which = usize::try_from(framed.schema.0).unwrap_or_default() % PLANS.envelopes.len();
    let Some((picked, whole)) = PLANS.envelopes.get(which) else {
        return;
    };
    let read = picked.read::<OutboxEnvelope<'_>>(framed.body);
    // Passing over a value asks less of it than reading it does.
    assert!(read.is_err() || picked.read::<IgnoredAny>(framed.body).is_ok());
    let all = whole.read::<Any>(framed.body);
    assert!(all.is_err() || read.is_ok() || misfits(&read), "{read:?}");
    let Ok(envelope) = read else {
        return;
    };
    for row in envelope.before.iter().chain(&envelope.after) {
        if let Some(Ok(payload)) = row.payload.map(framing::read) {
            let _ = PLANS.payload.read::<PointsEarned>(payload.body);
        }
    }
}
