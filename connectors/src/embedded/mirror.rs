//! Views in the embedded store: hashes, JSON texts, and collections that documents share.
//!
//! The steps are those of the mirror in Redis: a document's hash with a record of where else it
//! shows, then all else that it shows, then the record again if something was left.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use readmill_core::{Collection, Key};
use readmill_engine::mirror::{Difference, Heals, How, Sight, Spot, Stray, Trace};
use readmill_engine::{Fault, Mirror, View};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::plan::{self, Cell, Guard};
use super::space::Space;
use super::store::Embedded;

/// The fields of a hash; none when the document has ended.
type Hash = Option<BTreeMap<String, String>>;
/// The score of a member; none when it has left.
type Score = Option<f64>;

const MARKER: &str = "marker";

/// A document's hash, and the record of where else it shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Own {
    fields: Hash,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    places: BTreeSet<String>,
}

/// A view as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The revision of the document that it shows.
    pub revision: i64,
    /// Its fields; none when the document has ended.
    pub fields: Option<BTreeMap<String, String>>,
}

/// The views of one mirror.
#[derive(Debug, Clone)]
pub struct EmbeddedMirror {
    own: Space,
    texts: Space,
    members: Space,
    marker: Space,
}

impl Embedded {
    /// The mirror of this name.
    ///
    /// # Errors
    /// When its spaces cannot be opened.
    pub fn mirror(&self, name: &str) -> Result<EmbeddedMirror, Fault> {
        let name = plan::views(name);
        Ok(EmbeddedMirror {
            own: self.space(&format!("{name}.own"))?,
            texts: self.space(&format!("{name}.json"))?,
            members: self.space(&format!("{name}.members"))?,
            marker: self.space(&format!("{name}.marker"))?,
        })
    }
}

impl EmbeddedMirror {
    /// The view of a document, if one was ever shown.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn get(&self, key: &Key) -> Result<Option<Shown>, Fault> {
        let found = one::<Own>(&self.own, key).await?;
        Ok(found.map(|(revision, own)| Shown { revision, fields: own.fields }))
    }

    /// The JSON text of a document, if it has one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn json(&self, key: &Key) -> Result<Option<Map<String, Value>>, Fault> {
        let found = one::<Option<Map<String, Value>>>(&self.texts, key).await?;
        Ok(found.and_then(|(_, members)| members))
    }

    /// The members of a collection with their scores, in their order; those of a set have 0.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn members(&self, collection: &Collection) -> Result<Vec<(Key, f64)>, Fault> {
        let under = under(collection);
        let mut members = Vec::new();
        let mut visit = |stored: Key, score: Score| {
            let member = stored.as_str().get(under.len()..).map(Key::from);
            members.extend(member.zip(score));
        };
        self.members.each(&under, plan::content_of::<Score>, &mut visit).await?;
        members.sort_by(|(key, a), (other, b)| a.total_cmp(b).then_with(|| key.cmp(other)));
        Ok(members)
    }

    /// The first step: answers, of those views that are not older than what stands, what each is to
    /// leave.
    pub(crate) async fn begin<'v>(&self, views: &'v [View]) -> Result<Vec<Begun<'v>>, Fault> {
        let (mut open, mut begun) = (views.iter().collect::<Vec<_>>(), Vec::new());
        // Each round but the last has seen another writer at work.
        while !open.is_empty() {
            let keys: Vec<Key> = open.iter().map(|view| view.key.clone()).collect();
            let stood = many::<Own>(&self.own, &keys).await?;
            let (mut cells, mut written) = (Vec::new(), Vec::new());
            for (view, stands) in open.into_iter().zip(stood) {
                let (stored, old) = stands.unwrap_or_default();
                if stored > view.revision {
                    continue;
                }
                let mut own = own(view);
                let left = old.places.difference(&own.places);
                let left: Vec<Spot> = left.filter_map(|written| spot_of(written)).collect();
                own.places.extend(old.places);
                let guard = Guard::Revision(stored);
                cells.push(Cell::new(view.key.as_str(), guard, view.revision, &own)?);
                written.push(Begun { view, left });
            }
            let verdicts = self.own.put(cells).await?;
            open = Vec::new();
            for (begin, done) in written.into_iter().zip(verdicts) {
                if done { begun.push(begin) } else { open.push(begin.view) }
            }
        }
        Ok(begun)
    }

    pub(crate) async fn finish(&self, begun: &[Begun<'_>]) -> Result<(), Fault> {
        let (mut texts, mut members, mut settled) = (Vec::new(), Vec::new(), Vec::new());
        for Begun { view, left } in begun {
            let (key, revision) = (view.key.as_str(), view.revision);
            let guard = Guard::NotNewerThan(revision);
            let text = view.fields.as_ref().and_then(|shows| shows.json.as_ref());
            if text.is_some() || left.contains(&Spot::Json) {
                texts.push(Cell::new(key, guard, revision, &text)?);
            }
            for place in view.fields.iter().flat_map(|shows| &shows.places) {
                let at = under(&place.collection) + key;
                members.push(Cell::new(&at, guard, revision, &Some(place.score))?);
            }
            for spot in left {
                if let Spot::In(collection) = spot {
                    let at = under(collection) + key;
                    members.push(Cell::new(&at, guard, revision, &Score::None)?);
                }
            }
            if !left.is_empty() {
                settled.push(Cell::new(key, Guard::Revision(revision), revision, &own(view))?);
            }
        }
        self.texts.put(texts).await?;
        self.members.put(members).await?;
        self.own.put(settled).await.map(drop)
    }
}

