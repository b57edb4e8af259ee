//! The traps of handing over from an import to the live tail of a ledger.

use proptest::prelude::*;
use readmill_models::Holdings;
use readmill_models::holdings::Account;
use readmill_schemas::Timestamp;
use readmill_schemas::holdings::{
    AccountImported, CashMoved, CashReason, CorporateActionApplied, Executed, FxConverted,
    HoldingsEvent, OrderReleased, OrderReserved, OrderSide, ReservedOrder,
};

use crate::kit::{Line, Run};

const ACCOUNT: &str = "a-1";

/// An entry of a service that keeps no versions.
fn line(event: impl Into<HoldingsEvent>) -> Line<HoldingsEvent> {
    Line { aggregate: ACCOUNT.to_owned(), version: None, event: event.into() }
}

fn deposited_at(entry_no: i64, minute: i64, amount_minor: i64) -> Line<HoldingsEvent> {
    line(CashMoved {
        account_id: ACCOUNT.to_owned(),
        entry_no,
        occurred_at: Timestamp::from_millis(minute * 60_000),
        currency: "KRW".to_owned(),
        amount_minor,
        reason: CashReason::Deposit,
    })
}

fn deposited(entry_no: i64, amount_minor: i64) -> Line<HoldingsEvent> {
    deposited_at(entry_no, entry_no, amount_minor)
}

fn executed(
    entry_no: i64,
    side: OrderSide,
    quantity: i64,
    price_won: i64,
    fee_won: i64,
) -> Line<HoldingsEvent> {
    let (account_id, occurred_at) = (ACCOUNT.to_owned(), Timestamp::EPOCH);
    let symbol = "A".to_owned();
    line(Executed { account_id, entry_no, occurred_at, side, symbol, quantity, price_won, fee_won })
}

fn split(entry_no: i64, numerator: i64, denominator: i64) -> Line<HoldingsEvent> {
    let (account_id, occurred_at) = (ACCOUNT.to_owned(), Timestamp::EPOCH);
    let symbol = "A".to_owned();
    line(CorporateActionApplied {
        account_id,
        entry_no,
        occurred_at,
        symbol,
        numerator,
        denominator,
    })
}

/// How the ledger stands after its first entries, as a warehouse would say it.
fn import(ledger: &[Line<HoldingsEvent>], through: usize, minute: i64) -> Line<HoldingsEvent> {
    let account = Run::<Holdings>::of(&ledger[..through]).state(ACCOUNT).cloned().unwrap();
    let Account { entry_no, cash, mut positions, mut reserved } = account;
    // A warehouse has an order of its own.
    positions.reverse();
    reserved.reverse();
    line(AccountImported {
        account_id: ACCOUNT.to_owned(),
        through_entry_no: entry_no,
        extracted_at: Timestamp::from_millis(minute * 60_000),
        cash,
        positions,
        reserved,
    })
}

fn won(account: &Account) -> i64 {
    account.cash.iter().find(|cash| cash.currency == "KRW").map_or(0, |cash| cash.amount_minor)
}

/// What the folded account has, when nothing waits any more.
#[track_caller]
fn folded(log: &[Line<HoldingsEvent>]) -> i64 {
    let run = Run::<Holdings>::of(log);
    assert_eq!((run.waiting(ACCOUNT), run.is_held(ACCOUNT)), (0, false));
    won(run.state(ACCOUNT).unwrap())
}

/// Takes over an import whenever one comes, and adds every entry that happened after `tail_minute`.
fn by_time(log: &[Line<HoldingsEvent>], tail_minute: i64) -> i64 {
    let mut sum = 0;
    for line in log {
        match &line.event {
            HoldingsEvent::AccountImported(e) => {
                sum = e.cash.iter().map(|cash| cash.amount_minor).sum();
            }
            HoldingsEvent::CashMoved(e) if e.occurred_at.as_millis() > tail_minute * 60_000 => {
                sum += e.amount_minor;
            }
            _ => {}
        }
    }
    sum
}

#[test]
fn trap_a_hand_over_by_time_has_gaps_or_overlaps() {
    // The third entry happened at 10, and was committed when the warehouse had been asked at 11.
    let ledger = [
        deposited_at(1, 5, 1),
        deposited_at(2, 9, 20),
        deposited_at(3, 10, 300),
        deposited_at(4, 12, 4_000),
    ];
    let log: Vec<_> = [import(&ledger, 2, 11)].into_iter().chain(ledger.clone()).collect();
    assert_eq!(by_time(&log, 11), 4_021, "a gap: the third entry is in neither");
    assert_eq!(by_time(&log, 8), 4_341, "an overlap: the second entry is in both");
    assert_eq!(folded(&log), 4_321);
}

