//! Joins on the real servers: through a kill each deal has its product as that stands in the end.

mod shop;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use readmill_core::rollup::Partials;
use readmill_core::{Document, Edges, Key};
use readmill_engine::Store;
use readmill_models::Deals;
use readmill_models::deals::Document as State;
use readmill_schemas::Events as _;
use readmill_schemas::deals::{DealStatus, DealsEvent};

use crate::mill::{Mill, wait};
use crate::paths::stack;
use crate::real::Corner;
use crate::rollups::totals::{check_standing, contributed, stored};
use crate::routed::{Fact, Router};
use shop::Shop;

const LIMIT: Duration = Duration::from_secs(120);
/// So many deals sell tea; the others sell one of so many coffees.
const DEALS_OF_TEA: usize = 5_000;
const DEALS: usize = 5_600;
const COFFEES: usize = 20;

type Facts = Vec<Fact<DealsEvent>>;

/// The topics of deals and of products, and the instances that read them.
struct Stage {
    corner: Corner,
    router: Router,
    deals: String,
    products: String,
}

impl Stage {
    async fn new() -> Self {
        let corner = Corner::new("joins");
        let router = Router::new(DealsEvent::CONTRACTS).await;
        let [deals, products] = ["deals", "products"].map(|of| format!("{}.{of}", corner.name));
        router.make_topics(&[&deals, &products], 4).await;
        Self { corner, router, deals, products }
    }

    /// An instance with its documents in one of the stores, in a group of its own.
    fn start(&self, store: &str) -> Mill {
        let name = &self.corner.name;
        let configuration = format!(
            "[source]\nkind = \"kafka\"\n\n[kafka]\nbrokers = \"{}\"\n\
             group_prefix = \"{name}.{store}\"\nsession_timeout_ms = 6000\n\n\
             [registry]\nurls = [\"{}\"]\n\n[mongo]\nuri = \"{}\"\ndatabase = \"{name}\"\n\n\
             [redis]\nuri = \"{}\"\nprefix = \"{name}:\"\n\n\
             [models.deals]\ntopics = [\"{}\", \"{}\"]\nstore = \"{store}\"\n",
            stack("KAFKA_BROKERS"),
            stack("REGISTRY_URL"),
            stack("MONGO_URI"),
            stack("REDIS_URL"),
            self.deals,
            self.products,
        );
        let dir = self.corner.dir().join(store);
        std::fs::create_dir_all(&dir).unwrap();
        Mill::start(&dir, &configuration)
    }
}

fn coffee(number: usize) -> String {
    format!("coffee-{:02}", number % COFFEES)
}

fn product_of(deal: usize) -> String {
    if deal < DEALS_OF_TEA { "tea".to_owned() } else { coffee(deal) }
}

/// Half of the deals are there before their products.
async fn open(stage: &Stage, shop: &mut Shop) {
    let write = |shop: &mut Shop, deals: std::ops::Range<usize>| -> Facts {
        let facts = deals.flat_map(|deal| {
            let written = shop.deal(deal, &product_of(deal));
            let moved = deal.is_multiple_of(2).then(|| shop.move_on(deal, DealStatus::InProgress));
            std::iter::once(written).chain(moved).collect::<Facts>()
        });
        facts.collect()
    };
    let early = write(shop, 0..DEALS / 2);
    stage.router.send(&stage.deals, &early).await;
    let coffees = (0..COFFEES).map(|number| shop.product(&coffee(number), 3_000));
    let coffees: Facts = coffees.collect();
    let tea = [shop.product("tea", 1_000)];
    stage.router.send(&stage.products, &[&coffees[..], &tea].concat()).await;
    let late = write(shop, DEALS / 2..DEALS);
    stage.router.send(&stage.deals, &late).await;
}

/// Deals are pointed elsewhere, sold and taken out, and a product goes.
async fn go_on(stage: &Stage, shop: &mut Shop) {
    let mut facts = Facts::new();
    facts.extend((0..300).map(|deal| shop.deal(deal, &coffee(deal))));
    facts.extend((5_300..5_500).map(|deal| shop.deal(deal, "tea")));
    facts.extend((100..110).map(|deal| shop.deal(deal, "tea")));
    facts.extend((400..440).map(|deal| shop.sell(deal, 5)));
    facts.extend((440..480).map(|deal| shop.move_on(deal, DealStatus::End)));
    facts.extend((480..500).map(|deal| shop.remove_deal(deal)));
    facts.extend((500..505).map(|deal| shop.deal(deal, "cocoa")));
    stage.router.send(&stage.deals, &facts).await;
    let gone = [shop.remove_product(&coffee(7)), shop.product(&coffee(3), 2_999)];
    stage.router.send(&stage.products, &gone).await;
}

