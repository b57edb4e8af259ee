//! Where the roster of a model is kept, and the seats of its instances: beside the documents.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use readmill_core::{Document, Key, Stamp};
use readmill_engine::roster::{Fingerprint, Refusal, Roster, Rosters, Seat, Seats, Table};
use readmill_engine::{Fault, Put, Store, Write};
use tokio::time::sleep;

/// Whoever is refused by another's change looks again after this.
const AGAIN: Duration = Duration::from_millis(20);

/// The roster and the seats of one model.
#[derive(Debug, Clone)]
pub struct Registrar {
    model: &'static str,
    rosters: Arc<dyn Store<Rosters>>,
    seats: Arc<dyn Store<Seats>>,
}

/// A roster as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The roster.
    pub roster: Roster,
    /// Its revision.
    pub revision: i64,
}

impl Registrar {
    /// Of a model, in its stores.
    pub const fn new(
        model: &'static str,
        rosters: Arc<dyn Store<Rosters>>,
        seats: Arc<dyn Store<Seats>>,
    ) -> Self {
        Self { model, rosters, seats }
    }

    /// The roster, if the model was ever folded here.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn read(&self) -> Result<Option<Standing>, Fault> {
        let found = self.rosters.load(&[self.key()]).await?.into_iter().next().flatten();
        Ok(found.and_then(|document| {
            let revision = document.stamp.revision;
            document.state.map(|roster| Standing { roster, revision })
        }))
    }

    /// The roster; one that was not there begins with a first generation.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn open(&self, fingerprint: &Fingerprint, now_ms: i64) -> Result<Standing, Fault> {
        loop {
            if let Some(standing) = self.read().await? {
                return Ok(standing);
            }
            let roster = Roster::first(fingerprint.clone(), now_ms);
            self.put(roster, 0).await?;
        }
    }

    /// Changes the roster, unless the change is refused.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn change<T>(
        &self,
        change: impl Fn(&mut Roster) -> Result<T, Refusal>,
    ) -> Result<Result<(T, Standing), Refusal>, Fault> {
        loop {
            let Some(Standing { mut roster, revision }) = self.read().await? else {
                let told = format!("{} was never folded here", self.model);
                return Ok(Err(Refusal(told)));
            };
            let before = roster.clone();
            let answer = match change(&mut roster) {
                Ok(answer) => answer,
                Err(refusal) => return Ok(Err(refusal)),
            };
            if roster == before {
                return Ok(Ok((answer, Standing { roster, revision })));
            }
            if self.put(roster.clone(), revision).await? {
                return Ok(Ok((answer, Standing { roster, revision: revision + 1 })));
            }
            sleep(AGAIN).await;
        }
    }

    /// The seats, by their instances.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn seats(&self) -> Result<BTreeMap<String, Seat>, Fault> {
        Ok(self.table().await?.0.seats)
    }

    /// Takes a seat, or tells how it stands now.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn sit(&self, instance: &str, seat: &Seat) -> Result<(), Fault> {
        self.seat(|table| drop(table.seats.insert(instance.to_owned(), seat.clone()))).await
    }

    /// Gives up seats.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn rise(&self, instances: &[&str]) -> Result<(), Fault> {
        if instances.is_empty() {
            return Ok(());
        }
        self.seat(|table| table.seats.retain(|name, _| !instances.contains(&name.as_str()))).await
    }

    async fn table(&self) -> Result<(Table, i64), Fault> {
        let found = self.seats.load(&[self.key()]).await?.into_iter().next().flatten();
        let revision = found.as_ref().map_or(0, |document| document.stamp.revision);
        Ok((found.and_then(|document| document.state).unwrap_or_default(), revision))
    }

    async fn seat(&self, change: impl Fn(&mut Table)) -> Result<(), Fault> {
        loop {
            let (mut table, expected) = self.table().await?;
            change(&mut table);
            let (key, document) = (self.key(), kept(table, expected + 1));
            let write = Write { key: &key, expected, document: &document };
            if self.seats.put(&[write]).await?.first() == Some(&Put::Done) {
                return Ok(());
            }
            sleep(AGAIN).await;
        }
    }

    async fn put(&self, roster: Roster, expected: i64) -> Result<bool, Fault> {
        let (key, document) = (self.key(), kept(roster, expected + 1));
        let put = self.rosters.put(&[Write { key: &key, expected, document: &document }]).await?;
        Ok(put.first() == Some(&Put::Done))
    }

    fn key(&self) -> Key {
        Key::from(self.model)
    }
}

fn kept<M: readmill_core::ReadModel>(state: M::State, revision: i64) -> Document<M> {
    Document { state: Some(state), stamp: Stamp { revision, ..Stamp::default() } }
}
