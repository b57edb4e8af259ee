//! Rebuilds that are given up, and what they cost: the live stream, and by it. The ratios say
//! something in `make rebuild-drill` alone, which rebuilds more.

use std::time::Duration;

use super::*;

/// Freshness of a model's records so far: the upper bounds of its buckets, and how many are below.
fn freshness(mills: &[Mill], model: &str) -> Vec<(f64, f64)> {
    let mut all: Vec<(f64, f64)> = Vec::new();
    let head = "readmill_freshness_seconds_bucket{";
    for mill in mills {
        let (_, text) = mill.ask("/metrics").unwrap();
        let its = format!("model=\"{model}\"");
        for line in text.lines().filter(|line| line.starts_with(head) && line.contains(&its)) {
            let bound = line.split("le=\"").nth(1).unwrap().split('"').next().unwrap();
            let bound = bound.replace("+Inf", "inf").parse::<f64>().unwrap();
            let count: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            match all.iter_mut().find(|(known, _)| known.total_cmp(&bound).is_eq()) {
                Some((_, sum)) => *sum += count,
                None => all.push((bound, count)),
            }
        }
    }
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    all
}

/// The 99th percentile of what came between two looks, interpolated within its bucket.
fn p99(before: &[(f64, f64)], after: &[(f64, f64)]) -> f64 {
    let known = |bound: f64| {
        before.iter().find(|(b, _)| b.total_cmp(&bound).is_eq()).map_or(0.0, |(_, count)| *count)
    };
    let new: Vec<(f64, f64)> =
        after.iter().map(|(bound, count)| (*bound, count - known(*bound))).collect();
    let wanted = new.last().unwrap().1 * 0.99;
    let mut below = (0.0, 0.0);
    for (bound, count) in new {
        if count >= wanted {
            let top = if bound.is_finite() { bound } else { below.0 * 2.0 };
            let part = (wanted - below.1) / (count - below.1).max(1.0);
            return below.0 + (top - below.0) * part;
        }
        below = (bound, count);
    }
    below.0
}

async fn measured(mills: &[Mill], during: impl Future<Output = f64>) -> (f64, f64) {
    let before = freshness(mills, "points");
    let rate = during.await;
    (p99(&before, &freshness(mills, "points")), rate)
}

/// Rebuilds once, and answers how many records a second that was.
async fn rebuild(file: String, records: f64) -> f64 {
    let since = std::time::Instant::now();
    let rebuilding = move || command("rebuild", "points", &file, &[]);
    let rebuilt = tokio::task::spawn_blocking(rebuilding).await.unwrap();
    assert_eq!(rebuilt["caught_up"], true);
    records / since.elapsed().as_secs_f64()
}

/// The views of generations after the first.
async fn shown_beside(corner: &Corner) -> Vec<String> {
    let redis = ::redis::Client::open(stack("REDIS_URL")).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    let names = format!("{}:points:available@*", corner.name);
    ::redis::cmd("KEYS").arg(names).query_async(&mut redis).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_given_up_leaves_nothing_and_what_it_costs_is_told() {
    let size = |name: &str, or: usize| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or)
    };
    let records = size("READMILL_DRILL_RECORDS", 4_000);
    let Begun { corner, file, shipment, mills } = begun("drill", records, 1).await;
    let its = |p: &readmill_core::Partition| p.topic.contains("points_");
    let partitions = shipment.partitions().into_iter().filter(its).collect();
    let group = Group::new(&stack("KAFKA_BROKERS"), "nobody", partitions);
    let records = group.ends().iter().map(|(_, end)| *end as f64).sum();
    // Once to warm up, and once with no live stream.
    let mut alone = 0.0;
    for _ in 0..2 {
        alone = rebuild(file.clone(), records).await;
        let given_up = succeed(&["rebuild", "points", "-c", &file, "--cancel"]);
        assert!(given_up.contains("is gone"), "{given_up}");
    }
    let listed = command("generations", "points", &file, &[]);
    assert_eq!(listed["generations"].as_array().map(Vec::len), Some(1), "{listed}");
    for generation in [2, 3] {
        let store = corner.mongo().await.documents("points", generation).await.unwrap();
        assert_eq!(contents::<readmill_models::Points>(&store).await.living, 0);
    }
    assert_eq!(shown_beside(&corner).await, [""; 0], "views of what was given up");
    let stop = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn(load(shipment, Arc::clone(&stop)));
    sleep(Duration::from_secs(3)).await;
    let rest = async {
        sleep(Duration::from_secs(size("READMILL_DRILL_SECONDS", 3) as u64)).await;
        0.0
    };
    let (without, _) = measured(&mills, rest).await;
    let (beside, rate) = measured(&mills, rebuild(file.clone(), records)).await;
    stop.store(true, Ordering::Relaxed);
    drop(sending.await.unwrap());
    println!("records={records} alone_per_s={alone:.0} beside_live_per_s={rate:.0}");
    println!("live_p99_s={without:.4} live_p99_while_rebuilding_s={beside:.4}");
    println!("live_p99_ratio={:.2} rebuild_ratio={:.2}", beside / without, rate / alone);
}
