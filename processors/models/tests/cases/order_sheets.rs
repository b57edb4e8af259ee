//! The widest contract: every field of it through the wire, into the document, and out again.

use proptest::prelude::*;
use readmill_models::Orders;
use readmill_models::orders::Order;
use readmill_schemas::orders::{OrderSheetWritten, OrdersEvent};
use readmill_schemas::{Events, Plan, WriterSchema, WrittenEvents};
use serde_json::{Map, Value, json};

use crate::kit::{Run, line};
use crate::orders::{ORDER, placed};

fn fields() -> Vec<Value> {
    let contract: Value = serde_json::from_str(OrderSheetWritten::CONTRACT.text).unwrap();
    contract["fields"].as_array().unwrap().clone()
}

/// A value of a field's type that a number decides.
fn value(kind: &Value, symbols: &mut Map<String, Value>, n: u64) -> Value {
    match kind {
        Value::Array(branches) if n.is_multiple_of(3) => {
            assert_eq!(branches[0], "null");
            Value::Null
        }
        Value::Array(branches) => value(&branches[1], symbols, n),
        Value::Object(object) if object.contains_key("logicalType") => {
            json!(readmill_schemas::Timestamp::from_millis(i64::try_from(n >> 24).unwrap()))
        }
        Value::Object(object) if object["type"] == "array" => json!(vec![n.to_string(); 2]),
        Value::Object(object) => {
            symbols.insert(object["name"].as_str().unwrap().to_owned(), object["symbols"].clone());
            value(&object["name"], symbols, n)
        }
        _ => match kind.as_str().unwrap() {
            "string" => json!(format!("text {n}")),
            "boolean" => json!(n.is_multiple_of(2)),
            "int" => json!(i32::try_from(n >> 40).unwrap()),
            "long" => json!(n.cast_signed()),
            "double" => json!(f64::from(u32::try_from(n >> 32).unwrap()) / 8.0),
            name => {
                let symbols = symbols[name].as_array().unwrap();
                symbols[usize::try_from(n).unwrap() % symbols.len()].clone()
            }
        },
    }
}

/// A sheet that a number decides.
fn sheet(mut n: u64) -> OrderSheetWritten {
    let mut symbols = Map::new();
    let mut sheet = Map::new();
    for field in fields() {
        n = n.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let name = field["name"].as_str().unwrap();
        sheet.insert(name.to_owned(), value(&field["type"], &mut symbols, n >> 1));
    }
    sheet.insert("order_no".to_owned(), json!(ORDER));
    serde_json::from_value(Value::Object(sheet)).unwrap()
}

#[test]
fn rule_the_sheet_has_more_than_five_hundred_fields_and_says_of_each_what_it_is() {
    let fields = fields();
    assert!(fields.len() > 500 + 2, "{}", fields.len());
    let mut kinds = std::collections::BTreeSet::new();
    for field in &fields[2..] {
        assert!(!field["doc"].as_str().unwrap().is_empty() && field.get("default").is_some());
        kinds.insert(match &field["type"] {
            Value::Object(object) => object["type"].to_string(),
            kind => kind.to_string(),
        });
    }
    assert!(kinds.len() >= 10, "{kinds:?}");
}

#[test]
fn trap_a_field_that_a_contract_gains_does_not_make_stored_documents_unreadable() {
    let log = [line(ORDER, 1, placed()), line(ORDER, 2, sheet(1))];
    let mut stored = serde_json::to_value(Run::<Orders>::of(&log).state(ORDER).unwrap()).unwrap();
    // As it was stored before the contracts had these fields.
    for (section, field) in [
        ("placed", "channel"),
        ("placed", "deliver_by"),
        ("sheet", "price_currency"),
        ("sheet", "coupon_3_kind"),
        ("sheet", "item_2_labels"),
        ("sheet", "risk_score"),
        ("sheet", "gift_accepted_at"),
    ] {
        assert!(stored[section].as_object_mut().unwrap().remove(field).is_some());
    }
    let read: Order = serde_json::from_value(stored).unwrap();
    let sheet = read.sheet.unwrap();
    assert_eq!(read.placed.unwrap().channel, "web");
    assert_eq!((sheet.price_currency.as_str(), sheet.coupon_3_kind.symbol()), ("KRW", "PRODUCT"));
    assert_eq!((sheet.item_2_labels.len(), sheet.risk_score), (0, 0.0));
}

#[test]
fn rule_a_wide_event_does_not_make_the_narrow_ones_wide() {
    let [all, wide] = [size_of::<OrdersEvent>(), size_of::<OrderSheetWritten>()];
    assert!(all <= 256 && wide > 4_096, "{all} and {wide} bytes");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn rule_a_sheet_goes_through_the_wire_and_stands_whole_in_its_document(n in any::<u64>()) {
        let event = OrdersEvent::from(sheet(n));
        let mut body = Vec::new();
        event.write(&mut body);
        let contract = event.contract();
        let which = OrdersEvent::CONTRACTS.iter().position(|known| known == contract).unwrap();
        let plan = Plan::compile(&WriterSchema::parse(contract.text).unwrap(), contract).unwrap();
        let read = OrdersEvent::read(which, &plan, &body).unwrap();
        prop_assert_eq!(&read, &event);
        let log = [line(ORDER, 1, placed()), line(ORDER, 2, sheet(!n)), line(ORDER, 3, sheet(n))];
        let run = Run::<Orders>::of(&log);
        let order = run.state(ORDER).unwrap();
        prop_assert_eq!(order.sheet.as_deref(), Some(&sheet(n)), "the last one replaces others");
        let text = serde_json::to_string(order).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Order>(&text).unwrap(), order);
    }

    #[test]
    fn rule_a_writer_that_knows_few_fields_gets_defaults_for_all_others(fee_won in any::<i64>()) {
        let few = r#"{"type":"record","name":"OrderSheetWritten","namespace":"readmill.orders",
            "fields":[{"name":"order_no","type":"string"},{"name":"occurred_at","type":"long"},
            {"name":"delivery_fee_won","type":"long"}]}"#;
        let contract = &OrderSheetWritten::CONTRACT;
        let plan = Plan::compile(&WriterSchema::parse(few).unwrap(), contract).unwrap();
        let mut body = Vec::new();
        readmill_schemas::encode::text(ORDER, &mut body);
        readmill_schemas::encode::long(0, &mut body);
        readmill_schemas::encode::long(fee_won, &mut body);
        let read: OrderSheetWritten = plan.read(&body).unwrap();
        prop_assert_eq!(read.delivery_fee_won, fee_won);
        prop_assert_eq!(read.price_currency, "KRW");
        prop_assert_eq!(read.coupon_10_id, None);
    }
}
