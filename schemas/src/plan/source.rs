//! What the straight way needs to know of a plan: where each of a record's fields comes from.
use super::constant::Constant;
use super::node::{Arena, Branch, Node, NodeId, Number, Record, Step};

/// What a value is on the wire, as far as it can be read straight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Text,
    Bytes,
    Enum,
    Array,
    Record,
    /// What is read the general way.
    Other,
}

/// The branches of a union of null and one other type, as the bytes that writers tell them by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Null {
    pub(super) null: u8,
    pub(super) some: u8,
}

impl Null {
    const FIRST: Self = Self { null: 0, some: 2 };
    const LAST: Self = Self { null: 2, some: 0 };
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// Of the value itself, without null.
    pub(super) kind: Kind,
    /// If it may be null.
    pub(super) null: Option<Null>,
    /// Of the value itself, too.
    pub(super) node: NodeId,
}

/// Where a field of a record comes from.
#[derive(Debug, Clone)]
pub enum Field {
    /// What is next on the wire.
    Next(Source),
    /// What is on the wire behind some of the record's steps, which skip.
    Behind {
        /// The first of the steps.
        from: usize,
        /// One beyond the last.
        to: usize,
        /// What follows.
        source: Source,
    },
    /// One of the record's defaults.
    Default(usize),
}

/// A record whose fields are written in the contract's order.
#[derive(Debug, Clone)]
pub(super) struct Ordered {
    /// In the contract's order.
    pub(super) fields: Box<[Field]>,
    /// The first of the steps behind the last field.
    pub(super) rest: usize,
}

impl Source {
    /// What a default of null is read from: no byte.
    pub(super) const NULL: Self = Self { kind: Kind::Null, null: None, node: NodeId::MAX };

    pub(super) fn of(arena: &Arena, id: NodeId) -> Self {
        let union = if let Node::Union(branches) = arena.node(id) { &**branches } else { &[] };
        let (null, node) = match *union {
            [Branch::Is(null), Branch::Is(node)] if arena.is_null(null) => {
                (Some(Null::FIRST), node)
            }
            [Branch::Is(node), Branch::Is(null)] if arena.is_null(null) => (Some(Null::LAST), node),
            _ => (None, id),
        };
        let kind = match arena.node(node) {
            Node::Null => Kind::Null,
            Node::Boolean => Kind::Boolean,
            Node::Number(Number::Int) => Kind::Int,
            Node::Number(Number::Long) => Kind::Long,
            Node::Number(Number::Float) => Kind::Float,
            Node::Number(Number::Double) => Kind::Double,
            Node::Text => Kind::Text,
            Node::Bytes => Kind::Bytes,
            Node::Enum(_) => Kind::Enum,
            Node::Array(_) => Kind::Array,
            Node::Record(_) => Kind::Record,
            Node::Promoted { .. } | Node::Fixed(_) | Node::Map(_) | Node::Union(_) => Kind::Other,
        };
        Self { kind, null, node }
    }
}

impl Ordered {
    /// Nothing if the record's steps are in another order.
    pub(super) fn of(arena: &Arena, record: &Record) -> Option<Self> {
        let default = |field| {
            let of_field = |(index, _): &(usize, Constant)| *index == field;
            let place = record.defaults.iter().position(of_field)?;
            let (_, constant) = record.defaults.get(place)?;
            let is_null = matches!(constant, Constant::Null);
            Some(if is_null { Field::Next(Source::NULL) } else { Field::Default(place) })
        };
        let mut fields = Vec::new();
        let mut rest = 0;
        for (place, step) in record.steps.iter().enumerate() {
            let Step::Read { index, node } = *step else {
                continue;
            };
            // A field that comes later on the wire has no default, so it ends the order here.
            while fields.len() < index {
                fields.push(default(fields.len())?);
            }
            let source = arena.source(node);
            fields.push(match rest == place {
                true => Field::Next(source),
                false => Field::Behind { from: rest, to: place, source },
            });
            rest = place + 1;
        }
        while fields.len() < record.names.len() {
            fields.push(default(fields.len())?);
        }
        Some(Self { fields: fields.into(), rest })
    }
}
