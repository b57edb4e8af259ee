//! Kafka Connect: definitions of connectors, the rules that they are judged by, and its REST API.

mod answers;
mod client;
mod config;
mod definition;
mod diff;
pub(crate) mod faults;
mod pattern;
pub mod rules;
mod secrets;
mod source;
mod template;
#[cfg(test)]
mod tests;
mod trace;

pub use answers::{Part, Plugin, State, Status, Validation};
pub use client::{Connect, Put};
pub use config::ConnectConfig;
pub use definition::{Definition, Unfit};
pub use diff::{Change, Difference, differences};
pub use rules::{Facts, Finding, RULES, Rule, Severity, judge, judge_together, judge_with};
pub use secrets::Secrets;
pub(crate) use source::connect as session;
pub use source::look;
pub use trace::cause;
