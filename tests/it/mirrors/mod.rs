//! Mirrors on real Redis servers: views of every kind, and what comes back when it is lost.

mod binary;
mod checkout;
mod contract;
mod losses;
mod stand;
