//! Some documents are made anew where they stand, under load: those that are named, with what
//! follows from them, and no others.

use std::process::Command as Process;

use super::*;
use crate::faults::topics;
use crate::paths::stack;

const KILLED_AFTER_MS: [u64; 6] = [100, 300, 500, 700, 900, 1_200];

impl Drill {
    fn rebuild(&self, model: &str, more: &[&str]) -> Said {
        let (file, dir) = (self.file.to_str().unwrap(), self.corner.dir().to_str().unwrap());
        let args = ["rebuild", model, "-c", file, "--dir", dir];
        Said::of(&[&args[..], more].concat(), self.corner.dir())
    }

    /// The keys of a model whose documents are at rest by now.
    fn resting(&self) -> BTreeSet<Key> {
        let rested = self.events * 27 / 100;
        let rests = self.members.iter().filter(|(_, last)| **last < rested);
        rests.map(|(key, _)| key.clone()).collect()
    }

    fn reactions(&self) -> usize {
        let topic = format!("{}.integrated", self.corner.name);
        topics::reactions(&stack("KAFKA_BROKERS"), &topic).len()
    }
}

/// The documents that differ, as a command has said.
fn documents(said: &Said) -> BTreeSet<String> {
    let found = said.findings().into_iter().filter(|(sort, ..)| sort == "document");
    found.map(|(_, _, key)| key).collect()
}

