//! The replication slots of a model's origin, as metrics: what the database keeps for them.

use std::collections::BTreeSet;
use std::time::Duration;

use readmill_connectors::origin::{OriginPlace, SlotLook, look};
use readmill_engine::{Meter, Metrics};

/// So many are shown, those for which most is kept first.
const MOST_SLOTS: usize = 16;
/// Growth and movement are seen by whoever looks at the metrics again.
const NO_PAUSE: Duration = Duration::ZERO;

/// The slots of one model's origin.
#[derive(Debug)]
pub struct Slots {
    model: &'static str,
    place: OriginPlace,
    metrics: Metrics,
    shown: BTreeSet<String>,
}

impl Slots {
    /// Of a database.
    pub fn of(model: &'static str, url: &str, metrics: Metrics) -> Self {
        let place = OriginPlace::Url(url.to_owned());
        Self { model, place, metrics, shown: BTreeSet::new() }
    }

    /// Looks, and shows them. Of a database that does not answer nothing is shown: no number is
    /// better than an old one.
    pub async fn look(&mut self) {
        let slots = match look(&self.place, &[], NO_PAUSE).await {
            Ok(look) => look.slots,
            Err(fault) => {
                tracing::warn!(model = self.model, %fault, "the origin's slots are not seen");
                Vec::new()
            }
        };
        self.show(slots);
    }

    fn show(&mut self, mut slots: Vec<SlotLook>) {
        slots.sort_by(|a, b| b.kept_bytes.cmp(&a.kept_bytes).then_with(|| a.name.cmp(&b.name)));
        slots.truncate(MOST_SLOTS);
        let names: BTreeSet<String> = slots.iter().map(|slot| slot.name.clone()).collect();
        for gone in self.shown.difference(&names) {
            self.metrics.remove(Meter::SlotRetained, &[self.model, gone]);
            self.metrics.remove(Meter::SlotActive, &[self.model, gone]);
        }
        for SlotLook { name, is_read, kept_bytes, .. } in &slots {
            self.metrics.set(Meter::SlotRetained, &[self.model, name], *kept_bytes);
            self.metrics.set(Meter::SlotActive, &[self.model, name], i64::from(*is_read));
        }
        self.shown = names;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(many: i64) -> Vec<SlotLook> {
        let slot = |n: i64| SlotLook {
            name: format!("s{n}"),
            is_read: n % 2 == 0,
            kept_bytes: n,
            ..SlotLook::default()
        };
        (0..many).map(slot).collect()
    }

    #[test]
    fn those_that_keep_most_are_shown_and_those_that_are_gone_are_not() {
        let metrics = Metrics::new().unwrap();
        let mut shown = Slots::of("coupons", "", metrics.clone());
        let series = || {
            let text = metrics.render().unwrap();
            let its = |line: &&str| line.starts_with("readmill_slot_");
            text.lines().filter(its).map(str::to_owned).collect::<Vec<_>>()
        };
        shown.show(slots(5_000));
        assert_eq!(series().len(), 2 * MOST_SLOTS);
        assert!(series().iter().any(|line| line.ends_with("slot=\"s4999\"} 4999")));
        shown.show(slots(1));
        let wanted = [
            "active{model=\"coupons\",slot=\"s0\"} 1",
            "retained_bytes{model=\"coupons\",slot=\"s0\"} 0",
        ];
        assert_eq!(series(), wanted.map(|rest| format!("readmill_slot_{rest}")));
    }
}
