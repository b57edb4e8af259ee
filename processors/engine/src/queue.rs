//! The order of a queue of held records.

use std::collections::{BTreeMap, VecDeque};

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

fn first_by_time(lines: &mut BTreeMap<Partition, VecDeque<HeldRecord>>) -> Option<HeldRecord> {
    let heads = lines.values_mut().filter(|line| !line.is_empty());
    let time = |line: &&mut VecDeque<HeldRecord>| line.front().map(|head| head.record.timestamp_ms);
    heads.min_by_key(time)?.pop_front()
}

#[cfg(test)]
mod tests {
    use readmill_core::{Offset, Position};

    use super::*;
    use crate::ports::Unfolded;
    use crate::record::Record;

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
    fn offsets_order_a_partition_and_times_order_partitions() {
        let queue = vec![held(1, 9, 1), held(0, 5, 40), held(0, 4, 50), held(1, 10, 45)];
        let order = in_order(queue);
        let order: Vec<i64> = order.iter().map(|held| held.record.position.offset.0).collect();
        assert_eq!(order, [9, 10, 4, 5]);
    }
}