fn keys_of(planted: &Planted) -> Vec<String> {
    let documents = planted.all.iter().filter(|(sort, ..)| sort == "document" || sort == "view");
    documents.map(|(_, _, key)| key.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_named_are_made_anew_under_load_and_no_others() {
    let mut drill = Drill::begin("partly", 100).await;
    drill.wait_for_share(12);
    let members = drill.members().await;
    let before = all(&members).await;
    drill.wait_for_share(35);
    let rested = drill.events * 27 / 100;
    let mut planted = Planted::default();
    let changed = |member: &mut readmill_models::points::Member| member.available += 1;
    plant(&mut planted, &members, &before, (&drill.members, rested), changed).await;
    mirror_view(&mut planted, &drill.corner, (&drill.members, rested)).await;
    let named = keys_of(&planted);
    partial_group(&mut planted, &drill.partials().await).await;
    // Those that nobody names.
    plant(&mut planted, &members, &before, (&drill.members, rested), changed).await;
    let others: Vec<String> =
        keys_of(&planted).into_iter().filter(|key| !named.contains(key)).collect();
    let resting = drill.resting();
    let stands = all(&members).await;
    let list = named.join(",");

    let dry = drill.rebuild("points", &["--keys", &list, "--dry-run", "--values"]);
    assert_eq!((dry.code, dry.number("mended")), (Some(7), 0), "{dry:#?}");
    assert_eq!(documents(&dry).len(), 4, "{dry:#?}");
    let found: Vec<_> = dry.findings().into_iter().filter(|(sort, ..)| sort == "roll-up").collect();
    assert_eq!(found.len(), 2, "{dry:#?}");
    let unchanged = all(&members).await;
    assert!(named.iter().all(|key| {
        let key = Key::from(key.as_str());
        unchanged.get(&key) == stands.get(&key)
    }));

    kill_again_and_again(&drill, &list).await;
    let said = drill.rebuild("points", &["--keys", &list]);
    assert!(drill.is_loading(), "the load was to go on: give more events");
    assert_eq!((said.code, said.number("not_mended")), (Some(0), 0), "{said:#?}");
    let keys = drill.corner.dir().join("keys");
    std::fs::write(&keys, named.join("\n")).unwrap();
    let again = drill.verify("points", &["--keys", keys.to_str().unwrap()]);
    assert_eq!(again.number("findings"), 0, "{again:#?}");
    let now = all(&members).await;
    for key in resting.iter().filter(|key| !named.contains(&key.0)) {
        assert_eq!(now.get(key), stands.get(key), "{key} was not named, and was changed");
    }
    // Nothing else is left than what nobody has named.
    let left = drill.verify("points", &[]);
    let wanted: BTreeSet<String> = others.iter().cloned().collect();
    let found: BTreeSet<String> = left.findings().into_iter().map(|(_, _, key)| key).collect();
    let views = left.findings().into_iter().filter(|(sort, ..)| sort == "view");
    assert_eq!(documents(&left), wanted, "{left:#?}");
    assert!(found.is_subset(&wanted), "{left:#?}");
    assert!(views.into_iter().all(|(_, _, key)| !named.contains(&key)), "{left:#?}");

    mend_the_rest(&drill, &others);
    wait(LIMIT, "the load to end", || drill.load.try_wait().unwrap().is_some());
    wait_until_quiet(&[&drill.mill], LIMIT);
    let said = drill.verify("points", &[]);
    said.is_clean();
    assert_eq!(said.number("open"), 0, "{said:#?}");
    is_told_to_nobody_again(&drill).await;
    refuses_another_fold(&drill);
}

/// The command may be killed at any moment, and given again.
async fn kill_again_and_again(drill: &Drill, list: &str) {
    let (file, dir) = (drill.file.to_str().unwrap(), drill.corner.dir().to_str().unwrap());
    let args = ["rebuild", "points", "-c", file, "--dir", dir, "--keys", list];
    for after_ms in KILLED_AFTER_MS {
        let mut killing = Process::new(paths::readmill());
        let mut killed = killing.args(args).stdout(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
}

/// A range, a file, and a beginning of keys mean the rest.
#[track_caller]
fn mend_the_rest(drill: &Drill, others: &[String]) {
    let keys = drill.corner.dir().join("keys");
    let (first, rest) = others.split_first().unwrap();
    let range = format!("{first}..{first}.");
    let said = drill.rebuild("points", &["--key-range", &range]);
    assert_eq!((documents(&said), said.code), (BTreeSet::from([first.clone()]), Some(0)));
    let (second, rest) = rest.split_first().unwrap();
    std::fs::write(&keys, format!("{second}\n")).unwrap();
    let file = ["--keys-file", keys.to_str().unwrap(), "--documents-only"];
    let said = drill.rebuild("points", &file);
    assert_eq!((said.number("documents"), said.number("mended"), said.code), (1, 1, Some(0)));
    let said = drill.rebuild("points", &["--key-prefix", "m"]);
    assert_eq!(documents(&said), rest.iter().cloned().collect(), "{said:#?}");
    assert_eq!(said.code, Some(0), "{said:#?}");
}

/// A delivery that is made anew says nothing.
async fn is_told_to_nobody_again(drill: &Drill) {
    let (told, deliveries) = (drill.reactions(), drill.deliveries().await);
    let stands = all(&deliveries).await;
    let has_told = |document: &&Document<Deliveries>| document.state.is_some();
    let (key, _) = stands.iter().find(|(_, document)| has_told(document)).unwrap();
    deliveries.erase(std::slice::from_ref(key)).await.unwrap();
    let said = drill.rebuild("deliveries", &["--keys", key.as_str()]);
    assert_eq!((said.number("mended"), said.code), (1, Some(0)), "{said:#?}");
    drill.verify("deliveries", &[]).is_clean();
    assert_eq!(drill.reactions(), told, "a reaction was told again");
}

/// What this configuration would fold, with other topics, is another generation's.
#[track_caller]
fn refuses_another_fold(drill: &Drill) {
    let file = drill.corner.dir().join("other.toml");
    let topics = format!("[{}]\nstore = \"mongo\"", drill.corner.topics("points"));
    let other = drill
        .corner
        .configuration()
        .replace(&topics, &topics.replace("points_outbox", "deliveries_outbox_a"));
    std::fs::write(&file, other).unwrap();
    let refused = readmill(&["rebuild", "points", "-c", file.to_str().unwrap(), "--keys", "m"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("was folded otherwise"), "{said}");
}