/// What is wrong with the documents of a store, by now.
async fn wrong(store: &impl Store<Deals>, wanted: &BTreeMap<Key, State>) -> Vec<String> {
    let mut found: BTreeMap<Key, State> = BTreeMap::new();
    let mut keep = |key, document: Document<Deals>| {
        if let Some(state) = document.state {
            found.insert(key, state);
        }
    };
    store.scan(&mut keep).await.unwrap();
    let mut wrong = Vec::new();
    for (key, state) in wanted {
        match found.remove(key) {
            Some(stands) if stands == *state => {}
            stands => wrong.push(format!("{key}: {stands:?} is not {state:?}")),
        }
    }
    wrong.extend(found.into_keys().map(|key| format!("{key} should not be there")));
    wrong
}

/// Waits until a store's documents are what they must be; answers how long it took.
async fn settle(what: &str, store: &impl Store<Deals>, shop: &Shop) -> Duration {
    let (began, wanted) = (Instant::now(), shop.stands());
    loop {
        let wrong = wrong(store, &wanted).await;
        if wrong.is_empty() {
            return began.elapsed();
        }
        let first = &wrong[..wrong.len().min(5)];
        let many = wrong.len();
        assert!(began.elapsed() < LIMIT, "{what}: {many} are wrong:\n{}", first.join("\n"));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn embedded(mill: &Mill) -> f64 {
    mill.metric("readmill_embedded_total").unwrap_or_default()
}

/// There is an edge for each deal, to the product that it sells, and none besides.
async fn check_edges(store: &impl Store<Edges>, shop: &Shop) {
    let mut living = std::collections::BTreeSet::new();
    let mut keep = |key: Key, edge: Document<Edges>| {
        if edge.state.is_some() {
            living.insert(key);
        }
    };
    store.scan(&mut keep).await.unwrap();
    let stands = shop.stands();
    let wanted = stands.iter().flat_map(|(key, state)| {
        let embeds = <Deals as readmill_core::ReadModel>::embeds(state).into_iter();
        embeds.map(|embedded| readmill_core::Edge::key(&embedded, key))
    });
    assert_eq!(living, wanted.collect());
}

async fn check_rollups(
    what: &str,
    store: &impl Store<Deals>,
    partials: impl Store<Partials> + 'static,
) {
    let stands = contributed::<Deals>(store).await;
    check_standing(what, &stored::<Deals>(partials).await, &stands);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_deal_has_its_product_as_it_stands_through_a_kill() {
    let stage = Stage::new().await;
    let mut shop = Shop::default();
    let [mongo_mill, redis_mill] = ["mongo", "redis"].map(|store| stage.start(store));
    open(&stage, &mut shop).await;
    let (mongo, redis) = (stage.corner.mongo().await, stage.corner.redis().await);
    let in_mongo = mongo.documents("deals", 1).await.unwrap();
    let in_redis = redis.documents("deals", 1).await.unwrap();
    settle("mongo", &in_mongo, &shop).await;
    settle("redis", &in_redis, &shop).await;

    // One event reaches all the deals of a product.
    let before = embedded(&mongo_mill);
    let dearer = [shop.product("tea", 1_234)];
    stage.router.send(&stage.products, &dearer).await;
    let took = settle("mongo, dearer", &in_mongo, &shop).await;
    settle("redis, dearer", &in_redis, &shop).await;
    println!("deals_of_a_product={DEALS_OF_TEA} seconds={:.1}", took.as_secs_f64());
    assert!(embedded(&mongo_mill) - before >= 5_000.0, "fewer were told");

    // The instance is killed while it tells, and deals come and go meanwhile.
    let before = embedded(&mongo_mill);
    let sold_out = [shop.stock("tea", 0)];
    stage.router.send(&stage.products, &sold_out).await;
    wait(LIMIT, "some deals to be told", || embedded(&mongo_mill) > before);
    let told = embedded(&mongo_mill) - before;
    mongo_mill.kill();
    println!("killed when {told} deals were being told");
    go_on(&stage, &mut shop).await;
    let mongo_mill = stage.start("mongo");
    settle("mongo, at the end", &in_mongo, &shop).await;
    settle("redis, at the end", &in_redis, &shop).await;
    for mill in [mongo_mill, redis_mill] {
        assert_eq!(mill.stop(), Some(0));
    }
    check_edges(&mongo.documents("deals.edges", 1).await.unwrap(), &shop).await;
    check_edges(&redis.documents("deals.edges", 1).await.unwrap(), &shop).await;
    let partials = mongo.documents("deals.partials", 1).await.unwrap();
    check_rollups("mongo", &in_mongo, partials).await;
    let partials = redis.documents("deals.partials", 1).await.unwrap();
    check_rollups("redis", &in_redis, partials).await;
}
