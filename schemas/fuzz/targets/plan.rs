//! Schema pairs and bodies: the plan and the specification agree.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../bodies/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other targets' bodies")]
mod bodies;

fuzz_target!(|input: &[u8]| bodies::plan::run(input));
