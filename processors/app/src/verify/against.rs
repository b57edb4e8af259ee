//! A generation against another one that goes on as well, without a fold.

use std::sync::Arc;

use anyhow::Result;
use readmill_core::ReadModel;
use readmill_engine::verify::Scope;

use super::report::{Report, With};
use super::trail::LogTrail;
use super::{Sides, Verifying};
use crate::config;
use crate::exit::{Exit, Failure};
use crate::services::Services;

impl Verifying {
    /// Both are read as they stand; what only one of them has taken in so far, the log says.
    pub(super) async fn against<M: ReadModel>(
        &self,
        services: &Arc<Services>,
        other: &config::Model,
    ) -> Result<Exit> {
        self.both_stand(services, other).await?;
        let left = services.seen::<M>(&self.model).await?;
        let right = services.seen::<M>(other).await?;
        // What both have settled now is in every document that is read from now on.
        let trail = LogTrail::between(&self.config, (&self.model, other), services).await?;
        let script = trail.opening().script().await?;
        // Nobody has counted which records came to which generation too late.
        let right_was_late = true;
        let (left, right) = (&left, &right);
        let sides = Sides { left, right, right_stands: false, right_was_late, script, ports: None };
        let mut report = Report::new(M::NAME, &self.manner())?;
        let summary = self.compare(sides, &trail, None, &mut report).await?;
        let is_equal = summary.findings() == 0 && summary.open() == 0;
        if self.scope == Scope::All && is_equal {
            let by = format!("generation {}", other.generation);
            self.write_down(services, &summary, &by).await?;
        }
        report.finish(&summary, With::Generation(other.generation))
    }

    /// Whether there are two such generations, and both were folded from the same topics.
    async fn both_stand(&self, services: &Services, other: &config::Model) -> Result<()> {
        let name = self.model.row.name;
        let (ours, theirs) = (self.model.generation, other.generation);
        let refused =
            |told: String, hint: String| Err(Failure::new(Exit::Usage, told, hint).into());
        if ours == theirs {
            let told = format!("generation {ours} of {name} cannot be compared with itself");
            return refused(told, "name two: --generation and --against".to_owned());
        }
        let standing = services.registrar(&self.model).await?.read().await?;
        let generations = standing.map_or_else(Vec::new, |standing| standing.roster.generations);
        let find = |number| generations.iter().find(|generation| generation.number == number);
        let (Some(left), Some(right)) = (find(ours), find(theirs)) else {
            let gone = if find(ours).is_none() { ours } else { theirs };
            let told = format!("{name} has no generation {gone}");
            return refused(told, format!("`readmill generations {name}` lists those that stand"));
        };
        if left.fingerprint.topics != right.fingerprint.topics {
            let told = format!("generations {ours} and {theirs} of {name} read different topics");
            return refused(told, "verify each with a fresh fold, without --against".to_owned());
        }
        Ok(())
    }
}
