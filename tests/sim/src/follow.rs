//! What must follow from documents in the end: what is added up of them, and who embeds whom.

use std::collections::{BTreeMap, BTreeSet};

use readmill_core::rollup::{PartialName, Totals};
use readmill_core::{Beside, Edge, Key, ReadModel};

use crate::check::Finding;
use crate::model::{SEEN, Trails};
use crate::oracle::Group;
use crate::world::World;

/// Partial groups, merged, are what documents and events contributed.
pub fn totals(world: &World, mut should: BTreeMap<Group, Totals>) {
    let mut is = merged(world);
    let groups: BTreeSet<Group> = is.keys().chain(should.keys()).cloned().collect();
    for group in groups {
        let mut is = is.remove(&group).unwrap_or_default();
        let mut should = should.remove(&group).unwrap_or_default();
        if group.0 == SEEN.name {
            // What was seen on the way is nobody's promise.
            (is.withdrawn, should.withdrawn) = (0, 0);
        }
        if is != should {
            let (is, should) = (Box::new(is), Box::new(should));
            world.find(Finding::Totals { group, is, should });
        }
    }
}

fn merged(world: &World) -> BTreeMap<Group, Totals> {
    let mut all: BTreeMap<Group, Totals> = BTreeMap::new();
    world.look(|world| {
        for (key, partial) in world.partials.all() {
            let Some((rollup, group, beside)) = group_of(key) else { continue };
            let totals = partial.state.as_ref().map(|partial| partial.totals.clone());
            let merged = all.entry((rollup.to_owned(), group)).or_default();
            merged.merge(totals.unwrap_or_default(), beside);
        }
    });
    all
}

fn group_of(key: &Key) -> Option<(&'static str, readmill_core::GroupName, Beside)> {
    Trails::ROLLUPS.iter().find_map(|declared| {
        let group = PartialName::group(declared.name, key)?;
        Some((declared.name, group, declared.beside))
    })
}

/// Whoever embeds a document is written down as one who does, or would not be told of its changes.
pub fn edges(world: &World) {
    let missing: Vec<(Key, Key)> = world.look(|world| {
        let embeds = world.documents.all().flat_map(|(key, document)| {
            let embedded = document.stamp.embedded.iter();
            embedded.map(move |(embedded, _)| (key.clone(), embedded.clone()))
        });
        let stands = |(key, embedded): &(Key, Key)| {
            let edge = world.edges.get(&Edge::key(embedded, key));
            edge.is_some_and(|edge| edge.state.is_some())
        };
        embeds.filter(|both| !stands(both)).collect()
    });
    for (key, embedded) in missing {
        world.find(Finding::NoEdge { key, embedded });
    }
}
