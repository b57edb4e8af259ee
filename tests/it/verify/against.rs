//! A generation against another one while both go on, on the real stack: the commands by which
//! deals are validated, as docs/cases/deals.md has them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use futures::TryStreamExt as _;
use mongodb::bson;
use readmill_core::rollup::Partials;
use readmill_core::{Document, Key, Stamp};
use readmill_engine::{Put, Store, Write};
use readmill_models::deals::Document as State;
use readmill_models::{ALL, Deals};
use readmill_workload::Table;
use serde_json::Value;

use super::{all, verify};
use crate::mill::{Mill, readmill, succeed};
use crate::paths::{self, stack};
use crate::real::{Corner, wait_until_quiet};
use crate::said::Said;

const LIMIT: Duration = Duration::from_secs(120);

struct Shop {
    corner: Corner,
    /// Deals alone.
    file: PathBuf,
    /// All models, so that what is produced goes to topics of this test.
    everything: PathBuf,
    mill: Mill,
}

impl Shop {
    async fn open() -> Self {
        let corner = Corner::new("against");
        let whole = corner.configuration();
        let services = whole.split("[models.points]").next().unwrap().to_owned();
        let stanza = |model: &str| {
            let topic = |table: Table| format!("\"{}.public.{}\"", corner.name, table.name());
            let topics: Vec<String> = Table::of_model(model).map(topic).collect();
            let said = format!("reactions_topic = \"{}.{model}.said\"\n", corner.name);
            let says = ALL.iter().any(|row| row.name == model && !row.says.is_empty());
            let (topics, said) = (topics.join(", "), if says { &said } else { "" });
            format!("[models.{model}]\ntopics = [{topics}]\nstore = \"mongo\"\n{said}\n")
        };
        let (file, everything) = (corner.dir().join("deals.toml"), corner.dir().join("all.toml"));
        let deals = services.clone() + &stanza("deals");
        let all: String = ALL.iter().map(|row| stanza(row.name)).collect();
        std::fs::write(&file, &deals).unwrap();
        std::fs::write(&everything, services + &all).unwrap();
        let everything_name = everything.to_str().unwrap();
        // It makes the topics.
        succeed(&["produce", "--kafka", "-c", everything_name, "--events", "1"]);
        let mill = Mill::start(corner.dir(), &deals);
        mill.wait_for("/readyz", LIMIT);
        Self { corner, file, everything, mill }
    }

    /// Sends the first events of a workload; those that were sent before are known by that.
    fn produce(&self, events: u32) {
        let (file, events) = (self.everything.to_str().unwrap(), events.to_string());
        let share = ["--others-per-mille", "1000", "--keys", "200", "--seed", "5"];
        let what = ["produce", "--kafka", "-c", file, "--events", &events];
        succeed(&[&what[..], &share[..]].concat());
    }

    fn settle(&self) {
        wait_until_quiet(&[&self.mill], LIMIT);
    }

    fn command(&self, verb: &str, more: &[&str]) -> Value {
        let args = [verb, "deals", "-c", self.file.to_str().unwrap(), "--json"];
        let told = succeed(&[&args[..], more].concat());
        serde_json::from_str(told.lines().last().unwrap_or("null")).unwrap()
    }

    fn tell(&self, verb: &str, what: &str) {
        succeed(&[verb, "deals", "-c", self.file.to_str().unwrap(), what]);
    }

    fn compare(&self, left: u32, right: u32, more: &[&str]) -> Said {
        let (left, right) = (left.to_string(), right.to_string());
        let both = ["--generation", &left, "--against", &right, "--rest-limit", "4"];
        verify("deals", &self.file, self.corner.dir(), &[&both[..], more].concat())
    }

    #[track_caller]
    fn refused(&self, more: &[&str], words: &str) {
        let args = ["verify", "deals", "-c", self.file.to_str().unwrap()];
        let output = readmill(&[&args[..], more].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(words), "{said}");
    }

    async fn documents(&self, generation: u32) -> impl Store<Deals> + use<> {
        self.corner.mongo().await.documents("deals", generation).await.unwrap()
    }
}

async fn put(store: &impl Store<Deals>, key: &Key, expected: i64, document: &Document<Deals>) {
    let told = store.put(&[Write { key, expected, document }]).await.unwrap();
    assert_eq!(told, [Put::Done]);
}

