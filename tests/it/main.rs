//! The integration tests of readmill: the house's own rules, the demo, the stores, the real stack
//! from database to documents, and faults.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a failure is read with")]

mod api;
mod archive;
mod authority;
mod backfill;
mod bad_input;
mod cases;
mod cli;
mod connectors;
mod dashboards;
mod demo;
mod doctor;
mod end_to_end;
mod everything;
mod excerpt;
mod explain;
mod faults;
mod first_model;
mod forget;
mod held;
mod held_edges;
mod house;
mod http;
mod joins;
mod kills;
mod kubernetes;
mod lag;
mod mill;
mod mirrors;
mod mongo;
mod notices;
mod outboxes;
mod page;
mod paths;
mod pipelines;
mod positions;
mod proxy;
mod real;
mod rebuild;
mod reconcile;
mod redis;
mod registry;
mod rehearsal;
mod rollups;
mod routed;
mod rows_file;
mod said;
mod scaling;
mod secure;
mod shop;
mod sources;
mod stores;
mod stores_kills;
mod tables;
mod tidy;
mod traces;
mod tutorial;
mod verify;
