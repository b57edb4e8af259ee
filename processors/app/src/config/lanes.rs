//! The stanzas of the lanes: which topics go first, and how fast the others may go.

use std::collections::BTreeMap;

use readmill_engine::LaneRule;
use toml_edit::Table;

use super::services::topic_like;
use super::stanza::Reading;

/// Reads every `[lanes.<name>]`; those without mistakes are answered.
pub fn read(reading: &mut Reading<'_>, root: &Table) -> BTreeMap<String, LaneRule> {
    let mut lanes = BTreeMap::new();
    if reading.stanza(root, "", "lanes").is_none() {
        return lanes;
    }
    let Some(table) = root.get("lanes").and_then(|item| item.clone().into_table().ok()) else {
        return lanes;
    };
    for (name, _) in &table {
        let Some(mut stanza) = reading.stanza(&table, "lanes.", name) else { continue };
        if !topic_like(name) {
            reading.blame_stanza(&stanza, "a lane's name is letters, digits, `.`, `_` and `-`");
        }
        let Some(rule) = reading.read::<LaneRule>(&mut stanza) else { continue };
        if let Some(mistake) = rule.mistake() {
            reading.blame(&stanza, "least_share_percent", mistake);
        }
        lanes.insert(name.to_owned(), rule);
    }
    lanes
}
