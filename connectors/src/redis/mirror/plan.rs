//! What is sent to a mirror in Redis, and what its answers mean. Pure.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use readmill_core::Place;
use readmill_engine::View;
use readmill_engine::mirror::{Difference, How, Spot, Stray};
use redis::Script;

use super::names::{self, Names};
use super::script;
use crate::redis::plan::{REVISION, STAMP};

/// The field with a list of where else a document shows.
pub const PLACES: &str = "_in";

/// A script, ready to be called.
#[derive(Debug, Clone)]
pub struct Call {
    /// The script.
    pub script: &'static LazyLock<Script>,
    /// Its keys.
    pub keys: Vec<String>,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl Call {
    /// Its weight, for bounds.
    pub fn bytes(&self) -> usize {
        self.keys.iter().chain(&self.arguments).map(|text| text.len() + 8).sum()
    }
}

/// The first step: the document's hash, with the record of where else it shows. It comes first, so
/// that whatever happens then, it is known what the document is to leave.
pub fn own(names: &Names, view: &View, life_ms: Option<i64>) -> Call {
    let mut arguments = record(view, life_ms);
    for (field, value) in view.fields.iter().flat_map(|shows| &shows.hash) {
        arguments.extend([(*field).to_owned(), value.clone()]);
    }
    Call { script: &script::SHOW, keys: vec![names.own(&view.key)], arguments }
}

/// The last step, where something was left: it is forgotten.
pub fn settle(names: &Names, view: &View, life_ms: Option<i64>) -> Call {
    let arguments = record(view, life_ms);
    Call { script: &script::SETTLE, keys: vec![names.own(&view.key)], arguments }
}

fn record(view: &View, life_ms: Option<i64>) -> Vec<String> {
    let places: Vec<String> = view.spots().iter().filter_map(names::written).collect();
    let life_ms = life_ms.filter(|_| view.fields.is_none()).unwrap_or(0);
    let places = serde_json::Value::from(places).to_string();
    vec![view.revision.to_string(), life_ms.to_string(), places]
}

/// The step between: all other spots of a document, and those that it leaves.
pub fn elsewhere(names: &Names, view: &View, left: &[Spot], life_ms: Option<i64>) -> Vec<Call> {
    let mut calls = Vec::new();
    let revision = view.revision.to_string();
    let life = life_ms.unwrap_or(0).to_string();
    let member = |place: &Place, how: &str| {
        let keys = names.collection(&place.collection);
        let (kind, _) = names::kind_and_name(&place.collection);
        let key = view.key.as_str();
        let score = place.score.to_string();
        let arguments = [kind, how, key, revision.as_str(), score.as_str(), life.as_str()];
        Call {
            script: &script::MEMBER,
            keys: vec![keys.members, keys.revisions, keys.left],
            arguments: arguments.map(str::to_owned).to_vec(),
        }
    };
    let json = |text: String, life: &str| Call {
        script: &script::JSON,
        keys: vec![names.json(&view.key)],
        arguments: vec![revision.clone(), life.to_owned(), text],
    };
    if let Some(text) = json_text(view) {
        calls.push(json(text, "0"));
    }
    let places = view.fields.iter().flat_map(|shows| &shows.places);
    calls.extend(places.map(|place| member(place, "in")));
    for spot in left {
        match spot {
            Spot::Own => {}
            Spot::Json => calls.push(json(format!("{{\"_revision\":{revision}}}"), &life)),
            Spot::In(collection) => {
                let place = Place { collection: collection.clone(), score: 0.0 };
                calls.push(member(&place, "out"));
            }
        }
    }
    calls
}

/// The JSON text of a view: an object that begins with the revision, for the guard and for readers.
pub fn json_text(view: &View) -> Option<String> {
    let members = view.fields.as_ref()?.json.as_ref()?;
    let mut text = format!("{{\"{REVISION}\":{}", view.revision);
    for (name, value) in members {
        text.push_str(&format!(",{}:{value}", serde_json::Value::from(name.as_str())));
    }
    text.push('}');
    Some(text)
}

/// The revision with which a JSON text begins.
pub fn json_revision(text: &str) -> Option<i64> {
    let rest = text.strip_prefix("{\"_revision\":")?;
    rest.split([',', '}']).next()?.parse().ok()
}

/// Takes out a stray.
pub fn take_out(names: &Names, stray: &Stray) -> Call {
    let Stray { trace, stands } = stray;
    let seen = trace.revision.to_string();
    match &trace.spot {
        Spot::Own => Call {
            script: &script::TAKE_OUT,
            keys: vec![names.own(&trace.key)],
            arguments: vec![seen],
        },
        Spot::Json => Call {
            script: &script::TAKE_OUT_JSON,
            keys: vec![names.json(&trace.key)],
            arguments: vec![seen],
        },
        Spot::In(collection) => {
            let keys = names.collection(collection);
            let (kind, _) = names::kind_and_name(collection);
            let (key, stands) = (trace.key.as_str(), stands.to_string());
            let arguments = [kind, key, &seen, &stands].map(str::to_owned);
            Call {
                script: &script::TAKE_OUT_MEMBER,
                keys: vec![keys.members, keys.revisions, keys.left],
                arguments: arguments.to_vec(),
            }
        }
    }
}

/// What stands of a document in one spot.
#[derive(Debug, Clone, PartialEq)]
pub enum Stands {
    /// All fields of its hash.
    Own(Vec<(String, String)>),
    /// Its JSON text.
    Json(Option<String>),
    /// Its revision in a collection, and its score there.
    In(Option<i64>, Option<f64>),
}

/// How a spot differs from what a view says.
pub fn differs(view: &View, spot: &Spot, stands: &Stands) -> Option<Difference> {
    let how = match stands {
        Stands::Own(hash) => own_differs(view, hash),
        Stands::Json(text) => {
            let revision = text.as_deref().map(|text| json_revision(text).unwrap_or(0));
            how(view, revision, *text == json_text(view))
        }
        Stands::In(revision, score) => match (revision, score) {
            (Some(revision), _) if *revision > view.revision => Some(How::Newer(*revision)),
            (_, None) => Some(How::Missing),
            (revision, Some(score)) => {
                how(view, Some(revision.unwrap_or(0)), scores(view, spot, *score))
            }
        },
    };
    how.map(|how| Difference { key: view.key.clone(), spot: spot.clone(), how })
}

fn how(view: &View, stored: Option<i64>, same: bool) -> Option<How> {
    match stored {
        None => Some(How::Missing),
        Some(stored) if stored > view.revision => Some(How::Newer(stored)),
        Some(stored) if stored < view.revision => Some(How::Older),
        Some(_) => (!same).then_some(How::Other),
    }
}

fn own_differs(view: &View, hash: &[(String, String)]) -> Option<How> {
    let field =
        |name: &str| hash.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    let shown = |(name, _): &&(String, String)| name != REVISION && name != PLACES;
    let is: BTreeSet<(&str, &str)> =
        hash.iter().filter(shown).map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let fields = view.fields.iter().flat_map(|shows| &shows.hash);
    let fields: BTreeSet<(&str, &str)> =
        fields.map(|(name, value)| (*name, value.as_str())).collect();
    let places = field(PLACES).map_or_else(BTreeSet::new, |text| {
        serde_json::from_str::<BTreeSet<String>>(text).unwrap_or_default()
    });
    let meant: BTreeSet<String> = view.spots().iter().filter_map(names::written).collect();
    let nothing = hash.is_empty() && view.fields.is_none();
    let revision = field(REVISION).map(|text| text.parse().unwrap_or(0));
    how(view, revision.or((!hash.is_empty()).then_some(0)), is == fields && places == meant)
        .filter(|_| !nothing)
}

fn scores(view: &View, spot: &Spot, score: f64) -> bool {
    let places = view.fields.iter().flat_map(|shows| &shows.places);
    let mut of_spot = places.filter(|place| Spot::In(place.collection.clone()) == *spot);
    of_spot.all(|place| place.score.to_bits() == score.to_bits() || place.score == score)
}

/// The fields that tell whether a hash is a view of ours: a document has a stamp.
pub const TELLING: [&str; 2] = [REVISION, STAMP];
