//! `stock`: what is on offer, and which purchases take a piece of it, from an insert-only history.

use readmill_core::{
    Admit, Contribution,
    Direction::{Ascending, Descending},
    Folded, GroupName, Index, Key, Keys, ReadModel, Rollup, Shows, Standing,
};
use readmill_schemas::Timestamp;
use readmill_schemas::stock::{StockEvent, StockHistoryAdded, StockMovement};
use serde::{Deserialize, Serialize};

/// What is used up.
pub const USED: Rollup =
    Rollup::of_documents("used", "purchases that have a piece, by product and price");

/// The read model.
#[derive(Debug)]
pub struct Stock;

/// A document: a purchase under `purchase/<number>`, or an offer under `offer/<product>/<price>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "Stored")]
pub enum Document {
    /// A purchase.
    Purchase(Purchase),
    /// An offer.
    Offer(Offer),
}

/// A document as it is read back: stores that keep each field by itself know nothing of variants.
#[derive(Debug, Deserialize)]
struct Stored {
    #[serde(default)]
    purchase: Option<Purchase>,
    #[serde(default)]
    offer: Option<Offer>,
}

impl TryFrom<Stored> for Document {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        match stored {
            Stored { purchase: Some(purchase), offer: None } => Ok(Self::Purchase(purchase)),
            Stored { purchase: None, offer: Some(offer) } => Ok(Self::Offer(offer)),
            Stored { .. } => Err("it must be either a purchase or an offer"),
        }
    }
}

/// A purchase of one piece. Once it was given back it never counts, in whatever order it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// What is bought.
    pub product_id: String,
    /// Its denomination.
    pub price_won: i64,
    /// Who buys it.
    pub member_id: String,
    /// Whether it has a piece.
    pub counts: bool,
    /// When it took a piece, by the earliest row that says so.
    pub taken_at: Option<Timestamp>,
    /// When it gave it back. Without `taken_at` it is a mark that waits for the other row.
    pub given_back_at: Option<Timestamp>,
}

/// What is on offer of a product at a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// How many pieces may be used.
    pub total: i64,
    /// How many a member may have.
    pub member_limit: i64,
    /// Since when it is so.
    pub since: Timestamp,
}

impl ReadModel for Stock {
    const NAME: &'static str = "stock";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "offers, and the purchases that have a piece of them";
    const MIRROR: Option<&'static str> = Some("stock:used");
    const ROLLUPS: &'static [Rollup] = &[USED];

    /// Readers look for what a member has, and count what is used of an offer.
    const INDEXES: &'static [Index] = &[
        Index {
            name: "by_offer",
            fields: &[
                ("purchase.product_id", Ascending),
                ("purchase.price_won", Ascending),
                ("purchase.counts", Ascending),
                ("purchase.member_id", Ascending),
            ],
            sparse: true,
        },
        Index {
            name: "by_member",
            fields: &[("purchase.member_id", Ascending), ("purchase.taken_at", Descending)],
            sparse: true,
        },
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

/// The key of a purchase's document.
pub fn purchase_key(purchase_no: &str) -> Key {
    Key(format!("purchase/{purchase_no}"))
}

/// The key of an offer's document. The price comes last and has no slash, so that two offers never
/// share one.
pub fn offer_key(product_id: &str, price_won: i64) -> Key {
    Key(format!("offer/{product_id}/{price_won}"))
}

/// The set of the purchases that have a piece of an offer; its parts are escaped like a group's.
pub fn used_set(product_id: &str, price_won: i64) -> String {
    GroupName::of(&[product_id, &price_won.to_string()]).to_string()
}

/// The set of those of one member.
pub fn member_set(product_id: &str, price_won: i64, member_id: &str) -> String {
    GroupName::of(&[product_id, &price_won.to_string(), member_id]).to_string()
}

impl Offer {
    /// Whether nothing is left when so much is used.
    pub const fn is_sold_out(&self, used: i64) -> bool {
        used >= self.total
    }

    /// Whether a member who has so many may buy one more.
    pub const fn may_buy(&self, used: i64, of_member: i64) -> bool {
        !self.is_sold_out(used) && of_member < self.member_limit
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
