//! Places of a file, at which a generation is to begin.

use std::collections::BTreeMap;
use std::path::Path;

use readmill_connectors::kafka::Places;
use readmill_core::{Partition, ResumeAt};
use readmill_engine::{Bounds, Fault};

use crate::config;
use crate::exit::{Exit, Failure};
use crate::positions::Exported;

/// The places in a file, which must be of this model and its topics.
///
/// # Errors
/// When it cannot be read, or is of something else.
pub fn of(model: &config::Model, file: &Path) -> Result<Places, Failure> {
    let exported = Exported::read(file)?;
    let name = model.row.name;
    if exported.model != name {
        let told = format!("{} is of {}, and not of {name}", file.display(), exported.model);
        return Err(Failure::new(Exit::Usage, told, "name the model that was exported"));
    }
    let place = |noted: crate::positions::Noted| (noted.partition, ResumeAt::stored(noted.offset));
    let places: Places = exported.places.into_iter().map(place).collect();
    let is_ours =
        |partition: &&Partition| model.topics.iter().any(|topic| **topic == *partition.topic);
    match places.keys().find(|partition| !is_ours(partition)) {
        None => Ok(places),
        Some(partition) => {
            let told = format!("{} is none of the topics of {name} here", partition.topic);
            let hint = "positions are of one cluster: `readmill positions import` finds others";
            Err(Failure::new(Exit::Usage, told, hint))
        }
    }
}

/// The same, once it is known that the log has them. Partitions without a place begin with their
/// first record.
///
/// # Errors
/// When the log does not reach a place, or has lost what follows it.
pub fn within(bounds: &BTreeMap<Partition, Bounds>, places: Places) -> Result<Places, Fault> {
    for (partition, at) in &places {
        let has_it = |bounds: &Bounds| (bounds.from..=bounds.to).contains(at);
        if !bounds.get(partition).is_some_and(has_it) {
            let log = bounds.get(partition).map_or_else(
                || "there is no such partition".to_owned(),
                |Bounds { from, to }| format!("the log has {} to {}", from.value(), to.value()),
            );
            return Err(Fault::Refused {
                service: "kafka",
                detail: format!("{partition} cannot begin at offset {}: {log}", at.value()),
                hint: "begin at a time (--from), or with an archive of what is lost (--archive)",
            });
        }
    }
    let first = |(partition, bounds): (&Partition, &Bounds)| {
        (partition.clone(), places.get(partition).copied().unwrap_or(bounds.from))
    };
    Ok(bounds.iter().map(first).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_must_be_in_the_log_and_what_has_none_begins_with_the_first_record() {
        let at = |index, at| (Partition::new("t", index), ResumeAt::stored(at));
        let bound = |from, to| Bounds { from: ResumeAt::stored(from), to: ResumeAt::stored(to) };
        let bounds = BTreeMap::from([
            (Partition::new("t", 0), bound(5, 9)),
            (Partition::new("t", 1), bound(3, 3)),
        ]);
        let table = [
            (vec![at(0, 7)], Some([7, 3])),
            (vec![at(0, 5), at(1, 3)], Some([5, 3])),
            (vec![at(0, 9)], Some([9, 3])),
            (vec![], Some([5, 3])),
            (vec![at(0, 4)], None),
            (vec![at(0, 10)], None),
            (vec![at(2, 0)], None),
        ];
        for (places, wanted) in table {
            let found = within(&bounds, places.iter().cloned().collect()).ok();
            let wanted = wanted.map(|[zero, one]| Places::from([at(0, zero), at(1, one)]));
            assert_eq!(found, wanted, "{places:?}");
        }
    }
}
