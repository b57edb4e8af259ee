//! What is sent to a mirror, and what its answers mean.

use readmill_core::{Collection, Key, Shows};
use readmill_engine::View;
use readmill_engine::mirror::{How, Spot};
use serde_json::Value;

use super::names::Names;
use super::plan::{self, Stands};

fn names() -> Names {
    Names::new("rm:points:available".to_owned())
}

fn view(revision: i64, shows: Option<Shows>) -> View {
    View { key: Key::from("m-1"), revision, fields: shows }
}

fn top() -> Spot {
    Spot::In(Collection::Sorted("top".to_owned()))
}

#[test]
fn a_hash_names_where_else_its_document_shows() {
    let shows = Shows::hash([("available", "7".to_owned())]).json([("a", Value::from(1))]);
    let shows = shows.sorted("top", 1.5);
    let call = plan::own(&names(), &view(3, Some(shows.clone())), Some(60));
    assert_eq!(call.keys, ["rm:points:available:m-1"]);
    let places = r#"["json","sorted:top"]"#;
    assert_eq!(call.arguments, ["3", "0", places, "available", "7"]);
    let ended = plan::own(&names(), &view(4, None), Some(60));
    assert_eq!(ended.arguments, ["4", "60", "[]"]);
    let left = [Spot::Json, top()];
    let leaving = plan::elsewhere(&names(), &view(4, None), &left, Some(60));
    let sent: Vec<Vec<String>> = leaving.into_iter().map(|call| call.arguments).collect();
    assert_eq!(sent[0], ["4", "60", r#"{"_revision":4}"#]);
    assert_eq!(sent[1], ["sorted", "out", "m-1", "4", "0", "60"]);
    let showing = plan::elsewhere(&names(), &view(3, Some(shows)), &[], Some(60));
    assert_eq!(showing[0].arguments[2], r#"{"_revision":3,"a":1}"#);
    assert_eq!(showing[1].arguments, ["sorted", "in", "m-1", "3", "1.5", "60"]);
}

#[test]
fn what_stands_is_told_from_what_is_meant() {
    let meant = view(3, Some(Shows::hash([("a", "1".to_owned())]).sorted("top", 2.0)));
    let hash = |revision: &str, a: &str, places: &str| {
        let fields = [("_revision", revision), ("a", a), ("_in", places)];
        Stands::Own(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
    };
    let places = r#"["sorted:top"]"#;
    let table = [
        (Spot::Own, hash("3", "1", places), None),
        (Spot::Own, hash("3", "2", places), Some(How::Other)),
        (Spot::Own, hash("3", "1", r#"["sorted:top","set:x"]"#), Some(How::Other)),
        (Spot::Own, hash("2", "1", places), Some(How::Older)),
        (Spot::Own, hash("4", "1", places), Some(How::Newer(4))),
        (Spot::Own, Stands::Own(Vec::new()), Some(How::Missing)),
        (top(), Stands::In(Some(3), Some(2.0)), None),
        (top(), Stands::In(Some(3), Some(1.0)), Some(How::Other)),
        (top(), Stands::In(None, Some(2.0)), Some(How::Older)),
        (top(), Stands::In(Some(3), None), Some(How::Missing)),
        (top(), Stands::In(Some(9), None), Some(How::Newer(9))),
    ];
    for (spot, stands, expected) in table {
        let found = plan::differs(&meant, &spot, &stands).map(|found| found.how);
        assert_eq!(found, expected, "{spot:?} {stands:?}");
    }
    let nothing = Stands::Own(Vec::new());
    assert_eq!(plan::differs(&view(4, None), &Spot::Own, &nothing), None);
}

#[test]
fn a_json_text_tells_its_revision() {
    assert_eq!(plan::json_revision(r#"{"_revision":12,"a":1}"#), Some(12));
    assert_eq!(plan::json_revision(r#"{"_revision":12}"#), Some(12));
    assert_eq!(plan::json_revision(r#"{"a":1}"#), None);
}
