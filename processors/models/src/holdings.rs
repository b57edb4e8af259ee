//! `holdings`: an account's cash, shares and reserved orders, from a ledger whose past is imported.
//!
//! Entries have the account's own numbers. Whatever an import covers is stale, and whatever lies
//! beyond the next number waits: so the two sides need no common clock, and may come in any order.

mod document;

use readmill_core::Direction::Ascending;
use readmill_core::{
    Admit, Contribution, Folded, GroupName, Index, Keys, ReadModel, Rollup, Standing,
};
use readmill_schemas::holdings::{
    AccountImported, Cash, Executed, HoldingsEvent, OrderSide, Position, ReservedOrder,
};

pub use document::{Account, HELD, MOST_LISTED, RESERVED};

/// The read model.
#[derive(Debug)]
pub struct Holdings;

impl ReadModel for Holdings {
    const NAME: &'static str = "holdings";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "an account's cash, shares and reserved orders";
    const ROLLUPS: &'static [Rollup] = &[HELD, RESERVED];

    /// Readers look for the accounts that a corporate action or a halt concerns.
    const INDEXES: &'static [Index] = &[
        Index::on("by_symbol", &[("positions.symbol", Ascending)]),
        Index::on("by_reserved", &[("reserved.symbol", Ascending)]),
    ];

    type Event = HoldingsEvent;
    type State = Account;

    fn keys(event: &HoldingsEvent) -> Keys {
        Keys::one(event.account_id())
    }

    fn admit(standing: Standing<'_, Account>, event: &HoldingsEvent) -> Admit {
        let nothing = Account::default();
        let account = standing.live().unwrap_or(&nothing);
        let number = number(event);
        match event {
            _ if number < 1 => Admit::Refuse("entries are numbered from 1"),
            _ if number <= account.entry_no => Admit::Stale,
            HoldingsEvent::AccountImported(e) if is_long(&e.positions, &e.reserved) => FULL,
            HoldingsEvent::AccountImported(_) => Admit::Fold,
            _ if number > account.entry_no + 1 => {
                Admit::Wait("earlier entries of the account, or its import")
            }
            HoldingsEvent::Executed(e) => account.admits(e),
            HoldingsEvent::CorporateActionApplied(e) if e.numerator < 0 || e.denominator < 1 => {
                Admit::Refuse("shares cannot be exchanged at this rate")
            }
            HoldingsEvent::OrderReserved(_) if account.reserved.len() >= MOST_LISTED => FULL,
            HoldingsEvent::OrderReserved(_)
            | HoldingsEvent::OrderReleased(_)
            | HoldingsEvent::CorporateActionApplied(_)
            | HoldingsEvent::CashMoved(_)
            | HoldingsEvent::FxConverted(_) => Admit::Fold,
        }
    }

    fn fold(state: Option<Account>, event: &HoldingsEvent) -> Folded<Account> {
        let mut account = state.unwrap_or_default();
        match event {
            HoldingsEvent::AccountImported(e) => account = Account::of(e),
            HoldingsEvent::OrderReserved(e) => {
                account.release(&e.order.order_no);
                account.reserved.push(e.order.clone());
            }
            HoldingsEvent::OrderReleased(e) => account.release(&e.order_no),
            HoldingsEvent::Executed(e) => account.execute(e),
            HoldingsEvent::CorporateActionApplied(e) => {
                for held in account.positions.iter_mut().filter(|held| held.symbol == e.symbol) {
                    held.quantity = share(held.quantity, e.numerator, e.denominator);
                }
            }
            HoldingsEvent::CashMoved(e) => account.pay(&e.currency, e.amount_minor),
            HoldingsEvent::FxConverted(e) => {
                account.pay(&e.from_currency, e.from_minor.saturating_neg());
                account.pay(&e.to_currency, e.to_minor);
            }
        }
        account.entry_no = number(event);
        account.settle();
        Folded::next(account)
    }

    fn contributes(account: &Account) -> Vec<Contribution> {
        let held = account
            .positions
            .iter()
            .map(|held| Contribution::of(&HELD, GroupName::of(&[&held.symbol]), held.quantity));
        let reserved = account.reserved.iter().map(|order| {
            let group = GroupName::of(&[&order.symbol, order.side.symbol()]);
            Contribution::of(&RESERVED, group, order.quantity)
        });
        held.chain(reserved).collect()
    }
}

