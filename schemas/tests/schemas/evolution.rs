//! What an older version wrote is read by the newest contract.
use readmill_schemas::points::PointsEarned;
use readmill_schemas::{Plan, Timestamp, encode};

use crate::schema;

const V1: &str = include_str!("../../avro/points/PointsEarned.v1.avsc");

#[test]
fn the_first_version_is_read_by_the_second() {
    let mut body = Vec::new();
    encode::text("l1", &mut body);
    encode::text("m1", &mut body);
    encode::long(1_000, &mut body);
    encode::text("lot", &mut body);
    encode::long(-5, &mut body);
    encode::long(2_000, &mut body);
    let plan = Plan::compile(&schema(V1), &PointsEarned::CONTRACT).unwrap();
    let expected = PointsEarned {
        ledger_id: "l1".to_owned(),
        member_id: "m1".to_owned(),
        occurred_at: Timestamp::from_millis(1_000),
        lot_id: "lot".to_owned(),
        points: -5,
        expires_at: Timestamp::from_millis(2_000),
        reason: "order".to_owned(),
        order_no: None,
    };
    assert_eq!(plan.read::<PointsEarned>(&body), Ok(expected));
}
