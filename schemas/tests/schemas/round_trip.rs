//! What is written is read back: by our own plan, and the same as the reference decoder reads it.
use apache_avro::Schema;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use readmill_schemas::deliveries::{DeliveriesEvent, DeliveryCreated, OrderService, PickedUp};
use readmill_schemas::deliveries_out::{self, DeliveriesOutEvent, IntegratedDelivery, Outcome};
use readmill_schemas::points::{EarnCancelled, LotUse, PointsEarned, PointsEvent, PointsUsed};
use readmill_schemas::{Events, Timestamp, WrittenEvents};

use crate::own;

fn instants() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis)
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9-]{0,12}", "\\PC{0,80}"]
}

fn points() -> impl Strategy<Value = PointsEvent> {
    let head = || (texts(), texts(), instants());
    let earned = (head(), texts(), any::<i64>(), instants(), texts(), of(texts())).prop_map(
        |((ledger_id, member_id, occurred_at), lot_id, points, expires_at, reason, order_no)| {
            PointsEvent::from(PointsEarned {
                ledger_id,
                member_id,
                occurred_at,
                lot_id,
                points,
                expires_at,
                reason,
                order_no,
            })
        },
    );
    let lots = || vec((texts(), any::<i64>()), 0..5);
    let used = (head(), texts(), any::<i64>(), of(texts()), lots()).prop_map(
        |((ledger_id, member_id, occurred_at), use_id, points, order_no, lots)| {
            let lots = lots.into_iter().map(|(lot_id, points)| LotUse { lot_id, points }).collect();
            PointsUsed { ledger_id, member_id, occurred_at, use_id, points, order_no, lots }.into()
        },
    );
    let cancelled = (head(), texts()).prop_map(|((ledger_id, member_id, occurred_at), lot_id)| {
        EarnCancelled { ledger_id, member_id, occurred_at, lot_id }.into()
    });
    prop_oneof![earned, used, cancelled]
}

fn deliveries() -> impl Strategy<Value = DeliveriesEvent> {
    let services = proptest::sample::select(OrderService::ALL);
    let created = (texts(), instants(), texts(), services, texts()).prop_map(
        |(delivery_id, occurred_at, order_no, service, region)| {
            DeliveryCreated { delivery_id, occurred_at, order_no, service, region }.into()
        },
    );
    let picked = (texts(), instants())
        .prop_map(|(delivery_id, occurred_at)| PickedUp { delivery_id, occurred_at }.into());
    prop_oneof![created, picked]
}

fn integrated() -> impl Strategy<Value = DeliveriesOutEvent> {
    let outcomes = proptest::sample::select(Outcome::ALL);
    let times = (of(instants()), of(instants()), of(instants()), of(instants()), of(instants()));
    (texts(), of(texts()), outcomes, times).prop_map(|(id, rider_id, outcome, times)| {
        let (created_at, pickup_requested_at, dispatched_at, picked_up_at, ended_at) = times;
        DeliveriesOutEvent::from(IntegratedDelivery {
            delivery_id: id.clone(),
            order_no: id,
            service: deliveries_out::OrderService::Food,
            region: "south".to_owned(),
            rider_id,
            outcome,
            created_at,
            pickup_requested_at,
            dispatched_at,
            picked_up_at,
            ended_at,
        })
    })
}

/// Read by our plan it is the same event; read by the reference it is a whole value.
#[track_caller]
fn check<E: WrittenEvents>(event: &E) {
    let contract = event.contract();
    let which = E::CONTRACTS.iter().position(|known| known == contract).unwrap();
    let mut body = Vec::new();
    event.write(&mut body);
    assert_eq!(E::read(which, &own(contract), &body).as_ref(), Ok(event));
    let schema = Schema::parse_str(contract.text).unwrap();
    let mut rest = body.as_slice();
    #[allow(deprecated, reason = "the reference decoder's plainest form")]
    let value = apache_avro::from_avro_datum(&schema, &mut rest, None).unwrap();
    assert!(rest.is_empty() && value.validate(&schema));
    let json = serde_json::to_string(event).unwrap();
    assert_eq!(&serde_json::from_str::<E>(&json).unwrap(), event);
}

proptest! {
    #[test]
    fn points_round_trip(event in points()) {
        check(&event);
    }

    #[test]
    fn deliveries_round_trip(event in deliveries()) {
        check(&event);
    }

    #[test]
    fn integrated_round_trip(event in integrated()) {
        check(&event);
    }
}

#[test]
fn json_has_the_variant_and_the_symbols() {
    let event = DeliveriesEvent::from(DeliveryCreated {
        delivery_id: "d1".to_owned(),
        occurred_at: Timestamp::EPOCH,
        order_no: "o1".to_owned(),
        service: OrderService::Mart,
        region: "north".to_owned(),
    });
    assert_eq!(
        serde_json::to_value(&event).unwrap(),
        serde_json::json!({"DeliveryCreated": {
            "delivery_id": "d1", "occurred_at": "1970-01-01T00:00:00.000Z",
            "order_no": "o1", "service": "MART", "region": "north",
        }})
    );
}

#[test]
fn a_contract_that_is_not_there_is_told() {
    let plan = own(&PointsEarned::CONTRACT);
    let error = PointsEvent::read(99, &plan, &[]).unwrap_err();
    assert_eq!(error.to_string(), "body: there is no contract number 99");
}
