//! Every semantic type: golden records of the real databases, hostile bytes, odd schemas.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod golden;
mod hostile;
mod oracle;
mod schemas;
