//! The bundled read models: each on its fixtures four ways, and the traps of its case, each of
//! which the naive solution falls into.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "`make cases` reads it")]
#![allow(clippy::disallowed_methods, reason = "fixtures are files")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a naive solution overlooks what it does not know"
)]

mod chats;
mod compare;
mod coupons;
mod deals;
mod deliveries;
mod fixtures;
mod forgetting;
mod holdings;
mod kit;
mod members;
mod notices;
mod order_sheets;
mod orders;
mod points;
mod reviews;
mod stock;
mod store_stats;
mod tickets;
