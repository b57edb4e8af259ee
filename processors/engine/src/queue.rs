//! The order of a queue of held records.

use std::collections::{BTreeMap, VecDeque};

use readmill_core::identity::{Identity, Place};
use readmill_core::{Guard, Partition, stands};

use crate::ports::HeldRecord;

/// Records in the order in which they came: each partition's by offset, whatever their times say;
/// among partitions by time, as far as the times tell.
pub fn in_order(mut held: Vec<HeldRecord>) -> Vec<HeldRecord> {
    held.sort_by(|one, other| one.record.position.cmp(&other.record.position));
    if !stands(Guard::HeldQueueOrder) {
        held.reverse();
    }
    let mut lines: BTreeMap<Partition, VecDeque<HeldRecord>> = BTreeMap::new();
    let all = held.len();
    for record in held {
        lines.entry(record.record.position.partition.clone()).or_default().push_back(record);
    }
    let mut ordered = Vec::with_capacity(all);
    while let Some(first) = first_by_time(&mut lines) {
        ordered.push(first);
    }
    ordered
}

/// The same queue with the versions of each line in their order, in the places that they have.
pub fn by_version(queue: Vec<HeldRecord>, identities: &[Option<Identity>]) -> Vec<HeldRecord> {
    if !stands(Guard::HeldVersionOrder) {
        return queue;
    }
    let mut lines: BTreeMap<&str, Vec<(usize, i64)>> = BTreeMap::new();
    for (at, identity) in identities.iter().enumerate() {
        if let Some(Identity { line, place: Place::Version(version) }) = identity {
            lines.entry(line).or_default().push((at, *version));
        }
    }
    let mut order: Vec<usize> = (0..queue.len()).collect();
    for line in lines.into_values() {
        let mut sorted = line.clone();
        sorted.sort_by_key(|(at, version)| (*version, *at));
        for ((place, _), (at, _)) in line.into_iter().zip(sorted) {
            if let Some(slot) = order.get_mut(place) {
                *slot = at;
            }
        }
    }
    let mut queue: Vec<Option<HeldRecord>> = queue.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| queue.get_mut(at)?.take()).collect()
}

fn first_by_time(lines: &mut BTreeMap<Partition, VecDeque<HeldRecord>>) -> Option<HeldRecord> {
    let heads = lines.values_mut().filter(|line| !line.is_empty());
    let time = |line: &&mut VecDeque<HeldRecord>| line.front().map(|head| head.record.timestamp_ms);
    heads.min_by_key(time)?.pop_front()
}

#[cfg(test)]
mod tests {
    use readmill_core::{Offset, Position, Record};

    use super::*;
    use crate::ports::Unfolded;

    fn held(partition: i32, offset: i64, timestamp_ms: i64) -> HeldRecord {
        let position =
            Position { partition: Partition::new("t", partition), offset: Offset(offset) };
        HeldRecord {
            model: "m",
            key: None,
            unfolded: Unfolded::All,
            reason: String::new(),
            held_at_ms: 0,
            tries: 0,
            record: Record { position, timestamp_ms, key: None, value: None, headers: Vec::new() },
            original: None,
        }
    }

    #[test]
    fn versions_are_in_their_order_and_others_keep_their_places() {
        let queue: Vec<HeldRecord> = (0..5).map(|offset| held(0, offset, 0)).collect();
        let version = |line, version| Some(Identity::version("t", line, false, version));
        let identities = [version("a", 3), None, version("b", 9), version("a", 2), version("a", 1)];
        let order: Vec<i64> = by_version(queue, &identities)
            .iter()
            .map(|held| held.record.position.offset.0)
            .collect();
        assert_eq!(order, [4, 1, 2, 3, 0]);
    }

    #[test]
    fn offsets_order_a_partition_and_times_order_partitions() {
        let queue = vec![held(1, 9, 1), held(0, 5, 40), held(0, 4, 50), held(1, 10, 45)];
        let order = in_order(queue);
        let order: Vec<i64> = order.iter().map(|held| held.record.position.offset.0).collect();
        assert_eq!(order, [9, 10, 4, 5]);
    }
}
