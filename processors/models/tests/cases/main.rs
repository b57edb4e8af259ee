//! The bundled read models: each on its fixtures four ways, and the traps of its case, each of
//! which the naive solution falls into.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "fixtures are files")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a naive solution overlooks what it does not know"
)]

mod fixtures;
mod kit;
mod members;
mod order_sheets;
mod orders;
mod points;
mod tickets;
