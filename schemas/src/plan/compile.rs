//! Resolves a writer's schema against a contract's, by Avro's rules, into an arena of nodes.
use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::schema::RecordSchema;

use super::DEPTH_MAX;
use super::default::constant;
use super::error::PlanError;
use super::matching::{sources, symbols};
use super::node::{Arena, Branch, Node, NodeId, Record, Step};
use super::types::{Kind, Names, describe, kind, meaning, same_name};

/// How many values one record may hold outside of arrays, maps and unions. Only those cost bytes
/// for certain: of empty records within empty records a body without a byte could hold billions.
const WIDTH_MAX: usize = 16_384;

/// The two sides, and what has been resolved so far.
pub(super) struct Compiler<'s> {
    pub(super) writer: Names<'s>,
    reader: Names<'s>,
    pub(super) arena: Arena,
    /// Nodes of records by the writer's and the contract's name; without the latter to skip.
    pub(super) known: BTreeMap<(String, Option<String>), NodeId>,
    /// How many values the records hold, of those that are resolved.
    widths: BTreeMap<NodeId, usize>,
    depth: usize,
}

impl<'s> Compiler<'s> {
    pub(super) fn new(writer: Names<'s>, reader: Names<'s>) -> Self {
        let (arena, known, widths) = (Arena::default(), BTreeMap::new(), BTreeMap::new());
        Self { writer, reader, arena, known, widths, depth: 0 }
    }

    /// Resolves the outermost types.
    pub(super) fn finish(
        mut self,
        path: &str,
        writer: &'s Schema,
        reader: &'s Schema,
    ) -> Result<(Arena, NodeId), PlanError> {
        let root = self.resolve(path, writer, reader)?;
        self.arena.straighten();
        Ok((self.arena, root))
    }

    fn resolve(
        &mut self,
        path: &str,
        writer: &'s Schema,
        reader: &'s Schema,
    ) -> Result<NodeId, PlanError> {
        let writer = self.writer.resolve(writer).map_err(|name| unknown(path, name))?;
        let reader = self.reader.resolve(reader).map_err(|name| unknown(path, name))?;
        let misfit = || misfit(path, writer, reader);
        if matches!((meaning(writer), meaning(reader)), (Some(from), Some(to)) if from != to) {
            return Err(misfit());
        }
        let node = match (kind(writer), kind(reader)) {
            (Kind::Union(branches), _) => self.of_branches(path, branches, reader)?,
            (_, Kind::Union(options)) => return self.pick(path, writer, reader, options),
            (Kind::Record(from), Kind::Record(to)) => return self.record(path, from, to),
            (Kind::Array(from), Kind::Array(to)) => {
                Node::Array(self.nested(path, |this| this.resolve(&format!("{path}[]"), from, to))?)
            }
            (Kind::Map(from), Kind::Map(to)) => {
                Node::Map(self.nested(path, |this| this.resolve(&format!("{path}{{}}"), from, to))?)
            }
            (Kind::Enum(from), Kind::Enum(to)) => symbols(from, to).ok_or_else(misfit)?,
            (Kind::Null, Kind::Null) => Node::Null,
            (Kind::Boolean, Kind::Boolean) => Node::Boolean,
            (Kind::Number(from), Kind::Number(to)) if from == to => Node::Number(to),
            (Kind::Number(from), Kind::Number(to)) if from < to => Node::Promoted { from, to },
            (Kind::Text | Kind::Bytes, Kind::Text) => Node::Text,
            (Kind::Text | Kind::Bytes, Kind::Bytes) => Node::Bytes,
            (Kind::Fixed(from), Kind::Fixed(to)) if from == to => Node::Fixed(to),
            _ => return Err(misfit()),
        };
        Ok(self.arena.add(node))
    }

    fn of_branches(
        &mut self,
        path: &str,
        branches: &'s [Schema],
        reader: &'s Schema,
    ) -> Result<Node, PlanError> {
        let mut resolved = Vec::new();
        let mut problem = None;
        let mut fits = false;
        for branch in branches {
            match self.attempt(|this| this.resolve(path, branch, reader)) {
                Ok(node) => {
                    // That null fits says nothing if no value does.
                    fits |= !matches!(kind(branch), Kind::Null) || branches.len() == 1;
                    resolved.push(Branch::Is(node));
                }
                Err(error) => {
                    // Of several reasons the one about a value tells more than that about null.
                    if problem.is_none() && !matches!(kind(branch), Kind::Null) {
                        problem = Some(error);
                    }
                    resolved.push(Branch::Misfit(describe(branch).into()));
                }
            }
        }
        match problem {
            Some(problem) if !fits => Err(problem),
            Some(_) | None if fits => Ok(Node::Union(resolved.into())),
            Some(_) | None => Err(PlanError::Misfit {
                path: path.to_owned(),
                writer: "union without a value".to_owned(),
                reader: describe(reader),
            }),
        }
    }

