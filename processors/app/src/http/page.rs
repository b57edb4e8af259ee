//! The status page: its files are in the binary, and need no other host.

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json;

use super::answer::{answer, problem};

const PAGE: &str = include_str!("../page/index.html");

/// Names and texts of what the page is made of.
const FILES: [(&str, &str); 12] = [
    ("page.css", include_str!("../page/page.css")),
    ("main.js", include_str!("../page/main.js")),
    ("server.js", include_str!("../page/server.js")),
    ("words.js", include_str!("../page/words.js")),
    ("charts.js", include_str!("../page/charts.js")),
    ("river.js", include_str!("../page/river.js")),
    ("models.js", include_str!("../page/models.js")),
    ("lanes.js", include_str!("../page/lanes.js")),
    ("held.js", include_str!("../page/held.js")),
    ("generations.js", include_str!("../page/generations.js")),
    ("document.js", include_str!("../page/document.js")),
    ("lately.js", include_str!("../page/lately.js")),
];

/// The page may use its own files and ask this server, and nothing else; nobody frames it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /`. It says nothing by itself: its script asks, with the token that a person gives it.
pub async fn page() -> Response {
    shown("text/html; charset=utf-8", PAGE)
}

/// `GET /page/{file}`
pub async fn file(Path(name): Path<String>) -> Response {
    let found = FILES.iter().find(|(known, _)| *known == name);
    match found {
        Some((name, text)) if name.ends_with(".css") => shown("text/css; charset=utf-8", text),
        Some((_, text)) => shown("text/javascript; charset=utf-8", text),
        None => problem(StatusCode::NOT_FOUND, "the page has no such file", json!({})),
    }
}

fn shown(content_type: &'static str, text: &'static str) -> Response {
    let mut response = answer(StatusCode::OK, content_type, text);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_made_of_its_own_files_and_puts_nothing_in_as_markup() {
        let named = |text: &str| -> Vec<String> {
            let quoted = text.split('"').skip(1).step_by(2);
            quoted.filter_map(|part| part.strip_prefix("./").map(str::to_owned)).collect()
        };
        for (name, text) in FILES {
            let lines = text.lines().count();
            assert!(lines <= 500, "{name}: {lines} lines");
            let wide = text.lines().find(|line| line.chars().count() > 100);
            assert_eq!(wide, None, "{name} is too wide");
            for file in named(text) {
                assert!(FILES.iter().any(|(known, _)| *known == file), "{name} imports {file}");
            }
            // Keys and reasons are hostile: they go in as text alone.
            let ways = ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("];
            let found = ways.iter().find(|way| text.contains(**way));
            assert_eq!(found, None, "{name}");
        }
        assert!(PAGE.contains("page/main.js") && PAGE.contains("page/page.css"));
        assert!(!PAGE.contains("<style") && !PAGE.contains("onclick=") && !PAGE.contains("style="));
        assert_eq!(PAGE.matches("<script").count(), 1);
    }
}
