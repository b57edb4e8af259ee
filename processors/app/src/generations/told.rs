//! What changes in a roster is told in the log of every instance, whoever has changed it.

use readmill_engine::roster::{Generation, Roster};

/// Tells what has changed.
pub fn tell_changes(model: &'static str, before: &Roster, now: &Roster) {
    for change in changes(before, now) {
        let Change { generation, what } = change;
        tracing::info!(model, generation, "{what}");
    }
}

/// One change.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    /// Of which generation.
    generation: u32,
    what: &'static str,
}

fn changes(before: &Roster, now: &Roster) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut tell = |generation, what| changes.push(Change { generation, what });
    for Generation { number, paused, verified, .. } in &now.generations {
        let Some(known) = before.generation(*number) else {
            tell(*number, "a generation was begun");
            continue;
        };
        match (known.paused, paused) {
            (false, true) => tell(*number, "the generation is paused"),
            (true, false) => tell(*number, "the generation goes on"),
            (true, true) | (false, false) => {}
        }
        if verified.is_some() && known.verified != *verified {
            tell(*number, "the generation was verified");
        }
    }
    if let Some(handover) = now.handover.as_ref().filter(|_| before.handover.is_none()) {
        let forgets = handover.to == before.live;
        let what =
            if forgets { "all rest while a person is forgotten" } else { "a swap has begun" };
        tell(handover.to, what);
    }
    if before.live != now.live {
        let back = before.before == Some(now.live);
        let what = if back { "readers are back at this one" } else { "readers see this one now" };
        tell(now.live, what);
    } else if let Some(ended) = before.handover.as_ref().filter(|_| now.handover.is_none()) {
        // One to the live generation is done, and was told when readers saw it first.
        if ended.to != now.live {
            tell(ended.to, "the swap was given up");
        }
    }
    for gone in before.generations.iter().filter(|one| now.generation(one.number).is_none()) {
        tell(gone.number, "a generation is gone");
    }
    changes
}

#[cfg(test)]
mod tests {
    use readmill_engine::roster::{Fingerprint, Handover, Stage};
    use readmill_models::Points;

    use super::*;

    fn roster() -> Roster {
        Roster::first(Fingerprint::of::<Points>(&["t".to_owned()]), 0)
    }

    #[track_caller]
    fn check(before: &Roster, now: &Roster, wanted: &[(u32, &str)]) {
        let found = changes(before, now);
        let found: Vec<_> = found.iter().map(|change| (change.generation, change.what)).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_rebuild_is_told_from_its_beginning_to_its_rollback_and_end() {
        let one = roster();
        check(&one, &one, &[]);
        let mut two = one.clone();
        let next = Generation { number: 2, ..one.generations[0].clone() };
        two.generations.push(next);
        check(&one, &two, &[(2, "a generation was begun")]);
        let mut paused = two.clone();
        paused.generations[1].paused = true;
        check(&two, &paused, &[(2, "the generation is paused")]);
        check(&paused, &two, &[(2, "the generation goes on")]);
        let mut swapping = two.clone();
        swapping.handover = Some(Handover { to: 2, stage: Stage::Gather, beat: 0 });
        check(&two, &swapping, &[(2, "a swap has begun")]);
        check(&swapping, &two, &[(2, "the swap was given up")]);
        let mut swapped = Roster { live: 2, before: Some(1), ..swapping.clone() };
        check(&swapping, &swapped, &[(2, "readers see this one now")]);
        let still = swapped.clone();
        swapped.handover = None;
        check(&still, &swapped, &[]);
        let back = Roster { live: 1, before: Some(2), ..swapped.clone() };
        check(&swapped, &back, &[(1, "readers are back at this one")]);
        check(&back, &Roster { live: 1, ..one }, &[(2, "a generation is gone")]);
    }

    #[test]
    fn that_a_person_is_forgotten_is_no_swap() {
        let one = roster();
        let mut resting = one.clone();
        resting.handover = Some(Handover { to: 1, stage: Stage::Forget, beat: 0 });
        check(&one, &resting, &[(1, "all rest while a person is forgotten")]);
        check(&resting, &one, &[]);
    }
}
