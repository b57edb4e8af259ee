//! The straight way and the general one read the same, value or error, from whatever a writer
//! wrote or someone else changed.
use std::fmt::Debug;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use readmill_schemas::deliveries::OrderService;
use readmill_schemas::plan::{Origin, Place};
use readmill_schemas::{Plan, ReadError, Wire, WriterSchema, wire};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::json;

use crate::hostile_pairs::{blows, strike};
use crate::pairs::{Body, Definition, Draw, Field, Side, Type, value, write};
use crate::{between, schema};

/// A record with fields of all types that know a straight way.
#[derive(Debug, Deserialize)]
struct Every<'a> {
    flag: bool,
    int: i32,
    long: i64,
    float: f32,
    double: f64,
    text: &'a str,
    owned: String,
    bytes: &'a [u8],
    #[serde(borrow)]
    note: Option<&'a str>,
    lost: Option<i64>,
    kept: i64,
    service: OrderService,
    services: Vec<OrderService>,
    #[serde(borrow)]
    part: Part<'a>,
    maybe: Option<Part<'a>>,
    parts: Vec<Part<'a>>,
    empty: Vec<Empty>,
    numbers: Option<Vec<Option<i64>>>,
    tree: Tree,
}

#[derive(Debug, Deserialize)]
struct Part<'a> {
    id: &'a str,
    amount: i64,
    #[serde(borrow)]
    payload: Option<&'a [u8]>,
}

#[derive(Debug, Deserialize)]
struct Empty {
    kept: i64,
}

#[derive(Debug, Deserialize)]
struct Tree {
    value: i32,
    trees: Vec<Tree>,
}

wire!(Every<'de> {
    flag: "flag", int: "int", long: "long", float: "float", double: "double", text: "text",
    owned: "owned", bytes: "bytes", note: "note", lost: "lost", kept: "kept", service: "service",
    services: "services", part: "part", maybe: "maybe", parts: "parts", empty: "empty",
    numbers: "numbers", tree: "tree",
});
wire!(Part<'de> { id: "id", amount: "amount", payload: "payload" });
wire!(Empty { kept: "kept" });
wire!(Tree { value: "value", trees: "trees" });

/// The same type without a straight way.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct General<T>(T);

impl<'de, T: Deserialize<'de>> Wire<'de> for General<T> {}

/// The same type without a general way.
#[derive(Debug)]
struct Straight<T>(T);

impl<'de, T> Deserialize<'de> for Straight<T> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("not straight"))
    }
}

impl<'de, T: Wire<'de>> Wire<'de> for Straight<T> {
    fn fits(origin: Origin<'_>) -> bool {
        T::fits(origin)
    }

    fn straight(place: Place<'_, '_, 'de>) -> Option<Self> {
        T::straight(place).map(Self)
    }
}

fn nullable(kind: Type) -> Type {
    Type::Union(vec![Type::Null, kind])
}

fn list(kind: Type) -> Type {
    Type::Array(Box::new(kind))
}

fn record(name: &str, fields: Vec<(&str, Type)>) -> Definition {
    let field = |(name, kind): (&str, Type)| {
        let default = match name {
            "lost" => Some(json!(null)),
            "kept" => Some(json!(7)),
            _ => None,
        };
        Field { name: name.to_owned(), aliases: Vec::new(), kind, default }
    };
    let body = Body::Record(fields.into_iter().map(field).collect());
    Definition { name: name.to_owned(), aliases: Vec::new(), body }
}

/// The contract of `Every`.
fn reader() -> Side {
    let (part, empty, tree, service) =
        (Type::Named(1), Type::Named(2), Type::Named(3), Type::Named(4));
    let every = vec![
        ("flag", Type::Boolean),
        ("int", Type::Int),
        ("long", Type::Long),
        ("float", Type::Float),
        ("double", Type::Double),
        ("text", Type::Text),
        ("owned", Type::Text),
        ("bytes", Type::Bytes),
        ("note", nullable(Type::Text)),
        ("lost", nullable(Type::Long)),
        ("kept", Type::Long),
        ("service", service.clone()),
        ("services", list(service)),
        ("part", part.clone()),
        ("maybe", nullable(part.clone())),
        ("parts", list(part)),
        ("empty", list(empty)),
        ("numbers", nullable(list(nullable(Type::Long)))),
        ("tree", tree.clone()),
    ];
    let part = vec![("id", Type::Text), ("amount", Type::Long), ("payload", nullable(Type::Bytes))];
    let symbols = OrderService::ALL.iter().map(|service| service.symbol().to_owned()).collect();
    let body = Body::Enum { symbols, default: None };
    Side(vec![
        record("Every", every),
        record("Part", part),
        record("Empty", vec![("kept", Type::Long)]),
        record("Tree", vec![("value", Type::Int), ("trees", list(tree))]),
        Definition { name: "Service".to_owned(), aliases: Vec::new(), body },
    ])
}

