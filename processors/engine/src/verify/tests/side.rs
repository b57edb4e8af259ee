//! What is beside the documents, in memory: partial groups, and the store of the right side.

use super::*;

pub type Partitioned = BTreeMap<Key, Partial>;

/// What a side has added for a key, as its worker does.
pub fn tell(
    scene: &Scene,
    number: usize,
    cuts: &[i64; PARTITIONS],
    turned: bool,
    to: &mut Partitioned,
) {
    let mut document = Document::<Sums>::default();
    let mut last: BTreeMap<(Key, i64), Vec<(Position, Difference)>> = BTreeMap::new();
    for line in scene.folded(number, cuts, turned) {
        let before = document.stamp.revision;
        line.fold(&mut document);
        for output in document.stamp.unsent.iter().filter(|output| output.revision > before) {
            let What::Difference(difference) = &output.what else { continue };
            let (what, from) = (&difference.what, &output.from);
            let name = PartialName::key(&what.rollup, &what.group, &from.partition, &key(number));
            let place = last.entry((name, output.revision)).or_default();
            place.push((from.clone(), difference.clone()));
        }
    }
    for ((name, revision), told) in last {
        let offset = told[0].0.offset;
        let differences = told.iter().map(|(_, difference)| difference).collect();
        let added = Added { key: &key(number), revision, offset, differences };
        assert!(to.entry(name).or_default().add(&added, SUMS.beside));
    }
}

pub fn patience() -> Patience {
    let (_, never) = watch::channel(false);
    Patience::new(never, Metrics::new().unwrap(), Sums::NAME)
}

/// Documents in memory.
#[derive(Debug)]
pub struct Shelf(pub Mutex<BTreeMap<Key, Document<Sums>>>);

impl Default for Shelf {
    fn default() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }
}

#[async_trait]
impl Store<Sums> for Shelf {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Document<Sums>>>, Fault> {
        Ok(keys.iter().map(|key| self.0.lock().unwrap().get(key).cloned()).collect())
    }

    async fn put(&self, _: &[Write<'_, Sums>]) -> Result<Vec<Put>, Fault> {
        Ok(Vec::new())
    }

    async fn scan(&self, visit: &mut (dyn FnMut(Key, Document<Sums>) + Send)) -> Result<(), Fault> {
        let all = self.0.lock().unwrap().clone();
        all.into_iter().for_each(|(key, document)| visit(key, document));
        Ok(())
    }

    async fn erase(&self, _: &[Key]) -> Result<(), Fault> {
        Ok(())
    }

    async fn drop_all(&self) -> Result<(), Fault> {
        Ok(())
    }
}

impl groups::Suspect {
    fn stand(parts: impl IntoIterator<Item = Pair<Partials>>, group: GroupName) -> Self {
        let mut suspect = Self::new(&SUMS, group);
        parts.into_iter().for_each(|pair| suspect.push(pair));
        suspect
    }
}

/// Suspects every group of two sides.
pub mod suspecting {
    use super::*;

    pub fn all(left: Partitioned, mut right: Partitioned) -> groups::Suspects {
        let document = |partial| Document {
            state: Some(partial),
            stamp: readmill_core::Stamp { revision: 1, ..readmill_core::Stamp::default() },
        };
        let mut pairs: BTreeMap<GroupName, Vec<Pair<Partials>>> = BTreeMap::new();
        let mut push = |key: Key, left: Option<Partial>, right: Option<Partial>| {
            let group = PartialName::group(SUMS.name, &key).unwrap();
            let (left, right) = (left.map(document), right.map(document));
            pairs.entry(group).or_default().push(Pair { key, left, right });
        };
        for (key, partial) in left {
            let other = right.remove(&key);
            push(key, Some(partial), other);
        }
        for (key, partial) in right {
            push(key, None, Some(partial));
        }
        // Groups that come up on the trail alone are suspected, too.
        for name in ["0", "1"] {
            pairs.entry(GroupName::of(&[name])).or_default();
        }
        let suspect = |(group, parts): (GroupName, Vec<Pair<Partials>>)| {
            let prefix = PartialName::of_group(SUMS.name, &group);
            (prefix, groups::Suspect::stand(parts, group))
        };
        pairs.into_iter().map(suspect).collect()
    }
}
