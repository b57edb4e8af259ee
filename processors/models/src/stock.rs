//! `stock`: what is on offer, and which purchases take a piece of it, from an insert-only history.

mod document;

use readmill_core::Direction::{Ascending, Descending};
use readmill_core::{
    Admit, Contribution, Folded, GroupName, Index, Keys, ReadModel, Rollup, Shows, Standing,
};
use readmill_schemas::stock::{StockEvent, StockHistoryAdded, StockMovement};

pub use document::{
    Document, Offer, Purchase, USED, member_set, offer_key, purchase_key, used_set,
};

/// The read model.
#[derive(Debug)]
pub struct Stock;

impl ReadModel for Stock {
    const NAME: &'static str = "stock";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "offers, and the purchases that have a piece of them";
    const MIRROR: Option<&'static str> = Some("stock:used");
    const ROLLUPS: &'static [Rollup] = &[USED];

    /// Readers look for what a member has, and count what is used of an offer.
    const INDEXES: &'static [Index] = &[
        Index::on(
            "by_offer",
            &[
                ("purchase.product_id", Ascending),
                ("purchase.price_won", Ascending),
                ("purchase.counts", Ascending),
                ("purchase.member_id", Ascending),
            ],
        ),
        Index::on(
            "by_member",
            &[("purchase.member_id", Ascending), ("purchase.taken_at", Descending)],
        ),
    ];

    type Event = StockEvent;
    type State = Document;

    fn keys(event: &StockEvent) -> Keys {
        Keys::One(match event {
            StockEvent::StockHistoryAdded(e) => purchase_key(&e.purchase_no),
            StockEvent::StockOffered(e) => offer_key(&e.product_id, e.price_won),
            StockEvent::StockWithdrawn(e) => offer_key(&e.product_id, e.price_won),
        })
    }

    fn admit(standing: Standing<'_, Document>, event: &StockEvent) -> Admit {
        match (standing, event) {
            (Standing::Live(Document::Purchase(purchase)), StockEvent::StockHistoryAdded(e))
                if !purchase.is_of(e) =>
            {
                Admit::Refuse("the purchase is of another product, price or member")
            }
            (Standing::Never, StockEvent::StockWithdrawn(_)) => Admit::Wait("the offer"),
            (Standing::Gone, StockEvent::StockWithdrawn(_)) => Admit::Stale,
            (Standing::Never | Standing::Gone | Standing::Live(_), _) => Admit::Fold,
        }
    }

    fn fold(state: Option<Document>, event: &StockEvent) -> Folded<Document> {
        match (state, event) {
            (state, StockEvent::StockHistoryAdded(e)) => {
                let known = match state {
                    Some(Document::Purchase(purchase)) => purchase,
                    Some(Document::Offer(_)) | None => Purchase::of(e),
                };
                Folded::next(Document::Purchase(known.told(e)))
            }
            (_, StockEvent::StockOffered(e)) => Folded::next(Document::Offer(Offer {
                total: e.total,
                member_limit: e.member_limit,
                since: e.occurred_at,
            })),
            (_, StockEvent::StockWithdrawn(_)) => Folded::gone(),
        }
    }

    /// An offer's numbers, and the sets of purchases of which its use is the size.
    fn mirror(document: &Document) -> Shows {
        match document {
            Document::Offer(Offer { total, member_limit, .. }) => Shows::hash([
                ("total", total.to_string()),
                ("member_limit", member_limit.to_string()),
            ]),
            Document::Purchase(purchase) if purchase.counts => {
                let Purchase { product_id, price_won, member_id, .. } = purchase;
                Shows::default()
                    .in_set(used_set(product_id, *price_won))
                    .in_set(member_set(product_id, *price_won, member_id))
            }
            Document::Purchase(_) => Shows::default(),
        }
    }

    fn contributes(document: &Document) -> Vec<Contribution> {
        match document {
            Document::Purchase(purchase) if purchase.counts => {
                let price = purchase.price_won.to_string();
                let group = GroupName::of(&[&purchase.product_id, &price]);
                vec![Contribution::one(&USED, group)]
            }
            Document::Purchase(_) | Document::Offer(_) => Vec::new(),
        }
    }
}

impl Purchase {
    fn of(e: &StockHistoryAdded) -> Self {
        Self {
            product_id: e.product_id.clone(),
            price_won: e.price_won,
            member_id: e.member_id.clone(),
            counts: false,
            taken_at: None,
            given_back_at: None,
        }
    }

    fn is_of(&self, e: &StockHistoryAdded) -> bool {
        (&self.product_id, self.price_won, &self.member_id)
            == (&e.product_id, e.price_won, &e.member_id)
    }

    /// After a row, which may be told in any order and more than once.
    fn told(mut self, e: &StockHistoryAdded) -> Self {
        let at = match e.movement {
            StockMovement::Plus => &mut self.taken_at,
            StockMovement::Minus => &mut self.given_back_at,
        };
        *at = Some(at.map_or(e.occurred_at, |known| known.min(e.occurred_at)));
        self.counts = self.taken_at.is_some() && self.given_back_at.is_none();
        self
    }
}