fn finding(kind: &str, key: &Key) -> (String, String, String) {
    ("document".to_owned(), kind.to_owned(), key.to_string())
}

/// Counts more as sold in generation 2, and puts a deal there that nothing led to; erases one of
/// the live generation, of which all records come again that the other has not read yet. Answers
/// the keys, and what was erased.
async fn plant(shop: &Shop) -> ([Key; 3], Document<Deals>) {
    let (live, rests) = (shop.documents(1).await, shop.documents(2).await);
    let now = all(&live).await;
    let is_deal = |document: &Document<Deals>| matches!(document.state, Some(State::Deal(_)));
    let in_both = |(key, document): &(Key, Document<Deals>)| {
        is_deal(document) && now.get(key).is_some_and(is_deal)
    };
    let mut deals = all(&rests).await.into_iter().filter(in_both);
    let (changed, mut document) = deals.next().unwrap();
    let expected = document.stamp.revision;
    if let Some(State::Deal(deal)) = &mut document.state {
        deal.sold += 1;
    }
    put(&rests, &changed, expected, &document).await;
    let (nobody, stamp) = (Key::from("deal/nobody"), Stamp { revision: 1, ..Stamp::default() });
    put(&rests, &nobody, 0, &Document { state: document.state, stamp }).await;
    let (missing, _) = deals.next().unwrap();
    live.erase(std::slice::from_ref(&missing)).await.unwrap();
    let erased = now[&missing].clone();
    ([changed, missing, nobody], erased)
}

/// What the titles of all deals of generation 2 end with for a while.
const MARK: &str = ", of the next generation";

/// Has all deals of generation 2 say so, or no more; answers how many there are.
async fn mark_deals(shop: &Shop, is_marked: bool) -> usize {
    let next = shop.documents(2).await;
    let mut many = 0;
    for (key, mut document) in all(&next).await {
        let Some(State::Deal(deal)) = &mut document.state else { continue };
        let plain = deal.title.trim_end_matches(MARK);
        deal.title = format!("{plain}{}", if is_marked { MARK } else { "" });
        put(&next, &key, document.stamp.revision, &document).await;
        many += 1;
    }
    many
}

/// How many deals readers see that say so.
async fn seen(view: &mongodb::Collection<bson::Document>) -> usize {
    let page = view.find(bson::doc! {}).await.unwrap();
    let page: Vec<bson::Document> = page.try_collect().await.unwrap();
    page.iter().filter(|document| document.to_string().contains(MARK)).count()
}

/// Once it was found equal, it is swapped in, and back: whoever reads a page meanwhile sees deals
/// of one generation, and never some of each.
async fn a_page_is_switched_in_one_step(shop: &Shop) {
    let many = mark_deals(shop, true).await;
    let mongo = mongodb::Client::with_uri_str(stack("MONGO_URI")).await.unwrap();
    let view = mongo.database(&shop.corner.name).collection("deals");
    for (verb, wanted) in [("swap", many), ("rollback", 0)] {
        let args = [verb, "deals", "-c", shop.file.to_str().unwrap(), "--json"];
        let mut switching = Command::new(paths::readmill()).args(args).spawn().unwrap();
        let mut pages = 0;
        while switching.try_wait().unwrap().is_none() {
            let found = seen(&view).await;
            assert!(found == 0 || found == many, "{found} of {many} deals while {verb}");
            pages += 1;
        }
        assert!(switching.wait().unwrap().success() && pages > 3, "{verb}: {pages} pages");
        assert_eq!(seen(&view).await, wanted, "{verb}");
    }
    mark_deals(shop, false).await;
}

/// Adds one to the count of a partial group, or takes it back.
async fn miscount(corner: &Corner, by: i64) {
    let store = corner.mongo().await.documents("deals.partials", 2).await.unwrap();
    let (key, mut document) = all::<Partials>(&store).await.into_iter().next().unwrap();
    let expected = document.stamp.revision;
    document.stamp.revision += 1;
    document.state.as_mut().unwrap().totals.count += by;
    let write = Write { key: &key, expected, document: &document };
    assert_eq!(store.put(&[write]).await.unwrap(), [Put::Done]);
}

#[track_caller]
fn at_sight(said: &Said, place: &str) -> u64 {
    said.summary["at_sight"][place].as_u64().unwrap()
}

