//! `GET /models/{model}`: documents, page by page.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use readmill_core::{Index, Key};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Served;
use super::answer::{answer, problem};
use super::at_least::AtLeast;
use super::documents::{failed, no_model};
use super::encoded::pairs;
use crate::listing::{Asked, By, DEFAULT_DOCUMENTS, Listed, Listing, MOST_DOCUMENTS};

/// So many bytes of its digest tell a query from others.
const DIGEST_BYTES: usize = 12;

/// What a query says, before the model is known that it is asked of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Query {
    prefix: String,
    index: Option<String>,
    values: Vec<(String, String)>,
    limit: usize,
    after: Option<String>,
    at_least: AtLeast,
}

/// `GET /models/{model}`
pub async fn list(State(served): State<Served>, Path(name): Path<String>, uri: Uri) -> Response {
    let Some(model) = served.models.iter().find(|model| model.row().name == name) else {
        return no_model(&served, &name);
    };
    let bad = |detail: String| problem(StatusCode::BAD_REQUEST, detail, json!({ "model": name }));
    let query = match Query::read(uri.query().unwrap_or_default()) {
        Ok(query) => query,
        Err(detail) => return bad(detail),
    };
    let digest = query.digest(&name);
    let after = match query.after.as_deref().map(|cursor| after(cursor, &digest)).transpose() {
        Ok(after) => after,
        Err(detail) => return bad(detail.to_owned()),
    };
    let at_least = query.at_least.clone();
    let asked = match query.asked(model.row().indexes, after) {
        Ok(asked) => asked,
        Err(detail) => return cannot(&name, detail),
    };
    if let Err(response) = at_least.reached(&served, model.as_ref()).await {
        return *response;
    }
    match model.list(&asked).await {
        Ok(Listing::Page(documents, more)) => {
            let more = more.map(|key| cursor(&key, &digest));
            answer(StatusCode::OK, "application/json", written(&name, &documents, more.as_deref()))
        }
        Ok(Listing::Cannot(detail)) => cannot(&name, detail.to_owned()),
        Err(fault) => failed(&fault),
    }
}

fn cannot(model: &str, detail: String) -> Response {
    problem(StatusCode::UNPROCESSABLE_ENTITY, detail, json!({ "model": model }))
}

/// A page as JSON. States are JSON already.
fn written(model: &str, documents: &[Listed], more: Option<&str>) -> String {
    let bytes: usize = documents.iter().map(|one| one.state.len() + one.key.0.len() + 64).sum();
    let mut body = String::with_capacity(bytes + 128);
    body += &format!("{{\"model\":{},\"documents\":[", Value::from(model));
    for (at, Listed { key, revision, state }) in documents.iter().enumerate() {
        let (comma, key) = (if at > 0 { "," } else { "" }, Value::from(key.as_str()));
        body += &format!("{comma}{{\"key\":{key},\"revision\":{revision},\"state\":{state}}}");
    }
    body += &format!("],\"more_after\":{}}}", more.map_or(Value::Null, Value::from));
    body
}

impl Query {
    fn read(query: &str) -> Result<Self, String> {
        let mut read = Self {
            prefix: String::new(),
            index: None,
            values: Vec::new(),
            limit: DEFAULT_DOCUMENTS,
            after: None,
            at_least: AtLeast::NOTHING,
        };
        for pair in pairs(query) {
            let (name, value) = pair?;
            if read.at_least.take(name, &value)? {
                continue;
            }
            match name {
                "prefix" => read.prefix = value,
                "index" => read.index = Some(value),
                "where" => {
                    let pair = value.split_once(':');
                    let (path, value) = pair.ok_or("where must be a field, `:`, and its value")?;
                    read.values.push((path.to_owned(), value.to_owned()));
                }
                "limit" => {
                    let number = value.parse().ok().filter(|n| (1..=MOST_DOCUMENTS).contains(n));
                    let told = || format!("limit must be from 1 to {MOST_DOCUMENTS}");
                    read.limit = number.ok_or_else(told)?;
                }
                "after" => read.after = Some(value),
                _ => {
                    let told = "there are prefix, index, where, limit, after, at_least and wait_ms \
                                to ask by";
                    return Err(told.to_owned());
                }
            }
        }
        if read.index.is_none() && !read.values.is_empty() {
            return Err("where needs an index: name it".to_owned());
        }
        Ok(read)
    }

    /// What tells this query from others, whatever its page and its limit.
    fn digest(&self, model: &str) -> String {
        let mut values = self.values.clone();
        values.sort();
        let told = json!([model, self.prefix, self.index, values]).to_string();
        hex(&Sha256::digest(told.as_bytes()).as_slice()[..DIGEST_BYTES])
    }

