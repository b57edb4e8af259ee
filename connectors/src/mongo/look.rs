//! A look at MongoDB from outside: who keeps the documents, how full its disk is, what time it has.

use bson::{Bson, Document, doc};
use readmill_core::Index;
use readmill_engine::Fault;

use super::connect::Mongo;
use super::indexes;

/// What a MongoDB says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MongoLook {
    /// Its version.
    pub version: String,
    /// How many members keep data; none behind a router, which does not say.
    pub keepers: Option<usize>,
    /// How many arbiters there are.
    pub arbiters: usize,
    /// Members that cannot be reached, where the user may know.
    pub away: Vec<String>,
    /// How many bytes of its disk are free, and how many there are, where it tells.
    pub disk: Option<(u64, u64)>,
    /// Its time, in milliseconds since 1970.
    pub now_ms: Option<i64>,
}

impl Mongo {
    /// Looks at it. What the user may not ask is left out.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn look(&self) -> Result<MongoLook, Fault> {
        let hello = self.ask(self.db().run_command(doc! {"hello": 1})).await?;
        let build = self.ask(self.db().run_command(doc! {"buildInfo": 1})).await?;
        let stats = self.ask(self.db().run_command(doc! {"dbStats": 1})).await.unwrap_or_default();
        let admin = self.db().client().database("admin");
        let status = self.ask(admin.run_command(doc! {"replSetGetStatus": 1})).await;
        let count = |name: &str| hello.get_array(name).map(Vec::len).ok();
        let disk = number(&stats, "fsTotalSize").zip(number(&stats, "fsUsedSize"));
        Ok(MongoLook {
            version: build.get_str("version").unwrap_or_default().to_owned(),
            keepers: count("hosts").map(|hosts| hosts + count("passives").unwrap_or(0)),
            arbiters: count("arbiters").unwrap_or(0),
            away: status.map(|status| away(&status)).unwrap_or_default(),
            disk: disk.map(|(total, used)| (total.saturating_sub(used), total)),
            now_ms: hello.get_datetime("localTime").ok().map(|time| time.timestamp_millis()),
        })
    }

    /// Which of the indexes that a model declares its collection does not have; none of them if
    /// there is no such collection yet.
    ///
    /// # Errors
    /// When it does not answer or refuses.
    pub async fn lacks(
        &self,
        model: &str,
        generation: u32,
        wanted: &[Index],
    ) -> Result<Vec<String>, Fault> {
        indexes::lacking(self, &format!("{model}.g{generation}"), wanted).await
    }

    /// Whether there is a collection of that name: nothing is made by asking.
    ///
    /// # Errors
    /// When it does not answer or refuses.
    pub async fn has(&self, collection: &str) -> Result<bool, Fault> {
        let filter = doc! {"name": collection};
        let names = self.ask(self.db().list_collection_names().filter(filter)).await?;
        Ok(!names.is_empty())
    }
}

/// A server tells whole numbers as doubles, too.
fn number(answer: &Document, name: &str) -> Option<u64> {
    let told = answer.get(name)?;
    let whole = told.as_i64().or_else(|| told.as_i32().map(i64::from));
    let whole = whole.and_then(|whole| u64::try_from(whole).ok());
    // A disk is less than what a double counts exactly.
    whole.or_else(|| format!("{:.0}", told.as_f64()?).parse().ok())
}

/// The members that a replica set cannot reach.
fn away(status: &Document) -> Vec<String> {
    let members = status.get_array("members").map(Vec::as_slice).unwrap_or_default();
    let members = members.iter().filter_map(Bson::as_document);
    let away = members.filter(|member| number(member, "health") == Some(0));
    away.filter_map(|member| Some(member.get_str("name").ok()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_not_reached_is_away_and_numbers_come_in_any_type() {
        let status = doc! {"members": [
            {"name": "a:1", "health": 1.0},
            {"name": "b:2", "health": 0.0},
            {"name": "c:3", "health": 1},
        ]};
        assert_eq!(away(&status), ["b:2"]);
        assert_eq!(away(&doc! {}), [] as [String; 0]);
        let stats = doc! {"a": 7_i64, "b": 8, "c": 9e12, "d": "x", "e": -1};
        let told = ["a", "b", "c", "d", "e"].map(|name| number(&stats, name));
        assert_eq!(told, [Some(7), Some(8), Some(9_000_000_000_000), None, None]);
    }
}
