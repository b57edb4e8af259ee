//! Any message is taken apart or told why not, and what is taken apart is put together again.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../bodies/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other targets' bodies")]
mod bodies;

fuzz_target!(|input: &[u8]| bodies::framing::run(input));
