//! The voucher shop: offers of several denominations, and purchases that are never more than these.

use readmill_schemas::Timestamp;
use readmill_schemas::stock::{
    StockEvent, StockHistoryAdded, StockMovement, StockOffered, StockWithdrawn,
};

use crate::journal::Draft;
use crate::knobs::Knobs;
use crate::rng::Rng;
use crate::row::{SourceEvent, Table};
use crate::service::Service;

/// The most offers at a time.
const MOST_OFFERS: usize = 12;
/// The most purchases of which something may still be told.
const MOST_RECENT: usize = 512;
/// How many pieces of an offer one member may have.
const MEMBER_LIMIT: i64 = 2;
const MOST_PIECES: i64 = 300;
const PRICES_WON: [i64; 4] = [5_000, 10_000, 30_000, 50_000];
const MINUS_FIRST_PER_MILLE: u32 = 20;

/// The service's state: what is on offer, and the latest purchases.
#[derive(Debug)]
pub struct Stock {
    rng: Rng,
    members: i64,
    offers: Vec<Offer>,
    offers_made: usize,
    purchases_made: u64,
    recent: Vec<Purchase>,
}

/// An offer. Each of its pieces is meant for one member, so that none gets too many.
#[derive(Debug)]
struct Offer {
    product_id: String,
    price_won: i64,
    version: i64,
    total: i64,
    first_member: i64,
    /// The first piece that was never sold.
    next: i64,
    /// Pieces that were given back.
    free: Vec<i64>,
}

/// A purchase, and the row that was told of it last.
#[derive(Debug)]
struct Purchase {
    row: StockHistoryAdded,
    version: i64,
    /// Which piece it has; none if it never had one.
    piece: Option<i64>,
}

impl Stock {
    /// A shop without offers.
    pub fn new(knobs: &Knobs) -> Self {
        let (members, rng) = (i64::from(knobs.members), Rng::new(knobs.seed, 21));
        let (offers, recent) = (Vec::new(), Vec::new());
        Self { rng, members, offers, offers_made: 0, purchases_made: 0, recent }
    }

    fn most_pieces(&self) -> i64 {
        MOST_PIECES.min(self.members.saturating_mul(MEMBER_LIMIT))
    }

    fn offer(&mut self, now_ms: i64) -> Draft {
        // Two denominations of each product, and none of them twice.
        let price_won = PRICES_WON.get(self.offers_made % PRICES_WON.len()).copied();
        let price_won = price_won.unwrap_or_default();
        self.offers_made += 1;
        let product_id = format!("v-{:06}", self.offers_made.div_ceil(2));
        let first_member = self.rng.between(0, self.members - 1);
        let total = self.rng.between(1, self.most_pieces());
        let (version, next, free) = (1, 0, Vec::new());
        let offer = Offer { product_id, price_won, version, total, first_member, next, free };
        let draft = offer.draft(offer.offered(now_ms));
        self.offers.push(offer);
        draft
    }

    /// An offer grows, or it ends if there is no room for it.
    fn change(&mut self, now_ms: i64) -> Draft {
        let at = self.rng.index(self.offers.len());
        let most = self.most_pieces();
        let ends = self.offers.len() >= MOST_OFFERS;
        match self.offers.get_mut(at) {
            Some(offer) if ends || offer.total >= most => {
                offer.version += 1;
                let (product_id, price_won) = (offer.product_id.clone(), offer.price_won);
                let occurred_at = Timestamp::from_millis(now_ms);
                let draft = offer.draft(StockWithdrawn { product_id, price_won, occurred_at });
                self.offers.swap_remove(at);
                draft
            }
            Some(offer) => {
                offer.version += 1;
                offer.total = self.rng.between(offer.total, most);
                offer.draft(offer.offered(now_ms))
            }
            None => self.offer(now_ms),
        }
    }

    fn sell(&mut self, now_ms: i64) -> Draft {
        let at = self.rng.index(self.offers.len());
        let early = self.rng.chance(MINUS_FIRST_PER_MILLE);
        self.purchases_made += 1;
        let purchase_no = format!("p-{:09}", self.purchases_made);
        let members = self.members;
        let Some(offer) = self.offers.get_mut(at) else { return self.offer(now_ms) };
        let free = offer.free.pop().or_else(|| {
            let fresh = (offer.next < offer.total).then_some(offer.next);
            offer.next += i64::from(fresh.is_some());
            fresh
        });
        let Some(piece) = free else { return self.change(now_ms) };
        let member = (offer.first_member + piece / MEMBER_LIMIT) % members;
        if early {
            offer.free.push(piece);
        }
        let row = StockHistoryAdded {
            purchase_no,
            occurred_at: Timestamp::from_millis(now_ms),
            product_id: offer.product_id.clone(),
            price_won: offer.price_won,
            member_id: format!("m-{member:06}"),
            movement: if early { StockMovement::Minus } else { StockMovement::Plus },
            reason: (if early { "payment_failed" } else { "purchase" }).to_owned(),
        };
        let purchase = Purchase { row, version: 1, piece: (!early).then_some(piece) };
        let draft = purchase.draft();
        if self.recent.len() >= MOST_RECENT {
            let forgotten = self.rng.index(self.recent.len());
            self.recent.swap_remove(forgotten);
        }
        self.recent.push(purchase);
        draft
    }

