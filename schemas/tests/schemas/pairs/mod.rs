//! Pairs of a writer's and a reader's schema that resolve, with values, drawn from plain bytes.
//!
//! Everything is drawn from a string of bytes, so that a property test shrinks to short strings
//! and a fuzzer can mutate schemas. Where the bytes end, zeros follow: the simplest of everything.
#![allow(clippy::wildcard_enum_match_arm, reason = "only some of the reference's types are drawn")]

mod draw;
mod model;
mod schema;
mod value;
mod write;

pub use draw::Draw;
pub use model::resolve;
pub use schema::{Body, Definition, Field, Side, Type};
pub use value::{Any, PROMISED, value};
pub use write::write;

/// Two schemas whose definitions of the same place are meant for one another.
#[derive(Debug)]
pub struct Pair {
    pub writer: Side,
    pub reader: Side,
}

impl Pair {
    /// A pair of records, from the front of the bytes.
    pub fn draw(bytes: &mut &[u8]) -> Self {
        Draw::new(bytes).pair()
    }
}