    /// The contract's union: first what has the same name, then the same type, then what fits.
    fn pick(
        &mut self,
        path: &str,
        writer: &'s Schema,
        reader: &'s Schema,
        options: &'s [Schema],
    ) -> Result<NodeId, PlanError> {
        let mut ranked = Vec::new();
        for option in options {
            let option = self.reader.resolve(option).map_err(|name| unknown(path, name))?;
            let alike =
                std::mem::discriminant(&kind(writer)) == std::mem::discriminant(&kind(option));
            let equal = matches!((kind(writer), kind(option)),
                (Kind::Number(from), Kind::Number(to)) if from != to);
            let rank = match (alike && !equal, same_name(writer, option)) {
                (true, true) => 0,
                (true, false) => 1,
                (false, _) => 2,
            };
            ranked.push((rank, option));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        let mut problem = None;
        for (_, option) in ranked {
            match self.attempt(|this| this.resolve(path, writer, option)) {
                Ok(node) => return Ok(node),
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        // The best candidate's own reason, if it is about one of its fields.
        Err(match problem {
            Some(PlanError::Misfit { path: at, .. }) if at == path => misfit(path, writer, reader),
            Some(problem) => problem,
            None => misfit(path, writer, reader),
        })
    }

    /// Forgets what a failed attempt has added.
    fn attempt(
        &mut self,
        attempt: impl FnOnce(&mut Self) -> Result<NodeId, PlanError>,
    ) -> Result<NodeId, PlanError> {
        let (length, depth) = (self.arena.len(), self.depth);
        let result = attempt(self);
        if result.is_err() {
            self.arena.cut(length);
            self.known.retain(|_, node| *node < length);
            self.widths.retain(|node, _| *node < length);
            self.depth = depth;
        }
        result
    }

    pub(super) fn nested<T>(
        &mut self,
        path: &str,
        nested: impl FnOnce(&mut Self) -> Result<T, PlanError>,
    ) -> Result<T, PlanError> {
        if self.depth == DEPTH_MAX {
            return Err(PlanError::Deep { path: path.to_owned(), limit: DEPTH_MAX });
        }
        self.depth += 1;
        let result = nested(self)?;
        self.depth -= 1;
        Ok(result)
    }

    fn record(
        &mut self,
        path: &str,
        writer: &'s RecordSchema,
        reader: &'s RecordSchema,
    ) -> Result<NodeId, PlanError> {
        let names = (writer.name.fullname(None), Some(reader.name.fullname(None)));
        if let Some(node) = self.known.get(&names) {
            return Ok(*node);
        }
        let id = self.arena.add(Node::Null);
        self.known.insert(names, id);
        let record = self.nested(path, |this| this.fields(path, writer, reader))?;
        self.place(path, id, record)?;
        Ok(id)
    }

    /// Puts a record in its place, if it is not too wide.
    pub(super) fn place(
        &mut self,
        path: &str,
        id: NodeId,
        record: Record,
    ) -> Result<(), PlanError> {
        let width = |step: &Step| {
            let (Step::Read { node, .. } | Step::Skip { node, .. }) = step;
            self.widths.get(node).copied().unwrap_or(1)
        };
        let width = record.steps.iter().map(width).sum::<usize>() + 1;
        if width > WIDTH_MAX {
            return Err(PlanError::Wide { path: path.to_owned(), limit: WIDTH_MAX });
        }
        self.widths.insert(id, width);
        self.arena.set(id, Node::Record(record));
        Ok(())
    }

    fn fields(
        &mut self,
        path: &str,
        writer: &'s RecordSchema,
        reader: &'s RecordSchema,
    ) -> Result<Record, PlanError> {
        let sources = sources(path, writer, reader)?;
        let mut steps = Vec::new();
        for (place, field) in writer.fields.iter().enumerate() {
            let wanted = sources.iter().position(|source| *source == Some(place));
            let wanted = wanted.and_then(|index| Some((index, reader.fields.get(index)?)));
            let at = format!("{path}.{}", field.name);
            steps.push(match wanted {
                Some((index, own)) => {
                    let at = format!("{path}.{}", own.name);
                    Step::Read { index, node: self.resolve(&at, &field.schema, &own.schema)? }
                }
                None => Step::Skip {
                    node: self.skipped(&at, &field.schema)?,
                    name: field.name.as_str().into(),
                },
            });
        }
        let mut defaults = Vec::new();
        for (index, own) in reader.fields.iter().enumerate() {
            if sources.get(index) == Some(&None) {
                let at = format!("{path}.{}", own.name);
                let Some(json) = &own.default else {
                    return Err(PlanError::Missing { path: at });
                };
                let constant = constant(&self.reader, &own.schema, json);
                defaults.push((index, constant.ok_or(PlanError::Default { path: at })?));
            }
        }
        let names = reader.fields.iter().map(|field| field.name.as_str().into()).collect();
        let (steps, defaults) = (steps.into(), defaults.into());
        Ok(Record { steps, defaults, names, ..Record::default() })
    }
}

fn misfit(path: &str, writer: &Schema, reader: &Schema) -> PlanError {
    let (writer, reader) = (describe(writer), describe(reader));
    PlanError::Misfit { path: path.to_owned(), writer, reader }
}

pub(super) fn unknown(path: &str, name: String) -> PlanError {
    PlanError::Unknown { path: path.to_owned(), name }
}