    /// One more row of a purchase: its MINUS, its MINUS again, or the PLUS that comes behind it.
    fn go_on(&mut self, now_ms: i64) -> Option<Draft> {
        let at = self.rng.index(self.recent.len());
        let purchase = self.recent.get_mut(at)?;
        purchase.version += 1;
        purchase.row.occurred_at = Timestamp::from_millis(now_ms);
        let early = purchase.version == 2 && purchase.row.movement == StockMovement::Minus;
        (purchase.row.movement, purchase.row.reason) = if early {
            (StockMovement::Plus, "purchase".to_owned())
        } else {
            (StockMovement::Minus, "cancel".to_owned())
        };
        let row = &purchase.row;
        let mut offers = self.offers.iter_mut();
        let offer = offers.find(|offer| offer.is_of(&row.product_id, row.price_won));
        if let Some((piece, offer)) = purchase.piece.take().zip(offer) {
            offer.free.push(piece);
        }
        let draft = purchase.draft();
        if purchase.version > 2 || self.rng.chance(500) {
            self.recent.swap_remove(at);
        }
        Some(draft)
    }
}

impl Service for Stock {
    fn transact(&mut self, now_ms: i64, room: u64) -> Vec<Draft> {
        if room == 0 {
            return Vec::new();
        }
        let draft = match self.rng.below(100) {
            _ if self.offers.len() < 3 => self.offer(now_ms),
            0..2 if self.offers.len() < MOST_OFFERS => self.offer(now_ms),
            2..5 => self.change(now_ms),
            5..30 => self.go_on(now_ms).unwrap_or_else(|| self.sell(now_ms)),
            _ => self.sell(now_ms),
        };
        vec![draft]
    }
}

impl Offer {
    fn is_of(&self, product_id: &str, price_won: i64) -> bool {
        self.product_id == product_id && self.price_won == price_won
    }

    fn offered(&self, now_ms: i64) -> StockOffered {
        StockOffered {
            product_id: self.product_id.clone(),
            price_won: self.price_won,
            occurred_at: Timestamp::from_millis(now_ms),
            total: self.total,
            member_limit: MEMBER_LIMIT,
        }
    }

    fn draft(&self, event: impl Into<StockEvent>) -> Draft {
        Draft {
            table: Table::StockOffers,
            aggregate_id: format!("{}/{}", self.product_id, self.price_won),
            version: Some(self.version),
            event: SourceEvent::Stock(event.into()),
        }
    }
}

impl Purchase {
    fn draft(&self) -> Draft {
        Draft {
            table: Table::StockHistory,
            aggregate_id: self.row.purchase_no.clone(),
            version: Some(self.version),
            event: SourceEvent::Stock(self.row.clone().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use readmill_core::ReadModel;
    use readmill_models::stock::Document;

    use super::*;
    use crate::oracle;
    use crate::source::Source;

    #[test]
    fn nothing_is_oversold_wherever_the_stream_is_cut() {
        for events in [1, 10, 333, 3_000, 20_000] {
            let knobs = Knobs { events, members: 100, others_per_mille: 1_000, ..Knobs::default() };
            let rows = Source::new(knobs).unwrap();
            let found = oracle::fold::<readmill_models::Stock>(rows);
            assert_eq!((found.held, found.waiting), (0, 0), "{found:?}");
            let mut sets: BTreeMap<_, i64> = BTreeMap::new();
            for document in found.states.values() {
                for place in readmill_models::Stock::mirror(document).places {
                    *sets.entry(place.collection).or_default() += 1;
                }
            }
            for (set, used) in &sets {
                let member = format!("{set:?}").contains("/m-");
                assert!(
                    *used <= if member { MEMBER_LIMIT } else { MOST_PIECES },
                    "{set:?}: {used}"
                );
            }
            for (key, document) in &found.states {
                let Document::Offer(offer) = document else { continue };
                let set = key.as_str().trim_start_matches("offer/").to_owned();
                let used = sets.get(&readmill_core::Collection::Set(set)).copied().unwrap_or(0);
                assert!(used <= offer.total, "{key}: {used} of {}", offer.total);
            }
        }
    }

    #[test]
    fn every_kind_of_row_happens_and_memory_is_bounded() {
        let mut stock = Stock::new(&Knobs::default());
        let (mut kinds, mut marks) = (BTreeMap::new(), 0);
        for at in 0..30_000 {
            for draft in stock.transact(at, 3) {
                *kinds.entry(draft.event.contract().name).or_insert(0) += 1;
                let SourceEvent::Stock(StockEvent::StockHistoryAdded(row)) = draft.event else {
                    continue;
                };
                marks +=
                    i32::from(row.movement == StockMovement::Minus && draft.version == Some(1));
            }
            assert!(stock.offers.len() <= MOST_OFFERS && stock.recent.len() <= MOST_RECENT);
        }
        assert_eq!(kinds.len(), 3, "{kinds:?}");
        assert!(marks > 100, "{marks} purchases began with a MINUS");
    }
}
