//! What a relational database is asked, in texts: pages in the order of a key, and rows by keys.

use readmill_core::Key;
use readmill_engine::reconcile::Told;
use readmill_schemas::row::{ColumnKind, Layout, LayoutColumn};
use serde_json::{Map, Value};

/// So many rows come at a time.
pub const PAGE_ROWS: usize = 500;

/// A table or a query whose rows are compared with documents.
#[derive(Debug, Clone)]
pub struct Relation {
    from: String,
    layout: Layout,
    names: Names,
}

/// How its rows name documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// As a replica does: by the table and the primary key.
    Row,
    /// By one column's text.
    Plain,
}

impl Relation {
    /// A table, as a contract describes it. Its name may be another one in this database.
    pub fn of_table(layout: Layout, name: &str) -> Self {
        let name = name.split('.').map(quoted).collect::<Vec<_>>().join(".");
        let from = format!("{name} as origin");
        Self { from, layout, names: Names::Row }
    }

    /// A query, whose column `key` has the keys of documents.
    pub fn of_query(query: &str, columns: Vec<LayoutColumn>, key: usize) -> Self {
        let from = format!("({query}) as origin");
        let layout = Layout { table: String::new(), field: String::new(), columns, key: vec![key] };
        Self { from, layout, names: Names::Plain }
    }

    /// What the keys of its documents begin with.
    pub fn prefix(&self) -> String {
        match self.names {
            Names::Row => self.layout.prefix(),
            Names::Plain => String::new(),
        }
    }

    /// The statement for the rows behind some literals of the key.
    pub fn page(&self, after: Option<&[String]>) -> String {
        let (columns, key) = (self.columns(), self.key());
        let behind = after.map(|after| format!(" where ({key}) > ({})", literals(after)));
        let behind = behind.unwrap_or_default();
        format!("select {columns} from {}{behind} order by {key} limit {PAGE_ROWS}", self.from)
    }

    /// The statement for the rows of some documents; none if none of them can be a row.
    pub fn look<'k>(&self, keys: impl Iterator<Item = &'k Key>) -> Option<String> {
        let wanted: Vec<String> = keys
            .filter_map(|key| self.literals(key.as_str()))
            .map(|key| format!("({})", literals(&key)))
            .collect();
        let (columns, key, from) = (self.columns(), self.key(), &self.from);
        let wanted = (!wanted.is_empty()).then(|| wanted.join(", "))?;
        Some(format!("select {columns} from {from} where ({key}) in ({wanted})"))
    }

    /// The literals of a document's key; none if no row can have it.
    pub fn literals(&self, key: &str) -> Option<Vec<String>> {
        match (self.names, self.key_kind()) {
            (Names::Row, _) => self.layout.literals(key),
            (Names::Plain, Some(kind @ (ColumnKind::Int | ColumnKind::Long))) => {
                let number = kind.json(key)?.to_string();
                (number == key).then(|| vec![number])
            }
            (Names::Plain, _) => (!key.contains('\0')).then(|| vec![key.to_owned()]),
        }
    }

    /// What a row says. A value that is none of its column's kind is shown as its text.
    ///
    /// # Errors
    /// When it has no key.
    pub fn told<'r>(&self, texts: impl Iterator<Item = Option<&'r str>>) -> Result<Told, String> {
        let mut row = Map::new();
        let mut plain = None;
        for (at, (column, text)) in self.layout.columns.iter().zip(texts).enumerate() {
            if self.layout.key.first() == Some(&at) {
                plain = text.map(str::to_owned);
            }
            let value = text.map(|text| column.kind.json(text).unwrap_or_else(|| text.into()));
            row.insert(column.name.clone(), value.unwrap_or_default());
        }
        let row = Value::Object(row);
        let (key, fields) = match self.names {
            Names::Row => {
                let key = self.layout.key_text(&row);
                let row = [(self.layout.field.clone(), row)].into_iter().collect();
                (key, Value::Object(row))
            }
            Names::Plain => (plain, row),
        };
        let key = key.ok_or_else(|| format!("a row of {} has no key", self.from))?;
        Ok(Told { key: Key(key), fields })
    }

    fn key_kind(&self) -> Option<ColumnKind> {
        let key = self.layout.key.first().and_then(|at| self.layout.columns.get(*at));
        key.map(|column| column.kind)
    }

    fn columns(&self) -> String {
        let columns = self.layout.columns.iter();
        columns.map(text_of).collect::<Vec<_>>().join(", ")
    }

    /// The key's columns as they are, so that an index finds them. By themselves their names would
    /// mean the texts that are selected, which have another order.
    fn key(&self) -> String {
        let column = |at: &usize| {
            let LayoutColumn { name, kind } = self.layout.columns.get(*at)?;
            let is_own = self.names == Names::Row
                || matches!(kind, ColumnKind::Int | ColumnKind::Long | ColumnKind::Text);
            let column = format!("origin.{}", quoted(name));
            Some(if is_own { column } else { format!("{column}::text") })
        };
        let columns: Vec<String> = self.layout.key.iter().filter_map(column).collect();
        columns.join(", ")
    }
}

