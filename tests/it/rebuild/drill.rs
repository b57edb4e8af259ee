//! Rebuilds that are given up, and what they cost: the live stream, and by it. The ratios say
//! something in `make rebuild-drill` alone, which rebuilds more, and more often.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use readmill_connectors::kafka::KafkaConfig;
use readmill_connectors::kafka::groups::groups;

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

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Records of many keys, each sent when it is committed: freshness says something of them.
fn committed_now(records: usize, per_s: u32) -> Knobs {
    let before_ms = records as i64 * 1_000 / i64::from(per_s);
    Knobs {
        events: 100_000_000,
        members: 20_000,
        deliveries_per_mille: 100,
        // What is published late or again was committed long before.
        duplicates_per_mille: 0,
        swaps_per_mille: 0,
        start_ms: now_ms() - before_ms,
        events_per_second: per_s,
        ..Knobs::default()
    }
}

/// Sends what is committed, as it is, until it is told to stop.
async fn live(mut shipment: Shipment, stop: Arc<AtomicBool>) -> Shipment {
    while !stop.load(Ordering::Relaxed) {
        shipment.send_until(now_ms(), PARTITIONS).await;
        sleep(Duration::from_millis(10)).await;
    }
    shipment
}

/// What a round has measured.
struct Round {
    alone_per_s: f64,
    beside_per_s: f64,
    p99_s: f64,
    p99_while_rebuilding_s: f64,
}

/// Whose points are rebuilt again and again.
struct Drill {
    corner: Corner,
    file: String,
    mills: Vec<Mill>,
    live: Group,
}

impl Drill {
    /// Rebuilds once, and answers how many records a second that was.
    async fn rebuild(&self) -> f64 {
        let (since, file) = (Instant::now(), self.file.clone());
        let rebuilding = move || command("rebuild", "points", &file, &[]);
        let rebuilt = tokio::task::spawn_blocking(rebuilding).await.unwrap();
        let seconds = since.elapsed().as_secs_f64();
        assert_eq!(rebuilt["caught_up"], true);
        let records: i64 = self.live.ends().iter().map(|(_, end)| *end).sum();
        records as f64 / seconds
    }

    fn give_up(&self) {
        let given_up = succeed(&["rebuild", "points", "-c", &self.file, "--cancel"]);
        assert!(given_up.contains("is gone"), "{given_up}");
    }

    /// The 99th percentile of freshness while something goes on.
    async fn p99<T>(&self, during: impl Future<Output = T>) -> (f64, T) {
        let before = freshness(&self.mills, "points");
        let done = during.await;
        (p99(&before, &freshness(&self.mills, "points")), done)
    }

    /// Rebuilds with no live stream, and then with one.
    async fn round(&self, shipment: Shipment, rest: Duration) -> (Shipment, Round) {
        let alone_per_s = self.rebuild().await;
        self.give_up();
        let stop = Arc::new(AtomicBool::new(false));
        let sending = tokio::spawn(live(shipment, Arc::clone(&stop)));
        // What was committed meanwhile is sent at once, and is old.
        sleep(Duration::from_secs(3)).await;
        wait(LIMIT, "the live stream to be fresh", || self.live.lag() < Some(1_000));
        sleep(Duration::from_secs(1)).await;
        let (p99_s, ()) = self.p99(sleep(rest)).await;
        let (p99_while_rebuilding_s, beside_per_s) = self.p99(self.rebuild()).await;
        self.give_up();
        stop.store(true, Ordering::Relaxed);
        let round = Round { alone_per_s, beside_per_s, p99_s, p99_while_rebuilding_s };
        (sending.await.unwrap(), round)
    }

    /// Of generations that were given up: no document, no view, no row in the list.
    async fn nothing_is_left(&self, last: u32) {
        let listed = command("generations", "points", &self.file, &[]);
        assert_eq!(listed["generations"].as_array().map(Vec::len), Some(1), "{listed}");
        for generation in 2..=last {
            let store = self.corner.mongo().await.documents("points", generation).await.unwrap();
            assert_eq!(contents::<readmill_models::Points>(&store).await.living, 0);
        }
        assert_eq!(shown_beside(&self.corner).await, [""; 0], "views of what was given up");
        let config = KafkaConfig { brokers: stack("KAFKA_BROKERS"), ..KafkaConfig::default() };
        let known = groups(&config, &format!("{}.points.", self.corner.name)).unwrap();
        let known: Vec<String> = known.into_iter().map(|group| group.name).collect();
        assert_eq!(known, [format!("{}.points.g1", self.corner.name)], "groups that are left");
    }
}

/// How big something is in the drill, or else in the test.
fn size(name: &str, or: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or)
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut all: Vec<f64> = rounds.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
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
    let records = size("READMILL_DRILL_RECORDS", 4_000);
    let rounds = size("READMILL_DRILL_ROUNDS", 1);
    let per_s = size("READMILL_DRILL_COMMITTED_PER_S", 100);
    let rest = Duration::from_secs(size("READMILL_DRILL_SECONDS", 3).into());
    let knobs = committed_now(records as usize, per_s);
    let Begun { corner, file, mut shipment, mills } =
        begun_with("drill", &knobs, records as usize, 1).await;
    let its = |p: &readmill_core::Partition| p.topic.contains("points_");
    let partitions = shipment.partitions().into_iter().filter(its).collect();
    let name = format!("{}.points.g1", corner.name);
    let live = Group::new(&stack("KAFKA_BROKERS"), &name, partitions);
    let drill = Drill { corner, file, mills, live };
    drill.rebuild().await;
    drill.give_up();
    drill.nothing_is_left(2).await;
    let mut measured = Vec::new();
    for _ in 0..rounds {
        let (sent, round) = drill.round(shipment, rest).await;
        shipment = sent;
        let Round { alone_per_s, beside_per_s, p99_s, p99_while_rebuilding_s } = round;
        println!("alone_per_s={alone_per_s:.0} beside_live_per_s={beside_per_s:.0}");
        println!("live_p99_s={p99_s:.4} live_p99_while_rebuilding_s={p99_while_rebuilding_s:.4}");
        measured.push(round);
    }
    drill.nothing_is_left(2 + 2 * rounds).await;
    let p99_ratio = median(&measured, |round| round.p99_while_rebuilding_s / round.p99_s);
    let rebuild_ratio = median(&measured, |round| round.beside_per_s / round.alone_per_s);
    println!("live_p99_ratio={p99_ratio:.2} rebuild_ratio={rebuild_ratio:.2}");
}
