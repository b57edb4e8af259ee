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
#[path = "stores/servers.rs"]
mod servers;
#[path = "stores/stream.rs"]
mod stream;

use batches::median;

#[tokio::main]
async fn main() {
    let mongo = servers::mongo().await;
    let redis = servers::redis().await;
    let stream = stream::coalescing().await;
    let (few, many) = embedded::few_and_many().await;
    let ratio = |one: &[f64], other: &[f64]| median(one.to_vec()) / median(other.to_vec());
    println!(
        "mongo_guarded/bare={:.2} redis_guarded/pipeline={:.2} embedded_1e6/1e3={:.2} \
         coalesced/one_per_event={:.2}",
        ratio(&mongo.guarded, &mongo.bare),
        ratio(&redis.guarded, &redis.bare),
        ratio(&many, &few),
        ratio(&stream.coalesced, &stream.one_per_event),
    );
}
