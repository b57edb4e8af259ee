//! The rules of the house that no linter knows: sizes, widths, first lines, forbidden words.

use std::fs;
use std::path::{Path, PathBuf};

const MOST_LINES: usize = 500;
const WIDEST_LINE: usize = 100;
const LONGEST_FUNCTION: usize = 70;
const MEDIAN_FOLD: usize = 150;

/// Every Rust file of the project, with its text.
fn rust_files() -> Vec<(PathBuf, String)> {
    let root = crate::paths::root();
    let mut files = Vec::new();
    for top in ["schemas", "processors", "connectors", "tests"] {
        collect(&root.join(top), &mut files);
    }
    assert!(files.len() > 50, "found only {} Rust files", files.len());
    files
}

fn collect(dir: &Path, files: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
}

#[track_caller]
fn nothing(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn files_are_short_and_narrow_and_say_what_they_are_for() {
    let mut found = Vec::new();
    for (path, text) in rust_files() {
        let path = path.display();
        let lines = text.lines().count();
        if lines > MOST_LINES {
            found.push(format!("{path}: {lines} lines, at most {MOST_LINES}"));
        }
        if !text.starts_with("//! ") {
            found.push(format!("{path}: does not begin with a sentence that says what it is for"));
        }
        for (n, line) in text.lines().enumerate() {
            if line.chars().count() > WIDEST_LINE && !line.contains("http") {
                found.push(format!("{path}:{}: wider than {WIDEST_LINE} columns", n + 1));
            }
        }
    }
    nothing(&found);
}

/// rustfmt puts a function's closing brace at the indentation of its `fn`.
#[test]
fn functions_are_short() {
    let mut found = Vec::new();
    for (path, text) in rust_files() {
        let lines: Vec<&str> = text.lines().collect();
        for (start, line) in lines.iter().enumerate().filter(|(_, line)| begins_function(line)) {
            let indent = line.len() - line.trim_start().len();
            let closing = format!("{}}}", " ".repeat(indent));
            let header = lines[start..].iter().position(|l| l.ends_with('{') || l.ends_with(';'));
            let Some(header) = header.filter(|at| lines[start + at].ends_with('{')) else {
                continue;
            };
            let body = &lines[start + header..];
            let length = body.iter().position(|line| *line == closing).unwrap_or(0) + header + 1;
            if length > LONGEST_FUNCTION {
                let place = format!("{}:{}", path.display(), start + 1);
                found.push(format!("{place}: {length} lines, at most {LONGEST_FUNCTION}"));
            }
        }
    }
    nothing(&found);
}

fn begins_function(line: &str) -> bool {
    let code = line.trim_start();
    let code = code.strip_prefix("pub(crate) ").or(code.strip_prefix("pub ")).unwrap_or(code);
    let code = code.strip_prefix("const ").unwrap_or(code);
    let code = code.strip_prefix("async ").unwrap_or(code);
    code.starts_with("fn ")
}

/// What is said in docs/cases: who writes a model writes little.
#[test]
fn half_of_the_folds_are_short() {
    let folds = crate::paths::root().join("processors/models/src");
    let mut lines: Vec<(usize, &str)> = Vec::new();
    for model in readmill_models::ALL {
        let text = fs::read_to_string(folds.join(format!("{}.rs", model.name))).unwrap();
        lines.push((text.lines().count(), model.name));
    }
    lines.sort_unstable();
    let (median, _) = lines[lines.len() / 2];
    assert!(median <= MEDIAN_FOLD, "at most {MEDIAN_FOLD}: {lines:?}");
}

#[test]
fn only_connectors_name_a_client_library() {
    let clients = ["rdkafka::", "mongodb::", "redis::", "reqwest::", "fjall::", "tokio_postgres::"];
    let found: Vec<String> = rust_files()
        .into_iter()
        .filter(|(path, _)| path.starts_with(crate::paths::root().join("processors")))
        .flat_map(|(path, text)| {
            let named = clients.iter().filter(move |client| {
                text.lines().any(|line| {
                    let line = line.trim_start();
                    !line.starts_with("//")
                        && line.contains(**client)
                        && !line.contains("readmill_connectors::")
                        && !line.contains("connectors::")
                })
            });
            named.map(move |client| format!("{}: {client}", path.display())).collect::<Vec<_>>()
        })
        .collect();
    nothing(&found);
}
