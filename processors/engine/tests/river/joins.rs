//! Joins: a copy is that of the present state, and no edge leads to who does not embed.

use readmill_core::Document;
use readmill_engine::{Fault, Record};

use crate::purses::{Around, HELD, SEEN, flow, put, records};
use crate::world::Trouble;

const HOT_DEPENDENTS: i64 = 10_000;

/// A parent in one partition, and those who look at it in another.
fn family() -> (Vec<Record>, Vec<Record>) {
    let parent = records(0, 0, &[put("p", 1, 3, ""), put("q", 1, 4, ""), put("p", 2, 5, "")]);
    let children = [put("d", 1, 1, "p"), put("e", 1, 1, "p"), put("d", 2, 1, "q")];
    (parent, records(1, 0, &children))
}

#[track_caller]
fn check(around: &Around) {
    let seen = |key| around.purse(key).unwrap().seen;
    assert_eq!((seen("d"), seen("e"), around.edges()), (Some(4_000), Some(5_000), 2));
    assert_eq!((around.total(&SEEN), around.total(&HELD)), ((2, 9_000), (4, 11)));
}

#[tokio::test(start_paused = true)]
async fn who_comes_first_does_not_matter() {
    for parent_first in [true, false] {
        for size in [1, 2, 3] {
            let (parent, children) = family();
            let around = Around::new();
            let ports = around.ports();
            let batches = |log: &[Record]| log.chunks(size).map(<[_]>::to_vec).collect();
            let mut order = [(0, batches(&parent)), (1, batches(&children))];
            if !parent_first {
                order.reverse();
            }
            for (partition, batches) in order {
                flow(&ports, partition, batches).await.unwrap();
            }
            check(&around);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lost_answers_and_repeats_change_nothing() {
    for troubles in [vec![Trouble::LostAnswer; 3], vec![Trouble::Down, Trouble::LostAnswer]] {
        let (parent, children) = family();
        let around = Around::new();
        let ports = around.ports();
        flow(&ports, 0, vec![parent[..2].to_vec()]).await.unwrap();
        around.edges.trouble(&troubles);
        around.world.trouble(&troubles);
        flow(&ports, 1, vec![children.clone()]).await.unwrap();
        around.edges.trouble(&troubles);
        around.world.trouble(&troubles);
        flow(&ports, 0, vec![parent.clone()]).await.unwrap();
        check(&around);
        flow(&around.ports(), 1, vec![children]).await.unwrap();
        flow(&around.ports(), 0, vec![parent]).await.unwrap();
        check(&around);
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_on_either_side_takes_the_copy_away() {
    let around = Around::new();
    let ports = around.ports();
    let (parent, children) = family();
    flow(&ports, 0, vec![parent]).await.unwrap();
    flow(&ports, 1, vec![children]).await.unwrap();
    flow(&ports, 0, vec![records(0, 3, &[put("p", 3, -1, "")])]).await.unwrap();
    assert_eq!(around.purse("e").unwrap().seen, None);
    flow(&ports, 0, vec![records(0, 4, &[put("p", 4, 8, "")])]).await.unwrap();
    assert_eq!(around.purse("e").unwrap().seen, Some(8_000), "it begins anew");
    flow(&ports, 1, vec![records(1, 3, &[put("e", 2, -1, "")])]).await.unwrap();
    assert_eq!(around.edges(), 1);
    let revision = |document: Option<Document<_>>| document.unwrap().stamp.revision;
    let ended: i64 = revision(around.world.document("e"));
    flow(&ports, 0, vec![records(0, 5, &[put("p", 5, 9, "")])]).await.unwrap();
    assert_eq!(revision(around.world.document("e")), ended);
    assert_eq!(around.total(&SEEN), (1, 4_000));
}

#[tokio::test(start_paused = true)]
async fn copies_of_copies_follow_to_the_end_of_a_chain() {
    let around = Around::new();
    let ports = around.ports();
    let chain = [put("a", 1, 0, "b"), put("b", 1, 0, "c"), put("c", 1, 0, "d"), put("d", 1, 1, "")];
    flow(&ports, 0, vec![records(0, 0, &chain)]).await.unwrap();
    let seen = |key| around.purse(key).unwrap().seen;
    assert_eq!([seen("a"), seen("b"), seen("c")], [Some(1_000); 3]);
    flow(&ports, 0, vec![records(0, 4, &[put("d", 2, 2, ""), put("e", 1, 0, "a")])]).await.unwrap();
    assert_eq!([seen("a"), seen("b"), seen("c"), seen("e")], [Some(2_000); 4]);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_very_many_embed_is_told_to_all_of_them() {
    let around = Around::new();
    let ports = around.ports();
    let keys: Vec<String> = (0..HOT_DEPENDENTS).map(|n| format!("d-{n}")).collect();
    let all: Vec<_> = keys.iter().map(|key| put(key, 1, 1, "p")).collect();
    flow(&ports, 1, vec![records(1, 0, &all)]).await.unwrap();
    flow(&ports, 0, vec![records(0, 0, &[put("p", 1, 3, "")])]).await.unwrap();
    assert_eq!(around.total(&SEEN), (HOT_DEPENDENTS, i128::from(HOT_DEPENDENTS) * 3_000));
    let parent = around.world.document("p").unwrap();
    assert!(parent.stamp.unsent.len() < 4, "it is no larger for that");
}

#[tokio::test(start_paused = true)]
async fn a_circle_is_refused_with_words() {
    for circle in [vec!["a"], vec!["a", "b"], vec!["a", "b", "c"]] {
        let around = Around::new();
        let after = circle.iter().cycle().skip(1);
        let puts: Vec<_> =
            circle.iter().zip(after).map(|(key, next)| put(key, 1, 1, next)).collect();
        let refused = flow(&around.ports(), 0, vec![records(0, 0, &puts)]).await;
        let Err(Fault::Refused { detail, hint, .. }) = refused else {
            panic!("{circle:?}: {refused:?}")
        };
        assert!(detail.contains("embed one another"), "{detail}");
        assert!(hint.contains("no document may embed one that embeds it"), "{hint}");
    }
}
