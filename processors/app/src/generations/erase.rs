//! A generation is given up: instances let it go, and what is kept of it is erased.

use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use readmill_connectors::kafka::groups;
use readmill_core::ReadModel;
use readmill_engine::patience::Patience;
use readmill_engine::roster::Seat;
use readmill_engine::{Metrics, mirror};
use readmill_models::Visit;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::case::Case;
use crate::config::{self, Config, Source};
use crate::ports::Opening;
use crate::services::Services;

/// An instance that is told to let a generation go does so within this time.
const LET_GO_LIMIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Takes a generation out of the roster, and erases it once nobody works on it.
///
/// # Errors
/// When readers see it, or a service fails.
pub async fn retire(case: &Case, number: u32) -> Result<()> {
    let (_, standing) = case.change(|roster| roster.drop_out(number).map(|()| number)).await?;
    let registrar = case.registrar().await?;
    let until = Instant::now() + LET_GO_LIMIT;
    loop {
        let seats = registrar.seats().await?;
        let has_gone =
            |seat: &Seat| seat.seen >= standing.revision || seat.works_on(number).is_none();
        if seats.values().all(has_gone) {
            break;
        }
        if Instant::now() >= until {
            tracing::warn!("an instance may still have it: it is erased all the same");
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    let model = case.numbered(number);
    let erase = Erase { config: &case.config, services: &case.services, model: &model };
    if let Some(erasing) = readmill_models::visit(case.model.row.name, erase) {
        erasing.await?;
    }
    if let Source::Kafka { kafka, .. } = &case.config.source
        && let Err(fault) = groups::forget(kafka, &model.group(kafka)).await
    {
        tracing::warn!(model = case.model.row.name, generation = number, %fault, "its group stays");
    }
    Ok(())
}

/// A generation whose documents are erased, with all that is kept beside them.
struct Erase<'a> {
    config: &'a Config,
    services: &'a Services,
    model: &'a config::Model,
}

impl<'a> Visit for Erase<'a> {
    type Out = BoxFuture<'a, Result<()>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move {
            let side = self.services.side::<M>(self.model).await?;
            if let Some(partials) = side.partials {
                partials.drop_all().await?;
            }
            if let Some(edges) = side.edges {
                edges.drop_all().await?;
            }
            let Self { config, services, model } = self;
            if let Some(tended) = (Opening { config, model, services }).mirror::<M>().await? {
                let (_open, closing) = watch::channel(false);
                let mut patience = Patience::new(closing, Metrics::new()?, M::NAME);
                let mirror = tended.mirror();
                mirror::take_out_all(&mut patience, mirror, |_| true).await?;
                if let Some(marker) = mirror.sight().await?.marker {
                    mirror.mark(Some(&marker), "").await?;
                }
            }
            let held = self.services.held(self.model).await?;
            let records = held.list(M::NAME, &readmill_engine::Held::All).await?;
            held.release(&records).await?;
            Ok(self.services.documents::<M>(self.model).await?.drop_all().await?)
        })
    }
}
