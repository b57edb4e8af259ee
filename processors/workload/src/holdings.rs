//! A broker's accounts: their ledgers, and a backfill that says how older ones stood.

use std::collections::BTreeMap;

use readmill_schemas::Timestamp;
use readmill_schemas::holdings::{
    AccountImported, Cash, CashMoved, CashReason, CorporateActionApplied, Executed, FxConverted,
    HoldingsEvent, OrderReleased, OrderReserved, OrderSide, Position, ReservedOrder,
};

use crate::journal::Draft;
use crate::knobs::Knobs;
use crate::rng::Rng;
use crate::row::{SourceEvent, Table};
use crate::service::Service;

/// The most accounts: each is kept in memory.
const MOST_ACCOUNTS: usize = 5_000;
const FEWEST_ACCOUNTS: usize = 8;
/// The most reserved orders of an account.
const MOST_RESERVED: usize = 4;
/// Accounts in a thousand that are older than the outbox.
const OLD_PER_MILLE: u32 = 300;
/// Transactions in a thousand that are the backfill's.
const IMPORTED_PER_MILLE: u32 = 20;
const SYMBOLS: [&str; 8] =
    ["000660", "005380", "005930", "035420", "035720", "051910", "068270", "BRK.B"];
const WON_A_DOLLAR: i64 = 1_400;

/// The service's state: every account's.
#[derive(Debug)]
pub struct Holdings {
    rng: Rng,
    accounts: Vec<Ledger>,
    most_accounts: usize,
    skew_per_mille: u32,
}

/// An account, as its ledger has it.
#[derive(Debug, Default)]
struct Ledger {
    account_id: String,
    entry_no: i64,
    won: i64,
    cents: i64,
    /// Quantity and cost, by symbol.
    shares: BTreeMap<&'static str, (i64, i64)>,
    reserved: BTreeMap<String, ReservedOrder>,
}

impl Holdings {
    /// A broker without accounts.
    pub fn new(knobs: &Knobs) -> Self {
        let members = usize::try_from(knobs.members).unwrap_or(usize::MAX);
        Self {
            rng: Rng::new(knobs.seed, 22),
            accounts: Vec::new(),
            most_accounts: members.clamp(FEWEST_ACCOUNTS, MOST_ACCOUNTS),
            skew_per_mille: knobs.skew_per_mille,
        }
    }

    /// The first transaction of an account. Entries of an older one would wait for its import; so
    /// the two are committed together, in either order.
    fn open(&mut self, now_ms: i64, room: u64) -> Vec<Draft> {
        let account_id = format!("a-{:07}", self.accounts.len());
        let mut ledger = Ledger { account_id, ..Ledger::default() };
        let mut drafts = Vec::new();
        if self.rng.chance(OLD_PER_MILLE) {
            for _ in 0..self.rng.between(1, 40) {
                ledger.act(now_ms, &mut self.rng);
            }
            drafts.push(ledger.imported(now_ms));
        }
        if (drafts.len() as u64) < room {
            drafts.push(ledger.act(now_ms, &mut self.rng));
        }
        if self.rng.chance(500) {
            drafts.reverse();
        }
        self.accounts.push(ledger);
        drafts
    }
}

impl Service for Holdings {
    fn transact(&mut self, now_ms: i64, room: u64) -> Vec<Draft> {
        if room == 0 {
            return Vec::new();
        }
        let few = self.accounts.len() < FEWEST_ACCOUNTS;
        if few || (self.accounts.len() < self.most_accounts && self.rng.chance(100)) {
            return self.open(now_ms, room);
        }
        let at = self.rng.skewed(self.accounts.len(), self.skew_per_mille);
        let imported = self.rng.chance(IMPORTED_PER_MILLE);
        let wanted = if self.rng.chance(125) { 2 } else { 1 };
        let Some(ledger) = self.accounts.get_mut(at) else { return Vec::new() };
        if imported {
            // The backfill is run again over what the tail has told already.
            return vec![ledger.imported(now_ms)];
        }
        (0..room.min(wanted)).map(|_| ledger.act(now_ms, &mut self.rng)).collect()
    }
}

