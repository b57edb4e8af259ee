//! Roll-ups of two sides that both go on: they are compared in a moment in which both have settled
//! all that is in the log, since their partial groups may have added it up in different orders.

use readmill_core::ReadModel;

use super::groups::Suspects;
use super::trail::{OfBoth, settled_to_the_end};
use super::{Subject, Undecided, Verification};
use crate::fault::Fault;

/// So often is such a moment looked for, while records come.
const MOMENTS: usize = 6;

impl<M: ReadModel> Verification<'_, M> {
    /// Compares all groups.
    pub(super) async fn groups_at_rest(&mut self) -> Result<(), Fault> {
        let mut open: Option<Suspects> = None;
        for _ in 0..MOMENTS {
            let ends = self.trail.ends().await?;
            let both = OfBoth(self.trail);
            let has_settled = settled_to_the_end(&both, self.rest_limit).await?;
            let found = self.look_at_groups(open.as_ref()).await?;
            let has_rested = has_settled && self.trail.ends().await? == ends;
            if has_rested {
                self.tell_groups(&found);
            }
            open = Some(found).filter(|found| !has_rested && !found.is_empty());
            if open.is_none() || !has_settled {
                break;
            }
        }
        for suspect in open.into_iter().flatten().map(|(_, suspect)| suspect) {
            let subject: Subject = suspect.subject();
            self.leave_open(&subject, Undecided::Restless);
        }
        Ok(())
    }

    fn tell_groups(&mut self, found: &Suspects) {
        for suspect in found.values() {
            match suspect.departs() {
                Some(_) if suspect.has_held() => {
                    self.leave_open(&suspect.subject(), Undecided::Held);
                }
                Some((kind, departures)) => self.tell_group(suspect, kind, departures),
                None => {}
            }
        }
    }
}
