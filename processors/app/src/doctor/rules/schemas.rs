//! Rules about the schema registry: what is registered there, and what may be.

use readmill_connectors::registry::SubjectStrategy;

use crate::doctor::finding::Findings;
use crate::doctor::table;
use crate::schemas::Breaks;

/// How the registry is called here.
pub const REGISTRY: &str = "the registry";

/// Tells of the schemas that models cannot read.
pub fn judge_breaks(breaks: &[Breaks], found: &mut Findings) {
    for Breaks { model, place, contract, why } in breaks {
        let what = format!("{place} cannot be read as {contract}: {why}");
        let mend = "give new fields a default, keep old ones, and change types only by \
                    promotion; readmill schemas check -c FILE";
        found.note(&table::SCHEMA_BREAKS, *model, what, mend);
    }
}

/// Tells of a topic of a model that has no subject.
pub fn judge_missing(model: &str, topic: &str, strategy: SubjectStrategy, found: &mut Findings) {
    let what = format!("no subject of it is registered ({strategy})");
    let mend = format!("see subject_strategy under [models.{model}]");
    found.note(&table::SUBJECT_MISSING, format!("topic {topic}"), what, mend);
}

/// Judges the levels of subjects, each with its own if it has one, and that of all others.
pub fn judge_levels(
    everywhere: Option<&str>,
    subjects: &[(String, Option<String>)],
    found: &mut Findings,
) {
    let is_free = |(_, own): &&(String, Option<String>)| {
        own.as_deref().or(everywhere).is_some_and(|level| level == "NONE")
    };
    let free: Vec<_> = subjects.iter().filter(is_free).collect();
    if let Some((first, _)) = free.first() {
        let what = format!("{} subjects have the level NONE, such as {first}", free.len());
        let mend = format!("PUT /config/{first} {{\"compatibility\": \"BACKWARD\"}}, or /config");
        found.note(&table::COMPATIBILITY_NONE, REGISTRY, what, mend);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_that_break_and_topics_without_subjects_are_told() {
        let (place, why) = ("subject s (id 3)".to_owned(), "no lot_id".to_owned());
        let breaks = [Breaks { model: "points", place, contract: "x.A", why }];
        let mut found = Findings::default();
        judge_breaks(&[], &mut found);
        assert_eq!(found, Findings::default());
        judge_breaks(&breaks, &mut found);
        judge_missing("points", "t", SubjectStrategy::TopicName, &mut found);
        assert_eq!(found.ids(), ["schema-breaks", "subject-missing"]);
        assert!(found.0[1].what.contains("<topic>-value"), "{found:?}");
    }

    #[test]
    fn a_subject_has_its_own_level_or_that_of_all() {
        let table = [
            (Some("NONE"), None, true),
            (Some("NONE"), Some("BACKWARD"), false),
            (Some("FULL"), None, false),
            (Some("FULL"), Some("NONE"), true),
            (None, None, false),
        ];
        for (everywhere, own, wanted) in table {
            let mut found = Findings::default();
            let subjects = [("s".to_owned(), own.map(str::to_owned))];
            judge_levels(everywhere, &subjects, &mut found);
            assert_eq!(found.ids() == ["compatibility-none"], wanted, "{everywhere:?} {own:?}");
        }
    }
}
