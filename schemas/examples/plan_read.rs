//! Measures how fast a PostgreSQL envelope is read; the argument is a file with one body.
use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use readmill_schemas::debezium::OutboxEnvelope;
use readmill_schemas::{Plan, WriterSchema};

const SCHEMA: &str = include_str!("../golden/postgres.value.id5.avsc");
const ROUNDS: u32 = 3_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let writer = WriterSchema::parse(SCHEMA)?;
    let plan = Plan::compile(&writer, &OutboxEnvelope::CONTRACT)?;
    let body = std::fs::read(std::env::args().nth(1).ok_or("give a file with a body")?)?;
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(plan.read::<OutboxEnvelope<'_>>(black_box(&body))?);
    }
    let each = start.elapsed() / ROUNDS;
    writeln!(std::io::stdout(), "{} bytes: {each:?} each", body.len())?;
    Ok(())
}