/// A view whose first step is done.
pub(crate) struct Begun<'v> {
    view: &'v View,
    /// What the document is to leave.
    left: Vec<Spot>,
}

#[async_trait]
impl Mirror for EmbeddedMirror {
    async fn show(&self, views: &[View]) -> Result<(), Fault> {
        let begun = self.begin(views).await?;
        self.finish(&begun).await
    }
}

#[async_trait]
impl Heals for EmbeddedMirror {
    async fn compare(&self, views: &[View]) -> Result<Vec<Difference>, Fault> {
        let keys: Vec<Key> = views.iter().map(|view| view.key.clone()).collect();
        let owned = many::<Own>(&self.own, &keys).await?;
        let texts = many::<Option<Map<String, Value>>>(&self.texts, &keys).await?;
        let mut found = Vec::new();
        for ((view, owned), text) in views.iter().zip(owned).zip(texts) {
            let mut differs = |spot: Spot, how: Option<How>| {
                found.extend(how.map(|how| Difference { key: view.key.clone(), spot, how }));
            };
            let nothing = owned.is_none() && view.fields.is_none();
            let is = owned.map(|(revision, stands)| (revision, stands == own(view)));
            differs(Spot::Own, how(view, is).filter(|_| !nothing));
            let meant = view.fields.as_ref().and_then(|shows| shows.json.as_ref());
            if meant.is_some() {
                let is =
                    text.filter(|(revision, text)| text.is_some() || *revision > view.revision);
                let is = is.map(|(revision, text)| (revision, text.as_ref() == meant));
                differs(Spot::Json, how(view, is));
            }
            for place in view.fields.iter().flat_map(|shows| &shows.places) {
                let at = Key(under(&place.collection) + view.key.as_str());
                let is = one::<Score>(&self.members, &at).await?;
                let is =
                    is.filter(|(revision, score)| score.is_some() || *revision > view.revision);
                let is = is.map(|(revision, score)| (revision, score == Some(place.score)));
                differs(Spot::In(place.collection.clone()), how(view, is));
            }
        }
        Ok(found)
    }

    async fn traces(&self, visit: &mut (dyn FnMut(Trace) + Send)) -> Result<(), Fault> {
        let read = |space: &str, value: &[u8]| {
            let own: Own = plan::content_of(space, value)?;
            Ok((plan::revision_of(space, value)?, own != Own::default()))
        };
        let mut hash = |key, (revision, shown)| {
            visit(Trace { key, spot: Spot::Own, revision, shown });
        };
        self.own.each("", read, &mut hash).await?;
        let read = |space: &str, value: &[u8]| {
            let text: Option<Value> = plan::content_of(space, value)?;
            Ok((plan::revision_of(space, value)?, text.is_some()))
        };
        let mut json = |key, (revision, shown)| {
            visit(Trace { key, spot: Spot::Json, revision, shown });
        };
        self.texts.each("", read, &mut json).await?;
        let read = |space: &str, value: &[u8]| {
            let score: Score = plan::content_of(space, value)?;
            Ok((plan::revision_of(space, value)?, score.is_some()))
        };
        let mut member = |stored: Key, (revision, shown)| {
            if let Some((collection, key)) = member_of(stored.as_str()) {
                visit(Trace { key, spot: Spot::In(collection), revision, shown });
            }
        };
        self.members.each("", read, &mut member).await
    }

