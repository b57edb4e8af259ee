//! The outside world behind the ports: one room for each service, store and format.

pub mod address;
pub mod archive;
pub mod avro_json;
pub mod conformance;
pub mod connect;
pub mod elsewhere;
pub mod embedded;
mod held;
pub mod instance;
pub mod kafka;
mod life;
pub mod mongo;
pub mod origin;
pub mod otlp;
pub mod outbox;
pub mod redis;
pub mod registry;
pub mod renewed;
pub mod secret;
pub mod tls;
