//! Messages as a topic may hold them: framing, Debezium's envelope, and the payload inside it.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../bodies/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other targets' bodies")]
mod bodies;

fuzz_target!(|input: &[u8]| bodies::envelope::run(input));