/// A column as a text; instants as the number of their units since 1970.
fn text_of(column: &LayoutColumn) -> String {
    let name = quoted(&column.name);
    let units = |per_second: &str| {
        format!(
            "case when isfinite({name}) then \
             floor(extract(epoch from {name}) * {per_second})::bigint::text end"
        )
    };
    match column.kind {
        ColumnKind::Millis => units("1000"),
        ColumnKind::Micros => units("1000000"),
        ColumnKind::Boolean
        | ColumnKind::Int
        | ColumnKind::Long
        | ColumnKind::Double
        | ColumnKind::Text
        | ColumnKind::Decimal(_)
        | ColumnKind::Date
        | ColumnKind::Time
        | ColumnKind::Uuid
        | ColumnKind::Json => format!("{name}::text"),
    }
}

/// A name in quotes.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literals(texts: &[String]) -> String {
    let literal = |text: &String| format!("'{}'", text.replace('\'', "''"));
    texts.iter().map(literal).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn column(name: &str, kind: ColumnKind) -> LayoutColumn {
        LayoutColumn { name: name.to_owned(), kind }
    }

    fn table() -> Relation {
        let columns = vec![
            column("id", ColumnKind::Long),
            column("at", ColumnKind::Micros),
            column("code", ColumnKind::Text),
        ];
        let (table, field) = ("coupon".to_owned(), "coupon".to_owned());
        Relation::of_table(Layout { table, field, columns, key: vec![2, 0] }, "shop.coupon")
    }

    #[test]
    fn pages_go_on_behind_a_whole_key() {
        let sql = table().page(Some(&["it's".to_owned(), "7".to_owned()]));
        let wanted = "from \"shop\".\"coupon\" as origin \
                      where (origin.\"code\", origin.\"id\") > ('it''s', '7') \
                      order by origin.\"code\", origin.\"id\" limit 500";
        assert!(sql.ends_with(wanted), "{sql}");
        assert!(!table().page(None).contains("where"));
    }

    #[test]
    fn only_keys_that_a_row_can_have_are_asked_for() {
        let keys = [Key::from("coupon/a%2Fb/7"), Key::from("coupon/a/x"), Key::from("other/a/7")];
        let sql = table().look(keys.iter()).unwrap();
        assert!(sql.ends_with("where (origin.\"code\", origin.\"id\") in (('a/b', '7'))"), "{sql}");
        assert_eq!(table().look(keys[1..].iter()), None);
    }

    #[test]
    fn a_row_is_told_as_a_replica_stores_it_and_as_a_query_names_it() {
        let texts = || [Some("7"), Some("1"), Some("a/b")].into_iter();
        let told = table().told(texts()).unwrap();
        let row = json!({ "id": 7, "at": "1970-01-01T00:00:00.000001Z", "code": "a/b" });
        assert_eq!((told.key.as_str(), told.fields), ("coupon/a%2Fb/7", json!({ "coupon": row })));
        let columns = vec![column("key", ColumnKind::Text), column("n", ColumnKind::Long)];
        let query = Relation::of_query("select 1", columns, 0);
        let told = query.told([Some("m/1"), None].into_iter()).unwrap();
        assert_eq!((told.key.as_str(), told.fields["n"].is_null()), ("m/1", true));
        assert!(query.told([None, Some("1")].into_iter()).is_err());
        assert!(query.page(None).contains("from (select 1) as origin"));
    }
}