/// The number after which the account stands as the event says.
const fn number(event: &HoldingsEvent) -> i64 {
    match event {
        HoldingsEvent::AccountImported(e) => e.through_entry_no,
        HoldingsEvent::OrderReserved(e) => e.entry_no,
        HoldingsEvent::OrderReleased(e) => e.entry_no,
        HoldingsEvent::Executed(e) => e.entry_no,
        HoldingsEvent::CorporateActionApplied(e) => e.entry_no,
        HoldingsEvent::CashMoved(e) => e.entry_no,
        HoldingsEvent::FxConverted(e) => e.entry_no,
    }
}

const FULL: Admit =
    Admit::Refuse("more securities or reserved orders than a document has room for");

const fn is_long(positions: &[Position], reserved: &[ReservedOrder]) -> bool {
    positions.len() > MOST_LISTED || reserved.len() > MOST_LISTED
}

/// So much of an amount, rounded down. Its own 64 bits are enough for whatever is less than all.
fn share(amount: i64, part: i64, of: i64) -> i64 {
    let wide = (i128::from(amount) * i128::from(part)).checked_div_euclid(of.into()).unwrap_or(0);
    i64::try_from(wide).unwrap_or(i64::MAX)
}

impl Account {
    fn of(e: &AccountImported) -> Self {
        let AccountImported { cash, positions, reserved, .. } = e.clone();
        Self { entry_no: e.through_entry_no, cash, positions, reserved }
    }

    fn held(&self, symbol: &str) -> i64 {
        self.positions.iter().find(|held| held.symbol == symbol).map_or(0, |held| held.quantity)
    }

    fn admits(&self, e: &Executed) -> Admit {
        let held = self.held(&e.symbol);
        match e.side {
            OrderSide::Buy | OrderSide::Sell if e.quantity < 1 => {
                Admit::Refuse("nothing was executed")
            }
            OrderSide::Buy if held == 0 && self.positions.len() >= MOST_LISTED => FULL,
            OrderSide::Sell if held < e.quantity => {
                Admit::Refuse("more is sold than the account has")
            }
            OrderSide::Buy | OrderSide::Sell => Admit::Fold,
        }
    }

    fn release(&mut self, order_no: &str) {
        self.reserved.retain(|order| order.order_no != order_no);
    }

    fn pay(&mut self, currency: &str, amount_minor: i64) {
        match self.cash.iter_mut().find(|cash| cash.currency == currency) {
            Some(cash) => cash.amount_minor = cash.amount_minor.saturating_add(amount_minor),
            None => self.cash.push(Cash { currency: currency.to_owned(), amount_minor }),
        }
    }

    /// What is sold takes its share of the cost with it, so that the average price stays; what is
    /// left of a won stays with the rest, and goes with the last share.
    fn execute(&mut self, e: &Executed) {
        let amount_won = e.quantity.saturating_mul(e.price_won);
        let fresh = || Position { symbol: e.symbol.clone(), quantity: 0, cost_won: 0 };
        let at = self.positions.iter().position(|held| held.symbol == e.symbol);
        let at = at.unwrap_or_else(|| {
            self.positions.push(fresh());
            self.positions.len() - 1
        });
        let Some(held) = self.positions.get_mut(at) else { return };
        let (shares, cost_won, paid_won) = match e.side {
            OrderSide::Buy => (e.quantity, amount_won, amount_won.saturating_neg()),
            OrderSide::Sell => {
                let cost_won = share(held.cost_won, e.quantity, held.quantity);
                (e.quantity.saturating_neg(), cost_won.saturating_neg(), amount_won)
            }
        };
        held.quantity = held.quantity.saturating_add(shares);
        held.cost_won = held.cost_won.saturating_add(cost_won);
        self.pay("KRW", paid_won.saturating_sub(e.fee_won));
    }

    /// In one form, whatever it was made of.
    fn settle(&mut self) {
        self.cash.retain(|cash| cash.amount_minor != 0);
        self.cash.sort_by(|a, b| a.currency.cmp(&b.currency));
        self.positions.retain(|held| held.quantity != 0);
        self.positions.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        self.reserved.sort_by(|a, b| a.order_no.cmp(&b.order_no));
    }
}
