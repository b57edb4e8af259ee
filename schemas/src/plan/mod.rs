//! A plan reads a contract's record straight from the bytes of one writer's schema.
mod access;
mod compile;
mod constant;
pub(crate) mod cursor;
mod de;
mod default;
pub(crate) mod error;
mod matching;
pub(crate) mod node;
mod pass;
mod source;
mod straight;
pub(crate) mod types;
mod wire;

use std::iter::once;

use crate::{Contract, WriterSchema};

use compile::Compiler;
use cursor::Cursor;
use de::Value;
use node::{Arena, NodeId};
use types::Names;

pub use error::{PlanError, ReadError, ReadFault};
pub use straight::Straight;
pub use wire::{Origin, Place, Wire};

/// How deeply records, arrays and maps may be nested, in schemas and in bodies.
pub const DEPTH_MAX: usize = 32;

/// How many items without content the arrays of one body may have in all.
pub const IDLE_ITEMS_MAX: u32 = 4_096;

/// How to read one contract from one writer's bytes.
#[derive(Debug, Clone)]
pub struct Plan {
    arena: Arena,
    root: NodeId,
}

impl Plan {
    /// Resolves a writer's schema against a contract, once.
    pub fn compile(writer: &WriterSchema, contract: &Contract) -> Result<Self, PlanError> {
        let reader = WriterSchema::parse(contract.text).map_err(|error| PlanError::Contract {
            contract: contract.name.to_owned(),
            message: error.to_string(),
        })?;
        Self::between(writer, &reader)
    }

    /// Resolves a writer's schema against any other, such as itself to read all that it has.
    pub fn between(writer: &WriterSchema, reader: &WriterSchema) -> Result<Self, PlanError> {
        let names = |schema: &'_ WriterSchema| schema.name().unwrap_or_default();
        let path = names(reader);
        let path = path.rsplit('.').next().unwrap_or_default();
        let of_writer = Names::of(once(writer.schema()).chain(writer.references()));
        let of_reader = Names::of(once(reader.schema()).chain(reader.references()));
        let compiler = Compiler::new(of_writer, of_reader);
        let (arena, root) = compiler.finish(path, writer.schema(), reader.schema())?;
        Ok(Self { arena, root })
    }

    /// Reads a body into a type that has the contract's fields under the contract's names.
    ///
    /// What the writer writes in the contract's order, as it usually does, is read straight.
    pub fn read<'de, T: Wire<'de>>(&self, body: &'de [u8]) -> Result<T, ReadError> {
        let mut cursor = Cursor::new(body);
        let source = self.arena.source(self.root);
        let origin = Origin { arena: &self.arena, source };
        match T::read(Place { origin, body: &mut cursor }) {
            Some(value) if cursor.remaining() == 0 => Ok(value),
            Some(_) | None => self.read_generally(body),
        }
    }

    /// Reads what the straight way does not lead to, or tells why it cannot be read.
    #[cold]
    #[inline(never)]
    fn read_generally<'de, T: Wire<'de>>(&self, body: &'de [u8]) -> Result<T, ReadError> {
        let mut cursor = Cursor::new(body);
        let node = self.arena.node(self.root);
        let value = T::deserialize(Value { arena: &self.arena, node, body: &mut cursor })?;
        match cursor.remaining() {
            0 => Ok(value),
            count => Err(ReadFault::Trailing { count }.into()),
        }
    }
}
