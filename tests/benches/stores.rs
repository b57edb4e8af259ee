//! What guarded writes cost beside bare ones, what many keys cost the embedded store, and what
//! coalescing is worth. On the real stack; run it by `tools/bench-stores`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its figures")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "its figures")]
#![allow(clippy::cast_possible_wrap, reason = "its figures")]

#[path = "stores/batches.rs"]
mod batches;
#[path = "stores/embedded.rs"]
mod embedded;
#[allow(dead_code, reason = "shared among benchmarks")]
mod lab;
#[path = "../it/paths.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod paths;

use batches::median;

#[tokio::main]
async fn main() {
    let (few, many) = embedded::few_and_many().await;
    let ratio = median(many) / median(few);
    println!("embedded_1e6/1e3={ratio:.2}");
}