/// What a writer may write for a type; mostly the type itself.
fn varied(draw: &mut Draw<'_, '_>, kind: &Type) -> Type {
    match (kind, draw.below(12)) {
        (Type::Long, 0) => Type::Int,
        (Type::Double, 0) => Type::Long,
        (Type::Text, 0) => Type::Bytes,
        (Type::Bytes, 0) => Type::Text,
        (Type::Named(3), _) => Type::Named(3),
        (Type::Union(branches), 0) => branches[1].clone(),
        (Type::Union(branches), 1) => Type::Union(branches.iter().rev().cloned().collect()),
        (Type::Union(branches), 2) => {
            let other = [Type::Double];
            Type::Union(branches.iter().cloned().chain(other).collect())
        }
        (Type::Union(branches), _) => {
            let kind = varied(draw, &branches[1]);
            if matches!(kind, Type::Union(_)) { kind } else { nullable(kind) }
        }
        (Type::Array(items), _) => list(varied(draw, items)),
        (plain, 3) => nullable(plain.clone()),
        (plain, _) => plain.clone(),
    }
}

/// A writer of records that are much like the reader's.
fn writer(draw: &mut Draw<'_, '_>) -> Side {
    let Side(mut definitions) = reader();
    for definition in &mut definitions {
        let Body::Record(fields) = &mut definition.body else {
            continue;
        };
        fields.retain(|field| field.default.is_none() || draw.below(3) > 0);
        for field in fields.iter_mut() {
            field.default = None;
            field.kind = varied(draw, &field.kind);
        }
        for number in 0..draw.below(4) {
            let kinds = [
                Type::Long,
                Type::Text,
                Type::Boolean,
                Type::Double,
                nullable(Type::Bytes),
                list(nullable(Type::Text)),
                Type::Map(Box::new(Type::Int)),
            ];
            let kind = kinds[draw.below(kinds.len())].clone();
            let name = format!("extra{number}");
            let field = Field { name, aliases: Vec::new(), kind, default: None };
            fields.insert(draw.below(fields.len() + 1), field);
        }
        if draw.below(6) == 0 && fields.len() > 1 {
            let place = draw.below(fields.len() - 1);
            fields.swap(place, place + 1);
        }
    }
    Side(definitions)
}

fn plan(writer: &Side) -> Plan {
    let parse = |side: &Side| -> WriterSchema { schema(&side.text()) };
    Plan::between(&parse(writer), &parse(&reader())).unwrap()
}

/// Reads a body both ways; told as texts, since not every float is equal to itself.
#[track_caller]
fn both<'de, T>(plan: &Plan, body: &'de [u8]) -> Result<String, String>
where
    T: Wire<'de> + Debug,
{
    let told = |read: Result<T, ReadError>| match read {
        Ok(value) => Ok(format!("{value:?}")),
        Err(error) => Err(format!("{error:?}")),
    };
    let straight = told(plan.read(body));
    let general = told(plan.read(body).map(|General(value)| value));
    assert_eq!(straight, general, "{body:?}");
    straight
}

#[track_caller]
fn check(plan: &Plan, body: &[u8]) -> bool {
    both::<Every<'_>>(plan, body).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn both_ways_read_the_same(bytes in vec(any::<u8>(), 0..400), blows in blows()) {
        let mut rest = &bytes[..];
        let writer = writer(&mut Draw::new(&mut rest));
        let drawn = value(&mut rest, &writer, &Type::Named(0), 0);
        let plan = plan(&writer);
        let mut body = Vec::new();
        write(&drawn, &mut body);
        check(&plan, &body);
        for length in 0..body.len() {
            prop_assert!(!check(&plan, &body[..length]));
        }
        strike(&mut body, &blows);
        check(&plan, &body);
    }

    #[test]
    fn both_ways_read_any_bytes_the_same(bytes in vec(any::<u8>(), 0..60), body: Vec<u8>) {
        let writer = writer(&mut Draw::new(&mut &bytes[..]));
        check(&plan(&writer), &body);
    }
}

