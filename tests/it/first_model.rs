//! The first read model of README.md: it compiles, it folds, and the page shows this very text.

use readmill_core::{Admit, Document, Folded, Identity, Incoming, Key, Keys, Offset};
use readmill_core::{Partition, Position, ReadModel, Record, Standing};
use readmill_schemas::Events;
use readmill_schemas::points::PointsEvent;
use readmill_workload::{Knobs, Source, SourceEvent};

use crate::paths::root;

#[derive(Debug)]
pub struct Seen;

impl ReadModel for Seen {
    const NAME: &'static str = "seen";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "how often each kind of event was seen";
    type Event = PointsEvent;
    type State = u64;
    fn keys(event: &PointsEvent) -> Keys {
        Keys::one(event.contract().name)
    }
    fn admit(_: Standing<'_, u64>, _: &PointsEvent) -> Admit {
        Admit::Fold
    }
    fn fold(seen: Option<u64>, _: &PointsEvent) -> Folded<u64> {
        Folded::next(seen.unwrap_or(0) + 1)
    }
}

#[test]
fn the_first_model_counts_and_the_page_shows_its_text() {
    let page = std::fs::read_to_string(root().join("README.md")).unwrap();
    let shown = page.split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(include_str!("first_model.rs").contains(shown), "README.md shows\n{shown}");
    let mut documents = std::collections::BTreeMap::<Key, Document<Seen>>::new();
    let knobs = Knobs { events: 500, ..Knobs::default() };
    for (row, offset) in Source::new(knobs).unwrap().zip(0..) {
        let SourceEvent::Points(event) = &row.event else { continue };
        let partition = Partition::new("t", 0);
        let record = Record::at(Position { partition, offset: Offset(offset) });
        for key in Seen::keys(event).into_vec() {
            let identity = Identity::event("t", None, &row.event_id);
            let incoming = Incoming::straight(&identity, &record, event);
            documents.entry(key).or_default().take(incoming);
        }
    }
    let counted: u64 = documents.values().filter_map(|document| document.state).sum();
    assert!(documents.len() > 3 && counted > 200, "{counted}");
}
