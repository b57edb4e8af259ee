//! What each fuzz target does with its input; the tests do the same on a stable compiler.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod envelope;
pub mod framing;
pub mod plan;
pub mod semantic;

#[path = "../../tests/schemas/pairs/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests use more of it")]
mod pairs;