/// The writers are alike enough to be read straight, and different enough not to.
#[test]
fn both_ways_are_taken() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut straight, mut read) = (0, 0);
    for _ in 0..1_000 {
        let bytes = vec(any::<u8>(), 400).new_tree(&mut runner).unwrap().current();
        let mut rest = &bytes[..];
        let writer = writer(&mut Draw::new(&mut rest));
        let drawn = value(&mut rest, &writer, &Type::Named(0), 0);
        let mut body = Vec::new();
        write(&drawn, &mut body);
        let plan = plan(&writer);
        read += usize::from(plan.read::<Every<'_>>(&body).is_ok());
        straight += usize::from(plan.read::<Straight<Every<'_>>>(&body).is_ok());
    }
    assert!(read > 250 && straight > 60 && straight < read - 100, "{straight} of {read}");
}

#[derive(Debug, Deserialize)]
struct Small {
    first: i64,
    second: Option<i64>,
    empty: Vec<Nothing>,
    tree: Option<Tree>,
}

#[derive(Debug, Deserialize)]
struct Nothing {}

wire!(Nothing {});
wire!(Small { first: "first", second: "second", empty: "empty", tree: "tree" });

fn small(fields: &[&str]) -> String {
    let field = |name: &&str| match *name {
        "first" => r#"{"name":"first","type":"long"}"#.to_owned(),
        "second" => r#"{"name":"second","type":["null","long"]}"#.to_owned(),
        "plain" => r#"{"name":"second","type":"long"}"#.to_owned(),
        "empty" => r#"{"name":"empty","type":{"type":"array","items":
            {"type":"record","name":"Nothing","fields":[]}}}"#
            .to_owned(),
        _ => r#"{"name":"tree","type":["null",{"type":"record","name":"Tree","fields":[
            {"name":"value","type":"int"},
            {"name":"trees","type":{"type":"array","items":"Tree"}}]}]}"#
            .to_owned(),
    };
    let fields: Vec<String> = fields.iter().map(field).collect();
    format!(r#"{{"type":"record","name":"Small","fields":[{}]}}"#, fields.join(","))
}

/// Each guard of the straight way has a body here that needs it.
#[test]
fn neither_way_takes_more_than_the_other() {
    let reader = small(&["first", "second", "empty", "tree"]);
    let own = between(&reader, &reader).unwrap();
    let turned = between(&small(&["plain", "first", "empty", "tree"]), &reader).unwrap();
    let trees = |count: usize| {
        [&[2, 2, 0, 0, 2][..], &[0, 2].repeat(count), &[0], &vec![0; count + 1]].concat()
    };
    let three_thousand = [0xf0, 0x2e];
    let table: [(&str, &Plan, Vec<u8>, bool); 11] = [
        ("a plain body", &own, vec![2, 2, 4, 0, 0], true),
        ("more than the body", &own, vec![2, 2, 4, 0, 0, 0], false),
        ("another order", &turned, vec![2, 4, 0, 0], true),
        ("no such branch", &own, vec![2, 4, 4, 0, 0], false),
        ("a long way to say null", &own, vec![2, 0x80, 0, 0, 0], true),
        ("items without content", &own, [&[2, 0][..], &three_thousand, &[0, 0]].concat(), true),
        (
            "too many of them",
            &own,
            [&[2, 0][..], &three_thousand, &three_thousand, &[0, 0]].concat(),
            false,
        ),
        ("a block of its size", &own, vec![2, 0, 0, 2, 2, 1, 4, 6, 0, 0], true),
        ("a block of another size", &own, vec![2, 0, 0, 2, 2, 1, 2, 6, 0, 0], false),
        ("nested", &own, trees(14), true),
        ("nested too deeply", &own, trees(17), false),
    ];
    for (what, plan, body, is_read) in table {
        let read = both::<Small>(plan, &body);
        assert_eq!(read.is_ok(), is_read, "{what}: {read:?}");
    }
}
