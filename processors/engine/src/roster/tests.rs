//! What a roster decides.

use readmill_core::{Offset, Partition, Position};

use super::*;

fn fingerprint(fold: u32) -> Fingerprint {
    Fingerprint { fold, contracts: "c".to_owned(), topics: vec!["t".to_owned()] }
}

fn two() -> Roster {
    let mut roster = Roster::first(fingerprint(1), 7);
    assert_eq!(roster.begin(fingerprint(2), "the beginning".to_owned(), 8), Ok(2));
    roster
}

fn at(index: i32, offset: i64) -> Position {
    Position { partition: Partition::new("t", index), offset: Offset(offset) }
}

fn places(places: &[(i32, i64)]) -> Places {
    places.iter().map(|(index, offset)| (Partition::new("t", *index), *offset)).collect()
}

/// Who tells what is owed to a record: exactly one.
#[track_caller]
fn speaker(roster: &Roster, record: &Position) -> u32 {
    let speakers: Vec<u32> = (1..=4).filter(|number| roster.speaks(*number, record)).collect();
    assert_eq!(speakers.len(), 1, "{record}");
    speakers[0]
}

/// A swap to the end.
fn swap(roster: &mut Roster, to: u32, from: Places) {
    roster.hand_over(to).unwrap();
    roster.yield_live();
    roster.pass_the_word(from);
    roster.switch();
    roster.flip();
    roster.end_handover();
}

#[test]
fn the_next_one_rests_first_and_then_the_live_one_until_the_end() {
    let mut roster = two();
    let rest = |roster: &Roster| [1, 2].map(|number| roster.rests(number));
    assert_eq!(rest(&roster), [false, false]);
    roster.hand_over(2).unwrap();
    assert_eq!(rest(&roster), [false, true]);
    roster.yield_live();
    assert_eq!(rest(&roster), [true, true], "nobody tells until it is known who is to");
    roster.pass_the_word(places(&[(0, 10)]));
    assert_eq!(rest(&roster), [true, false]);
    assert!(!roster.hushes_readers());
    roster.switch();
    assert!(roster.hushes_readers() && roster.live == 1);
    roster.flip();
    assert_eq!((roster.live, roster.before), (2, Some(1)));
    assert_eq!(rest(&roster), [true, false], "its names do not lead to the next one yet");
    assert!(!roster.hushes_readers());
    roster.end_handover();
    assert_eq!(rest(&roster), [false, false], "the old one stays warm");
}

#[test]
fn every_reaction_is_told_by_exactly_one_generation_through_swaps_and_back() {
    let mut roster = two();
    assert_eq!(speaker(&roster, &at(0, 0)), 1);
    swap(&mut roster, 2, places(&[(0, 10), (1, 5)]));
    let found = [at(0, 9), at(0, 10), at(1, 4), at(1, 5), at(2, 0)].map(|p| speaker(&roster, &p));
    assert_eq!(found, [1, 2, 1, 2, 2], "a partition that is new since then is the new one's");
    swap(&mut roster, 1, places(&[(0, 20), (1, 5), (2, 3)]));
    let found = [at(0, 9), at(0, 19), at(0, 20), at(1, 4), at(1, 5), at(2, 2), at(2, 3)];
    assert_eq!(found.map(|p| speaker(&roster, &p)), [1, 2, 1, 1, 1, 2, 1]);
    let desk = Position { partition: at(0, 0).partition.held(), offset: Offset(3) };
    assert_eq!(speaker(&roster, &desk), 1);
}

#[test]
fn a_handover_that_is_given_up_leaves_everything_as_it_was() {
    for steps in 0..4 {
        let mut roster = two();
        let before = roster.clone();
        roster.hand_over(2).unwrap();
        let all: [fn(&mut Roster); 4] = [
            Roster::yield_live,
            |roster| roster.pass_the_word(places(&[(0, 10)])),
            Roster::switch,
            Roster::beat,
        ];
        all.iter().take(steps).for_each(|step| step(&mut roster));
        roster.end_handover();
        assert_eq!(roster, before, "after {steps} steps");
    }
}

