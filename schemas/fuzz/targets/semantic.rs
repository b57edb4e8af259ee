//! A schema and a body: the values of its columns, and what contracts make of them.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../bodies/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other targets' bodies")]
mod bodies;

fuzz_target!(|input: &[u8]| {
    let _ = bodies::semantic::run(input);
});