impl Ledger {
    /// The next entry.
    fn act(&mut self, now_ms: i64, rng: &mut Rng) -> Draft {
        self.entry_no += 1;
        let occurred_at = Timestamp::from_millis(now_ms);
        let symbol = rng.pick(&SYMBOLS);
        let event = match rng.below(100) {
            0..20 if self.reserved.len() < MOST_RESERVED => self.reserve(symbol, occurred_at, rng),
            20..35 if !self.reserved.is_empty() => self.release(occurred_at),
            35..70 => self.execute(symbol, occurred_at, rng),
            70..75 if self.shares.contains_key(symbol) => self.exchange(symbol, occurred_at),
            75..85 => self.convert(occurred_at, rng),
            _ => self.pay(occurred_at, rng),
        };
        self.draft(Table::Holdings, event)
    }

    fn draft(&self, table: Table, event: HoldingsEvent) -> Draft {
        let event = SourceEvent::Holdings(event);
        Draft { table, aggregate_id: self.account_id.clone(), version: None, event }
    }

    fn imported(&self, now_ms: i64) -> Draft {
        let cash = [("USD", self.cents), ("KRW", self.won)];
        let cash = cash.into_iter().filter(|(_, amount_minor)| *amount_minor != 0);
        let cash = cash
            .map(|(currency, amount_minor)| Cash { currency: currency.to_owned(), amount_minor });
        let positions = self.shares.iter().rev().map(|(symbol, (quantity, cost_won))| {
            let symbol = (*symbol).to_owned();
            Position { symbol, quantity: *quantity, cost_won: *cost_won }
        });
        let imported = AccountImported {
            account_id: self.account_id.clone(),
            through_entry_no: self.entry_no,
            extracted_at: Timestamp::from_millis(now_ms),
            cash: cash.collect(),
            positions: positions.collect(),
            reserved: self.reserved.values().cloned().collect(),
        };
        self.draft(Table::HoldingsImport, imported.into())
    }

    fn reserve(&mut self, symbol: &str, occurred_at: Timestamp, rng: &mut Rng) -> HoldingsEvent {
        let order = ReservedOrder {
            order_no: format!("{}-{}", self.account_id, self.entry_no),
            side: if rng.chance(600) { OrderSide::Buy } else { OrderSide::Sell },
            symbol: symbol.to_owned(),
            quantity: rng.between(1, 50),
            price_won: 100 * rng.between(50, 3_000),
            reserved_at: occurred_at,
        };
        self.reserved.insert(order.order_no.clone(), order.clone());
        let (account_id, entry_no) = (self.account_id.clone(), self.entry_no);
        OrderReserved { account_id, entry_no, occurred_at, order }.into()
    }

    fn release(&mut self, occurred_at: Timestamp) -> HoldingsEvent {
        let order_no = self.reserved.pop_first().map(|(order_no, _)| order_no).unwrap_or_default();
        let (account_id, entry_no) = (self.account_id.clone(), self.entry_no);
        let reason = "opened".to_owned();
        OrderReleased { account_id, entry_no, occurred_at, order_no, reason }.into()
    }

    fn execute(
        &mut self,
        symbol: &'static str,
        occurred_at: Timestamp,
        rng: &mut Rng,
    ) -> HoldingsEvent {
        let (price_won, fee_won) = (100 * rng.between(50, 3_000), rng.between(0, 900));
        let (held, cost_won) = self.shares.get(symbol).copied().unwrap_or_default();
        let sells = held > 0 && rng.chance(500);
        let quantity = if sells { rng.between(1, held) } else { rng.between(1, 50) };
        let (side, held, cost_won) = if sells {
            (OrderSide::Sell, held - quantity, cost_won - cost_won * quantity / held)
        } else {
            (OrderSide::Buy, held + quantity, cost_won + quantity * price_won)
        };
        let paid_won = if sells { quantity * price_won } else { -quantity * price_won };
        self.won += paid_won - fee_won;
        self.hold(symbol, held, cost_won);
        Executed {
            account_id: self.account_id.clone(),
            entry_no: self.entry_no,
            occurred_at,
            side,
            symbol: symbol.to_owned(),
            quantity,
            price_won,
            fee_won,
        }
        .into()
    }