#[test]
fn one_that_had_flipped_is_not_taken_back_by_its_end() {
    let mut roster = two();
    swap(&mut roster, 2, places(&[(0, 10)]));
    assert_eq!((roster.live, speaker(&roster, &at(0, 10))), (2, 2));
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let mut roster = two();
    let told = |refused: Result<(), Refusal>| refused.unwrap_err().to_string();
    assert!(told(roster.hand_over(3)).contains("there are 1, 2"));
    assert!(told(roster.hand_over(1)).contains("already"));
    assert!(told(roster.drop_out(1)).contains("readers see"));
    roster.change(2, |generation| generation.paused = true).unwrap();
    assert!(told(roster.hand_over(2)).contains("paused"));
    assert!(roster.rests(2));
    roster.change(2, |generation| generation.paused = false).unwrap();
    roster.hand_over(2).unwrap();
    assert!(told(roster.hand_over(2)).contains("under way"));
    assert!(told(roster.drop_out(2)).contains("under way"));
    roster.end_handover();
    roster.drop_out(2).unwrap();
    for number in 3..=9 {
        assert_eq!(roster.begin(fingerprint(3), String::new(), 9), Ok(number));
    }
    let refused = roster.begin(fingerprint(3), String::new(), 9).unwrap_err();
    assert!(refused.to_string().contains("8 generations"));
}

#[test]
fn all_rest_while_a_person_is_forgotten_and_whoever_is_live_stays_so() {
    let mut roster = two();
    roster.change(2, |generation| generation.preparing = true).unwrap();
    assert!(roster.rest_to_forget().unwrap_err().to_string().contains("being begun"));
    roster.change(2, |generation| generation.preparing = false).unwrap();
    roster.rest_to_forget().unwrap();
    assert!(roster.rests(1) && roster.rests(2) && !roster.hushes_readers());
    assert!(roster.rest_to_forget().is_err() && roster.hand_over(2).is_err());
    let begun = roster.begin(fingerprint(3), String::new(), 9);
    assert!(begun.unwrap_err().to_string().contains("being forgotten"));
    roster.note_forgetting();
    roster.end_handover();
    assert_eq!((roster.live, roster.forgettings, roster.rests(1)), (1, 1, false));
    assert_eq!(speaker(&roster, &at(0, 5)), 1);
}

#[test]
fn a_number_is_never_given_again_whether_it_spoke_or_not() {
    let mut roster = two();
    roster.drop_out(2).unwrap();
    // Its group's positions stand, and a fold that began with them would lack what is before.
    assert_eq!(roster.begin(fingerprint(3), String::new(), 9), Ok(3));
    let mut roster = two();
    swap(&mut roster, 2, places(&[(0, 10)]));
    swap(&mut roster, 1, places(&[(0, 20)]));
    roster.drop_out(2).unwrap();
    assert_eq!(roster.begin(fingerprint(3), String::new(), 9), Ok(3));
}

#[test]
fn many_swaps_are_remembered_in_little_room() {
    let mut roster = two();
    for round in 0..30 {
        let to = if roster.live == 1 { 2 } else { 1 };
        swap(&mut roster, to, places(&[(0, 10 * (round + 1))]));
    }
    assert!(roster.speakers.len() <= LIMIT_GENERATIONS);
    assert_eq!([speaker(&roster, &at(0, 299)), speaker(&roster, &at(0, 300))], [2, 1]);
}

#[test]
fn reaching_means_every_partition() {
    let here = places(&[(0, 5), (1, 7)]);
    for (there, wanted) in [
        (places(&[]), true),
        (places(&[(0, 5)]), true),
        (places(&[(0, 6)]), false),
        (places(&[(0, 5), (1, 7), (2, 0)]), true),
        (places(&[(2, 1)]), false),
    ] {
        assert_eq!(has_reached(&here, &there), wanted, "{there:?}");
    }
}
