//! Scaling on a real broker: members come and go, holes outlive them, topics shrink and grow.

pub mod group;
mod grown_models;
mod growth;
mod holes;
mod lanes;
mod lost;
mod membership;
