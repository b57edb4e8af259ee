//! What a plan is made of: nodes that know the writer's bytes and the contract's meaning of them.
use std::sync::OnceLock;

use super::constant::Constant;
use super::cursor::Cursor;
use super::error::{Failure, ReadFault};
use super::source::{Ordered, Source};

/// A node's place in the arena.
pub(super) type NodeId = usize;

/// Nodes refer to one another by place, so that recursive types need no cycle of owners.
#[derive(Debug, Clone, Default)]
pub(super) struct Arena {
    nodes: Vec<Node>,
    /// Of each node.
    sources: Vec<Source>,
}

/// The kinds of numbers, in the order of Avro's promotions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Number {
    Int,
    Long,
    Float,
    Double,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Null,
    Boolean,
    Number(Number),
    Promoted { from: Number, to: Number },
    Text,
    Bytes,
    Fixed(usize),
    Enum(Box<[Symbol]>),
    Array(NodeId),
    Map(NodeId),
    Union(Box<[Branch]>),
    Record(Record),
}

/// A symbol of the writer, by its number on the wire.
#[derive(Debug, Clone)]
pub(super) enum Symbol {
    Is { index: u32, name: Box<str> },
    Misfit(Box<str>),
}

/// A branch of the writer's union, by its number on the wire.
#[derive(Debug, Clone)]
pub(super) enum Branch {
    Is(NodeId),
    Misfit(Box<str>),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    /// In the writer's order.
    pub(super) steps: Box<[Step]>,
    /// The contract's fields that the writer lacks.
    pub(super) defaults: Box<[(usize, Constant)]>,
    /// The names of the contract's fields, in its order.
    pub(super) names: Box<[Box<str>]>,
    /// How to read it straight, if the writer has the contract's fields in its order.
    pub(super) ordered: Option<Ordered>,
    /// The address of the first list of names that was compared, and the outcome.
    pub(super) found: OnceLock<(usize, bool)>,
}

impl Record {
    /// Whether a type's fields are the contract's, in its order, and fit.
    ///
    /// Types are few and bodies many, so a list of names is compared once and then known by where
    /// it is: it is static, and no other of its length is there.
    #[inline(always)]
    pub(super) fn has(&self, names: &'static [&'static str], fit: impl FnOnce() -> bool) -> bool {
        match self.found.get() {
            Some((address, has)) if *address == names.as_ptr().addr() => *has,
            Some(_) | None => self.compare(names, fit),
        }
    }

    #[cold]
    #[inline(never)]
    fn compare(&self, names: &'static [&'static str], fit: impl FnOnce() -> bool) -> bool {
        let has = names.iter().copied().eq(self.names.iter().map(|name| &**name)) && fit();
        self.found.get_or_init(|| (names.as_ptr().addr(), has));
        has
    }

    #[inline]
    pub(super) fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("", |name| name)
    }
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Skip { node: NodeId, name: Box<str> },
    Read { index: usize, node: NodeId },
}

/// Where the arena holds no node, which its maker does not let happen.
static NOTHING: Node = Node::Null;

impl Arena {
    #[inline]
    pub(super) fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(id).unwrap_or(&NOTHING)
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub(super) fn set(&mut self, id: NodeId, node: Node) {
        if let Some(place) = self.nodes.get_mut(id) {
            *place = node;
        }
    }

    pub(super) fn cut(&mut self, length: usize) {
        self.nodes.truncate(length);
    }

    pub(super) fn is_null(&self, id: NodeId) -> bool {
        matches!(self.node(id), Node::Null)
    }

    /// Where a value comes from, for the straight way.
    #[inline(always)]
    pub(super) fn source(&self, id: NodeId) -> Source {
        self.sources.get(id).copied().unwrap_or(Source::NULL)
    }

    /// Finds out what can be read straight, once all nodes are there.
    pub(super) fn straighten(&mut self) {
        self.sources = (0..self.nodes.len()).map(|id| Source::of(self, id)).collect();
        for id in 0..self.nodes.len() {
            if let Node::Record(record) = self.node(id) {
                let ordered = Ordered::of(self, record);
                if let Some(Node::Record(record)) = self.nodes.get_mut(id) {
                    record.ordered = ordered;
                }
            }
        }
    }

    /// The node, or the one that the body says if it is a union.
    #[inline(always)]
    pub(super) fn settle<'p, F: Failure>(
        &'p self,
        node: &'p Node,
        body: &mut Cursor<'_, F>,
    ) -> Result<&'p Node, F> {
        let Node::Union(branches) = node else {
            return Ok(node);
        };
        let found = body.long()?;
        match usize::try_from(found).ok().and_then(|place| branches.get(place)) {
            Some(Branch::Is(node)) => Ok(self.node(*node)),
            Some(Branch::Misfit(what)) => Err(misfit(what)),
            None => Err(no_branch(found, branches.len())),
        }
    }

    /// Passes over a value.
    pub(super) fn skip<F: Failure>(&self, node: &Node, body: &mut Cursor<'_, F>) -> Result<(), F> {
        match self.settle(node, body)? {
            Node::Null | Node::Union(_) => Ok(()),
            Node::Boolean => body.boolean().map(drop),
            Node::Number(wire) | Node::Promoted { from: wire, .. } => match wire {
                Number::Int | Number::Long => body.long().map(drop),
                Number::Float => body.take(4).map(drop),
                Number::Double => body.take(8).map(drop),
            },
            Node::Text | Node::Bytes => body.bytes().map(drop),
            Node::Fixed(size) => body.take(*size).map(drop),
            Node::Enum(_) => body.long().map(drop),
            Node::Array(items) => self.skip_blocks(false, *items, body),
            Node::Map(values) => self.skip_blocks(true, *values, body),
            Node::Record(record) => self.skip_record(record, body),
        }
    }

    fn skip_record<F: Failure>(&self, record: &Record, body: &mut Cursor<'_, F>) -> Result<(), F> {
        body.enter()?;
        for step in &record.steps {
            self.skip_step(record, step, body)?;
        }
        body.leave();
        Ok(())
    }

    /// Passes over a field of a record.
    #[inline]
    pub(super) fn skip_step<F: Failure>(
        &self,
        record: &Record,
        step: &Step,
        body: &mut Cursor<'_, F>,
    ) -> Result<(), F> {
        let (node, name) = match step {
            Step::Skip { node, name } => (*node, Some(name)),
            Step::Read { index, node } => (*node, record.names.get(*index)),
        };
        let skipped = self.skip(self.node(node), body);
        skipped.map_err(|error| error.in_field(name.map_or("", |name| name)))
    }

    fn skip_blocks<F: Failure>(
        &self,
        keyed: bool,
        id: NodeId,
        body: &mut Cursor<'_, F>,
    ) -> Result<(), F> {
        body.enter()?;
        loop {
            let block = body.block()?;
            if let Some(size) = block.size {
                body.take(size)?;
                continue;
            }
            if block.count == 0 {
                break;
            }
            for _ in 0..block.count {
                let before = body.remaining();
                if keyed {
                    body.bytes()?;
                }
                self.skip(self.node(id), body)?;
                body.item_ended(before)?;
            }
        }
        body.leave();
        Ok(())
    }
}

#[cold]
fn no_branch<F: Failure>(found: i64, branches: usize) -> F {
    ReadFault::Branch { found, branches }.into()
}

#[cold]
pub(super) fn misfit<F: Failure>(what: &str) -> F {
    ReadFault::Misfit { what: what.to_owned() }.into()
}