    /// Few shares are split, and many are merged.
    fn exchange(&mut self, symbol: &'static str, occurred_at: Timestamp) -> HoldingsEvent {
        let (held, cost_won) = self.shares.get(symbol).copied().unwrap_or_default();
        let (numerator, denominator) = if held < 200 { (5, 2) } else { (1, 10) };
        self.hold(symbol, held * numerator / denominator, cost_won);
        CorporateActionApplied {
            account_id: self.account_id.clone(),
            entry_no: self.entry_no,
            occurred_at,
            symbol: symbol.to_owned(),
            numerator,
            denominator,
        }
        .into()
    }

    fn hold(&mut self, symbol: &'static str, quantity: i64, cost_won: i64) {
        if quantity == 0 {
            self.shares.remove(symbol);
        } else {
            self.shares.insert(symbol, (quantity, cost_won));
        }
    }

    fn convert(&mut self, occurred_at: Timestamp, rng: &mut Rng) -> HoldingsEvent {
        let dollars = rng.between(1, 500);
        self.won -= dollars * WON_A_DOLLAR;
        self.cents += dollars * 100;
        FxConverted {
            account_id: self.account_id.clone(),
            entry_no: self.entry_no,
            occurred_at,
            from_currency: "KRW".to_owned(),
            from_minor: dollars * WON_A_DOLLAR,
            to_currency: "USD".to_owned(),
            to_minor: dollars * 100,
        }
        .into()
    }

    fn pay(&mut self, occurred_at: Timestamp, rng: &mut Rng) -> HoldingsEvent {
        let (reason, amount_minor) = match rng.below(4) {
            0 => (CashReason::Withdrawal, -1_000 * rng.between(1, 500)),
            1 => (CashReason::Dividend, rng.between(1, 50_000)),
            2 => (CashReason::Fee, -rng.between(1, 5_000)),
            _ => (CashReason::Deposit, 1_000 * rng.between(1, 1_000)),
        };
        self.won += amount_minor;
        CashMoved {
            account_id: self.account_id.clone(),
            entry_no: self.entry_no,
            occurred_at,
            currency: "KRW".to_owned(),
            amount_minor,
            reason,
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::oracle;
    use crate::row::SourceRow;
    use crate::source::Source;

    fn rows(events: u64) -> Vec<SourceRow> {
        let knobs = Knobs { events, members: 60, others_per_mille: 1_000, ..Knobs::default() };
        Source::new(knobs).unwrap().collect()
    }

    #[test]
    fn nothing_waits_wherever_the_stream_is_cut_and_the_backfill_may_come_first() {
        for events in [1, 2, 3, 50, 777, 6_000] {
            let rows = rows(events);
            let found = oracle::fold::<readmill_models::Holdings>(rows.clone());
            assert_eq!((found.held, found.waiting, found.gone), (0, 0, 0), "{found:?}");
            // All imports before all entries: the import's topic is read ahead.
            let (mut first, tail): (Vec<_>, Vec<_>) =
                rows.into_iter().partition(|row| row.table == Table::HoldingsImport);
            first.extend(tail);
            let ahead = oracle::fold::<readmill_models::Holdings>(first);
            assert_eq!((ahead.held, ahead.waiting), (0, 0), "{ahead:?}");
            assert_eq!(ahead.states, found.states);
        }
    }

    #[test]
    fn every_kind_of_event_happens_and_older_accounts_begin_either_way() {
        let rows = rows(12_000);
        let (mut kinds, mut begins) = (BTreeSet::new(), BTreeMap::new());
        for row in &rows {
            let SourceEvent::Holdings(event) = &row.event else { continue };
            kinds.insert(row.event_type());
            let imported = matches!(event, HoldingsEvent::AccountImported(_));
            begins.entry(&row.aggregate_id).or_insert_with(Vec::new).push(imported);
        }
        assert_eq!(kinds.len(), 7, "{kinds:?}");
        let begin = |wanted: &[bool]| {
            assert!(begins.values().any(|rows| rows.starts_with(wanted)), "{wanted:?}");
        };
        begin(&[true, false]);
        begin(&[false, true]);
        begin(&[false, false]);
    }
}
