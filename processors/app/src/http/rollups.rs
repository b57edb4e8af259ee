//! `/models/{model}/rollups`: what documents and events came to, group by group.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use readmill_core::GroupName;
use serde_json::json;

use super::answer::{json as answer_json, problem};
use super::at_least::AtLeast;
use super::documents::{failed, no_model};
use super::encoded::{decoded, pairs};
use super::{Served, ServedModel};
use crate::rollups::{Answer, Asked, DEFAULT_GROUPS, MOST_GROUPS, answer, group};

/// Everything below `/models/{model}/rollups`. The path is taken apart before its escapes are
/// resolved: a slash within a dimension is no slash between two.
pub async fn rollups(State(served): State<Served>, uri: Uri) -> Response {
    let (name, asked, at_least) = match asked(uri.path(), uri.query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(detail) => return problem(StatusCode::BAD_REQUEST, detail, json!({})),
    };
    let Some(model) = served.models.iter().find(|model| model.row().name == name) else {
        return no_model(&served, &name);
    };
    if let Err(response) = at_least.reached(&served, model.as_ref()).await {
        return *response;
    }
    tell(model.as_ref(), asked).await
}

async fn tell(model: &dyn ServedModel, asked: Asked) -> Response {
    let name = model.row().name;
    let rollups = match model.rollups().await {
        Ok(rollups) => rollups,
        Err(fault) => return failed(&fault),
    };
    match answer(name, &rollups, asked).await {
        Ok(Answer::Found(body)) => answer_json(StatusCode::OK, &body),
        Ok(Answer::NoRollup(detail) | Answer::NoGroup(detail)) => {
            problem(StatusCode::NOT_FOUND, detail, json!({ "model": name }))
        }
        Err(fault) => failed(&fault),
    }
}

/// The model, and what is asked of its roll-ups. A path that ends in a slash asks for what is
/// within a group, any other one for the group itself.
fn asked(path: &str, query: &str) -> Result<(String, Asked, AtLeast), String> {
    let mut parts = path.split('/').skip(2).map(decoded);
    let model = parts.next().transpose()?.unwrap_or_default();
    let mut parts = parts.skip(1).collect::<Result<Vec<String>, String>>()?;
    let ends_in_slash = parts.last().is_some_and(String::is_empty);
    if ends_in_slash {
        parts.pop();
    }
    let Page { after, limit, at_least } = page(query)?;
    let Some((rollup, dimensions)) = parts.split_first() else {
        return Ok((model, Asked::Declared, at_least));
    };
    let rollup = rollup.clone();
    let dimensions: Vec<&str> = dimensions.iter().map(String::as_str).collect();
    let named = (!dimensions.is_empty()).then(|| GroupName::of(&dimensions));
    let asked = match named {
        Some(group) if !ends_in_slash => Asked::Group { rollup, group },
        group => Asked::Within { rollup, group, after, limit },
    };
    Ok((model, asked, at_least))
}

/// What a query says.
struct Page {
    after: Option<GroupName>,
    limit: usize,
    at_least: AtLeast,
}

fn page(query: &str) -> Result<Page, String> {
    let mut page = Page { after: None, limit: DEFAULT_GROUPS, at_least: AtLeast::NOTHING };
    for pair in pairs(query) {
        let (name, value) = pair?;
        if page.at_least.take(name, &value)? {
            continue;
        }
        match name {
            "after" => page.after = Some(group(&value)),
            "limit" => {
                let number = value.parse().ok().filter(|n| (1..=MOST_GROUPS).contains(n));
                page.limit =
                    number.ok_or_else(|| format!("limit must be from 1 to {MOST_GROUPS}"))?;
            }
            _ => {
                let told = "there are limit, after, at_least and wait_ms to ask by";
                return Err(told.to_owned());
            }
        }
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, query: &str) -> String {
        match asked(path, query) {
            Err(detail) => detail,
            Ok((model, Asked::Declared, _)) => format!("{model}:"),
            Ok((model, Asked::Group { rollup, group }, _)) => {
                format!("{model}: {rollup} = {group}")
            }
            Ok((model, Asked::Within { rollup, group, after, limit }, _)) => {
                let group = group.map(|group| group.to_string()).unwrap_or_default();
                let after = after.map(|after| after.to_string()).unwrap_or_default();
                format!("{model}: {limit} of {rollup} in '{group}' after '{after}'")
            }
        }
    }

    #[test]
    fn paths_ask_for_groups_or_for_what_is_in_them() {
        let table = [
            // path, query, asked
            ("/models/m/rollups", "", "m:"),
            ("/models/m/rollups/", "", "m:"),
            ("/models/m/rollups/r", "", "m: 100 of r in '' after ''"),
            ("/models/m/rollups/r/", "limit=7", "m: 7 of r in '' after ''"),
            ("/models/m/rollups/r/a/b", "", "m: r = a/b"),
            ("/models/m/rollups/r/a/b/", "", "m: 100 of r in 'a/b' after ''"),
            ("/models/m/rollups/r/a%2Fb%7Cc%25", "", "m: r = a%2Fb%7Cc%25"),
            ("/models/m/rollups/r/%C3%BC%20x", "", "m: r = ü x"),
            ("/models/m/rollups/r/a/", "after=a%2Fb&limit=1000", "m: 1000 of r in 'a' after 'a/b'"),
            ("/models/m/rollups/r/a/", "after=a%2Fb%252Fc", "m: 100 of r in 'a' after 'a/b%2Fc'"),
            ("/models/m/rollups/r", "limit=0", "limit must be from 1 to 1000"),
            ("/models/m/rollups/r", "limit=1001", "limit must be from 1 to 1000"),
            ("/models/m/rollups/r", "limit=x", "limit must be from 1 to 1000"),
            (
                "/models/m/rollups/r",
                "top=1",
                "there are limit, after, at_least and wait_ms to ask by",
            ),
            ("/models/m/rollups/r/%FF", "", "the path or the query is not percent-encoded UTF-8"),
            ("/models/m/rollups/r/%4", "", "the path or the query is not percent-encoded UTF-8"),
            ("/models/m/rollups/r/%+1", "", "the path or the query is not percent-encoded UTF-8"),
        ];
        for (path, query, wanted) in table {
            assert_eq!(told(path, query), wanted, "{path}?{query}");
        }
    }
}
