//! Where the roster of a model is kept, and the seats of its instances: beside the documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use readmill_core::Key;
use readmill_engine::roster::{Fingerprint, Refusal, Roster, Rosters, Seat, Seats, Table};
use readmill_engine::{Fault, Store, kept};
use tokio::time::sleep;

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
        let (roster, revision) = kept::read(&*self.rosters, &self.key()).await?;
        Ok(roster.map(|roster| Standing { roster, revision }))
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
            sleep(kept::AGAIN).await;
        }
    }

    /// The seats, by their instances.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn seats(&self) -> Result<BTreeMap<String, Seat>, Fault> {
        let (table, _) = kept::read(&*self.seats, &self.key()).await?;
        Ok(table.unwrap_or_default().seats)
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

    async fn seat(&self, change: impl Fn(&mut Table)) -> Result<(), Fault> {
        let change = |table: Option<Table>| {
            let mut table = table.unwrap_or_default();
            change(&mut table);
            Some(table)
        };
        kept::change(&*self.seats, &self.key(), change).await
    }

    async fn put(&self, roster: Roster, expected: i64) -> Result<bool, Fault> {
        kept::put(&*self.rosters, &self.key(), roster, expected).await
    }

    fn key(&self) -> Key {
        Key::from(self.model)
    }
}