    fn asked(self, indexes: &'static [Index], after: Option<Key>) -> Result<Asked, String> {
        let Self { prefix, index, values, limit, .. } = self;
        let by = index.map(|name| By::named(indexes, &name, values)).transpose()?;
        Ok(Asked { prefix, by, after, limit })
    }
}

/// Where the next page begins: whoever is given it gives it back as it is. It holds nothing that
/// whoever may ask may not see; the digest tells that it belongs to the query, and is whole.
fn cursor(key: &Key, digest: &str) -> String {
    format!("{}{}", sealed(key.as_str(), digest), hex(key.as_str().as_bytes()))
}

fn sealed(key: &str, digest: &str) -> String {
    let told = format!("{digest}/{key}");
    hex(&Sha256::digest(told.as_bytes()).as_slice()[..DIGEST_BYTES])
}

/// After which key the page begins.
fn after(cursor: &str, digest: &str) -> Result<Key, &'static str> {
    let key = || {
        let (seal, key) = cursor.split_at_checked(2 * DIGEST_BYTES)?;
        let key = String::from_utf8(unhex(key)?).ok()?;
        (seal == sealed(&key, digest)).then_some(Key(key))
    };
    key().ok_or("after is not what a page of this query said in more_after")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] if !high.is_ascii_uppercase() && !low.is_ascii_uppercase() => {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
        }
        _ => None,
    };
    digits.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use readmill_core::Direction;

    use super::*;

    const INDEXES: &[Index] = &[Index {
        name: "by_rider",
        fields: &[("rider_id", Direction::Ascending), ("status", Direction::Ascending)],
        sparse: true,
    }];

    fn told(query: &str) -> String {
        let asked = Query::read(query).and_then(|query| query.asked(INDEXES, None));
        match asked {
            Err(detail) => detail,
            Ok(Asked { prefix, by, limit, .. }) => {
                let equal = by.map(|by| by.equal).unwrap_or_default();
                let equal: Vec<String> =
                    equal.iter().map(|equal| format!("{}={}", equal.path, equal.value)).collect();
                format!("{limit} of '{prefix}' where {}", equal.join(" "))
            }
        }
    }

    #[test]
    fn queries_name_a_prefix_or_an_index_with_its_first_fields() {
        let fields = "by_rider is asked by the first of its fields, or by more of them in this \
                      order, each once: rider_id, status";
        let table = [
            ("", "100 of '' where "),
            ("prefix=a%2F&limit=7", "7 of 'a/' where "),
            ("index=by_rider&where=rider_id:r-1", "100 of '' where rider_id=r-1"),
            (
                "index=by_rider&where=status:a:b&where=rider_id:r",
                "100 of '' where rider_id=r status=a:b",
            ),
            ("index=by_rider&where=status:a", fields),
            ("index=by_rider", fields),
            ("index=by_rider&where=rider_id:r&where=rider_id:s", fields),
            ("index=by_rider&where=rider_id:r&where=color:red", fields),
            (
                "index=by_ride&where=rider_id:r",
                "there is no index \"by_ride\"; did you mean \"by_rider\"?",
            ),
            ("where=rider_id:r", "where needs an index: name it"),
            ("index=by_rider&where=rider_id", "where must be a field, `:`, and its value"),
            ("limit=0", "limit must be from 1 to 1000"),
            ("limit=1001", "limit must be from 1 to 1000"),
            (
                "top=1",
                "there are prefix, index, where, limit, after, at_least and wait_ms to ask by",
            ),
        ];
        for (query, wanted) in table {
            assert_eq!(told(query), wanted, "{query}");
        }
    }

    #[test]
    fn a_cursor_is_of_one_query_and_whole() {
        let query = |text: &str| Query::read(text).unwrap().digest("points");
        let ours = query("prefix=m&limit=5");
        let key = Key::from("m-ü/1");
        let cursor = cursor(&key, &ours);
        assert_eq!(after(&cursor, &ours), Ok(key.clone()));
        assert_eq!(after(&cursor, &query("limit=9&prefix=m")), Ok(key));
        for other in ["prefix=n", "", "index=by_rider&where=rider_id:m"] {
            assert!(after(&cursor, &query(other)).is_err(), "{other}");
        }
        assert!(after(&cursor, &Query::read("prefix=m").unwrap().digest("deals")).is_err());
        for at in 0..cursor.len() {
            let mut bytes = cursor.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            assert!(after(&String::from_utf8(bytes).unwrap(), &ours).is_err(), "{at}");
            assert!(after(&cursor[..at], &ours).is_err(), "{at}");
        }
        assert!(after(&cursor.to_uppercase(), &ours).is_err());
    }
}