    async fn take_out(&self, strays: &[Stray]) -> Result<(), Fault> {
        let (mut own, mut texts, mut members) = (Vec::new(), Vec::new(), Vec::new());
        for Stray { trace, stands } in strays {
            let (key, seen) = (trace.key.as_str(), Guard::Revision(trace.revision));
            match &trace.spot {
                Spot::Own => own.push(Cell::removal(key, seen)?),
                Spot::Json => texts.push(Cell::removal(key, seen)?),
                Spot::In(collection) => {
                    let at = under(collection) + key;
                    members.push(match stands {
                        0 => Cell::removal(&at, seen)?,
                        stands => Cell::new(&at, seen, *stands, &Score::None)?,
                    });
                }
            }
        }
        self.own.put(own).await?;
        self.texts.put(texts).await?;
        self.members.put(members).await.map(drop)
    }

    async fn sight(&self) -> Result<Sight, Fault> {
        let marker = one::<String>(&self.marker, &Key::from(MARKER)).await?;
        Ok(Sight { census: String::new(), marker: marker.map(|(_, text)| text) })
    }

    async fn mark(&self, seen: Option<&str>, next: &str) -> Result<bool, Fault> {
        let (revision, text) = one::<String>(&self.marker, &Key::from(MARKER)).await?.unzip();
        if text.as_deref() != seen {
            return Ok(false);
        }
        let revision = revision.unwrap_or(0);
        let cell = Cell::new(MARKER, Guard::Revision(revision), revision + 1, &next)?;
        Ok(self.marker.put(vec![cell]).await? == [true])
    }

    /// The directory has one process.
    fn user(&self) -> &str {
        "embedded"
    }
}

fn own(view: &View) -> Own {
    let fields = view.fields.as_ref().map(|shows| {
        shows.hash.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    });
    Own { fields, places: others(view).collect() }
}

fn how(view: &View, stands: Option<(i64, bool)>) -> Option<How> {
    match stands {
        None => Some(How::Missing),
        Some((stored, _)) if stored > view.revision => Some(How::Newer(stored)),
        Some((stored, _)) if stored < view.revision => Some(How::Older),
        Some((_, same)) => (!same).then_some(How::Other),
    }
}

async fn many<T: DeserializeOwned + Send + 'static>(
    space: &Space,
    keys: &[Key],
) -> Result<Vec<Option<(i64, T)>>, Fault> {
    let read = |space: &str, value: &[u8]| {
        Ok((plan::revision_of(space, value)?, plan::content_of::<T>(space, value)?))
    };
    space.get(keys, read).await
}

async fn one<T: DeserializeOwned + Send + 'static>(
    space: &Space,
    key: &Key,
) -> Result<Option<(i64, T)>, Fault> {
    Ok(many(space, std::slice::from_ref(key)).await?.into_iter().next().flatten())
}

/// The spots of a view other than its hash, as a record has them.
fn others(view: &View) -> impl Iterator<Item = String> {
    view.spots().into_iter().filter_map(|spot| match spot {
        Spot::Own => None,
        Spot::Json => Some("json".to_owned()),
        Spot::In(collection) => Some(under(&collection)),
    })
}

fn spot_of(written: &str) -> Option<Spot> {
    if written == "json" {
        return Some(Spot::Json);
    }
    member_of(written).map(|(collection, _)| Spot::In(collection))
}

/// What the stored keys of a collection's members begin with: its kind, its length and its name.
fn under(collection: &Collection) -> String {
    let (kind, name) = match collection {
        Collection::Set(name) => ("set", name),
        Collection::Sorted(name) => ("sorted", name),
    };
    format!("{kind}/{}/{name}/", name.len())
}

/// The collection and the member of a stored key.
fn member_of(stored: &str) -> Option<(Collection, Key)> {
    let (kind, rest) = stored.split_once('/')?;
    let (length, rest) = rest.split_once('/')?;
    let (name, member) = rest.split_at_checked(length.parse().ok()?)?;
    let member = Key::from(member.strip_prefix('/')?);
    match kind {
        "set" => Some((Collection::Set(name.to_owned()), member)),
        "sorted" => Some((Collection::Sorted(name.to_owned()), member)),
        _ => None,
    }
}