/// Both have taken in all that there is.
async fn equal_ones_differ_in_nothing(shop: &Shop) {
    let said = shop.compare(2, 1, &[]);
    said.is_clean();
    assert_eq!((said.number("open"), said.number("left")), (0, said.number("right")), "{said:#?}");
    assert!(said.number("left") > 100 && said.number("groups") > 3, "{said:#?}");
    let listed = shop.command("generations", &[]).to_string();
    assert!(listed.contains("by generation 1"), "{listed}");
    miscount(&shop.corner, 1).await;
    let said = shop.compare(2, 1, &[]);
    assert_eq!((said.number("findings"), said.code), (1, Some(7)), "{said:#?}");
    assert!(said.findings().iter().all(|(sort, kind, _)| sort == "roll-up" && kind == "duplicate"));
    miscount(&shop.corner, -1).await;
}

/// Generation 2 rests: what comes now is in the live one alone.
fn lag_is_no_finding(shop: &Shop) {
    let lagging = [shop.compare(2, 1, &[]), shop.compare(1, 2, &[])];
    for said in &lagging {
        assert_eq!((said.number("findings"), said.code), (0, Some(0)), "{said:#?}");
        assert!(said.number("moved") > 50 && at_sight(said, "other") > 20, "{said:#?}");
    }
    assert!(lagging[0].number("left") < lagging[0].number("right"), "{:#?}", lagging[0]);
    assert!(at_sight(&lagging[0], "only_right") > 10, "{:#?}", lagging[0]);
    assert_eq!(at_sight(&lagging[0], "only_right"), at_sight(&lagging[1], "only_left"));
    // Roll-ups are compared at rest, and it has none.
    assert!(lagging[0].number("open") > 0, "{:#?}", lagging[0]);
}

async fn faults_are_found_although_it_lags(shop: &Shop) {
    let ([changed, missing, nobody], erased) = plant(shop).await;
    let wanted = |kinds: [&str; 3]| {
        let keys = [&changed, &missing, &nobody];
        kinds.into_iter().zip(keys).map(|(kind, key)| finding(kind, key)).collect()
    };
    let found = shop.compare(2, 1, &[]);
    assert_eq!(found.findings(), wanted(["changed", "unintended", "unintended"]), "{found:#?}");
    let found = shop.compare(1, 2, &[]);
    assert_eq!(found.findings(), wanted(["changed", "missing", "missing"]), "{found:#?}");
    put(&shop.documents(1).await, &missing, 0, &erased).await;
}

/// A sample is another one each time, and can be drawn again.
fn samples_are_drawn_by_their_seeds(shop: &Shop) {
    let samples = [(); 2].map(|()| shop.compare(2, 1, &["--sample", "40"]));
    let [one, other] = samples.each_ref().map(|said| said.number("seed"));
    assert_ne!(one, other);
    let again = shop.compare(2, 1, &["--sample", "40", "--seed", &one.to_string()]);
    assert_eq!(again.findings(), samples[0].findings());
    for number in ["left", "right", "documents"] {
        assert_eq!(again.number(number), samples[0].number(number), "{number}");
    }
    assert!((40..=80).contains(&again.number("documents")), "{again:#?}");
    assert_eq!(shop.compare(2, 1, &["--sample", "99999"]).number("findings"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_generations_are_compared_while_one_lags_and_faults_are_told_from_lag() {
    let shop = Shop::open().await;
    shop.produce(20_000);
    shop.settle();
    let rebuilt = shop.command("rebuild", &[]);
    assert_eq!((&rebuilt["generation"], &rebuilt["caught_up"]), (&2.into(), &true.into()));
    shop.settle();
    equal_ones_differ_in_nothing(&shop).await;
    a_page_is_switched_in_one_step(&shop).await;
    shop.tell("rebuild", "--pause");
    std::thread::sleep(Duration::from_secs(2));
    shop.produce(30_000);
    shop.settle();
    lag_is_no_finding(&shop);
    faults_are_found_although_it_lags(&shop).await;
    samples_are_drawn_by_their_seeds(&shop);
    shop.refused(&["--against", "1"], "cannot be compared with itself");
    shop.refused(&["--against", "9"], "has no generation 9");
    assert_eq!(shop.mill.stop(), Some(0));
}