#[test]
fn trap_a_tail_that_is_there_before_its_import_is_not_overwritten() {
    let ledger = [deposited(1, 1_000), deposited(2, 100), deposited(3, 10), deposited(4, 1)];
    let import = import(&ledger, 2, 2);
    let log = [ledger[2].clone(), ledger[3].clone(), import];
    assert_eq!(by_time(&log, 2), 1_100, "the tail is lost");
    let before = Run::<Holdings>::of(&log[..2]);
    assert_eq!((before.waiting(ACCOUNT), before.state(ACCOUNT)), (2, None), "it waits");
    assert_eq!(folded(&log), 1_111);
}

#[test]
fn trap_an_import_that_comes_twice_takes_nothing_back() {
    let ledger = [deposited(1, 10), deposited(2, 100), deposited(3, 1_000)];
    let import = import(&ledger, 2, 2);
    // The job was started again, and wrote another row of its own.
    let log = [import.clone(), ledger[2].clone(), import];
    assert_eq!(by_time(&log, 2), 110, "what came between is lost");
    assert_eq!(folded(&log), 1_110);
}

#[test]
fn trap_a_replay_from_the_beginning_doubles_nothing_that_was_imported() {
    let ledger: Vec<_> = (1..=50).map(|entry| deposited(entry, 1)).collect();
    let log: Vec<_> = [import(&ledger, 40, 40)].into_iter().chain(ledger.clone()).collect();
    assert_eq!(by_time(&log, 0), 90, "the first forty are in it twice");
    assert_eq!(folded(&log), 50);
    let again: Vec<_> = log.iter().chain(&ledger).cloned().collect();
    assert_eq!(folded(&again), 50, "also when more come than are remembered by id");
}

#[test]
fn rule_a_later_import_replaces_and_what_waited_goes_on() {
    let ledger: Vec<_> = (1..=9).map(|entry| deposited(entry, entry)).collect();
    let late = |through| import(&ledger, through, 0);
    let log = [ledger[0].clone(), ledger[8].clone(), late(3), ledger[6].clone(), late(6)];
    let waits = Run::<Holdings>::of(&log);
    assert_eq!(waits.waiting(ACCOUNT), 1, "the eighth entry is still missing");
    assert_eq!(waits.state(ACCOUNT).unwrap().entry_no, 7);
    let log: Vec<_> = log.into_iter().chain([ledger[7].clone()]).collect();
    assert_eq!(folded(&log), 45);
}

#[test]
fn rule_a_sale_takes_its_share_of_the_cost_and_nothing_of_a_won_is_lost() {
    use OrderSide::{Buy, Sell};
    let log = [
        executed(1, Buy, 2, 1_000, 3),
        executed(2, Buy, 1, 1_001, 2),
        split(3, 5, 2),
        executed(4, Sell, 2, 900, 1),
        executed(5, Sell, 5, 900, 0),
    ];
    let at = |entries: usize| {
        let run = Run::<Holdings>::of(&log[..entries]);
        let account = run.state(ACCOUNT).unwrap();
        let position = account.positions.first().map(|held| (held.quantity, held.cost_won));
        (position, won(account))
    };
    assert_eq!(at(2), (Some((3, 3_001)), -3_006));
    assert_eq!(at(3), (Some((7, 3_001)), -3_006), "half a share is paid out as cash");
    assert_eq!(at(4), (Some((5, 2_144)), -1_207), "3001 * 2 / 7 = 857.4");
    assert_eq!(at(5), (None, 3_293), "the last share takes the rest of the cost with it");
}

#[test]
fn rule_an_order_that_is_reserved_again_replaces_itself() {
    let ledger = ledger(&[(0, 1, 5), (0, 1, 7), (0, 2, 1), (1, 2, 1)]);
    let run = Run::<Holdings>::of(&ledger);
    let reserved = &run.state(ACCOUNT).unwrap().reserved;
    let reserved: Vec<_> =
        reserved.iter().map(|order| (&*order.order_no, order.quantity)).collect();
    assert_eq!(reserved, [("o-1", 7)]);
}

#[test]
fn rule_what_must_never_happen_is_held_and_not_folded() {
    use OrderSide::{Buy, Sell};
    let table = [
        (executed(2, Sell, 3, 1, 0), true),
        (executed(2, Sell, 2, 1, 0), false),
        (executed(2, Buy, 0, 1, 0), true),
        (split(2, 1, 0), true),
        (split(2, 0, 1), false),
        (deposited(0, 1), true),
    ];
    for (entry, held) in table {
        let run = Run::<Holdings>::of(&[executed(1, Buy, 2, 1, 0), entry.clone()]);
        assert_eq!(run.is_held(ACCOUNT), held, "{entry:?}");
    }
}

