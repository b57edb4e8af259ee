//! The integration tests of readmill: the house's own rules, the demo, the stores, the real stack
//! from database to documents, and faults.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod demo;
mod mill;
mod paths;
mod tidy;
