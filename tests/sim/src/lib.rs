//! Whole lives of the engine in virtual time: real code, a world in memory, one seed for it all.
//!
//! [`life::simulate`] runs the engine over ports that fail in every way that services and machines
//! fail; [`check`] says what must hold all the same. The same seed always makes the same life.

pub mod cast;
pub mod check;
pub mod cut;
pub mod event;
pub mod faults;
pub mod follow;
pub mod history;
pub mod life;
pub mod many;
pub mod model;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod operator;
pub mod oracle;
pub mod relay;
pub mod scenario;
pub mod shrink;
pub mod source;
pub mod wire;
pub mod world;