/// Entries as numbers: what happens, to which of three securities, and how much.
type Wish = (u8, u8, i64);

fn ledger(wishes: &[Wish]) -> Vec<Line<HoldingsEvent>> {
    let mut held = [0_i64; 3];
    let mut ledger = Vec::new();
    for (entry_no, (kind, which, amount)) in (1_i64..).zip(wishes) {
        let (account_id, occurred_at) = (ACCOUNT.to_owned(), Timestamp::from_millis(entry_no));
        let symbol = ["A", "B.K", "C"][usize::from(*which)].to_owned();
        let order_no = format!("o-{which}");
        let held = &mut held[usize::from(*which)];
        let (quantity, price_won, fee_won) = (*amount, amount * 7 + 1, amount % 5);
        ledger.push(match kind {
            0 => line(OrderReserved {
                account_id,
                entry_no,
                occurred_at,
                order: ReservedOrder {
                    order_no,
                    side: OrderSide::Buy,
                    symbol,
                    quantity,
                    price_won,
                    reserved_at: occurred_at,
                },
            }),
            1 => {
                let reason = "opened".to_owned();
                line(OrderReleased { account_id, entry_no, occurred_at, order_no, reason })
            }
            2 | 3 => {
                let sells = *kind == 3 && *held >= quantity;
                *held += if sells { -quantity } else { quantity };
                let side = if sells { OrderSide::Sell } else { OrderSide::Buy };
                line(Executed {
                    account_id,
                    entry_no,
                    occurred_at,
                    side,
                    symbol,
                    quantity,
                    price_won,
                    fee_won,
                })
            }
            4 => {
                *held = *held * 3 / 2;
                let (numerator, denominator) = (3, 2);
                line(CorporateActionApplied {
                    account_id,
                    entry_no,
                    occurred_at,
                    symbol,
                    numerator,
                    denominator,
                })
            }
            5 => line(FxConverted {
                account_id,
                entry_no,
                occurred_at,
                from_currency: "KRW".to_owned(),
                from_minor: amount * 1_400,
                to_currency: "USD".to_owned(),
                to_minor: *amount,
            }),
            _ => deposited(entry_no, *amount),
        });
    }
    ledger
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever the imports cover, wherever the tail begins, however the two interleave, and
    /// whatever comes again: the account is what its ledger comes to.
    #[test]
    fn rule_no_interleaving_of_import_and_tail_loses_or_doubles_anything(
        wishes in prop::collection::vec((0_u8..7, 0_u8..3, 1_i64..50), 1..70),
        imports in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        begin in any::<prop::sample::Index>(),
        turns in prop::collection::vec(0_u8..3, 0..140),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let ledger = ledger(&wishes);
        let through: Vec<usize> =
            imports.iter().map(|index| index.index(ledger.len()) + 1).collect();
        // The log has lost entries from the front, but only such as some import covers.
        let begin = begin.index(through.iter().max().unwrap() + 1);
        let mut log: Vec<_> = through.iter().map(|through| import(&ledger, *through, 0)).collect();
        let (mut imports, mut tail) = (0..log.len(), log.len()..);
        log.extend_from_slice(&ledger[begin..]);
        let mut order: Vec<usize> = Vec::new();
        for turn in turns {
            let next = match turn {
                0 => imports.next(),
                _ => tail.next().filter(|at| *at < log.len()),
            };
            order.extend(next);
        }
        order.extend(imports);
        order.extend(tail.take_while(|at| *at < log.len()));
        let again: Vec<usize> = again.iter().map(|index| order[index.index(order.len())]).collect();
        let run = Run::<Holdings>::in_order(&log, order.into_iter().chain(again));
        let straight = Run::<Holdings>::of(&ledger);
        prop_assert_eq!((run.waiting(ACCOUNT), run.is_held(ACCOUNT)), (0, false));
        prop_assert_eq!(run.state(ACCOUNT), straight.state(ACCOUNT));
        // Roll-ups follow the state through every import.
        let sums = |run: &Run<Holdings>| -> Vec<(String, i64, i128)> {
            let groups = run.rollups().into_iter().filter(|(_, totals)| totals.count != 0);
            groups.map(|(group, totals)| (group, totals.count, totals.sum.0)).collect()
        };
        run.seen();
        prop_assert_eq!(sums(&run), sums(&straight));
    }
}
