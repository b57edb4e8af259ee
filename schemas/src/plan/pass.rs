//! Nodes that pass over what a contract does not want, by the writer's schema alone.
use apache_avro::Schema;
use apache_avro::schema::{RecordField, RecordSchema};

use super::compile::{Compiler, unknown};
use super::error::PlanError;
use super::node::{Branch, Node, NodeId, Number, Record, Step};
use super::types::{Kind, kind};

impl<'s> Compiler<'s> {
    /// The nodes to pass over a value of the writer.
    pub(super) fn skipped(&mut self, path: &str, schema: &'s Schema) -> Result<NodeId, PlanError> {
        let schema = self.writer.resolve(schema).map_err(|name| unknown(path, name))?;
        let node = match kind(schema) {
            Kind::Null | Kind::Name => Node::Null,
            Kind::Boolean => Node::Boolean,
            Kind::Number(number) => Node::Number(number),
            Kind::Text | Kind::Bytes => Node::Bytes,
            Kind::Fixed(size) => Node::Fixed(size),
            Kind::Enum(_) => Node::Number(Number::Int),
            Kind::Array(items) => Node::Array(self.nested(path, |this| this.skipped(path, items))?),
            Kind::Map(values) => Node::Map(self.nested(path, |this| this.skipped(path, values))?),
            Kind::Union(branches) => {
                let mut skipped = Vec::new();
                for branch in branches {
                    skipped.push(Branch::Is(self.skipped(path, branch)?));
                }
                Node::Union(skipped.into())
            }
            Kind::Record(record) => return self.skipped_record(path, record),
        };
        Ok(self.arena.add(node))
    }

    fn skipped_record(
        &mut self,
        path: &str,
        record: &'s RecordSchema,
    ) -> Result<NodeId, PlanError> {
        let names = (record.name.fullname(None), None);
        if let Some(node) = self.known.get(&names) {
            return Ok(*node);
        }
        let id = self.arena.add(Node::Null);
        self.known.insert(names, id);
        let steps = self.nested(path, |this| {
            let step = |field: &'s RecordField| {
                let node = this.skipped(&format!("{path}.{}", field.name), &field.schema)?;
                Ok(Step::Skip { node, name: field.name.as_str().into() })
            };
            record.fields.iter().map(step).collect::<Result<_, PlanError>>()
        })?;
        self.place(path, id, Record { steps, ..Record::default() })?;
        Ok(id)
    }
}
